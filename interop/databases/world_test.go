package databases_test

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/signontest"
)

const appURL = "https://app.test"

// TestMain runs more tests at once than there are processors: most wait, for an expiry
// or the end of a pause.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "24"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// A world is one application, of two replicas or more, on one database.
type world struct {
	t        *testing.T
	setup    setup
	kind     string
	dsn      string
	db       *gorm.DB // a way to the rows for whoever can write to the database
	op       *signontest.Provider
	traps    *traps
	log      *text // of the replicas
	sql      *text // of their gorm.DB
	replicas []*replica
	turn     atomic.Uint64
}

// setup says how a world differs from the plain one, in which the token is the user's.
type setup struct {
	op       signontest.Config
	byLogin  bool // the token is the login's
	replicas int  // if 0, 2
	keys     [][]byte
	timeout  time.Duration // of the stores. If 0, theirs
	config   func(*signon.Config)
	provider func(*signon.Provider)
}

// each runs test on each database, in a world of its own.
func each(t *testing.T, with setup, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, newWorld(t, kind, with))
		})
	}
}

func newWorld(t *testing.T, kind string, with setup) *world {
	t.Helper()
	if with.replicas == 0 {
		with.replicas = 2
	}
	if with.keys == nil {
		with.keys = keys(1)
	}
	w := &world{t: t, setup: with, kind: kind, dsn: dbtest.DSN(t, kind), traps: &traps{}, log: &text{}, sql: &text{}}
	w.db = dbtest.OpenDSN(t, kind, w.dsn)
	w.op = signontest.NewInProcess(with.op)
	t.Cleanup(w.op.Close)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the replicas logged:\n%s", w.log)
		}
	})
	for range with.replicas {
		w.replicas = append(w.replicas, w.start(with.keys))
	}
	return w
}

// keys are sealing keys, the first of which seals.
func keys(numbers ...byte) (ring [][]byte) {
	for _, n := range numbers {
		key := sha256.Sum256([]byte{n})
		ring = append(ring, key[:])
	}
	return ring
}

// ServeHTTP is the application: at each of its replicas in turn, as behind a load
// balancer.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.replicas[w.turn.Add(1)%uint64(len(w.replicas))].handler.ServeHTTP(rw, r)
}

func (w *world) browser() *signontest.Browser {
	b := signontest.NewBrowser(w.t)
	b.Serve(appURL, w)
	b.Serve(w.op.Issuer(), w.op)
	return b
}

// signIn signs a user in, and fails the test if that fails.
func (w *world) signIn(b *signontest.Browser, user string) {
	w.t.Helper()
	page := b.Get(loginURL(user)).FollowAll(9)
	require.Equal(w.t, http.StatusOK, page.Status, page.Body)
	require.Equal(w.t, user, page.Body)
}

// upToCallback begins a login and returns the URL that the provider sends the browser
// back to.
func (w *world) upToCallback(b *signontest.Browser, user string) string {
	w.t.Helper()
	return b.Get(loginURL(user)).Follow().Location()
}

func loginURL(user string) string {
	return appURL + "/auth/login/op?" + url.Values{"return_to": {"/who"}, "login_hint": {user}}.Encode()
}

// open presents a URL to a replica with the cookies that a browser has now, and takes no
// new ones.
func (w *world) open(ctx context.Context, replica int, b *signontest.Browser, at string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, at, nil).WithContext(ctx)
	for name, value := range b.Cookies(at) {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	w.replicas[replica].handler.ServeHTTP(rec, r)
	return rec
}

// signedIn is a browser in which a user has signed in with a token that lives for life.
func (w *world) signedIn(user string, life time.Duration) *signontest.Browser {
	w.t.Helper()
	w.op.TokenResponse(func(m map[string]any) { m["expires_in"] = int(life / time.Second) })
	b := w.browser()
	w.signIn(b, user)
	w.op.TokenResponse(nil)
	return b
}

// expired is a browser in which a user has signed in whose token has expired by now.
func (w *world) expired(user string) *signontest.Browser {
	w.t.Helper()
	b := w.signedIn(user, time.Second)
	time.Sleep(1100 * time.Millisecond)
	return b
}

// as is the context of work for an owner.
func (w *world) as(owner string) context.Context { return signon.WithOwner(w.t.Context(), owner) }

// token asks a replica for an owner's token.
func (w *world) token(replica int, owner string) (*oauth2.Token, error) {
	return w.replicas[replica].client.Token(w.as(owner))
}

// served is the token that a replica has for an owner.
func (w *world) served(replica int, owner string) *oauth2.Token {
	w.t.Helper()
	token, err := w.token(replica, owner)
	require.NoError(w.t, err)
	return token
}

// ask has each replica asked n times at once, and returns how often each answer came:
// an access token, or an error.
func (w *world) ask(n int, owner string) map[string]int {
	answers := make(chan string)
	for i := range n * len(w.replicas) {
		go func() {
			token, err := w.token(i%len(w.replicas), owner)
			if err != nil {
				answers <- fmt.Sprintf("%.90s", err)
				return
			}
			answers <- token.AccessToken
		}()
	}
	got := map[string]int{}
	for range n * len(w.replicas) {
		got[<-answers]++
	}
	return got
}

// refreshes counts the requests for a refresh that the provider has received.
func (w *world) refreshes() (n int) {
	for _, r := range w.op.Requests(signontest.Token) {
		if r.Form.Get("grant_type") == "refresh_token" {
			n++
		}
	}
	return n
}

// requireRefreshed: that many refreshes were asked for, and none with a token that had
// been replaced.
func (w *world) requireRefreshed(n int) {
	w.t.Helper()
	require.Equal(w.t, n, w.refreshes(), "requests for a refresh")
	require.Zero(w.t, w.op.Stats().RefreshReused, "refresh tokens sent again")
}

// who is whom a browser is signed in as, or the status.
func who(b *signontest.Browser) string {
	page := b.Get(appURL + "/who")
	if page.Status != http.StatusOK {
		return http.StatusText(page.Status)
	}
	return page.Body
}

// items opens a page that wants a token and calls the API.
func items(b *signontest.Browser) int { return b.Get(appURL + "/items").Status }

func (w *world) exec(statement string, args ...any) int64 {
	w.t.Helper()
	done := w.db.WithContext(w.t.Context()).Exec(statement, args...)
	require.NoError(w.t, done.Error, statement)
	return done.RowsAffected
}

func (w *world) count(table string) (n int) {
	w.t.Helper()
	require.NoError(w.t, w.db.Raw("SELECT COUNT(*) FROM "+table).Row().Scan(&n))
	return n
}

// column is what one column of an owner's row has.
func (w *world) column(owner, name string) (value string) {
	w.t.Helper()
	require.NoError(w.t, w.db.Raw("SELECT "+name+" FROM signon_tokens WHERE owner = ?", owner).Row().Scan(&value))
	return value
}

func answer(rw http.ResponseWriter, resp *http.Response, err error) {
	if err != nil {
		http.Error(rw, "no items", http.StatusBadGateway)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	rw.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(rw, resp.Body)
}
