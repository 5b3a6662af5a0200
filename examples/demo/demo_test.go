package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

// A demo is the application over HTTP, with a provider that the test can look into.
type demo struct {
	*app
	url      string
	provider *signontest.Provider
	log      *lines
	pages    []*signontest.Page
}

func startDemo(t *testing.T, cfg signontest.Config, getenv func(*signontest.Provider) map[string]string) *demo {
	t.Helper()
	provider := signontest.New(t, cfg)
	o := &op{provider: provider.SignonProvider("demo"), builtIn: true}
	if getenv != nil {
		env := getenv(provider)
		var err error
		o, err = openOP(func(name string) string { return env[name] }, "")
		require.NoError(t, err)
	}
	d := startCopy(t, "", t.TempDir(), o)
	d.provider = provider
	return d
}

// startCopy starts one copy at a port of its own. Those with one folder have the key in
// common, and the database too unless databaseURL names another.
func startCopy(t *testing.T, databaseURL, folder string, o *op) *demo {
	t.Helper()
	db, err := openDatabase(t.Context(), databaseURL, folder)
	require.NoError(t, err)
	t.Cleanup(db.close)
	keys, err := openKeys("", folder)
	require.NoError(t, err)

	d := &demo{log: &lines{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	require.NoError(t, err)
	d.url = "http://localhost:" + port
	d.app, err = newApp(parts{base: d.url, op: o, db: db, keys: keys, logger: slog.New(slog.NewTextHandler(d.log, nil))})
	require.NoError(t, err)
	return d
}

// get opens a page and keeps it.
func (d *demo) get(b *signontest.Browser, path string) *signontest.Page {
	p := b.Get(d.url + path).FollowAll(9)
	d.pages = append(d.pages, p)
	return p
}

func TestSignInAndLookAround(t *testing.T) {
	d := startDemo(t, signontest.Config{Interaction: signontest.Form}, nil)
	b := signontest.NewBrowser(t)

	home := d.get(b, "/")
	require.Equal(t, http.StatusOK, home.Status)
	require.Contains(t, home.Body, "Alice and Bob")

	form := home.Click("/me").FollowAll(9)
	require.True(t, strings.HasPrefix(form.URL.String(), d.provider.Issuer()), "the provider asks who it is")
	me := form.Submit("login", url.Values{"username": {"bob"}, "decision": {"approve"}}).FollowAll(9)
	d.pages = append(d.pages, me)
	require.Equal(t, d.url+"/me", me.URL.String())
	for _, want := range []string{"Bob Brown", "bob@example.com", "not verified", "openid", "Sign out"} {
		require.Contains(t, me.Body, want)
	}

	token := d.get(b, "/token")
	require.Contains(t, token.Body, `http-equiv="refresh"`)
	require.Contains(t, token.Body, "not yet")
	require.Contains(t, d.get(b, "/api").Body, "<li>pear</li>")
	require.Equal(t, http.StatusForbidden, d.get(b, "/admin").Status)

	out := me.Submit("/auth/logout", nil).FollowAll(9)
	require.Equal(t, d.url+"/", out.URL.String())
	require.Equal(t, http.StatusSeeOther, b.Get(d.url+"/me").Status, "signed out")
	require.Equal(t, 1, d.provider.Count(signontest.EndSession), "at the provider too")
	requireNoSecrets(t, d)
}

// requireNoSecrets looks for what must be in no page and no log, by what the provider
// has handed out, and for scripts.
func requireNoSecrets(t *testing.T, d *demo) {
	t.Helper()
	require.NotEmpty(t, d.provider.Secrets())
	for _, p := range d.pages {
		for _, secret := range d.provider.Secrets() {
			require.NotContains(t, p.Body, secret, p.URL.String())
		}
		require.NotContains(t, strings.ToLower(p.Body), "<script", p.URL.String())
		require.Contains(t, p.Header.Get("Content-Security-Policy"), "default-src 'none'", p.URL.String())
	}
	for _, secret := range d.provider.Secrets() {
		require.NotContains(t, d.log.String(), secret)
	}
}

var refreshedText = regexp.MustCompile(`id="refreshed">([^<]*)<`)

func (d *demo) refreshed(t *testing.T, b *signontest.Browser) string {
	t.Helper()
	found := refreshedText.FindStringSubmatch(d.get(b, "/token").Body)
	require.Len(t, found, 2)
	return found[1]
}

// A token of one second has expired at the next look, give or take.
func TestWatchRefresh(t *testing.T) {
	d := startDemo(t, signontest.Config{TokenLife: time.Second}, nil)
	b := signontest.NewBrowser(t)
	require.Equal(t, http.StatusOK, d.get(b, "/me").Status)
	require.Eventually(t, func() bool { return d.refreshed(t, b) == "2 times" }, 10*time.Second, 50*time.Millisecond)
	require.Zero(t, d.provider.Stats().RefreshReused)
	require.Regexp(t, `<time>\d\d:\d\d:\d\d</time>`, d.get(b, "/token").Body)
	requireNoSecrets(t, d)
}

func TestTabs(t *testing.T) {
	d := startDemo(t, signontest.Config{Interaction: signontest.Form}, nil)
	b := signontest.NewBrowser(t)
	first, second := d.get(b, "/token"), d.get(b, "/api") // both at the provider's form
	second = second.Submit("login", url.Values{"username": {"alice"}}).FollowAll(9)
	first = first.Submit("login", url.Values{"username": {"alice"}}).FollowAll(9)
	require.Equal(t, d.url+"/token", first.URL.String())
	require.Equal(t, d.url+"/api", second.URL.String())
}

// UI-11: what a claim says is text, whatever it looks like.
func TestClaimsAreEscaped(t *testing.T) {
	const evil = `<script>alert(1)</script>"'&`
	users := []signontest.User{{Subject: "mallory", Name: evil, Email: "mallory@example.com"}}
	d := startDemo(t, signontest.Config{Users: users}, nil)
	b := signontest.NewBrowser(t)
	me := d.get(b, "/me")
	require.Equal(t, http.StatusOK, me.Status)
	require.NotContains(t, me.Body, "<script>alert")
	require.Contains(t, me.Body, "&lt;script&gt;alert(1)")
}

func TestErrorPages(t *testing.T) {
	d := startDemo(t, signontest.Config{Interaction: signontest.Form}, nil)
	b := signontest.NewBrowser(t)
	denied := d.get(b, "/switch?return_to=/me").Submit("login", url.Values{"decision": {"deny"}}).FollowAll(9)
	require.Equal(t, http.StatusForbidden, denied.Status)
	require.Contains(t, denied.Body, "was refused")
	require.Contains(t, denied.Body, `href="/auth/login/demo?return_to=%2Fme"`)

	bad := d.get(b, "/auth/callback/demo?code=made-up&state=made-up")
	require.Equal(t, http.StatusBadRequest, bad.Status)
	require.Contains(t, bad.Body, "belongs to no sign-in")
	require.NotContains(t, bad.Body, "made-up")

	script := bad.Fetch(http.MethodGet, "/api")
	require.Equal(t, http.StatusUnauthorized, script.Status)
	require.JSONEq(t, `"unauthenticated"`, string(regexp.MustCompile(`"unauthenticated"`).FindString(script.Body)))

	require.Equal(t, d.url+"/api", b.Get(strings.Replace(d.url, "localhost", "127.0.0.1", 1)+"/api").Location(),
		"the cookies are for one name of this host")
}

func TestOtherProvider(t *testing.T) {
	d := startDemo(t, signontest.Config{}, func(p *signontest.Provider) map[string]string {
		return map[string]string{
			"SIGNON_ISSUER": p.Issuer(), "SIGNON_CLIENT_ID": p.ClientID(), "SIGNON_CLIENT_SECRET": p.ClientSecret(),
		}
	})
	b := signontest.NewBrowser(t)
	require.Contains(t, d.get(b, "/").Body, d.provider.Issuer())
	require.Contains(t, d.get(b, "/me").Body, "Alice Adams")
	require.Contains(t, d.get(b, "/api").Body, "alice@example.com", "its userinfo")
	require.Contains(t, d.op.describe(d.url), d.url+"/auth/callback/127-0-0-1-")
	require.Contains(t, d.op.describe(d.url), d.url+"/auth/logged-out/127-0-0-1-")
	requireNoSecrets(t, d)
}

// lines is a writer that a test can wait for.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func noEnv(string) string { return "" }

func TestRun(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var out lines
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"-addr", "127.0.0.1:0", "-provider", "127.0.0.1:0", "-dir", t.TempDir()}, noEnv, &out)
	}()
	address := regexp.MustCompile(`http://localhost:\d+`)
	require.Eventually(t, func() bool { return strings.Contains(out.String(), "Ctrl-C") }, 5*time.Second, 5*time.Millisecond)
	resp, err := http.Get(address.FindString(out.String()))
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, resp.Body)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)

	stop()
	require.NoError(t, <-done)
	_, err = http.Get(address.FindString(out.String()))
	require.Error(t, err, "it has stopped")
}

func TestRunErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	for _, tt := range []struct {
		name string
		args []string
		env  map[string]string
	}{
		{"the address is taken", []string{"-addr", taken.Addr().String()}, nil},
		{"the provider's address is taken", []string{"-provider", taken.Addr().String()}, nil},
		{"no such flag", []string{"-nonsense"}, nil},
		{"no client id", nil, map[string]string{"SIGNON_ISSUER": "https://op.example"}},
		{"no such database", nil, map[string]string{"DATABASE_URL": "oracle://db"}},
		{"no key", nil, map[string]string{"SIGNON_KEYS": "secret"}},
		{"no folder", []string{"-dir", "/dev/null/demo"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"-addr", "127.0.0.1:0", "-provider", "127.0.0.1:0", "-dir", t.TempDir()}, tt.args...)
			err := run(t.Context(), args, func(name string) string { return tt.env[name] }, io.Discard)
			require.Error(t, err)
		})
	}
	moved, err := listen(taken.Addr().String(), true)
	require.NoError(t, err)
	require.NoError(t, moved.Close())
}

func TestPast(t *testing.T) {
	for want, d := range map[string]time.Duration{"just now": 90 * time.Second, "29 min ago": 29*time.Minute + 50*time.Second, "7 h ago": 7*time.Hour + time.Minute} {
		require.Equal(t, want, past(d))
	}
}

func TestSpoken(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"now": -time.Second, "in 30 s": 29600 * time.Millisecond, "in 5 min": 5 * time.Minute, "in 8 h": 8*time.Hour - time.Second,
	} {
		require.Equal(t, want, spoken(d))
	}
}
