// Package model_test walks a small model of the refresh of one owner's token by many
// processes over one store: every state that their steps, and whatever may happen to
// them, can lead to. It says nothing of the code, but of the design that the code
// follows; the code is walked by the root's TestSchedules.
package model_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// start is a state in which the user has signed in once, and the token has grown old.
func start(actors int, jobs int8, left budget) state {
	s := state{row: token{1, 1}, logins: 1, left: left}
	s.families[1] = family{current: 1, stale: 1}
	for i := range s.actors {
		if s.actors[i].at = crashed; i < actors {
			s.actors[i] = actor{jobs: jobs}
		}
	}
	return s
}

var sizes = []struct {
	name   string
	actors int
	jobs   int8
	left   budget
}{
	{"2 processes, twice each", 2, 2, budget{mishaps: 2, ageings: 1, logouts: 1, logins: 1}},
	{"3 processes", 3, 1, budget{mishaps: 2, logouts: 1, logins: 1}},
}

// TestRefreshModel: in every state that 2 or 3 processes can come to, with answers
// lost, processes crashed, leases run out under their holders, a store that does not
// take the new pair, a logout and a second login at any moment, every invariant holds.
func TestRefreshModel(t *testing.T) {
	for _, size := range sizes {
		for name, r := range map[string]rules{"strict provider": {}, "provider with a time of grace": {grace: true}} {
			t.Run(size.name+", "+name, func(t *testing.T) {
				w, broken, trace := explore(start(size.actors, size.jobs, size.left), r)
				t.Logf("%d states, %d steps, %d ends", len(w.states), w.steps, len(w.ends))
				require.Equal(t, none, broken, "%v:\n%s", broken, trace)
			})
		}
	}
}

// TestModelFindsWhatIsUnprotected: with any one protection out, the same walk finds
// what it is for.
func TestModelFindsWhatIsUnprotected(t *testing.T) {
	for _, tt := range []struct {
		name   string
		rules  rules
		broken []breach
	}{
		{"no lease", rules{noLease: true}, []breach{sentTwice}},
		{"a lease that is not bound to the token", rules{blindLease: true}, []breach{sentTwice}},
		{"a lease that never runs out", rules{endlessLease: true}, []breach{stuck}},
		{"a failure pauses another's lease", rules{looseRelease: true}, []breach{sentTwice}},
		{"an update without compare-and-swap", rules{blindUpdate: true}, []breach{overwritten}},
		{"an update that creates", rules{updateCreates: true}, []breach{cameBack, leaseOfNothing}},
		{"a deletion without compare-and-swap", rules{blindDrop: true}, []breach{lostLogin}},
		{"an owed pair is forgotten", rules{forgetsOwed: true}, []breach{sentTwice}},
		{"an orphan is not revoked", rules{keepsOrphan: true}, []breach{orphan}},
		{"who is kept out serves what has expired", rules{servesExpired: true}, []breach{expiredServed}},
		{"an owed pair is refreshed under the old lease", rules{refreshesOwed: true}, []breach{sentTwice, spentServed}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found := none
			for _, size := range sizes {
				w, broken, trace := explore(start(size.actors, size.jobs, size.left), tt.rules)
				if found = broken; broken != none {
					t.Logf("%s, after %d states: %v:\n%s", size.name, len(w.states), broken, trace)
					break
				}
			}
			require.Contains(t, tt.broken, found)
		})
	}
}
