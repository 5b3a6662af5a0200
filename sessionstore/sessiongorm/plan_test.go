package sessiongorm_test

import (
	"context"
	"database/sql"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/sessionstore/sessiongorm"
)

type call struct {
	name       string
	statements int
	do         func(ctx context.Context) error
}

// calls are what a store does, in an order in which each works, and how many statements
// each costs.
func calls(store *sessiongorm.Store, rec *sessionstore.Record) []call {
	claim := "claim of " + rec.ID
	find := func(by sessionstore.Selector) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := store.Logins(ctx, by)
			return err
		}
	}
	end := func(by sessionstore.Selector) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := store.EndLogins(ctx, by)
			return err
		}
	}
	create := func(ctx context.Context) error { return store.CreateLogin(ctx, rec) }
	touch := func(after time.Duration) func(context.Context) error {
		return func(ctx context.Context) error { return store.TouchLogin(ctx, rec.ID, rec.LastSeen.Add(after)) }
	}
	owner := sessionstore.Selector{Owner: rec.Owner, Provider: rec.Provider}
	sid := sessionstore.Selector{Issuer: rec.Issuer, SID: rec.SID}
	subject := sessionstore.Selector{Issuer: rec.Issuer, Subject: rec.Subject}
	take := func(until time.Duration) func(context.Context) error {
		return func(ctx context.Context) error { return store.Claim(ctx, claim, time.Now().Add(until)) }
	}
	return []call{
		{"CreateLogin", 1, create},
		{"CreateLogin of one that exists", 2, create},
		{"Login", 1, func(ctx context.Context) error { _, err := store.Login(ctx, rec.ID); return err }},
		{"TouchLogin", 1, touch(time.Minute)},
		{"TouchLogin of one seen later", 2, touch(0)},
		{"Logins by owner", 1, find(owner)},
		{"Logins by sid", 1, find(sid)},
		{"Logins by subject", 1, find(subject)},
		{"EndLogins by sid", 3, end(sid)},
		{"EndLogins by subject, of none", 1, end(subject)},
		{"EndLogins by owner, of none", 1, end(owner)},
		{"EndLogins by id, of none", 1, end(sessionstore.Selector{ID: rec.ID})},
		{"Claim", 1, take(-time.Hour)},
		{"Claim of what has passed", 2, take(time.Hour)},
		{"Claim of what is claimed", 3, take(time.Hour)},
		{"CommitCtx", 1, func(ctx context.Context) error {
			return store.CommitCtx(ctx, rec.ID, []byte("data"), rec.ExpiresAt)
		}},
		{"FindCtx", 1, func(ctx context.Context) error { _, _, err := store.FindCtx(ctx, rec.ID); return err }},
		{"DeleteCtx", 1, func(ctx context.Context) error { return store.DeleteCtx(ctx, rec.ID) }},
		{"DeleteExpired", 3 + 1, func(ctx context.Context) error { _, err := store.DeleteExpired(ctx); return err }}, // one claim is ours
	}
}

// A login is one statement, and so is a session: what a request costs.
func TestStatementsOfEach(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store := open(t, db)
		require.NoError(t, store.Claim(t.Context(), "old", time.Now().Add(-time.Hour)))
		spy := watch(t, db)
		for _, c := range calls(store, record()) {
			err := c.do(t.Context())
			require.NotErrorIs(t, err, sessionstore.ErrNotFound, c.name)
			require.Len(t, spy.take(), c.statements, c.name)
		}
	})
}

// Every statement of every method finds its rows by an index, among 3000.
func TestPlansUseIndexes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store := open(t, db)
		fill(t, db, 3000)
		spy := watch(t, db)
		var all []statement
		rec := record()
		rec.Issuer = "https://op1.example" // as a third of the others
		for _, c := range calls(store, rec) {
			_ = c.do(t.Context())
			all = append(all, spy.take()...)
		}
		pool, err := db.DB()
		require.NoError(t, err)
		seen := make(map[string]bool)
		for _, s := range all {
			if strings.HasPrefix(s.sql, "INSERT") || seen[s.sql] {
				continue
			}
			seen[s.sql] = true
			plan := explain(t, pool, db.Name(), s)
			require.True(t, indexed(db.Name(), plan), "%s\n%s", s.sql, plan)
			if m := byIssuer.FindStringSubmatch(s.sql); m != nil { // not by the issuer alone, which all share
				require.Regexp(t, "(key=|INDEX |using |on )signon_logins_issuer_"+m[1], plan)
			}
		}
		require.Equal(t, 22, len(seen), "statements of another kind than INSERT")
	})
}

// fill adds n rows of others to each table, of which 600 have expired.
func fill(t testing.TB, db *gorm.DB, n int) {
	t.Helper()
	const chunk = 500
	now := time.Now().UnixMilli()
	for from := 0; from < n; from += chunk {
		var logins, claims, sessions []string
		for i := from; i < from+chunk; i++ {
			until := now + int64(i-600)*3600_000 + 1800_000 // none of them within half an hour
			logins = append(logins, fmt.Sprintf("('id%d', 'github', 'owner%d', 'https://op%d.example', 'sub%d', 'sid%d', %d, %d)", i, i, i%3, i, i, until, until))
			claims = append(claims, fmt.Sprintf("('hash%d', %d)", i, until))
			sessions = append(sessions, fmt.Sprintf("('hash%d', %d)", i, until))
		}
		exec(t, db,
			"INSERT INTO signon_logins (id, provider, owner, issuer, subject, sid, expires_at, gone_at) VALUES "+strings.Join(logins, ", "),
			"INSERT INTO signon_claims (key_hash, expires_at) VALUES "+strings.Join(claims, ", "),
			"INSERT INTO signon_sessions (token_hash, expires_at) VALUES "+strings.Join(sessions, ", "))
	}
	exec(t, db, map[string]string{
		"sqlite":   "ANALYZE",
		"postgres": "ANALYZE signon_logins, signon_claims, signon_sessions", // not the catalogs, which all tests share
		"mysql":    "ANALYZE TABLE signon_logins, signon_claims, signon_sessions",
	}[db.Name()])
}

var byIssuer = regexp.MustCompile(`issuer = \S+ AND (sid|subject) = `)

func explain(t testing.TB, pool *sql.DB, dialect string, s statement) string {
	t.Helper()
	verb := "EXPLAIN "
	if dialect == "sqlite" {
		verb = "EXPLAIN QUERY PLAN "
	}
	rows, err := pool.QueryContext(t.Context(), verb+s.sql, s.vars...)
	require.NoError(t, err, s.sql)
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var plan strings.Builder
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(t, rows.Scan(into...))
		for i, v := range values {
			fmt.Fprintf(&plan, "%s=%s ", columns[i], v.String)
		}
		plan.WriteByte('\n')
	}
	require.NoError(t, rows.Err())
	return plan.String()
}

func indexed(dialect, plan string) bool {
	switch dialect {
	case "sqlite":
		return strings.Contains(plan, "USING") && !strings.Contains(plan, "SCAN")
	case "postgres":
		return strings.Contains(plan, "Index") && !strings.Contains(plan, "Seq Scan")
	}
	if strings.Contains(plan, "after reading const tables") { // by the primary key, and no such row
		return true
	}
	return !strings.Contains(plan, " key= ") && !strings.Contains(plan, "type=ALL") && !strings.Contains(plan, "type=index ")
}
