package signon_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
)

// LO-02: the page for a refused logout is the same at both URLs, and has no button: the
// one that starts a login again would sign the user in who was not signed out.
func TestRefusedLogoutOffersNoLogin(t *testing.T) {
	s := newSite(t, setup{})
	b := s.browser()
	s.signIn(b, "alice")
	for _, path := range []string{"/auth/logout", "/auth/logout/op"} {
		page := b.At("https://evil.example/").Post(siteURL+path, nil)
		require.Equal(t, http.StatusForbidden, page.Status)
		require.Contains(t, page.Body, "<h1>Another site has asked to sign you out. Nothing has changed here.</h1>")
		require.Contains(t, page.Body, "<title>Sign out</title>")
		require.NotContains(t, page.Body, "<form")
		require.NotContains(t, page.Body, "<a ")
		require.NotContains(t, page.Body, "/auth/login")
	}
	require.Equal(t, "op:alice", s.who(b))
}

// No failure of a logout has a login to start, whoever's handler it is in; the login's
// own still have.
func TestLogoutFailuresStartNothing(t *testing.T) {
	var failed []*signon.Failure
	s := newSite(t, setup{ownErrors: true, config: func(c *signon.Config) {
		c.OnError = func(w http.ResponseWriter, r *http.Request, err error) {
			failed = append(failed, err.(*signon.Failure))
			signon.Error(w, r, err)
		}
	}})
	own := map[string]func(http.ResponseWriter, *http.Request) error{
		"/own/start": s.client.StartLogout, "/own/finish": s.client.FinishLogout,
		"/own/back": s.client.BackChannelLogout, "/own/front": s.client.FrontChannelLogout,
	}
	for path, serve := range own {
		s.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { s.client.Fail(w, r, serve(w, r)) })
	}
	s.mux.Handle("/own/next", s.client.LoggedOutHandler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("next") })))
	for _, tt := range []struct {
		method, path string
		starts       string
	}{
		{"POST", "/auth/logout", ""}, {"POST", "/auth/logout/op", ""}, {"PUT", "/auth/logout/op", ""},
		{"POST", "/auth/logged-out/op", ""}, {"POST", "/auth/frontchannel-logout/op", ""},
		{"POST", "/own/start", ""}, {"GET", "/own/finish", ""}, {"POST", "/own/back", ""}, {"POST", "/own/front", ""},
		{"GET", "/own/next", ""},
		{"GET", "/auth/callback/op?state=x&code=y", "/auth/login/op"},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			failed = nil
			r := httptest.NewRequest(tt.method, siteURL+tt.path, nil)
			r.Header.Set("Origin", "https://evil.example")
			r.Header.Set("Sec-Fetch-Site", "cross-site")
			w := s.serve(r)
			require.Len(t, failed, 1)
			require.Equal(t, tt.path != "/auth/logout", failed[0].Provider == "op")
			require.Equal(t, tt.starts, failed[0].StartURL)
			require.Equal(t, failed[0].Status, w.Code)
		})
	}
	require.Equal(t, "This sign-out is complete, has expired, or was started in another browser.", messageOf(s, "/auth/logged-out", s.client.FinishLogout))
}

// messageOf is what a user reads of the failure of a GET.
func messageOf(s *site, path string, serve func(http.ResponseWriter, *http.Request) error) string {
	w := httptest.NewRecorder()
	failure := &signon.Failure{Kind: "bad_request", Err: serve(w, httptest.NewRequest(http.MethodGet, siteURL+path, nil))}
	return failure.Message()
}

// A provider that takes no form there gets a request without the ID token where that makes
// it long, by GET; nothing else of it is left out, and a short one has it.
func TestLogoutWithoutForm(t *testing.T) {
	for name, roles := range map[string]string{"long": strings.Repeat("x", 1500), "short": ""} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, setup{
				op: usersWith("roles", roles),
				provider: func(p *signon.Provider) {
					p.LogoutWithoutForm = true
					p.EndSessionParams = url.Values{"realm": {"corp"}}
				},
			})
			defer s.holds()
			b := s.browser()
			s.signIn(b, "alice")
			page := b.At(siteURL).Post("/auth/logout/op", url.Values{"return_to": {"/me"}})
			require.Equal(t, http.StatusSeeOther, page.Status)
			require.LessOrEqual(t, len(page.Location()), 2000)
			sent := query(t, page.Location())
			require.Equal(t, roles == "", sent.Has("id_token_hint"))
			require.Equal(t, s.op.ClientID(), sent.Get("client_id"))
			require.Equal(t, siteURL+"/auth/logged-out/op", sent.Get("post_logout_redirect_uri"))
			require.Equal(t, "corp", sent.Get("realm"))
			require.NotEmpty(t, sent.Get("state"))
			back := page.Follow()
			require.Empty(t, s.op.Sessions(), "the provider has signed its user out")
			require.Equal(t, siteURL+"/me", back.Follow().Location())
		})
	}
}
