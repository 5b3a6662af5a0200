package sessiongorm_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/stretchr/testify/require"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/sessionstore"
)

// dump is everything that is in a table, as text.
func dump(t testing.TB, db *gorm.DB, table string) string {
	t.Helper()
	rows, err := db.Raw("SELECT * FROM " + table).Rows()
	require.NoError(t, err)
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var all strings.Builder
	for rows.Next() {
		values := make([][]byte, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(t, rows.Scan(into...))
		fmt.Fprintf(&all, "%s\n", values)
	}
	require.NoError(t, rows.Err())
	return all.String()
}

func sha(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// SE-14: whoever has a copy of the database has no cookie of anybody, also with a session
// manager that does not hash.
func TestTokensAreHashed(t *testing.T) {
	hashing := func(store scs.Store) *scs.SessionManager { return sessionstore.NewManager(store) }
	plain := func(store scs.Store) *scs.SessionManager {
		sessions := scs.New()
		sessions.Store = store
		return sessions
	}
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store := open(t, db)
		for name, newManager := range map[string]func(scs.Store) *scs.SessionManager{"hashing": hashing, "plain": plain} {
			sessions := newManager(store)
			ctx, err := sessions.Load(t.Context(), "")
			require.NoError(t, err)
			sessions.Put(ctx, "key", "value")
			token, _, err := sessions.Commit(ctx)
			require.NoError(t, err)
			require.NotEmpty(t, token)

			found := dump(t, db, "signon_sessions")
			require.NotContains(t, found, token, name)
			given := token // what the manager gives its store
			if sessions.HashTokenInStore {
				given = sha(token)
				require.NotContains(t, found, given, name)
			}
			require.Contains(t, found, sha(given), name)

			again, err := sessions.Load(t.Context(), token)
			require.NoError(t, err)
			require.Equal(t, "value", sessions.GetString(again, "key"))
			stolen, err := sessions.Load(t.Context(), sha(given))
			require.NoError(t, err)
			require.Empty(t, sessions.GetString(stolen, "key"), "what is stored is no token")
		}
		require.NoError(t, store.Claim(t.Context(), "the state or jti", time.Now().Add(time.Hour)))
		found := dump(t, db, "signon_claims")
		require.NotContains(t, found, "the state or jti")
		require.Contains(t, found, sha("the state or jti"))
	})
}

// ST-14: statements are logged without what they carry, also when they fail, and so are
// errors.
func TestLogsCarryNothing(t *testing.T) {
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			var logged bytes.Buffer
			dsn := dbtest.DSN(t, kind)
			quiet := dbtest.OpenDSN(t, kind, dsn)
			db, err := gorm.Open(dbtest.Dialector(kind, dsn), &gorm.Config{
				Logger: logger.New(log.New(&logged, "", 0), logger.Config{LogLevel: logger.Info, SlowThreshold: 1}),
			})
			require.NoError(t, err)
			pool, err := db.DB()
			require.NoError(t, err)
			defer func() { _ = pool.Close() }()
			store := open(t, db)
			spy := watch(t, db)

			rec := record()
			rec.IDToken, rec.UserInfo = []byte("SECRET id token"), []byte("SECRET userinfo")
			rec.ID, rec.Owner, rec.Subject, rec.SID, rec.UserAgent = "SECRET id", "SECRET owner", "SECRET sub", "SECRET sid", "SECRET agent"
			use := func() (errs string) {
				for _, c := range calls(store, rec) {
					errs += fmt.Sprintln(c.name, c.do(t.Context()))
				}
				return errs + fmt.Sprintln(store.Commit("SECRET token", []byte("SECRET data"), rec.ExpiresAt))
			}
			errs := use()
			exec(t, quiet, "DROP TABLE signon_logins", "DROP TABLE signon_claims", "DROP TABLE signon_sessions")
			errs += use()
			require.Contains(t, logged.String(), "signon_sessions", "the logger hears of it")
			require.NotContains(t, logged.String(), "SECRET")
			require.NotContains(t, errs, "SECRET")
			for _, s := range spy.take() {
				require.NotContains(t, s.sql, "SECRET")
			}
		})
	}
}

// ST-05: names of every kind are parameters, and tables are as they were.
func TestNoSQLInStrings(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store := open(t, db)
		keep := record()
		require.NoError(t, store.CreateLogin(t.Context(), keep))
		spy := watch(t, db)
		var want []string // of a name that is a name
		for _, evil := range []string{
			"name", "' OR '1'='1", `" OR ""="`, "'; DROP TABLE signon_logins; --", `\'; DELETE FROM signon_logins; -- `,
			"?", "$1", "@name", "{{.}}", "%s", "/*", "x' UNION SELECT * FROM signon_sessions --", "`", "\U0001F98A'\\",
		} {
			rec := record()
			rec.ID, rec.Provider, rec.Owner, rec.Issuer, rec.Subject, rec.SID, rec.UserAgent = evil, evil, evil, evil, evil, evil, evil
			require.NoError(t, store.CreateLogin(t.Context(), rec))
			got, err := store.Login(t.Context(), evil)
			require.NoError(t, err)
			require.Equal(t, rec, got)
			require.NoError(t, store.TouchLogin(t.Context(), evil, rec.LastSeen))
			ended, err := store.EndLogins(t.Context(), sessionstore.Selector{Provider: evil, Owner: evil, Issuer: evil, Subject: evil, SID: evil})
			require.NoError(t, err)
			require.Len(t, ended, 1)
			require.NoError(t, store.Claim(t.Context(), evil, time.Now().Add(time.Hour)))
			require.NoError(t, store.Commit(evil, []byte(evil), rec.ExpiresAt))
			var texts []string
			for _, s := range spy.take() {
				texts = append(texts, s.sql)
			}
			if want == nil {
				want = texts
			}
			require.Equal(t, want, texts)
		}
		_, err := store.Login(t.Context(), keep.ID)
		require.NoError(t, err)
	})
}
