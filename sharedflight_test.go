package signon_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
	"github.com/seed1a301047/signon/tokenstore"
)

// RF-14: a caller whose token an API has just refused joins the flight of another,
// who read the token before it and whom the stored one pleases. What that flight
// brings is the refused token again: the caller's own flight comes after it.
func TestForcedRefreshJoinsAnotherFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		a.expire("alice")
		late := newGate()
		a.tokens.afterFetch.set(late.pass)
		lateGot := make(chan storm)
		go func() { lateGot <- a.ask(t.Context(), 1, 0) }()
		<-late.reached // it has read the first token
		require.Zero(t, a.ask(t.Context(), 1, 0).failed)
		second := a.stored("alice")
		time.Sleep(6 * time.Second) // the second token did not just come

		flight := newGate()
		a.tokens.onFetch.set(flight.pass)
		close(late.open)
		<-flight.reached // its flight is about to find the second token
		a.tokens.onFetch.clear()
		a.op.Arm(signontest.API401Once)
		status := make(chan int)
		go func() {
			resp, err := a.client.HTTPClient(a.as("alice")).Get("items")
			if err != nil {
				status <- 0
				return
			}
			status <- resp.StatusCode
		}()
		synctest.Wait() // refused, and in the same flight
		require.Equal(t, 1, a.refreshes())
		close(flight.open)
		require.Equal(t, map[string]int{second.AccessToken: 1}, (<-lateGot).tokens)
		require.Equal(t, http.StatusOK, <-status)
		require.Equal(t, 2, a.refreshes())
		require.Equal(t, 2, a.op.Count(signontest.API))
	})
}

// A pair that the store has missed is of no use any more once somebody has signed in
// again, or out, behind the back of this process.
func TestOwedPairIsOvertaken(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(a *app)
		want error
	}{
		{"by another login", func(a *app) {
			a.store("alice", func(t *oauth2.Token) { t.AccessToken, t.Expiry = "newer", time.Now().Add(time.Hour) })
		}, nil},
		{"by a logout", func(a *app) {
			key := tokenstore.Key{Provider: "op", Owner: "alice"}
			require.NoError(a.t, a.tokens.Memory.DeleteToken(a.t.Context(), key, nil))
		}, signon.ErrNoToken},
	} {
		for _, when := range []string{"before it is read", "before it is written again"} {
			t.Run(tt.name+" "+when, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a := newOwned(t, appOptions{})
					a.expire("alice")
					a.tokens.onUpdate.set(func(context.Context) error { return errors.New("down") })
					require.Zero(t, a.ask(t.Context(), 1, 0).failed)
					if a.tokens.onUpdate.clear(); when == "before it is read" {
						tt.do(a)
					} else {
						a.tokens.onUpdate.set(func(context.Context) error { a.tokens.onUpdate.clear(); tt.do(a); return nil })
						time.Sleep(time.Second)
					}
					token, err := a.client.Token(a.as("alice"))
					require.Equal(t, 1, a.refreshes())
					if tt.want != nil {
						require.ErrorIs(t, err, tt.want)
						return
					}
					require.NoError(t, err)
					require.Equal(t, "newer", token.AccessToken)
				})
			})
		}
	}
}

// A token that came after the logout, and cannot be revoked, is dropped all the
// same, and said so.
func TestRevocationAfterLogoutFails(t *testing.T) {
	a := newOwned(t, appOptions{})
	a.op.Arm(signontest.ServerError.At(signontest.Revocation))
	a.expire("alice")
	a.tokens.onUpdate.set(func(context.Context) error {
		return a.tokens.Memory.DeleteToken(t.Context(), tokenstore.Key{Provider: "op", Owner: "alice"}, nil)
	})
	_, err := a.client.Token(a.as("alice"))
	require.ErrorIs(t, err, signon.ErrNoToken)
	require.Contains(t, a.log.String(), "came after the logout")
	require.Equal(t, 2, a.op.Count(signontest.Revocation))
	a.requireQuiet()
}

// RF-09: a dead token that somebody has replaced in the last moment is not deleted,
// and a store that does not answer then is no "signed out".
func TestDeadTokenAndTheStore(t *testing.T) {
	a := newOwned(t, appOptions{})
	a.op.Arm(signontest.InvalidGrant)
	a.expire("alice")
	a.tokens.onDelete.set(func(context.Context) error { return errors.New("down") })
	_, err := a.client.Token(a.as("alice"))
	require.ErrorIs(t, err, signon.ErrUnavailable)
	a.stored("alice")

	a = newOwned(t, appOptions{})
	a.op.Arm(signontest.InvalidGrant)
	a.expire("alice")
	a.tokens.onDelete.set(func(context.Context) error {
		a.store("alice", func(t *oauth2.Token) { t.AccessToken, t.Expiry = "newer", time.Now().Add(time.Hour) })
		return nil
	})
	token, err := a.client.Token(a.as("alice"))
	require.NoError(t, err)
	require.Equal(t, "newer", token.AccessToken)

	a = newOwned(t, appOptions{})
	a.op.Arm(signontest.InvalidGrant)
	a.expire("alice")
	reads := 0
	a.tokens.onFetch.set(func(context.Context) error {
		if reads++; reads == 3 { // the caller's, the flight's, the one after the refusal
			return errors.New("down")
		}
		return nil
	})
	_, err = a.client.Token(a.as("alice"))
	require.ErrorIs(t, err, signon.ErrUnavailable)
	a.stored("alice")

	a = newOwned(t, appOptions{})
	a.tokens.onDelete.set(func(context.Context) error { return errors.New("down") })
	require.ErrorIs(t, a.client.Revoke(a.as("alice")), signon.ErrUnavailable)
	require.Zero(t, a.op.Count(signontest.Revocation))
}

// A refresh whose owner signs out while the old token still lives: the answer that
// another caller is waiting for is "no token" too.
func TestEveryWaiterSeesTheLogout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRefreshRace(t, refreshPoints[3], bySubject)
		got := make(chan storm)
		go func() { got <- r.ask(t.Context(), 50, 0) }()
		<-r.gate.reached
		require.NoError(t, r.tokens.Memory.DeleteToken(t.Context(), tokenstore.Key{Provider: "op", Owner: "alice"}, nil))
		close(r.gate.open)
		require.Equal(t, 50, (<-got).failed)
		r.requireNoToken(1)
	})
}
