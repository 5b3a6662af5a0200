package signon_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/signontest"
)

// RT-02: what the application gave panics at some stage of a login: 500 with an id,
// who was signed in stays so, and the next request works. LG-08: the log says where,
// and not with what.
func TestPanicAtLogin(t *testing.T) {
	const secret = "hunter2-in-a-panic"
	boom := func() error { panic(secret) }
	for name, exchanges := range map[string]int{
		"logins.Claim": 0, "Authorize": 0, "TokenRequest": 0, "TokenResponse": 1, "OnLogin": 1,
		"tokens.SaveToken": 1, "logins.CreateLogin": 1, "sessions.Find": 1, "sessions.Commit": 1, "sessions.Delete": 1,
	} {
		t.Run(name, func(t *testing.T) {
			var armed atomic.Bool
			at := func(here string) error {
				if armed.Load() && here == name {
					return boom()
				}
				return nil
			}
			s := newSite(t, setup{
				config: func(c *signon.Config) {
					c.OnLogin = func(_ context.Context, l *signon.Login) (string, error) { return l.ID, at("OnLogin") }
				},
				provider: func(p *signon.Provider) {
					p.Hooks = hooks.Hooks{
						Authorize:     func(context.Context, *hooks.Authorize) error { return at("Authorize") },
						TokenRequest:  func(context.Context, *hooks.Request) error { return at("TokenRequest") },
						TokenResponse: func(context.Context, *hooks.Response) error { return at("TokenResponse") },
					}
				},
			})
			defer s.holds()
			b := s.browser()
			s.signIn(b, "alice")
			had := s.op.Count(signontest.Token)
			page := b.At(siteURL).Click("/auth/login/op?login_hint=bob")
			if name == "Authorize" {
				armed.Store(true)
				page = b.At(siteURL).Click("/auth/login/op?login_hint=bob")
			} else {
				page = page.Follow()
				armed.Store(true)
				s.faults.on(name, boom)
				page = page.Follow()
			}
			armed.Store(false)
			s.faults.end()
			require.Equal(t, http.StatusInternalServerError, page.Status, page.Body)
			require.Regexp(t, failureID, page.Body)
			require.NotContains(t, page.Body+s.log.String(), secret)
			require.Contains(t, s.log.String(), "_test.go:")
			require.Equal(t, exchanges, s.op.Count(signontest.Token)-had)
			require.Equal(t, "op:alice", s.who(b))
		})
	}
}

// RT-02: so it is in the middlewares, and at a logout.
func TestPanicOfAStore(t *testing.T) {
	for _, tt := range []struct{ method, verb, path string }{
		{"sessions.Find", "GET", "/me"}, {"logins.Login", "GET", "/me"}, {"sessions.Find", "GET", "/private"}, {"logins.Login", "GET", "/private"},
		{"tokens.FetchToken", "GET", "/private"}, {"sessions.Find", "POST", "/auth/logout"}, {"logins.EndLogins", "POST", "/auth/logout"},
		{"tokens.DeleteToken", "POST", "/auth/logout"}, {"sessions.Delete", "POST", "/auth/logout"},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			s := newSite(t, setup{})
			defer s.holds()
			b := s.browser()
			s.signIn(b, "alice")
			s.faults.on(tt.method, func() error { panic("hunter2") })
			page := b.At(siteURL).Fetch(tt.verb, tt.path)
			require.Equal(t, http.StatusInternalServerError, page.Status)
			require.Regexp(t, failureID, page.Body)
			s.faults.end()
			require.Equal(t, http.StatusOK, b.Get(siteURL+"/").Status)
		})
	}
}

// RT-02, RT-09: OnError panics: there is one answer, and it is whole.
func TestPanicOfOnError(t *testing.T) {
	for name, tt := range map[string]struct {
		onError func(w http.ResponseWriter)
		status  int
		body    string
	}{
		"at once":        {func(http.ResponseWriter) {}, 500, "internal"},
		"after a header": {func(w http.ResponseWriter) { w.Header().Set("X-A", "b") }, 500, "internal"},
		"after a status": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusTeapot) }, 418, ""},
		"after a body":   {func(w http.ResponseWriter) { fmt.Fprint(w, "half a page") }, 200, "half a page"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, setup{ownErrors: true, config: func(c *signon.Config) {
				c.OnError = func(w http.ResponseWriter, _ *http.Request, _ error) { tt.onError(w); panic("hunter2") }
			}})
			b := s.browser()
			page := b.Get(siteURL + "/auth/callback/op?state=x&code=y")
			require.Equal(t, tt.status, page.Status)
			if tt.body == "half a page" || tt.body == "" {
				require.Equal(t, tt.body, page.Body)
			}
			require.Contains(t, page.Body, tt.body)
			require.NotContains(t, s.log.String(), "hunter2")
			require.Contains(t, s.log.String(), "OnError panicked")
			s.signIn(b, "alice")
		})
	}
}

// OnError gets what it needs, and answers instead of the page.
func TestOnError(t *testing.T) {
	var got *signon.Failure
	s := newSite(t, setup{ownErrors: true, config: func(c *signon.Config) {
		c.OnError = func(w http.ResponseWriter, _ *http.Request, err error) {
			require.ErrorAs(t, err, &got)
			require.ErrorIs(t, err, signon.ErrState)
			http.Error(w, "our own page", got.Status)
		}
	}})
	defer s.holds()
	page := s.browser().Get(siteURL + "/auth/callback/op?state=x&code=y")
	require.Equal(t, "our own page\n", page.Body)
	require.Equal(t, "bad_request", got.Kind)
	require.Equal(t, "op", got.Provider)
	require.Equal(t, "/auth/login/op", got.StartURL)
	require.Contains(t, s.log.String(), got.ID)
}

// RT-02: Config.Owner panics.
func TestPanicOfOwner(t *testing.T) {
	var armed atomic.Bool
	s := newSite(t, setup{config: func(c *signon.Config) {
		c.Owner = func(*http.Request) (string, error) {
			if armed.Load() {
				panic("hunter2")
			}
			return "user-1", nil
		}
	}})
	b := s.browser()
	armed.Store(true)
	for _, path := range []string{"/auth/login/op", "/private"} {
		page := b.At(siteURL).Click(path)
		require.Equal(t, http.StatusInternalServerError, page.Status)
		require.NotContains(t, page.Body+s.log.String(), "hunter2")
	}
	armed.Store(false)
	require.Equal(t, http.StatusOK, b.At(siteURL).Click("/auth/login/op").FollowAll(5).Status)
	armed.Store(true)
	require.Equal(t, http.StatusInternalServerError, b.At(siteURL).Click("/private").Status)
}

// RT-02: a logger that panics stops neither a login nor a refusal.
func TestPanicOfLogger(t *testing.T) {
	s := newSite(t, setup{ownErrors: true, config: func(c *signon.Config) {
		c.Logger = slog.New(panicking{slog.NewJSONHandler(io.Discard, nil)})
	}})
	b := s.browser()
	s.signIn(b, "alice")
	require.Equal(t, http.StatusBadRequest, b.Get(siteURL+"/auth/callback/op?state=x&code=y").Status)
	require.Equal(t, http.StatusSeeOther, b.At(siteURL).Post("/auth/logout", nil).Status)
}

type panicking struct{ slog.Handler }

func (panicking) Handle(context.Context, slog.Record) error { panic("hunter2") }

// A handler that aborts on purpose aborts.
func TestAbortHandler(t *testing.T) {
	s := newSite(t, setup{})
	b := s.browser()
	answer := s.answerURL(b, s.loginURL("alice"))
	h := s.client.CallbackHandler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	require.PanicsWithValue(t, http.ErrAbortHandler, func() {
		h.ServeHTTP(httptest.NewRecorder(), cookies(httptest.NewRequest("GET", answer, nil), b))
	})
}

// RT-02, RT-09: the handler of a login panics: there is one answer, ours only where
// it had not begun its own, and the log has it either way.
func TestPanicAfterLogin(t *testing.T) {
	for name, tt := range map[string]struct {
		next   func(w http.ResponseWriter)
		status int
		body   string
	}{
		"at once":        {func(http.ResponseWriter) {}, 500, "internal"},
		"after a status": {func(w http.ResponseWriter) { w.WriteHeader(http.StatusTeapot) }, 418, ""},
		"after a body":   {func(w http.ResponseWriter) { fmt.Fprint(w, "half a page") }, 200, "half a page"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, setup{})
			s.mux.Handle("/auth/callback/op", s.client.CallbackHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				tt.next(w)
				panic("hunter2")
			})))
			b := s.browser()
			page := b.Get(s.loginURL("alice")).FollowAll(10)
			require.Equal(t, tt.status, page.Status)
			require.Contains(t, page.Body, tt.body)
			if tt.status != http.StatusInternalServerError {
				require.Equal(t, tt.body, page.Body)
			}
			require.Equal(t, 1, strings.Count(s.log.String(), "signon: request failed"))
			require.Contains(t, s.log.String(), "_test.go:")
			require.NotContains(t, s.log.String(), "hunter2")
			require.Equal(t, "op:alice", s.who(b))
		})
	}
}
