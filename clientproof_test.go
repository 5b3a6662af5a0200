package signon_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/signontest"
)

const longSecret = "a secret of sixty-four bytes, as HS512 wants them, and some more: + % é"

// clientKeys are one of each type, made once for the test.
func clientKeys(t *testing.T) (r *rsa.PrivateKey, ec *ecdsa.PrivateKey, ed ed25519.PrivateKey) {
	t.Helper()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	_, ed, err = ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return r, ec, ed
}

func privateKeyJWT(keys ...clientauth.Key) clientauth.PrivateKeyJWT {
	return clientauth.PrivateKeyJWT{Keys: keys}
}

// CA-01, CA-03: a client proves itself in one way, and in the same one to log in, to refresh,
// to introspect and to revoke; each assertion is a new one.
func TestClientAuthMethods(t *testing.T) {
	r, ec, ed := clientKeys(t)
	for _, c := range []struct {
		name   string
		op     signontest.Config
		method clientauth.Method
	}{
		{"Basic", signontest.Config{ClientAuth: "client_secret_basic", ClientID: "app:1 +%", ClientSecret: longSecret}, clientauth.Basic{}},
		{"BasicRaw", signontest.Config{ClientAuth: "client_secret_basic", RawBasic: true, ClientSecret: longSecret}, clientauth.BasicRaw{}},
		{"Post", signontest.Config{ClientAuth: "client_secret_post", ClientSecret: longSecret}, clientauth.Post{}},
		{"HS256", signontest.Config{ClientAuth: "client_secret_jwt", ClientSecret: longSecret}, clientauth.SecretJWT{}},
		{"HS384", signontest.Config{ClientAuth: "client_secret_jwt", ClientSecret: longSecret}, clientauth.SecretJWT{Alg: "HS384"}},
		{"HS512, by a pointer", signontest.Config{ClientAuth: "client_secret_jwt", ClientSecret: longSecret}, &clientauth.SecretJWT{Alg: "HS512"}},
		{"RS256", signontest.Config{ClientAuth: "private_key_jwt"}, privateKeyJWT(clientauth.Key{ID: "k", Signer: r})},
		{"PS384", signontest.Config{ClientAuth: "private_key_jwt"}, privateKeyJWT(clientauth.Key{ID: "k", Alg: "PS384", Signer: r})},
		{"ES256", signontest.Config{ClientAuth: "private_key_jwt"}, privateKeyJWT(clientauth.Key{Signer: ec})},
		{"EdDSA", signontest.Config{ClientAuth: "private_key_jwt"}, privateKeyJWT(clientauth.Key{ID: "k", Signer: ed})},
	} {
		t.Run(c.name, func(t *testing.T) {
			if publisher, ok := c.method.(clientauth.Publisher); ok {
				keys, err := publisher.PublicKeys(t.Context())
				require.NoError(t, err)
				c.op.ClientKeys, err = json.Marshal(map[string]any{"keys": keys})
				require.NoError(t, err)
			}
			a := newOwned(t, appOptions{op: c.op, provider: func(p *signon.Provider) { p.ClientAuth = c.method }})
			a.requireSignedIn("alice")
			a.expire("alice")
			token, err := a.client.Token(a.as("alice"))
			require.NoError(t, err)
			said, err := a.client.Introspect(t.Context(), token)
			require.NoError(t, err)
			require.True(t, said.Active)
			require.NoError(t, a.client.Revoke(a.as("alice")))
			for _, e := range []signontest.Endpoint{signontest.Token, signontest.Introspection, signontest.Revocation} {
				require.NotZero(t, a.op.Count(e))
				for _, r := range a.op.Requests(e) {
					requireOneProof(t, r, c.method.Name())
				}
			}
			a.requireQuiet()
		})
	}
}

// requireOneProof: a request proves the client once, in that way.
func requireOneProof(t *testing.T, r signontest.Request, method string) {
	t.Helper()
	var got []string
	if r.Header.Get("Authorization") != "" {
		got = append(got, "client_secret_basic")
	}
	if r.Form.Has("client_secret") {
		got = append(got, "client_secret_post")
	}
	if r.Form.Has("client_assertion") {
		require.True(t, r.Form.Has("client_id"), "sent beside")
		got = append(got, map[bool]string{true: "client_secret_jwt", false: "private_key_jwt"}[strings.HasSuffix(method, "secret_jwt")])
	}
	require.Equal(t, []string{method}, got)
}

// Another method at an endpoint, only where the application says so.
func TestClientAuthOfAnEndpoint(t *testing.T) {
	a := newOwned(t, appOptions{provider: func(p *signon.Provider) {
		p.RevocationAuth, p.IntrospectionAuth = clientauth.Post{}, clientauth.Post{}
	}})
	_, err := a.client.Introspect(t.Context(), a.stored("alice"))
	require.NoError(t, err)
	require.NoError(t, a.client.Revoke(a.as("alice")))
	requireOneProof(t, a.op.Requests(signontest.Token)[0], "client_secret_basic")
	requireOneProof(t, a.op.Requests(signontest.Introspection)[0], "client_secret_post")
	requireOneProof(t, a.op.Requests(signontest.Revocation)[0], "client_secret_post")
}

// CA-02: a method that the metadata do not name is a fault of the configuration, found before
// the user is sent away: nothing is sent, in no other way either, and the error has both
// lists.
func TestClientAuthNotInMetadata(t *testing.T) {
	_, ec, ed := clientKeys(t)
	with := func(member string, list ...string) signontest.Edit {
		return func(m map[string]any) { m[member] = list }
	}
	const methods, algs = "token_endpoint_auth_methods_supported", "token_endpoint_auth_signing_alg_values_supported"
	for _, c := range []struct {
		name     string
		metadata signontest.Edit
		method   clientauth.Method // nil: the default, Basic
		says     []string          // nil: it is no fault
	}{
		{"listed", with(methods, "private_key_jwt", "client_secret_basic"), nil, nil},
		{"absent", func(m map[string]any) { delete(m, methods) }, nil, nil},
		{"null", func(m map[string]any) { m[methods] = nil }, nil, nil},
		{"empty", with(methods), nil, nil},
		{"the default", with(methods, "client_secret_post", "private_key_jwt"), nil, []string{"client_secret_basic", "client_secret_post private_key_jwt"}},
		{"no fallback from a key to a secret", with(methods, "client_secret_post"), privateKeyJWT(clientauth.Key{Signer: ec}), []string{"private_key_jwt", "client_secret_post"}},
		{"another case", with(methods, "CLIENT_SECRET_BASIC"), nil, []string{"client_secret_basic"}},
		{"a forged line", with(methods, "x\n[ERROR]"), nil, []string{"x?[ERROR]"}},
		{"the algorithm", with(algs, "RS256", "ES384"), nil, nil},
		{"the algorithm of a key", func(m map[string]any) { m[methods], m[algs] = []string{"private_key_jwt"}, []string{"RS256", "ES384"} },
			privateKeyJWT(clientauth.Key{Signer: ec}), []string{"ES256", "RS256 ES384"}},
		{"the algorithm by its other name", func(m map[string]any) { m[methods], m[algs] = []string{"private_key_jwt"}, []string{"Ed25519"} },
			privateKeyJWT(clientauth.Key{Signer: ed}), nil},
		{"the algorithm of a secret", func(m map[string]any) { m[methods], m[algs] = []string{"client_secret_jwt"}, []string{"HS512"} },
			clientauth.SecretJWT{}, []string{"HS256", "HS512"}},
		{"a public client is not judged", with(methods, "client_secret_basic"), clientauth.None{}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, public := c.method.(clientauth.None)
			a := newApp(t, appOptions{op: signontest.Config{Public: public, ClientSecret: longSecret}, provider: func(p *signon.Provider) {
				p.ClientAuth = c.method
				if _, keyed := c.method.(clientauth.PrivateKeyJWT); keyed {
					p.ClientSecret = ""
				}
			}})
			a.op.Metadata(c.metadata)
			page := a.browser.Get(appURL + "/auth/login/op")
			require.Zero(t, a.op.Count(signontest.Token))
			if c.says == nil {
				require.Equal(t, http.StatusSeeOther, page.Status, a.log)
				return
			}
			require.Equal(t, http.StatusInternalServerError, page.Status)
			require.Zero(t, a.op.Count(signontest.Authorize), "the user is not sent away")
			requireConfigFault(t, a.lastFailure())
			for _, word := range c.says {
				require.ErrorContains(t, a.lastFailure(), word)
				require.NotContains(t, page.Body, word)
			}
			require.Contains(t, a.log.String(), `"level":"ERROR"`)
			a.requireNobody()
			a.requireQuiet(page)
		})
	}
}

// requireConfigFault: it is told apart from a fault of the provider.
func requireConfigFault(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, signon.ErrInternal)
	require.NotErrorIs(t, err, signon.ErrProvider)
	require.NotErrorIs(t, err, signon.ErrUnavailable)
}

// CA-02: it is found at each later call too, when the provider has changed its mind, and
// nothing is lost by it.
func TestClientAuthLeavesMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		before := a.stored("alice")
		lists := map[string]any{}
		a.op.Metadata(func(m map[string]any) {
			for name, list := range lists {
				m[name] = list
			}
		})
		reload := func(members map[string]any) {
			lists = members
			time.Sleep(2 * time.Hour) // until the metadata are fetched again
		}
		sent := a.op.Count(signontest.Token)

		reload(map[string]any{"token_endpoint_auth_methods_supported": []string{"private_key_jwt"}})
		_, err := a.client.Token(a.as("alice"))
		requireConfigFault(t, err)
		require.Equal(t, before.RefreshToken, a.stored("alice").RefreshToken, "the token is kept")
		require.Equal(t, sent, a.op.Count(signontest.Token))
		require.Equal(t, http.StatusInternalServerError, a.browser.Get(appURL+"/auth/login/op").Status)

		reload(map[string]any{"revocation_endpoint_auth_methods_supported": []string{"none"}, "introspection_endpoint_auth_methods_supported": []string{"none"}})
		_, err = a.client.Token(a.as("alice"))
		require.NoError(t, err, "its own endpoint's lists count")
		_, err = a.client.Introspect(t.Context(), a.stored("alice"))
		requireConfigFault(t, err)
		require.ErrorContains(t, err, "introspection_endpoint_auth_methods_supported")
		requireConfigFault(t, a.client.Revoke(a.as("alice")))
		require.Zero(t, a.op.Count(signontest.Introspection)+a.op.Count(signontest.Revocation))
	})
}

// A hangingSigner is in a key management service that is down.
type hangingSigner struct{ crypto.Signer }

func (hangingSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	time.Sleep(time.Hour)
	return nil, errors.New("late")
}

type panickingSigner struct{ crypto.Signer }

func (panickingSigner) Public() crypto.PublicKey { panic("canary") }

// foreign is a method of the application's own.
type foreign struct {
	clientauth.Post
	name  string
	check func() error
}

func (f foreign) Name() string { return f.name }

func (f foreign) Check(context.Context, *clientauth.Request) error {
	if f.check != nil {
		return f.check()
	}
	return nil
}

// CA-05, CA-12: what cannot prove the client refuses the registration, and the error names
// the field, without the secret.
func TestClientAuthRefused(t *testing.T) {
	r, ec, ed := clientKeys(t)
	key := func(alg string, signer crypto.Signer) clientauth.PrivateKeyJWT {
		return privateKeyJWT(clientauth.Key{ID: "the-key", Alg: alg, Signer: signer})
	}
	for _, c := range []struct {
		name   string
		change func(p *signon.Provider)
		says   []string // nil: it is fine
	}{
		{"Basic without a secret", func(p *signon.Provider) { p.ClientAuth, p.ClientSecret = clientauth.Basic{}, "" }, []string{"ClientAuth", "secret is empty"}},
		{"BasicRaw without a secret", func(p *signon.Provider) { p.ClientAuth, p.ClientSecret = clientauth.BasicRaw{}, "" }, []string{"ClientAuth", "secret is empty"}},
		{"Post without a secret", func(p *signon.Provider) { p.ClientAuth, p.ClientSecret = &clientauth.Post{}, "" }, []string{"ClientAuth", "secret is empty"}},
		{"a line feed behind the secret", func(p *signon.Provider) { p.ClientSecret += "\n" }, []string{"ClientSecret", "line feed"}},
		{"a secret of spaces", func(p *signon.Provider) { p.ClientSecret = "   " }, []string{"ClientSecret", "space"}},
		{"None with a secret", func(p *signon.Provider) { p.ClientAuth = clientauth.None{} }, []string{"ClientSecret", "none"}},
		{"a key with a secret", func(p *signon.Provider) { p.ClientAuth = privateKeyJWT(clientauth.Key{Signer: ed}) }, []string{"ClientSecret", "private_key_jwt"}},
		{"None with a secret, by a pointer", func(p *signon.Provider) { p.ClientAuth = &clientauth.None{} }, []string{"ClientSecret", "none"}},
		{"a nil pointer", func(p *signon.Provider) { p.ClientAuth = (*clientauth.Basic)(nil) }, []string{"ClientAuth", "panicked"}},
		{"a nil pointer of keys", func(p *signon.Provider) { p.ClientAuth = (*clientauth.PrivateKeyJWT)(nil) }, []string{"ClientAuth", "panicked"}},
		{"a raw id with a colon", func(p *signon.Provider) { p.ClientAuth, p.ClientID = clientauth.BasicRaw{}, "a:b" }, []string{"ClientAuth", "colon"}},
		{"a short secret", func(p *signon.Provider) { p.ClientAuth, p.ClientSecret = clientauth.SecretJWT{}, "short-canary" }, []string{"ClientAuth", "32"}},
		{"an unknown algorithm", func(p *signon.Provider) { p.ClientAuth = clientauth.SecretJWT{Alg: "RS256"} }, []string{"ClientAuth", "RS256"}},
		{"no key", func(p *signon.Provider) { p.ClientAuth = privateKeyJWT() }, []string{"ClientAuth", "no key"}},
		{"a nil signer", func(p *signon.Provider) { p.ClientAuth = key("", nil) }, []string{"ClientAuth", "the-key"}},
		{"a nil RSA key", func(p *signon.Provider) { p.ClientAuth = key("", (*rsa.PrivateKey)(nil)) }, []string{"ClientAuth"}},
		{"another curve", func(p *signon.Provider) { p.ClientAuth = key("ES512", ec) }, []string{"the-key", "ES512"}},
		{"another type", func(p *signon.Provider) { p.ClientAuth = key("ES256", r) }, []string{"the-key", "ES256"}},
		{"a panicking signer", func(p *signon.Provider) { p.ClientAuth = key("", panickingSigner{ed}) }, []string{"ClientAuth", "panicked"}},
		{"a hanging signer", func(p *signon.Provider) { p.ClientAuth = key("", hangingSigner{ed}) }, []string{"ClientAuth", "in time"}},
		{"no issuer", func(p *signon.Provider) {
			p.ClientAuth, p.Endpoint.AuthURL, p.Endpoint.TokenURL = key("", ed), p.Issuer+"/authorize", p.Issuer+"/token"
			p.UserInfoURL, p.Issuer, p.Scopes = p.Issuer+"/userinfo", "", nil
		}, []string{"ClientAuth", "Audience"}},
		{"no issuer, and an audience", func(p *signon.Provider) {
			p.ClientAuth, p.ClientSecret = clientauth.PrivateKeyJWT{Keys: []clientauth.Key{{Signer: ed}}, Audience: p.Issuer + "/token"}, ""
			p.Endpoint.AuthURL, p.Endpoint.TokenURL = p.Issuer+"/authorize", p.Issuer+"/token"
			p.UserInfoURL, p.Issuer, p.Scopes = p.Issuer+"/userinfo", "", nil
		}, nil},
		{"a fault of RevocationAuth", func(p *signon.Provider) { p.RevocationAuth = privateKeyJWT() }, []string{"RevocationAuth"}},
		{"a fault of IntrospectionAuth", func(p *signon.Provider) { p.IntrospectionAuth = clientauth.SecretJWT{Alg: "x"} }, []string{"IntrospectionAuth"}},
		{"None to revoke", func(p *signon.Provider) { p.RevocationAuth = clientauth.None{} }, nil},
		{"a method without a name", func(p *signon.Provider) { p.ClientAuth = foreign{} }, []string{"ClientAuth", "Name"}},
		{"a method that refuses", func(p *signon.Provider) {
			p.ClientAuth = foreign{name: "x", check: func() error { return errors.New("not today") }}
		}, []string{"ClientAuth", "not today"}},
		{"a method of one's own", func(p *signon.Provider) { p.ClientAuth = foreign{name: "client_secret_post"} }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				op := signontest.NewInProcess(signontest.Config{ClientSecret: longSecret})
				auth, err := signon.New(signon.Config{BaseURL: appURL, HTTPClient: op.HTTPClient(), Logger: quiet()})
				require.NoError(t, err)
				p := op.SignonProvider("op")
				c.change(&p)
				_, err = auth.Register(p)
				if c.says == nil {
					require.NoError(t, err)
					return
				}
				for _, word := range c.says {
					require.ErrorContains(t, err, word)
				}
				require.NotContains(t, err.Error(), longSecret)
				require.NotContains(t, err.Error(), "canary")
				require.Empty(t, op.Requests(signontest.Metadata), "nothing on the network")
				time.Sleep(2 * time.Hour) // in the bubble, until a late signer has ended
			})
		})
	}
}

// What Register has taken does not change under it.
func TestClientAuthIsCopied(t *testing.T) {
	_, ec, ed := clientKeys(t)
	method := &clientauth.PrivateKeyJWT{Keys: []clientauth.Key{{ID: "k", Signer: ec}}}
	keys, err := method.PublicKeys(t.Context())
	require.NoError(t, err)
	set, err := json.Marshal(map[string]any{"keys": keys})
	require.NoError(t, err)
	a := newApp(t, appOptions{
		op:       signontest.Config{ClientAuth: "private_key_jwt", ClientKeys: set},
		provider: func(p *signon.Provider) { p.ClientAuth = method },
	})
	method.Keys[0] = clientauth.Key{ID: "other", Signer: ed}
	method.Keys = nil
	a.signIn()
	a.requireSignedIn("alice")
}

// LG-03: neither a provider nor a client prints a key.
func TestClientKeysDoNotPrint(t *testing.T) {
	_, ec, _ := clientKeys(t)
	p := signon.Provider{Name: "op", ClientAuth: privateKeyJWT(clientauth.Key{ID: "k", Signer: ec})}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		for _, v := range []any{p, &p} {
			//lint:ignore SA1019 what must not show
			require.NotContains(t, fmt.Sprintf(verb, v), ec.D.String()[:20])
		}
	}
}
