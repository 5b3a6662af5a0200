package interop_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/interop/chromium"
	"github.com/seed1a301047/signon/interop/op"
)

// A site is an application that a real browser can reach. It is on localhost while
// the provider is on 127.0.0.1: two ports of one host would be the same site, and
// would hide every mistake with SameSite.
type site struct {
	*app
	url string // "http://localhost:34567"

	mu       sync.Mutex
	requests []seenRequest
}

// A seenRequest is what of a request matters here.
type seenRequest struct {
	method, path    string
	cookies         []*http.Cookie
	origin, referer string
	setCookies      []*http.Cookie // of the response
}

// newSite starts an application and a provider that shows its own pages.
func newSite(t testing.TB, secure bool, p signon.Provider) *site {
	t.Helper()
	return newSiteOf(t, secure, signon.Config{}, func(base string) signon.Provider {
		p.Issuer = op.Start(t, op.Config{
			Interaction: "dev",
			Clients: []op.Client{{
				ID: clientID, Secret: clientSecret,
				RedirectURIs:           []string{base + "/auth/callback/op"},
				PostLogoutRedirectURIs: []string{base + "/auth/logged-out/op"},
			}},
		}).Issuer
		p.Scopes = []string{"openid", "profile", "email"}
		return p
	})
}

// newSiteOf starts an application, with a configuration but for its address, and first
// the provider, which may have to know that.
func newSiteOf(t testing.TB, secure bool, cfg signon.Config, provider func(base string) signon.Provider) *site {
	t.Helper()
	s := &site{}
	server := httptest.NewUnstartedServer(http.HandlerFunc(s.record))
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	s.url = "http://localhost:" + port
	if secure {
		s.url = "https://localhost:" + port
	}

	cfg.BaseURL = s.url
	s.app = newAppOf(t, cfg, provider(s.url))

	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return s
}

// record notes each request and passes it on.
func (s *site) record(w http.ResponseWriter, r *http.Request) {
	s.Handler.ServeHTTP(w, r)
	seen := seenRequest{
		method: r.Method, path: r.URL.Path, cookies: r.Cookies(),
		origin: r.Header.Get("Origin"), referer: r.Header.Get("Referer"),
		setCookies: (&http.Response{Header: w.Header()}).Cookies(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, seen)
}

// last is the last request for a path.
func (s *site) last(t testing.TB, path string) seenRequest {
	t.Helper()
	all := s.all(path)
	require.NotEmpty(t, all, "requests for %s", path)
	return all[len(all)-1]
}

// all are the requests for a path.
func (s *site) all(path string) []seenRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []seenRequest
	for _, r := range s.requests {
		if r.path == path {
			all = append(all, r)
		}
	}
	return all
}

func methods(all []seenRequest) []string {
	list := make([]string, len(all))
	for i, r := range all {
		list[i] = r.method
	}
	return list
}

func find(cookies []*http.Cookie, name string) []*http.Cookie {
	return slices.DeleteFunc(slices.Clone(cookies), func(c *http.Cookie) bool { return c.Name != name })
}

// names are the names of the cookies that a request brought.
func (r seenRequest) names() []string {
	names := make([]string, len(r.cookies))
	for i, c := range r.cookies {
		names[i] = c.Name
	}
	return names
}

// session is the name of the session cookie.
func (s *site) session() string {
	if strings.HasPrefix(s.url, "https:") {
		return "__Host-session"
	}
	return "session"
}

// signIn goes through the provider's pages as a user does, from the click that
// leads there.
func signIn(b *chromium.Browser, user string) {
	logIn(b, user)
	b.Click("input[value=consent] + button")
}

// logIn is signIn at a provider where the user has consented before.
func logIn(b *chromium.Browser, user string) {
	b.Await("input[name=login]")
	b.Type("input[name=login]", user)
	b.Type("input[name=password]", "any")
	b.Click("input[value=login] ~ button")
}

func TestChromiumSignIn(t *testing.T) {
	for _, c := range []struct {
		name   string
		secure bool
		mode   string
		method string // of the callback
	}{
		{"http, query", false, "", http.MethodGet},
		{"http, form_post", false, "form_post", http.MethodPost},
		{"https, query", true, "", http.MethodGet},
		{"https, form_post", true, "form_post", http.MethodPost},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, c.secure, signon.Provider{ResponseMode: c.mode})
			b := chromium.Start(t)
			b.Go(s.url + "/")
			b.Click("#in")
			signIn(b, "alice")
			b.Await("#who")
			require.Equal(t, "Signed in as alice", b.Text("#who"))

			s.checkAddresses(t, b)
			s.checkCallback(t, c.method)
			s.checkSessionCookie(t, b, c.secure)
			s.checkSignOut(t, b)
		})
	}
}

// checkAddresses looks for the code and the state where they would leak from.
func (s *site) checkAddresses(t *testing.T, b *chromium.Browser) {
	require.Equal(t, s.url+"/me", b.Location()) // AR-33
	for _, entry := range b.History() {         // AR-33: nor does the back button bring it back
		requireNoCode(t, entry)
	}
	for _, visit := range b.Visits() {
		requireNoCode(t, visit.Referer)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		requireNoCode(t, r.referer)
	}
}

func requireNoCode(t *testing.T, raw string) {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	for _, name := range []string{"code", "state", "iss"} {
		require.False(t, u.Query().Has(name), "%s in %s%s", name, u.Host, u.Path)
	}
}

// checkCallback looks at what the browser sent along with the authorization
// response.
func (s *site) checkCallback(t *testing.T, method string) {
	calls := s.all("/auth/callback/op")
	require.Equal(t, method, calls[0].method)
	if method == http.MethodPost { // AR-26
		require.Equal(t, []string{http.MethodPost, http.MethodGet}, methods(calls))
		require.Len(t, calls[0].cookies, 1, "the transaction's cookie, with SameSite=None, and no other")
		require.Contains(t, calls[0].cookies[0].Name, "__Host-signon-")
		require.Empty(t, find(calls[0].setCookies, s.session()), "no session before the second half")
	}
	set := calls[len(calls)-1].setCookies
	require.Len(t, find(set, s.session()), 1)
	for _, c := range set {
		if c.Name == s.session() {
			require.Equal(t, http.SameSiteLaxMode, c.SameSite) // AR-26: it stays Lax
		} else {
			require.Negative(t, c.MaxAge, "%s is deleted", c.Name)
		}
	}
}

// checkSessionCookie looks at what the browser has kept.
func (s *site) checkSessionCookie(t *testing.T, b *chromium.Browser, secure bool) {
	for _, c := range b.Cookies() {
		if c.Domain == "localhost" {
			require.Equal(t, s.session(), c.Name, "no cookie but the session is left") // SE-17
		}
	}
	c := b.Cookie(s.session())
	require.NotNil(t, c)
	require.Equal(t, secure, c.Secure) // SE-15
	require.True(t, c.HTTPOnly)
	require.Equal(t, network.CookieSameSiteLax, c.SameSite)
	require.Equal(t, "/", c.Path)
	require.Empty(t, b.Eval("document.cookie"), "scripts see no cookie")
}

// checkSignOut signs out with the button, here and at the provider, and tries what is
// left of the login.
func (s *site) checkSignOut(t *testing.T, b *chromium.Browser) {
	old := b.Cookie(s.session()).Value
	b.Click("#out")
	b.Await(yes)
	b.Shot("sign-out-provider")
	require.Equal(t, http.StatusUnauthorized, s.with(s.session(), old, "/me")) // LO-06, SE-02: before the provider has an answer
	require.Equal(t, "/session/end", path(t, b.Location()), "the provider asks")

	b.Click(yes)
	b.Await("#home")
	require.Equal(t, s.url+"/", b.Location(), "no state is left in the address bar")
	s.requireNoCookies(t, b) // SE-17, LO-10
	require.Equal(t, []string{http.MethodGet}, methods(s.all("/auth/logged-out/op")))
	s.requireNoHints(t)

	// The provider has forgotten the user too, and asks.
	b.Go(s.url + "/me")
	b.Await("input[name=login]")
}

// yes is the button of oidc-provider that confirms a logout.
const yes = "button[name=logout]"

// requireNoCookies: the browser has none of the application's any more.
func (s *site) requireNoCookies(t *testing.T, b *chromium.Browser) {
	t.Helper()
	for _, c := range b.Cookies() {
		require.NotEqual(t, "localhost", c.Domain, "cookie %s is left after the logout", c.Name)
	}
}

// requireNoHints: no Referer has told the application what was sent to the provider.
func (s *site) requireNoHints(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.requests {
		u, err := url.Parse(r.referer)
		require.NoError(t, err)
		for _, name := range []string{"id_token_hint", "state"} {
			require.False(t, u.Query().Has(name), "%s in %s%s", name, u.Host, u.Path)
		}
	}
}

func path(t *testing.T, raw string) string {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u.Path
}

// with asks for a page with one cookie and gives the status.
func (s *site) with(name, value, path string) int {
	r := httptest.NewRequest(http.MethodGet, s.url+path, nil)
	r.AddCookie(&http.Cookie{Name: name, Value: value})
	r.Header.Set("Accept", "application/json")
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, r)
	return w.Code
}

// An attacker's own session, planted before the victim signs in, must be neither
// what the victim uses nor what becomes the victim's; with form_post too, where the
// browser does not send it along with the answer.
func TestChromiumPlantedSession(t *testing.T) {
	for _, mode := range []string{"", "form_post"} {
		t.Run("response_mode="+mode, func(t *testing.T) {
			s := newSite(t, false, signon.Provider{ResponseMode: mode})
			planted := s.attack(t)
			victim := chromium.Start(t)
			victim.SetCookie(network.SetCookieParams{
				Name: s.session(), Value: planted, URL: s.url, Path: "/", SameSite: network.CookieSameSiteLax,
			})
			victim.Go(s.url + "/auth/login/op?return_to=/me")
			signIn(victim, "alice")
			victim.Await("#who")
			require.Equal(t, "Signed in as alice", victim.Text("#who"))
			require.NotEqual(t, planted, victim.Cookie(s.session()).Value)                 // SE-01
			require.Equal(t, http.StatusUnauthorized, s.with(s.session(), planted, "/me")) // SE-01
		})
	}
}

// attack signs somebody else in and gives that session.
func (s *site) attack(t *testing.T) (session string) {
	b := chromium.Start(t)
	b.Go(s.url + "/me")
	signIn(b, "mallory")
	b.Await("#who")
	session = b.Cookie(s.session()).Value
	require.Equal(t, http.StatusOK, s.with(s.session(), session, "/me"))
	return session
}

// Of two session cookies one is planted, and nobody can tell which.
func TestChromiumTossedSession(t *testing.T) {
	s := newSite(t, false, signon.Provider{})
	planted := s.attack(t)
	victim := chromium.Start(t)
	victim.Go(s.url + "/me")
	signIn(victim, "alice")
	victim.Await("#who")
	victim.SetCookie(network.SetCookieParams{Name: s.session(), Value: planted, URL: s.url, Path: "/userinfo"})
	status := victim.Eval(`fetch("/userinfo", {headers: {Accept: "application/json"}}).then(r => r.status)`)
	require.EqualValues(t, http.StatusUnauthorized, status) // SE-05
	require.Equal(t, []string{s.session(), s.session()}, s.last(t, "/userinfo").names())
}

// A user who refuses sees why, and can start again from there.
func TestChromiumDenied(t *testing.T) {
	s := newSite(t, false, signon.Provider{})
	b := chromium.Start(t)
	b.Go(s.url + "/me")
	b.Await("input[name=login]")
	b.Click("a[href*=abort]")
	b.Await("h1")
	require.Equal(t, "The sign-in was refused.", b.Text("h1")) // AR-16
	b.Shot("denied")

	b.Click("form button")
	signIn(b, "alice")
	b.Await("#home, #who")
	require.Empty(t, s.last(t, "/auth/login/op").referer) // LG-06: it would hold the state
	b.Go(s.url + "/me")
	require.Equal(t, "Signed in as alice", b.Text("#who"))
}

// Two tabs sign in at once, and each comes back to where it was.
func TestChromiumTabs(t *testing.T) {
	s := newSite(t, false, signon.Provider{})
	first := chromium.Start(t)
	second := first.Tab()
	first.Go(s.url + "/me?tab=1")
	second.Go(s.url + "/me?tab=2")
	first.Await("input[name=login]")
	signIn(second, "alice")
	second.Await("#who")
	require.Equal(t, "/me?tab=2", second.Text("#who + p"))
	logIn(first, "alice")
	first.Await("#who")
	require.Equal(t, "/me?tab=1", first.Text("#who + p"))
}

// A page of another site cannot sign the user out.
func TestChromiumForeignSignOut(t *testing.T) {
	s := newSite(t, false, signon.Provider{})
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		page(w, `<form method="post" action="`+s.url+`/auth/logout/op"><button>Win a prize</button></form>`)
	}))
	t.Cleanup(evil.Close) // on 127.0.0.1: another site than localhost

	b := chromium.Start(t)
	b.Go(s.url + "/me")
	signIn(b, "alice")
	b.Await("#who")
	session := b.Cookie(s.session()).Value
	b.Go(evil.URL)
	b.Click("button")
	b.Await("h1")
	b.Shot("foreign-sign-out")
	require.Equal(t, evil.URL, s.last(t, "/auth/logout/op").origin)
	require.Equal(t, session, b.Cookie(s.session()).Value)
	require.Equal(t, http.StatusOK, s.with(s.session(), session, "/me"))
}
