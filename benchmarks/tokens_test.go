package benchmarks_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/tokenstore"
	"github.com/seed1a301047/signon/tokenstore/tokengorm"
)

// BenchmarkTokens fetches and updates tokens among few and many, each beside the same
// statement by hand. With -short it leaves a million rows out.
func BenchmarkTokens(b *testing.B) {
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres} {
		b.Run(kind, func(b *testing.B) {
			for _, rows := range []int{1e3, 1e5, 1e6} {
				if rows == 1e6 && testing.Short() {
					continue
				}
				b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
					for _, p := range fill(b, kind, rows).pairs(b) {
						b.Run(p.name, p.inTurn)
					}
				})
			}
		})
	}
}

// pairs are all that is measured on a database, over one pool of connections. Each
// statement of ours has a deadline. Those "bounded" give the one by hand a deadline too.
func (d database) pairs(tb testing.TB) []pair {
	tb.Helper()
	db, pool := open(tb, d.kind, d.dsn)
	return []pair{
		{"fetch", d.fetch(tb, db), d.fetchBare(tb, pool, unbounded)},
		{"fetch-bounded", d.fetch(tb, db), d.fetchBare(tb, pool, bounded)},
		{"update", d.update(tb, db), d.updateBare(tb, pool, unbounded)},
		{"update-bounded", d.update(tb, db), d.updateBare(tb, pool, bounded)},
		d.sealedFetch(tb, db, pool),
	}
}

const columns = "version, access_token, refresh_token, id_token, token_type, expires_at, expires_in, scope, until"

// read is the statement of a fetch.
const read = "SELECT " + columns + " FROM signon_tokens WHERE provider = $1 AND owner = $2"

// write is the statement of an update: the same columns, and the same compare-and-swap.
const write = "UPDATE signon_tokens SET version = $1, access_token = $2, refresh_token = $3, id_token = $4, token_type = $5," +
	" expires_at = $6, expires_in = $7, scope = $8, until = $9, lease_holder = '', lease_until = 0, writes = writes + 1, updated_at = $10" +
	" WHERE provider = $11 AND owner = $12 AND access_token = $13 AND refresh_token = $14 AND version = $15"

// A row is the columns of a token.
type row struct {
	version                          int64
	access, refresh, id, kind, scope string
	expiresAt, expiresIn, until      int64
}

// readBare is a fetch by hand.
func readBare(ctx context.Context, stmt *sql.Stmt, key tokenstore.Key) (r row, err error) {
	err = stmt.QueryRowContext(ctx, key.Provider, key.Owner).Scan(
		&r.version, &r.access, &r.refresh, &r.id, &r.kind, &r.expiresAt, &r.expiresIn, &r.scope, &r.until)
	return r, err
}

// writeBare is an update by hand.
func writeBare(ctx context.Context, stmt *sql.Stmt, key tokenstore.Key, old, r row) error {
	result, err := stmt.ExecContext(ctx,
		r.version, r.access, r.refresh, r.id, r.kind, r.expiresAt, r.expiresIn, r.scope, r.until, time.Now().Unix(),
		key.Provider, key.Owner, old.access, old.refresh, old.version)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, fmt.Errorf("%d rows were updated, want 1", n))
	}
	return nil
}

func prepare(tb testing.TB, pool *sql.DB, query string) *sql.Stmt {
	tb.Helper()
	stmt, err := pool.PrepareContext(tb.Context(), query)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, stmt.Close()) })
	return stmt
}

func (d database) fetch(tb testing.TB, db *gorm.DB) step {
	tb.Helper()
	store, err := tokengorm.New(db)
	require.NoError(tb, err)
	ctx := tb.Context()
	return func() (time.Duration, error) {
		key := d.any()
		return timed(func() error {
			_, err := store.FetchToken(ctx, key)
			return err
		})
	}
}

func (d database) fetchBare(tb testing.TB, pool *sql.DB, by runner) step {
	tb.Helper()
	stmt, ctx := prepare(tb, pool, read), tb.Context()
	return func() (time.Duration, error) {
		key := d.any()
		return timed(func() error {
			return by(ctx, func(ctx context.Context) error {
				_, err := readBare(ctx, stmt, key)
				return err
			})
		})
	}
}

// update reads what it updates beforehand, which is not measured.
func (d database) update(tb testing.TB, db *gorm.DB) step {
	tb.Helper()
	store, err := tokengorm.New(db)
	require.NoError(tb, err)
	ctx, t := tb.Context(), newTexts()
	return func() (time.Duration, error) {
		key := d.any()
		old, err := store.FetchToken(ctx, key)
		if err != nil {
			return 0, err
		}
		extra := tokenstore.ExtraOf(old)
		extra.IDToken, extra.Version = t.next(idLen), extra.Version+1
		next := extra.Put(&oauth2.Token{
			AccessToken: t.next(accessLen), RefreshToken: t.next(refreshLen), TokenType: "Bearer",
			Expiry: old.Expiry.Add(time.Second), ExpiresIn: old.ExpiresIn,
		})
		return timed(func() error { return store.UpdateToken(ctx, key, old, next) })
	}
}

func (d database) updateBare(tb testing.TB, pool *sql.DB, by runner) step {
	tb.Helper()
	reads, writes, ctx, t := prepare(tb, pool, read), prepare(tb, pool, write), tb.Context(), newTexts()
	return func() (time.Duration, error) {
		key := d.any()
		old, err := readBare(ctx, reads, key)
		if err != nil {
			return 0, err
		}
		next := old
		next.version, next.expiresAt = old.version+1, old.expiresAt+1
		next.access, next.refresh, next.id = t.next(accessLen), t.next(refreshLen), t.next(idLen)
		return timed(func() error {
			return by(ctx, func(ctx context.Context) error { return writeBare(ctx, writes, key, old, next) })
		})
	}
}

// A runner runs what is done by hand.
type runner func(ctx context.Context, run func(ctx context.Context) error) error

// unbounded lets it take as long as the request does.
func unbounded(ctx context.Context, run func(ctx context.Context) error) error { return run(ctx) }

// bounded gives it a deadline.
func bounded(ctx context.Context, run func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return run(ctx)
}
