package interop_test

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/tokenstore"
)

// TestMain keeps the request log of zitadel's example out of the tests' output: it
// goes to slog's default.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

// origin is where the application is for the tests without a real browser.
const origin = "https://app.test"

const (
	clientID     = "interop client" // the space shows whether Basic form-encodes it
	clientSecret = "a secret: 100% of it, and 32 bytes+"
)

// An app is an application with one provider named op, as a user of Signon would
// write it, and a view behind its scenes.
type app struct {
	http.Handler
	auth   *signon.Registry
	client *signon.Client
	store  *tokenstore.Memory

	exchanges, refreshes, revocations atomic.Int64 // requests to the provider

	mu    sync.Mutex
	login *signon.Login // the last one seen at /me
}

// newApp makes an application at an origin. The name, the client and the hooks of
// the provider are filled in.
func newApp(t testing.TB, base string, p signon.Provider) *app {
	t.Helper()
	return newAppVia(t, base, p, nil)
}

// newAppVia is newApp with an http.Client of its own.
func newAppVia(t testing.TB, base string, p signon.Provider, via *http.Client) *app {
	t.Helper()
	return newAppOf(t, signon.Config{BaseURL: base, HTTPClient: via}, p)
}

// newAppOf is newApp with a configuration of its own, but for where it keeps tokens.
func newAppOf(t testing.TB, cfg signon.Config, p signon.Provider) *app {
	t.Helper()
	a := &app{store: &tokenstore.Memory{}}
	cfg.Tokens, cfg.Logger = a.store, slog.New(slog.DiscardHandler)
	auth, err := signon.New(cfg)
	require.NoError(t, err)
	a.auth = auth

	p.Name = "op"
	if p.ClientID == "" {
		p.ClientID, p.ClientSecret = clientID, clientSecret
	}
	count := func(n *atomic.Int64) func(context.Context, *hooks.Request) error {
		return func(context.Context, *hooks.Request) error { n.Add(1); return nil }
	}
	p.Hooks = hooks.Join(p.Hooks, hooks.Hooks{
		TokenRequest: count(&a.exchanges), RefreshRequest: count(&a.refreshes), RevokeRequest: count(&a.revocations),
	})
	a.client, err = auth.Register(p)
	require.NoError(t, err)

	mux := http.NewServeMux()
	mux.Handle("/auth/", auth.Handler())
	mux.HandleFunc("GET /{$}", a.home)
	mux.Handle("GET /me", a.client.RequireToken(http.HandlerFunc(a.me)))
	mux.Handle("GET /userinfo", a.client.RequireToken(http.HandlerFunc(a.userInfo)))
	mux.Handle("POST /revoke", a.client.RequireToken(http.HandlerFunc(a.revoke)))
	a.Handler = mux
	return a
}

// home is for everybody.
func (a *app) home(w http.ResponseWriter, r *http.Request) {
	page(w, `<h1 id="home">The application</h1><p><a id="in" href="/me">Your page</a></p>`)
}

// me is for who is signed in. It says which login this is, and remembers it.
func (a *app) me(w http.ResponseWriter, r *http.Request) {
	login, ok := signon.LoginFrom(r.Context())
	if !ok {
		http.Error(w, "no login behind RequireToken", http.StatusInternalServerError)
		return
	}
	a.mu.Lock()
	a.login = login
	a.mu.Unlock()
	page(w, fmt.Sprintf(`<h1 id="who">Signed in as %s</h1><p>%s</p>
<form method="post" action="/auth/logout/op"><button id="out">Sign out</button></form>`,
		html.EscapeString(login.Subject), html.EscapeString(r.URL.RequestURI())))
}

// userInfo shows what the provider's userinfo endpoint says of the user.
func (a *app) userInfo(w http.ResponseWriter, r *http.Request) {
	token, err := a.client.Token(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	info, err := a.client.UserInfo(r.Context(), token)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var claims map[string]any
	if err := info.Claims(&claims); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(claims)
}

// revoke gives the user's token back to the provider.
func (a *app) revoke(w http.ResponseWriter, r *http.Request) {
	if err := a.client.Revoke(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// seen is the login that /me saw last.
func (a *app) seen() *signon.Login {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.login
}

// key is what the last login's token is stored under.
func (a *app) key() tokenstore.Key {
	return tokenstore.Key{Provider: "op", Owner: a.seen().Owner}
}

// stored is the token of the last login, as it is in the store.
func (a *app) stored(t testing.TB) *oauth2.Token {
	t.Helper()
	token, err := a.store.FetchToken(context.Background(), a.key())
	require.NoError(t, err)
	return token
}

func page(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = fmt.Fprintf(w, "<!doctype html>\n<html lang=\"en\"><title>Application</title><body>%s</body></html>\n", body)
}

// expire makes the stored token look as if it had expired.
func (a *app) expire(t testing.TB) {
	t.Helper()
	token := a.stored(t)
	old := *token
	token.Expiry = time.Now().Add(-time.Minute)
	require.NoError(t, a.store.UpdateToken(context.Background(), a.key(), &old, token))
}

// serve answers a request that no browser makes.
func (a *app) serve(method, path string, cookies []*http.Cookie) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, origin+path, nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	r.Header.Set("Accept", "application/json")
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

// tokenEndpoint posts to the provider's token endpoint as the client, past the
// application, and gives the status and the error.
func (a *app) tokenEndpoint(t testing.TB, form url.Values) (status int, code string) {
	t.Helper()
	var metadata struct {
		TokenEndpoint string `json:"token_endpoint"`
	}
	getJSON(t, strings.TrimSuffix(a.seen().Issuer, "/")+"/.well-known/openid-configuration", &metadata)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, metadata.TokenEndpoint, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(clientSecret))
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Error string `json:"error"`
	}
	require.NoError(t, json.NewDecoder(res.Body).Decode(&answer))
	return res.StatusCode, answer.Error
}

func getJSON(t testing.TB, from string, v any) {
	t.Helper()
	res, err := http.Get(from)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	require.NoError(t, json.NewDecoder(res.Body).Decode(v))
}
