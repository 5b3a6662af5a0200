// Package tokentest is the contract of a signon.TokenStore as a test, for anybody's
// store. Beside what that interface says it checks that a store refuses a key that
// [tokenstore.Key.Check] refuses and a token without an access token, compares keys
// byte by byte, keeps the whole [tokenstore.Extra] of a token, and changes nothing when a
// context is done. A store that is a [tokenstore.Leaser] or a [tokenstore.Lister] is
// checked for that too.
//
//	func TestStore(t *testing.T) {
//		tokentest.Run(t, func(t *testing.T) signon.TokenStore {
//			return mystore.New(t.TempDir())
//		})
//	}
package tokentest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/tokenstore"
)

// Run checks that a store does what signon.TokenStore says, in a subtest for each
// thing it says. It calls new for each of them and uses keys of its own in each, so
// that new may return one store again and again, even one that was used before by
// another run of Run.
//
// Run it with the race detector too.
func Run(t *testing.T, new func(t *testing.T) signon.TokenStore) {
	t.Helper()
	for _, c := range contract {
		t.Run(c.name, func(t *testing.T) {
			store := new(t)
			if c.asks != nil && !c.asks(t, store) {
				t.Skip("the store does not have what an optional interface asks for")
			}
			c.check(t, store)
		})
	}
}

// T is what a check needs of a *testing.T, so that the tests of this package can
// see it fail.
type T interface {
	require.TestingT
	Helper()
	Context() context.Context
}

var contract = []struct {
	name  string
	check func(T, signon.TokenStore)
	asks  func(T, signon.TokenStore) bool // whether the store has to; nil: it has
}{
	{"nothing stored", checkNothingStored, nil},
	{"save and fetch", checkSaveFetch, nil},
	{"keeps the scope", checkScope, nil},
	{"keeps the extra", checkExtra, nil},
	{"keeps expires_in", checkExpiresIn, nil},
	{"save replaces", checkSaveReplaces, nil},
	{"copies in", checkCopiesIn, nil},
	{"copies out", checkCopiesOut, nil},
	{"expired and far times", checkTimes, nil},
	{"long tokens", checkLongTokens, nil},
	{"no token", checkNoToken, nil},
	{"update", checkUpdate, nil},
	{"update compares", checkUpdateCompares, nil},
	{"update creates nothing", checkUpdateCreatesNothing, nil},
	{"delete", checkDelete, nil},
	{"delete compares", checkDeleteCompares, nil},
	{"keys apart", checkKeysApart, nil},
	{"equal tokens of two owners", checkEqualTokens, nil},
	{"incomplete keys", checkIncompleteKeys, nil},
	{"refused keys", checkRefusedKeys, nil},
	{"context done", checkContextDone, nil},
	{"race of updates", checkRaceUpdates, nil},
	{"race of update and delete", checkRaceUpdateDelete, nil},
	{"race of update and compared delete", checkRaceUpdateCompared, nil},
	{"race of save with update and delete", checkRaceSave, nil},
	{"race of owners", checkRaceOwners, nil},
	{"lease", checkLease, leases},
	{"lease pause", checkLeasePause, leases},
	{"lease runs out", checkLeaseRunsOut, leases},
	{"lease compares", checkLeaseCompares, leases},
	{"lease ends", checkLeaseEnds, leases},
	{"lease keeps the token", checkLeaseKeeps, leases},
	{"lease refuses", checkLeaseRefuses, leases},
	{"race of leases", checkRaceLeases, leases},
	{"walk", checkWalk, lists},
	{"walk and change", checkWalkChanges, lists},
	{"walk with a context", checkWalkContext, lists},
}

func checkNothingStored(t T, store signon.TokenStore) {
	key := newKey()
	got, err := store.FetchToken(t.Context(), key)
	require.ErrorIs(t, err, tokenstore.ErrNotFound)
	require.Nil(t, got, "a token beside ErrNotFound")
}

func checkSaveFetch(t T, store signon.TokenStore) {
	key := newKey()
	want := &oauth2.Token{
		AccessToken:  "access-1",
		TokenType:    "Bearer",
		RefreshToken: "refresh-1",
		Expiry:       time.Now().Add(time.Hour),
	}
	require.NoError(t, store.SaveToken(t.Context(), key, want))
	requireStored(t, store, key, want)

	bare := newKey()
	want = &oauth2.Token{AccessToken: "never expires, no refresh token"}
	require.NoError(t, store.SaveToken(t.Context(), bare, want))
	requireStored(t, store, bare, want)
}

func checkSaveReplaces(t T, store signon.TokenStore) {
	key := newKey()
	require.NoError(t, store.SaveToken(t.Context(), key, token("first")))
	next := &oauth2.Token{AccessToken: "second"} // what is absent here must not stay
	require.NoError(t, store.SaveToken(t.Context(), key, next))
	requireStored(t, store, key, next)
}

func checkCopiesIn(t T, store signon.TokenStore) {
	key := newKey()
	given := token("first")
	require.NoError(t, store.SaveToken(t.Context(), key, given))
	require.Equal(t, token("first"), given, "SaveToken changed its argument")
	given.AccessToken = "changed after SaveToken"
	requireStored(t, store, key, token("first"))

	given = token("second")
	old := token("first")
	require.NoError(t, store.UpdateToken(t.Context(), key, old, given))
	require.Equal(t, token("first"), old, "UpdateToken changed its argument")
	require.Equal(t, token("second"), given, "UpdateToken changed its argument")
	given.AccessToken = "changed after UpdateToken"
	requireStored(t, store, key, token("second"))
}

func checkCopiesOut(t T, store signon.TokenStore) {
	key := newKey()
	require.NoError(t, store.SaveToken(t.Context(), key, token("first")))
	got, err := store.FetchToken(t.Context(), key)
	require.NoError(t, err)
	got.AccessToken, got.Expiry = "changed after FetchToken", time.Time{}
	requireStored(t, store, key, token("first"))
}

// An access token that has expired is still the way to a new one. ST-11
func checkTimes(t T, store signon.TokenStore) {
	for _, expiry := range []time.Time{
		time.Now().Add(-time.Hour),
		time.Now().AddDate(-5, 0, 0),
		time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC),
		time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Now().Add(time.Hour).In(time.FixedZone("", -9*3600)),
		{},
	} {
		key := newKey()
		want := token("first")
		want.Expiry = expiry
		require.NoError(t, store.SaveToken(t.Context(), key, want))
		requireStored(t, store, key, want)
	}
}

func checkLongTokens(t T, store signon.TokenStore) {
	key := newKey()
	want := &oauth2.Token{
		AccessToken:  strings.Repeat("0123456789abcdef", 1024), // 16 KiB
		RefreshToken: strings.Repeat("fedcba9876543210", 1024),
		TokenType:    "bearer",
	}
	require.NoError(t, store.SaveToken(t.Context(), key, want))
	requireStored(t, store, key, want)
}

func checkNoToken(t T, store signon.TokenStore) {
	key := newKey()
	for name, none := range map[string]*oauth2.Token{"nil": nil, "no access token": {RefreshToken: "refresh"}} {
		require.Error(t, store.SaveToken(t.Context(), key, none), "SaveToken: %s", name)
		requireNotFound(t, store, key)
	}
	require.NoError(t, store.SaveToken(t.Context(), key, token("first")))
	require.Error(t, store.UpdateToken(t.Context(), key, token("first"), nil))
	requireStored(t, store, key, token("first"))
}

func checkUpdate(t T, store signon.TokenStore) {
	key := newKey()
	require.NoError(t, store.SaveToken(t.Context(), key, token("first")))
	old, err := store.FetchToken(t.Context(), key)
	require.NoError(t, err)

	next := &oauth2.Token{AccessToken: "access second", RefreshToken: old.RefreshToken}
	require.NoError(t, store.UpdateToken(t.Context(), key, old, next))
	requireStored(t, store, key, next)
}

func checkUpdateCompares(t T, store signon.TokenStore) {
	key := newKey()
	require.NoError(t, store.SaveToken(t.Context(), key, token("first")))
	for name, old := range map[string]*oauth2.Token{
		"another token":         token("other"),
		"another access token":  {AccessToken: "other", RefreshToken: token("first").RefreshToken},
		"another refresh token": {AccessToken: token("first").AccessToken, RefreshToken: "other"},
		"no refresh token":      {AccessToken: token("first").AccessToken},
		"letter case":           {AccessToken: strings.ToUpper(token("first").AccessToken), RefreshToken: token("first").RefreshToken},
		"nil":                   nil,
	} {
		err := store.UpdateToken(t.Context(), key, old, token("second"))
		require.ErrorIs(t, err, tokenstore.ErrConflict, name)
		requireStored(t, store, key, token("first"))
	}

	// The rest of the old token does not count.
	old := &oauth2.Token{AccessToken: token("first").AccessToken, RefreshToken: token("first").RefreshToken}
	require.NoError(t, store.UpdateToken(t.Context(), key, old, token("second")))
	requireStored(t, store, key, token("second"))
}

// RF-16
func checkUpdateCreatesNothing(t T, store signon.TokenStore) {
	key := newKey()
	err := store.UpdateToken(t.Context(), key, token("first"), token("second"))
	require.ErrorIs(t, err, tokenstore.ErrNotFound)
	requireNotFound(t, store, key)

	require.NoError(t, store.SaveToken(t.Context(), key, token("first")))
	require.NoError(t, store.DeleteToken(t.Context(), key, nil))
	err = store.UpdateToken(t.Context(), key, token("first"), token("second"))
	require.ErrorIs(t, err, tokenstore.ErrNotFound, "after DeleteToken")
	requireNotFound(t, store, key)
}

func checkDelete(t T, store signon.TokenStore) {
	key := newKey()
	require.NoError(t, store.DeleteToken(t.Context(), key, nil), "nothing stored is no error")
	require.NoError(t, store.SaveToken(t.Context(), key, token("first")))
	require.NoError(t, store.DeleteToken(t.Context(), key, nil))
	requireNotFound(t, store, key)

	require.NoError(t, store.SaveToken(t.Context(), key, token("second")))
	requireStored(t, store, key, token("second"))
}

func checkDeleteCompares(t T, store signon.TokenStore) {
	key := newKey()
	require.ErrorIs(t, store.DeleteToken(t.Context(), key, token("first")), tokenstore.ErrNotFound)
	require.NoError(t, store.SaveToken(t.Context(), key, token("first")))
	require.ErrorIs(t, store.DeleteToken(t.Context(), key, token("other")), tokenstore.ErrConflict)
	requireStored(t, store, key, token("first"))
	require.NoError(t, store.DeleteToken(t.Context(), key, token("first")))
	requireNotFound(t, store, key)
}
