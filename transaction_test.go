package signon_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

// AR-07: a login may take ten minutes; then it is refused, and its cookie goes.
func TestLoginExpires(t *testing.T) {
	for _, mode := range []string{"", "form_post"} {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, setup{inProcess: true, op: signontest.Config{CodeLife: time.Hour}, provider: func(p *signon.Provider) { p.ResponseMode = mode }})
			defer s.holds()
			b := s.browser()
			for _, waited := range []struct {
				time   time.Duration
				status int
			}{{10*time.Minute - time.Second, http.StatusSeeOther}, {10 * time.Minute, http.StatusBadRequest}} {
				s.signIn(b, "alice")
				answer := s.formAnswer(b, mode)
				name, value := s.cookieNamed(b, "__Host-signon-")
				time.Sleep(waited.time)
				// A browser forgets the cookie by itself: this one has kept it.
				b.SetCookie(siteURL, name+"="+value+"; Path=/; Secure; HttpOnly; SameSite=None")
				page := s.deliver(b, mode, "/auth/callback/op", answer)
				require.Equal(t, waited.status, page.Status)
				if waited.status == http.StatusBadRequest {
					require.Contains(t, page.Body, "expired")
					require.Contains(t, page.Body, "Start again")
					require.Zero(t, s.pending(b))
				} else {
					page.FollowAll(3)
				}
			}
		})
	}
}

var pageID = regexp.MustCompile(`[A-Z2-7]{26}`)

// AR-30, AR-35: whatever is not the very cookie is no login in progress: same answer to
// all, and the cookie goes. LI-08: so it is with the second half of form_post.
func TestTamperedTransaction(t *testing.T) {
	for _, tt := range []struct{ name, mode, prefix string }{
		{"query", "", "__Host-signon-login-"},
		{"form_post", "form_post", "__Host-signon-post-"},
		{"second half of form_post", "form_post", "__Host-signon-answer-"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, setup{provider: func(p *signon.Provider) { p.ResponseMode = tt.mode }})
			defer s.holds()
			b := s.browser()
			request, name, value := s.callbackRequest(b, tt.mode, tt.prefix)
			bodies := map[string]bool{}
			send := func(changed string) {
				w := s.serve(request(changed))
				require.Equal(t, http.StatusBadRequest, w.Code, "%q", changed)
				bodies[pageID.ReplaceAllString(w.Body.String(), "")] = true
				if ck, err := http.ParseCookie(name + "=" + changed); err == nil && ck[0].Value == changed {
					require.Contains(t, w.Header().Get("Set-Cookie"), name+"=;", "%q", changed)
				}
			}
			for i := range value {
				for _, bit := range []byte{1, 2, 0x20} {
					changed := []byte(value)
					changed[i] ^= bit
					send(string(changed))
				}
				send(value[:i])
			}
			for _, changed := range []string{value + "A", value + "=", value + "." + value, "." + value, strings.Repeat("A", 4000)} {
				send(changed)
			}
			require.Len(t, bodies, 1, "the answers differ")
			require.Zero(t, s.op.Count(signontest.Token))
			require.Equal(t, http.StatusSeeOther, s.serve(request(value)).Code)
		})
	}
}

// callbackRequest brings a login to its callback: a maker of requests with another
// value for the cookie whose name begins with prefix.
func (s *site) callbackRequest(b *signontest.Browser, mode, prefix string) (request func(value string) *http.Request, name, value string) {
	method, target, body := http.MethodGet, siteURL+"/auth/callback/op", ""
	answer := s.formAnswer(b, mode)
	switch {
	case strings.Contains(prefix, "answer"):
		page := s.deliver(b, mode, "/auth/callback/op", answer)
		require.Equal(s.t, http.StatusSeeOther, page.Status)
		target = page.Location()
	case mode == "form_post":
		method, body = http.MethodPost, answer.Encode()
	default:
		target += "?" + answer.Encode()
	}
	name, value = s.cookieNamed(b, prefix)
	jar := b.Cookies(siteURL)
	return func(value string) *http.Request {
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for n, v := range jar {
			if n == name {
				v = value
			}
			r.Header["Cookie"] = []string{strings.TrimPrefix(r.Header.Get("Cookie")+"; "+n+"="+v, "; ")}
		}
		return r
	}, name, value
}

// AR-30, SE-16: a cookie under another name, of another user, of another deployment.
func TestTransactionOfSomewhereElse(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	first := s.answerURL(b, s.loginURL("alice"))
	firstName, firstValue := s.cookieNamed(b, "__Host-signon-login-")
	b.ClearCookies()
	second := s.answerURL(b, s.loginURL("bob"))
	secondName, _ := s.cookieNamed(b, "__Host-signon-login-")
	require.NotEqual(t, firstName, secondName)
	b.SetCookie(siteURL, secondName+"="+firstValue+"; Path=/; Secure")
	s.opened(b, http.StatusBadRequest, 0, second)
	s.opened(b, http.StatusBadRequest, 0, first)
	require.Zero(t, s.pending(b))

	other := newSite(t, setup{config: func(c *signon.Config) { c.Keys = [][]byte{sum("elsewhere")} }})
	foreign := other.browser()
	other.answerURL(foreign, other.loginURL("alice"))
	name, value := other.cookieNamed(foreign, "__Host-signon-login-")
	b.SetCookie(siteURL, name+"="+value+"; Path=/; Secure")
	s.opened(b, http.StatusBadRequest, 0, second)
}

// AR-30: an old key opens until it is retired. CF-06: so does a changed
// configuration end a login in progress cleanly.
func TestKeysAndConfigurationChange(t *testing.T) {
	keys := func(keys ...[]byte) func(*signon.Config) { return func(c *signon.Config) { c.Keys = keys } }
	for _, tt := range []struct {
		name     string
		config   func(*signon.Config)
		provider func(*signon.Provider)
		status   int
	}{
		{"new key in front", keys(sum("new"), siteKeys[0]), nil, http.StatusSeeOther},
		{"only the second key is left", keys(siteKeys[1]), nil, http.StatusBadRequest},
		{"key retired", keys(sum("new")), nil, http.StatusBadRequest},
		{"more scopes", nil, func(p *signon.Provider) { p.Scopes = append(p.Scopes, "items") }, http.StatusSeeOther},
		{"another client", nil, func(p *signon.Provider) { p.ClientID = "other" }, http.StatusBadRequest},
		{"form_post now", nil, func(p *signon.Provider) { p.ResponseMode = "form_post" }, http.StatusBadRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, setup{})
			defer s.holds()
			b := s.browser()
			s.signIn(b, "alice")
			answer := s.answerURL(b, s.loginURL("bob"))
			later := s.registry(tt.config)
			s.register(later, "op", tt.provider)
			w := httptest.NewRecorder()
			later.Handler().ServeHTTP(w, cookies(httptest.NewRequest("GET", answer, nil), b))
			require.Equal(t, tt.status, w.Code, w.Body)
			if tt.status == http.StatusBadRequest {
				require.Zero(t, s.op.Count(signontest.Token)-1)
				require.Equal(t, "op:alice", s.who(b))
			}
		})
	}
}

// CF-06: a provider that is removed and registered again while its login runs.
func TestReloadWhileServing(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	answer := s.answerURL(b, s.loginURL("alice"))
	s.auth.Remove("op")
	require.Equal(t, http.StatusNotFound, s.raw(b, answer).Status)
	s.register(s.auth, "op", nil)
	require.Equal(t, http.StatusOK, b.Get(answer).FollowAll(3).Status)
}

// CF-06: the token endpoint of a login in progress is that of its beginning.
func TestTokenEndpointIsPinned(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	answer := s.answerURL(b, s.loginURL("alice"))
	s.op.Metadata(func(m map[string]any) { m["token_endpoint"] = s.op.Issuer() + "/moved" })
	later := s.registry(nil) // has not seen the metadata yet
	s.register(later, "op", nil)
	w := httptest.NewRecorder()
	later.Handler().ServeHTTP(w, cookies(httptest.NewRequest("GET", answer, nil), b))
	require.Equal(t, http.StatusSeeOther, w.Code, w.Body)
	s.op.Metadata(nil)
}

// LI-08: of twenty logins in progress the newest eight finish, in whatever order,
// and the cookies stay within what servers accept.
func TestManyTabs(t *testing.T) {
	for _, mode := range []string{"", "form_post"} {
		for _, path := range []string{"/me", "/me?" + strings.Repeat("q", 500)} {
			t.Run(fmt.Sprintf("response_mode=%s, return_to of %d bytes", mode, len(path)), func(t *testing.T) {
				s := newSite(t, setup{provider: func(p *signon.Provider) { p.ResponseMode = mode }})
				defer s.holds()
				b := s.browser()
				tabs := make([]*signontest.Page, 20)
				for i := range tabs {
					tabs[i] = b.Get(siteURL + "/auth/login/op?return_to=" + url.QueryEscape(path)).Follow()
					require.LessOrEqual(t, s.pending(b), 8)
				}
				// Long ones are fewer, so that all together stay below 8 KB.
				newest := s.pending(b) - len(path)/500
				require.GreaterOrEqual(t, newest, 6)
				for i := range tabs {
					page := tabs[len(tabs)-1-i].FollowAll(5)
					if i < newest {
						require.Equal(t, siteURL+path, page.URL.String())
					}
					if i < 8 {
						continue
					}
					require.Equal(t, http.StatusBadRequest, page.Status)
					require.Contains(t, page.Body, "Start again")
				}
			})
		}
	}
}

// LI-08: tabs that a browser restores start and finish at the same time.
func TestParallelTabs(t *testing.T) {
	for _, mode := range []string{"", "form_post"} {
		t.Run("response_mode="+mode, func(t *testing.T) {
			s := newSite(t, setup{provider: func(p *signon.Provider) { p.ResponseMode = mode }})
			defer s.holds()
			b := s.browser()
			s.signIn(b, "alice")
			var wg sync.WaitGroup
			var tabs [8]*signontest.Page
			for i := range tabs {
				wg.Go(func() { tabs[i] = b.Get(s.loginURL("alice")).Follow() })
			}
			wg.Wait()
			// All the answers are there before the first of them is read.
			for i := range tabs {
				if mode == "form_post" {
					tabs[i] = tabs[i].Submit("", nil)
				}
			}
			for i := range tabs {
				require.Equal(t, http.StatusOK, tabs[i].FollowAll(5).Status, "tab %d", i)
			}
			require.Equal(t, 9, s.op.Count(signontest.Token))
			require.Zero(t, s.pending(b))
		})
	}
}
