package benchmarks_test

import (
	"context"
	"database/sql"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/sessionstore/sessiongorm"
	"github.com/seed1a301047/signon/tokenstore"
	"github.com/seed1a301047/signon/tokenstore/tokengorm"
)

// newRequest signs somebody in at an application that keeps everything in db, and returns
// a request for the page behind LoadAndSave and RequireToken, and that page.
func newRequest(tb testing.TB, db *gorm.DB) (*http.Request, http.Handler) {
	tb.Helper()
	logins, err := sessiongorm.New(db)
	require.NoError(tb, err)
	require.NoError(tb, logins.Migrate(tb.Context()))
	tokens, err := tokengorm.New(db)
	require.NoError(tb, err)
	require.NoError(tb, tokens.Migrate(tb.Context()))
	sessions := sessionstore.NewManager(logins)
	a := newApp(tb, signon.Config{Sessions: sessions, Logins: logins, Tokens: tokens})
	browser := a.signIn(tb, owner(1))
	r := httptest.NewRequestWithContext(tb.Context(), "GET", origin+"/page", nil)
	for name, value := range browser.Cookies(origin + "/page") {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	page := a.client.RequireToken(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	return r, sessions.LoadAndSave(page)
}

func serve(tb testing.TB, page http.Handler, r *http.Request) {
	tb.Helper()
	w := httptest.NewRecorder()
	page.ServeHTTP(w, r)
	require.Equal(tb, http.StatusNoContent, w.Code, w.Body.String())
}

// A request is three prepared reads, each of one row by an index, and no write: LoadAndSave reads
// the session, RequireToken the login and the token. Once a minute it writes when the
// login was last seen.
func TestRequireTokenReads(t *testing.T) {
	spy := &spy{dsn: dbtest.DSN(t, dbtest.SQLite)}
	db, err := spy.open()
	require.NoError(t, err)
	pool, err := db.DB()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	r, page := newRequest(t, db)

	tables := []string{"signon_sessions", "signon_logins", "signon_tokens"}
	spy.take()
	for range 3 {
		serve(t, page, r)
		all := spy.take()
		require.Len(t, all, len(tables), textsOf(all))
		for i, s := range all {
			require.True(t, strings.HasPrefix(s.text, "SELECT "), s.text)
			require.Contains(t, s.text, " FROM "+tables[i])
			require.True(t, s.prepared, s.text)
		}
	}

	_, err = pool.ExecContext(t.Context(), "UPDATE signon_logins SET last_seen = last_seen - 60000")
	require.NoError(t, err)
	spy.take()
	serve(t, page, r)
	all := spy.take()
	require.Len(t, all, len(tables)+1, "a minute later")
	serve(t, page, r)
	require.Len(t, spy.take(), len(tables), "and then not again")

	for _, s := range all {
		plan := explain(t, pool, s)
		t.Logf("%s\n\t%s", s.text, strings.Join(plan, "\n\t"))
		require.Len(t, plan, 1, s.text)
		require.Regexp(t, `^SEARCH \w+ USING (INDEX|COVERING INDEX|PRIMARY KEY) .*\(`, plan[0], s.text)
	}
}

// explain is how SQLite finds the rows of a statement.
func explain(t *testing.T, pool *sql.DB, s statement) (plan []string) {
	t.Helper()
	rows, err := pool.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+s.text, s.args...)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		plan = append(plan, detail)
	}
	require.NoError(t, rows.Err())
	return plan
}

// BenchmarkRequireToken is a whole request of somebody who is signed in, with the opening
// of what is sealed, beside the same three reads by hand, which open nothing.
func BenchmarkRequireToken(b *testing.B) { requireToken(b).inTurn(b) }

func requireToken(tb testing.TB) pair {
	tb.Helper()
	db, pool := open(tb, dbtest.SQLite, dbtest.DSN(tb, dbtest.SQLite))
	r, page := newRequest(tb, db)
	serve(tb, page, r)
	reads := newReads(tb, pool)
	return pair{"RequireToken", func() (time.Duration, error) {
		w := httptest.NewRecorder()
		d, err := timed(func() error {
			page.ServeHTTP(w, r)
			return nil
		})
		require.Equal(tb, http.StatusNoContent, w.Code)
		return d, err
	}, func() (time.Duration, error) {
		return timed(func() error { return reads.run(r.Context()) })
	}}
}

// reads are those of a request by hand: prepared statements, and what they ask for.
type reads struct {
	session, login, token *sql.Stmt
	hash, id              string
	key                   tokenstore.Key
}

func newReads(tb testing.TB, pool *sql.DB) reads {
	tb.Helper()
	r := reads{
		session: prepare(tb, pool, "SELECT data FROM signon_sessions WHERE token_hash = ? AND expires_at > ?"),
		login: prepare(tb, pool, "SELECT id, provider, owner, issuer, subject, sid, id_token, userinfo, user_agent,"+
			" created_at, last_seen, expires_at FROM signon_logins WHERE id = ? AND ended_by = '' AND expires_at > ?"),
		token: prepare(tb, pool, read),
		key:   key(1),
	}
	require.NoError(tb, pool.QueryRowContext(tb.Context(), "SELECT token_hash FROM signon_sessions").Scan(&r.hash))
	require.NoError(tb, pool.QueryRowContext(tb.Context(), "SELECT id FROM signon_logins").Scan(&r.id))
	return r
}

func (r reads) run(ctx context.Context) error {
	now := time.Now().UnixMilli()
	var data, idToken, userInfo []byte
	if err := r.session.QueryRowContext(ctx, r.hash, now).Scan(&data); err != nil {
		return err
	}
	var texts [7]string
	var times [3]int64
	err := r.login.QueryRowContext(ctx, r.id, now).Scan(
		&texts[0], &texts[1], &texts[2], &texts[3], &texts[4], &texts[5], &idToken, &userInfo, &texts[6],
		&times[0], &times[1], &times[2])
	if err != nil {
		return err
	}
	_, err = readBare(ctx, r.token, r.key)
	return err
}
