package signon_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/signontest"
)

// jwksOf is what a client publishes.
func jwksOf(t *testing.T, change func(*signon.Provider)) (*signon.Client, http.Handler) {
	t.Helper()
	op := signontest.NewInProcess(signontest.Config{})
	auth, err := signon.New(signon.Config{BaseURL: appURL, HTTPClient: op.HTTPClient(), Logger: quiet()})
	require.NoError(t, err)
	p := op.SignonProvider("op")
	change(&p)
	client, err := auth.Register(p)
	require.NoError(t, err)
	return client, auth.Handler()
}

func ask(t *testing.T, h http.Handler, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, appURL+path, nil))
	return w
}

// CA-05: all keys are published, each once, and none is private.
func TestJWKS(t *testing.T) {
	r, ec, ed := clientKeys(t)
	client, handler := jwksOf(t, func(p *signon.Provider) {
		keys := privateKeyJWT(clientauth.Key{ID: "new", Signer: ed}, clientauth.Key{ID: "old", Alg: "PS256", Signer: r})
		p.ClientAuth, p.RevocationAuth, p.ClientSecret = keys, keys, ""
		p.IntrospectionAuth = privateKeyJWT(clientauth.Key{ID: "other", Signer: ec})
		p.IDTokenEncryptionAlg = "RSA-OAEP-256"
		p.DecryptionKeys = []signon.DecryptionKey{{ID: "enc", Key: r}}
	})
	for name, h := range map[string]http.Handler{"/auth/jwks/op": handler, "/anywhere": client.JWKSHandler()} {
		t.Run(name, func(t *testing.T) {
			w := ask(t, h, http.MethodGet, name)
			require.Equal(t, http.StatusOK, w.Code)
			require.Equal(t, "application/jwk-set+json", w.Header().Get("Content-Type"))
			require.Equal(t, "public, max-age=900", w.Header().Get("Cache-Control"))
			require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
			require.Empty(t, w.Header().Values("Set-Cookie"))
			var set struct{ Keys []map[string]any }
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &set))
			var got [][]any
			for _, key := range set.Keys {
				got = append(got, []any{key["kid"], key["use"], key["alg"]})
				for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
					require.NotContains(t, key, private)
				}
			}
			require.Equal(t, [][]any{
				{"new", "sig", "EdDSA"}, {"old", "sig", "PS256"}, {"other", "sig", "ES256"}, {"enc", "enc", "RSA-OAEP-256"},
			}, got)
			head := ask(t, h, http.MethodHead, name)
			require.Equal(t, http.StatusOK, head.Code)
			for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
				require.Equal(t, http.StatusMethodNotAllowed, ask(t, h, method, name).Code)
			}
		})
	}
	require.Equal(t, http.StatusNotFound, ask(t, handler, http.MethodGet, "/auth/jwks/nobody").Code)
}

// The provider of a client that rolls its keys over reads them where the handler is.
func TestJWKSAsTheProviderReadsThem(t *testing.T) {
	_, ec, ed := clientKeys(t)
	op := signontest.Config{ClientAuth: "private_key_jwt"}
	a := newApp(t, appOptions{op: op, provider: func(p *signon.Provider) {
		p.ClientAuth = privateKeyJWT(clientauth.Key{ID: "new", Signer: ed}, clientauth.Key{ID: "old", Signer: ec})
	}})
	require.NoError(t, a.op.SetClientKeys(ask(t, a.client.JWKSHandler(), http.MethodGet, "/").Body.Bytes()))
	a.signIn()
	a.requireSignedIn("alice")
}

// publisher is a method of the application's own.
type publisher struct {
	clientauth.Post
	keys func() ([]json.RawMessage, error)
}

func (p publisher) PublicKeys(context.Context) ([]json.RawMessage, error) { return p.keys() }

// A client without keys has no key set, and a method that would publish a private one, or
// none that can be read, publishes nothing.
func TestJWKSOfNothing(t *testing.T) {
	returns := func(keys ...string) func() ([]json.RawMessage, error) {
		var raw []json.RawMessage
		for _, k := range keys {
			raw = append(raw, json.RawMessage(k))
		}
		return func() ([]json.RawMessage, error) { return raw, nil }
	}
	for _, c := range []struct {
		name   string
		method clientauth.Method
		want   int
	}{
		{"a secret", clientauth.Post{}, 404},
		{"no keys", publisher{keys: returns()}, 404},
		{"a good one", publisher{keys: returns(`{"kty":"OKP","crv":"Ed25519","x":"AA"}`)}, 200},
		{"a private one", publisher{keys: returns(`{"kty":"OKP","crv":"Ed25519","x":"AA","d":"canary"}`)}, 500},
		{"a secret one", publisher{keys: returns(`{"kty":"oct","k":"canary"}`)}, 500},
		{"not JSON", publisher{keys: returns(`canary`)}, 500},
		{"no key", publisher{keys: returns(`{}`)}, 500},
		{"an error", publisher{keys: func() ([]json.RawMessage, error) { return nil, errors.New("down") }}, 500},
		{"unavailable", publisher{keys: func() ([]json.RawMessage, error) { return nil, signon.ErrUnavailable }}, 503},
		{"a panic", publisher{keys: func() ([]json.RawMessage, error) { panic("canary") }}, 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, _ := jwksOf(t, func(p *signon.Provider) { p.ClientAuth = c.method })
			w := ask(t, client.JWKSHandler(), http.MethodGet, "/")
			require.Equal(t, c.want, w.Code)
			require.NotContains(t, w.Body.String(), "canary")
			if c.want != http.StatusOK {
				require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
			}
		})
	}
}

// A self-signed certificate is published with its key, RFC 8705 section 2.2.2.
func TestJWKSOfACertificate(t *testing.T) {
	cert := clientCertificate(t)
	auth, err := signon.New(signon.Config{BaseURL: appURL, Logger: quiet()})
	require.NoError(t, err)
	p := signontest.NewInProcess(signontest.Config{Public: true}).SignonProvider("op")
	p.ClientAuth = clientauth.TLS{Certificate: cert, SelfSigned: true}
	client, err := auth.Register(p)
	require.NoError(t, err)
	w := ask(t, client.JWKSHandler(), http.MethodGet, "/")
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Body.String(), `"x5c":[`)
	require.NotContains(t, w.Body.String(), `"d":`)
}
