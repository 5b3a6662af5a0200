package tokengorm_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/tokenstore"
)

// ST-11: times are seconds since 1970, UTC, in 64 bits, whatever zone they come in and
// whatever the column was before.
func TestTimes(t *testing.T) {
	samoa := time.FixedZone("", 13*3600)
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store := newStore(t, db)
		for _, at := range []time.Time{
			{},
			time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC),
			time.Date(1914, 6, 28, 10, 55, 0, 0, time.UTC),
			time.Unix(-1, 0), time.Unix(0, 0), time.Unix(1, 0),
			time.Date(2026, 10, 25, 2, 30, 0, 0, samoa),
			time.Unix(1<<31-1, 0), time.Unix(1<<31, 0), time.Unix(1<<32, 0),
			time.Date(2500, 1, 1, 0, 0, 0, 0, samoa),
			time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
			time.Date(200_000, 1, 1, 0, 0, 0, 0, time.UTC),
		} {
			want := token("old")
			want.Expiry = at
			require.NoError(t, store.SaveToken(t.Context(), alice, tokenstore.Extra{Until: at}.Put(want)))
			got, err := store.FetchToken(t.Context(), alice)
			require.NoError(t, err)
			require.Equal(t, at.Unix(), got.Expiry.Unix(), "%v", at)
			require.Equal(t, at.IsZero(), got.Expiry.IsZero(), "%v", at)
			require.Equal(t, time.UTC, got.Expiry.Location())
			if at.Unix() != 0 { // 1970 to the second is no end, as in an Extra
				require.Equal(t, at.Unix(), tokenstore.ExtraOf(got).Until.Unix(), "%v", at)
			}
			var column int64
			require.NoError(t, db.Raw("SELECT expires_at FROM signon_tokens").Scan(&column).Error)
			require.Equal(t, at.Unix(), column)
		}
	})
}

// ST-11: an end that is past is deleted, and nothing else.
func TestDeleteExpired(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store, ctx := newStore(t, db), t.Context()
		now := time.Now()
		stays := map[string]time.Time{
			"no end": {}, "in an hour": now.Add(time.Hour), "after 2038": time.Unix(1<<33, 0), "in 2500": time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC),
		}
		goes := map[string]time.Time{"an hour ago": now.Add(-time.Hour), "in 1970": time.Unix(1, 0), "in 1914": time.Unix(-1_750_000_000, 0)}
		for _, set := range []map[string]time.Time{stays, goes} {
			for owner, until := range set {
				old := token("old")
				old.Expiry = now.Add(-24 * time.Hour) // the access token's matters nothing
				require.NoError(t, store.SaveToken(ctx, tokenstore.Key{Provider: "example", Owner: owner}, tokenstore.Extra{Until: until}.Put(old)))
			}
		}
		deleted, err := store.DeleteExpired(ctx)
		require.NoError(t, err)
		require.EqualValues(t, len(goes), deleted)
		for owner := range goes {
			_, err := store.FetchToken(ctx, tokenstore.Key{Provider: "example", Owner: owner})
			require.ErrorIs(t, err, tokenstore.ErrNotFound, owner)
		}
		for owner := range stays {
			_, err := store.FetchToken(ctx, tokenstore.Key{Provider: "example", Owner: owner})
			require.NoError(t, err, owner)
		}
	})
}

// ST-11: more than one batch, while a login among them is prolonged.
func TestDeleteExpiredBatches(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store, ctx := newStore(t, db), t.Context()
		past := tokenstore.Extra{Until: time.Now().Add(-time.Minute)}.Put(token("old"))
		future := tokenstore.Extra{Until: time.Now().Add(time.Hour)}.Put(token("new"))
		key := func(i int) tokenstore.Key { return tokenstore.Key{Provider: "example", Owner: fmt.Sprint(i)} }
		const rows, prolonged = 1201, 20
		for i := range rows {
			require.NoError(t, store.SaveToken(ctx, key(i), past))
		}
		results := make(chan error, prolonged)
		for i := range prolonged {
			go func() { results <- store.UpdateToken(ctx, key(i), token("old"), future) }()
		}
		deleted, err := store.DeleteExpired(ctx)
		require.NoError(t, err)
		var late int64
		for range prolonged {
			if err := <-results; err != nil {
				require.ErrorIs(t, err, tokenstore.ErrNotFound, "deleted before it was prolonged")
				late++
			}
		}
		more, err := store.DeleteExpired(ctx)
		require.NoError(t, err)
		require.Equal(t, rows-prolonged+late, deleted+more)
		var left int64
		require.NoError(t, db.Table("signon_tokens").Count(&left).Error)
		require.Equal(t, prolonged-late, left, "what was prolonged is there")
	})
}

// ST-11: a login that is being prolonged just now stays, and PostgreSQL does not even
// wait for it.
func TestDeleteExpiredProlonged(t *testing.T) {
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			dsn := dbtest.DSN(t, kind)
			store := newStore(t, dbtest.OpenDSN(t, kind, dsn))
			past := tokenstore.Extra{Until: time.Now().Add(-time.Minute)}
			require.NoError(t, store.SaveToken(t.Context(), alice, past.Put(token("old"))))
			tx := begin(t, kind, dsn)
			require.NoError(t, tx.Exec("UPDATE signon_tokens SET until = ?", time.Now().Add(time.Hour).Unix()).Error)
			if kind == dbtest.Postgres {
				deleted, err := store.DeleteExpired(t.Context())
				require.NoError(t, err)
				require.Zero(t, deleted)
				require.NoError(t, tx.Commit().Error)
			} else {
				later(t, 50*time.Millisecond, func() { tx.Commit() })
			}
			deleted, err := store.DeleteExpired(t.Context())
			require.NoError(t, err)
			require.Zero(t, deleted)
			requireOld(t, store)
		})
	}
}

// The lease is by the database's clock, whatever the time zone of a connection.
func TestLeaseClock(t *testing.T) {
	for kind, option := range map[string]string{
		dbtest.SQLite:   "&_loc=auto",
		dbtest.Postgres: "&timezone=Pacific/Apia",
		dbtest.MariaDB:  "?time_zone='%2B13:00'&parseTime=true",
	} {
		t.Run(kind, func(t *testing.T) {
			dsn := dbtest.DSN(t, kind)
			here, there := newStore(t, dbtest.OpenDSN(t, kind, dsn)), newStore(t, dbtest.OpenDSN(t, kind, dsn+option))
			require.NoError(t, here.SaveToken(t.Context(), alice, token("old")))
			require.NoError(t, here.LeaseToken(t.Context(), alice, token("old"), tokenstore.Lease{Holder: "here", TTL: time.Minute}))
			lease := tokenstore.Lease{Holder: "there", TTL: time.Minute}
			require.ErrorIs(t, there.LeaseToken(t.Context(), alice, token("old"), lease), tokenstore.ErrLeased)
			require.NoError(t, here.LeaseToken(t.Context(), alice, token("old"), tokenstore.Lease{Holder: "here"}))
			require.NoError(t, there.LeaseToken(t.Context(), alice, token("old"), lease))
			require.ErrorIs(t, here.LeaseToken(t.Context(), alice, token("old"), tokenstore.Lease{Holder: "here", TTL: time.Minute}), tokenstore.ErrLeased)
		})
	}
}
