package benchmarks_test

import (
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/tokenstore"
	"github.com/seed1a301047/signon/tokenstore/tokengorm"
)

// The length of what is stored of a token: sealed, an access token of about 700 bytes,
// a refresh token of 200, an ID token of 700.
const accessLen, refreshLen, idLen = 1000, 300, 1000

// A database has the tokens of so many users of one provider.
type database struct {
	kind, dsn string
	rows      int
}

// fill makes a database. Its rows are written in bulk, in the order of their key.
func fill(tb testing.TB, kind string, rows int) database {
	tb.Helper()
	d := database{kind: kind, dsn: dbtest.DSN(tb, kind), rows: rows}
	quick := d.dsn
	if kind == dbtest.SQLite {
		quick = strings.Replace(d.dsn, "_journal_mode=WAL", "_journal_mode=OFF&_synchronous=OFF", 1)
	}
	db, pool := open(tb, kind, quick)
	store, err := tokengorm.New(db)
	require.NoError(tb, err)
	require.NoError(tb, store.Migrate(tb.Context()))
	start := time.Now()
	if kind == dbtest.Postgres {
		require.NoError(tb, fillPostgres(tb.Context(), pool, rows))
	} else {
		require.NoError(tb, fillSQLite(tb.Context(), pool, rows))
	}
	tb.Logf("%d rows written in %v", rows, time.Since(start).Round(time.Millisecond))
	require.NoError(tb, pool.Close())
	return d
}

// open returns a pool of connections, and it as it is without GORM.
func open(tb testing.TB, kind, dsn string) (*gorm.DB, *sql.DB) {
	tb.Helper()
	db := dbtest.OpenDSN(tb, kind, dsn)
	pool, err := db.DB()
	require.NoError(tb, err)
	return db, pool
}

// owner is whose token is in row i.
func owner(i int) string { return fmt.Sprintf("user-%08d", i) }

func key(i int) tokenstore.Key { return tokenstore.Key{Provider: provider, Owner: owner(i)} }

// any is the key of a row, each as likely as another.
func (d database) any() tokenstore.Key { return key(rand.IntN(d.rows)) }

const provider = "op"

var filled = []string{
	"provider", "owner", "version", "access_token", "refresh_token", "id_token", "token_type",
	"expires_at", "expires_in", "scope", "until", "created_at", "updated_at",
}

// texts gives texts that nothing makes shorter, as sealed ones are.
type texts string

func newTexts() texts {
	b := make([]byte, 3<<18)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return texts(base64.RawURLEncoding.EncodeToString(b))
}

func (t texts) next(n int) string {
	from := rand.IntN(len(t) - n)
	return string(t[from : from+n])
}

// values are those of the filled columns in row i.
func (t texts) values(i int) []any {
	now := time.Now().Unix()
	return []any{
		provider, owner(i), int64(i + 1), t.next(accessLen), t.next(refreshLen), t.next(idLen), "Bearer",
		now + 3600, int64(3600), "openid email profile", now + int64(i), now, now,
	}
}

// fillPostgres lets the server clean up behind it too, which would else do it while
// something is measured.
func fillPostgres(ctx context.Context, pool *sql.DB, rows int) error {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	t := newTexts()
	return conn.Raw(func(driver any) error {
		server := driver.(*stdlib.Conn).Conn()
		source := pgx.CopyFromSlice(rows, func(i int) ([]any, error) { return t.values(i), nil })
		if _, err := server.CopyFrom(ctx, pgx.Identifier{"signon_tokens"}, filled, source); err != nil {
			return err
		}
		if _, err := server.Exec(ctx, "VACUUM ANALYZE signon_tokens"); err != nil {
			return err
		}
		_, _ = server.Exec(ctx, "CHECKPOINT") // for which not every user has the right
		return nil
	})
}

func fillSQLite(ctx context.Context, pool *sql.DB, rows int) error {
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	const most = 200 // rows of one statement
	t := newTexts()
	one := "(?" + strings.Repeat(", ?", len(filled)-1) + ")"
	into := "INSERT INTO signon_tokens (" + strings.Join(filled, ", ") + ") VALUES "
	insert, err := tx.PrepareContext(ctx, into+one+strings.Repeat(", "+one, most-1))
	if err != nil {
		return err
	}
	for i := 0; i < rows; i += most {
		args := make([]any, 0, most*len(filled))
		for j := range most {
			args = append(args, t.values(i+j)...)
		}
		if _, err := insert.ExecContext(context.WithoutCancel(ctx), args...); err != nil {
			return err
		}
	}
	return tx.Commit()
}
