package signon_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

// A linking site has a sign-in of its own: the cookie "user" says who it is.
func newLinkingSite(t testing.TB, mode string) *site {
	return newSite(t, setup{
		provider: func(p *signon.Provider) { p.ResponseMode = mode },
		config: func(c *signon.Config) {
			c.Owner = func(r *http.Request) (string, error) {
				ck, err := r.Cookie("__Host-user")
				if errors.Is(err, http.ErrNoCookie) {
					return "", nil
				}
				return ck.Value, err
			}
		},
	})
}

func isUser(b *signontest.Browser, user string) {
	b.SetCookie(siteURL, "__Host-user="+user+"; Path=/; Secure; HttpOnly; SameSite=Lax")
}

func (s *site) connected(b *signontest.Browser) string {
	page := b.At(siteURL).Fetch(http.MethodGet, "/private")
	return strings.TrimSpace(fmt.Sprint(page.Status, " ", page.Body))
}

// LI-01: connecting an account begins on the application's own pages.
func TestLinkingStartsAtHome(t *testing.T) {
	s := newLinkingSite(t, "")
	b := s.browser()
	isUser(b, "user-1")
	home, evil := b.At(siteURL+"/settings"), b.At("https://evil.example/")
	for name, tt := range map[string]struct {
		open   func() *signontest.Page
		status int
	}{
		"own link":            {func() *signontest.Page { return home.Click("/auth/login/op") }, 303},
		"own form":            {func() *signontest.Page { return home.Post("/auth/login/op", nil) }, 303},
		"link elsewhere":      {func() *signontest.Page { return evil.Click(siteURL + "/auth/login/op") }, 403},
		"form elsewhere":      {func() *signontest.Page { return evil.Post(siteURL+"/auth/login/op", nil) }, 403},
		"link of a subdomain": {func() *signontest.Page { return b.At("https://evil.app.test/").Click(siteURL + "/auth/login/op") }, 403},
		"typed in":            {func() *signontest.Page { return b.Get(siteURL + "/auth/login/op") }, 403},
		"browser that says nothing": {func() *signontest.Page {
			return s.raw(b, siteURL+"/auth/login/op")
		}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			page := tt.open()
			require.Equal(t, tt.status, page.Status, page.Body)
			require.Equal(t, tt.status == 303, page.Header.Get("Set-Cookie") != "")
		})
	}
	// The page that refuses leads back, by a POST of our own.
	page := evil.Click(siteURL + "/auth/login/op")
	require.Equal(t, siteURL+"/", page.Submit("", nil).FollowAll(5).URL.String())
	require.Contains(t, s.connected(b), `"owner":"alice"`)
}

// AR-34: the user at the callback is the one who began, or nothing is connected.
func TestLinkingOfAnotherUser(t *testing.T) {
	for _, mode := range []string{"", "form_post"} {
		t.Run("response_mode="+mode, func(t *testing.T) {
			s := newLinkingSite(t, mode)
			attacker, b := s.browser(), s.browser()
			isUser(attacker, "mallory")
			isUser(b, "user-1")
			page := b.At(siteURL).Click("/auth/login/op").Follow()
			isUser(b, "user-2") // signed out, and another one in
			require.Equal(t, http.StatusForbidden, page.FollowAll(3).Status)
			require.Zero(t, s.op.Count(signontest.Token))

			// A sent link is of another browser; and a nobody connects nothing.
			answer := s.deliver(attacker, mode, "/auth/callback/op", s.linkAnswer(attacker, mode))
			require.Equal(t, http.StatusSeeOther, answer.Status)
			require.Equal(t, http.StatusBadRequest, b.Get(s.unspent(attacker, mode)).Status)
			page = b.At(siteURL).Click("/auth/login/op").Follow()
			b.SetCookie(siteURL, "__Host-user=; Path=/; Secure; Max-Age=-1")
			require.Equal(t, http.StatusUnauthorized, page.FollowAll(3).Status)
			isUser(b, "user-2")
			require.True(t, strings.HasPrefix(s.connected(b), "401"))

			require.Equal(t, http.StatusOK, b.At(siteURL).Click("/auth/login/op").FollowAll(5).Status)
			require.Contains(t, s.connected(b), `"owner":"alice"`)
			isUser(b, "user-1")
			require.True(t, strings.HasPrefix(s.connected(b), "401"))
		})
	}
}

func (s *site) linkAnswer(b *signontest.Browser, mode string) map[string][]string {
	page := b.At(siteURL).Click("/auth/login/op").Follow()
	if mode == "" {
		r, err := http.NewRequest("GET", page.Location(), nil)
		require.NoError(s.t, err)
		return r.URL.Query()
	}
	answer := map[string][]string{}
	for _, field := range page.Forms()[0].Fields {
		answer[field.Name] = []string{field.Value}
	}
	return answer
}

// unspent is a callback URL that has not been opened.
func (s *site) unspent(b *signontest.Browser, mode string) string {
	page := b.At(siteURL).Click("/auth/login/op").Follow()
	if mode == "form_post" {
		page = page.Submit("", nil)
	}
	return page.Location()
}

// Connecting keeps the application's own session as it was, whoever is signed in.
func TestLinkingKeepsTheSession(t *testing.T) {
	s := newLinkingSite(t, "")
	b := s.browser()
	isUser(b, "user-1")
	b.Get(siteURL + "/cart?put=pears")
	require.Equal(t, http.StatusOK, b.At(siteURL).Click("/auth/login/op").FollowAll(5).Status)
	require.Equal(t, "pears", b.Get(siteURL+"/cart").Body)
}

// RQ-07, HK-06: OnLogin refuses, fails, or names nobody: no session, no token, and
// who was signed in stays so.
func TestOnLoginRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		onLogin func() (string, error)
		status  int
	}{
		"disabled account": {func() (string, error) { return "", fmt.Errorf("disabled: %w", signon.ErrDenied) }, 403},
		"with an owner":    {func() (string, error) { return "user-2", fmt.Errorf("disabled: %w", signon.ErrDenied) }, 403},
		"database down":    {func() (string, error) { return "", fmt.Errorf("db: %w", signon.ErrUnavailable) }, 503},
		"plain error":      {func() (string, error) { return "user-2", errors.New("hunter2") }, 500},
		"no owner":         {func() (string, error) { return "", nil }, 500},
		"panic":            {func() (string, error) { panic("hunter2") }, 500}, // RT-02
	} {
		t.Run(name, func(t *testing.T) {
			answers := func() (string, error) { return "user-1", nil }
			s := newSite(t, setup{config: func(c *signon.Config) {
				c.OnLogin = func(context.Context, *signon.Login) (string, error) { return answers() }
			}})
			defer s.holds()
			b := s.browser()
			s.signIn(b, "alice")
			before := s.blobs.all()
			answer := s.answerURL(b, s.loginURL("bob"))
			allow := answers
			answers = tt.onLogin
			page := s.opened(b, tt.status, 1, answer)
			require.NotContains(t, page.Body, "hunter2")
			require.Equal(t, before, s.blobs.all())
			require.Empty(t, cookieNames(page, "__Host-session"))
			answers = allow
		})
	}
}

// cookieNames lists the cookies of a prefix that an answer sets.
func cookieNames(page *signontest.Page, prefix string) (names []string) {
	w := httptest.NewRecorder()
	w.Header()["Set-Cookie"] = page.Header["Set-Cookie"]
	for _, ck := range w.Result().Cookies() {
		if strings.HasPrefix(ck.Name, prefix) {
			names = append(names, ck.Name)
		}
	}
	return names
}
