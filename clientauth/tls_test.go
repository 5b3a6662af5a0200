package clientauth_test

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/clientauth"
)

// certificate is one of its own signature, which ends at notAfter.
func certificate(t *testing.T, key crypto.Signer, notAfter time.Time) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "client"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: notAfter,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestTLS(t *testing.T) {
	cert := certificate(t, ecKey(t, elliptic.P256()), time.Now().Add(time.Hour))
	for name, m := range map[string]clientauth.TLS{
		"tls_client_auth":             {Certificate: cert},
		"self_signed_tls_client_auth": {Certificate: cert, SelfSigned: true},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, name, m.Name())
			require.NoError(t, m.Check(t.Context(), request("client", "")))
			r := request("client", "a secret that stays here")
			require.NoError(t, m.Authenticate(t.Context(), r))
			require.Equal(t, "client_id=client&grant_type=authorization_code", r.Params.Encode())
			require.Empty(t, r.Header)
			got, err := m.ClientCertificate(t.Context())
			require.NoError(t, err)
			require.Equal(t, cert.Certificate, got.Certificate)

			require.Error(t, m.Authenticate(t.Context(), request("", "")), "no client id")
			plain := request("client", "")
			plain.Endpoint = "http://127.0.0.1/token"
			require.Error(t, m.Authenticate(t.Context(), plain), "no certificate is presented over http")
		})
	}
}

// CA-05: a certificate that cannot work refuses the registration.
func TestTLSCheck(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	good := certificate(t, key, time.Now().Add(time.Hour))
	with := func(change func(c *tls.Certificate)) tls.Certificate {
		c := good
		change(&c)
		return c
	}
	get := func(c *tls.Certificate, err error) func(context.Context) (*tls.Certificate, error) {
		return func(context.Context) (*tls.Certificate, error) { return c, err }
	}
	for _, c := range []struct {
		name   string
		method clientauth.TLS
		ok     bool
	}{
		{"good", clientauth.TLS{Certificate: good}, true},
		{"from a function", clientauth.TLS{GetCertificate: get(&good, nil)}, true},
		{"none", clientauth.TLS{}, false},
		{"both", clientauth.TLS{Certificate: good, GetCertificate: get(&good, nil)}, false},
		{"expired", clientauth.TLS{Certificate: certificate(t, key, time.Now().Add(-time.Minute))}, false},
		{"another key", clientauth.TLS{Certificate: with(func(c *tls.Certificate) { c.PrivateKey = ecKey(t, elliptic.P256()) })}, false},
		{"another type of key", clientauth.TLS{Certificate: with(func(c *tls.Certificate) { c.PrivateKey = edKey(t) })}, false},
		{"no key", clientauth.TLS{Certificate: with(func(c *tls.Certificate) { c.PrivateKey = nil })}, false},
		{"no signer", clientauth.TLS{Certificate: with(func(c *tls.Certificate) { c.PrivateKey = "key" })}, false},
		{"not DER", clientauth.TLS{Certificate: with(func(c *tls.Certificate) { c.Certificate = [][]byte{[]byte("x")} })}, false},
		{"a function that returns nil", clientauth.TLS{GetCertificate: get(nil, nil)}, false},
		{"a function that returns an empty one", clientauth.TLS{GetCertificate: get(&tls.Certificate{}, nil)}, false},
		{"a function that fails", clientauth.TLS{GetCertificate: get(nil, errors.New("down"))}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.method.Check(t.Context(), request("client", ""))
			require.Equal(t, c.ok, err == nil, "%v", err)
		})
	}
}

// RFC 8705 section 2.2.2: a self-signed certificate is known by the client's key set.
func TestTLSPublicKeys(t *testing.T) {
	cert := certificate(t, rsaKey(t, 2048), time.Now().Add(time.Hour))
	none, err := clientauth.TLS{Certificate: cert}.PublicKeys(t.Context())
	require.NoError(t, err)
	require.Empty(t, none)

	some, err := clientauth.TLS{Certificate: cert, SelfSigned: true}.PublicKeys(t.Context())
	require.NoError(t, err)
	require.Len(t, some, 1)
	var jwk map[string]any
	require.NoError(t, json.Unmarshal(some[0], &jwk))
	require.Equal(t, []any{base64.StdEncoding.EncodeToString(cert.Certificate[0])}, jwk["x5c"])
	require.Equal(t, "RSA", jwk["kty"])
	require.NotContains(t, jwk, "d")
}

// LG-03: the key of a certificate does not print.
func TestTLSDoesNotPrint(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	m := clientauth.TLS{Certificate: certificate(t, key, time.Now().Add(time.Hour))}
	for _, v := range []any{m, &m, struct{ M clientauth.Method }{m}} {
		var out strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
			fmt.Fprintf(&out, verb, v)
		}
		b, err := json.Marshal(v)
		require.NoError(t, err)
		out.Write(b)
		slog.New(slog.NewTextHandler(&out, nil)).InfoContext(t.Context(), "x", "v", v)
		//lint:ignore SA1019 what must not show
		require.NotContains(t, out.String(), key.D.String())
		require.Contains(t, out.String(), "tls_client_auth")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%d", "%x"} {
		require.Equal(t, "clientauth.TLS{tls_client_auth}", fmt.Sprintf(verb, m))
	}
}
