package signon_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/signontest"
)

// RT-03: the browser leaves at some stage. Before the state is claimed nothing is
// spent, and the same URL works later; then the code is sent once; from the moment
// that the login is saved it is finished.
func TestBrowserLeaves(t *testing.T) {
	for _, tt := range []struct {
		stage     string
		exchanges int
		signedIn  bool // by the request that was left
		again     int  // status of the same URL afterwards
	}{
		{"before", 0, false, http.StatusSeeOther},
		{"TokenRequest", 0, false, http.StatusBadRequest},
		{"TokenResponse", 1, false, http.StatusBadRequest},
		{"userinfo", 1, false, http.StatusBadRequest},
		{"OnLogin", 1, true, http.StatusBadRequest},
		{"tokens.SaveToken", 1, true, http.StatusBadRequest},
		{"logins.CreateLogin", 1, true, http.StatusBadRequest},
		{"sessions.Commit", 1, true, http.StatusBadRequest},
	} {
		t.Run(tt.stage, func(t *testing.T) {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			stage := ""
			at := func(here string) error {
				if here == stage {
					leave()
				}
				return nil
			}
			s := newSite(t, setup{
				config: func(c *signon.Config) {
					c.OnLogin = func(_ context.Context, l *signon.Login) (string, error) { return l.ID, at("OnLogin") }
				},
				provider: func(p *signon.Provider) {
					p.FetchUserInfo = true
					p.Hooks = hooks.Hooks{
						TokenRequest:    func(context.Context, *hooks.Request) error { return at("TokenRequest") },
						TokenResponse:   func(context.Context, *hooks.Response) error { return at("TokenResponse") },
						UserInfoRequest: func(context.Context, *http.Request) error { return at("userinfo") },
					}
				},
			})
			defer s.holds()
			b := s.browser()
			answer := s.answerURL(b, s.loginURL("alice"))
			stage = tt.stage
			s.faults.on(tt.stage, func() error { return at(tt.stage) })
			if tt.stage == "before" {
				leave()
			}
			w := s.serve(cookies(httptest.NewRequest("GET", answer, nil), b).WithContext(ctx))
			stage = ""
			require.Equal(t, tt.exchanges, s.op.Count(signontest.Token))
			recs, err := s.logins.Logins(t.Context(), sessionstore.Selector{Issuer: s.op.Issuer(), Subject: "alice"})
			require.NoError(t, err)
			require.Len(t, recs, map[bool]int{true: 1}[tt.signedIn])
			require.Equal(t, tt.signedIn, w.Code == http.StatusSeeOther)
			require.Equal(t, tt.again, s.serve(cookies(httptest.NewRequest("GET", answer, nil), b)).Code)
			s.faults.end()
		})
	}
}

// RT-03: nor does a session store that heeds its context end a login that is being
// saved.
func TestBrowserLeavesDuringSave(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	s := newSite(t, setup{config: func(c *signon.Config) {
		c.Sessions = nil
		c.OnLogin = func(_ context.Context, l *signon.Login) (string, error) { leave(); return l.ID, nil }
	}})
	b := s.browser()
	answer := s.answerURL(b, s.loginURL("alice"))
	w := s.serve(cookies(httptest.NewRequest("GET", answer, nil), b).WithContext(ctx))
	require.Equal(t, http.StatusSeeOther, w.Code, w.Body)
}

// RT-03: whoever leaves during a logout is signed out.
func TestBrowserLeavesDuringLogout(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	s.signIn(b, "alice")
	id := s.owners(b)["op"]
	ctx, leave := context.WithCancel(t.Context())
	leave()
	r := cookies(httptest.NewRequest("POST", siteURL+"/auth/logout", nil), b).WithContext(ctx)
	require.Equal(t, http.StatusSeeOther, s.serve(r).Code)
	_, err := s.logins.Login(t.Context(), id)
	require.ErrorIs(t, err, sessionstore.ErrNotFound)
	require.Equal(t, nobody, s.who(b))
}

// RT-03, DI-15: whoever leaves while the keys are fetched does not take the fetch
// along: a second browser is served by it.
func TestBrowserLeavesDuringKeys(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	first, second := s.browser(), s.browser()
	one, two := s.answerURL(first, s.loginURL("alice")), s.answerURL(second, s.loginURL("bob"))
	asked, open := make(chan bool, 9), make(chan bool)
	s.op.Handle("/jwks", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- true
		<-open
		s.op.Handle("/jwks", nil)
		s.op.ServeHTTP(w, r)
	}))
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan int)
	go func() {
		left <- s.serve(cookies(httptest.NewRequest("GET", one, nil), first).WithContext(ctx)).Code
	}()
	<-asked
	served := make(chan int)
	go func() { served <- s.serve(cookies(httptest.NewRequest("GET", two, nil), second)).Code }()
	leave()
	require.NotEqual(t, http.StatusSeeOther, <-left)
	close(open)
	require.Equal(t, http.StatusSeeOther, <-served)
	require.Equal(t, 2, s.op.Count(signontest.Token))
}
