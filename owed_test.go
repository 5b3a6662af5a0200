package signon_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
	"github.com/seed1a301047/signon/tokenstore"
)

// RF-06: the store is down for longer than a lease lives. Who owes the pair is back a
// moment after the store is.
func TestOutageLongerThanALeaseReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		other := a.replica(a.tokens)
		a.expire("alice")
		a.tokens.onUpdate.set(func(context.Context) error { return errors.New("down") })
		token, err := a.client.Token(a.as("alice"))
		require.NoError(t, err)
		time.Sleep(time.Minute)
		a.tokens.onUpdate.clear()
		time.Sleep(time.Second)
		got, _ := a.askAll(10, other)
		require.Equal(t, map[string]int{token.AccessToken: 10}, got)
		require.Equal(t, 1, a.refreshes())
	})
}

// RF-06: while a pair is owed and fresh, nobody waits for the store that does not take
// it.
func TestOwedPairIsServedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		a.expire("alice")
		a.tokens.onUpdate.set(func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		token, err := a.client.Token(a.as("alice"))
		require.NoError(t, err)
		began := time.Now()
		got := a.ask(t.Context(), 20, 0)
		require.Equal(t, map[string]int{token.AccessToken: 20}, got.tokens)
		require.Zero(t, time.Since(began))
		token.AccessToken = "changed"
		require.NotContains(t, a.ask(t.Context(), 1, 0).tokens, "changed", "each gets its own")
		a.tokens.onUpdate.clear()
		time.Sleep(6 * time.Second) // the one that was under way
	})
}

// RF-06, RT-02: a store that refuses one pair for good, or panics with it, keeps no other
// from being written.
func TestOnePairIsRefused(t *testing.T) {
	for name, refuse := range map[string]func() error{
		"error": func() error { return errors.New("does not fit") },
		"panic": func() error { panic("does not fit") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newOwned(t, appOptions{provider: withLoginHint})
				a.signInElsewhere("bob")
				a.expire("alice")
				a.expire("bob")
				a.tokens.onUpdate.set(func(context.Context) error { return errors.New("down") })
				for _, owner := range []string{"bob", "alice"} {
					_, err := a.client.Token(a.as(owner))
					require.NoError(t, err)
				}
				old := a.stored("bob").AccessToken
				a.tokens.onKey.Store(new(func(key tokenstore.Key) error {
					if key.Owner == "alice" {
						return refuse()
					}
					return nil
				}))
				a.tokens.onUpdate.clear()
				for range 20 {
					_, err := a.client.Token(a.as("alice")) // the one that was used last
					require.NoError(t, err)
					time.Sleep(100 * time.Millisecond)
				}
				require.NotEqual(t, old, a.stored("bob").AccessToken)
			})
		})
	}
}

// RF-16: a login that brings no refresh token keeps the stored one, which a refresh has
// just spent: what that brings takes its place, beside the new access token.
func TestLoginRacesRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newLinked(t)
		a.expire("user-1")
		g := newGate()
		a.tokens.onUpdate.set(g.pass) // the flight's, which has its answer
		refreshed := make(chan error)
		go func() {
			_, err := a.client.Token(a.as("user-1"))
			refreshed <- err
		}()
		<-g.reached
		a.op.Arm(signontest.NoRefreshToken)
		a.signInElsewhere("alice")
		a.op.Disarm()
		ofLogin := a.stored("user-1").AccessToken
		close(g.open)
		require.NoError(t, <-refreshed)
		require.Equal(t, ofLogin, a.stored("user-1").AccessToken)
		a.expire("user-1")
		_, err := a.client.Token(a.as("user-1"))
		require.NoError(t, err)
		require.Equal(t, 2, a.refreshes())
		require.Zero(t, a.op.Stats().RefreshReused)
	})
}

// RF-06: what a client owes is not forgotten with it.
func TestOwedPairOutlivesItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		a.expire("alice")
		a.tokens.onUpdate.set(func(context.Context) error { return errors.New("down") })
		token, err := a.client.Token(a.as("alice"))
		require.NoError(t, err)
		a.auth.Remove("op")
		again, err := a.auth.Register(a.op.SignonProvider("op"))
		require.NoError(t, err)
		got, err := again.Token(a.as("alice"))
		require.NoError(t, err)
		require.Equal(t, token.AccessToken, got.AccessToken)
		require.Equal(t, 1, a.refreshes())
	})
}

// RF-11: a provider that wants to be left alone for a while is, whoever asks.
func TestRetryAfterIsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{provider: withLoginHint})
		a.signInElsewhere("bob")
		a.expire("alice")
		a.expire("bob")
		a.op.Arm(signontest.TooManyRequests)
		for _, owner := range []string{"alice", "bob", "bob"} {
			_, err := a.client.Token(a.as(owner))
			require.ErrorIs(t, err, signon.ErrUnavailable)
			time.Sleep(9 * time.Second)
		}
		require.Equal(t, 1, a.refreshes())
		a.op.Disarm()
		time.Sleep(4 * time.Second)
		for _, owner := range []string{"alice", "bob"} {
			_, err := a.client.Token(a.as(owner))
			require.NoError(t, err)
		}
	})
}

// RF-02: a process that stood still between taking the lease and using it does not use
// it: another may have it soon.
func TestReplicaThatStoodStill(t *testing.T) {
	for _, tt := range []struct {
		still     time.Duration
		refreshes int // within the time that the caller has
	}{{4 * time.Second, 1}, {6 * time.Second, 0}} {
		synctest.Test(t, func(t *testing.T) {
			a := newOwned(t, appOptions{})
			a.expire("alice")
			client := a.replica(slowLeaser{a.tokens, tt.still})
			ctx, cancel := context.WithTimeout(a.as("alice"), 11*time.Second)
			defer cancel()
			_, err := client.Token(ctx)
			require.Equal(t, tt.refreshes, a.refreshes())
			require.Equal(t, tt.refreshes == 0, err != nil)
			time.Sleep(time.Minute) // what is under way ends
		})
	}
}

type slowLeaser struct {
	*watchedTokens
	still time.Duration
}

func (l slowLeaser) LeaseToken(ctx context.Context, key tokenstore.Key, old *oauth2.Token, lease tokenstore.Lease) error {
	err := l.watchedTokens.LeaseToken(ctx, key, old, lease)
	time.Sleep(l.still)
	return err
}
