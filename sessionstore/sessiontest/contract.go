// Package sessiontest is the contract of a sessionstore.Store as a test, for
// anybody's store:
//
//	func TestStore(t *testing.T) {
//		sessiontest.Run(t, func(t *testing.T) sessionstore.Store {
//			return mystore.New(t.TempDir())
//		})
//	}
package sessiontest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/sessionstore"
)

// Run checks that a store does what [sessionstore.Store] says, in a subtest for
// each thing it says. It calls new for each of them and uses logins of its own in
// each, so that new may return one store again and again, even one that was used
// before by another run of Run.
//
// Run it with the race detector too.
func Run(t *testing.T, new func(t *testing.T) sessionstore.Store) {
	t.Helper()
	for _, c := range contract {
		t.Run(c.name, func(t *testing.T) { c.check(t, new(t)) })
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
	check func(T, sessionstore.Store)
}{
	{"no such login", checkNoSuchLogin},
	{"create and read", checkCreateRead},
	{"create only", checkCreateOnly},
	{"copies in", checkCopiesIn},
	{"incomplete records", checkIncompleteRecords},
	{"touch", checkTouch},
	{"records do not change", checkRecordsDoNotChange},
	{"ended stays ended", checkEndedStaysEnded},
	{"expired", checkExpired},
	{"expires", checkExpires},
	{"far times", checkFarTimes},
	{"milliseconds", checkMilliseconds},
	{"context done", checkContextDone},
	{"deadline passed", checkDeadlinePassed},
	{"select", checkSelect},
	{"select ends no other", checkEndsNoOther},
	{"all logins of a subject", checkAllOfSubject},
	{"newest first", checkNewestFirst},
	{"careless selectors", checkCarelessSelectors},
	{"strings apart", checkStringsApart},
	{"longest strings", checkLongest},
	{"unfit records", checkUnfitRecords},
	{"unfit selectors", checkUnfitSelectors},
	{"big blobs", checkBigBlobs},
	{"claim", checkClaim},
	{"claims apart", checkClaimsApart},
	{"claims pass", checkClaimsPass},
	{"claims free again", checkClaimsFreeAgain},
	{"unfit claims", checkUnfitClaims},
	{"race of claims", checkRaceClaims},
	{"race of creates", checkRaceCreates},
	{"race of ends", checkRaceEnds},
	{"race of touch and end", checkRaceTouchEnd},
	{"race of touches", checkRaceTouches},
	{"race of all", checkRaceAll},
	{"race of cancel and end", checkRaceCancel},
	{"race of users", checkRaceUsers},
}

func checkNoSuchLogin(t T, store sessionstore.Store) {
	id := newRecord().ID
	got, err := store.Login(t.Context(), id)
	require.ErrorIs(t, err, sessionstore.ErrNotFound)
	require.Nil(t, got, "a record beside ErrNotFound")
	requireSelects(t, store, sessionstore.Selector{ID: id})

	ended, err := store.EndLogins(t.Context(), sessionstore.Selector{ID: id})
	require.NoError(t, err, "nothing to end is no error")
	require.Empty(t, ended)
}

func checkCreateRead(t T, store sessionstore.Store) {
	full := newRecord()
	require.NoError(t, store.CreateLogin(t.Context(), full))
	requireLogin(t, store, full)

	bare := &sessionstore.Record{ID: newRecord().ID, Provider: "p", Owner: "o", ExpiresAt: time.Now().Add(time.Hour)}
	require.NoError(t, store.CreateLogin(t.Context(), bare))
	requireLogin(t, store, bare)
}

func checkCreateOnly(t T, store sessionstore.Store) {
	first := newRecord()
	require.NoError(t, store.CreateLogin(t.Context(), first))
	second := newRecord()
	second.ID = first.ID
	require.ErrorIs(t, store.CreateLogin(t.Context(), second), sessionstore.ErrExists)
	requireLogin(t, store, first)
	requireSelects(t, store, sessionstore.Selector{Owner: second.Owner})
}

func checkCopiesIn(t T, store sessionstore.Store) {
	given := newRecord()
	want := given.Clone()
	require.NoError(t, store.CreateLogin(t.Context(), given))
	given.Owner, given.Subject, given.SID = "changed", "changed", "changed"
	given.IDToken[0]++
	given.UserInfo[0]++
	requireLogin(t, store, want)
	requireSelects(t, store, sessionstore.Selector{Owner: want.Owner}, want.ID)
}

func checkIncompleteRecords(t T, store sessionstore.Store) {
	for name, spoil := range map[string]func(*sessionstore.Record){
		"no ID":        func(r *sessionstore.Record) { r.ID = "" },
		"no Provider":  func(r *sessionstore.Record) { r.Provider = "" },
		"no Owner":     func(r *sessionstore.Record) { r.Owner = "" },
		"no ExpiresAt": func(r *sessionstore.Record) { r.ExpiresAt = time.Time{} },
	} {
		rec := newRecord()
		spoil(rec)
		require.Error(t, store.CreateLogin(t.Context(), rec), name)
		requireSelects(t, store, sessionstore.Selector{Issuer: rec.Issuer, Subject: rec.Subject})
	}
}

func checkTouch(t T, store sessionstore.Store) {
	rec := newRecord()
	require.NoError(t, store.CreateLogin(t.Context(), rec))
	later := rec.LastSeen.Add(time.Minute)
	require.NoError(t, store.TouchLogin(t.Context(), rec.ID, later))
	rec.LastSeen = later
	requireLogin(t, store, rec)

	require.NoError(t, store.TouchLogin(t.Context(), rec.ID, later.Add(-time.Second)))
	requireLogin(t, store, rec) // never backward
	require.NoError(t, store.TouchLogin(t.Context(), rec.ID, later.In(time.FixedZone("", -9*3600))))
	requireLogin(t, store, rec)
}

func checkRecordsDoNotChange(t T, store sessionstore.Store) {
	rec := newRecord()
	require.NoError(t, store.CreateLogin(t.Context(), rec))
	got, err := store.Login(t.Context(), rec.ID)
	require.NoError(t, err)
	require.NoError(t, store.TouchLogin(t.Context(), rec.ID, rec.LastSeen.Add(time.Minute)))
	requireEqual(t, rec, got)
	_, err = store.EndLogins(t.Context(), sessionstore.Selector{ID: rec.ID})
	require.NoError(t, err)
	requireEqual(t, rec, got)
}

// SE-03
func checkEndedStaysEnded(t T, store sessionstore.Store) {
	rec := newRecord()
	require.NoError(t, store.CreateLogin(t.Context(), rec))
	ended, err := store.EndLogins(t.Context(), sessionstore.Selector{ID: rec.ID})
	require.NoError(t, err)
	require.Len(t, ended, 1)
	requireEqual(t, rec, ended[0])
	requireEnded(t, store, rec)

	err = store.TouchLogin(t.Context(), rec.ID, time.Now().Add(time.Minute))
	require.ErrorIs(t, err, sessionstore.ErrNotFound)
	requireEnded(t, store, rec)
	ended, err = store.EndLogins(t.Context(), sessionstore.Selector{ID: rec.ID})
	require.NoError(t, err)
	require.Empty(t, ended, "ended twice")
}

// A record that has expired may be refused or stored, but is never seen.
func checkExpired(t T, store sessionstore.Store) {
	for _, expiry := range []time.Time{
		time.Now().Add(-time.Minute),
		time.Now().Add(-time.Minute).In(time.FixedZone("", 14*3600)),
		time.Now().AddDate(-30, 0, 0),
	} {
		rec := newRecord()
		rec.ExpiresAt = expiry
		_ = store.CreateLogin(t.Context(), rec)
		requireEnded(t, store, rec)
		err := store.TouchLogin(t.Context(), rec.ID, time.Now().Add(time.Minute))
		require.ErrorIs(t, err, sessionstore.ErrNotFound)
		ended, err := store.EndLogins(t.Context(), sessionstore.Selector{Owner: rec.Owner})
		require.NoError(t, err)
		require.Empty(t, ended)
	}
}

// ST-11
func checkFarTimes(t T, store sessionstore.Store) {
	for _, far := range []time.Time{
		time.Date(2038, 1, 19, 3, 14, 8, 0, time.UTC),
		time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Now().Add(time.Hour).In(time.FixedZone("", -12*3600)),
	} {
		rec := newRecord()
		rec.CreatedAt, rec.LastSeen, rec.ExpiresAt = far, far, far
		require.NoError(t, store.CreateLogin(t.Context(), rec))
		requireLogin(t, store, rec)
	}
}

func checkContextDone(t T, store sessionstore.Store) {
	rec, other := newRecord(), newRecord()
	require.NoError(t, store.CreateLogin(t.Context(), rec))
	byID := sessionstore.Selector{ID: rec.ID}

	done, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := store.Login(done, rec.ID)
	require.ErrorIs(t, err, context.Canceled, "Login")
	_, err = store.Logins(done, byID)
	require.ErrorIs(t, err, context.Canceled, "Logins")
	_, err = store.EndLogins(done, byID)
	require.ErrorIs(t, err, context.Canceled, "EndLogins")
	require.ErrorIs(t, store.CreateLogin(done, other), context.Canceled, "CreateLogin")
	require.ErrorIs(t, store.TouchLogin(done, rec.ID, rec.LastSeen.Add(time.Minute)), context.Canceled, "TouchLogin")
	require.ErrorIs(t, store.Claim(done, other.ID, rec.ExpiresAt), context.Canceled, "Claim")

	requireLogin(t, store, rec)
	requireEnded(t, store, other)
	require.NoError(t, store.Claim(t.Context(), other.ID, rec.ExpiresAt), "claimed although the context was done")
}
