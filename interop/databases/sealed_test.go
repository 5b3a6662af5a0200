package databases_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

const movedOrChanged = `"level":"ERROR","msg":"signon: a stored token does not open: moved or changed`

// sealedColumns are those whose text is sealed, plainColumns the others that are bound
// to it.
var (
	sealedColumns = []string{"access_token", "refresh_token", "id_token"}
	plainColumns  = []string{"version", "token_type", "expires_at", "expires_in", "scope", "until"}
)

// copyColumn writes what one column of one row has into a column of another.
func (w *world) copyColumn(fromOwner, from, toOwner, to string) {
	w.t.Helper()
	w.exec("UPDATE signon_tokens SET "+to+" = (SELECT x FROM (SELECT "+from+" AS x FROM signon_tokens WHERE owner = ?) AS t) WHERE owner = ?", fromOwner, toOwner)
}

// requireAbsent: the row does not open, which is logged, at any replica; its owner signs
// in again, which brings a good one.
func (w *world) requireAbsent(b *signontest.Browser, owner, logged string) {
	w.t.Helper()
	for i := range w.replicas {
		before := len(w.log.String())
		_, err := w.token(i, owner)
		require.ErrorIs(w.t, err, signon.ErrNoToken)
		require.NotErrorIs(w.t, err, signon.ErrUnavailable)
		require.Contains(w.t, w.log.String()[before:], logged)
	}
	require.Equal(w.t, http.StatusSeeOther, items(b))
	require.Equal(w.t, owner, who(b), "the login is not what was attacked")
	w.signIn(b, owner)
	require.Equal(w.t, http.StatusOK, items(b))
}

// ST-01: sealed texts that are moved between users and columns do not open.
func TestMovedTextsDoNotOpen(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		alice := w.signedIn("alice", time.Hour)
		w.signedIn("bob", time.Hour)
		for _, column := range sealedColumns {
			w.copyColumn("bob", column, "alice", column)
			w.requireAbsent(alice, "alice", movedOrChanged)
			for _, from := range sealedColumns {
				if from != column {
					w.copyColumn("alice", from, "alice", column)
					w.requireAbsent(alice, "alice", movedOrChanged)
				}
			}
		}
		for _, column := range append(sealedColumns, plainColumns...) { // all that bob has
			w.copyColumn("bob", column, "alice", column)
		}
		w.requireAbsent(alice, "alice", movedOrChanged)
		w.served(0, "bob")
		require.Zero(t, w.refreshes())
	})
}

// ST-01, ST-02: a row that is given to another user or provider does not open there.
func TestMovedRowDoesNotOpen(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		alice := w.signedIn("alice", time.Hour)
		bob := w.signedIn("bob", time.Hour)
		w.setup.provider = func(p *signon.Provider) { p.Name = "other" }
		other := w.start(keys(1))

		require.EqualValues(t, 1, w.exec("UPDATE signon_tokens SET provider = 'other' WHERE owner = 'alice'"))
		_, err := other.client.Token(w.as("alice"))
		require.ErrorIs(t, err, signon.ErrNoToken)
		require.Contains(t, w.log.String(), movedOrChanged)
		w.signIn(alice, "alice")

		w.exec("DELETE FROM signon_tokens WHERE owner = 'bob'")
		require.EqualValues(t, 1, w.exec("UPDATE signon_tokens SET owner = 'bob' WHERE owner = 'alice' AND provider = 'op'"))
		w.requireAbsent(bob, "bob", movedOrChanged)
		_, err = w.token(0, "alice")
		require.ErrorIs(t, err, signon.ErrNoToken)
	})
}

// ST-02: each plain column is edited, and each sealed one is taken away.
func TestEditedRowDoesNotOpen(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		b := w.signedIn("alice", time.Hour)
		for _, edit := range []string{
			"expires_at = expires_at + 3600", "expires_at = -62135596800", "expires_in = expires_in + 1", "expires_in = 0",
			"token_type = 'Basic'", "token_type = ''", "scope = 'openid admin'", "scope = ''", "until = until + 1", "until = 2000000000",
			"version = version - 1", "version = 0", "refresh_token = ''", "id_token = ''",
			"access_token = 'planted'", "refresh_token = 'planted'", "id_token = 'planted'",
		} {
			require.EqualValues(t, 1, w.exec("UPDATE signon_tokens SET "+edit+" WHERE owner = 'alice'"), edit)
			logged := movedOrChanged
			if edit == "access_token = 'planted'" {
				logged = `"level":"ERROR","msg":"signon: a stored token is not sealed`
			}
			w.requireAbsent(b, "alice", logged)
		}
		require.Zero(t, w.refreshes())
	})
}

// putBack writes columns of an earlier row into alice's.
func (w *world) putBack(columns ...string) {
	w.t.Helper()
	for _, column := range columns {
		w.exec("UPDATE signon_tokens SET " + column + " = (SELECT " + column + " FROM earlier) WHERE owner = 'alice'")
	}
}

// ST-03: parts of an earlier row in a newer one do not open, nor do its tokens under the
// new version. A whole earlier row does, as signon.Config says; the refresh token in it
// is spent, and the provider says so.
func TestRowPutBack(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		b := w.expired("alice")
		w.exec("CREATE TABLE earlier AS SELECT * FROM signon_tokens WHERE owner = 'alice'")
		w.served(0, "alice")
		for _, column := range append(sealedColumns, "version") {
			w.putBack(column)
			w.requireAbsent(b, "alice", movedOrChanged)
		}
		w.putBack(append(sealedColumns, plainColumns[1:]...)...) // all but the version
		w.requireAbsent(b, "alice", movedOrChanged)

		w.putBack(append(sealedColumns, plainColumns...)...)
		_, err := w.token(1, "alice")
		require.ErrorIs(t, err, signon.ErrNoToken)
		require.Equal(t, 1, w.op.Stats().RefreshReused)
		require.Zero(t, w.count("signon_tokens"))
	})
}

// ST-04: what the old key sealed is read and written with the new one. Of a key that is
// gone nothing is left but the way to sign in: no 500, however often one asks.
func TestKeysChange(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		w.expired("alice")
		bob := w.signedIn("bob", time.Hour)
		both, fresh := w.start(keys(2, 1)), w.start(keys(2))
		refreshed, err := both.client.Token(w.as("alice"))
		require.NoError(t, err)
		_, err = both.client.Token(w.as("bob"))
		require.NoError(t, err)
		read, err := fresh.client.Token(w.as("alice"))
		require.NoError(t, err)
		require.Equal(t, refreshed.AccessToken, read.AccessToken)

		w.replicas = []*replica{fresh}
		for range 3 {
			require.Equal(t, http.StatusSeeOther, items(bob))
			_, err = fresh.client.Token(w.as("bob"))
			require.ErrorIs(t, err, signon.ErrNoToken)
		}
		require.Contains(t, w.log.String(), `"level":"WARN","msg":"signon: a stored token is sealed with a key that is not in Config.Keys`)
		require.Equal(t, 2, w.count("signon_tokens"), "the row stays for whoever has the key")
		_, err = both.auth.Reseal(t.Context())
		require.NoError(t, err)
		_, err = fresh.client.Token(w.as("bob"))
		require.NoError(t, err)
		w.exec("UPDATE signon_tokens SET version = 1 WHERE owner = 'bob'")
		w.signIn(bob, "bob")
		require.Equal(t, http.StatusOK, items(bob))
		require.NotContains(t, w.log.String(), `"status":5`)
	})
}
