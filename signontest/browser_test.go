package signontest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

func TestFetchMetadata(t *testing.T) {
	const app = "https://app.example.com/x"
	show := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := r.Header
		fmt.Fprintf(w, "%s %s %s origin=%s referer=%s", h.Get("Sec-Fetch-Site"), h.Get("Sec-Fetch-Mode"),
			h.Get("Sec-Fetch-Dest"), h.Get("Origin"), h.Get("Referer"))
	})
	for _, test := range []struct {
		name string
		get  func(b *signontest.Browser) *signontest.Page
		want string
	}{
		{"typed", func(b *signontest.Browser) *signontest.Page { return b.Get(app) },
			"none navigate document origin= referer="},
		{"link", func(b *signontest.Browser) *signontest.Page { return b.At("https://app.example.com/a?b#c").Click("/x") },
			"same-origin navigate document origin= referer=https://app.example.com/a?b"},
		{"same site", func(b *signontest.Browser) *signontest.Page { return b.At("https://www.example.com/a").Click(app) },
			"same-site navigate document origin= referer=https://www.example.com/"},
		{"other site", func(b *signontest.Browser) *signontest.Page { return b.At("https://evil.test/a").Post(app, nil) },
			"cross-site navigate document origin=https://evil.test referer=https://evil.test/"},
		{"form", func(b *signontest.Browser) *signontest.Page { return b.At(app).Post(app, nil) },
			"same-origin navigate document origin=https://app.example.com referer=https://app.example.com/x"},
		{"script", func(b *signontest.Browser) *signontest.Page { return b.At(app).Fetch("GET", app) },
			"same-origin cors empty origin= referer=https://app.example.com/x"},
		{"foreign script", func(b *signontest.Browser) *signontest.Page { return b.At("https://evil.test").Fetch("GET", app) },
			"cross-site cors empty origin=https://evil.test referer=https://evil.test/"},
		{"hidden referrer", func(b *signontest.Browser) *signontest.Page {
			p := b.At(app)
			p.Header.Set("Referrer-Policy", "no-referrer")
			return p.Post(app, nil)
		}, "same-origin navigate document origin=null referer="},
		{"there and back", func(b *signontest.Browser) *signontest.Page {
			return b.At(app).Click("https://other.test/302").Follow()
		},
			"cross-site navigate document origin= referer=https://app.example.com/x"},
		{"redirected by a shy page", func(b *signontest.Browser) *signontest.Page {
			return b.At(app).Click("https://other.test/shy").Follow()
		},
			"cross-site navigate document origin= referer="},
		{"posted there and back", func(b *signontest.Browser) *signontest.Page {
			return b.At(app).Post("https://other.test/307", nil).Follow()
		}, "cross-site navigate document origin=null referer=https://app.example.com/x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := signontest.NewBrowser(t)
			b.Serve(app, show)
			b.Serve("https://other.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				status := http.StatusFound
				switch r.URL.Path {
				case "/307":
					status = http.StatusTemporaryRedirect
				case "/shy":
					w.Header().Set("Referrer-Policy", "no-referrer")
				}
				http.Redirect(w, r, app, status)
			}))
			require.Equal(t, test.want, test.get(b).Body)
		})
	}
}

func TestFollowMethods(t *testing.T) {
	for _, test := range []struct {
		status       int
		method, want string
	}{
		{301, "POST", "GET "}, {302, "POST", "GET "}, {303, "POST", "GET "}, {307, "POST", "POST a=1"}, {308, "POST", "POST a=1"},
		{303, "PUT", "GET "}, {302, "PUT", "PUT a=1"}, {303, "GET", "GET "},
	} {
		t.Run(fmt.Sprint(test.status, test.method), func(t *testing.T) {
			b := signontest.NewBrowser(t)
			b.Serve("https://app.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/from" {
					http.Redirect(w, r, "/to", test.status)
					return
				}
				fmt.Fprint(w, r.Method, " ")
				if r.ParseForm() == nil {
					fmt.Fprint(w, r.PostForm.Encode())
				}
			}))
			v := signontest.Visit{Method: test.method, URL: "https://app.test/from"}
			if test.method != http.MethodGet {
				v.Form = url.Values{"a": {"1"}}
			}
			p, err := b.Open(t.Context(), v)
			require.NoError(t, err)
			require.Equal(t, test.want, p.Follow().Body)
		})
	}
}

func TestForms(t *testing.T) {
	const page = `<body><form><input name=q value=x></form>
<FORM id="two" name='second' method=POST action="/do?a=1&amp;b=2">
<input type="hidden" name="h" value="&lt;&quot;&gt;"><input name='plain' value='a b'><input name=bare disabled>
<input type=checkbox name=on checked><input type=checkbox name=off><input type=radio name=r value=1><input type=radio name=r value=2 checked>
<textarea name="t">
line &amp; line</textarea><select name=s><option value=1>One<option value=2 selected>Two</select><select name=u><option>First</option></select>
<input type=submit name=send value=Send><button name=go value=1>Go</button></FORM>`
	b := signontest.NewBrowser(t)
	b.Serve("https://app.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" && r.URL.RawQuery == "" {
			fmt.Fprint(w, page)
			return
		}
		_ = r.ParseForm()
		fmt.Fprint(w, r.Method, " ", r.URL.RequestURI(), " ", r.PostForm.Encode())
	}))
	p := b.Get("https://app.test/")
	require.Equal(t, "text/html; charset=utf-8", p.Header.Get("Content-Type"))
	require.Len(t, p.Forms(), 2)
	require.Equal(t, "GET /?q=y ", p.Submit("", url.Values{"q": {"y"}}).Body)
	want := url.Values{"h": {`<">`}, "plain": {"a b"}, "on": {"on"}, "r": {"2"}, "t": {"line & line"}, "s": {"2"}, "u": {"First"}}
	for _, name := range []string{"two", "second", "1", "/do?a=1&b=2"} {
		require.Equal(t, "POST /do?a=1&b=2 "+want.Encode(), p.Submit(name, nil).Body)
	}
	want.Set("go", "1")
	require.Equal(t, "POST /do?a=1&b=2 "+want.Encode(), p.Submit("two", url.Values{"go": {"1"}}).Body)
}

func TestResolveURL(t *testing.T) {
	base, err := url.Parse("https://rp.test/a/b?c")
	require.NoError(t, err)
	for ref, want := range map[string]string{
		"/x": "https://rp.test/x", "x": "https://rp.test/a/x", "?y": "https://rp.test/a/b?y", "": "https://rp.test/a/b?c",
		"//evil": "https://evil", "///evil": "https://evil", "////evil/x": "https://evil/x",
		`/\evil`: "https://evil", `\\evil`: "https://evil", `\/evil`: "https://evil", `/\/evil`: "https://evil",
		"/\t/evil": "https://evil", "\t//evil": "https://evil", " //evil ": "https://evil", "/\n/evil": "https://evil",
		"https:evil": "https://rp.test/a/evil", "https:/evil": "https://rp.test/evil", "https:///evil": "https://evil",
		"http:evil": "http://evil", "HtTpS://evil": "https://evil", `http:\\evil`: "http://evil",
		"https://rp.test@evil/": "https://rp.test@evil/", "/http://evil": "https://rp.test/http://evil",
		"/%2f%2fevil": "https://rp.test/%2f%2fevil", "/a b": "https://rp.test/a%20b", "/%zz": "https://rp.test/%25zz",
		"a:b/c": "-", "javascript:alert(1)": "-", " JaVaScRiPt:x": "-", "data:text/html,x": "-",
		`/x?y=\z`: `https://rp.test/x?y=\z`, "1:2": "https://rp.test/a/1:2", "//": "-",
	} {
		got, err := signontest.ResolveURL(base, ref)
		if want == "-" {
			require.Error(t, err, ref)
			continue
		}
		require.NoError(t, err, ref)
		require.Equal(t, want, got.String(), ref)
	}
	_, err = signontest.ResolveURL(&url.URL{}, "/x")
	require.Error(t, err)
}

// app is a relying party that shows what comes back.
func app(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	fmt.Fprint(w, r.Method, " ", r.Form.Get("state"), " ", r.Form.Get("error"), r.Header.Get("Sec-Fetch-Site"))
}

func browse(t *testing.T, p *signontest.Provider) *signontest.Browser {
	b := signontest.NewBrowser(t)
	b.Serve("https://app.test", http.HandlerFunc(app))
	b.Serve(p.Issuer(), p)
	return b
}

func TestFormPost(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{})
	b := browse(t, p)
	page := b.Get(authorizeURL(p, url.Values{"response_mode": {"form_post"}}))
	require.Equal(t, http.StatusOK, page.Status)
	require.Equal(t, callback, page.Forms()[0].Action)
	require.Equal(t, "POST the-state cross-site", page.FollowAll(1).Body)
}

func TestLoginForm(t *testing.T) {
	kinds(t, func(t *testing.T, start func(signontest.Config) *signontest.Provider) {
		p := start(signontest.Config{Interaction: signontest.Form})
		b := browse(t, p)
		page := b.Get(authorizeURL(p, url.Values{"login_hint": {"bob"}}))
		require.Contains(t, page.Body, "Sign in as")
		require.Equal(t, "GET the-state access_deniedcross-site", page.Submit("login", url.Values{"decision": {"deny"}}).Follow().Body)
		require.Contains(t, page.Submit("login", url.Values{"username": {"eve"}}).Body, "Nobody has that name")
		require.Equal(t, "GET the-state cross-site", page.Submit("login", nil).Follow().Body)

		evil := b.At("https://evil.test").Post(p.Issuer()+"/authorize/login", url.Values{"username": {"alice"}})
		require.Equal(t, http.StatusForbidden, evil.Status)

		next := b.Get(authorizeURL(p, url.Values{"prompt": {"none"}}))
		code := mustQuery(t, next.Location()).Get("code")
		_, tokens := post(t, p, signontest.Token, codeForm(code))
		require.Equal(t, "bob", part(t, tokens["id_token"], 1)["sub"])
		require.Empty(t, b.RejectedCookies())
	})
}

func mustQuery(t *testing.T, raw string) url.Values {
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u.Query()
}

func TestProviderSession(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{Interaction: signontest.Form})
	b := browse(t, p)
	asked := func(set url.Values) bool { return b.Get(authorizeURL(p, set)).Status == http.StatusOK }
	require.True(t, asked(nil))
	b.Get(authorizeURL(p, nil)).Submit("login", nil)
	for _, test := range []struct {
		name string
		set  url.Values
		want bool
	}{
		{"known", nil, false},
		{"max_age", url.Values{"max_age": {"60"}}, false},
		{"max_age zero", url.Values{"max_age": {"0"}}, true},
		{"prompt login", url.Values{"prompt": {"login"}}, true},
		{"select account", url.Values{"prompt": {"select_account"}}, true},
		{"somebody else", url.Values{"login_hint": {"bob"}}, true},
		{"an unknown hint", url.Values{"login_hint": {"+49 30"}}, false},
	} {
		require.Equal(t, test.want, asked(test.set), test.name)
	}
	p.SignOut()
	require.True(t, asked(nil))
}

func TestACRAndMaxAge(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{})
	claims := part(t, signIn(t, p, url.Values{"acr_values": {"gold silver"}, "max_age": {"0"}})["id_token"], 1)
	require.Equal(t, "gold", claims["acr"])
	require.Equal(t, claims["iat"], claims["auth_time"])
}

func TestBrowserOverTheNetwork(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(echoCookies))
	defer srv.Close()
	b := signontest.NewBrowser(t)
	b.SetCookie(srv.URL, "__Host-a=1; Secure; Path=/")
	require.Equal(t, "__Host-a=1", b.Get(srv.URL).Body)

	srv.Close()
	_, err := b.Open(t.Context(), signontest.Visit{URL: srv.URL})
	require.Error(t, err)
	_, err = b.Open(t.Context(), signontest.Visit{URL: "javascript:alert(1)"})
	require.Error(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = b.Open(ctx, signontest.Visit{URL: "https://app.test"})
	require.ErrorIs(t, err, context.Canceled)
}

func TestReferrerPolicy(t *testing.T) {
	const from = "https://app.example.com/secret?code=1"
	for _, test := range []struct{ policy, to, want string }{
		{"", "https://app.example.com/", from},
		{"", "https://evil.test/", "https://app.example.com/"},
		{"", "http://evil.test/", ""},
		{"no-referrer", "https://app.example.com/", ""},
		{"same-origin", "https://app.example.com/", from},
		{"same-origin", "https://evil.test/", ""},
		{"origin", "https://app.example.com/", "https://app.example.com/"},
		{"origin", "http://evil.test/", "https://app.example.com/"},
		{"strict-origin", "https://app.example.com/", "https://app.example.com/"},
		{"strict-origin", "http://evil.test/", ""},
		{"unsafe-url", "http://evil.test/", from},
		{"no-referrer, unsafe-url", "https://evil.test/", from},
	} {
		b := signontest.NewBrowser(t)
		b.Serve(test.to, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Referer()) }))
		p := b.At(from)
		p.Header.Set("Referrer-Policy", test.policy)
		require.Equal(t, test.want, p.Click(test.to).Body, test)
	}
}

// A browser without a test panics where it would have failed it.
func TestBrowserWithoutTest(t *testing.T) {
	b := signontest.NewBrowser(nil)
	b.Serve("https://app.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/", http.StatusFound) }))
	b.Serve("https://odd.test", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Set-Cookie", "a=1; Domain=x.test") }))
	p := b.Get("https://odd.test")
	require.Len(t, b.RejectedCookies(), 1)
	for name, f := range map[string]func(){
		"endless":   func() { b.Get("https://app.test").FollowAll(5) },
		"no hop":    func() { p.Follow() },
		"no form":   func() { p.Submit("", nil) },
		"no host":   func() { b.Get("http://127.0.0.1:0/") },
		"relative":  func() { b.At("/x") },
		"serve":     func() { b.Serve("app", nil) },
		"bad url":   func() { b.Cookies(":") },
		"bad url 2": func() { b.SetCookie(":", "a=1") },
		"refused":   func() { b.SetCookie("http://app.test", "a=1; Secure") },
	} {
		require.Panics(t, f, name)
	}
}

func TestVisitHeader(t *testing.T) {
	b := signontest.NewBrowser(t)
	b.SetCookie("https://app.test/", "mine=1")
	b.Serve("https://app.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, r.Host, r.Header["Cookie"], r.Header.Get("Sec-Purpose"), r.Header.Get("Accept"), r.Header.Get("Host"), r.Method, r.ContentLength)
	}))
	p, err := b.Open(t.Context(), signontest.Visit{
		URL: "https://app.test/", Method: http.MethodPut, Body: "{}",
		Header: http.Header{"Host": {"evil.test"}, "Cookie": {"theirs=1"}, "sec-purpose": {"prefetch"}, "Accept": nil},
	})
	require.NoError(t, err)
	require.Equal(t, "evil.test [theirs=1 mine=1] prefetch   PUT 2\n", p.Body)
}

// Wherever a browser goes, it is a place, and going there again leads nowhere else.
func FuzzResolveURL(f *testing.F) {
	for _, ref := range []string{"/x?y#z", "//evil", `/\evil`, "/\t/evil", "https:evil", "https:///evil", "http://a@b:1/%2f", "1:2", "/%zz", "//[::1]/"} {
		f.Add(ref)
	}
	base := &url.URL{Scheme: "https", Host: "rp.test", Path: "/a/b"}
	f.Fuzz(func(t *testing.T, ref string) {
		u, err := signontest.ResolveURL(base, ref)
		if err != nil {
			return
		}
		require.Contains(t, []string{"http", "https"}, u.Scheme)
		require.NotEmpty(t, u.Host)
		again, err := signontest.ResolveURL(base, u.String())
		require.NoError(t, err)
		require.Equal(t, u.String(), again.String())
	})
}
