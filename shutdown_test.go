package signon_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
)

// RT-05: a process that is told to stop stores what its refreshes bring first.
func TestShutdownWaitsForRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{config: func(c *signon.Config) { slow(c, 3*time.Second) }})
		require.NoError(t, a.auth.Shutdown(t.Context()), "nothing is under way")
		a.expire("alice")
		old := a.stored("alice")
		ctx, leave := context.WithCancel(a.as("alice"))
		go func() { // whose browser leaves, so that no handler runs any more
			time.Sleep(time.Second)
			leave()
		}()
		_, err := a.client.Token(ctx)
		require.ErrorIs(t, err, context.Canceled)
		require.NoError(t, a.auth.Shutdown(t.Context()))
		require.NotEqual(t, old.AccessToken, a.stored("alice").AccessToken)
		require.Equal(t, 1, a.refreshes())
	})
}

// RT-05, RF-06: what the store has missed is written before the process ends.
func TestShutdownWaitsForWhatIsOwed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		a.tokens.onUpdate.set(func(context.Context) error { return errors.New("down") })
		a.expire("alice")
		token, err := a.client.Token(a.as("alice"))
		require.NoError(t, err)
		time.Sleep(time.Minute) // it is tried every ten seconds by now
		go func() {
			time.Sleep(3 * time.Second)
			a.tokens.onUpdate.clear()
		}()
		began := time.Now()
		require.NoError(t, a.auth.Shutdown(t.Context()))
		require.Less(t, time.Since(began), 5*time.Second, "not so seldom any more")
		require.Equal(t, token.AccessToken, a.stored("alice").AccessToken)
	})
}

// RT-05: it does not wait for ever, and leaves no goroutine behind.
func TestShutdownGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		a.tokens.onUpdate.set(func(context.Context) error { return errors.New("down") })
		a.expire("alice")
		_, err := a.client.Token(a.as("alice"))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err = a.auth.Shutdown(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "1 refreshes or writings")
		synctest.Wait()
		require.Error(t, a.auth.Shutdown(t.Context()), "what was given up does not come back")
	})
}

// RF-06: the pair is written as soon as the store takes it again, and not when its
// owner next comes by: another process, which knows the spent token only, finds the
// new one.
func TestReplicaDoesNotSpendWhatIsOwed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		other := a.replica(a.tokens)
		a.expire("alice")
		a.tokens.onUpdate.set(func(context.Context) error { return errors.New("disk full") })
		token, err := a.client.Token(a.as("alice"))
		require.NoError(t, err)
		time.Sleep(8 * time.Second)
		a.tokens.onUpdate.clear()
		got, took := a.askAll(10, other)
		require.Equal(t, map[string]int{token.AccessToken: 10}, got)
		require.LessOrEqual(t, took, 2*time.Second)
		require.Equal(t, 1, a.refreshes())
		require.Zero(t, a.op.Stats().RefreshReused)
	})
}

// RF-06: while the pair is written in the background, a caller that has read the spent
// token before does not send it.
func TestOwedPairIsPaidDuringAFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		client := a.replica(leaselessTokens{a.tokens}) // whose lease would tell
		a.expire("alice")
		a.tokens.onUpdate.set(func(context.Context) error { return errors.New("down") })
		token, err := client.Token(a.as("alice"))
		require.NoError(t, err)
		time.Sleep(time.Hour - 30*time.Second) // it must be refreshed soon
		fetched := newGate()
		calls := 0
		a.tokens.afterFetch.set(func(ctx context.Context) error {
			if calls++; calls == 2 { // the flight's
				return fetched.pass(ctx)
			}
			return nil
		})
		done := make(chan error)
		go func() {
			_, err := client.Token(a.as("alice"))
			done <- err
		}()
		<-fetched.reached
		a.tokens.onUpdate.clear()
		time.Sleep(2 * time.Second)
		require.Equal(t, token.AccessToken, a.stored("alice").AccessToken, "it is paid by now")
		close(fetched.open)
		require.NoError(t, <-done)
		require.Equal(t, 1, a.refreshes(), "the spent one is not sent")
		require.Zero(t, a.op.Stats().RefreshReused)
	})
}

// RF-16, RF-18: what is owed to somebody who has signed out is not written, but
// revoked, and nothing goes on for it.
func TestOwedPairAfterALogout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		a.tokens.onUpdate.set(func(context.Context) error { return errors.New("down") })
		a.expire("alice")
		_, err := a.client.Token(a.as("alice"))
		require.NoError(t, err)
		require.NoError(t, a.replica(a.tokens).Revoke(a.as("alice"))) // elsewhere
		a.tokens.onUpdate.clear()
		require.NoError(t, a.auth.Shutdown(t.Context()))
		_, err = a.client.Token(a.as("alice"))
		require.ErrorIs(t, err, signon.ErrNoToken)
		require.Equal(t, 4, a.op.Stats().Revoked, "the pair that nobody stored too")
	})
}
