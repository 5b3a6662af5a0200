package signon_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/pkce"
	"github.com/seed1a301047/signon/signontest"
)

// LI-01: another site can start a plain login, which adds to the logins in progress
// and changes nothing else. LI-14: unless its own answer comes, of course.
func TestLoginFromAnotherSite(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	s.signIn(b, "alice")
	blobs := s.blobs.all()
	for range 12 {
		s.opened(b, http.StatusSeeOther, 0, s.loginURL("bob"))
	}
	require.Equal(t, 8, s.pending(b))
	require.Equal(t, blobs, s.blobs.all(), "the session is not touched")
	page := s.refused(b, http.StatusForbidden, 0, func() *signontest.Page {
		return b.At("https://evil.example/").Post(siteURL+"/auth/login/op", nil)
	})
	require.Empty(t, page.Header["Set-Cookie"])
}

// LI-02, LI-03: what no user has asked for begins nothing, spends nothing, and signs
// nobody out; LO-02 is about logout.
func TestPrefetchAndHead(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	s.signIn(b, "alice")
	answer := s.answerURL(b, s.loginURL("bob"))
	urls := []string{s.loginURL("bob"), siteURL + "/auth/login", answer, siteURL + "/auth/logout/op", siteURL + "/auth/logout"}
	for _, header := range []http.Header{
		{"Sec-Purpose": {"prefetch"}}, {"Sec-Purpose": {"prefetch;prerender"}}, {"Sec-Purpose": {"prefetch;anonymous-client-ip"}},
		{"Purpose": {"prefetch"}}, {"X-Moz": {"prefetch"}}, {"Purpose": {"Prefetch"}},
	} {
		for _, target := range urls {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				page := s.refused(b, http.StatusNoContent, 0, func() *signontest.Page {
					page, err := b.Open(t.Context(), signontest.Visit{Method: method, URL: target, Header: header})
					require.NoError(t, err)
					return page
				})
				require.Empty(t, page.Header["Set-Cookie"])
				require.Empty(t, page.Body)
			}
		}
		page := s.refused(b, http.StatusOK, 0, func() *signontest.Page {
			page, err := b.Open(t.Context(), signontest.Visit{URL: siteURL + "/private", Header: header})
			require.NoError(t, err)
			return page
		})
		require.Empty(t, page.Location())
	}
	for _, target := range urls {
		page := s.refused(b, http.StatusMethodNotAllowed, 0, func() *signontest.Page {
			page, err := b.Open(t.Context(), signontest.Visit{Method: http.MethodHead, URL: target})
			require.NoError(t, err)
			return page
		})
		require.NotEmpty(t, page.Header.Get("Allow"))
		require.Empty(t, page.Header["Set-Cookie"])
	}
	require.Equal(t, http.StatusOK, b.Get(answer).FollowAll(3).Status)
	require.Equal(t, "op:bob", s.who(b))
}

// LI-05: a link sets nothing that it is not allowed to, and nothing twice.
func TestLoginParameters(t *testing.T) {
	evil := url.Values{
		"state": {"x"}, "nonce": {"x"}, "redirect_uri": {"https://evil.example/"}, "client_id": {"x"}, "scope": {"admin"},
		"code_challenge": {"x"}, "code_challenge_method": {"plain"}, "response_mode": {"fragment"}, "response_type": {"token"},
		"prompt": {"none"}, "request": {"x"}, "request_uri": {"https://evil.example/"}, "max_age": {"0"}, "acr_values": {"x"},
		"login_hint": {"bob", "mallory"}, "ui_locales": {strings.Repeat("x", 513)}, "claims": {"{}"}, "display": {"wap"},
	}
	s := newSite(t, setup{provider: func(p *signon.Provider) {
		p.LoginParams = []string{"login_hint", "ui_locales"}
		p.AuthorizeParams = url.Values{"login_hint": {"alice"}, "resource": {"https://a", "https://b"}}
	}})
	defer s.holds()
	for _, post := range []bool{false, true} {
		b := s.browser()
		page := b.Get(siteURL + "/auth/login/op?" + evil.Encode())
		if post {
			page = b.At(siteURL).Post("/auth/login/op?"+url.Values{"ui_locales": {"en"}}.Encode(), evil)
		}
		to, err := url.Parse(page.Location())
		require.NoError(t, err)
		q := to.Query()
		for name, values := range q {
			if name != "resource" {
				require.Len(t, values, 1, name)
			}
		}
		require.Equal(t, siteURL+"/auth/callback/op", q.Get("redirect_uri"))
		require.Equal(t, s.op.ClientID(), q.Get("client_id"))
		require.Equal(t, "code", q.Get("response_type"))
		require.Equal(t, "openid profile email", q.Get("scope"))
		require.Equal(t, "S256", q.Get("code_challenge_method"))
		require.Equal(t, "bob", q.Get("login_hint"))
		for _, name := range []string{"state", "nonce", "code_challenge"} {
			require.Len(t, q.Get(name), 43, name)
		}
		for _, name := range []string{"prompt", "request", "request_uri", "response_mode", "max_age", "acr_values", "ui_locales", "claims", "display"} {
			require.NotContains(t, q, name)
		}
	}
}

// LI-06: a name is looked up, and not shown.
func TestUnknownProvider(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	s.signIn(b, "alice")
	for _, name := range []string{
		"..%2fx", "p%00", "p'%20OR%201=1--", "OP", strings.Repeat("x", 10<<10), "__proto__", "%D0%BEp", "op%20", "op%2f", "%6fp%00", "<b>hunter2", "-op",
	} {
		for _, route := range []string{"login", "callback", "logout"} {
			page := s.refused(b, http.StatusNotFound, 0, func() *signontest.Page {
				page := b.Get(siteURL + "/auth/" + route + "/" + name + "?state=x&code=y")
				if page.Status == http.StatusMovedPermanently || page.Status == http.StatusTemporaryRedirect {
					page = page.Follow() // net/http tidies the path
				}
				return page
			})
			require.NotContains(t, page.Body, "hunter2")
			require.NotContains(t, page.Body, "xxxx")
			require.Empty(t, page.Header["Set-Cookie"])
		}
	}
	for line := range strings.Lines(s.log.String()) {
		require.Less(t, len(line), 500)
	}
}

// LI-07: a flood of logins leaves nothing behind: no row, no memory, no log.
func TestLoginFlood(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	h := s.auth.Handler()
	flood := func(n int) {
		for range n {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest("GET", siteURL+"/auth/login/op", nil))
			require.Equal(t, http.StatusSeeOther, w.Code)
		}
	}
	flood(100)
	logged, before := len(s.log.String()), heap()
	flood(50_000)
	require.Less(t, heap()-before, int64(8<<20), "bytes kept")
	require.Equal(t, logged, len(s.log.String()))
	require.Empty(t, s.blobs.all())
	s.signIn(s.browser(), "alice")
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// LI-09: nothing that the browser's side says of hosts counts.
func TestForwardedHeaders(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	r := httptest.NewRequest("GET", "http://evil.example/auth/login/op", nil)
	r.Header = http.Header{
		"X-Forwarded-Host": {"evil.example"}, "X-Forwarded-Proto": {"http"}, "Forwarded": {"host=evil.example;proto=http"},
		"X-Forwarded-Prefix": {"/evil"}, "X-Original-Url": {"https://evil.example"}, "Origin": {"https://evil.example"},
	}
	w := s.serve(r)
	require.Equal(t, siteURL+"/auth/callback/op", param(w.Header().Get("Location"), "redirect_uri"))
	for _, path := range []string{"/private", "/me"} {
		r.URL.Path, r.RequestURI = path, path
		r.Header.Set("Accept", "text/html")
		require.True(t, strings.HasPrefix(s.serve(r).Header().Get("Location"), siteURL+"/auth/login"))
	}
}

// LI-10: what must be unguessable is 256 bits, and never the same.
func TestRandomness(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	h, seen := s.auth.Handler(), map[string]bool{}
	for range 10_000 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", siteURL+"/auth/login/op", nil))
		to, _ := url.Parse(w.Header().Get("Location"))
		for _, name := range []string{"state", "nonce", "code_challenge"} {
			require.Len(t, to.Query().Get(name), 43)
			seen[to.Query().Get(name)] = true
		}
	}
	require.Len(t, seen, 30_000)
	b := s.browser()
	for range 10 {
		s.signIn(b, "alice")
	}
	for _, r := range s.op.Requests(signontest.Token) {
		_, err := pkce.ParseVerifier(r.Form.Get("code_verifier"))
		require.NoError(t, err)
		require.False(t, seen[r.Form.Get("code_verifier")])
		seen[r.Form.Get("code_verifier")] = true
	}
}

// LI-12: a query that the endpoint has is kept, and does not say a thing twice.
func TestAuthorizationEndpointQuery(t *testing.T) {
	for query, status := range map[string]int{"tenant=1&x=%2F": 303, "tenant=1&client_id=x": 502, "state=x": 502} {
		s := newSite(t, setup{})
		s.op.Metadata(func(m map[string]any) { m["authorization_endpoint"] = s.op.URL(signontest.Authorize) + "?" + query })
		b := s.browser()
		page := b.Get(s.loginURL("alice"))
		require.Equal(t, status, page.Status, page.Body)
		if status == http.StatusSeeOther {
			require.True(t, strings.HasPrefix(page.Location(), s.op.URL(signontest.Authorize)+"?"+query+"&"))
			require.Equal(t, http.StatusOK, page.FollowAll(4).Status)
			s.holds()
		}
	}
}

// LI-13: a login that a third party begins is for this provider, and returns to this
// application.
func TestThirdPartyLogin(t *testing.T) {
	s := newSite(t, setup{provider: func(p *signon.Provider) { p.LoginParams = []string{"login_hint"} }})
	defer s.holds()
	for _, tt := range []struct {
		name   string
		query  url.Values
		status int
		path   string
		hint   string
	}{
		{"its own", url.Values{"iss": {s.op.Issuer()}, "target_link_uri": {siteURL + "/me?a=b"}, "login_hint": {"bob"}}, 303, "/me?a=b", "bob"},
		{"unknown iss", url.Values{"iss": {"https://evil.example"}}, 400, "", ""},
		{"iss with a slash", url.Values{"iss": {s.op.Issuer() + "/"}}, 400, "", ""},
		{"target elsewhere", url.Values{"iss": {s.op.Issuer()}, "target_link_uri": {"https://evil.example/"}}, 303, "/", ""},
		{"huge hint", url.Values{"iss": {s.op.Issuer()}, "login_hint": {strings.Repeat("<b>", 500)}, "scope": {"admin"}}, 303, "/", ""},
	} {
		b := s.browser()
		page := s.opened(b, tt.status, 0, siteURL+"/auth/login/op?"+tt.query.Encode())
		require.NotContains(t, page.Body, "evil.example")
		if tt.status == http.StatusSeeOther {
			require.Equal(t, tt.hint, param(page.Location(), "login_hint"))
			require.Equal(t, "openid profile email", param(page.Location(), "scope"))
			require.Equal(t, siteURL+tt.path, page.FollowAll(5).URL.String(), tt.name)
		}
	}
}

// LI-15, CF-05: a provider that is down is 503, one that does not answer 504, within
// the budget; the application serves, and the next click works once it is back.
func TestProviderDownAtLogin(t *testing.T) {
	for fault, want := range map[signontest.Fault][]int{
		signontest.DownMetadata:                              {503},
		signontest.ServerError.At(signontest.Metadata):       {502},
		signontest.HTMLBody.At(signontest.Metadata):          {502},
		signontest.IssuerMismatch:                            {502},
		signontest.Hang.At(signontest.Metadata):              {504},
		signontest.SlowHeaders.At(signontest.Metadata):       {504},
		signontest.SlowBody.At(signontest.Metadata):          {504},
		signontest.ResetConnection.At(signontest.Metadata):   {502, 503},
		signontest.RedirectFound.At(signontest.Metadata):     {502},
		signontest.TooManyRequests.At(signontest.Metadata):   {503},
		signontest.TruncatedBody.At(signontest.Metadata):     {502, 503},
		signontest.DuplicateMember.At(signontest.Metadata):   {502},
		signontest.PlainTextBody.At(signontest.Metadata):     {502},
		signontest.RedirectPermanent.At(signontest.Metadata): {502},
	} {
		t.Run(string(fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, setup{inProcess: true})
				defer s.holds()
				s.op.Arm(fault)
				b := s.browser()
				begun := time.Now()
				page := b.Get(s.loginURL("alice"))
				require.Contains(t, want, page.Status, page.Body)
				require.LessOrEqual(t, time.Since(begun), 11*time.Second)
				require.Empty(t, page.Header["Set-Cookie"])
				if page.Status == http.StatusServiceUnavailable {
					require.NotEmpty(t, page.Header.Get("Retry-After"))
				}
				require.Equal(t, http.StatusOK, b.Get(siteURL+"/").Status)
				s.op.Disarm()
				time.Sleep(time.Minute)
				require.Equal(t, http.StatusSeeOther, b.Get(s.loginURL("alice")).Status)
			})
		})
	}
}

// LI-17: a huge body is refused before it is read.
func TestLoginBody(t *testing.T) {
	for name, length := range map[string]int64{"declared": 50 << 20, "chunked": -1} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, setup{})
			defer s.holds()
			body := &endless{left: 50 << 20}
			r := httptest.NewRequest(http.MethodPost, siteURL+"/auth/login/op", body)
			r.ContentLength = length
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			require.Equal(t, http.StatusRequestEntityTooLarge, s.serve(r).Code)
			require.Less(t, body.read, 1<<20)
		})
	}
}

type endless struct{ left, read int }

func (e *endless) Read(p []byte) (int, error) {
	n := min(len(p), e.left)
	for i := range n {
		p[i] = 'a'
	}
	e.left, e.read = e.left-n, e.read+n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// A page to choose from, where there are several providers.
func TestChooseLogin(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	page := b.Get(siteURL + "/auth/login?return_to=/me").FollowAll(5)
	require.Equal(t, siteURL+"/me", page.URL.String())
	_, err := s.auth.Register(signontest.NewInProcess(signontest.Config{}).SignonProvider("second"))
	require.NoError(t, err)
	page = b.Get(siteURL + "/auth/login?return_to=" + url.QueryEscape(`/me?a="><b>&c=d`))
	require.Equal(t, http.StatusOK, page.Status)
	for _, name := range []string{"op", "second"} {
		require.Contains(t, page.Body, fmt.Sprintf(`href="/auth/login/%s?return_to=%%2Fme%%3Fa%%3D%%22%%3E%%3Cb%%3E%%26c%%3Dd"`, name))
	}
	require.Equal(t, http.StatusMethodNotAllowed, b.At(siteURL).Post("/auth/login", nil).Status)
	s.auth.Remove("op")
	s.auth.Remove("second")
	require.Equal(t, http.StatusNotFound, b.Get(siteURL+"/auth/login").Status)
	s.register(s.auth, "op", nil)
}
