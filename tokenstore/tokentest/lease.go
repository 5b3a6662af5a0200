package tokentest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/tokenstore"
)

// leases reports whether a store has leases.
func leases(t T, store signon.TokenStore) bool {
	leaser, ok := store.(tokenstore.Leaser)
	if !ok {
		return false
	}
	err := leaser.LeaseToken(t.Context(), newKey(), token("first"), held("probe"))
	return !errors.Is(err, errors.ErrUnsupported)
}

// held is a lease that does not run out during a test.
func held(holder string) tokenstore.Lease {
	return tokenstore.Lease{Holder: holder, TTL: time.Minute}
}

func paused(holder string) tokenstore.Lease {
	return tokenstore.Lease{Holder: holder, TTL: time.Minute, Paused: true}
}

// take asks for the lease of the first token.
func take(t T, store signon.TokenStore, key tokenstore.Key, lease tokenstore.Lease) error {
	return store.(tokenstore.Leaser).LeaseToken(t.Context(), key, token("first"), lease)
}

// saved returns a new key at which the first token is stored.
func saved(t T, store signon.TokenStore) tokenstore.Key {
	t.Helper()
	key := newKey()
	require.NoError(t, store.SaveToken(t.Context(), key, token("first")))
	return key
}

func checkLease(t T, store signon.TokenStore) {
	key := saved(t, store)
	giveBack := func(holder string) tokenstore.Lease { return tokenstore.Lease{Holder: holder} }
	for i, step := range []struct {
		lease tokenstore.Lease
		want  error
	}{
		{giveBack("first"), nil}, // nobody has it
		{held("first"), nil},
		{held("second"), tokenstore.ErrLeased},
		{held("First"), tokenstore.ErrLeased},
		{held("first "), tokenstore.ErrLeased},
		{paused("second"), tokenstore.ErrLeased},
		{giveBack("second"), tokenstore.ErrLeased}, // it is not the second's to give
		{held("second"), tokenstore.ErrLeased},
		{held("first"), nil}, // prolonged
		{held("first"), nil},
		{held("second"), tokenstore.ErrLeased},
		{giveBack("first"), nil},
		{giveBack("first"), nil},
		{held("second"), nil},
		{held("first"), tokenstore.ErrLeased},
	} {
		err := take(t, store, key, step.lease)
		require.ErrorIs(t, err, step.want, "step %d: %+v", i, step.lease)
	}
	require.NoError(t, take(t, store, saved(t, store), held("first")), "another key's lease")
	requireStored(t, store, key, token("first"))
}

func checkLeasePause(t T, store signon.TokenStore) {
	fromLease, fromNothing := saved(t, store), saved(t, store)
	require.NoError(t, take(t, store, fromLease, held("first")))
	for _, key := range []tokenstore.Key{fromLease, fromNothing} {
		require.NoError(t, take(t, store, key, paused("first")))
		for _, lease := range []tokenstore.Lease{held("first"), held("second"), {Holder: "first"}, paused("first"), paused("second")} {
			require.ErrorIs(t, take(t, store, key, lease), tokenstore.ErrPaused, "%+v", lease)
		}
		requireStored(t, store, key, token("first"))
	}
}

// The one check that takes time: all that runs out, at once.
func checkLeaseRunsOut(t T, store signon.TokenStore) {
	const soon = 300 * time.Millisecond
	short := tokenstore.Lease{Holder: "first", TTL: soon}
	runsOut, shortened, paused, prolonged := saved(t, store), saved(t, store), saved(t, store), saved(t, store)
	require.NoError(t, take(t, store, runsOut, short))
	require.NoError(t, take(t, store, shortened, held("first")))
	require.NoError(t, take(t, store, shortened, short))
	require.NoError(t, take(t, store, paused, tokenstore.Lease{Holder: "first", TTL: soon, Paused: true}))
	require.NoError(t, take(t, store, prolonged, short))
	require.NoError(t, take(t, store, prolonged, held("first")))
	time.Sleep(soon + 700*time.Millisecond)
	require.NoError(t, take(t, store, runsOut, held("second")), "the lease has run out")
	require.ErrorIs(t, take(t, store, runsOut, short), tokenstore.ErrLeased, "and is another's")
	require.NoError(t, take(t, store, shortened, held("second")), "the lease was shortened and has run out")
	require.NoError(t, take(t, store, paused, held("second")), "the pause is over")
	require.ErrorIs(t, take(t, store, prolonged, held("second")), tokenstore.ErrLeased, "the lease was prolonged")
}

func checkLeaseCompares(t T, store signon.TokenStore) {
	leaser := store.(tokenstore.Leaser)
	require.ErrorIs(t, leaser.LeaseToken(t.Context(), newKey(), token("first"), held("first")), tokenstore.ErrNotFound)
	require.ErrorIs(t, leaser.LeaseToken(t.Context(), newKey(), nil, held("first")), tokenstore.ErrNotFound)
	key := saved(t, store)
	for name, old := range map[string]*oauth2.Token{
		"another token":         token("other"),
		"another refresh token": {AccessToken: token("first").AccessToken, RefreshToken: "other"},
		"nil":                   nil,
	} {
		require.ErrorIs(t, leaser.LeaseToken(t.Context(), key, old, held("wrong")), tokenstore.ErrConflict, name)
	}
	require.NoError(t, take(t, store, key, held("first")), "a lease that was refused")
	require.ErrorIs(t, leaser.LeaseToken(t.Context(), key, token("other"), held("second")), tokenstore.ErrConflict)

	// RF-17: another owner of a token of equal strings.
	require.NoError(t, take(t, store, saved(t, store), held("second")))
}

func checkLeaseEnds(t T, store signon.TokenStore) {
	ctx := t.Context()
	for name, end := range map[string]func(tokenstore.Key) error{
		"UpdateToken": func(key tokenstore.Key) error { return store.UpdateToken(ctx, key, token("first"), token("first")) },
		"SaveToken":   func(key tokenstore.Key) error { return store.SaveToken(ctx, key, token("first")) },
		"DeleteToken": func(key tokenstore.Key) error {
			err := store.DeleteToken(ctx, key, token("first"))
			return errors.Join(err, store.SaveToken(ctx, key, token("first")))
		},
	} {
		for _, lease := range []tokenstore.Lease{held("first"), paused("first")} {
			key := saved(t, store)
			require.NoError(t, take(t, store, key, lease))
			require.NoError(t, end(key))
			require.NoError(t, take(t, store, key, held("second")), "the lease ends at %s", name)
		}
	}
	key := saved(t, store)
	require.NoError(t, take(t, store, key, held("first")))
	require.ErrorIs(t, store.UpdateToken(ctx, key, token("other"), token("new")), tokenstore.ErrConflict)
	require.ErrorIs(t, store.DeleteToken(ctx, key, token("other")), tokenstore.ErrConflict)
	require.ErrorIs(t, take(t, store, key, held("second")), tokenstore.ErrLeased, "nothing was changed: the lease stays")
}

// A lease is beside the token: who holds it updates what was read before.
func checkLeaseKeeps(t T, store signon.TokenStore) {
	key := newKey()
	want := fullExtra.Put(token("first"))
	require.NoError(t, store.SaveToken(t.Context(), key, want))
	old, err := store.FetchToken(t.Context(), key)
	require.NoError(t, err)
	for _, lease := range []tokenstore.Lease{held("first"), {Holder: "first"}, held("second")} {
		require.NoError(t, store.(tokenstore.Leaser).LeaseToken(t.Context(), key, old, lease))
		requireStored(t, store, key, want)
		requireExtra(t, store, key, fullExtra)
	}
	require.NoError(t, store.UpdateToken(t.Context(), key, old, token("second")), "nobody is kept from updating")
	requireStored(t, store, key, token("second"))
}

func checkLeaseRefuses(t T, store signon.TokenStore) {
	leaser := store.(tokenstore.Leaser)
	key := saved(t, store)
	done, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, leaser.LeaseToken(done, key, token("first"), held("first")), context.Canceled)
	for _, lease := range []tokenstore.Lease{{TTL: time.Minute}, {Holder: "first", TTL: -1}, {Holder: "first", TTL: tokenstore.MaxLease + 1}, {Holder: "first", Paused: true}, held("nul\x00"), held("\xff")} {
		err := take(t, store, key, lease)
		require.Error(t, err, "%+v", lease)
		require.NotErrorIs(t, err, tokenstore.ErrLeased, "%+v is a mistake", lease)
	}
	for _, bad := range refusedKeys(key) {
		err := take(t, store, bad, held("first"))
		require.Error(t, err, "%q", bad)
		require.NotErrorIs(t, err, tokenstore.ErrNotFound, "%q is a mistake", bad)
	}
	require.NoError(t, take(t, store, key, held("second")), "a lease that was refused")
}

func checkRaceLeases(t T, store signon.TokenStore) {
	for range rounds {
		key := saved(t, store)
		acts := make([]func() error, 16)
		for i := range acts {
			acts[i] = func() error { return take(t, store, key, held(fmt.Sprint(i))) }
		}
		winner := -1
		for i, err := range race(acts...) {
			if err == nil {
				require.Equal(t, -1, winner, "two have the lease")
				winner = i
				continue
			}
			require.ErrorIs(t, err, tokenstore.ErrLeased)
		}
		require.NotEqual(t, -1, winner, "nobody has the lease")
		require.NoError(t, take(t, store, key, held(fmt.Sprint(winner))), "the winner prolongs it")
	}
}
