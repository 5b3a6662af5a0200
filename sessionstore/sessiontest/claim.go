package sessiontest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/sessionstore"
)

func checkClaim(t T, store sessionstore.Store) {
	key, until := newRecord().ID, time.Now().Add(time.Hour)
	require.NoError(t, store.Claim(t.Context(), key, until))
	require.ErrorIs(t, store.Claim(t.Context(), key, until), sessionstore.ErrClaimed)
	require.ErrorIs(t, store.Claim(t.Context(), key, until.Add(time.Hour)), sessionstore.ErrClaimed)
	require.ErrorIs(t, store.Claim(t.Context(), key, time.Now().Add(-time.Hour)), sessionstore.ErrClaimed)
	require.ErrorIs(t, store.Claim(t.Context(), key, until), sessionstore.ErrClaimed, "a claim that failed frees nothing")
	require.Error(t, store.Claim(t.Context(), "", until), "an empty key")
}

func checkClaimsApart(t T, store sessionstore.Store) {
	until := time.Now().Add(time.Hour)
	keys := oddStrings(newRecord().ID)
	for _, key := range keys {
		require.NoError(t, store.Claim(t.Context(), key, until), "%q", key)
	}
	for _, key := range keys {
		require.ErrorIs(t, store.Claim(t.Context(), key, until), sessionstore.ErrClaimed, "%q", key)
	}
	require.NoError(t, store.CreateLogin(t.Context(), newRecord()), "claims are not logins")
}

// Until may be long past, or far away: ST-11.
func checkClaimsPass(t T, store sessionstore.Store) {
	for _, past := range []time.Time{time.Now().Add(-time.Minute), time.Unix(0, 0), {}} {
		key := newRecord().ID
		require.NoError(t, store.Claim(t.Context(), key, past))
		require.NoError(t, store.Claim(t.Context(), key, past), "the same again changes nothing, and is one all the same")
		require.NoError(t, store.Claim(t.Context(), key, time.Now().Add(time.Hour)), "free after %v", past)
		require.ErrorIs(t, store.Claim(t.Context(), key, past), sessionstore.ErrClaimed)
	}
	for _, far := range []time.Time{time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC), time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC)} {
		key := newRecord().ID
		require.NoError(t, store.Claim(t.Context(), key, far))
		require.ErrorIs(t, store.Claim(t.Context(), key, far), sessionstore.ErrClaimed)
	}
}

func checkUnfitClaims(t T, store sessionstore.Store) {
	until := time.Now().Add(time.Hour)
	for what, key := range unfit(sessionstore.MaxKeySize) {
		err := store.Claim(t.Context(), key, until)
		require.Error(t, err, "a key with %s", what)
		require.NotErrorIs(t, err, sessionstore.ErrClaimed, "a key with %s", what)
	}
	key := longest(newRecord().ID, sessionstore.MaxKeySize)
	require.NoError(t, store.Claim(t.Context(), key, until))
	require.ErrorIs(t, store.Claim(t.Context(), key, until), sessionstore.ErrClaimed)
}

// checkClaimsFreeAgain waits until a claim has passed: of all who want it then, one gets
// it. ST-12
func checkClaimsFreeAgain(t T, store sessionstore.Store) {
	for range 3 {
		key, until := newRecord().ID, time.Now().Add(brief)
		require.NoError(t, store.Claim(t.Context(), key, until))
		waitUntil(until)
		errs := race(50, func(int) error { return store.Claim(t.Context(), key, time.Now().Add(time.Hour)) })
		requireOneNil(t, errs, sessionstore.ErrClaimed)
	}
}
