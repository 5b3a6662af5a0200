package sessiongorm_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/sessionstore/sessiongorm"
)

// requireFaults fails unless each method says that the store could not tell: an error, and
// none that decides anything. SE-11
func requireFaults(t *testing.T, store *sessiongorm.Store, rec *sessionstore.Record, names func(string) bool) {
	t.Helper()
	require.NotErrorIs(t, store.CommitCtx(t.Context(), "token", nil, time.Now()), sessionstore.ErrUnfit)
	for _, c := range calls(store, rec) {
		if !names(c.name) {
			continue
		}
		err := c.do(t.Context())
		require.Error(t, err, c.name)
		for _, verdict := range []error{sessionstore.ErrNotFound, sessionstore.ErrExists, sessionstore.ErrClaimed, sessionstore.ErrUnfit} {
			require.NotErrorIs(t, err, verdict, c.name)
		}
	}
}

func all(string) bool { return true }

func TestClosedDatabase(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store, rec := open(t, db), record()
		require.NoError(t, store.CreateLogin(t.Context(), rec))
		pool, err := db.DB()
		require.NoError(t, err)
		require.NoError(t, pool.Close())
		requireFaults(t, store, rec, all)
		require.Error(t, store.Migrate(t.Context()))
		require.Error(t, store.Check(t.Context()))
	})
}

func TestMissingTables(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store, err := sessiongorm.New(db)
		require.NoError(t, err)
		requireFaults(t, store, record(), all)
		_, err = store.Login(t.Context(), "id")
		require.ErrorContains(t, err, "Migrate")
		require.ErrorContains(t, store.Check(t.Context()), "Migrate")
	})
}

// ST-08: what is there can be read, nothing can be written, and that is an error.
func TestReadOnly(t *testing.T) {
	for kind, set := range map[string]string{
		dbtest.SQLite:   "_query_only=true",
		dbtest.Postgres: "default_transaction_read_only=on",
		dbtest.MariaDB:  "tx_read_only=1",
	} {
		t.Run(kind, func(t *testing.T) {
			dsn := dbtest.DSN(t, kind)
			rec := record()
			writable := open(t, dbtest.OpenDSN(t, kind, dsn))
			require.NoError(t, writable.CreateLogin(t.Context(), rec))
			store, err := sessiongorm.New(dbtest.OpenDSN(t, kind, withSetting(dsn, set)))
			require.NoError(t, err)
			require.NoError(t, store.Check(t.Context()))
			requireFaults(t, store, rec, func(name string) bool {
				return !strings.HasPrefix(name, "Login") && name != "FindCtx" && name != "DeleteExpired"
			})
			got, err := store.Login(t.Context(), rec.ID)
			require.NoError(t, err)
			require.Equal(t, rec, got, "nobody is signed out by it")
		})
	}
}

// ST-08: behind a lock that nobody gives back, each statement ends at its Timeout.
func TestLockedIsBounded(t *testing.T) {
	for _, tt := range []struct{ kind, lock, unlock string }{
		{dbtest.SQLite, "BEGIN EXCLUSIVE", "ROLLBACK"},
		{dbtest.Postgres, "BEGIN; LOCK TABLE signon_logins, signon_claims, signon_sessions IN ACCESS EXCLUSIVE MODE", "ROLLBACK"},
		{dbtest.MariaDB, "LOCK TABLES signon_logins WRITE, signon_claims WRITE, signon_sessions WRITE", "UNLOCK TABLES"},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			dsn := strings.Replace(dbtest.DSN(t, tt.kind), "_busy_timeout=5000", "_busy_timeout=20", 1)
			db := dbtest.OpenDSN(t, tt.kind, dsn)
			store, rec := open(t, db), record()
			require.NoError(t, store.CreateLogin(t.Context(), rec))
			store.Timeout = 100 * time.Millisecond
			hold(t, db, tt.lock, tt.unlock, func() {
				began := time.Now()
				// Of another login: MariaDB may do later what nobody waited for.
				requireFaults(t, store, record(), func(name string) bool {
					// SQLite's readers do not wait for the one who writes.
					return tt.kind != dbtest.SQLite || !strings.HasPrefix(name, "Login") && name != "FindCtx" && name != "DeleteExpired"
				})
				require.Less(t, time.Since(began), 10*time.Second)
			})
			got, err := store.Login(t.Context(), rec.ID)
			require.NoError(t, err)
			require.Equal(t, rec, got)
		})
	}
}

// hold runs act while a connection of its own holds a lock.
func hold(t *testing.T, db *gorm.DB, lock, unlock string, act func()) {
	t.Helper()
	pool, err := db.DB()
	require.NoError(t, err)
	conn, err := pool.Conn(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close()) }()
	_, err = conn.ExecContext(t.Context(), lock)
	require.NoError(t, err)
	defer func() {
		_, err := conn.ExecContext(context.WithoutCancel(t.Context()), unlock)
		require.NoError(t, err)
	}()
	act()
}

// ST-08: nor does anybody wait for ever for a connection.
func TestEmptyPoolIsBounded(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store, rec := open(t, db), record()
		pool, err := db.DB()
		require.NoError(t, err)
		pool.SetMaxOpenConns(1)
		store.Timeout = 50 * time.Millisecond
		hold(t, db, "SELECT 1", "SELECT 1", func() { requireFaults(t, store, rec, all) })
		require.NoError(t, store.CreateLogin(t.Context(), rec), "and then it goes on")
	})
}

// A visitor who leaves is not waited for, but for what has begun to end a login.
func TestContextEndsMeanwhile(t *testing.T) {
	for _, tt := range []struct{ kind, lock, unlock string }{
		{dbtest.Postgres, "BEGIN; LOCK TABLE signon_logins IN ACCESS EXCLUSIVE MODE", "ROLLBACK"},
		{dbtest.MariaDB, "LOCK TABLES signon_logins WRITE", "UNLOCK TABLES"},
	} {
		t.Run(tt.kind, func(t *testing.T) {
			db := dbtest.Open(t, tt.kind)
			store, rec := open(t, db), record()
			require.NoError(t, store.CreateLogin(t.Context(), rec))
			ended := make(chan []*sessionstore.Record)
			hold(t, db, tt.lock, tt.unlock, func() {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				defer cancel()
				go func() {
					recs, _ := store.EndLogins(ctx, sessionstore.Selector{ID: rec.ID})
					ended <- recs
				}()
				_, err := store.Login(ctx, rec.ID)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.NotErrorIs(t, err, sessionstore.ErrNotFound)
			})
			recs := <-ended
			require.Len(t, recs, 1)
			require.Equal(t, rec, recs[0])
		})
	}
}
