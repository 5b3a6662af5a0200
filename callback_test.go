package signon_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/signontest"
)

// What is malformed or foreign is refused before the code is spent. It ends neither
// who is signed in nor the login in progress, which then completes.
func TestCallbackRefuses(t *testing.T) {
	issuer := func(change func(string) string) func(string) string {
		return func(raw string) string { return with(raw, url.Values{"iss": {change(param(raw, "iss"))}}) }
	}
	set := func(name, value string) func(string) string {
		return func(raw string) string { return with(raw, url.Values{name: {value}}) }
	}
	add := func(query string) func(string) string { return func(raw string) string { return raw + query } }
	query := func(query string) func(string) string {
		return func(raw string) string { before, _, _ := strings.Cut(raw, "?"); return before + "?" + query }
	}
	tests := []struct {
		name   string
		change func(answer string) string
		status int
	}{
		// AR-01
		{"no state", func(raw string) string { return with(raw, url.Values{"state": nil}) }, 400},
		{"state empty", set("state", ""), 400},
		{"state blank", set("state", " \t"), 400},
		// AR-02
		{"another state", set("state", "c2xlZXBlcnMtYXdha2UtdGhlLXN0YXRlLWlzLW5vdC15"), 400},
		{"state in other case", func(raw string) string {
			return with(raw, url.Values{"state": {strings.ToLower(param(raw, "state"))}})
		}, 400},
		{"state of kilobytes", set("state", strings.Repeat("s", 4000)), 400},
		// AR-08
		{"two states", add("&state=b"), 400},
		{"the state twice", func(raw string) string { return raw + "&state=" + param(raw, "state") }, 400},
		{"code twice", add("&code=b"), 400},
		{"iss twice", func(raw string) string { return raw + "&iss=" + url.QueryEscape(param(raw, "iss")) }, 400},
		// AR-11: the answer of another provider, into which this one has sent the user
		{"iss of another provider", set("iss", "https://honest.example"), 400},
		// AR-12
		{"no iss, which the metadata promise", func(raw string) string { return with(raw, url.Values{"iss": nil}) }, 400},
		{"iss empty", set("iss", ""), 400},
		// AR-14
		{"iss with a slash", issuer(func(s string) string { return s + "/" }), 400},
		{"iss in other case", issuer(strings.ToUpper), 400},
		{"iss percent-encoded", issuer(func(s string) string { return strings.Replace(s, "127", "%3127", 1) }), 400},
		{"iss with another port", issuer(func(s string) string { return s + "0" }), 400},
		// AR-15
		{"error with a wrong iss", func(raw string) string {
			return with(raw, url.Values{"code": nil, "error": {"access_denied"}, "iss": {"https://evil.example"}})
		}, 400},
		// AR-18
		{"error without state", query("error=access_denied&error_description=call+0800-EVIL"), 400},
		{"error with a foreign state", query("error=access_denied&error_description=call+0800-EVIL&state=x"), 400},
		// AR-20
		{"no code", func(raw string) string { return with(raw, url.Values{"code": nil}) }, 400},
		{"code empty", set("code", ""), 400},
		{"code of 5 kB", set("code", strings.Repeat("c", 5000)), 400},
		{"code of 64 kB", set("code", strings.Repeat("c", 64<<10)), 413},
		{"code with a line feed", set("code", "a\nb"), 400},
		{"code with NUL", set("code", "a\x00b"), 400},
		{"code not UTF-8", set("code", "a\xffb"), 400},
		// AR-21
		{"query of 1 MB", add("&x=" + strings.Repeat("x", 1<<20)), 413},
		{"10 000 parameters", add(strings.Repeat("&a=b", 10000)), 413},
		{"bad escape", add("&x=%zz"), 400},
		{"semicolons", func(raw string) string { return strings.ReplaceAll(raw, "&", ";") }, 400},
		{"only ampersands", query("&&&"), 400},
		{"only NUL", query("%00"), 400},
		// AR-22
		{"access_token", add("&access_token=stolen"), 400},
		{"id_token", add("&id_token=a.b.c"), 400},
		{"token_type", add("&token_type=bearer"), 400},
		{"JARM response", add("&response=a.b.c"), 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, setup{})
			defer s.holds()
			b := s.browser()
			s.signIn(b, "alice")
			answer := s.answerURL(b, s.loginURL("bob"))
			page := s.refused(b, tt.status, 0, func() *signontest.Page { return s.raw(b, tt.change(answer)) })
			require.NotContains(t, page.Body, "0800-EVIL")
			require.Empty(t, page.Header["Set-Cookie"], "the login in progress is not touched")
			require.Equal(t, http.StatusOK, b.Get(answer).FollowAll(3).Status)
			require.Equal(t, "op:bob", s.who(b))
		})
	}
}

// AR-03, AR-04: an attacker's own answer in the victim's browser is refused, whether
// or not the victim has a login in progress, and does not spend the state.
func TestCallbackOfAnotherBrowser(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	attacker, victim := s.browser(), s.browser()
	for _, signedIn := range []string{nobody, "op:alice"} {
		if signedIn != nobody {
			s.signIn(victim, "alice")
			s.answerURL(victim, s.loginURL("alice"))
		}
		answer := s.answerURL(attacker, s.loginURL("bob"))
		for range 3 {
			s.opened(victim, http.StatusBadRequest, 0, answer)
		}
		require.Equal(t, signedIn, s.who(victim))
		require.Equal(t, http.StatusOK, attacker.Get(answer).FollowAll(3).Status)
		require.Equal(t, "op:bob", s.who(attacker))
	}
}

// AR-05, AR-33: the answer leads away from its URL, and does nothing a second time.
// SE-16: nor does it with the cookie put back.
func TestCallbackTwice(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	answer := s.answerURL(b, s.loginURL("alice"))
	name, value := s.cookieNamed(b, "__Host-signon-login-")
	page := b.Get(answer)
	require.Equal(t, http.StatusSeeOther, page.Status)
	require.Equal(t, siteURL+"/me", page.Location())
	require.Empty(t, page.Body)
	s.opened(b, http.StatusBadRequest, 0, answer)
	b.SetCookie(siteURL, name+"="+value+"; Path=/; Secure; HttpOnly")
	s.opened(b, http.StatusBadRequest, 0, answer)
	require.Equal(t, 0, s.pending(b)-1, "the replayed cookie is all that is left")
}

// AR-06: fifty at once, at two processes.
func TestCallbackRace(t *testing.T) {
	for _, mode := range []string{"", "form_post"} {
		t.Run("response_mode="+mode, func(t *testing.T) {
			s := newSite(t, setup{provider: func(p *signon.Provider) { p.ResponseMode = mode }})
			defer s.holds()
			other := s.registry(nil)
			s.register(other, "op", nil)
			processes := []http.Handler{s.app, s.recorded(other.Handler())}

			b := s.browser()
			requests := s.racers(b, mode)
			results := make(chan int, 50)
			var wg sync.WaitGroup
			for i := range 50 {
				wg.Go(func() {
					w := httptest.NewRecorder()
					processes[i%2].ServeHTTP(w, requests())
					results <- w.Code
				})
			}
			wg.Wait()
			close(results)
			got := map[int]int{}
			for status := range results {
				got[status]++
			}
			require.Equal(t, map[int]int{http.StatusSeeOther: 1, http.StatusBadRequest: 49}, got)
			require.Equal(t, 1, s.op.Count(signontest.Token))
			logins, err := s.logins.Logins(t.Context(), sessionstore.Selector{Issuer: s.op.Issuer(), Subject: "alice"})
			require.NoError(t, err)
			require.Len(t, logins, 1)
			require.Len(t, s.blobs.all(), 1)
			b.ClearCookies()
		})
	}
}

// racers makes the same callback request again and again.
func (s *site) racers(b *signontest.Browser, mode string) func() *http.Request {
	answer := ""
	if mode == "form_post" {
		page := b.Get(s.loginURL("alice")).Follow().Submit("", nil) // its first half
		require.Equal(s.t, http.StatusSeeOther, page.Status)
		answer = page.Location()
	} else {
		answer = s.answerURL(b, s.loginURL("alice"))
	}
	jar := cookies(httptest.NewRequest(http.MethodGet, answer, nil), b).Header
	return func() *http.Request {
		r := httptest.NewRequest(http.MethodGet, answer, nil)
		r.Header = jar.Clone()
		return r
	}
}

// AR-09, AR-28, AR-29: an answer by the wrong channel.
func TestCallbackChannels(t *testing.T) {
	form := "application/x-www-form-urlencoded"
	tests := []struct {
		name, mode, method, contentType string
		inQuery, inBody                 func(url.Values) url.Values
		status                          int
	}{
		{"query flow, answered by POST", "", "POST", form, none, all, 400},
		{"form_post flow, answered by GET", "form_post", "GET", "", all, none, 400},
		{"state in query and body", "form_post", "POST", form, only("state"), all, 400},
		{"another state in the query", "form_post", "POST", form, replaced("state", "x"), all, 400},
		{"code in the query", "form_post", "POST", form, only("code"), only("state"), 400},
		{"error in the query", "form_post", "POST", form, replaced("error", "access_denied"), all, 400},
		{"state twice in the body", "form_post", "POST", form, none, doubled("state"), 400},
		{"access_token in the body", "form_post", "POST", form, none, added("access_token", "x"), 400},
		{"JSON", "form_post", "POST", "application/json", none, all, 400},
		{"multipart", "form_post", "POST", "multipart/form-data; boundary=x", none, all, 400},
		{"no Content-Type", "form_post", "POST", "", none, all, 400},
		{"bad escape", "form_post", "POST", form, none, added("x", "%zz"), 400},
		{"64 kB and more", "form_post", "POST", form, none, added("x", strings.Repeat("x", 70<<10)), 413}, // AR-27
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, setup{provider: func(p *signon.Provider) { p.ResponseMode = tt.mode }})
			defer s.holds()
			b := s.browser()
			s.signIn(b, "alice")
			answer := s.formAnswer(b, tt.mode)
			target := siteURL + "/auth/callback/op"
			if q := tt.inQuery(answer); q != nil {
				target += "?" + q.Encode()
			}
			v := signontest.Visit{Method: tt.method, URL: target, From: b.At(s.op.Issuer() + "/authorize"), Header: http.Header{}}
			if body := tt.inBody(answer); body != nil {
				v.Body = strings.ReplaceAll(body.Encode(), "%25zz", "%zz")
				v.Header["Content-Type"] = nil
				if tt.contentType != "" {
					v.Header.Set("Content-Type", tt.contentType)
				}
			}
			s.refused(b, tt.status, 0, func() *signontest.Page {
				page, err := b.Open(t.Context(), v)
				require.NoError(t, err)
				return page
			})
		})
	}
}

// formAnswer starts a login and returns the parameters of its answer.
func (s *site) formAnswer(b *signontest.Browser, mode string) url.Values {
	page := b.Get(s.loginURL("bob")).Follow()
	answer := url.Values{}
	if mode == "" {
		u, _ := url.Parse(page.Location())
		return u.Query()
	}
	for _, field := range page.Forms()[0].Fields {
		answer.Set(field.Name, field.Value)
	}
	require.NotEmpty(s.t, answer.Get("code"))
	return answer
}

func none(url.Values) url.Values  { return nil }
func all(v url.Values) url.Values { return v }
func only(name string) func(url.Values) url.Values {
	return func(v url.Values) url.Values { return url.Values{name: v[name]} }
}
func replaced(name, value string) func(url.Values) url.Values {
	return func(url.Values) url.Values { return url.Values{name: {value}} }
}
func doubled(name string) func(url.Values) url.Values {
	return func(v url.Values) url.Values { v.Add(name, v.Get(name)); return v }
}
func added(name, value string) func(url.Values) url.Values {
	return func(v url.Values) url.Values { v.Set(name, value); return v }
}

// AR-25: only GET is a callback, and HEAD spends nothing.
func TestCallbackMethods(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	answer := s.answerURL(b, s.loginURL("alice"))
	for _, method := range []string{"HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"} {
		page := s.refused(b, http.StatusMethodNotAllowed, 0, func() *signontest.Page {
			page, err := b.Open(t.Context(), signontest.Visit{Method: method, URL: answer})
			require.NoError(t, err)
			return page
		})
		require.Equal(t, "GET, POST", page.Header.Get("Allow"))
		require.Empty(t, page.Header["Set-Cookie"])
	}
	require.Equal(t, http.StatusOK, b.Get(answer).FollowAll(3).Status)
}

// AR-36: what else a provider sends along is ignored.
func TestCallbackIgnoresTheRest(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	s.op.AuthorizeResponse(func(v url.Values) {
		v.Set("session_state", "x.y")
		v.Set("scope", "openid")
		v["vendor[]"] = []string{"1", "2"}
	})
	s.signIn(b, "alice")
}
