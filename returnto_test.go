package signon_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

// returnTo logs in with a return_to and gives the raw Location at its end.
func (s *site) returnTo(b *signontest.Browser, raw string) string {
	s.t.Helper()
	target := siteURL + "/auth/login/op?return_to=" + url.QueryEscape(raw)
	start := s.serve(cookies(httptest.NewRequest(http.MethodGet, target, nil), b))
	require.Equal(s.t, http.StatusSeeOther, start.Code, "%q: a return_to is no reason to fail", raw)
	for _, line := range start.Header()["Set-Cookie"] {
		b.SetCookie(siteURL, line)
	}
	answer := b.Get(start.Header().Get("Location")).Location()
	page := b.Get(answer)
	require.Equal(s.t, http.StatusSeeOther, page.Status, page.Body)
	require.Len(s.t, page.Header["Location"], 1)
	return page.Header.Get("Location")
}

// sameOrigin is the oracle: where would a browser go, from the callback?
func sameOrigin(t testing.TB, location string) *url.URL {
	t.Helper()
	base, _ := url.Parse(siteURL + "/auth/callback/op")
	to, err := signontest.ResolveURL(base, location)
	require.NoError(t, err, "%q", location)
	require.Equal(t, siteURL, to.Scheme+"://"+to.Host, "%q", location)
	require.Nil(t, to.User)
	require.False(t, strings.ContainsFunc(location, func(r rune) bool { return r <= ' ' || r == '\\' || r >= 0x7f }), "%q", location)
	return to
}

// redirectFamilies are what must lead to the default, by row.
func redirectFamilies() map[string][]string {
	f := map[string][]string{
		"OR-01": {
			"//evil.example", "///evil.example", "////evil.example", `/\evil.example`, `\/evil.example`, `\\evil.example`,
			`/\/evil.example`, `/.\\evil.example`, `/./\evil.example`, "/a/..//evil.example", `/a/..\/evil.example`, "/.//evil.example",
			"/..//evil.example", "/%2e//evil.example", "/a/%2e%2e//evil.example", "/%2e%2e/%2fevil.example", "./evil.example", "evil.example", "../x",
		},
		"OR-03": {
			"https:evil.example", "https:/evil.example", "https:///evil.example", "HtTpS://evil.example", `http:\\evil.example`,
			"https://evil.example", "https://evil.example/" + siteURL + "/", "http:/" + "/evil.example", `https:\evil.example`, "https:" + siteURL[len("https:"):] + ".evil.example",
		},
		"OR-04": {
			"javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "\x01javascript:alert(1)", "java\tscript:alert(1)",
			"data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:" + siteURL + "/x", "mailto:a@b", "view-source:" + siteURL + "/",
		},
		"OR-05": {
			siteURL + "@evil.example", siteURL + ":443@evil.example", siteURL + ".evil.example", "https://evil.example#@app.test",
			"https://evil.example?@app.test", `https://evil.example\@app.test`, "https://evil-app.test", siteURL + `\@evil.example`,
			siteURL + "%2eevil.example", siteURL + ":pw@evil.example/x", "https://user@app.test/x", siteURL + "evil.example",
		},
		"OR-06": {"http://app.test/", "https://app.test:8443/", "https://app.test./", "https://app.test:443/", "HTTPS://APP.TEST/x", siteURL + ":80/", "//app.test/x"},
		"OR-07": {
			"//evil\u3002example", "/\uff0fevil.example", "/\u2215evil.example", "\uff0f\uff0fevil.example", "//\u24d4vil.example", "//0x7f.1", "//[::1]",
			"https://\uff41pp.test/", "/\u2028evil", "/caf\u00e9", "//2130706433",
		},
		"OR-08": {"%2f%2fevil.example", "%5c%5cevil.example", "%68ttps://evil.example"},
		"OR-09": {
			"/auth", "/auth/", "/auth/logout", "/auth/logout/op", "/auth/login/op", "/auth/login", "/auth/callback/op?code=x&state=y", "/%61uth/logout", "/auth%2flogout",
			"/x/../auth/logout", siteURL + "/auth/logout/op", "/auth/./logout", "/signin", "/signin/", "/signin?x", "/%73ignin",
		},
		"OR-10": {
			"/" + strings.Repeat("a", 100<<10), "/" + strings.Repeat("a", 512), "/\xff\xfe", "/%", "/%zz", "/%f", strings.Repeat("/a", 2000), "",
		},
	}
	for _, c := range []string{"\t", "\r", "\n", "\r\n", "\x00", "\v", " ", "\x7f", "\x85"} { // OR-02
		for _, form := range []string{"/%s/evil.example", "%s//evil.example", "/%s\\evil.example", "/a%sb", "/x?a=%sSet-Cookie:b", "//evil.example%s"} {
			f["OR-02"] = append(f["OR-02"], fmt.Sprintf(form, c))
			if !strings.Contains(form, "?") && c != " " && c != "\x85" {
				f["OR-02"] = append(f["OR-02"], fmt.Sprintf(form, url.PathEscape(c)))
			}
		}
	}
	return f
}

// OR-01 to OR-10: whatever a browser might take for another place leads home.
func TestReturnToElsewhere(t *testing.T) {
	for row, payloads := range redirectFamilies() {
		t.Run(row, func(t *testing.T) {
			s := newSite(t, setup{oauth: true, provider: func(p *signon.Provider) { p.LoginURL = "/signin" }})
			b := s.browser()
			for _, raw := range payloads {
				got := s.returnTo(b, raw)
				sameOrigin(t, got)
				require.Equal(t, siteURL+"/", got, "%q", raw)
				require.Zero(t, s.pending(b))
				// Encoded once more it may be a path, if it is one here.
				to := sameOrigin(t, s.returnTo(b, url.QueryEscape(raw)))
				require.False(t, strings.HasPrefix(to.Path, "/auth/"))
				sameOrigin(t, s.returnTo(b, "/"+raw))
				sameOrigin(t, s.returnTo(b, "/x?next="+raw))
			}
			if row == "OR-03" {
				require.Contains(t, s.log.String(), "signed in")
			}
		})
	}
}

// What lies within the application is kept to the letter, OR-08's too.
func TestReturnToHere(t *testing.T) {
	s := newSite(t, setup{oauth: true})
	b := s.browser()
	for _, raw := range []string{
		"/", "/me", "/me/", "/me?a=b&c=%2F%2Fevil.example", "/http://evil.example"[:5], "/a%20b", "/caf%C3%A9", "/x?next=https://evil.example//y",
		"/authentic", "/auth2/logout", "/a/b;c=d", "/x%2Fy", "/x%5Cy", "/@evil.example", "/:80", "/x?a=%0d%0aSet-Cookie:b", "/~user/", "/x?", "/x??//",
		siteURL + "/me?a=b", "/a..b/.c/d..", "/" + strings.Repeat("a", 400),
	} {
		require.Equal(t, siteURL+strings.TrimPrefix(raw, siteURL), s.returnTo(b, raw), "%q", raw)
	}
	for _, raw := range []string{"/%2f%2fevil.example", "/%2fevil.example", "/%5cevil.example", "/x%2f%2fevil.example", "/%252f%252fevil.example"} { // OR-08
		sameOrigin(t, s.returnTo(b, raw))
	}
	s.holdsAfterOAuth()
}

// holdsAfterOAuth is holds for a site whose user has no sub of an ID token.
func (s *site) holdsAfterOAuth() {
	for _, a := range s.answers {
		s.checkHeaders(a)
		s.checkLocation(a)
		s.checkCookies(a)
	}
	s.checkSecrets()
}

// OR-11: what was fine when the login began is judged again when it ends.
func TestReturnToIsJudgedTwice(t *testing.T) {
	callback := func(p *signon.Provider) { p.RedirectURL = siteURL + "/callback" }
	s := newSite(t, setup{provider: callback})
	b := s.browser()
	page := b.Get(siteURL + "/auth/login/op?return_to=/sso/settings").Follow()
	moved := s.registry(func(c *signon.Config) { c.Mount = "/sso" })
	client := s.register(moved, "op", nil)
	b.Serve(siteURL, client.CallbackHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		login, _ := signon.LoginFrom(r.Context())
		http.Redirect(w, r, login.ReturnTo, http.StatusSeeOther)
	})))
	page = page.Follow()
	require.Equal(t, http.StatusSeeOther, page.Status, page.Body)
	require.Equal(t, siteURL+"/", page.Location())
}

// OR-12: a Referer is no return_to.
func TestRefererIsNotFollowed(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	page, err := b.Open(t.Context(), signontest.Visit{
		URL: siteURL + "/auth/login/op", Header: http.Header{"Referer": {siteURL + "/me"}, "Origin": {"https://evil.example"}},
	})
	require.NoError(t, err)
	require.Equal(t, siteURL+"/", page.FollowAll(5).URL.String())
}

// OR-13, OR-14: where a protected page sends a browser back to.
func TestReturnToProtectedPage(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	protected := s.client.RequireToken(http.NotFoundHandler())
	navigation := http.Header{"Sec-Fetch-Mode": {"navigate"}, "Sec-Fetch-Dest": {"document"}, "Accept": {"text/html"}}
	for _, tt := range []struct{ method, uri, want string }{
		{"GET", "/a/b?c=d", "/a/b?c=d"},
		{"GET", "//evil.example/x", ""},
		{"GET", `/\evil.example`, ""},
		{"GET", "/a//b", ""},
		{"GET", "https://evil.example/x?y", "/x?y"}, // an absolute request line, to a proxy
		{"GET", "/" + strings.Repeat("x", 1000), ""},
		{"HEAD", "/a", ""},
		{"POST", "/a?b=c", ""},
		{"GET", "/auth/logout", ""},
	} {
		t.Run(tt.method+" "+tt.uri[:min(20, len(tt.uri))], func(t *testing.T) {
			r := httptest.NewRequest(tt.method, siteURL+"/", strings.NewReader("a=b"))
			u, err := url.Parse(tt.uri)
			require.NoError(t, err)
			r.URL, r.RequestURI, r.Header = u, tt.uri, navigation
			w := httptest.NewRecorder()
			protected.ServeHTTP(w, r)
			require.Equal(t, http.StatusSeeOther, w.Code)
			to := sameOrigin(t, w.Header().Get("Location"))
			require.Equal(t, "/auth/login/op", to.Path)
			require.Equal(t, tt.want, to.Query().Get("return_to"))
		})
	}
	// Below a prefix that was stripped, the browser's URL counts.
	b := s.browser()
	s.mux.Handle("/sub/", http.StripPrefix("/sub", s.client.RequireToken(http.HandlerFunc(s.callAPI))))
	page := b.Get(siteURL + "/sub/items?x=y").FollowAll(6)
	require.Equal(t, siteURL+"/sub/items?x=y", page.URL.String())
	require.Equal(t, http.StatusOK, page.Status)
}

// A login that an application serves elsewhere is not returned to either: the
// browser would log in for ever.
func TestReturnToOwnRoutes(t *testing.T) {
	s := newSite(t, setup{
		config:   func(c *signon.Config) { c.LoginURL = "/choose?x=y" },
		provider: func(p *signon.Provider) { p.LoginURL, p.RedirectURL = "/in/op", siteURL+"/back/op" },
	})
	s.mux.Handle("/in/op", s.client.LoginHandler())
	s.mux.Handle("/back/op", s.client.CallbackHandler(nil))
	b := s.browser()
	paths := []string{"/in/op", "/in/op?return_to=/in/op", "/back/op", "/choose", "/in/%6fp"}
	for _, raw := range append(slices.Clone(paths), "/in", "/in/op2") {
		want := raw
		if slices.Contains(paths, raw) {
			want = "/"
		}
		page := b.Get(siteURL + "/in/op?return_to=" + url.QueryEscape(raw)).FollowAll(4)
		require.Equal(t, siteURL+want, page.URL.String())
	}
	s.auth.Remove("op")
	second := s.register(s.auth, "second", func(p *signon.Provider) { p.LoginURL, p.RedirectURL = "/in/2", siteURL+"/back/2" })
	s.mux.Handle("/in/2", second.LoginHandler())
	s.mux.Handle("/back/2", second.CallbackHandler(nil))
	require.Equal(t, siteURL+"/in/op?x", b.Get(siteURL+"/in/2?return_to=/in/op%3fx").Follow().Follow().Location())
}
