package signon_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

func formPost(p *signon.Provider) { p.ResponseMode = "form_post" }

// AR-26: the provider's POST comes without Lax cookies, yet the login works, the
// session cookie stays Lax, and the session is the same one: its login is replaced.
func TestFormPost(t *testing.T) {
	s := newSite(t, setup{provider: formPost})
	defer s.holds()
	b := s.browser()
	s.signIn(b, "alice")
	b.Get(siteURL + "/cart?put=pears")
	page := b.Get(s.loginURL("alice")).Follow()
	require.Equal(t, "form_post", param(page.URL.String(), "response_mode"))
	page = page.Submit("", nil)
	sent := page.Request.Header.Get("Cookie")
	require.Equal(t, "cross-site", page.Request.Header.Get("Sec-Fetch-Site"))
	require.NotContains(t, sent, "__Host-session")
	require.Contains(t, sent, "__Host-signon-post-")
	require.Equal(t, http.StatusSeeOther, page.Status)
	require.NotContains(t, page.Location(), "code=")

	page = page.FollowAll(3)
	require.Equal(t, siteURL+"/me", page.URL.String())
	require.Equal(t, "pears", b.Get(siteURL+"/cart").Body)
	require.Zero(t, s.pending(b))
	require.Len(t, s.blobs.all(), 1, "the former session is gone")
}

// AR-26: the state is never skipped, in neither half.
func TestFormPostOfAnotherBrowser(t *testing.T) {
	s := newSite(t, setup{provider: formPost})
	defer s.holds()
	attacker, victim := s.browser(), s.browser()
	s.signIn(victim, "alice")
	answer := s.formAnswer(attacker, "form_post")
	s.refused(victim, http.StatusBadRequest, 0, func() *signontest.Page {
		return s.deliver(victim, "form_post", "/auth/callback/op", answer)
	})
	page := s.deliver(attacker, "form_post", "/auth/callback/op", answer)
	require.Equal(t, http.StatusSeeOther, page.Status)
	s.opened(victim, http.StatusBadRequest, 0, page.Location())
	// Not even with the attacker's cookie of the second half alone.
	name, value := s.cookieNamed(attacker, "__Host-signon-answer-")
	victim.SetCookie(siteURL, name+"="+value+"; Path=/; Secure; HttpOnly; SameSite=Lax")
	s.opened(victim, http.StatusBadRequest, 0, page.Location())
	require.Equal(t, http.StatusOK, page.FollowAll(3).Status)
	require.Equal(t, "op:bob", s.who(attacker))
}

// AR-26, AR-05: the second half works once, and for two minutes.
func TestFormPostSecondHalf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, setup{inProcess: true, provider: formPost, op: signontest.Config{CodeLife: time.Hour}})
		defer s.holds()
		b := s.browser()
		page := s.deliver(b, "form_post", "/auth/callback/op", s.formAnswer(b, "form_post"))
		name, value := s.cookieNamed(b, "__Host-signon-answer-")
		time.Sleep(2 * time.Minute)
		b.SetCookie(siteURL, name+"="+value+"; Path=/; Secure; HttpOnly; SameSite=Lax")
		s.opened(b, http.StatusBadRequest, 0, page.Location())
		b.ClearCookies()

		page = s.deliver(b, "form_post", "/auth/callback/op", s.formAnswer(b, "form_post"))
		require.Equal(t, http.StatusOK, page.FollowAll(3).Status)
		s.opened(b, http.StatusBadRequest, 0, page.Location())
		s.opened(b, http.StatusBadRequest, 0, siteURL+"/auth/callback/op")
		s.opened(b, http.StatusBadRequest, 0, siteURL+"/auth/callback/op?signon_answer=")
		s.opened(b, http.StatusBadRequest, 0, siteURL+"/auth/callback/op?signon_answer="+strings.Repeat("%0d%0aSet-Cookie:x", 99))
	})
}

// AR-27: markup in the fields gets nowhere.
func TestFormPostMarkup(t *testing.T) {
	const markup = `"><script>alert('0800')</script>`
	for _, field := range []string{"state", "code", "iss", "error", "error_description", "other"} {
		t.Run(field, func(t *testing.T) {
			s := newSite(t, setup{provider: formPost})
			defer s.holds()
			b := s.browser()
			s.signIn(b, "alice")
			answer := s.formAnswer(b, "form_post")
			answer.Set(field, markup)
			page := s.deliver(b, "form_post", "/auth/callback/op", answer)
			require.NotContains(t, page.Body, "0800")
			require.NotContains(t, page.Location(), "0800")
			if page.Status == http.StatusSeeOther {
				page = page.FollowAll(3)
				require.NotContains(t, page.Body, "0800")
			}
		})
	}
}

// A code too long for a cookie still signs in, in one half.
func TestFormPostLongCode(t *testing.T) {
	s := newSite(t, setup{provider: formPost})
	defer s.holds()
	b := s.browser()
	long := strings.Repeat("c", 3500)
	code := ""
	s.op.AuthorizeResponse(func(v url.Values) {
		code = v.Get("code")
		v.Set("code", code+long)
	})
	page := b.Get(s.loginURL("alice")).Follow().Submit("", nil)
	require.Equal(t, http.StatusBadRequest, page.Status, "the provider does not know this code")
	require.Equal(t, 1, s.op.Count(signontest.Token))
}

// AR-26, LI-08: eight tabs whose answers come at once keep the header bounded, since
// no POST shows the answers of the others; each signs in.
func TestFormPostManyTabs(t *testing.T) {
	for _, tt := range []struct{ code, most int }{{0, 8 << 10}, {600, 16 << 10}, {2000, 8 << 10}} {
		t.Run(fmt.Sprint("a code of ", tt.code, " more"), func(t *testing.T) {
			s := newSite(t, setup{provider: formPost})
			if tt.code > 0 {
				s.op.AuthorizeResponse(func(v url.Values) { v.Set("code", v.Get("code")+strings.Repeat("c", tt.code)) })
			}
			b := s.browser()
			var tabs []*signontest.Page
			for range 8 {
				tabs = append(tabs, b.Get(s.loginURL("alice")).Follow())
			}
			for i := range tabs {
				tabs[i] = tabs[i].Submit("", nil)
				size := 0
				for name, value := range b.Cookies(siteURL) {
					size += len(name) + len(value) + len("=; ")
				}
				require.Less(t, size, tt.most)
			}
			if tt.code > 0 {
				return // the provider does not know these codes
			}
			for _, tab := range tabs {
				require.Equal(t, http.StatusOK, tab.FollowAll(3).Status)
			}
			require.Zero(t, s.pending(b))
		})
	}
}

// AR-26, LI-01: where Config.Owner must be asked, a longer code waits for its cookies.
func TestFormPostLongCodeWithOwner(t *testing.T) {
	s := newLinkingSite(t, "form_post")
	b := s.browser()
	isUser(b, "user-1")
	s.op.AuthorizeResponse(func(v url.Values) { v.Set("code", v.Get("code")+strings.Repeat("c", 2000)) })
	page := b.At(siteURL).Click("/auth/login/op").Follow().Submit("", nil)
	require.Equal(t, http.StatusSeeOther, page.Status)
	require.Contains(t, page.Location(), "signon_answer=")
}
