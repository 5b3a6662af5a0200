package clientauth_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"

	"github.com/seed1a301047/signon/clientauth"
)

func ExampleByName() {
	method, err := clientauth.ByName("client_secret_post") // from a configuration file
	if err != nil {
		fmt.Println(err)
		return
	}
	r := &clientauth.Request{ClientID: "app", Secret: "s3cret", Header: http.Header{}, Params: url.Values{}}
	if err := method.Authenticate(context.Background(), r); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Params.Encode())
	// Output: client_id=app&client_secret=s3cret
}

// A key in a file proves the client, and no secret is sent. Its public half is published by
// Client.JWKSHandler, or given to the provider when the client is registered there.
func ExamplePrivateKeyJWT() {
	signers, err := clientauth.ParseKeys([]byte(keyFile)) // os.ReadFile("client.pem")
	if err != nil {
		fmt.Println(err)
		return
	}
	method := clientauth.PrivateKeyJWT{Keys: []clientauth.Key{{ID: "2026-03", Signer: signers[0]}}}

	fmt.Println(method.Name(), method.AssertionAlg())
	// Output: private_key_jwt EdDSA
}

// The example key of RFC 8410 section 10.3.
const keyFile = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
`

// While keys roll over, the first one signs and all are published. A Key never prints what
// it signs with.
func ExampleKey() {
	signers, err := clientauth.ParseKeys([]byte(keyFile))
	if err != nil {
		fmt.Println(err)
		return
	}
	k := clientauth.Key{ID: "2026-03", Alg: "EdDSA", Signer: signers[0]}
	fmt.Println(k)
	// Output: clientauth.Key{ID: "2026-03", Alg: "EdDSA"}
}

// The certificate is read again for each new connection, so that it can be renewed.
func ExampleTLS() {
	method := clientauth.TLS{
		GetCertificate: func(context.Context) (*tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair("client.crt", "client.key")
			return &cert, err
		},
	}
	fmt.Println(method.Name())
	// Output: tls_client_auth
}

// A gateway in front of the provider wants its own key besides the client's secret.
type gateway struct {
	clientauth.Basic
	key string
}

func (g gateway) Authenticate(ctx context.Context, r *clientauth.Request) error {
	r.Header.Set("X-Gateway-Key", g.key)
	return g.Basic.Authenticate(ctx, r)
}

func ExampleMethod() {
	var method clientauth.Method = gateway{key: "k1"}

	r := &clientauth.Request{ClientID: "app", Secret: "s3cret", Header: http.Header{}, Params: url.Values{}}
	if err := method.Authenticate(context.Background(), r); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(method.Name())
	fmt.Println(r.Header.Get("Authorization"))
	fmt.Println(r.Header.Get("X-Gateway-Key"))
	// Output:
	// client_secret_basic
	// Basic YXBwOnMzY3JldA==
	// k1
}
