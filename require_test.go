package signon_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/signontest"
)

// LI-04, RQ-06: only a navigation is sent to the login; anything else gets 401 and
// begins nothing.
func TestWhoIsSentToLogin(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	html := "text/html,application/xhtml+xml,*/*;q=0.8"
	for _, tt := range []struct {
		name, method string
		header       http.Header
		status       int
	}{
		{"navigation", "GET", http.Header{"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Accept": {html}}, 303},
		{"browser without fetch metadata", "GET", http.Header{"Accept": {html}}, 303},
		{"form", "POST", http.Header{"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Accept": {html}}, 303},
		{"fetch", "GET", http.Header{"Sec-Fetch-Mode": {"cors"}, "Accept": {"*/*"}}, 401},
		{"fetch that accepts HTML", "GET", http.Header{"Sec-Fetch-Mode": {"same-origin"}, "Accept": {html}}, 401},
		{"image", "GET", http.Header{"Sec-Fetch-Mode": {"no-cors"}, "Sec-Fetch-Dest": {"image"}, "Accept": {"image/avif,*/*"}}, 401},
		{"iframe", "GET", http.Header{"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"iframe"}, "Accept": {html}}, 401},
		{"XMLHttpRequest", "GET", http.Header{"X-Requested-With": {"XMLHttpRequest"}, "Accept": {html}}, 401},
		{"JSON", "GET", http.Header{"Accept": {"application/json"}}, 401},
		{"nothing said", "GET", http.Header{}, 401},
		{"prefetch", "GET", http.Header{"Sec-Purpose": {"prefetch"}, "Sec-Fetch-Mode": {"navigate"}, "Accept": {html}}, 401},
		{"WebSocket", "GET", http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Fetch-Mode": {"websocket"}}, 401},
		{"WebSocket of no browser", "GET", http.Header{"Upgrade": {"websocket"}, "Accept": {html}}, 401},
		{"events", "GET", http.Header{"Accept": {"text/event-stream"}, "Sec-Fetch-Mode": {"cors"}}, 401},
		{"CORS preflight", "OPTIONS", http.Header{"Access-Control-Request-Method": {"GET"}, "Origin": {"https://evil.example"}, "Sec-Fetch-Mode": {"cors"}}, 401},
		{"PUT", "PUT", http.Header{"Accept": {html}}, 401},
	} {
		for _, path := range []string{"/private", "/me"} {
			t.Run(tt.name+" "+path, func(t *testing.T) {
				r := httptest.NewRequest(tt.method, siteURL+path, nil)
				r.Header = tt.header
				w := s.serve(r)
				require.Equal(t, tt.status, w.Code)
				require.Empty(t, w.Header()["Set-Cookie"])
				if tt.status == http.StatusSeeOther {
					require.Equal(t, "Cookie", w.Header().Get("Vary"))
					return
				}
				require.Empty(t, w.Header().Get("Location"))
				require.Equal(t, "Bearer", w.Header().Get("WWW-Authenticate"))
				require.Empty(t, w.Header().Get("Access-Control-Allow-Origin"))
				if !strings.Contains(tt.header.Get("Accept"), "text/html") {
					require.Equal(t, "application/json", w.Header().Get("Content-Type"))
					require.Contains(t, w.Body.String(), `"error":"unauthenticated"`)
				}
			})
		}
	}
	require.Zero(t, s.op.Count(signontest.Metadata))
	s.browser()
}

// RQ-01: nobody, an expired token, another provider's, one without the scope.
func TestRequireToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, setup{inProcess: true, provider: func(p *signon.Provider) { p.Scopes = append(p.Scopes, "items") }})
		defer s.holds()
		second := s.register(s.auth, "second", func(p *signon.Provider) { p.ClientID = "other"; p.ClientSecret = "another-secret-of-32-characters!" })
		s.mux.Handle("/second", second.RequireToken(http.HandlerFunc(s.callAPI)))
		for scope, path := range map[string]string{"items": "/scope/items", "admin": "/scope/admin"} {
			s.mux.Handle(path, s.client.RequireScopes(http.HandlerFunc(s.callAPI), "openid", scope))
		}
		b := s.browser()
		s.signIn(b, "alice")
		fetch := func(path string) *signontest.Page { return b.At(siteURL).Fetch("GET", path) }
		require.Equal(t, http.StatusOK, fetch("/private").Status)
		require.Equal(t, http.StatusOK, fetch("/scope/items").Status)

		page := fetch("/scope/admin")
		require.Equal(t, http.StatusForbidden, page.Status)
		require.Equal(t, `Bearer error="insufficient_scope"`, page.Header.Get("WWW-Authenticate"))
		require.Contains(t, page.Body, "insufficient_scope")
		require.Equal(t, http.StatusForbidden, b.Get(siteURL+"/scope/admin").Status, "a login would not help")

		require.Equal(t, http.StatusUnauthorized, fetch("/second").Status)
		require.Contains(t, b.Get(siteURL+"/second").Location(), "/auth/login/second?")
		require.Equal(t, "op:alice", s.who(b))
	})
}

// SE-13: a token that has expired for good is refused, though its login goes on.
func TestExpiredForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, setup{inProcess: true, op: signontest.Config{TokenLife: 10 * time.Minute}, provider: func(p *signon.Provider) { p.Scopes = []string{"openid"} }})
		defer s.holds()
		s.op.Arm(signontest.NoRefreshToken)
		b := s.browser()
		s.signIn(b, "alice")
		require.Equal(t, http.StatusOK, b.Get(siteURL+"/private").Status)
		time.Sleep(10 * time.Minute)
		require.Equal(t, http.StatusUnauthorized, b.At(siteURL).Fetch("GET", "/private").Status)
		require.Equal(t, siteURL+"/private", b.Get(siteURL+"/private").FollowAll(5).URL.String())
	})
}

// RQ-02, RQ-03: what is protected depends on the handler, and who it is on the
// session; nothing else of a request counts.
func TestRequestTricks(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	s.browser()
	passed := false
	protected := s.client.RequireToken(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed = true }))
	tricks := []http.Header{
		{"X-Forwarded-Uri": {"/health"}}, {"X-Original-Url": {"/public"}}, {"User-Agent": {"kube-probe/1.0", "GoogleHC/1.0"}}, {"X-Auth-User": {"alice"}},
		{"x_auth_user": {"alice"}, "X_Auth_User": {"alice"}}, {"X-Forwarded-User": {"alice"}, "X-Forwarded-Email": {"a@b"}, "Remote-User": {"alice"}}, {"X-Forwarded-For": {"127.0.0.1"}},
		{"X-Http-Method-Override": {"OPTIONS"}},
	}
	for _, path := range []string{"/private", "/%61dmin", "//admin", "/admin/..;/", "/public/../admin", "/admin?path=/health", "/health#", "/auth/login/op", "*"} {
		for _, h := range append(tricks, http.Header{}) {
			for _, method := range []string{"GET", "HEAD", "OPTIONS", "TRACE", "get", "CONNECT"} {
				r := httptest.NewRequest("GET", siteURL+"/", nil)
				r.Method, r.RequestURI, r.Header = method, path, h
				r.URL, _ = url.Parse(path)
				w := httptest.NewRecorder()
				protected.ServeHTTP(w, r)
				require.Equal(t, http.StatusUnauthorized, w.Code, "%s %s %v", method, path, h)
			}
		}
	}
	require.False(t, passed)
}

// RQ-04: an Authorization header is nothing to a session.
func TestAuthorizationHeader(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	s.signIn(b, "alice")
	for name, values := range map[string][]string{
		"percent": {"Bearer %"}, "megabyte": {"Bearer " + strings.Repeat("x", 1<<20)}, "many": make([]string, 1000), "basic": {"Basic YTpi"}, "empty": {""}, "NUL": {"Bearer \x00"},
		"a real token": {"Bearer " + s.op.Secrets()[len(s.op.Secrets())-1]},
	} {
		t.Run(name, func(t *testing.T) {
			for path, signedIn := range map[string]bool{"/private": true, "/me": false} {
				r := httptest.NewRequest("GET", siteURL+path, nil)
				if signedIn {
					cookies(r, b)
				}
				r.Header["Authorization"] = values
				want := http.StatusUnauthorized
				if signedIn {
					want = http.StatusOK
				}
				require.Equal(t, want, s.serve(r).Code)
			}
		})
	}
}

// careless returns what a store should not.
type careless struct {
	sessionstore.Memory
	rec func(stored *sessionstore.Record) *sessionstore.Record
}

func (c *careless) Login(ctx context.Context, id string) (*sessionstore.Record, error) {
	stored, err := c.Memory.Login(ctx, id)
	if err != nil {
		return nil, err
	}
	return c.rec(stored.Clone()), nil
}

// RQ-05: nothing, a zero record, an expired one or another one lets nobody in; nor
// does no token, or a zero one.
func TestCarelessStores(t *testing.T) {
	type record = sessionstore.Record
	valid := func(r *record) *record { return r }
	good := &oauth2.Token{AccessToken: "x", TokenType: "Bearer"}
	for _, tt := range []struct {
		name   string
		record func(stored *record) *record
		token  *oauth2.Token
		status int
	}{
		{"good", valid, good, 200},
		{"no record", func(*record) *record { return nil }, good, 401},
		{"zero record", func(*record) *record { return &record{} }, good, 401},
		{"another record", func(r *record) *record { r.ID = "other"; return r }, good, 401},
		{"expired record", func(r *record) *record { r.ExpiresAt = time.Now().Add(-time.Second); return r }, good, 401},
		{"record of the issuer that had the name before", func(r *record) *record { r.Issuer = "https://former.test"; return r }, good, 401},
		{"nobody's record", func(r *record) *record { r.Owner = ""; return r }, good, 401},
		{"no token", valid, nil, 401},
		{"zero token", valid, &oauth2.Token{}, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := &careless{rec: tt.record}
			s := newSite(t, setup{
				inProcess: true,
				config:    func(c *signon.Config) { c.Logins = store },
				provider: func(p *signon.Provider) {
					p.FetchToken = signon.FetchTokenFunc(func(context.Context, signonKey) (*oauth2.Token, error) { return tt.token, nil })
				},
			})
			b := s.browser()
			require.Equal(t, http.StatusSeeOther, b.Get(s.answerURL(b, s.loginURL("alice"))).Status)
			h := s.client.RequireToken(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, cookies(httptest.NewRequest("GET", siteURL+"/", nil), b))
			require.Equal(t, tt.status, w.Code)
		})
	}
}

// RQ-08: a token that a handler has is its own, also after the request.
func TestTokensAreCopies(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	var first, second *oauth2.Token
	s.mux.Handle("/tokens", s.client.RequireToken(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var err error
		first, err = s.client.Token(r.Context())
		require.NoError(t, err)
		kept := first.AccessToken
		first.AccessToken = "changed"
		second, err = s.client.Token(r.Context())
		require.NoError(t, err)
		require.Equal(t, kept, second.AccessToken)
	})))
	s.signIn(b, "alice")
	require.Equal(t, http.StatusOK, b.Get(siteURL+"/tokens").Status)
	require.NotEqual(t, first.AccessToken, second.AccessToken)
}

// RQ-01: middlewares of two providers nest, and each finds its own login.
func TestNestedMiddleware(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	second := s.register(s.auth, "second", func(p *signon.Provider) {
		p.ClientID = "app"
		p.Issuer = ""
		p.Scopes = []string{"profile"}
		*p = s.op.OAuthProvider("second")
	})
	s.mux.Handle("/both", s.client.RequireToken(second.RequireToken(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		login, _ := signon.LoginFrom(r.Context())
		a, err := s.client.Token(r.Context())
		require.NoError(t, err)
		c, err := second.Token(r.Context())
		require.NoError(t, err)
		require.NotEqual(t, a.AccessToken, c.AccessToken)
		fmt.Fprint(w, login.Provider)
	}))))
	page := b.Get(siteURL + "/both").FollowAll(12)
	require.Equal(t, siteURL+"/both", page.URL.String())
	require.Equal(t, "second", page.Body)
}
