package sessiontest

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/sessionstore"
)

// rounds is how often a race is run: often enough that one of two orders is not
// always the same, and bearable for a store on a network.
const rounds = 20

// ST-12
func checkRaceClaims(t T, store sessionstore.Store) {
	for range 3 {
		key, until := newRecord().ID, time.Now().Add(time.Hour)
		errs := race(50, func(int) error { return store.Claim(t.Context(), key, until) })
		requireOneNil(t, errs, sessionstore.ErrClaimed)
	}
}

func checkRaceCreates(t T, store sessionstore.Store) {
	for range rounds {
		id := newRecord().ID
		recs := make([]*sessionstore.Record, 8)
		for i := range recs {
			recs[i] = newRecord()
			recs[i].ID = id
		}
		errs := race(len(recs), func(i int) error { return store.CreateLogin(t.Context(), recs[i]) })
		won := requireOneNil(t, errs, sessionstore.ErrExists)
		for i, rec := range recs {
			if i == won {
				requireLogin(t, store, rec)
				continue
			}
			requireSelects(t, store, sessionstore.Selector{Owner: rec.Owner})
		}
	}
}

// Whoever ends a login deletes its tokens, so each must be somebody's and no
// two's.
func checkRaceEnds(t T, store sessionstore.Store) {
	for range rounds {
		base := newRecord()
		want := make([]string, 5)
		for i := range want {
			rec := base.Clone()
			rec.ID = newRecord().ID
			want[i] = rec.ID
			require.NoError(t, store.CreateLogin(t.Context(), rec))
		}
		by := []sessionstore.Selector{
			{Owner: base.Owner},
			{Issuer: base.Issuer, SID: base.SID},
			{Issuer: base.Issuer, Subject: base.Subject},
			{ID: want[2]},
		}
		ended := make([][]string, len(by))
		errs := race(len(by), func(i int) error {
			recs, err := store.EndLogins(t.Context(), by[i])
			ended[i] = idsOf(recs)
			return err
		})
		var got []string
		for i, err := range errs {
			require.NoError(t, err)
			got = append(got, ended[i]...)
		}
		require.ElementsMatch(t, want, got)
	}
}

// SE-03: whichever came first, what was ended is gone.
func checkRaceTouchEnd(t T, store sessionstore.Store) {
	for range rounds {
		rec := newRecord()
		require.NoError(t, store.CreateLogin(t.Context(), rec))
		errs := race(2, func(i int) error {
			if i == 0 {
				return store.TouchLogin(t.Context(), rec.ID, rec.LastSeen.Add(time.Minute))
			}
			_, err := store.EndLogins(t.Context(), sessionstore.Selector{ID: rec.ID})
			return err
		})
		if errs[0] != nil {
			require.ErrorIs(t, errs[0], sessionstore.ErrNotFound)
		}
		require.NoError(t, errs[1])
		requireEnded(t, store, rec)
	}
}

// SE-09: of two tabs that touch one login, neither is lost.
func checkRaceTouches(t T, store sessionstore.Store) {
	for range rounds {
		rec := newRecord()
		require.NoError(t, store.CreateLogin(t.Context(), rec))
		errs := race(8, func(i int) error {
			return store.TouchLogin(t.Context(), rec.ID, rec.LastSeen.Add(time.Duration(i)*time.Minute))
		})
		for _, err := range errs {
			require.NoError(t, err)
		}
		rec.LastSeen = rec.LastSeen.Add(7 * time.Minute)
		requireLogin(t, store, rec)
	}
}

// checkRaceAll: logins of one id come and go. Each that was made is ended by one caller or
// is there, whoever else touched it.
func checkRaceAll(t T, store sessionstore.Store) {
	for range rounds {
		first := newRecord()
		require.NoError(t, store.CreateLogin(t.Context(), first))
		made := []string{first.SID}
		sids := make([][]string, 12)
		again := make([]*sessionstore.Record, len(sids))
		errs := race(len(sids), func(i int) error {
			switch i % 3 {
			case 0:
				again[i] = first.Clone()
				again[i].SID = newRecord().SID
				return store.CreateLogin(t.Context(), again[i])
			case 1:
				return store.TouchLogin(t.Context(), first.ID, first.LastSeen.Add(time.Minute))
			}
			ended, err := store.EndLogins(t.Context(), sessionstore.Selector{Owner: first.Owner})
			for _, rec := range ended {
				sids[i] = append(sids[i], rec.SID)
			}
			return err
		})
		for i, err := range errs {
			switch {
			case err != nil && i%3 == 0:
				require.ErrorIs(t, err, sessionstore.ErrExists)
			case err != nil:
				require.ErrorIs(t, err, sessionstore.ErrNotFound)
			case i%3 == 0:
				made = append(made, again[i].SID)
			}
		}
		left, err := store.EndLogins(t.Context(), sessionstore.Selector{ID: first.ID})
		require.NoError(t, err)
		got := slices.Concat(sids...)
		for _, rec := range left {
			got = append(got, rec.SID)
		}
		require.ElementsMatch(t, made, got)
		requireEnded(t, store, first)
	}
}

// checkRaceCancel: who ends a login and leaves hears of it, or has left it as it was.
func checkRaceCancel(t T, store sessionstore.Store) {
	for range rounds {
		rec := newRecord()
		require.NoError(t, store.CreateLogin(t.Context(), rec))
		ctx, cancel := context.WithCancel(t.Context())
		var ended []*sessionstore.Record
		errs := race(2, func(i int) (err error) {
			if i == 0 {
				cancel()
				return nil
			}
			ended, err = store.EndLogins(ctx, sessionstore.Selector{Owner: rec.Owner})
			return err
		})
		if errs[1] != nil {
			require.ErrorIs(t, errs[1], context.Canceled)
			requireLogin(t, store, rec)
			continue
		}
		require.Equal(t, []string{rec.ID}, idsOf(ended))
		requireEnded(t, store, rec)
	}
}

// What one user does is no matter of another's.
func checkRaceUsers(t T, store sessionstore.Store) {
	recs := make([]*sessionstore.Record, 32)
	for i := range recs {
		recs[i] = newRecord()
	}
	errs := race(len(recs), func(i int) error {
		rec := recs[i]
		if err := store.CreateLogin(t.Context(), rec); err != nil {
			return err
		}
		at := rec.LastSeen.Add(time.Duration(i) * time.Minute)
		if err := store.TouchLogin(t.Context(), rec.ID, at); err != nil || i%2 == 0 {
			return err
		}
		_, err := store.EndLogins(t.Context(), sessionstore.Selector{Issuer: rec.Issuer, Subject: rec.Subject})
		return err
	})
	for i, rec := range recs {
		require.NoError(t, errs[i])
		if i%2 == 0 {
			rec.LastSeen = rec.LastSeen.Add(time.Duration(i) * time.Minute)
			requireLogin(t, store, rec)
			continue
		}
		requireEnded(t, store, rec)
	}
}

// race calls act n times at once and returns what each call returned.
func race(n int, act func(i int) error) []error {
	errs := make([]error, n)
	start := make(chan struct{})
	var all sync.WaitGroup
	for _, i := range rand.Perm(n) { // no order is always the first to go
		all.Go(func() {
			<-start
			errs[i] = act(i)
		})
	}
	close(start)
	all.Wait()
	return errs
}

// requireOneNil fails unless one call succeeded and each other returned err, and
// returns which.
func requireOneNil(t T, errs []error, err error) int {
	t.Helper()
	won := -1
	for i, got := range errs {
		if got == nil {
			require.Equal(t, -1, won, "two succeeded")
			won = i
			continue
		}
		require.ErrorIs(t, got, err)
	}
	require.NotEqual(t, -1, won, "none succeeded")
	return won
}
