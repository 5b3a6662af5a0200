package signon_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/signontest"
)

// hashOf is how a Content-Security-Policy names a script.
func hashOf(script string) string {
	hash := sha256.Sum256([]byte(script))
	return base64.StdEncoding.EncodeToString(hash[:])
}

func sansQuery(raw string) string {
	before, _, _ := strings.Cut(raw, "?")
	return before
}

// query is that of a URL.
func query(t *testing.T, raw string) url.Values {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	q, err := url.ParseQuery(u.RawQuery)
	require.NoError(t, err)
	return q
}

// The whole way: out of here, out there, and back to where the form says, over each
// store, begun on one replica and finished on another. The user is then asked again.
func TestLogoutAtTheProvider(t *testing.T) {
	eachStore(t, fleetOptions{}, func(t *testing.T, f *fleet) {
		for _, path := range []string{"/auth/logout", "/auth/logout/op"} {
			b := f.signIn("alice")
			id := f.loginOf(b)
			require.Len(t, f.op.Sessions(), 1)
			f.at.Store(0)
			page := b.At(siteURL).Post(path, url.Values{"return_to": {"/me?after=logout"}})
			require.Equal(t, http.StatusSeeOther, page.Status)
			require.Equal(t, f.op.URL(signontest.EndSession), sansQuery(page.Location()))
			sent := query(t, page.Location())
			require.Equal(t, f.op.ClientID(), sent.Get("client_id"))
			require.Equal(t, siteURL+"/auth/logged-out/op", sent.Get("post_logout_redirect_uri"))
			require.Contains(t, f.op.Secrets(), sent.Get("id_token_hint"))
			require.Len(t, sent.Get("state"), 43) // 256 bits
			require.Len(t, sent, 4)
			require.Equal(t, nobody, f.who(b), "the login ends first")
			_, err := f.replicas[1].logins.Login(t.Context(), id)
			require.ErrorIs(t, err, sessionstore.ErrNotFound)

			f.at.Store(1)
			page = page.Follow()
			require.Equal(t, siteURL+"/auth/logged-out/op?state="+sent.Get("state"), page.Location())
			require.Empty(t, f.op.Sessions())
			page = page.Follow()
			require.Equal(t, http.StatusSeeOther, page.Status)
			require.Equal(t, siteURL+"/me?after=logout", page.Location())
			require.Empty(t, b.Cookies(siteURL))
		}
		require.NotContains(t, f.log.String(), "id_token_hint")
	})
}

// LO-03, LO-08: whatever the provider's metadata are, the login ends here; then the
// browser goes where they say, if that may be, or home. They are read by a process that
// has just begun.
func TestLogoutWhateverTheMetadata(t *testing.T) {
	edit := func(value any) func(*signontest.Provider) {
		return func(p *signontest.Provider) {
			p.Metadata(func(m map[string]any) { m["end_session_endpoint"] = value })
		}
	}
	arm := func(f signontest.Fault) func(*signontest.Provider) {
		return func(p *signontest.Provider) { p.Arm(f) }
	}
	for _, tt := range []struct {
		name  string
		spoil func(*signontest.Provider)
		to    string // "": home
		given func(*signon.Provider)
	}{
		{"missing", func(p *signontest.Provider) { p.Metadata(func(m map[string]any) { delete(m, "end_session_endpoint") }) }, "", nil},
		{"empty", edit(""), "", nil},
		{"null", edit(nil), "", nil},
		{"a number", edit(5), "", nil},
		{"http", edit("http://provider.test/out"), "", nil},
		{"a script", edit("javascript:alert(1)"), "", nil},
		{"a path", edit("/out"), "", nil},
		{"a fragment", edit("https://provider.test/out#x"), "", nil},
		{"with a password", edit("https://a:b@provider.test/out"), "", nil},
		{"the metadata of a cloud", edit("http://169.254.169.254/out"), "", nil},
		{"another host", edit("https://logout.test/out"), "https://logout.test/out?client_id", nil},
		{"another host that may not be", edit("https://logout.test/out"), "", func(p *signon.Provider) { p.EndpointHosts = []string{"provider.test"} }},
		{"with a query", edit("https://provider.test/out?realm=%41&x="), "https://provider.test/out?realm=%41&x=&client_id", nil},
		{"with a parameter of ours in it", edit("https://provider.test/out?post_logout_redirect_uri=https://evil.test/"), "", nil},
		{"down", arm(signontest.DownMetadata), "", nil},
		{"hangs", arm("Hang@metadata"), "", nil},
		{"another issuer's", arm(signontest.IssuerMismatch), "", nil},
		{"given, while down", arm(signontest.DownMetadata), "https://given.test/out?client_id", func(p *signon.Provider) { p.EndSessionURL = "https://given.test/out" }},
		{"given wins", edit("https://logout.test/out"), "https://given.test/out?client_id", func(p *signon.Provider) { p.EndSessionURL = "https://given.test/out" }},
		{"not wanted", edit("https://logout.test/out"), "", func(p *signon.Provider) { p.LocalLogout = true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, setup{inProcess: true})
				b := s.browser()
				s.signIn(b, "alice")
				id := s.owners(b)["op"]
				tt.spoil(s.op)
				fresh := s.registry(nil)
				s.register(fresh, "op", tt.given)
				b.Serve(siteURL, fresh.Handler())
				began := time.Now()
				page := b.At(siteURL).Post("/auth/logout/op", url.Values{"return_to": {"/me"}})
				require.Equal(t, http.StatusSeeOther, page.Status)
				require.LessOrEqual(t, time.Since(began), 3*time.Second, "nobody waits for a provider that is down")
				if tt.to == "" {
					require.Equal(t, siteURL+"/me", page.Location())
					require.Empty(t, b.Cookies(siteURL))
				} else {
					require.True(t, strings.HasPrefix(page.Location(), tt.to+"="), page.Location())
				}
				_, err := s.logins.Login(t.Context(), id)
				require.ErrorIs(t, err, sessionstore.ErrNotFound)
				b.Serve(siteURL, s.app)
				require.Equal(t, nobody, s.who(b))
				time.Sleep(time.Minute) // the fetch that nobody waits for ends
			})
		})
	}
}

// LO-04: with an ID token, expired or not, encrypted or not, or without one, as a URL
// or, where that would be long, as a form, the provider signs its user out.
func TestLogoutHints(t *testing.T) {
	long := func(n int) signontest.Config {
		return signontest.Config{Users: []signontest.User{{Subject: "alice", Claims: map[string]any{"roles": strings.Repeat("x", n)}}, {Subject: "bob"}}}
	}
	byHand := func(p *signon.Provider) {
		p.EndSessionURL = p.Endpoint.AuthURL[:len(p.Endpoint.AuthURL)-len("/authorize")] + "/end_session"
	}
	for _, tt := range []struct {
		name     string
		setup    setup
		wait     time.Duration
		hint     bool
		form     bool
		otherKey bool // in the process that signs out
	}{
		{"as usual", setup{}, 0, true, false, false},
		{"expired", setup{config: func(c *signon.Config) { c.IdleTimeout = -1 }}, 3 * time.Hour, true, false, false},
		{"no ID token", setup{oauth: true, provider: byHand}, 0, false, false, false},
		{"long", setup{op: long(1000)}, 0, true, true, false},
		{"8 kB", setup{op: long(6000)}, 0, true, true, false},
		{"48 kB", setup{op: long(36000)}, 0, false, false, false},
		{"encrypted", setup{op: signontest.Config{IDTokenEncryption: signontest.Encryption{Alg: "ECDH-ES", Enc: "A128GCM"}}}, 0, true, false, false},
		{"a key that is gone", setup{}, 0, false, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.setup.inProcess = true
				s := newSite(t, tt.setup)
				b := s.browser()
				s.signIn(b, "alice")
				time.Sleep(tt.wait)
				if tt.otherKey {
					fresh := s.registry(func(c *signon.Config) { c.Keys = [][]byte{sum("third")} })
					s.register(fresh, "op", nil)
					b.Serve(siteURL, fresh.Handler())
				}
				page := b.At(siteURL).Post("/auth/logout/op", nil)
				sent := url.Values{}
				if tt.form {
					require.Equal(t, http.StatusOK, page.Status)
					for _, field := range page.Forms()[0].Fields {
						sent.Add(field.Name, field.Value)
					}
					require.Equal(t, s.op.URL(signontest.EndSession), page.Forms()[0].Action)
					page = page.Submit("", nil)
				} else {
					require.LessOrEqual(t, len(page.Location()), 2000)
					sent = query(t, page.Location())
					page = page.Follow()
				}
				require.Equal(t, tt.hint, sent.Get("id_token_hint") != "")
				require.LessOrEqual(t, strings.Count(sent.Get("id_token_hint"), "."), 2, "what is signed, not what is encrypted")
				require.Equal(t, s.op.ClientID(), sent.Get("client_id"))
				require.Empty(t, s.op.Sessions())
				page = page.Follow()
				require.Equal(t, siteURL+"/", page.Location())
				require.Empty(t, b.Cookies(siteURL))
			})
		})
	}
}

// LO-04: the page that posts itself runs its one script and nothing else, is nobody's to
// keep or to frame, and has nothing in it that is not escaped.
func TestLogoutFormPage(t *testing.T) {
	s := newSite(t, setup{inProcess: true, provider: func(p *signon.Provider) {
		p.EndSessionURL = "https://provider.test/end_session?a=%22'&b=1"
		p.EndSessionParams = url.Values{"federated": {""}, "x": {`"><script>alert(1)</script>` + strings.Repeat("x", 2000)}}
	}})
	b := s.browser()
	s.signIn(b, "alice")
	page := b.At(siteURL).Post("/auth/logout/op", nil)
	require.Equal(t, http.StatusOK, page.Status)
	require.Equal(t, "no-store", page.Header.Get("Cache-Control"))
	require.Equal(t, "no-referrer", page.Header.Get("Referrer-Policy"))
	_, rest, _ := strings.Cut(page.Body, "<script>")
	script, rest, _ := strings.Cut(rest, "</script>")
	require.NotContains(t, rest, "<script")
	require.Equal(t, "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; script-src 'sha256-"+
		hashOf(script)+"'; form-action 'self' https:", page.Header.Get("Content-Security-Policy"))
	form := page.Forms()[0]
	require.Equal(t, "https://provider.test/end_session?a=%22'&b=1", form.Action)
	require.Contains(t, form.Fields, signontest.Field{Name: "federated"})
	require.Contains(t, page.Body, "<button>")
}

// LO-08: where the provider sends the browser, whose logout it is and which state comes
// back are no form's and no link's to say.
func TestLogoutFormSaysLittle(t *testing.T) {
	s := newSite(t, setup{provider: func(p *signon.Provider) {
		p.LogoutParams = []string{"ui_locales", "logout_hint", "federated"}
		p.EndSessionParams = url.Values{"ui_locales": {"en"}, "realm": {"corp"}}
		p.PostLogoutRedirectURL = siteURL + "/bye?x=1"
	}})
	defer s.holds()
	b := s.browser()
	evil := url.Values{
		"post_logout_redirect_uri": {"https://evil.example/"}, "redirect_uri": {"https://evil.example/"}, "state": {"planted"},
		"id_token_hint": {"planted"}, "client_id": {"planted"}, "realm": {"planted"}, "return_to": {"https://evil.example/"}, "x": {"planted"},
		"ui_locales": {"de fr"}, "logout_hint": {strings.Repeat("x", 513)}, "federated": {"yes"},
	}
	s.signIn(b, "alice")
	page := b.At(siteURL).Post("/auth/logout/op?"+evil.Encode(), evil)
	sent := query(t, page.Location())
	require.NotContains(t, page.Location(), "planted")
	require.NotContains(t, page.Location(), "evil")
	require.Equal(t, []string{siteURL + "/bye?x=1"}, sent["post_logout_redirect_uri"])
	sent.Del("id_token_hint")
	sent.Del("state")
	require.Equal(t, url.Values{
		"client_id": {s.op.ClientID()}, "post_logout_redirect_uri": {siteURL + "/bye?x=1"},
		"ui_locales": {"de fr"}, "federated": {"yes"}, "realm": {"corp"},
	}, sent)
	require.Equal(t, url.Values{"x": {"1"}, "state": query(t, page.Location())["state"]}, query(t, page.Follow().Location()))
}

// A form that cannot be read signs out all the same.
func TestLogoutWithAnyBody(t *testing.T) {
	for name, r := range map[string]*http.Request{
		"JSON":      httptest.NewRequest(http.MethodPost, siteURL+"/auth/logout/op", strings.NewReader(`{"return_to":"/x"}`)),
		"malformed": httptest.NewRequest(http.MethodPost, siteURL+"/auth/logout/op", strings.NewReader("%zz")),
		"large":     httptest.NewRequest(http.MethodPost, siteURL+"/auth/logout/op", strings.NewReader("x="+strings.Repeat("x", 1<<20))),
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, setup{})
			defer s.holds()
			b := s.browser()
			s.signIn(b, "alice")
			if name != "JSON" {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			w := s.serve(cookies(r, b))
			require.Equal(t, http.StatusSeeOther, w.Code)
			require.Equal(t, nobody, s.who(b))
		})
	}
}

// LO-11: of two providers in one session both logins end, and the one whose URL it was,
// or else that of the current login, is told.
func TestLogoutTellsOneProvider(t *testing.T) {
	for path, provider := range map[string]string{"/auth/logout": "second", "/auth/logout/op": "op", "/auth/logout/second": "second", "/auth/logout/third": ""} {
		t.Run(path, func(t *testing.T) {
			s := newSite(t, setup{})
			defer s.holds()
			for _, name := range []string{"second", "third"} {
				s.register(s.auth, name, func(p *signon.Provider) {
					*p = s.op.OAuthProvider(name)
					p.EndSessionURL = s.op.URL(signontest.EndSession) + "?of=" + name
				})
			}
			b := s.browser()
			s.signIn(b, "alice")
			b.Get(siteURL + "/auth/login/second").FollowAll(5)
			owners := s.owners(b)
			require.Len(t, owners, 2)
			page := b.At(siteURL).Post(path, nil)
			switch provider {
			case "":
				require.Equal(t, siteURL+"/", page.Location())
			case "op":
				require.True(t, strings.HasPrefix(page.Location(), s.op.URL(signontest.EndSession)+"?client_id="), page.Location())
			default:
				require.True(t, strings.HasPrefix(page.Location(), s.op.URL(signontest.EndSession)+"?of="+provider), page.Location())
			}
			for _, id := range owners {
				_, err := s.logins.Login(t.Context(), id)
				require.ErrorIs(t, err, sessionstore.ErrNotFound)
			}
		})
	}
}

// The current login's provider has been removed: there is nobody to tell.
func TestLogoutOfARemovedProviderIsLocal(t *testing.T) {
	s := newSite(t, setup{})
	b := s.browser()
	s.signIn(b, "alice")
	s.auth.Remove("op")
	require.Equal(t, siteURL+"/", b.At(siteURL).Post("/auth/logout", nil).Location())
}

// SE-05: of two sessions neither's ID token goes to the provider: which of them is the
// user's cannot be told.
func TestLogoutWithTwoSessionsIsLocal(t *testing.T) {
	s := newSite(t, setup{})
	s.sessions.Cookie.Name = "sid"
	evil, victim := s.browser(), s.browser()
	s.signIn(evil, "bob")
	s.signIn(victim, "alice")
	r := httptest.NewRequest(http.MethodPost, siteURL+"/auth/logout/op", nil)
	r.Header.Set("Cookie", "sid="+evil.Cookies(siteURL)["sid"]+"; sid="+victim.Cookies(siteURL)["sid"])
	w := s.serve(r)
	require.Equal(t, siteURL+"/", w.Header().Get("Location"))
	require.Empty(t, s.blobs.all())
}

// LO-01, LO-02: with LogoutByGET a link asks, and only the button on our own page signs
// out. A HEAD, a prefetch and another site's form change nothing.
func TestLogoutByGET(t *testing.T) {
	s := newSite(t, setup{
		config:   func(c *signon.Config) { c.LogoutByGET = true },
		provider: func(p *signon.Provider) { p.LogoutParams = []string{"ui_locales"} },
	})
	b := s.browser()
	s.signIn(b, "alice")
	for _, path := range []string{"/auth/logout", "/auth/logout/op"} {
		link := siteURL + path + "?" + url.Values{
			"return_to": {"/cart"}, "ui_locales": {`de" onload="x`}, "post_logout_redirect_uri": {"https://evil.example/"}, "x": {"<b>"},
		}.Encode()
		page := s.opened(b, http.StatusOK, 0, link)
		require.NotContains(t, page.Body, "evil")
		require.NotContains(t, page.Body, `" onload`)
		require.NotContains(t, page.Body, "<b>")
		require.Empty(t, page.Header["Set-Cookie"])
		require.Equal(t, "no-store", page.Header.Get("Cache-Control"))
		require.Contains(t, page.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
		require.Equal(t, "same-origin", page.Header.Get("Referrer-Policy"))

		evil := b.At("https://evil.example/")
		allowed := s.refused(b, http.StatusMethodNotAllowed, 0, func() *signontest.Page { return evil.Fetch("PUT", link) })
		require.Equal(t, "GET, POST", allowed.Header.Get("Allow"))
		s.refused(b, http.StatusMethodNotAllowed, 0, func() *signontest.Page { return b.At(siteURL).Fetch(http.MethodHead, link) })
		s.refused(b, http.StatusForbidden, 0, func() *signontest.Page { return evil.Post(link, nil) })
		prefetch := cookies(httptest.NewRequest(http.MethodGet, link, nil), b)
		prefetch.Header.Set("Sec-Purpose", "prefetch;prerender")
		require.Equal(t, http.StatusNoContent, s.serve(prefetch).Code)
		require.Equal(t, "op:alice", s.who(b))

		page = b.Get(link).Submit("", nil)
		require.Equal(t, nobody, s.who(b))
		want := url.Values{}
		if path == "/auth/logout/op" {
			want.Set("ui_locales", `de" onload="x`)
		}
		require.Equal(t, want["ui_locales"], query(t, page.Location())["ui_locales"])
		require.Equal(t, siteURL+"/cart", page.FollowAll(5).URL.String())
		s.signIn(b, "alice")
	}
}

// A browser that says by Origin only where its form was is let through, from the page
// that asks too.
func TestLogoutFromAnOldBrowser(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	for origin, status := range map[string]int{siteURL: http.StatusSeeOther, "null": http.StatusForbidden, "https://evil.example": http.StatusForbidden} {
		s.signIn(b, "alice")
		r := cookies(httptest.NewRequest(http.MethodPost, siteURL+"/auth/logout", nil), b)
		r.Header.Set("Origin", origin)
		require.Equal(t, status, s.serve(r).Code, origin)
	}
}

// The log tells whether the provider was told, and if not why; neither the ID token nor
// the state is in it.
func TestLogoutIsLogged(t *testing.T) {
	s := newSite(t, setup{inProcess: true})
	b := s.browser()
	s.signIn(b, "alice")
	b.At(siteURL).Post("/auth/logout", nil)
	require.Contains(t, s.log.String(), `"signon: signed out","provider":"op","sent_to_provider":true`)
	s.signIn(b, "alice")
	s.op.Arm(signontest.DownMetadata)
	fresh := s.registry(nil)
	s.register(fresh, "op", nil)
	b.Serve(siteURL, fresh.Handler())
	b.At(siteURL).Post("/auth/logout", nil)
	require.Contains(t, s.log.String(), "signed out here only")
	require.Contains(t, s.log.String(), `"signon: signed out","sent_to_provider":false`)
	s.checkSecrets()
}

// RT-03: whoever leaves is signed out, and nobody is warned of it.
func TestBrowserLeavesBeforeTheProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, setup{inProcess: true})
		b := s.browser()
		s.signIn(b, "alice")
		s.op.Arm("Hang@metadata")
		fresh := s.registry(nil)
		s.register(fresh, "op", nil)
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		r := cookies(httptest.NewRequest(http.MethodPost, siteURL+"/auth/logout/op", nil), b).WithContext(ctx)
		w := httptest.NewRecorder()
		fresh.Handler().ServeHTTP(w, r)
		require.Equal(t, http.StatusSeeOther, w.Code)
		require.Equal(t, nobody, s.who(b))
		require.NotContains(t, s.log.String(), "signed out here only")
		time.Sleep(time.Minute)
	})
}
