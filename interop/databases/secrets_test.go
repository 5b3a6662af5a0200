package databases_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

// AR-06: the same callback comes 50 times at once, to two replicas: the code is spent
// once, and there is one login, one session and one token.
func TestSameCallbackAtOnce(t *testing.T) {
	each(t, setup{byLogin: true}, func(t *testing.T, w *world) {
		b := w.browser()
		callback := w.upToCallback(b, "alice")
		var mu sync.Mutex
		var all sync.WaitGroup
		status, sessions := map[int]int{}, 0
		for i := range 50 {
			all.Go(func() {
				rec := w.open(t.Context(), i%2, b, callback)
				mu.Lock()
				defer mu.Unlock()
				status[rec.Code]++
				sessions += strings.Count(strings.Join(rec.Header()["Set-Cookie"], "\n"), "__Host-session=")
			})
		}
		all.Wait()
		require.Equal(t, 1, w.op.Count(signontest.Token))
		require.Equal(t, 1, status[http.StatusSeeOther], status)
		require.Equal(t, 49, status[http.StatusBadRequest]+status[http.StatusConflict], status)
		require.Equal(t, 1, sessions)
		for _, table := range []string{"signon_logins", "signon_sessions", "signon_tokens"} {
			require.Equal(t, 1, w.count(table), table)
		}
	})
}

// ST-14, SE-14: whoever has a dump of all tables, the log of the SQL statements and the
// application's log has no secret: no token, code or verifier, and no session cookie.
func TestNoSecretIsWrittenDown(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		b := w.expired("alice")
		w.signIn(w.browser(), "bob")
		require.Equal(t, http.StatusOK, items(b))
		w.op.ArmN(signontest.API401Once, 1)
		require.Equal(t, http.StatusOK, items(b))
		cookies := b.Cookies(appURL)
		w.refuseTokens()
		w.op.ArmN(signontest.API401Once, 1)
		time.Sleep(time.Second)
		require.Equal(t, http.StatusOK, w.call(1, "bob"))
		w.hide("signon_logins")
		requireDown(t, b, "/who")
		w.reveal("signon_logins")

		dump := w.dump()
		for _, part := range []string{"alice", "bob", w.column("alice", "refresh_token")} {
			require.Contains(t, dump, part, "the dump has something in it")
		}
		for _, part := range []string{"signon_tokens", "signon_sessions", "disk full"} {
			require.Contains(t, w.sql.String(), part, "the log of the statements too")
		}
		require.NotContains(t, w.sql.String(), w.column("alice", "refresh_token"), "no parameters, not even sealed ones")
		secrets := w.op.Secrets()
		require.Greater(t, len(secrets), 10)
		for _, value := range cookies {
			secrets = append(secrets, value)
		}
		for _, secret := range secrets {
			require.NotContains(t, dump, secret, "in the database")
			require.NotContains(t, w.sql.String(), secret, "in the log of the SQL statements")
			require.NotContains(t, w.log.String(), secret, "in the application's log")
		}
		require.Contains(t, cookies, "__Host-session")
	})
}

// dump is every column of every row of every table.
func (w *world) dump() string {
	w.t.Helper()
	var out strings.Builder
	for _, table := range []string{"signon_tokens", "signon_logins", "signon_sessions", "signon_claims"} {
		rows, err := w.db.Raw("SELECT * FROM " + table).Rows()
		require.NoError(w.t, err)
		names, err := rows.Columns()
		require.NoError(w.t, err)
		n := 0
		for ; rows.Next(); n++ {
			values := make([]string, len(names))
			into := make([]any, len(names))
			for i := range values {
				into[i] = &values[i]
			}
			require.NoError(w.t, rows.Scan(into...))
			_, _ = fmt.Fprintln(&out, table, values)
		}
		require.NoError(w.t, rows.Close())
		require.Positive(w.t, n, table)
	}
	return out.String()
}
