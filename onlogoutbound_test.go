package signon_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
)

// A Shutdown that is given up says how many have not been told, and from then on nobody is.
func TestOnLogoutAfterAShutdownThatWasGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		f := newFleet(t, "memory", fleetOptions{config: func(_ int, c *signon.Config) {
			c.OnLogout = func(ctx context.Context, _ *signon.Login, _ signon.LogoutCause) {
				calls.Add(1)
				<-ctx.Done()
			}
		}})
		f.cloneLogins(f.sessionOf(f.signIn("alice")), 9)
		auth := f.replicas[0].auth
		n, err := auth.EndLoginsOf(t.Context(), f.op.Issuer(), "alice")
		require.NoError(t, err)
		require.Equal(t, 10, n)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = auth.Shutdown(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "Shutdown: 9 ") // 5 seconds after the first the second is called
		time.Sleep(time.Hour)
		require.EqualValues(t, 2, calls.Load())
		require.Contains(t, f.log.String(), `"logins":8`)
		require.Error(t, auth.Shutdown(t.Context()), "it is over, and nothing is left to wait for")
	})
}

// An OnLogout that never returns leaves so many calls behind and no more. The logouts go on.
func TestOnLogoutThatNeverReturns(t *testing.T) {
	const bound = 1000
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		never := make(chan struct{})
		f := newFleet(t, "memory", fleetOptions{config: func(_ int, c *signon.Config) {
			c.OnLogout = func(context.Context, *signon.Login, signon.LogoutCause) {
				if calls.Add(1); calls.Load() <= bound {
					<-never
				}
			}
		}})
		auth := f.replicas[0].auth
		of := f.sessionOf(f.signIn("alice"))
		f.cloneLogins(of, bound+1)
		n, err := auth.EndLoginsOf(t.Context(), f.op.Issuer(), "alice")
		require.NoError(t, err)
		require.Equal(t, bound+2, n)
		time.Sleep(3 * time.Hour)
		require.EqualValues(t, bound, calls.Load())
		require.Equal(t, 2, strings.Count(f.log.String(), "have not returned"))
		close(never)
		synctest.Wait()
		f.signIn("alice")
		_, err = auth.EndLoginsOf(t.Context(), f.op.Issuer(), "alice")
		require.NoError(t, err)
		require.EqualValues(t, bound+1, calls.Load(), "they have returned")
		f.shutdown()
	})
}

// SE-02: a store that answers with more than was asked for shows nobody another's logins.
func TestLoginsOfACarelessStore(t *testing.T) {
	f := newFleet(t, "memory", fleetOptions{owned: true, config: func(_ int, c *signon.Config) {
		c.Logins = generousLogins{c.Logins}
	}})
	f.signIn("alice")
	f.signIn("bob")
	list, err := f.replicas[0].auth.Logins(t.Context(), "user-alice")
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "user-alice", list[0].Owner)
}

// generousLogins is a store that yields bob's logins beside an owner's.
type generousLogins struct{ sessionstore.Store }

func (s generousLogins) Logins(ctx context.Context, by sessionstore.Selector) ([]*sessionstore.Record, error) {
	list, err := s.Store.Logins(ctx, by)
	bobs, _ := s.Store.Logins(ctx, sessionstore.Selector{Owner: "user-bob"})
	return append(list, bobs...), err
}
