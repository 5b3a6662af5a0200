package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/signontest"
	"github.com/seed1a301047/signon/tokenstore"
)

// eachDatabase runs test with a DATABASE_URL of each kind; the empty one is the default.
func eachDatabase(t *testing.T, test func(t *testing.T, databaseURL string)) {
	t.Helper()
	t.Run("default", func(t *testing.T) { test(t, "") })
	t.Run(dbtest.Postgres, func(t *testing.T) { test(t, dbtest.DSN(t, dbtest.Postgres)) })
	t.Run(dbtest.MariaDB, func(t *testing.T) {
		dsn := dbtest.DSN(t, dbtest.MariaDB) // user@tcp(host:port)/database
		test(t, "mysql://"+strings.NewReplacer("@tcp(", "@", ")/", "/").Replace(dsn))
	})
}

var fingerprintText = regexp.MustCompile(`Fingerprint <b class="mono">(\w+)<`)

// signedIn tells whether a copy lets the browser in without asking the provider.
func (d *demo) signedIn(b *signontest.Browser) bool {
	p := b.Get(d.url + "/me")
	return p.Status == http.StatusOK && strings.Contains(p.Body, `id="who"`)
}

func TestCopiesShareOneDatabase(t *testing.T) {
	eachDatabase(t, func(t *testing.T, databaseURL string) {
		provider := signontest.New(t, signontest.Config{})
		o := &op{provider: provider.SignonProvider("demo"), builtIn: true}
		folder := t.TempDir()
		first, second := startCopy(t, databaseURL, folder, o), startCopy(t, databaseURL, folder, o)
		b, elsewhere := signontest.NewBrowser(t), signontest.NewBrowser(t)
		for _, d := range []*demo{first, second} {
			require.False(t, d.signedIn(b), "nobody has signed in")
		}

		require.Contains(t, b.Get(first.url+"/me").FollowAll(9).Body, "Alice Adams")
		require.True(t, second.signedIn(b), "signed in at the other copy")
		require.Contains(t, elsewhere.Get(second.url+"/me").FollowAll(9).Body, "Alice Adams")
		me := b.Get(second.url + "/me")
		require.Contains(t, me.Body, `id="copy">`+second.url+"<", "which copy it is")
		require.Equal(t, 2, strings.Count(me.Body, "since "), "two browsers are signed in")
		require.Equal(t, 1, strings.Count(me.Body, "this one"))
		fingerprints := map[string]bool{}
		for _, d := range []*demo{first, second} {
			fingerprints[fingerprintText.FindStringSubmatch(b.Get(d.url + "/token").Body)[1]] = true
		}
		require.Len(t, fingerprints, 1, "both have the one token")

		restarted := startCopy(t, databaseURL, folder, o)
		require.True(t, restarted.signedIn(b), "a login outlives the program")

		require.Equal(t, second.url+"/", b.Get(second.url+"/me").Submit("/auth/logout", nil).FollowAll(9).URL.String())
		for _, d := range []*demo{first, second, restarted} {
			require.False(t, d.signedIn(b), "signed out at all copies")
			require.True(t, d.signedIn(elsewhere), "another browser is another login")
		}
		requireSealed(t, folder, provider)
	})
}

// requireSealed looks for tokens in the files.
func requireSealed(t *testing.T, folder string, provider *signontest.Provider) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "demo.*"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, secret := range provider.Secrets() {
			require.NotContains(t, string(text), secret, name)
		}
	}
}

// A copy that refreshes serves the other one too. Once the provider was started again,
// which has forgotten all, neither can: then the user signs in once more.
func TestProviderStartedAgain(t *testing.T) {
	var handler atomic.Pointer[signontest.Provider]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.Load().ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	restart := func() *signontest.Provider {
		p := signontest.NewInProcess(signontest.Config{
			Issuer: server.URL, Interaction: signontest.Form, TokenLife: time.Second,
		})
		t.Cleanup(p.Close)
		handler.Store(p)
		return p
	}
	provider := restart()
	o := &op{provider: provider.SignonProvider("demo"), builtIn: true}
	folder := t.TempDir()
	first, second := startCopy(t, "", folder, o), startCopy(t, "", folder, o)
	b := signontest.NewBrowser(t)
	signIn := func(form *signontest.Page) {
		t.Helper()
		me := form.Submit("login", url.Values{"username": {"bob"}}).FollowAll(9)
		require.Contains(t, me.Body, "Bob Brown")
	}
	signIn(b.Get(first.url + "/me").FollowAll(9))
	require.Eventually(t, func() bool {
		one, other := first.refreshed(t, b), second.refreshed(t, b)
		return strings.HasSuffix(one, "times") && strings.HasSuffix(other, "times")
	}, 20*time.Second, 50*time.Millisecond, "both see the refreshes of both")
	require.Zero(t, provider.Stats().RefreshReused)

	restart()
	var page *signontest.Page
	require.Eventually(t, func() bool {
		page = b.Get(second.url + "/me").FollowAll(9)
		require.Equal(t, http.StatusOK, page.Status)
		return strings.HasPrefix(page.URL.String(), server.URL)
	}, 10*time.Second, 50*time.Millisecond, "the provider is asked again")
	signIn(page)
	require.True(t, first.signedIn(b))
}

func TestBuiltInProviderIsShared(t *testing.T) {
	first, err := openOP(noEnv, "127.0.0.1:0")
	require.NoError(t, err)
	addr := strings.TrimPrefix(first.provider.Issuer, "http://")
	second, err := openOP(noEnv, addr)
	require.NoError(t, err)
	require.True(t, second.shared)
	require.Equal(t, first.provider, second.provider)
	second.close()
	require.True(t, runsAt(first.provider.Issuer), "the other copy's runs on")
	first.close()
	require.False(t, runsAt(first.provider.Issuer))
	l, err := net.Listen("tcp", addr)
	require.NoError(t, err, "its address is free")
	require.NoError(t, l.Close())
}

func TestNameOf(t *testing.T) {
	for issuer, want := range map[string]string{
		"http://127.0.0.1:8079":                           "127-0-0-1-8079",
		"https://accounts.google.com":                     "accounts-google-com",
		"https://Login.example.com/realms/one/":           "login-example-com-realms-one",
		"https://é.example/" + strings.Repeat("long", 20): "example-" + strings.Repeat("long", 13) + "lo",
	} {
		require.Equal(t, want, nameOf(issuer))
	}
}

func TestDatabaseURL(t *testing.T) {
	for _, tt := range []struct{ url, dialect, place string }{
		{"postgres://user:hidden@db.example:5432/app?sslmode=require", "postgres", "PostgreSQL, db.example:5432/app"},
		{"postgresql://db.example/app", "postgres", "PostgreSQL, db.example/app"},
		{"postgres:///app?host=/run/postgresql", "postgres", "PostgreSQL, /app"},
		{"mysql://user:hidden@db.example:3306/app", "mysql", "MariaDB, db.example:3306/app"},
		{"mariadb://user@db.example/app?tls=true", "mysql", "MariaDB, db.example/app"},
		{"sqlite:/var/lib/a demo.db", "sqlite", "SQLite, /var/lib/a demo.db"},
	} {
		d, place, err := parseDatabaseURL(tt.url)
		require.NoError(t, err, tt.url)
		require.Equal(t, tt.dialect, d.Name(), tt.url)
		require.Equal(t, tt.place, place)
	}
}

// An error has nothing of a password, whatever is wrong.
func TestDatabaseURLErrors(t *testing.T) {
	for _, raw := range []string{
		"hidden", "hidden:hidden@tcp(127.0.0.1:1)/app", "://hidden", "oracle://user:hidden@db.example/app",
		"postgres://user:hid%den@db.example/app", "postgres://user:hidden/hidden@db.example/app", "mysql://user:hidden@", "mysql://user:hidden@db.example",
		"postgres://user:hidden@127.0.0.1:1/app", "mysql://user:hidden@127.0.0.1:1/app", "postgres://user:hidden@127.0.0.1:1/app?sslmode=nonsense", "postgres://127.0.0.1:1/app?sslmode=nonsense&password=hidden",
		"mysql://user:hidden@127.0.0.1:1/app?tls=nonsense", "sqlite:", "sqlite://hidden", "sqlite:/dev/null/demo.db",
	} {
		db, err := openDatabase(t.Context(), raw, t.TempDir())
		require.Error(t, err, raw)
		require.Nil(t, db)
		require.NotContains(t, err.Error(), "hid", raw)
	}
}

func TestMySQLDSN(t *testing.T) {
	for raw, want := range map[string]string{
		"mysql://root@127.0.0.1:3306/app":                 "root:@tcp(127.0.0.1:3306)/app",
		"mysql://user:p%40s%2Fs%3A@db/app?loc=Asia/Tokyo": "user:p@s/s:@tcp(db)/app?loc=Asia%2FTokyo",
	} {
		u, err := url.Parse(raw)
		require.NoError(t, err)
		require.Equal(t, want, mysqlDSN(u))
	}
}

// An SQLite file is where its name says, also with what means something in a URL.
func TestSQLiteFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a b%3F#é&.db")
	db, err := openDatabase(t.Context(), "sqlite:"+name, "")
	require.NoError(t, err)
	db.close()
	require.FileExists(t, name)
}

// What has expired goes while the demo runs, and the sweeping ends with it.
func TestSweep(t *testing.T) {
	db, err := openDatabase(t.Context(), "", t.TempDir())
	require.NoError(t, err)
	defer db.close()
	long := time.Now().Add(-time.Hour)
	require.NoError(t, db.sessions.Claim(t.Context(), "a state", long))
	key := tokenstore.Key{Provider: "demo", Owner: "login"}
	token := tokenstore.Extra{Until: long}.Put(&oauth2.Token{AccessToken: "sealed"})
	require.NoError(t, db.tokens.SaveToken(t.Context(), key, token))

	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	db.sweep(ctx, slog.New(slog.DiscardHandler))
	for _, deleteExpired := range []func(context.Context) (int64, error){db.sessions.DeleteExpired, db.tokens.DeleteExpired} {
		left, err := deleteExpired(t.Context())
		require.NoError(t, err)
		require.Zero(t, left)
	}
}

// A request that comes late with the old token is no refresh.
func TestWatchIsNotFooled(t *testing.T) {
	var w watch
	key := tokenstore.Key{Provider: "demo", Owner: "login"}
	for i, access := range []string{"one", "one", "two", "one", "two", "three", "two"} {
		h := w.see(key, &oauth2.Token{AccessToken: access})
		require.Equal(t, []int{0, 0, 1, 1, 1, 2, 2}[i], h.Count)
		require.Len(t, h.Recent, h.Count)
	}
	require.Zero(t, w.see(tokenstore.Key{Provider: "demo", Owner: "other"}, &oauth2.Token{AccessToken: "four"}).Count)
}

func TestKeys(t *testing.T) {
	folder := t.TempDir()
	var made [8][][]byte
	var all sync.WaitGroup
	for i := range made {
		all.Go(func() {
			keys, err := openKeys("", folder)
			if err == nil {
				made[i] = keys
			}
		})
	}
	all.Wait()
	for _, keys := range made {
		require.Len(t, keys, 1)
		require.Len(t, keys[0], 32)
		require.Equal(t, made[0], keys, "copies that start at once have one key")
	}
	files, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.NoError(t, makeKey(filepath.Join(folder, files[0].Name())), "another copy was quicker")
	again, err := openKeys("", folder)
	require.NoError(t, err)
	require.Equal(t, made[0], again)
	info, err := files[0].Info()
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())

	one, other := strings.Repeat("A", 43)+"=", strings.Repeat("B", 43)+"="
	keys, err := openKeys(one+", "+other+"\n", folder)
	require.NoError(t, err)
	require.Len(t, keys, 2)
	for _, bad := range []string{",", one + ",", "c2hvcnQ=", "hidden!"} {
		_, err := openKeys(bad, folder)
		require.Error(t, err, bad)
		require.NotContains(t, err.Error(), "hidden")
	}
}
