package signon_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
	"github.com/seed1a301047/signon/tokenstore"
)

// ownTokens are an application's own functions over its own table.
type ownTokens struct {
	mu      sync.Mutex
	token   *oauth2.Token
	keys    []tokenstore.Key
	updates int
}

func (o *ownTokens) fetch(_ context.Context, key tokenstore.Key) (*oauth2.Token, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.keys = append(o.keys, key)
	if o.token == nil {
		return nil, nil // as a careless application does
	}
	t := *o.token
	return &t, nil
}

func (o *ownTokens) update(_ context.Context, _ tokenstore.Key, old, token *oauth2.Token) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !tokenstore.Same(o.token, old) {
		return tokenstore.ErrConflict
	}
	o.updates++
	o.token = token
	return nil
}

func (o *ownTokens) app(t *testing.T, withUpdate bool) *app {
	t.Helper()
	a := newApp(t, appOptions{
		provider: func(p *signon.Provider) {
			p.FetchToken = signon.FetchTokenFunc(o.fetch)
			if withUpdate {
				p.UpdateToken = signon.UpdateTokenFunc(o.update)
			}
		},
		config: func(c *signon.Config) {
			c.OnLogin = func(_ context.Context, l *signon.Login) (string, error) {
				o.mu.Lock()
				defer o.mu.Unlock()
				o.token = l.Token()
				return "user-1", nil
			}
		},
	})
	_, err := a.client.Token(a.as("user-1"))
	require.ErrorIs(t, err, signon.ErrNoToken, "nil and no error is none")
	require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
	require.Zero(t, a.tokens.saves.Load(), "the application keeps the tokens")
	return a
}

// FetchToken and UpdateToken of the application: Signon saves and deletes nothing.
func TestOwnFetchAndUpdate(t *testing.T) {
	own := &ownTokens{}
	a := own.app(t, true)
	require.Equal(t, http.StatusOK, a.browser.Get(appURL+"/items").Status)
	require.Equal(t, tokenstore.Key{Provider: "op", Owner: "user-1"}, own.keys[len(own.keys)-1])
	first := own.token.AccessToken
	own.token.Expiry = time.Now().Add(-time.Second)
	token, err := a.client.Token(a.as("user-1"))
	require.NoError(t, err)
	require.Equal(t, 1, own.updates)
	require.NotEqual(t, first, token.AccessToken)
	require.Equal(t, own.token.AccessToken, token.AccessToken)

	a.op.EndGrants()
	own.token.Expiry = time.Now().Add(-time.Second)
	for range 5 {
		_, err = a.client.Token(a.as("user-1"))
		require.ErrorIs(t, err, signon.ErrNoToken)
	}
	require.Equal(t, 2, a.refreshes())
	require.NotNil(t, own.token, "it is the application's to delete")
	require.Zero(t, a.tokens.updates.Load()+a.tokens.deletes.Load())
}

// Without UpdateToken nothing is refreshed: nobody could keep the new pair.
func TestOwnFetchWithoutUpdate(t *testing.T) {
	own := &ownTokens{}
	a := own.app(t, false)
	_, err := a.client.Token(a.as("user-1"))
	require.NoError(t, err)
	own.token.Expiry = time.Now().Add(30 * time.Second)
	_, err = a.client.Token(a.as("user-1"))
	require.NoError(t, err, "it lives")
	a.op.Arm(signontest.API401Once)
	resp, err := a.client.HTTPClient(a.as("user-1")).Get("items")
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	own.token.Expiry = time.Now().Add(-time.Second)
	_, err = a.client.Token(a.as("user-1"))
	require.ErrorIs(t, err, signon.ErrNoToken)
	require.Zero(t, a.refreshes())
}

// RQ-05: a token beside an error is none, and an error is no "signed out".
func TestOwnFetchFails(t *testing.T) {
	own := &ownTokens{}
	a := newApp(t, appOptions{provider: func(p *signon.Provider) {
		p.FetchToken = signon.FetchTokenFunc(func(context.Context, tokenstore.Key) (*oauth2.Token, error) {
			return &oauth2.Token{AccessToken: "x"}, errors.New("down")
		})
		p.UpdateToken = signon.UpdateTokenFunc(own.update)
	}})
	_, err := a.client.Token(a.as("user-1"))
	require.ErrorIs(t, err, signon.ErrUnavailable)
	require.Equal(t, http.StatusOK, a.signIn().Status)
	require.Equal(t, http.StatusServiceUnavailable, a.browser.Get(appURL+"/items").Status)
}

// A whole TokenStore as FetchToken is one for this provider.
func TestOwnTokenStore(t *testing.T) {
	store := &watchedTokens{}
	a := newApp(t, appOptions{owned: true, provider: func(p *signon.Provider) { p.FetchToken = store }})
	require.Equal(t, http.StatusOK, a.signIn().Status)
	require.EqualValues(t, 1, store.saves.Load())
	require.Zero(t, a.tokens.saves.Load())
	_, err := a.client.Token(a.as("alice"))
	require.NoError(t, err)
	require.NoError(t, a.client.Revoke(a.as("alice")))
	require.EqualValues(t, 1, store.deletes.Load())
}

// A losesExtras is a store that keeps what JSON keeps of a token.
type losesExtras struct{ watchedTokens }

func (s *losesExtras) SaveToken(ctx context.Context, key tokenstore.Key, token *oauth2.Token) error {
	return s.watchedTokens.SaveToken(ctx, key, token.WithExtra(nil))
}

// TE-08, RQ-05: where a store loses what was granted, nobody is let in for what was
// asked for.
func TestStoreLosesTheScope(t *testing.T) {
	for _, said := range []string{"openid", "openid email"} {
		a := newApp(t, appOptions{owned: true, provider: func(p *signon.Provider) { p.FetchToken = &losesExtras{} }})
		a.op.TokenResponse(setMember("scope", said))
		require.Equal(t, http.StatusOK, a.signIn().Status)
		mux := http.NewServeMux()
		mux.Handle("/mail", a.client.RequireScopes(http.NotFoundHandler(), "email"))
		a.browser.Serve(appURL, mux)
		require.Equal(t, http.StatusForbidden, a.browser.Get(appURL+"/mail").Status)
		require.Equal(t, "insufficient_scope", a.lastFailure().Kind)
	}
}

// RF-09: the application's own table is read again too, before a refresh token
// counts as dead.
func TestOwnTokenRotatedElsewhere(t *testing.T) {
	own := &ownTokens{}
	a := own.app(t, true)
	own.token.Expiry = time.Now().Add(-time.Second)
	a.op.Handle("/token", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		own.mu.Lock()
		own.token = &oauth2.Token{AccessToken: "peers", Expiry: time.Now().Add(time.Hour)}
		own.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
	}))
	token, err := a.client.Token(a.as("user-1"))
	require.NoError(t, err)
	require.Equal(t, "peers", token.AccessToken)
}
