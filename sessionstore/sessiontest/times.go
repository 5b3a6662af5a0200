package sessiontest

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/sessionstore"
)

// brief is how long something lives that a check sees expire.
const brief = 50 * time.Millisecond

// checkExpires waits until a login has expired that was alive.
func checkExpires(t T, store sessionstore.Store) {
	rec := newRecord()
	rec.ExpiresAt = time.Now().Add(brief)
	require.NoError(t, store.CreateLogin(t.Context(), rec))
	waitUntil(rec.ExpiresAt)
	requireEnded(t, store, rec)
	require.ErrorIs(t, store.TouchLogin(t.Context(), rec.ID, time.Now().Add(time.Hour)), sessionstore.ErrNotFound)
	ended, err := store.EndLogins(t.Context(), sessionstore.Selector{ID: rec.ID})
	require.NoError(t, err)
	require.Empty(t, ended)
	requireEnded(t, store, rec)
}

// waitUntil waits until t has come, to the millisecond, whatever a store rounds.
func waitUntil(t time.Time) { <-time.After(time.Until(t) + time.Millisecond) }

// checkMilliseconds wants each millisecond back, of any instant in any zone: ST-11.
func checkMilliseconds(t T, store sessionstore.Store) {
	for _, at := range []time.Time{
		time.Date(2026, 3, 29, 1, 30, 0, int(999*time.Millisecond), time.UTC), // a night when clocks change
		time.Date(2026, 10, 25, 2, 30, 0, int(1*time.Millisecond), time.FixedZone("", 3600)),
		time.Date(2026, 10, 25, 2, 30, 0, int(2*time.Millisecond), time.FixedZone("", 7200)),
		time.Date(1969, 12, 31, 23, 59, 59, int(998*time.Millisecond), time.UTC),
		time.Date(2500, 1, 1, 0, 0, 0, int(123*time.Millisecond), time.FixedZone("", -12*3600)),
	} {
		rec := newRecord()
		rec.CreatedAt, rec.LastSeen = at, at
		require.NoError(t, store.CreateLogin(t.Context(), rec))
		got, err := store.Login(t.Context(), rec.ID)
		require.NoError(t, err)
		require.Equal(t, at.UnixMilli(), got.CreatedAt.UnixMilli(), "CreatedAt %v", at)
		require.Equal(t, at.UnixMilli(), got.LastSeen.UnixMilli(), "LastSeen %v", at)

		at = at.Add(time.Millisecond)
		require.NoError(t, store.TouchLogin(t.Context(), rec.ID, at))
		got, err = store.Login(t.Context(), rec.ID)
		require.NoError(t, err)
		require.Equal(t, at.UnixMilli(), got.LastSeen.UnixMilli(), "LastSeen %v", at)
		require.Equal(t, rec.ExpiresAt.UnixMilli(), got.ExpiresAt.UnixMilli())
	}
}

func checkDeadlinePassed(t T, store sessionstore.Store) {
	rec, other := newRecord(), newRecord()
	require.NoError(t, store.CreateLogin(t.Context(), rec))
	passed, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, err := store.Login(passed, rec.ID)
	require.ErrorIs(t, err, context.DeadlineExceeded, "Login")
	require.ErrorIs(t, store.CreateLogin(passed, other), context.DeadlineExceeded, "CreateLogin")
	_, err = store.EndLogins(passed, sessionstore.Selector{ID: rec.ID})
	require.ErrorIs(t, err, context.DeadlineExceeded, "EndLogins")
	require.ErrorIs(t, store.Claim(passed, other.ID, rec.ExpiresAt), context.DeadlineExceeded, "Claim")
	requireLogin(t, store, rec)
	requireEnded(t, store, other)
}
