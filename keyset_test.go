package signon_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/signontest"
)

// CA-05: what is published of DecryptionKeys is settled at registration. A caller that
// wipes its key afterwards, even while requests are served, changes nothing.
func TestJWKSOfWipedKeys(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	client, _ := jwksOf(t, func(p *signon.Provider) {
		p.IDTokenEncryptionAlg, p.UserInfoEncryptionAlg = "RSA-OAEP-256", "ECDH-ES"
		p.DecryptionKeys = []signon.DecryptionKey{{ID: "r", Key: key}, {ID: "e", Key: ec}}
	})
	h := client.JWKSHandler()
	before := ask(t, h, http.MethodGet, "/")
	require.Equal(t, http.StatusOK, before.Code)
	require.Contains(t, before.Body.String(), `"kid":"e"`)

	other, _ := jwksOf(t, func(p *signon.Provider) {
		p.IDTokenEncryptionAlg, p.UserInfoEncryptionAlg = "RSA-OAEP-256", "ECDH-ES"
		p.DecryptionKeys = []signon.DecryptionKey{{ID: "r", Key: key}, {ID: "e", Key: ec}}
	})
	var wiped sync.WaitGroup
	wiped.Go(func() {
		key.D.SetInt64(0)
		for _, prime := range key.Primes {
			prime.SetInt64(0)
		}
		*ec = ecdsa.PrivateKey{}
	})
	after := ask(t, other.JWKSHandler(), http.MethodGet, "/")
	wiped.Wait()
	require.Equal(t, http.StatusOK, after.Code)
	require.Equal(t, before.Body.String(), after.Body.String())
	require.Equal(t, before.Body.String(), ask(t, other.JWKSHandler(), http.MethodGet, "/").Body.String())
}

// askFor is ask with a context of its own.
func askFor(ctx context.Context, h http.Handler) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, appURL+"/", nil))
	return w
}

type requestValue struct{}

// CA-05: anybody may ask for the keys, so a method, whose keys may be far away, is asked
// once for all who do, for no caller's sake and without anything of theirs, and not again
// for five seconds, whatever it said.
func TestJWKSAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		var fails atomic.Bool
		held := newGate()
		client, _ := jwksOf(t, func(p *signon.Provider) {
			p.ClientAuth = publisherFunc(func(ctx context.Context) ([]json.RawMessage, error) {
				calls.Add(1)
				if ctx.Value(requestValue{}) != nil {
					return nil, errors.New("the context is of a request")
				}
				if fails.Load() {
					return nil, signon.ErrUnavailable
				}
				return []json.RawMessage{json.RawMessage(`{"kty":"OKP","crv":"Ed25519","x":"AA"}`)}, held.pass(ctx)
			})
		})
		h := client.JWKSHandler()
		leaver, leave := context.WithCancel(context.WithValue(t.Context(), requestValue{}, "x"))
		left, got := make(chan int), make(chan int)
		go func() { left <- askFor(leaver, h).Code }()
		<-held.reached
		for range 50 {
			go func() { got <- askFor(t.Context(), h).Code }()
		}
		synctest.Wait()
		leave()
		require.NotEqual(t, http.StatusOK, <-left)
		close(held.open)
		for range 50 {
			require.Equal(t, http.StatusOK, <-got)
		}
		require.EqualValues(t, 1, calls.Load())

		fails.Store(true)
		time.Sleep(5*time.Second - time.Millisecond)
		require.Equal(t, http.StatusOK, askFor(t.Context(), h).Code)
		time.Sleep(time.Millisecond)
		for range 10 {
			require.Equal(t, http.StatusServiceUnavailable, askFor(t.Context(), h).Code)
		}
		require.EqualValues(t, 2, calls.Load())
		fails.Store(false)
		time.Sleep(5 * time.Second)
		require.Equal(t, http.StatusOK, askFor(t.Context(), h).Code)
	})
}

// A method that never comes back costs its callers ten seconds, and not for ever.
func TestJWKSThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := newGate()
		client, _ := jwksOf(t, func(p *signon.Provider) {
			p.ClientAuth = publisherFunc(func(ctx context.Context) ([]json.RawMessage, error) { return nil, held.pass(ctx) })
		})
		began := time.Now()
		require.Equal(t, http.StatusInternalServerError, askFor(t.Context(), client.JWKSHandler()).Code)
		require.Equal(t, 10*time.Second, time.Since(began))
		close(held.open)
	})
}

// publisherFunc is a method of the application's own, whose keys are far away.
type publisherFunc func(context.Context) ([]json.RawMessage, error)

func (publisherFunc) Name() string                                                { return "x" }
func (publisherFunc) Authenticate(context.Context, *clientauth.Request) error     { return nil }
func (f publisherFunc) PublicKeys(ctx context.Context) ([]json.RawMessage, error) { return f(ctx) }

// Each member that only a private or a shared key has is enough to publish nothing.
func TestJWKSPrivateMembers(t *testing.T) {
	for _, member := range []string{"d", "k", "p", "q", "dp", "dq", "qi", "oth", "priv"} {
		t.Run(member, func(t *testing.T) {
			key, err := json.Marshal(map[string]any{"kty": "RSA", "n": "AQAB", "e": "AQAB", member: "canary"})
			require.NoError(t, err)
			client, _ := jwksOf(t, func(p *signon.Provider) {
				p.ClientAuth = publisher{keys: func() ([]json.RawMessage, error) { return []json.RawMessage{key}, nil }}
			})
			w := ask(t, client.JWKSHandler(), http.MethodGet, "/")
			require.Equal(t, http.StatusInternalServerError, w.Code)
			require.NotContains(t, w.Body.String(), "canary")
		})
	}
}

// RFC 7517 section 4.5: all keys are published together, so one kid for two of them is a
// mistake, whichever fields they are in. It is found at registration, or where a method of
// the application's own says its keys.
func TestKeyIDsOfTwoFields(t *testing.T) {
	r, ec, ed := clientKeys(t)
	one := func(id string, k *ecdsa.PrivateKey) clientauth.Method {
		return privateKeyJWT(clientauth.Key{ID: id, Signer: k})
	}
	encrypts := func(p *signon.Provider, id string) {
		p.IDTokenEncryptionAlg, p.DecryptionKeys = "RSA-OAEP-256", []signon.DecryptionKey{{ID: id, Key: r}}
	}
	foreign := publisherFunc(func(context.Context) ([]json.RawMessage, error) {
		return []json.RawMessage{json.RawMessage(`{"kty":"OKP","crv":"Ed25519","x":"AA","kid":"k"}`)}, nil
	})
	for _, tt := range []struct {
		name   string
		change func(*signon.Provider)
		status int // 0: it is refused at registration
	}{
		{"to sign and to open", func(p *signon.Provider) { p.ClientAuth = one("k", ec); encrypts(p, "k") }, 0},
		{"to revoke and to open", func(p *signon.Provider) { p.RevocationAuth = one("k", ec); encrypts(p, "k") }, 0},
		{"to sign and to revoke", func(p *signon.Provider) {
			p.ClientAuth, p.RevocationAuth = one("k", ec), privateKeyJWT(clientauth.Key{ID: "k", Signer: ed})
		}, 0},
		{"to sign and to introspect", func(p *signon.Provider) {
			p.ClientAuth, p.IntrospectionAuth = one("k", ec), privateKeyJWT(clientauth.Key{ID: "k", Signer: ed})
		}, 0},
		{"two of one type", func(p *signon.Provider) {
			p.ClientAuth, p.RevocationAuth = one("k", ec), one("k", decryptionEC(t, elliptic.P256()))
		}, 0},
		{"of the application's own method", func(p *signon.Provider) { p.ClientAuth = foreign; encrypts(p, "k") }, 500},
		{"each its own", func(p *signon.Provider) { p.ClientAuth = one("k", ec); encrypts(p, "enc") }, 200},
		{"one key in two fields", func(p *signon.Provider) { p.ClientAuth, p.RevocationAuth = one("k", ec), one("k", ec) }, 200},
		{"one key for two uses", func(p *signon.Provider) {
			p.ClientAuth = privateKeyJWT(clientauth.Key{ID: "k", Signer: r})
			encrypts(p, "k")
		}, 200},
		{"none has one", func(p *signon.Provider) { p.ClientAuth = one("", ec); encrypts(p, "") }, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			op := signontest.NewInProcess(signontest.Config{Public: true})
			auth, err := signon.New(signon.Config{BaseURL: appURL, HTTPClient: op.HTTPClient(), Logger: quiet()})
			require.NoError(t, err)
			p := op.SignonProvider("op")
			tt.change(&p)
			client, err := auth.Register(p)
			if tt.status == 0 {
				require.ErrorContains(t, err, `"k"`)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.status, ask(t, client.JWKSHandler(), http.MethodGet, "/").Code)
		})
	}
}
