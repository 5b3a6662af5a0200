package databases_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/internal/dbtest"
)

// refuseTokens has the database refuse to replace a token, and take all else, as a lease.
func (w *world) refuseTokens() {
	w.t.Helper()
	const on = "CREATE TRIGGER refuse BEFORE UPDATE ON signon_tokens "
	switch w.kind {
	case dbtest.Postgres:
		w.exec("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''disk full''; END'")
		w.exec(on + "FOR EACH ROW WHEN (NEW.access_token <> OLD.access_token) EXECUTE FUNCTION refuse()")
	case dbtest.MariaDB:
		w.exec(on + "FOR EACH ROW BEGIN IF NEW.access_token <> OLD.access_token THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'disk full'; END IF; END")
	default:
		w.exec(on + "WHEN NEW.access_token <> OLD.access_token BEGIN SELECT RAISE(ABORT, 'disk full'); END")
	}
}

func (w *world) acceptTokens() {
	w.t.Helper()
	if w.kind == dbtest.Postgres {
		w.exec("DROP TRIGGER refuse ON signon_tokens")
		w.exec("DROP FUNCTION refuse()")
		return
	}
	w.exec("DROP TRIGGER refuse")
}

func (w *world) hide(table string)   { w.exec("ALTER TABLE " + table + " RENAME TO hidden") }
func (w *world) reveal(table string) { w.exec("ALTER TABLE hidden RENAME TO " + table) }

// RF-06: the database does not take the new pair. It is served, and written again by the
// process that has it; the old refresh token is not sent again, not by the other replica
// either, which is asked first when the database is well again.
func TestDatabaseRefusesTheNewPair(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		w.expired("alice")
		w.refuseTokens()
		before := w.column("alice", "access_token")
		token := w.served(0, "alice")
		for range 3 {
			require.Equal(t, token.AccessToken, w.served(0, "alice").AccessToken)
			time.Sleep(200 * time.Millisecond)
		}
		require.Equal(t, before, w.column("alice", "access_token"))
		require.Contains(t, w.log.String(), "could not be stored")
		w.acceptTokens()
		require.Equal(t, token.AccessToken, w.served(1, "alice").AccessToken)
		require.NotEqual(t, before, w.column("alice", "access_token"))
		require.Contains(t, w.log.String(), "is stored now")
		w.requireRefreshed(1)
	})
}

// RF-06, ST-08: the table is gone when the new pair is to be written: whoever waits is
// served, whoever comes later is told to come again, and nothing is lost.
func TestTableIsGoneAtTheWrite(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		w.expired("alice")
		w.traps.once("UpdateToken", func(context.Context) error { w.hide("signon_tokens"); return nil })
		token := w.served(0, "alice")
		for i := range 2 {
			_, err := w.token(i, "alice")
			require.ErrorIs(t, err, signon.ErrUnavailable)
			require.NotErrorIs(t, err, signon.ErrNoToken)
		}
		w.reveal("signon_tokens")
		require.Equal(t, map[string]int{token.AccessToken: 20}, w.ask(10, "alice"))
		w.requireRefreshed(1)
	})
}

// RF-06, ST-08: a database that gives no lease would not take the new pair either: the
// provider is not asked, and the token is kept.
func TestDatabaseGivesNoLease(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		w.expired("alice")
		w.traps.set("LeaseToken", func(context.Context) error { return errors.New("read-only") })
		for i := range 2 {
			_, err := w.token(i, "alice")
			require.ErrorIs(t, err, signon.ErrUnavailable)
		}
		require.Zero(t, w.refreshes())
		w.traps.clear()
		require.Len(t, w.ask(10, "alice"), 1)
		w.served(0, "alice")
		w.requireRefreshed(1)
	})
}

// RF-16, RF-18: what is owed to somebody who has signed out elsewhere is not written but
// revoked, and nothing goes on for it.
func TestOwedPairAfterALogout(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		w.expired("alice")
		w.refuseTokens()
		w.served(0, "alice")
		require.NoError(t, w.replicas[1].client.Revoke(w.as("alice")))
		w.acceptTokens()
		require.NoError(t, w.replicas[0].auth.Shutdown(t.Context()))
		_, err := w.token(0, "alice")
		require.ErrorIs(t, err, signon.ErrNoToken)
		require.Zero(t, w.count("signon_tokens"))
		require.Equal(t, 4, w.op.Stats().Revoked, "the pair that nobody stored too")
	})
}

// RT-05: a process that is told to stop stores first what its refreshes bring, and what
// the database has missed.
func TestShutdown(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		w.expired("alice")
		w.expired("bob")
		w.refuseTokens()
		owed := w.served(0, "alice")
		g := newGate()
		w.traps.set("RefreshResponse", g.pass)
		inFlight := make(chan string)
		go func() {
			token, err := w.token(0, "bob")
			if err != nil {
				inFlight <- err.Error()
				return
			}
			inFlight <- token.AccessToken
		}()
		g.wait(w)
		done := make(chan error)
		go func() { done <- w.replicas[0].auth.Shutdown(t.Context()) }()
		select {
		case <-done:
			require.FailNow(t, "Shutdown did not wait")
		case <-time.After(300 * time.Millisecond):
		}
		w.acceptTokens()
		close(g.open)
		brought := <-inFlight
		require.NoError(t, <-done)
		require.Equal(t, owed.AccessToken, w.served(1, "alice").AccessToken)
		require.Equal(t, brought, w.served(1, "bob").AccessToken)
		w.requireRefreshed(2)
	})
}

// RT-05: it does not wait for ever, and says what may be lost.
func TestShutdownGivesUp(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		w.expired("alice")
		w.refuseTokens()
		w.served(0, "alice")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, w.replicas[0].auth.Shutdown(ctx), context.DeadlineExceeded)
	})
}
