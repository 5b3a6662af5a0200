package tokengorm_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/tokenstore"
	"github.com/seed1a301047/signon/tokenstore/tokengorm"
)

// lines is where a logger writes.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Printf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(&l.text, format+"\n", args...)
}

// ST-14: no logger of GORM, however curious, sees a token, an owner or another
// parameter, of statements that pass, fail, or are slow.
func TestLogger(t *testing.T) {
	configs := map[string]logger.Config{
		"info":  {LogLevel: logger.Info},
		"slow":  {LogLevel: logger.Warn, SlowThreshold: 1},
		"error": {LogLevel: logger.Error},
	}
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		for name, config := range configs {
			for _, form := range []string{"text", "debug"} {
				log := new(lines)
				session := db.Session(&gorm.Session{Logger: logger.New(log, config)})
				if form == "debug" {
					session = session.Debug()
				}
				errs := secretCalls(t, newStore(t, session))
				require.NoError(t, db.Exec("DROP TABLE signon_tokens").Error)
				store, err := tokengorm.New(session)
				require.NoError(t, err)
				errs = append(errs, secretCalls(t, store)...)
				require.NotEmpty(t, log.text.String(), name)
				for _, text := range append(errs, log.text.String()) {
					require.NotContains(t, strings.ToLower(text), "secret", name)
				}
			}
		}
	})
}

// secretCalls calls all methods with a word that must not be seen, and returns the errors.
func secretCalls(t *testing.T, store *tokengorm.Store) (errs []string) {
	ctx := t.Context()
	key := tokenstore.Key{Provider: "secret-provider", Owner: "secret-owner"}
	extra := tokenstore.Extra{Scope: "secret-scope", IDToken: "secret-id", Until: time.Now().Add(-time.Hour)}
	first, second := extra.Put(token("secret-1")), extra.Put(token("secret-2"))
	first.TokenType = "secret-type"
	lease := tokenstore.Lease{Holder: "secret-holder", TTL: time.Minute}
	_, err := store.FetchToken(ctx, key)
	for _, err := range []error{
		err,
		store.SaveToken(ctx, key, first), store.SaveToken(ctx, key, first),
		store.LeaseToken(ctx, key, first, lease), store.LeaseToken(ctx, key, second, lease),
		store.UpdateToken(ctx, key, second, first), store.UpdateToken(ctx, key, first, second),
		store.DeleteToken(ctx, key, first),
	} {
		if err != nil {
			errs = append(errs, err.Error())
		}
	}
	for _, err := range store.Tokens(ctx) {
		if err != nil {
			errs = append(errs, err.Error())
		}
	}
	_, _ = store.DeleteExpired(ctx)
	_ = store.DeleteToken(ctx, key, nil)
	return errs
}

// A statement is one that GORM was given.
type statement struct {
	sql  string
	args []any
}

// spy returns what GORM is given.
func spy(t *testing.T, db *gorm.DB) func() []statement {
	t.Helper()
	var seen []statement
	see := func(db *gorm.DB) {
		seen = append(seen, statement{db.Statement.SQL.String(), append([]any(nil), db.Statement.Vars...)})
	}
	require.NoError(t, db.Callback().Raw().Before("gorm:raw").Register("spy", see))
	require.NoError(t, db.Callback().Row().Before("gorm:row").Register("spy", see))
	return func() []statement {
		all := seen
		seen = nil
		return all
	}
}

// Each call is one statement that finds its row by the primary key, and a second to
// tell why the first changed nothing.
func TestStatements(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store, ctx := newStore(t, db), t.Context()
		for i := range 300 {
			key := tokenstore.Key{Provider: fmt.Sprint("p", i%3), Owner: fmt.Sprint(i)}
			require.NoError(t, store.SaveToken(ctx, key, tokenstore.Extra{Until: time.Now().Add(time.Hour)}.Put(token("old"))))
		}
		if db.Name() != "sqlite" {
			require.NoError(t, db.Exec(map[string]string{"postgres": "ANALYZE", "mysql": "ANALYZE TABLE signon_tokens"}[db.Name()]).Error)
		}
		require.NoError(t, store.SaveToken(ctx, alice, token("old")))
		statements := spy(t, db)
		lease := tokenstore.Lease{Holder: "a", TTL: time.Minute}
		for _, call := range []struct {
			name  string
			do    func() error
			count int
			index string
		}{
			{"fetch", func() error { _, err := store.FetchToken(ctx, alice); return err }, 1, ""},
			{"lease", func() error { return store.LeaseToken(ctx, alice, token("old"), lease) }, 1, ""},
			{"no lease", func() error { return store.LeaseToken(ctx, alice, token("other"), lease) }, 2, ""},
			{"update", func() error { return store.UpdateToken(ctx, alice, token("old"), token("new")) }, 1, ""},
			{"conflict", func() error { return store.UpdateToken(ctx, alice, token("old"), token("new")) }, 2, ""},
			{"delete", func() error { return store.DeleteToken(ctx, alice, token("new")) }, 1, ""},
			{"delete whatever", func() error { return store.DeleteToken(ctx, alice, nil) }, 1, ""},
			{"delete expired", func() error { _, err := store.DeleteExpired(ctx); return err }, 2, "until"},
		} {
			_ = call.do()
			seen := statements()
			require.Len(t, seen, call.count, call.name)
			for _, s := range seen {
				requireIndexed(t, db, s, call.index)
			}
		}
		require.NoError(t, store.SaveToken(ctx, alice, token("old")))
		require.Len(t, statements(), 1, "an upsert is one statement")
		for range store.Tokens(ctx) {
			continue
		}
		for _, s := range statements() {
			requireIndexed(t, db, s, "")
		}
	})
}

// requireIndexed asks the database how it would find the rows.
func requireIndexed(t *testing.T, db *gorm.DB, s statement, index string) {
	t.Helper()
	pool, err := db.DB()
	require.NoError(t, err)
	conn, err := pool.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	explain := map[string]string{"sqlite": "EXPLAIN QUERY PLAN ", "postgres": "EXPLAIN ", "mysql": "EXPLAIN FORMAT=JSON "}[db.Name()]
	if db.Name() == "postgres" { // so few rows it would rather read all of
		_, err := conn.ExecContext(t.Context(), "SET enable_seqscan = off")
		require.NoError(t, err)
	}
	rows, err := conn.QueryContext(t.Context(), explain+s.sql, s.args...)
	require.NoError(t, err)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var plan strings.Builder
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		require.NoError(t, rows.Scan(values...))
		for _, v := range values {
			if text, ok := (*v.(*any)).([]byte); ok {
				*v.(*any) = string(text)
			}
			fmt.Fprintln(&plan, *v.(*any))
		}
	}
	require.NoError(t, rows.Err())
	want := map[string]string{"sqlite": "SEARCH signon_tokens USING INDEX sqlite_autoindex_signon_tokens_1", "postgres": "signon_tokens_pkey", "mysql": `"key": "PRIMARY"`}
	if index != "" {
		want = map[string]string{"sqlite": "signon_tokens_until", "postgres": "signon_tokens_until", "mysql": `"key": "signon_tokens_until"`}
	}
	require.Contains(t, plan.String(), want[db.Name()], s.sql)
	require.NotContains(t, plan.String(), "SCAN ", s.sql)
	require.NotContains(t, plan.String(), "Seq Scan", s.sql)
}
