package storm_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/dbtest"
)

// each runs a test with three replicas on each database, all at once: they wait most
// of the time.
func each(t *testing.T, program string, life time.Duration, test func(t *testing.T, w *world)) {
	t.Run("on", func(t *testing.T) {
		for _, database := range databases {
			t.Run(database, func(t *testing.T) {
				t.Parallel()
				test(t, newWorld(t, program, database, 3, life))
			})
		}
	})
}

// One callback comes 50 times at once, to three replicas: the code is spent once, and
// there is one login (AR-06).
func TestSameCallbackAtOnce(t *testing.T) {
	each(t, build(t), time.Hour, func(t *testing.T, w *world) {
		u := newUser(t, w, "alice", newCounts())
		callback, cookies := u.upToCallback(t)
		w.line.faults.Store(&faults{latency: func(string) held { return held{before: time.Second} }})

		var all sync.WaitGroup
		var mu sync.Mutex
		status, sessions := map[int]int{}, 0
		for i := range 50 {
			all.Go(func() {
				resp := present(t, w.fleet.only(i%3), callback, cookies)
				mu.Lock()
				defer mu.Unlock()
				status[resp.StatusCode]++
				if strings.Contains(strings.Join(resp.Header.Values("Set-Cookie"), "\n"), "__Host-session=") {
					sessions++
				}
			})
		}
		all.Wait()
		codes, _ := w.ledger.requests()
		require.Equal(t, 1, codes, "requests with the code")
		require.Equal(t, 1, status[http.StatusSeeOther], "answers by status: %v", status)
		require.Equal(t, 49, status[http.StatusBadRequest]+status[http.StatusConflict], "answers by status: %v", status)
		require.Equal(t, 1, sessions, "session cookies")
		for _, table := range []string{"signon_logins", "signon_sessions", "signon_tokens"} {
			require.Equal(t, 1, w.rows(t, table), table)
		}
	})
}

// upToCallback begins a login and stops before the callback: the URL that the
// provider sends the browser to, and the cookies that the browser would take there.
func (u *user) upToCallback(t testing.TB) (callback string, cookies []*http.Cookie) {
	t.Helper()
	stops := *u.client
	stops.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path != "/auth/callback/op" {
			return nil
		}
		callback, cookies = r.URL.String(), u.client.Jar.Cookies(r.URL)
		return http.ErrUseLastResponse
	}
	resp, err := stops.Get(origin + "/auth/login/op?" + url.Values{"login_hint": {u.name}}.Encode())
	require.NoError(t, err)
	_ = resp.Body.Close()
	require.NotEmpty(t, callback, "%s at %s", resp.Status, resp.Request.URL.Path)
	require.NotEmpty(t, cookies)
	return callback, cookies
}

// present opens a URL without following redirects.
func present(t testing.TB, via http.RoundTripper, at string, cookies []*http.Cookie) *http.Response {
	r, err := http.NewRequest(http.MethodGet, at, nil)
	if err != nil {
		t.Error(err)
		return new(http.Response)
	}
	r.Header.Set("Accept", "text/html")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	resp, err := via.RoundTrip(r)
	if err != nil {
		t.Error(err)
		return new(http.Response)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp
}

// rows counts what a table holds.
func (w *world) rows(t testing.TB, table string) (n int) {
	t.Helper()
	db := dbtest.OpenDSN(t, w.fleet.settings.Database, w.dsn)
	require.NoError(t, db.Raw("SELECT COUNT(*) FROM "+table).Row().Scan(&n))
	return n
}

const (
	shortLife = 8 * time.Second // enough that a new token outlives the answer that brings it
	lease     = 15 * time.Second
	answers   = 4 * time.Second // what the provider takes for a refresh, here
	spare     = 2 * time.Second
)

// A replica is killed in the middle of two refreshes: one of the others takes over
// when its leases have run out, and nobody, there or at the third replica, waits
// longer than for that and the refresh (RF-03, RF-04).
func TestHolderKilled(t *testing.T) {
	each(t, build(t), shortLife, func(t *testing.T, w *world) {
		// Alice's request never reaches the provider. Bob's does, and the new pair dies
		// with the replica: the provider takes the second use of the old one for a
		// theft, and the login ends, cleanly.
		alice, bob := newUser(t, w, "alice", newCounts()), newUser(t, w, "bob", newCounts())
		require.NoError(t, alice.login(t.Context()))
		require.NoError(t, bob.login(t.Context()))
		_, _, expires := w.ledger.current("bob")
		w.line.holdFirst(map[string]held{"alice": {before: time.Hour}, "bob": {after: time.Hour}})
		bob.awaitExpiry(t, shortLife/4)
		for _, u := range []*user{alice, bob} {
			go func() { _ = u.via(w.fleet.only(0)).ask(context.WithoutCancel(t.Context())) }()
		}
		w.ledger.await(t, "alice", false)
		w.ledger.await(t, "bob", true)
		killed := time.Now()
		w.fleet.kill(0)

		sleep(t.Context(), time.Until(expires)+100*time.Millisecond) // until then they take the old ones
		var both sync.WaitGroup
		var alices, bobs []outcome
		both.Go(func() { alices = askAtOnce(t, alice, 20, 1, 2) })
		both.Go(func() { bobs = askAtOnce(t, bob, 20, 1, 2) })
		both.Wait()
		for want, list := range map[int][]outcome{http.StatusOK: alices, http.StatusUnauthorized: bobs} {
			for _, o := range list {
				require.Equal(t, want, o.status, "%s at replica %s after %v: %v", o.user, o.by, o.took, o.err)
				require.LessOrEqual(t, o.at.Add(o.took).Sub(killed), lease+answers+spare)
			}
		}
		for _, u := range []*user{alice, bob} {
			f := w.ledger.newest[u.name]
			require.Len(t, f.generations[0].requests, 2, "requests for a refresh: %s", w.ledger.history(f))
		}
		require.Empty(t, w.ledger.tally().violations)

		w.line.faults.Store(&faults{})
		require.NoError(t, bob.login(t.Context()), "after that one signs in again")
		require.Equal(t, http.StatusOK, alice.ask(t.Context()).status)
		require.Equal(t, http.StatusOK, bob.ask(t.Context()).status)
	})
}

// A replica that is asked to stop while it refreshes, for somebody who has left,
// stores what the refresh brings before it ends (RT-05, RF-05).
func TestStopInTheMiddle(t *testing.T) {
	each(t, build(t), shortLife, func(t *testing.T, w *world) {
		u := newUser(t, w, "alice", newCounts())
		require.NoError(t, u.login(t.Context()))
		w.line.holdFirst(nil)
		u.awaitExpiry(t, shortLife/4)

		ctx, leave := context.WithCancel(t.Context())
		left := make(chan struct{})
		go func() {
			defer close(left)
			_ = u.via(w.fleet.only(0)).ask(ctx)
		}()
		w.ledger.await(t, "alice", true)
		leave()
		<-left
		require.NoError(t, w.fleet.at(0).stop())

		o := u.via(w.fleet.only(1)).ask(t.Context())
		require.Equal(t, http.StatusOK, o.status, "%v", o.err)
		_, refreshes := w.ledger.requests()
		require.Equal(t, 1, refreshes, "requests for a refresh: %s", w.ledger.history(w.ledger.newest["alice"]))
	})
}

// holdFirst holds the first request of each of these users at the token endpoint; all
// others take what the provider takes.
func (n *line) holdFirst(of map[string]held) {
	var mu sync.Mutex
	n.faults.Store(&faults{latency: func(user string) held {
		mu.Lock()
		defer mu.Unlock()
		if h, ok := of[user]; ok {
			delete(of, user)
			return h
		}
		return held{after: answers}
	}})
}

// awaitExpiry waits until the user's token expires, or is so near to that.
func (u *user) awaitExpiry(t testing.TB, near time.Duration) {
	t.Helper()
	_, _, expires := u.world.ledger.current(u.name)
	sleep(t.Context(), time.Until(expires.Add(-near))+100*time.Millisecond)
}

// via is the same browser on another way to the application.
func (u *user) via(way http.RoundTripper) *user {
	other, client := *u, *u.client
	client.Transport = way
	other.client = &client
	return &other
}

// await waits for a user's first request for a refresh, or for the provider's answer.
func (l *ledger) await(t testing.TB, user string, answered bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, x := range l.exchanges {
			if x.user() == user && (!answered || !x.answered.IsZero()) {
				return true
			}
		}
		return false
	}, 10*time.Second, 5*time.Millisecond, "no request for a refresh came")
}

// askAtOnce asks each of these replicas n times at once.
func askAtOnce(t testing.TB, u *user, n int, replicas ...int) []outcome {
	t.Helper()
	outcomes := make([]outcome, n*len(replicas))
	var all sync.WaitGroup
	for i := range outcomes {
		way := u.via(u.world.fleet.only(replicas[i%len(replicas)]))
		all.Go(func() { outcomes[i] = way.ask(t.Context()) })
	}
	all.Wait()
	return outcomes
}
