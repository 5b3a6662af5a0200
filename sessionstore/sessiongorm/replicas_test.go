package sessiongorm_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/sessionstore/sessiongorm"
)

// eachPair runs test with two stores over one database, as two replicas have them, on
// each kind of database and with some settings.
func eachPair(t *testing.T, settings []setting, test func(t *testing.T, stores [2]*sessiongorm.Store)) {
	t.Helper()
	all := []setting{
		{"default", dbtest.SQLite, "_foreign_keys=on"},
		{"default", dbtest.Postgres, "application_name=signon"},
		{"default", dbtest.MariaDB, "parseTime=true"},
	}
	for _, s := range append(all, settings...) {
		t.Run(s.kind+" "+s.name, func(t *testing.T) {
			dsn := withSetting(dbtest.DSN(t, s.kind), s.set)
			test(t, [2]*sessiongorm.Store{
				open(t, dbtest.OpenDSN(t, s.kind, dsn)),
				open(t, dbtest.OpenDSN(t, s.kind, dsn)),
			})
		})
	}
}

// race calls act n times at once and counts the calls that succeeded. Any error but want
// fails the test.
func race(t *testing.T, n int, want error, act func(i int) error) int {
	t.Helper()
	errs := make([]error, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-start
			errs[i] = act(i)
		})
	}
	close(start)
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		require.ErrorIs(t, err, want)
	}
	return won
}

// ST-12, AR-06: 50 racers at two replicas, for a new claim, for one that has passed, and
// for one that is being swept away.
func TestOneClaims(t *testing.T) {
	eachPair(t, settings(), func(t *testing.T, stores [2]*sessiongorm.Store) {
		for round := range 4 {
			key := fmt.Sprint("state ", round)
			if round > 0 {
				require.NoError(t, stores[0].Claim(t.Context(), key, time.Now().Add(-time.Hour)))
			}
			until := time.Now().Add(time.Hour)
			won := race(t, 50, sessionstore.ErrClaimed, func(i int) error {
				if round > 1 && i < 4 {
					_, err := stores[i%2].DeleteExpired(t.Context())
					return errors.Join(err, sessionstore.ErrClaimed)
				}
				return stores[i%2].Claim(t.Context(), key, until)
			})
			require.Equal(t, 1, won)
		}
	})
}

// Each of 40 logins is ended by one of the callers at two replicas, whatever they select
// by, while new ones are made and old ones touched.
func TestOneEndsEach(t *testing.T) {
	eachPair(t, settings(), func(t *testing.T, stores [2]*sessiongorm.Store) {
		var ids []string
		base := record()
		for i := range 40 {
			rec := record()
			rec.Owner, rec.Issuer, rec.Subject = base.Owner, base.Issuer, base.Subject
			require.NoError(t, stores[i%2].CreateLogin(t.Context(), rec))
			ids = append(ids, rec.ID)
		}
		var mu sync.Mutex
		var ended []string
		race(t, 24, sessionstore.ErrNotFound, func(i int) error {
			store := stores[i%2]
			by := sessionstore.Selector{Owner: base.Owner}
			switch i % 4 {
			case 0:
				return store.TouchLogin(t.Context(), ids[i], time.Now().Add(time.Minute))
			case 1:
				return store.CreateLogin(t.Context(), record())
			case 2:
				by = sessionstore.Selector{Issuer: base.Issuer, Subject: base.Subject}
			}
			recs, err := store.EndLogins(t.Context(), by)
			mu.Lock()
			defer mu.Unlock()
			for _, rec := range recs {
				ended = append(ended, rec.ID)
			}
			return err
		})
		require.ElementsMatch(t, ids, ended)
	})
}

// Signed out at one is signed out at the other, at once.
func TestEndedEverywhere(t *testing.T) {
	eachPair(t, nil, func(t *testing.T, stores [2]*sessiongorm.Store) {
		rec := record()
		require.NoError(t, stores[0].CreateLogin(t.Context(), rec))
		got, err := stores[1].Login(t.Context(), rec.ID)
		require.NoError(t, err)
		require.Equal(t, rec, got)

		ended, err := stores[0].EndLogins(t.Context(), sessionstore.Selector{Owner: rec.Owner})
		require.NoError(t, err)
		require.Len(t, ended, 1)
		_, err = stores[1].Login(t.Context(), rec.ID)
		require.ErrorIs(t, err, sessionstore.ErrNotFound)
		require.ErrorIs(t, stores[1].TouchLogin(t.Context(), rec.ID, time.Now().Add(time.Minute)), sessionstore.ErrNotFound)

		require.NoError(t, stores[0].CommitCtx(t.Context(), "token", []byte("data"), rec.ExpiresAt))
		b, found, err := stores[1].FindCtx(t.Context(), "token")
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, "data", string(b))
		require.NoError(t, stores[1].DeleteCtx(t.Context(), "token"))
		_, found, err = stores[0].FindCtx(t.Context(), "token")
		require.NoError(t, err)
		require.False(t, found)
	})
}

// One who died between the steps of EndLogins has ended the login all the same.
func TestEndedByTheDead(t *testing.T) {
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			db := dbtest.Open(t, kind)
			store := open(t, db)
			rec, other := record(), record()
			require.NoError(t, store.CreateLogin(t.Context(), rec))
			require.NoError(t, store.CreateLogin(t.Context(), other))
			longAgo := time.Now().Add(-2 * time.Minute).UnixMilli()
			require.NoError(t, db.Exec("UPDATE signon_logins SET ended_by = 'the dead', gone_at = ? WHERE id = ?", longAgo, rec.ID).Error)

			_, err := store.Login(t.Context(), rec.ID)
			require.ErrorIs(t, err, sessionstore.ErrNotFound)
			require.ErrorIs(t, store.TouchLogin(t.Context(), rec.ID, time.Now().Add(time.Minute)), sessionstore.ErrNotFound)
			for _, do := range []func(context.Context, sessionstore.Selector) ([]*sessionstore.Record, error){store.Logins, store.EndLogins} {
				recs, err := do(t.Context(), sessionstore.Selector{Owner: rec.Owner})
				require.NoError(t, err)
				require.Empty(t, recs)
			}
			n, err := store.DeleteExpired(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, 1, n)
			_, err = store.Login(t.Context(), other.ID)
			require.NoError(t, err)
		})
	}
}

// Fifty replicas start at once on an empty database.
func TestAllMigrateAtOnce(t *testing.T) {
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			dsn := dbtest.DSN(t, kind)
			var stores [2]*sessiongorm.Store
			for i := range stores {
				store, err := sessiongorm.New(dbtest.OpenDSN(t, kind, dsn))
				require.NoError(t, err)
				stores[i] = store
			}
			var n atomic.Int64
			won := race(t, 50, nil, func(int) error { return stores[n.Add(1)%2].Migrate(t.Context()) })
			require.Equal(t, 50, won)
			require.NoError(t, stores[0].CreateLogin(t.Context(), record()))
		})
	}
}
