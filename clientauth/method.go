// Package clientauth is how the application proves itself to a provider: at the
// token, revocation and introspection endpoints, RFC 6749 section 2.3.
//
// The smallest use is none: a provider with a client secret gets [Basic], one
// without gets [None]. Another way is named in the configuration:
//
//	signon.Provider{ClientAuth: clientauth.Post{}, ...}
//
// # Stronger than a secret
//
// A secret that is sent can be stolen on the way, or by the server that it is sent to.
// [PrivateKeyJWT] and [SecretJWT] sign a short-lived assertion instead, and [TLS]
// proves the key of a certificate:
//
//	signers, err := clientauth.ParseKeys(pem)
//	...
//	signon.Provider{ClientAuth: clientauth.PrivateKeyJWT{
//		Keys: []clientauth.Key{{ID: "2026-03", Signer: signers[0]}},
//	}, ...}
//
// # Your own
//
// A [Method] adds what it needs to the request, once, just before it is sent. That
// includes client_id, RFC 6749 section 3.2.1: nobody else sends it.
//
//	type apiKey struct{ value string }
//
//	func (apiKey) Name() string { return "x_api_key" }
//
//	func (k apiKey) Authenticate(_ context.Context, r *clientauth.Request) error {
//		r.Params.Set("client_id", r.ClientID)
//		r.Header.Set("X-Api-Key", k.value)
//		return nil
//	}
package clientauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
)

// A Method proves who the client is, in one request.
//
// Signon calls Authenticate once for each request, after the hooks and just
// before sending, from many goroutines at once; so what it adds is fresh each
// time (a new jti, a new time). An error stops the request: nothing was sent, and
// no other method is tried. A request must carry one proof only, RFC 6749 section
// 2.3; Signon refuses to send two.
type Method interface {
	// Name is the method's name among the token_endpoint_auth_method values of
	// RFC 7591 section 2, such as "client_secret_basic". It is compared with the
	// provider's token_endpoint_auth_methods_supported, RFC 8414 section 2.
	Name() string

	// Authenticate adds the proof to r's Header or Params. It must return when
	// ctx ends.
	Authenticate(ctx context.Context, r *Request) error
}

// A Request is a form POST that is about to be sent. It holds secrets, and does
// not print them: fmt, JSON and log/slog see the client id and the endpoint.
type Request struct {
	ClientID string // client_id, RFC 6749 section 2.2
	Secret   string // the client's password; "" if it has none
	Issuer   string // the provider's issuer identifier: the audience of an assertion. "" if it is unknown
	Endpoint string // the URL that the request goes to

	// Header and Params are the request's own: a Method adds to them, or replaces
	// its earlier values, and keeps no reference.
	Header http.Header
	Params url.Values
}

// String returns the client id and the endpoint.
func (r Request) String() string {
	return fmt.Sprintf("clientauth.Request{ClientID: %q, Endpoint: %q}", r.ClientID, r.Endpoint)
}

// Format writes what [Request.String] returns, whatever the verb.
func (r Request) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// LogValue returns the client id and the endpoint.
func (r Request) LogValue() slog.Value {
	return slog.GroupValue(slog.String("client_id", r.ClientID), slog.String("endpoint", r.Endpoint))
}

// MarshalText returns what [Request.String] returns.
func (r Request) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// ByName returns the method that a configuration names, where the name says all:
// "client_secret_basic", "client_secret_post", "client_secret_jwt" or "none". For a
// method that needs a key or a certificate the error says how to configure it. Any
// other name is an error: nothing falls back to a weaker method.
func ByName(name string) (Method, error) {
	for _, m := range []Method{Basic{}, Post{}, SecretJWT{}, None{}} {
		if m.Name() == name {
			return m, nil
		}
	}
	switch name {
	case "private_key_jwt":
		return nil, errors.New("clientauth: private_key_jwt needs a key: give one with it, or use PrivateKeyJWT{Keys: ...} in Go")
	case "tls_client_auth", "self_signed_tls_client_auth":
		return nil, fmt.Errorf("clientauth: %s needs a certificate and its key: give both with it, or use TLS{Certificate: ...} in Go", name)
	}
	return nil, fmt.Errorf("clientauth: no method %.200q: use client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt, tls_client_auth, self_signed_tls_client_auth or none", name)
}
