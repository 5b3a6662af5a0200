package databases_test

import (
	"context"
	"database/sql"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

// requireDown: the page is 503, and signs nobody out.
func requireDown(t *testing.T, b *signontest.Browser, path string) {
	t.Helper()
	page := b.Get(appURL + path)
	require.Equal(t, http.StatusServiceUnavailable, page.Status, path)
	require.NotEmpty(t, page.Header.Get("Retry-After"))
	require.Empty(t, page.Header["Set-Cookie"])
	require.NotContains(t, page.Body, "signon_")
}

// SE-11, ST-08: a table is gone for a while. That is 503 and no logout, nobody is let
// in, and all is well afterwards.
func TestTableIsGone(t *testing.T) {
	each(t, setup{byLogin: true}, func(t *testing.T, w *world) {
		b := w.signedIn("alice", time.Hour)
		for table, paths := range map[string][]string{
			"signon_tokens": {"/items"}, "signon_logins": {"/items", "/who"}, "signon_sessions": {"/items", "/who"},
		} {
			calls := w.op.Count(signontest.API)
			w.hide(table)
			for _, path := range append(paths, paths...) { // at both replicas
				requireDown(t, b, path)
			}
			require.Equal(t, http.StatusServiceUnavailable, w.browser().Get(loginURL("bob")).FollowAll(9).Status, table)
			w.reveal(table)
			require.Equal(t, calls, w.op.Count(signontest.API))
			require.Equal(t, []int{http.StatusOK, http.StatusOK}, []int{items(b), items(b)})
			require.Equal(t, "alice", who(b))
			require.Equal(t, []int{1, 1}, []int{w.count("signon_tokens"), w.count("signon_logins")}, "nothing half-written")
		}
		require.Zero(t, w.refreshes())
	})
}

// ST-08: somebody holds a lock on a user's row. Who needs that row is told so in time;
// the provider is not asked, the token is kept, and a hundred calls of this user leave
// connections for others.
func TestRowIsLocked(t *testing.T) {
	each(t, setup{timeout: 4 * time.Second}, func(t *testing.T, w *world) {
		w.signedIn("bob", time.Hour)
		w.expired("alice")
		tx := w.db.Begin()
		require.NoError(t, tx.Error)
		defer tx.Rollback() // or the end of a test that fails waits for it
		require.NoError(t, tx.Exec("UPDATE signon_tokens SET updated_at = updated_at + 1 WHERE owner = 'alice'").Error)
		began := time.Now()
		answers := make(chan map[string]int)
		go func() { answers <- w.ask(50, "alice") }()
		time.Sleep(200 * time.Millisecond)
		for i := range w.replicas {
			asked := time.Now()
			w.served(i, "bob")
			require.Less(t, time.Since(asked), 2500*time.Millisecond)
		}
		for answer := range <-answers {
			require.Contains(t, answer, "temporarily unavailable")
		}
		require.Less(t, time.Since(began), 20*time.Second)
		require.NoError(t, tx.Rollback().Error)
		require.Zero(t, w.refreshes())
		// A server may carry out now what waited for the lock, though its caller has left: a
		// lease that nobody holds, which has to run out.
		require.Eventually(t, func() bool {
			_, err := w.token(0, "alice")
			return err == nil
		}, 45*time.Second, 100*time.Millisecond)
		require.Len(t, w.ask(10, "alice"), 1)
		w.served(0, "alice")
		w.requireRefreshed(1)
	})
}

// ST-08: no connection is free. That is 503 in time, and nothing is left of it.
func TestPoolIsEmpty(t *testing.T) {
	each(t, setup{replicas: 1, timeout: time.Second}, func(t *testing.T, w *world) {
		b := w.signedIn("alice", time.Hour)
		pool, err := w.replicas[0].pool.DB()
		require.NoError(t, err)
		var taken []*sql.Conn
		for range pool.Stats().MaxOpenConnections {
			conn, err := pool.Conn(t.Context())
			require.NoError(t, err)
			taken = append(taken, conn)
		}
		began := time.Now()
		requireDown(t, b, "/items")
		require.Less(t, time.Since(began), 3*time.Second)
		for _, conn := range taken {
			require.NoError(t, conn.Close())
		}
		require.Equal(t, http.StatusOK, items(b))
	})
}

// ST-13: a process stops for ever between the exchange and the saving, at whatever step:
// nobody is signed in by what it has written, and the user signs in again elsewhere.
func TestCrashDuringSave(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"OnLogin", "SaveToken", "CreateLogin", "CommitCtx"} {
		t.Run(place, func(t *testing.T) {
			each(t, setup{byLogin: true}, func(t *testing.T, w *world) {
				b := w.browser()
				callback := w.upToCallback(b, "alice")
				g := newGate()
				w.traps.once(place, g.pass)
				ctx, leave := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					w.open(ctx, 0, b, callback)
				}()
				g.wait(w)
				leave()
				w.replicas = w.replicas[1:]
				require.Equal(t, "See Other", who(b))
				require.Equal(t, http.StatusSeeOther, items(b))
				require.Equal(t, http.StatusBadRequest, b.Get(callback).Status, "nor by the same answer")
				require.Equal(t, 1, w.op.Stats().MaxPerCode)
				w.signIn(b, "alice")
				require.Equal(t, http.StatusOK, items(b))
				close(g.open)
				<-ended
			})
		})
	}
}

// RT-02: what panics at some stage of a login is a 500; who was signed in stays so, and
// the next login works.
func TestPanicAtLogin(t *testing.T) {
	each(t, setup{byLogin: true}, func(t *testing.T, w *world) {
		b := w.browser()
		w.signIn(b, "alice")
		for _, place := range []string{"Claim", "TokenRequest", "TokenResponse", "OnLogin", "SaveToken", "CreateLogin", "CommitCtx"} {
			callback := w.upToCallback(b, "alice")
			w.traps.once(place, func(context.Context) error { panic("hunter2") })
			page := b.Get(callback)
			w.traps.clear()
			require.Equal(t, http.StatusInternalServerError, page.Status, place)
			require.Equal(t, "alice", who(b), place)
			require.Equal(t, http.StatusOK, items(b), place)
			require.Equal(t, []int{1, 1}, []int{w.count("signon_tokens"), w.count("signon_logins")}, place)
		}
		w.signIn(b, "alice")
		require.NotContains(t, w.log.String(), "hunter2")
		require.Equal(t, 1, w.op.Stats().MaxPerCode)
	})
}

// RT-02: what panics during a refresh ends this one and neither the token nor the next,
// whose lease is free at once, or after the pause of five seconds.
func TestPanicAtRefresh(t *testing.T) {
	t.Parallel()
	for place, refreshes := range map[string]int{"FetchToken": 1, "LeaseToken": 1, "RefreshRequest": 1, "UpdateToken": 1} {
		t.Run(place, func(t *testing.T) {
			each(t, setup{}, func(t *testing.T, w *world) {
				w.expired("alice")
				panics := func(context.Context) error { w.traps.clear(); panic("hunter2") }
				w.traps.set(place, panics)
				if place == "FetchToken" {
					w.traps.set(place, func(context.Context) error { w.traps.set(place, panics); return nil })
				}
				_, err := w.token(0, "alice")
				require.Equal(t, place == "UpdateToken", err == nil, "%v", err)
				if place == "RefreshRequest" {
					time.Sleep(5100 * time.Millisecond)
				}
				require.Len(t, w.ask(10, "alice"), 1)
				w.served(1, "alice")
				w.requireRefreshed(refreshes)
				require.NotContains(t, w.log.String(), "hunter2")
			})
		})
	}
}

// RT-03: a browser leaves at each stage of a login. Before the exchange has begun the
// code is not spent, and after it a login that was being saved is saved whole.
func TestBrowserLeaves(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		place            string
		exchanges, saved int
	}{
		{"before", 0, 0}, {"TokenRequest", 0, 0}, {"TokenResponse", 1, 0},
		{"OnLogin", 1, 1}, {"SaveToken", 1, 1}, {"CreateLogin", 1, 1}, {"CommitCtx", 1, 1},
	} {
		t.Run(tt.place, func(t *testing.T) {
			each(t, setup{}, func(t *testing.T, w *world) {
				b := w.browser()
				callback := w.upToCallback(b, "alice")
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				w.traps.once(tt.place, func(context.Context) error { leave(); return nil })
				if tt.place == "before" {
					leave()
				}
				w.open(ctx, 0, b, callback)
				w.traps.clear()
				require.Equal(t, tt.exchanges, w.op.Count(signontest.Token))
				require.Equal(t, []int{tt.saved, tt.saved}, []int{w.count("signon_tokens"), w.count("signon_logins")})
				w.open(t.Context(), 1, b, callback)
				require.LessOrEqual(t, w.op.Stats().MaxPerCode, 1)
				w.signIn(b, "alice")
			})
		})
	}
}

// RT-03, RF-05: whoever asks for a token leaves at each stage of a refresh, and it goes
// on to its end.
func TestCallerLeavesAnywhere(t *testing.T) {
	t.Parallel()
	for _, at := range refreshPoints {
		t.Run(at.place, func(t *testing.T) {
			each(t, setup{}, func(t *testing.T, w *world) {
				w.expired("alice")
				g := w.hold(at.place)
				ctx, leave := context.WithCancel(w.as("alice"))
				left := make(chan error)
				go func() {
					_, err := w.replicas[0].client.Token(ctx)
					left <- err
				}()
				g.wait(w)
				leave()
				require.ErrorIs(t, <-left, context.Canceled)
				close(g.open)
				require.NoError(t, w.replicas[0].auth.Shutdown(t.Context()))
				require.Equal(t, 1, w.refreshes())
				w.served(1, "alice")
				w.requireRefreshed(1)
			})
		})
	}
}
