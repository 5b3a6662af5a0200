package signon_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

// leave signs out and goes as far as the provider's answer: the URL that leads back.
func (s *site) leave(b *signontest.Browser, form url.Values) (back string) {
	s.t.Helper()
	page := b.At(siteURL).Post("/auth/logout/op", form)
	require.Equal(s.t, http.StatusSeeOther, page.Status)
	back = page.Follow().Location()
	require.True(s.t, strings.HasPrefix(back, siteURL+"/auth/logged-out/op?state="), back)
	return back
}

// logouts are the cookies of a browser's logouts in progress.
func logouts(b *signontest.Browser) map[string]string {
	list := b.Cookies(siteURL)
	for name := range list {
		if !strings.HasPrefix(name, "__Host-signon-logout-") {
			delete(list, name)
		}
	}
	return list
}

// LO-05: whatever comes back that is not this browser's logout shows a page, leads
// nowhere, and signs nobody in or out. The logout that is in progress goes on, unless it
// is the one.
func TestLoggedOutRefusesQuietly(t *testing.T) {
	const evil = "https://evil.example/"
	for _, tt := range []struct {
		name string
		url  func(back string) string
		left int // logouts in progress
	}{
		{"no state", sansQuery, 1},
		{"an empty one", func(back string) string { return with(back, url.Values{"state": {""}}) }, 1},
		{"a wrong one", func(back string) string { return with(back, url.Values{"state": {strings.Repeat("x", 43)}}) }, 1},
		{"a URL for a state", func(back string) string { return with(back, url.Values{"state": {evil}}) }, 1},
		{"two", func(back string) string { return back + "&state=x" }, 1},
		{"the same twice", func(back string) string { return back + "&state=" + param(back, "state") }, 1},
		{"a malformed query", func(back string) string { return back + "&%zz" }, 1},
		{"a long one", func(back string) string { return back + "&x=" + strings.Repeat("x", 17<<10) }, 1},
		{"another provider's", func(back string) string { return strings.Replace(back, "/op?", "/second?", 1) }, 1},
		{"with places to go", func(back string) string {
			return sansQuery(back) + "?" + url.Values{"return_to": {evil}, "post_logout_redirect_uri": {evil}, "redirect_uri": {evil}}.Encode()
		}, 1},
	} {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprint(tt.name, ", signed in again: ", again), func(t *testing.T) {
				s := newSite(t, setup{})
				defer s.holds()
				s.register(s.auth, "second", func(p *signon.Provider) { *p = s.op.OAuthProvider("second") })
				b := s.browser()
				s.signIn(b, "alice")
				back := s.leave(b, url.Values{"return_to": {"/cart"}})
				says := "You are signed out"
				if again {
					s.signIn(b, "bob")
					says = "You are signed in"
				}
				page := s.refused(b, http.StatusOK, 0, func() *signontest.Page { return s.raw(b, tt.url(back)) })
				require.Empty(t, page.Header.Get("Location"))
				require.Empty(t, page.Header["Set-Cookie"])
				require.Contains(t, page.Body, "<h1>"+says+"</h1>")
				require.NotContains(t, page.Body, "evil")
				require.Len(t, logouts(b), tt.left)
				require.Equal(t, siteURL+"/cart", b.Get(back).Location(), "the logout itself goes on")
			})
		}
	}
}

// LO-05: another browser with the very URL, and this one with it again.
func TestLoggedOutOnceInItsBrowser(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	alice, mallory := s.browser(), s.browser()
	s.signIn(alice, "alice")
	s.signIn(mallory, "bob")
	back := s.leave(alice, url.Values{"return_to": {"/cart"}})
	page := s.opened(mallory, http.StatusOK, 0, back)
	require.Contains(t, page.Body, "You are signed in")
	require.Equal(t, siteURL+"/cart", alice.Get(back).Location())
	for range 2 {
		page = s.opened(alice, http.StatusOK, 0, back)
		require.Contains(t, page.Body, "You are signed out")
		require.Empty(t, page.Header["Set-Cookie"])
	}
}

// LO-05: cookies that somebody has changed, moved to another state, or made of a login's,
// and the other way round, open nothing.
func TestLogoutCookiesAreTheirOwn(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	s.signIn(b, "alice")
	back := s.leave(b, url.Values{"return_to": {"/cart"}})
	name, value := s.cookieNamed(b, "__Host-signon-logout-")
	answer := s.answerURL(b, s.loginURL("bob"))
	loginName, loginValue := s.cookieNamed(b, "__Host-signon-login-")
	s.signIn(b, "carol-is-nobody-so-alice")
	other := s.leave(b, nil)
	var otherName string
	for n := range logouts(b) {
		if n != name {
			otherName = n
		}
	}
	stamp, sealed, _ := strings.Cut(value, ".")
	for what, planted := range map[string]struct{ name, value, url string }{
		"a login's":             {name, loginValue, back},
		"another stamp":         {name, "0." + sealed, back},
		"cut":                   {name, stamp + "." + sealed[:len(sealed)-4], back},
		"empty":                 {name, "", back},
		"another logout's":      {otherName, value, other},
		"a login of a logout's": {loginName, value, answer},
	} {
		r := httptest.NewRequest(http.MethodGet, planted.url, nil)
		r.Header.Set("Cookie", planted.name+"="+planted.value)
		r.Header.Set("Accept", "text/html")
		w := s.serve(r)
		require.Empty(t, w.Header().Get("Location"), what)
		if planted.url == answer {
			require.Equal(t, http.StatusBadRequest, w.Code, what)
		} else {
			require.Equal(t, http.StatusOK, w.Code, what)
			require.Contains(t, w.Header().Get("Set-Cookie"), planted.name+"=;", what)
		}
	}
	twice := httptest.NewRequest(http.MethodGet, back, nil)
	twice.Header.Set("Cookie", name+"="+value+"; "+name+"=x")
	require.Equal(t, http.StatusOK, s.serve(twice).Code)
	require.Equal(t, siteURL+"/cart", b.Get(back).Location())
}

// LO-05, LO-10: the cookie of a logout is sealed, for this host only, short, and gone
// after ten minutes, by its attributes and by what is in it.
func TestLogoutCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, setup{inProcess: true})
		b := s.browser()
		s.signIn(b, "alice")
		page := b.At(siteURL).Post("/auth/logout/op", url.Values{"return_to": {"/" + strings.Repeat("x", 511)}})
		back := page.Follow().Location()
		name, value := s.cookieNamed(b, "__Host-signon-logout-")
		require.Less(t, len(name)+len(value), 1000)
		var ck *http.Cookie
		for _, line := range page.Header["Set-Cookie"] {
			if set, err := http.ParseSetCookie(line); err == nil && set.Name == name {
				ck = set
			}
		}
		require.Equal(t, 600, ck.MaxAge)
		require.Equal(t, http.SameSiteLaxMode, ck.SameSite)
		time.Sleep(10*time.Minute - time.Second)
		require.Len(t, logouts(b), 1)
		time.Sleep(time.Second)
		require.Empty(t, logouts(b))
		r := httptest.NewRequest(http.MethodGet, back, nil)
		r.Header.Set("Cookie", name+"="+value) // of a browser that keeps it
		r.Header.Set("Accept", "text/html")
		w := s.serve(r)
		require.Equal(t, http.StatusOK, w.Code)
		require.Contains(t, w.Body.String(), "You are signed out")
	})
}

// Four logouts may be in progress, whose cookies leave the logins room.
func TestLogoutsInProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, setup{inProcess: true})
		defer s.holds()
		b := s.browser()
		var back []string
		for range 6 {
			s.signIn(b, "alice")
			back = append(back, s.leave(b, url.Values{"return_to": {"/" + strings.Repeat("y", 500)}}))
			time.Sleep(time.Second)
		}
		require.Len(t, logouts(b), 4)
		for range 12 {
			s.answerURL(b, s.loginURL("bob")+strings.Repeat("z", 400))
		}
		require.Len(t, logouts(b), 4)
		require.Less(t, s.pending(b)-4, 9)
		for i, u := range back {
			status := http.StatusSeeOther
			if i < 2 {
				status = http.StatusOK
			}
			require.Equal(t, status, b.Get(u).Status)
		}
		require.Empty(t, logouts(b))
	})
}

// LO-06: who says no at the provider, and stays there, is signed out here, and nothing of
// it is left after ten minutes. Who says yes comes back.
func TestLogoutThatTheUserDeclines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, setup{inProcess: true, op: signontest.Config{ConfirmLogout: true}})
		defer s.holds()
		b := s.browser()
		s.signIn(b, "alice")
		page := b.At(siteURL).Post("/auth/logout/op", nil).Follow()
		require.Equal(t, http.StatusOK, page.Status)
		require.Equal(t, nobody, s.who(b))
		page = page.Submit("", url.Values{"decision": {"no"}})
		require.Equal(t, http.StatusOK, page.Status)
		require.Len(t, s.op.Sessions(), 1)
		require.Equal(t, nobody, s.who(b))
		time.Sleep(11 * time.Minute)
		require.Empty(t, b.Cookies(siteURL))

		s.signIn(b, "alice")
		page = b.At(siteURL).Post("/auth/logout/op", nil).Follow().Submit("", url.Values{"decision": {"yes"}})
		require.Equal(t, siteURL+"/", page.Follow().Location())
		require.Empty(t, s.op.Sessions())
	})
}

// LO-07: the provider's logout token comes before its redirect, and finds nobody; the way
// back leads on all the same, on either replica.
func TestLogoutTokenBeforeTheWayBack(t *testing.T) {
	eachStore(t, fleetOptions{op: signontest.Config{BackChannelLogoutURI: siteURL + "/auth/backchannel-logout/op"}}, func(t *testing.T, f *fleet) {
		f.op.Serve(siteURL, f)
		b, elsewhere := f.signIn("alice"), f.signIn("alice")
		page := b.At(siteURL).Post("/auth/logout/op", url.Values{"return_to": {"/me"}}).Follow()
		require.Len(t, f.op.LogoutAnswers(), 1)
		require.Equal(t, http.StatusOK, f.op.LogoutAnswers()[0].Status)
		f.at.Store(1)
		require.Equal(t, siteURL+"/me", page.Follow().Location())
		require.Empty(t, b.Cookies(siteURL))
		require.Equal(t, nobody, f.who(b))
		require.Equal(t, "alice", f.who(elsewhere))
	})
}

// Whoever signs in while another tab is signing out stays signed in.
func TestLoggedOutLeavesANewLoginBe(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	s.signIn(b, "alice")
	back := s.leave(b, nil)
	s.signIn(b, "bob")
	require.Equal(t, siteURL+"/", b.Get(back).Location())
	require.Equal(t, "op:bob", s.who(b))
}

// The way back needs no store; the page, where one is down, claims nothing.
func TestLoggedOutWithStoreDown(t *testing.T) {
	for _, method := range []string{"sessions.Find", "logins.Login"} {
		t.Run(method, func(t *testing.T) {
			s := newSite(t, setup{})
			defer s.holds()
			b := s.browser()
			s.signIn(b, "alice")
			back := s.leave(b, nil)
			s.signIn(b, "bob")
			s.faults.on(method, down)
			require.Equal(t, siteURL+"/", b.Get(back).Location())
			page := b.Get(back)
			require.Equal(t, http.StatusOK, page.Status)
			require.Contains(t, page.Body, "<h1>Signing out</h1>")
		})
	}
}

// An application whose users sign in by its own means is not told who is signed in.
func TestLoggedOutPageOfAnApplicationWithUsers(t *testing.T) {
	s := newSite(t, setup{config: func(c *signon.Config) { c.Owner = func(*http.Request) (string, error) { return "u", nil } }})
	require.Contains(t, s.browser().Get(siteURL+"/auth/logged-out/op").Body, "<h1>Signing out</h1>")
}

// The way back is a GET. A prefetch of it spends nothing.
func TestLoggedOutMethods(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	s.signIn(b, "alice")
	back := s.leave(b, nil)
	for _, method := range []string{"POST", "HEAD", "PUT"} {
		r := cookies(httptest.NewRequest(method, back, nil), b)
		require.Equal(t, http.StatusMethodNotAllowed, s.serve(r).Code)
	}
	r := cookies(httptest.NewRequest(http.MethodGet, back, nil), b)
	r.Header.Set("Sec-Purpose", "prefetch")
	w := s.serve(r)
	require.Equal(t, http.StatusNoContent, w.Code)
	require.Empty(t, w.Header()["Set-Cookie"])
	require.Equal(t, siteURL+"/", b.Get(back).Location())
}

// With a handler of its own the application shows the page, whatever came; one that
// panics is a failure as any other.
func TestLoggedOutHandlerNext(t *testing.T) {
	s := newSite(t, setup{ownErrors: true, provider: func(p *signon.Provider) { p.PostLogoutRedirectURL = siteURL + "/bye" }})
	fails := false
	s.mux.Handle("/bye", s.client.LoggedOutHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fails {
			panic("x")
		}
		fmt.Fprint(w, "bye")
	})))
	b := s.browser()
	s.signIn(b, "alice")
	page := b.At(siteURL).Post("/auth/logout/op", nil).Follow()
	require.True(t, strings.HasPrefix(page.Location(), siteURL+"/bye?state="))
	back := page.Location()
	for range 2 {
		page = b.Get(back)
		require.Equal(t, "bye", page.Body)
		require.Equal(t, "no-store", page.Header.Get("Cache-Control"))
		require.Empty(t, logouts(b))
	}
	fails = true
	require.Equal(t, http.StatusInternalServerError, b.Get(back).Status)
}

// FinishLogout says what it found, and has written nothing if it is nothing.
func TestFinishLogout(t *testing.T) {
	s := newSite(t, setup{provider: func(p *signon.Provider) { p.PostLogoutRedirectURL = siteURL + "/bye" }})
	s.mux.HandleFunc("/bye", func(w http.ResponseWriter, r *http.Request) {
		err := s.client.FinishLogout(w, r)
		if errors.Is(err, signon.ErrState) {
			fmt.Fprint(w, "bye")
			return
		}
		if err != nil {
			http.Error(w, "no", http.StatusTeapot)
		}
	})
	b := s.browser()
	s.signIn(b, "alice")
	page := b.At(siteURL).Post("/auth/logout/op", url.Values{"return_to": {"/cart"}}).Follow()
	back := page.Location()
	page = page.Follow()
	require.Equal(t, siteURL+"/cart", page.Location())
	require.Equal(t, "no-store", page.Header.Get("Cache-Control"))
	require.Equal(t, "bye", b.Get(back).Body)
	require.Equal(t, http.StatusTeapot, b.At(siteURL).Post("/bye", nil).Status)
}

// In development the cookies have plain names.
func TestLogoutInDevelopment(t *testing.T) {
	const dev = "http://localhost:8080"
	s := newSite(t, setup{config: func(c *signon.Config) { c.BaseURL, c.Sessions = dev, nil }})
	b := signontest.NewBrowser(t)
	b.Serve(dev, s.mux)
	b.Get(dev + "/auth/login/op").FollowAll(5)
	page := b.At(dev).Post("/auth/logout/op", url.Values{"return_to": {"/cart"}})
	var names []string
	for name := range b.Cookies(dev) {
		names = append(names, name)
	}
	require.Len(t, names, 1)
	require.True(t, strings.HasPrefix(names[0], "signon-logout-"))
	require.Equal(t, dev+"/cart", page.Follow().Follow().Location())
	require.Empty(t, b.Cookies(dev))
}
