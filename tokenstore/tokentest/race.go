package tokentest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/tokenstore"
)

// rounds is how often each race is run: often enough that one of two orders is
// not always the same, and bearable for a store on a network.
const rounds = 20

func checkRaceUpdates(t T, store signon.TokenStore) {
	const racers = 16
	for range rounds {
		key := newKey()
		require.NoError(t, store.SaveToken(t.Context(), key, token("old")))
		acts := make([]func() error, racers)
		for i := range acts {
			acts[i] = func() error {
				return store.UpdateToken(t.Context(), key, token("old"), token(fmt.Sprint(i)))
			}
		}
		winner := -1
		for i, err := range race(acts...) {
			if err == nil {
				require.Equal(t, -1, winner, "two updates of one old token succeeded")
				winner = i
				continue
			}
			require.ErrorIs(t, err, tokenstore.ErrConflict)
		}
		require.NotEqual(t, -1, winner, "no update succeeded")
		requireStored(t, store, key, token(fmt.Sprint(winner)))
	}
}

// RF-16: whichever came first, what was deleted is gone.
func checkRaceUpdateDelete(t T, store signon.TokenStore) {
	for range rounds {
		key := newKey()
		require.NoError(t, store.SaveToken(t.Context(), key, token("old")))
		errs := race(
			func() error { return store.UpdateToken(t.Context(), key, token("old"), token("new")) },
			func() error { return store.DeleteToken(t.Context(), key, nil) },
		)
		requireNilOr(t, errs[0], tokenstore.ErrNotFound)
		require.NoError(t, errs[1])
		requireNotFound(t, store, key)
	}
}

func checkRaceUpdateCompared(t T, store signon.TokenStore) {
	for range rounds {
		key := newKey()
		require.NoError(t, store.SaveToken(t.Context(), key, token("old")))
		errs := race(
			func() error { return store.UpdateToken(t.Context(), key, token("old"), token("new")) },
			func() error { return store.DeleteToken(t.Context(), key, token("old")) },
		)
		if errs[0] == nil {
			require.ErrorIs(t, errs[1], tokenstore.ErrConflict)
			requireStored(t, store, key, token("new"))
			continue
		}
		require.ErrorIs(t, errs[0], tokenstore.ErrNotFound)
		require.NoError(t, errs[1])
		requireNotFound(t, store, key)
	}
}

// A new login wins over the refresh and the end of the token before it.
func checkRaceSave(t T, store signon.TokenStore) {
	for range rounds {
		key := newKey()
		require.NoError(t, store.SaveToken(t.Context(), key, token("old")))
		errs := race(
			func() error { return store.SaveToken(t.Context(), key, token("login")) },
			func() error { return store.UpdateToken(t.Context(), key, token("old"), token("new")) },
			func() error { return store.DeleteToken(t.Context(), key, token("old")) },
		)
		require.NoError(t, errs[0])
		requireNilOr(t, errs[1], tokenstore.ErrConflict, tokenstore.ErrNotFound)
		requireNilOr(t, errs[2], tokenstore.ErrConflict)
		requireStored(t, store, key, token("login"))
	}
}

// What one owner does is no matter of another's.
func checkRaceOwners(t T, store signon.TokenStore) {
	const owners = 16
	keys := make([]tokenstore.Key, owners)
	acts := make([]func() error, owners)
	for i := range acts {
		keys[i] = newKey()
		acts[i] = func() error {
			return errors.Join(
				store.SaveToken(t.Context(), keys[i], token("old")),
				store.UpdateToken(t.Context(), keys[i], token("old"), token("new")),
				store.DeleteToken(t.Context(), keys[i], token("new")),
				store.SaveToken(t.Context(), keys[i], token(fmt.Sprint(i))),
			)
		}
	}
	for _, err := range race(acts...) {
		require.NoError(t, err)
	}
	for i, key := range keys {
		requireStored(t, store, key, token(fmt.Sprint(i)))
	}
}

// race runs acts at once and returns what each of them returned.
func race(acts ...func() error) []error {
	errs := make([]error, len(acts))
	start := make(chan struct{})
	var all sync.WaitGroup
	for _, i := range rand.Perm(len(acts)) { // no order is always the first to go
		all.Go(func() {
			<-start
			errs[i] = acts[i]()
		})
	}
	close(start)
	all.Wait()
	return errs
}

// requireNilOr fails if err is neither nil nor one of those allowed.
func requireNilOr(t T, err error, allowed ...error) {
	t.Helper()
	for _, ok := range allowed {
		if errors.Is(err, ok) {
			return
		}
	}
	require.NoError(t, err)
}
