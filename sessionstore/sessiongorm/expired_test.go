package sessiongorm_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/sessionstore"
)

// ST-11: what is in use stays, whatever time it is in whatever zone, and what has expired
// within the tolerance for other replicas' clocks; the rest goes, and is counted.
func TestDeleteExpired(t *testing.T) {
	now := time.Now()
	west := time.FixedZone("", -12*3600)
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		for name, tt := range map[string]struct {
			expires time.Time
			stays   bool
		}{
			"a minute ago and more":     {now.Add(-61 * time.Second), false},
			"a day ago":                 {now.AddDate(0, 0, -1).In(west), false},
			"1970":                      {time.Unix(0, 0), false},
			"1969":                      {time.Unix(-1, 0), false},
			"the year 1":                {time.Time{}.Add(time.Millisecond), false},
			"just now":                  {now.Add(-time.Millisecond), true},
			"half a minute ago":         {now.Add(-30 * time.Second).In(west), true},
			"in an hour":                {now.Add(time.Hour).In(west), true},
			"after 2038":                {time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC), true},
			"2500":                      {time.Date(2500, 1, 1, 0, 0, 0, 0, west), true},
			"beyond every year":         {time.Unix(1<<60, 0), true},
			"beyond what can be in ms":  {time.Unix(1<<62, 0), true},
			"the greatest of all times": {time.Unix(1<<63-62135596801, 999999999), true},
		} {
			store := open(t, db)
			rec := record()
			rec.ExpiresAt = tt.expires
			require.NoError(t, store.CreateLogin(t.Context(), rec), name)
			require.NoError(t, store.Claim(t.Context(), rec.ID, tt.expires), name)
			require.NoError(t, store.Commit(rec.ID, []byte("data"), now.Add(time.Hour)))
			require.NoError(t, db.Exec("UPDATE signon_sessions SET expires_at = (SELECT expires_at FROM signon_logins)").Error)

			n, err := store.DeleteExpired(t.Context())
			require.NoError(t, err, name)
			want := 3
			if tt.stays {
				want = 0
			}
			require.EqualValues(t, want, n, name)
			_, err = store.Login(t.Context(), rec.ID)
			if alive := tt.expires.After(time.Now()); alive {
				require.NoError(t, err, name)
				require.ErrorIs(t, store.Claim(t.Context(), rec.ID, now), sessionstore.ErrClaimed, name)
			} else {
				require.ErrorIs(t, err, sessionstore.ErrNotFound, name)
			}
			exec(t, db, "DELETE FROM signon_logins", "DELETE FROM signon_claims", "DELETE FROM signon_sessions")
		}
	})
}

// Many batches, none above its bound, also where all expire in one millisecond.
func TestDeleteExpiredInBatches(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store := open(t, db)
		fill(t, db, 1000)
		exec(t, db, "UPDATE signon_claims SET expires_at = 1")
		spy := watch(t, db)
		n, err := store.DeleteExpired(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 1000+2*600, n)
		most := 0
		for _, s := range spy.take() {
			most = max(most, len(s.vars))
		}
		require.Equal(t, 101, most)
		n, err = store.DeleteExpired(t.Context())
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

// It stops when its context is done, having counted what it has deleted.
func TestDeleteExpiredStops(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store := open(t, db)
		fill(t, db, 1000)
		ctx, cancel := context.WithCancel(t.Context())
		statements := 0
		require.NoError(t, db.Callback().Raw().After("gorm:raw").Register("test:cancel", func(*gorm.DB) {
			if statements++; statements == 2 {
				cancel()
			}
		}))
		n, err := store.DeleteExpired(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.EqualValues(t, 200, n)
	})
}

// A session that is prolonged and a claim that is taken anew, between the moment that a
// sweep finds it and that it deletes it, stay.
func TestDeleteExpiredSparesTheRenewed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store := open(t, db)
		long, later := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		for i := range 3 {
			require.NoError(t, store.Claim(t.Context(), fmt.Sprint("claim ", i), long))
			require.NoError(t, store.Commit(fmt.Sprint("session ", i), []byte("old"), later))
		}
		exec(t, db, "UPDATE signon_sessions SET expires_at = 1")
		renew := func(tx *gorm.DB) {
			switch text := tx.Statement.SQL.String(); {
			case strings.HasPrefix(text, "DELETE FROM signon_sessions"):
				require.NoError(t, store.Commit("session 1", []byte("new"), later))
			case strings.HasPrefix(text, "DELETE FROM signon_claims"):
				require.NoError(t, store.Claim(t.Context(), "claim 1", later))
			}
		}
		require.NoError(t, db.Callback().Raw().Before("gorm:raw").Register("test:renew", renew))
		n, err := store.DeleteExpired(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, 4, n)
		require.NoError(t, db.Callback().Raw().Remove("test:renew"))

		b, found, err := store.Find("session 1")
		require.NoError(t, err)
		require.True(t, found)
		require.Equal(t, "new", string(b))
		require.ErrorIs(t, store.Claim(t.Context(), "claim 1", later), sessionstore.ErrClaimed)
		require.NoError(t, store.Claim(t.Context(), "claim 2", later))
	})
}

// A claim that has passed, and that a sweep takes away between two statements, is free.
func TestClaimOfWhatIsSwept(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store := open(t, db)
		require.NoError(t, store.Claim(t.Context(), "key", time.Now().Add(-time.Hour)))
		sweep := func(tx *gorm.DB) {
			if strings.HasPrefix(tx.Statement.SQL.String(), "UPDATE signon_claims") {
				n, err := store.DeleteExpired(t.Context())
				require.NoError(t, err)
				require.EqualValues(t, 1, n)
			}
		}
		require.NoError(t, db.Callback().Raw().Before("gorm:raw").Register("test:sweep", sweep))
		require.NoError(t, store.Claim(t.Context(), "key", time.Now().Add(time.Hour)))
		require.NoError(t, db.Callback().Raw().Remove("test:sweep"))
		require.ErrorIs(t, store.Claim(t.Context(), "key", time.Now()), sessionstore.ErrClaimed)
	})
}
