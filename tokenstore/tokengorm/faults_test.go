package tokengorm_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/tokenstore"
	"github.com/seed1a301047/signon/tokenstore/tokengorm"
)

var alice = tokenstore.Key{Provider: "example", Owner: "alice"}

func token(name string) *oauth2.Token {
	return &oauth2.Token{AccessToken: "access " + name, RefreshToken: "refresh " + name, TokenType: "Bearer"}
}

// writes are all ways to change the token of alice, which is the old one.
func writes(ctx context.Context, store *tokengorm.Store) map[string]func() error {
	return map[string]func() error{
		"SaveToken":   func() error { return store.SaveToken(ctx, alice, token("new")) },
		"UpdateToken": func() error { return store.UpdateToken(ctx, alice, token("old"), token("new")) },
		"DeleteToken": func() error { return store.DeleteToken(ctx, alice, token("old")) },
		"LeaseToken": func() error {
			return store.LeaseToken(ctx, alice, token("old"), tokenstore.Lease{Holder: "holder", TTL: time.Minute})
		},
	}
}

func requireOld(t *testing.T, store *tokengorm.Store) {
	t.Helper()
	got, err := store.FetchToken(t.Context(), alice)
	require.NoError(t, err)
	require.True(t, tokenstore.Same(got, token("old")), "nothing is changed")
	require.NoError(t, store.LeaseToken(t.Context(), alice, token("old"), tokenstore.Lease{Holder: "test"}), "no lease is taken")
}

// ST-08: a database that may only be read says so at each write, and is read.
func TestReadOnly(t *testing.T) {
	for kind, option := range map[string]string{
		dbtest.SQLite:   "&mode=ro",
		dbtest.Postgres: "&default_transaction_read_only=on",
		dbtest.MariaDB:  "?tx_read_only=1",
	} {
		t.Run(kind, func(t *testing.T) {
			dsn := dbtest.DSN(t, kind)
			right := newStore(t, dbtest.OpenDSN(t, kind, dsn))
			require.NoError(t, right.SaveToken(t.Context(), alice, token("old")))

			store := newStore(t, dbtest.OpenDSN(t, kind, dsn+option)) // Migrate has nothing to do
			for name, write := range writes(t.Context(), store) {
				err := write()
				require.ErrorContains(t, err, "tokengorm: ", name)
				require.Regexp(t, "(?i)read.?only", err.Error(), name)
				requireNoSentinel(t, err)
			}
			_, err := store.FetchToken(t.Context(), alice)
			require.NoError(t, err)
			requireOld(t, right)
		})
	}
}

// An outage must not look like what a store says of a token: it would end a login.
func requireNoSentinel(t *testing.T, err error) {
	t.Helper()
	for _, sentinel := range []error{tokenstore.ErrNotFound, tokenstore.ErrConflict, tokenstore.ErrLeased, tokenstore.ErrPaused} {
		require.NotErrorIs(t, err, sentinel)
	}
}

// begin begins a transaction on a connection of its own: SQLite's locks the file.
func begin(t *testing.T, kind, dsn string) *gorm.DB {
	t.Helper()
	tx := dbtest.OpenDSN(t, kind, dsn).Begin()
	require.NoError(t, tx.Error)
	t.Cleanup(func() { tx.Rollback() }) // where the test has failed before its end
	return tx
}

// lock holds the row of alice, or all of SQLite, until it is called.
func lock(t *testing.T, kind, dsn string) (unlock func()) {
	t.Helper()
	tx := begin(t, kind, dsn)
	require.NoError(t, tx.Exec("UPDATE signon_tokens SET updated_at = updated_at + 1 WHERE owner = ?", alice.Owner).Error)
	return func() { tx.Rollback() }
}

// later does something while the test waits for it.
func later(t *testing.T, wait time.Duration, do func()) {
	t.Helper()
	done := make(chan struct{})
	time.AfterFunc(wait, func() {
		defer close(done)
		do()
	})
	t.Cleanup(func() { <-done })
}

// ST-08: somebody else holds the row. The call ends by Timeout, or with its caller.
func TestLocked(t *testing.T) {
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			dsn := dbtest.DSN(t, kind)
			store := newStore(t, dbtest.OpenDSN(t, kind, dsn))
			for name := range writes(t.Context(), store) {
				require.NoError(t, store.SaveToken(t.Context(), alice, token("old")))
				unlock := lock(t, kind, dsn)
				store.Timeout = 200 * time.Millisecond
				start := time.Now()
				err := writes(t.Context(), store)[name]()
				require.ErrorIs(t, err, context.DeadlineExceeded, name)
				require.ErrorContains(t, err, "200ms", name)
				requireNoSentinel(t, err)

				store.Timeout = time.Minute
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				require.ErrorIs(t, writes(ctx, store)[name](), context.DeadlineExceeded, name)
				cancel()
				ctx, cancel = context.WithCancel(t.Context())
				time.AfterFunc(100*time.Millisecond, cancel)
				require.ErrorIs(t, writes(ctx, store)[name](), context.Canceled, name)
				require.Less(t, time.Since(start), 2*time.Second, name)

				_, err = store.FetchToken(t.Context(), alice)
				require.NoError(t, err, "who only reads does not wait")
				unlock()
				store.Timeout = 0
				if kind == dbtest.SQLite { // the others' servers may not have heard yet that nobody waits
					time.Sleep(250 * time.Millisecond) // whoever waited for the lock in vain looks once more
					requireOld(t, store)
				}
			}
		})
	}
}

// ST-08: the server's own patience is shorter. What it gave up was not done, and is
// tried again, twice.
func TestLockTimeout(t *testing.T) {
	for kind, server := range map[string]struct {
		option string
		wait   time.Duration // more than the server waits, less than it waits in three times
	}{
		dbtest.SQLite:   {"&_busy_timeout=20", 40 * time.Millisecond},
		dbtest.Postgres: {"&lock_timeout=50", 0}, // who sets that wants no second try
		dbtest.MariaDB:  {"?innodb_lock_wait_timeout=1", 1500 * time.Millisecond},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			dsn := dbtest.DSN(t, kind)
			if kind == dbtest.SQLite {
				dsn = strings.ReplaceAll(dsn, "&_busy_timeout=5000", "")
			}
			store := newStore(t, dbtest.OpenDSN(t, kind, dsn+server.option))
			require.NoError(t, store.SaveToken(t.Context(), alice, token("old")))
			unlock := lock(t, kind, dsn)
			err := store.UpdateToken(t.Context(), alice, token("old"), token("new"))
			require.Error(t, err)
			require.NotErrorIs(t, err, context.DeadlineExceeded)
			requireNoSentinel(t, err)
			unlock()
			requireOld(t, store)
			if server.wait > 0 {
				later(t, server.wait, lock(t, kind, dsn))
				require.NoError(t, store.UpdateToken(t.Context(), alice, token("old"), token("new")))
			}
		})
	}
}

// ST-08: a server whose transactions are stricter than they need to be gives up whoever
// meets another; what it gave up is tried again.
func TestSerializable(t *testing.T) {
	dsn := dbtest.DSN(t, dbtest.Postgres)
	store := newStore(t, dbtest.OpenDSN(t, dbtest.Postgres, dsn+"&default_transaction_isolation=serializable"))
	require.NoError(t, store.SaveToken(t.Context(), alice, token("old")))
	tx := begin(t, dbtest.Postgres, dsn)
	require.NoError(t, tx.Exec("UPDATE signon_tokens SET updated_at = updated_at + 1").Error)
	later(t, 50*time.Millisecond, func() { tx.Commit() })
	require.NoError(t, store.UpdateToken(t.Context(), alice, token("old"), token("new")))
	require.ErrorIs(t, store.UpdateToken(t.Context(), alice, token("old"), token("new")), tokenstore.ErrConflict)
}

// ST-08: all connections are taken. The call ends by Timeout.
func TestPoolFull(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store := newStore(t, db)
		require.NoError(t, store.SaveToken(t.Context(), alice, token("old")))
		pool, err := db.DB()
		require.NoError(t, err)
		pool.SetMaxOpenConns(1)
		conn, err := pool.Conn(t.Context())
		require.NoError(t, err)
		store.Timeout = 50 * time.Millisecond
		start := time.Now()
		for name, write := range writes(t.Context(), store) {
			require.ErrorIs(t, write(), context.DeadlineExceeded, name)
		}
		_, err = store.FetchToken(t.Context(), alice)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Less(t, time.Since(start), 2*time.Second)
		require.NoError(t, conn.Close())
		store.Timeout = 0
		requireOld(t, store)
		require.NoError(t, store.UpdateToken(t.Context(), alice, token("old"), token("new")), "one connection is enough")
		require.NoError(t, store.SaveToken(t.Context(), alice, token("old")))
		walked := 0
		for e, err := range store.Tokens(t.Context()) {
			require.NoError(t, err)
			require.NoError(t, store.UpdateToken(t.Context(), e.Key, e.Token, token("new")), "a walk holds no connection")
			walked++
		}
		require.Equal(t, 1, walked)
	})
}

// ST-08: the disk is full.
func TestDiskFull(t *testing.T) {
	db := dbtest.Open(t, dbtest.SQLite)
	pool, err := db.DB()
	require.NoError(t, err)
	pool.SetMaxOpenConns(1) // the limit is a connection's
	store := newStore(t, db)
	require.NoError(t, store.SaveToken(t.Context(), alice, token("old")))
	require.NoError(t, db.Exec("PRAGMA max_page_count = 8").Error)

	big := token("new")
	big.AccessToken = strings.Repeat("x", 200<<10)
	for name, err := range map[string]error{
		"SaveToken":   store.SaveToken(t.Context(), alice, big),
		"UpdateToken": store.UpdateToken(t.Context(), alice, token("old"), big),
	} {
		require.ErrorContains(t, err, "full", name)
		requireNoSentinel(t, err)
	}
	requireOld(t, store)
	require.NoError(t, store.UpdateToken(t.Context(), alice, token("old"), token("new")), "what fits is stored")
}

// ST-08: the server ends all connections. A call may fail, and says nothing of a token;
// then all is as before: the store has nothing of its own to mend.
func TestConnectionsDie(t *testing.T) {
	for kind, end := range map[string]string{
		dbtest.Postgres: "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ? AND pid <> pg_backend_pid()",
		dbtest.MariaDB:  "SELECT id FROM information_schema.processlist WHERE db = ? AND id <> CONNECTION_ID()",
	} {
		t.Run(kind, func(t *testing.T) {
			dsn := dbtest.DSN(t, kind)
			name := regexp.MustCompile(`signon_\w+`).FindString(dsn)
			admin := dbtest.OpenDSN(t, kind, dsn)
			if kind == dbtest.Postgres {
				dsn += "&application_name=" + name
			}
			store := newStore(t, dbtest.OpenDSN(t, kind, dsn))
			require.NoError(t, store.SaveToken(t.Context(), alice, token("old")))
			var ids []string
			require.NoError(t, admin.Raw(end, name).Scan(&ids).Error)
			require.NotEmpty(t, ids)
			for _, id := range ids {
				if kind == dbtest.MariaDB {
					require.NoError(t, admin.Exec("KILL "+id).Error)
				}
			}
			for range 20 { // as many as the pool has
				if _, err := store.FetchToken(t.Context(), alice); err != nil {
					requireNoSentinel(t, err)
				}
			}
			requireOld(t, store)
			require.NoError(t, store.UpdateToken(t.Context(), alice, token("old"), token("new")))
		})
	}
}

// ST-08: a caller who goes while a statement is being prepared takes no other along.
func TestCallerLeaves(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		newStore(t, db)
		store, err := tokengorm.New(db) // nothing is prepared yet
		require.NoError(t, err)
		pool, err := db.DB()
		require.NoError(t, err)
		pool.SetMaxOpenConns(1)
		conn, err := pool.Conn(t.Context())
		require.NoError(t, err)

		leaves, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		stays := make(chan error, 1)
		time.AfterFunc(30*time.Millisecond, func() {
			_, err := store.FetchToken(t.Context(), alice)
			stays <- err
		})
		_, err = store.FetchToken(leaves, alice)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(10 * time.Millisecond)
		require.NoError(t, conn.Close())
		require.ErrorIs(t, <-stays, tokenstore.ErrNotFound)
	})
}

// RF-16: of callers with one old token, on two pools of connections, one wins each round.
func TestUpdatesOfTwoProcesses(t *testing.T) {
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			dsn := dbtest.DSN(t, kind)
			one, two := newStore(t, dbtest.OpenDSN(t, kind, dsn)), newStore(t, dbtest.OpenDSN(t, kind, dsn))
			require.NoError(t, one.SaveToken(t.Context(), alice, token("0")))
			for round := range 20 {
				errs := make(chan error, 16)
				for i := range cap(errs) {
					store := []*tokengorm.Store{one, two}[i%2]
					go func() {
						errs <- store.UpdateToken(t.Context(), alice, token(fmt.Sprint(round)), token(fmt.Sprint(round+1)))
					}()
				}
				won := 0
				for range cap(errs) {
					if err := <-errs; !errors.Is(err, tokenstore.ErrConflict) {
						require.NoError(t, err)
						won++
					}
				}
				require.Equal(t, 1, won)
			}
		})
	}
}
