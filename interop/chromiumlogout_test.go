package interop_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/interop/chromium"
	"github.com/seed1a301047/signon/interop/op"
	"github.com/seed1a301047/signon/signontest"
)

// newTestSite is a site at signontest's provider, which is told where the site is.
func newTestSite(t *testing.T, cfg signon.Config, configure func(base string) signontest.Config) (*site, *signontest.Provider) {
	t.Helper()
	var provider *signontest.Provider
	s := newSiteOf(t, false, cfg, func(base string) signon.Provider {
		provider = signontest.New(t, configure(base))
		return provider.SignonProvider("op")
	})
	return s, provider
}

// signedIn opens the page of whoever is signed in, at a provider that asks nothing, and
// returns the session.
func (s *site) signedIn(t *testing.T, b *chromium.Browser) (session string) {
	t.Helper()
	b.Go(s.url + "/me")
	b.Await("#who")
	require.Equal(t, "Signed in as alice", b.Text("#who"))
	return b.Cookie(s.session()).Value
}

func (s *site) requireStatus(t *testing.T, status int, session string) {
	t.Helper()
	require.Equal(t, status, s.with(s.session(), session, "/me"))
}

// After a logout the back button shows nothing that was private, neither from the cache
// nor from a page that was kept alive; and what it asks for again signs nobody in or out.
func TestChromiumBackAfterSignOut(t *testing.T) {
	s := newSite(t, false, signon.Provider{})
	b := chromium.Start(t)
	b.Go(s.url + "/")
	b.Click("#in")
	signIn(b, "alice")
	b.Await("#who")
	b.Click("#out")
	b.Await(yes)
	b.Click(yes)
	b.Await("#home")
	asked := len(s.all("/me"))

	b.BackTo(s.url + "/me")
	b.Await("input[name=login]")
	b.Shot("back-after-sign-out")
	require.Len(t, s.all("/me"), asked+1, "the page is asked for again")
	require.NotContains(t, b.Eval("document.documentElement.outerHTML"), "Signed in as")

	// One step back from home is the provider's page of a logout that is complete.
	b.Go(s.url + "/")
	session := s.reenter(t, b)
	for _, entry := range b.History() {
		if !strings.Contains(entry, "/session/end") {
			continue
		}
		b.BackTo(entry)
		require.NotContains(t, b.Eval("document.documentElement.outerHTML"), "Signed in as")
	}
	s.requireStatus(t, http.StatusOK, session)
}

// reenter signs in anew where the provider has forgotten its user.
func (s *site) reenter(t *testing.T, b *chromium.Browser) (session string) {
	t.Helper()
	b.Go(s.url + "/me")
	b.Await("input[name=login]")
	signIn(b, "alice")
	b.Await("#who")
	return b.Cookie(s.session()).Value
}

// LO-04: an ID token too long for a URL goes to the provider by a form that sends itself,
// from another site; it leads back over the provider's redirects.
func TestChromiumLongHint(t *testing.T) {
	groups := strings.Repeat("/a/group/with/a/long/name ", 100)
	for name, confirm := range map[string]bool{"at once": false, "confirmed": true} {
		t.Run(name, func(t *testing.T) {
			s, provider := newTestSite(t, signon.Config{}, func(base string) signontest.Config {
				return signontest.Config{
					PostLogoutRedirects: []string{base + "/auth/logged-out/op"}, ConfirmLogout: confirm,
					Users: []signontest.User{{Subject: "alice", Claims: map[string]any{"groups": groups}}},
				}
			})
			b := chromium.Start(t)
			session := s.signedIn(t, b)
			b.Click("#out")
			if confirm {
				b.Await("button[value=yes]")
				b.Shot("long-hint-provider")
				b.Click("button[value=yes]")
			}
			b.Await("#home")
			require.Equal(t, s.url+"/", b.Location())
			s.requireStatus(t, http.StatusUnauthorized, session)
			s.requireNoCookies(t, b)
			require.Empty(t, provider.Sessions(), "the provider has signed its user out too")

			sent := provider.Requests(signontest.EndSession)[0]
			require.Equal(t, http.MethodPost, sent.Method)
			require.Greater(t, len(sent.Form.Get("id_token_hint")), len(groups))
			require.Equal(t, []string{http.MethodGet}, methods(s.all("/auth/logged-out/op")))
		})
	}
}

// LO-04: so it does to oidc-provider where that takes a POST, and asks then as ever. As it is
// by default it takes none, and with LogoutWithoutForm the rest goes there by GET.
func TestChromiumLongHintAtOIDCProvider(t *testing.T) {
	for name, form := range map[string]bool{"as a form": true, "without a form": false} {
		t.Run(name, func(t *testing.T) { checkLongHintAtOIDCProvider(t, form) })
	}
}

func checkLongHintAtOIDCProvider(t *testing.T, form bool) {
	authority := newAuthority(t)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority.pool()}}}
	s := newSiteOf(t, true, signon.Config{HTTPClient: client}, func(base string) signon.Provider {
		issuer := op.Start(t, op.Config{Interaction: "dev", PostMethods: form, TLS: authority.server(), Clients: []op.Client{{
			ID: clientID, Secret: clientSecret,
			RedirectURIs: []string{base + "/auth/callback/op"}, PostLogoutRedirectURIs: []string{base + "/auth/logged-out/op"},
		}}}).Issuer
		p := options{}.provider(issuer, "openid")
		p.AuthorizeParams = url.Values{"claims": {`{"id_token":{"groups":null}}`}}
		p.LogoutWithoutForm = !form
		return p
	})
	b := chromium.Start(t)
	b.Go(s.url + "/me")
	signIn(b, "member")
	b.Await("#who")
	hint, err := s.seen().IDToken()
	require.NoError(t, err)
	require.Greater(t, len(hint), 4000)
	b.Click("#out")
	b.Await(yes)
	asked := b.Visits()
	method := http.MethodGet
	if form {
		method = http.MethodPost
	}
	require.Equal(t, method, asked[len(asked)-1].Method)
	b.Click(yes)
	b.Await("#home")
	require.Equal(t, s.url+"/", b.Location())
	s.requireNoCookies(t, b)
	b.Go(s.url + "/me")
	b.Await("input[name=login]")
}

// LO-50: the provider's page, on another site, has the application's in a frame. That
// gets no cookie, is shown there and nowhere else, and ends the login that it names.
func TestChromiumFrontChannel(t *testing.T) {
	const frame = "/auth/frontchannel-logout/op"
	s, provider := newTestSite(t, signon.Config{}, func(base string) signontest.Config {
		return signontest.Config{FrontChannelLogoutURI: base + frame, PostLogoutRedirects: []string{base + "/auth/logged-out/op"}}
	})
	b := chromium.Start(t)
	session := s.signedIn(t, b)
	elsewhere := signontest.NewBrowser(t) // the same user's
	require.Equal(t, http.StatusOK, elsewhere.Get(s.url+"/me").FollowAll(9).Status)

	// The provider itself, past the application.
	b.Go(provider.URL(signontest.EndSession))
	s.await(t, frame, 1)
	s.requireStatus(t, http.StatusUnauthorized, session)
	require.Equal(t, http.StatusOK, elsewhere.Get(s.url+"/me").Status)
	require.Empty(t, s.last(t, frame).cookies, "the frame is another site's")
	require.Empty(t, b.Refused(), "the frame is shown")

	// The application's own logout, in whose course the frame comes too late: LO-51.
	session = s.signedIn(t, b)
	b.Click("#out")
	b.Await("#continue button")
	s.await(t, frame, 2)
	b.Shot("front-channel")
	s.requireStatus(t, http.StatusUnauthorized, session)
	b.Click("#continue button")
	b.Await("#home")
	s.requireNoCookies(t, b)
	require.Empty(t, b.Refused())
	require.Equal(t, http.StatusOK, elsewhere.Get(s.url+"/me").Status)

	s.checkStrangersFrame(t, b, frame)
}

// checkStrangersFrame: nobody else may frame the page, and without the sid, which is the
// provider's and the application's to know, it signs nobody out (LO-52).
func (s *site) checkStrangersFrame(t *testing.T, b *chromium.Browser, frame string) {
	session := s.signedIn(t, b)
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		page(w, `<h1>A prize</h1><iframe src="`+s.url+frame+`"></iframe><iframe src="`+s.url+frame+`?iss=x&amp;sid=y"></iframe>`)
	}))
	t.Cleanup(stranger.Close)
	before := len(s.all(frame))
	b.Go(stranger.URL)
	s.await(t, frame, before+2)
	b.Shot("front-channel-stranger")
	require.Len(t, b.Refused(), 2)
	s.requireStatus(t, http.StatusOK, session)
}

// await waits until a path has been asked for n times.
func (s *site) await(t *testing.T, path string, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return len(s.all(path)) >= n }, 10*time.Second, 20*time.Millisecond, "%d requests for %s", n, path)
}

// LO-01: with Config.LogoutByGET a link leads to a page that asks, whoever's page has the
// link, and only its button signs out.
func TestChromiumAskingPage(t *testing.T) {
	s, _ := newTestSite(t, signon.Config{LogoutByGET: true}, func(base string) signontest.Config {
		return signontest.Config{PostLogoutRedirects: []string{base + "/auth/logged-out/op"}}
	})
	const logout = "/auth/logout/op"
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		page(w, `<img src="`+s.url+logout+`"><iframe src="`+s.url+logout+`"></iframe><a href="`+s.url+logout+`">A prize</a>`)
	}))
	t.Cleanup(stranger.Close)
	b := chromium.Start(t)
	session := s.signedIn(t, b)
	b.Go(stranger.URL)
	s.await(t, logout, 2)
	require.NotEmpty(t, b.Refused(), "the page that asks is not to be framed, and its button not to be clicked by mistake")
	b.Click("a")
	b.Await("form button")
	b.Shot("asking")
	s.requireStatus(t, http.StatusOK, session)

	b.Click("form button")
	b.Await("#home")
	s.requireStatus(t, http.StatusUnauthorized, session)
	s.requireNoCookies(t, b)
	require.Equal(t, http.MethodPost, s.last(t, logout).method)
}
