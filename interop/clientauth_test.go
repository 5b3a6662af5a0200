package interop_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/interop/op"
	"github.com/seed1a301047/signon/interop/zitadel"
)

// longSecret is long enough for HS512.
const longSecret = "a secret: 100% of it, and 64 bytes+, since HS512 wants as many!!"

// every grant that the tests of client authentication use.
var grants = []string{"authorization_code", "refresh_token", "client_credentials"}

// useEverything makes each call of a client that proves itself: code exchange, refresh,
// introspection, client credentials, revocation.
func useEverything(t *testing.T, a *app, u *user) {
	t.Helper()
	require.Equal(t, http.StatusOK, u.get("/me").Status)
	require.EqualValues(t, 1, a.exchanges.Load())
	a.expire(t)
	require.Equal(t, http.StatusOK, u.get("/userinfo").Status)
	require.EqualValues(t, 1, a.refreshes.Load())

	ctx := signon.WithOwner(t.Context(), a.key().Owner)
	token, err := a.client.Token(ctx)
	require.NoError(t, err)
	said, err := a.client.Introspect(t.Context(), token)
	require.NoError(t, err)
	require.True(t, said.Active)
	require.Equal(t, "alice", said.Subject)

	require.NoError(t, a.client.Revoke(ctx))
	said, err = a.client.Introspect(t.Context(), token)
	require.NoError(t, err)
	require.False(t, said.Active)
	useOwnToken(t, a)
}

// useOwnToken asks for a token for the application itself, once.
func useOwnToken(t *testing.T, a *app) {
	t.Helper()
	asked := a.exchanges.Load()
	own, err := a.client.ClientToken(t.Context())
	require.NoError(t, err)
	said, err := a.client.Introspect(t.Context(), own)
	require.NoError(t, err)
	require.True(t, said.Active)
	again, err := a.client.ClientToken(t.Context())
	require.NoError(t, err)
	require.Equal(t, own.AccessToken, again.AccessToken)
	require.Equal(t, asked+1, a.exchanges.Load())
}

// startClients starts one oidc-provider for all clients of a test.
func startClients(t testing.TB, clients ...op.Client) (issuer string) {
	t.Helper()
	for i := range clients {
		clients[i].RedirectURIs, clients[i].GrantTypes = []string{callback}, grants
	}
	return op.Start(t, op.Config{Clients: clients}).Issuer
}

func TestSecretMethods(t *testing.T) {
	methods := map[string]clientauth.Method{
		"basic client": clientauth.Basic{}, "post client": clientauth.Post{}, "HS256 client": clientauth.SecretJWT{},
		"HS384 client": clientauth.SecretJWT{Alg: "HS384"}, "HS512 client": clientauth.SecretJWT{Alg: "HS512"},
	}
	var clients []op.Client
	for id, method := range methods {
		jwt, _ := method.(clientauth.SecretJWT)
		clients = append(clients, op.Client{ID: id, Secret: longSecret, AuthMethod: method.Name(), AuthSigningAlg: jwt.Alg})
	}
	issuer := startClients(t, clients...)
	for id, method := range methods {
		t.Run(id, func(t *testing.T) {
			a := newApp(t, origin, signon.Provider{
				Issuer: issuer, ClientID: id, ClientSecret: longSecret, ClientAuth: method, Scopes: []string{"openid", "profile"},
			})
			useEverything(t, a, newUser(t, a))
		})
	}
}

// opaqueSigner shows nothing of its key, as one in a KMS.
type opaqueSigner struct{ crypto.Signer }

// keysOf makes a signer for each algorithm.
func keysOf(t testing.TB) map[string]crypto.Signer {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	keys := map[string]crypto.Signer{"EdDSA": edKey}
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"} {
		keys[alg] = opaqueSigner{rsaKey}
	}
	for alg, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(t, err)
		keys[alg] = opaqueSigner{key}
	}
	return keys
}

// publicKeys is the key set that the application's own handler publishes: what one
// registers with a provider.
func publicKeys(t testing.TB, p signon.Provider) json.RawMessage {
	t.Helper()
	p.Name, p.Issuer = "op", "https://registration.test"
	auth, err := signon.New(signon.Config{BaseURL: origin})
	require.NoError(t, err)
	client, err := auth.Register(p)
	require.NoError(t, err)
	w := httptest.NewRecorder()
	client.JWKSHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, origin+"/keys", nil))
	require.Equal(t, http.StatusOK, w.Code)
	return w.Body.Bytes()
}

// The provider knows the keys from what the application's JWKSHandler says, and signs in
// by the first; the second one is there for when the first is gone.
func TestPrivateKeyJWT(t *testing.T) {
	second := clientauth.Key{ID: "second", Signer: newECKey(t)}
	registered := map[string]signon.Provider{}
	var clients []op.Client
	for alg, signer := range keysOf(t) {
		first := clientauth.Key{ID: "first", Alg: alg, Signer: signer}
		p := signon.Provider{
			ClientID: "client of " + alg, Scopes: []string{"openid", "profile"},
			ClientAuth: clientauth.PrivateKeyJWT{Keys: []clientauth.Key{first, second}},
		}
		registered[alg] = p
		clients = append(clients, op.Client{ID: p.ClientID, AuthMethod: "private_key_jwt", JWKS: publicKeys(t, p)})
	}
	issuer := startClients(t, clients...)
	for alg, provider := range registered {
		t.Run(alg, func(t *testing.T) {
			provider.Issuer = issuer
			a := newApp(t, origin, provider)
			useEverything(t, a, newUser(t, a))

			keys := slices.Clone(provider.ClientAuth.(clientauth.PrivateKeyJWT).Keys)
			slices.Reverse(keys)
			provider.ClientAuth = clientauth.PrivateKeyJWT{Keys: keys}
			a = newApp(t, origin, provider)
			require.Equal(t, http.StatusOK, newUser(t, a).get("/me").Status, "after the keys have changed places")
		})
	}
}

// A key that the provider does not know: the operator's fault, said in the log only.
func TestPrivateKeyJWTOfAnotherKey(t *testing.T) {
	provider := signon.Provider{ClientID: clientID, Scopes: []string{"openid"}}
	provider.ClientAuth = clientauth.PrivateKeyJWT{Keys: []clientauth.Key{{ID: "k", Signer: newECKey(t)}}}
	keys := publicKeys(t, provider)
	provider.Issuer = startOP(t, func(c *op.Client) {
		c.Secret, c.AuthMethod, c.JWKS = "", "private_key_jwt", keys
	}).Issuer
	provider.ClientAuth = clientauth.PrivateKeyJWT{Keys: []clientauth.Key{{ID: "k", Signer: newECKey(t)}}}
	require.Equal(t, http.StatusBadGateway, newUser(t, newApp(t, origin, provider)).get("/me").Status) // TE-11
}

// A method that the provider does not have ends the login before the user is sent away.
func TestMethodThatTheProviderLacks(t *testing.T) {
	cert, _ := selfSigned(t, "nobody")
	provider := startOP(t, nil)
	provider.ClientSecret, provider.ClientAuth = "", clientauth.TLS{Certificate: cert, SelfSigned: true}
	u := newUser(t, newApp(t, origin, provider))
	answer := u.get("/me")
	require.Equal(t, http.StatusInternalServerError, answer.Status) // CA-02
	require.Equal(t, origin, answer.URL.Scheme+"://"+answer.URL.Host)
}

// RFC 8705: by a certificate of an authority that the provider knows and by one that it
// has registered, and by the endpoints that are for it where there are such.
func TestMutualTLS(t *testing.T) {
	authority := newAuthority(t)
	issued := authority.issue("interop client")
	own, keys := selfSigned(t, "interop client")
	for _, c := range []struct {
		name   string
		method clientauth.TLS
		alias  string
		edit   func(*op.Client)
	}{
		{"of an authority", clientauth.TLS{Certificate: issued}, "", func(c *op.Client) {
			c.AuthMethod, c.TLSSubjectDN = "tls_client_auth", "CN=interop client"
		}},
		{"self-signed", clientauth.TLS{Certificate: own, SelfSigned: true}, "", func(c *op.Client) {
			c.AuthMethod, c.JWKS = "self_signed_tls_client_auth", keys
		}},
		{"bound tokens and aliases", clientauth.TLS{Certificate: own, SelfSigned: true}, "localhost", func(c *op.Client) {
			c.AuthMethod, c.JWKS, c.CertificateBound = "self_signed_tls_client_auth", keys, true
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := op.Client{ID: clientID, RedirectURIs: []string{callback}, GrantTypes: grants}
			c.edit(&client)
			issuer := op.Start(t, op.Config{Clients: []op.Client{client}, TLS: authority.server(), MTLSHost: c.alias}).Issuer

			var hosts sync.Map
			provider := signon.Provider{Issuer: issuer, ClientID: clientID, ClientAuth: c.method, Scopes: []string{"openid", "profile"}}
			seen := func(_ context.Context, r *hooks.Request) error {
				u, err := url.Parse(r.URL)
				hosts.Store(u.Hostname(), true)
				return err
			}
			provider.Hooks = hooks.Hooks{TokenRequest: seen, RefreshRequest: seen, RevokeRequest: seen, IntrospectRequest: seen}
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority.pool()}}
			a := newAppVia(t, origin, provider, &http.Client{Transport: transport})
			u := newUser(t, a)
			u.b.Serve(issuer, through(t, issuer, transport))
			useEverything(t, a, u)

			want := "127.0.0.1"
			if c.alias != "" {
				want = c.alias
			}
			seenHosts := 0
			hosts.Range(func(host, _ any) bool {
				seenHosts++
				require.Equal(t, want, host)
				return true
			})
			require.Equal(t, 1, seenHosts)
		})
	}
}

// through is a provider as a browser sees it that trusts the provider's certificate.
func through(t testing.TB, issuer string, transport http.RoundTripper) http.Handler {
	target, err := url.Parse(issuer)
	require.NoError(t, err)
	return &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = target.Host
	}}
}

// The other peer.
func TestZitadelMethods(t *testing.T) {
	key := newRSAKey(t)
	for _, c := range []struct {
		name   string
		method clientauth.Method
		secret signon.Secret
	}{
		{"basic", clientauth.Basic{}, clientSecret},
		{"post", clientauth.Post{}, clientSecret},
		{"private_key_jwt", clientauth.PrivateKeyJWT{Keys: []clientauth.Key{{ID: "k1", Signer: key}}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := zitadel.Config{ClientID: clientID, ClientSecret: clientSecret, RedirectURI: callback, Method: c.method.Name(), Key: &key.PublicKey, KeyID: "k1"}
			provider := options{}.provider(zitadel.Start(t, cfg).Issuer, "openid", "profile", "email", "offline_access")
			provider.ClientSecret, provider.ClientAuth = c.secret, c.method
			a := newApp(t, origin, provider)
			u := newUser(t, a)
			require.Equal(t, http.StatusOK, u.get("/me").Status)
			a.expire(t)
			require.Equal(t, http.StatusOK, u.get("/userinfo").Status)
			require.EqualValues(t, 1, a.refreshes.Load())
			require.Equal(t, http.StatusNoContent, u.post("/revoke").Status)
		})
	}
}

func newRSAKey(t testing.TB) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}
