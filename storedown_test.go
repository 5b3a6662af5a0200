package signon_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/signontest"
)

// AR-32: the store of one-time states is down: 503, the code is unspent, and the
// very same URL works once the store does.
func TestClaimDown(t *testing.T) {
	for _, mode := range []string{"", "form_post"} {
		t.Run("response_mode="+mode, func(t *testing.T) {
			s := newSite(t, setup{provider: func(p *signon.Provider) { p.ResponseMode = mode }})
			defer s.holds()
			b := s.browser()
			s.signIn(b, "alice")
			page := b.Get(s.loginURL("bob")).Follow()
			if mode == "form_post" {
				page = page.Submit("", nil)
			}
			answer := page.Location()
			s.faults.on("logins.Claim", down)
			for range 2 {
				page = s.opened(b, http.StatusServiceUnavailable, 0, answer)
				require.NotEmpty(t, page.Header.Get("Retry-After"))
				require.Empty(t, page.Header["Set-Cookie"])
			}
			s.faults.end()
			require.Equal(t, http.StatusOK, b.Get(answer).FollowAll(3).Status)
			require.Equal(t, "op:bob", s.who(b))
		})
	}
}

// AR-32, G9: a store that fails after the exchange leaves nothing half-written: who
// was signed in stays so, and of the failed login no record and no token is left.
func TestSaveFails(t *testing.T) {
	for _, method := range []string{"tokens.SaveToken", "logins.CreateLogin", "sessions.Find", "sessions.Commit", "sessions.Delete"} {
		t.Run(method, func(t *testing.T) {
			s := newSite(t, setup{})
			defer s.holds()
			b := s.browser()
			s.signIn(b, "alice")
			before, sessions := s.owners(b), s.blobs.all()
			answer := s.answerURL(b, s.loginURL("bob"))
			s.faults.on(method, down)
			page := b.Get(answer)
			s.faults.end()
			require.Equal(t, http.StatusServiceUnavailable, page.Status)
			require.Empty(t, cookieNames(page, sessionCookie))
			require.Equal(t, "op:alice", s.who(b))
			require.Equal(t, before, s.owners(b))
			if method != "sessions.Delete" { // then a session is left that names no login
				require.Equal(t, sessions, s.blobs.all())
			}
			require.Equal(t, http.StatusOK, b.Get(siteURL+"/private").Status)
			left, err := s.logins.Logins(t.Context(), sessionstore.Selector{Issuer: s.op.Issuer(), Subject: "bob"})
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

// G9: so it is where the application's own LoadAndSave saves the session.
func TestSaveFailsOutside(t *testing.T) {
	s := newSite(t, setup{saves: true})
	defer s.holds()
	b := s.browser()
	s.signIn(b, "alice")
	b.Get(siteURL + "/cart?put=pears")
	before := s.owners(b)
	answer := s.answerURL(b, s.loginURL("bob"))
	s.faults.on("sessions.Delete", down)
	require.Equal(t, http.StatusServiceUnavailable, b.Get(answer).Status)
	s.faults.end()
	require.Equal(t, "op:alice", s.who(b))
	require.Equal(t, before, s.owners(b))
	require.Equal(t, "pears", b.Get(siteURL+"/cart").Body)
}

// SE-11, RQ-05: a store that does not answer is 503, whatever it returns besides;
// nobody is let in, and nobody is signed out.
func TestStoreDown(t *testing.T) {
	for _, tt := range []struct{ method, path string }{
		{"sessions.Find", "/private"}, {"logins.Login", "/private"}, {"tokens.FetchToken", "/private"},
		{"sessions.Find", "/me"}, {"logins.Login", "/me"},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			s := newSite(t, setup{})
			defer s.holds()
			b := s.browser()
			s.signIn(b, "alice")
			s.faults.on(tt.method, down)
			for _, page := range []*signontest.Page{b.Get(siteURL + tt.path), b.At(siteURL).Fetch("GET", tt.path)} {
				require.Equal(t, http.StatusServiceUnavailable, page.Status)
				require.NotEmpty(t, page.Header.Get("Retry-After"))
				require.Empty(t, page.Header["Set-Cookie"])
				require.NotContains(t, page.Body, errDown.Error())
			}
			s.faults.end()
			require.Equal(t, "op:alice", s.who(b))
		})
	}
}

// AR-32, G9: a login that another replaces cannot be ended: that one stands, which
// the browser has a session of, and the log says what was left.
func TestReplacedLoginDoesNotEnd(t *testing.T) {
	for name, fails := range map[string]func() error{"down": down, "panics": func() error { panic("hunter2") }} {
		for _, method := range []string{"logins.EndLogins", "tokens.DeleteToken"} {
			for _, saves := range []bool{false, true} {
				t.Run(method+" "+name, func(t *testing.T) {
					s := newSite(t, setup{saves: saves})
					b := s.browser()
					s.signIn(b, "alice")
					former := sessionID(b)
					answer := s.answerURL(b, s.loginURL("bob"))
					s.faults.on(method, fails)
					page := b.Get(answer)
					s.faults.end()
					require.Equal(t, http.StatusSeeOther, page.Status, page.Body)
					require.Equal(t, "op:bob", s.who(b))
					require.Contains(t, b.Get(siteURL+"/private").Body, `"owner":"bob"`)
					require.Contains(t, s.log.String(), "did not end")
					old := s.browser()
					setSession(old, former)
					require.Equal(t, nobody, s.who(old))
				})
			}
		}
	}
}
