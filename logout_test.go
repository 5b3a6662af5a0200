package signon_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/signontest"
	"github.com/seed1a301047/signon/tokenstore"
)

// LO-01, LO-02: only the application's own page signs out, by POST.
func TestLogoutForgery(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	s.signIn(b, "alice")
	evil, sub := b.At("https://evil.example/"), b.At("https://evil.app.test/")
	for _, path := range []string{"/auth/logout", "/auth/logout/op"} {
		for _, method := range []string{"GET", "HEAD", "PUT", "DELETE", "OPTIONS"} {
			page := s.refused(b, http.StatusMethodNotAllowed, 0, func() *signontest.Page { return evil.Fetch(method, siteURL+path) })
			require.Equal(t, "POST", page.Header.Get("Allow"))
		}
		s.refused(b, http.StatusMethodNotAllowed, 0, func() *signontest.Page { return b.Get(siteURL + path) })
		for _, from := range []*signontest.Page{evil, sub} {
			page := s.refused(b, http.StatusForbidden, 0, func() *signontest.Page { return from.Post(siteURL+path, nil) })
			require.Empty(t, page.Header["Set-Cookie"])
			s.refused(b, http.StatusForbidden, 0, func() *signontest.Page { return from.Fetch("POST", siteURL+path) })
		}
	}
	require.Equal(t, "op:alice", s.who(b))
}

// LO-10, LO-11, SE-17: a logout ends every login of the session, whatever its
// provider, with the tokens they own; the session; the logins in progress. Nothing of
// them is left in the jar. The one provider that the URL is of is told, or without one
// that of the current login, which has nothing to be told at here.
func TestLogoutEndsEverything(t *testing.T) {
	for _, saves := range []bool{false, true} {
		for _, path := range []string{"/auth/logout", "/auth/logout/op", "/auth/logout/second"} {
			t.Run(path, func(t *testing.T) {
				s := newSite(t, setup{saves: saves})
				defer s.holds()
				s.register(s.auth, "second", func(p *signon.Provider) { *p = s.op.OAuthProvider("second") })
				s.register(s.auth, "posted", func(p *signon.Provider) {
					*p = s.op.OAuthProvider("posted")
					p.ResponseMode = "form_post"
				})
				b, elsewhere := s.browser(), s.browser()
				s.signIn(b, "alice")
				s.signIn(elsewhere, "alice")
				require.Equal(t, siteURL+"/me", b.Get(siteURL+"/auth/login/second?return_to=/me").FollowAll(5).URL.String())
				owners := s.owners(b)
				require.Len(t, owners, 2)
				s.answerURL(b, s.loginURL("bob")) // in progress
				b.Get(siteURL+"/auth/login/posted").Follow().Submit("", nil)
				require.Equal(t, 3, s.pending(b))

				page := b.At(siteURL).Post(path, nil)
				require.Equal(t, http.StatusSeeOther, page.Status)
				if path == "/auth/logout/op" {
					page = page.Follow()
					require.Equal(t, siteURL+"/auth/logged-out/op", sansQuery(page.Location()))
					page = page.Follow()
				}
				require.Equal(t, siteURL+"/", page.Location())
				require.Empty(t, b.Cookies(siteURL))
				for provider, owner := range owners {
					_, err := s.logins.Login(t.Context(), owner)
					require.ErrorIs(t, err, sessionstore.ErrNotFound)
					_, err = s.tokens.FetchToken(t.Context(), tokenKey(provider, owner))
					require.ErrorIs(t, err, tokenstore.ErrNotFound)
				}
				require.Len(t, s.blobs.all(), 1)
				require.Equal(t, "op:alice", s.who(elsewhere), "another browser's login is another one")
			})
		}
	}
}

// owners are those of the browser's logins, by provider.
func (s *site) owners(b *signontest.Browser) map[string]string {
	found := map[string]string{}
	ctx, err := s.sessions.Load(context.Background(), sessionID(b))
	require.NoError(s.t, err)
	for _, named := range strings.Fields(s.sessions.GetString(ctx, "signon.logins")) {
		provider, id, _ := strings.Cut(named, "=")
		found[provider] = id
	}
	return found
}

// LO-10: a token that is a user's of the application stays, for work in the
// background.
func TestLogoutKeepsUsersTokens(t *testing.T) {
	s := newSite(t, setup{config: func(c *signon.Config) {
		c.OnLogin = func(_ context.Context, l *signon.Login) (string, error) { return "user-" + l.Subject, nil }
	}})
	defer s.holds()
	b := s.browser()
	s.signIn(b, "alice")
	require.Equal(t, http.StatusSeeOther, b.At(siteURL).Post("/auth/logout", nil).Status)
	require.Equal(t, nobody, s.who(b))
	_, err := s.client.Token(signon.WithOwner(t.Context(), "user-alice"))
	require.NoError(t, err)
}

// LO-10: the tokens of a provider that has been removed go too.
func TestLogoutOfRemovedProvider(t *testing.T) {
	s := newSite(t, setup{})
	b := s.browser()
	s.signIn(b, "alice")
	owner := s.owners(b)["op"]
	s.auth.Remove("op")
	require.Equal(t, http.StatusSeeOther, b.At(siteURL).Post("/auth/logout", nil).Status)
	_, err := s.tokens.FetchToken(t.Context(), tokenKey("op", owner))
	require.ErrorIs(t, err, tokenstore.ErrNotFound)
}

// A logout of nobody, and one after another, is a logout.
func TestLogoutTwice(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	for range 2 {
		require.Equal(t, siteURL+"/", b.At(siteURL).Post("/auth/logout/op", nil).Location())
	}
	s.signIn(b, "alice")
	require.Equal(t, s.op.URL(signontest.EndSession), sansQuery(b.At(siteURL).Post("/auth/logout/op", nil).Location()))
	require.Equal(t, siteURL+"/", b.At(siteURL).Post("/auth/logout/op", nil).Location())
}

// A store that does not answer: the browser is told, and has no session any more.
// The record, if it could be ended, has.
func TestLogoutWithStoreDown(t *testing.T) {
	for method, ended := range map[string]bool{
		"sessions.Find": false, "sessions.Delete": true, "logins.EndLogins": false, "tokens.DeleteToken": true,
	} {
		for _, saves := range []bool{false, true} {
			if saves && method == "sessions.Find" {
				continue // LoadAndSave has answered
			}
			t.Run(method, func(t *testing.T) {
				s := newSite(t, setup{saves: saves})
				defer s.holds()
				b := s.browser()
				s.signIn(b, "alice")
				id := s.owners(b)["op"]
				s.faults.on(method, down)
				require.Equal(t, http.StatusServiceUnavailable, b.At(siteURL).Post("/auth/logout", nil).Status)
				s.faults.end()
				require.Empty(t, sessionID(b))
				require.Equal(t, nobody, s.who(b))
				_, err := s.logins.Login(t.Context(), id)
				require.Equal(t, ended, err != nil)
			})
		}
	}
}

// SE-05, LO-10: of two session cookies a logout ends both, also the one that
// LoadAndSave has not taken, and deletes what may be set for a whole domain.
func TestLogoutWithTwoSessionCookies(t *testing.T) {
	for _, saves := range []bool{false, true} {
		for _, plantedFirst := range []bool{true, false} {
			t.Run(fmt.Sprint("LoadAndSave outside: ", saves, ", planted first: ", plantedFirst), func(t *testing.T) {
				s := newSite(t, setup{saves: saves})
				s.sessions.Cookie.Name = "sid"
				evil, victim := s.browser(), s.browser()
				s.signIn(evil, "bob")
				s.signIn(victim, "alice")
				planted, own := "sid="+evil.Cookies(siteURL)["sid"], "sid="+victim.Cookies(siteURL)["sid"]
				header := strings.Repeat(planted+"; ", 40) + own
				if !plantedFirst {
					header = own + "; " + planted
				}
				r := httptest.NewRequest(http.MethodPost, siteURL+"/auth/logout", nil)
				r.Header.Set("Cookie", header)
				w := s.serve(r)
				require.Equal(t, http.StatusSeeOther, w.Code)
				require.Equal(t, nobody, s.who(victim))
				require.Empty(t, s.blobs.all())
				left, err := s.logins.Logins(t.Context(), selectSubject(s, "alice"))
				require.NoError(t, err)
				require.Empty(t, left)
				domains := map[string]bool{}
				for _, ck := range w.Result().Cookies() {
					require.Negative(t, ck.MaxAge)
					domains[ck.Domain] = true
				}
				require.Equal(t, map[string]bool{"": true, "app.test": true}, domains)
			})
		}
	}
}
