package signontest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

// echoCookies answers with the Cookie header it gets.
func echoCookies(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("Cookie")) }

func TestSameSite(t *testing.T) {
	const app = "https://app.example.com/"
	ways := map[string]func(p *signontest.Page) *signontest.Page{
		"link":      func(p *signontest.Page) *signontest.Page { return p.Click(app) },
		"post":      func(p *signontest.Page) *signontest.Page { return p.Post(app, nil) },
		"fetch":     func(p *signontest.Page) *signontest.Page { return p.Fetch(http.MethodGet, app) },
		"typed":     nil,
		"via other": func(p *signontest.Page) *signontest.Page { return p.Click("https://other.test/hop").Follow() },
		"post via":  func(p *signontest.Page) *signontest.Page { return p.Post("https://other.test/hop307", nil).Follow() },
	}
	all := "strict=1; lax=1; none=1; unset=1"
	for _, test := range []struct{ from, way, want string }{
		{"https://app.example.com/x", "link", all},
		{"https://app.example.com/x", "post", all},
		{"https://app.example.com/x", "fetch", all},
		{"https://www.example.com/x", "link", all},
		{"https://www.example.com/x", "post", all},
		{"https://evil.test/", "link", "lax=1; none=1; unset=1"},
		{"https://evil.test/", "post", "none=1"},
		{"https://evil.test/", "fetch", "none=1"},
		{"http://app.example.com/", "link", "lax=1; none=1; unset=1"}, // another scheme is another site
		{"http://app.example.com/", "post", "none=1"},
		{"https://app.example.com/x", "via other", "lax=1; none=1; unset=1"},
		{"https://app.example.com/x", "post via", "none=1"},
		{"", "typed", all},
	} {
		t.Run(test.way+" from "+test.from, func(t *testing.T) {
			b := signontest.NewBrowser(t)
			b.Serve(app, http.HandlerFunc(echoCookies))
			b.Serve("https://other.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				status := http.StatusFound
				if r.URL.Path == "/hop307" {
					status = http.StatusTemporaryRedirect
				}
				http.Redirect(w, r, app, status)
			}))
			b.SetCookie(app, "strict=1; Secure; SameSite=Strict")
			b.SetCookie(app, "lax=1; Secure; SameSite=Lax")
			b.SetCookie(app, "none=1; Secure; SameSite=None")
			b.SetCookie(app, "unset=1; Secure")
			if test.from == "" {
				require.Equal(t, test.want, b.Get(app).Body)
				return
			}
			require.Equal(t, test.want, ways[test.way](b.At(test.from)).Body)
		})
	}
}

func TestRejectedCookies(t *testing.T) {
	const (
		https = "https://app.example.com/dir/page"
		plain = "http://app.example.com/dir/page"
		local = "http://127.0.0.1:8080/dir/page"
	)
	for _, test := range []struct {
		name, url, cookie string
		safari, taken     bool
	}{
		{"__Host- good", https, "__Host-a=1; Secure; Path=/", false, true},
		{"__Host- without Secure", https, "__Host-a=1; Path=/", false, false},
		{"__Host- without Path", https, "__Host-a=1; Secure", false, false},
		{"__Host- with another Path", https, "__Host-a=1; Secure; Path=/dir", false, false},
		{"__Host- with Domain", https, "__Host-a=1; Secure; Path=/; Domain=app.example.com", false, false},
		{"__Host- by http", plain, "__Host-a=1; Secure; Path=/", false, false},
		{"__Host- in another case", https, "__hOsT-a=1; Path=/", false, false},
		{"__Host- on loopback", local, "__Host-a=1; Secure; Path=/", false, true},
		{"__Host- on loopback in Safari", local, "__Host-a=1; Secure; Path=/", true, false},
		{"__Secure- good", https, "__Secure-a=1; Secure", false, true},
		{"__Secure- without Secure", https, "__Secure-a=1", false, false},
		{"Secure by http", plain, "a=1; Secure", false, false},
		{"plain by http", plain, "a=1", false, true},
		{"None without Secure", https, "a=1; SameSite=None", false, false},
		{"parent domain", https, "a=1; Domain=example.com", false, true},
		{"public suffix", https, "a=1; Domain=com", false, false},
		{"other domain", https, "a=1; Domain=evil.test", false, false},
		{"longer domain", https, "a=1; Domain=x.app.example.com", false, false},
		{"domain of an address", local, "a=1; Domain=0.0.1", false, false},
		{"too large", https, "a=" + strings.Repeat("x", 4096), false, false},
		{"largest", https, "a=" + strings.Repeat("x", 4095), false, true},
		{"no name", https, "=1", false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := signontest.NewBrowser(t)
			b.SecureOnlyHTTPS = test.safari
			b.Serve(test.url, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Set-Cookie", test.cookie)
			}))
			b.Get(test.url)
			require.Equal(t, test.taken, len(b.Cookies(test.url)) == 1)
			require.Equal(t, test.taken, len(b.RejectedCookies()) == 0)
			for _, r := range b.RejectedCookies() {
				require.Equal(t, test.cookie, r.SetCookie)
				require.NotEmpty(t, r.Reason)
			}
		})
	}
}

func TestCookieScope(t *testing.T) {
	b := signontest.NewBrowser(t)
	for _, c := range []string{"host=1", "domain=1; Domain=example.com", "dir=1; Path=/dir", "root=1; Path=/"} {
		b.SetCookie("https://app.example.com/sub/page", c)
	}
	for _, test := range []struct{ url, want string }{
		{"https://app.example.com/", "root"},
		{"https://app.example.com/sub", "domain host root"},
		{"https://app.example.com/sub/x", "domain host root"},
		{"https://app.example.com/subway", "root"},
		{"https://app.example.com/dir/x", "dir root"},
		{"https://app.example.com/directory", "root"},
		{"https://app.example.com:8443/", "root"}, // ports share cookies
		{"http://app.example.com/", "root"},
		{"https://www.example.com/sub/", "domain"},
		{"https://x.app.example.com/sub/", "domain"}, // host-only: no subdomain either
		{"https://example.com/sub/", "domain"},
		{"https://notexample.com/sub/", ""},
	} {
		var names []string
		for _, name := range []string{"dir", "domain", "host", "root"} {
			if _, ok := b.Cookies(test.url)[name]; ok {
				names = append(names, name)
			}
		}
		require.Equal(t, test.want, strings.Join(names, " "), test.url)
	}
}

func TestCookieOrderAndReplacement(t *testing.T) {
	b := signontest.NewBrowser(t)
	b.Serve("https://app.test", http.HandlerFunc(echoCookies))
	for _, c := range []string{"a=1; Path=/", "b=1; Path=/", "a=deep; Path=/deep", "a=2; Path=/"} {
		b.SetCookie("https://app.test/", c)
	}
	require.Equal(t, "a=deep; a=2; b=1", b.Get("https://app.test/deep").Body)
	b.SetCookie("https://app.test/", "a=; Path=/; Max-Age=0")
	require.Equal(t, "a=deep; b=1", b.Get("https://app.test/deep").Body)
	b.SetCookie("https://app.test/", "b=; Path=/other; Max-Age=0")
	require.Contains(t, b.Cookies("https://app.test/"), "b", "another path is another cookie")
	b.ClearCookies()
	require.Empty(t, b.Cookies("https://app.test/deep"))
}

func TestSecureCookieIsNotLaidOver(t *testing.T) {
	b := signontest.NewBrowser(t)
	b.SetCookie("https://app.test/", "a=good; Secure; Path=/")
	b.Serve("http://app.test", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", "a=evil; Path=/")
	}))
	require.Empty(t, b.Cookies("http://app.test/"), "it does not go by http")
	b.Get("http://app.test/")
	require.Len(t, b.RejectedCookies(), 1)
	require.Equal(t, "good", b.Cookies("https://app.test/")["a"])
}

func TestCookieExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := signontest.NewBrowser(t)
		b.SetCookie("https://app.test/", "age=1; Max-Age=60; Expires=Mon, 01 Jan 1990 00:00:00 GMT")
		b.SetCookie("https://app.test/", "date=1; Expires="+time.Now().Add(2*time.Minute).UTC().Format(http.TimeFormat))
		b.SetCookie("https://app.test/", "session=1")
		b.SetCookie("https://app.test/", "past=1; Expires=Mon, 01 Jan 1990 00:00:00 GMT")
		require.Len(t, b.Cookies("https://app.test/"), 3)
		time.Sleep(61 * time.Second)
		require.Len(t, b.Cookies("https://app.test/"), 2)
		time.Sleep(time.Minute)
		require.Len(t, b.Cookies("https://app.test/"), 1)
	})
}

func TestCrossSiteFetchSetsNoLaxCookie(t *testing.T) {
	b := signontest.NewBrowser(t)
	b.Serve("https://app.test", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Set-Cookie", "lax=1; SameSite=Lax")
		w.Header().Add("Set-Cookie", "none=1; SameSite=None; Secure")
	}))
	b.At("https://evil.test").Fetch(http.MethodGet, "https://app.test/")
	require.Equal(t, map[string]string{"none": "1"}, b.Cookies("https://app.test/"))
	b.At("https://evil.test").Post("https://app.test/", url.Values{})
	require.Len(t, b.Cookies("https://app.test/"), 2, "a navigation may set it")
}
