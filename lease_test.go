package signon_test

import (
	"context"
	"errors"
	"fmt"
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

// replica is another process on the same stores, as far as one test can be two.
func (a *app) replica(tokens signon.TokenStore) *signon.Client {
	a.t.Helper()
	auth, err := signon.New(signon.Config{
		BaseURL: appURL, Keys: [][]byte{[]byte("0123456789abcdef0123456789abcdef")},
		Tokens: tokens, Logins: a.logins, Logger: a.log.logger(), HTTPClient: a.op.HTTPClient(),
	})
	require.NoError(a.t, err)
	a.t.Cleanup(func() { giveUp(auth) })
	client, err := auth.Register(a.op.SignonProvider("op"))
	require.NoError(a.t, err)
	return client
}

// giveUp ends what a registry still writes.
func giveUp(auth *signon.Registry) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = auth.Shutdown(ctx)
}

// askAll has each client asked n times at once, and returns the access tokens and how
// long the last caller waited.
func (a *app) askAll(n int, clients ...*signon.Client) (map[string]int, time.Duration) {
	type result struct {
		token *oauth2.Token
		err   error
	}
	results := make(chan result)
	began := time.Now()
	for _, c := range clients {
		for range n {
			go func() {
				token, err := c.Token(a.as("alice"))
				results <- result{token, err}
			}()
		}
	}
	got := map[string]int{}
	for range n * len(clients) {
		r := <-results
		if r.err != nil {
			got[fmt.Sprintf("%.60s", r.err.Error())]++
			continue
		}
		got[r.token.AccessToken]++
	}
	return got, time.Since(began)
}

// slow lets an answer of the provider take its time.
func slow(c *signon.Config, latency time.Duration) {
	via := c.HTTPClient.Transport
	c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/token" {
			time.Sleep(latency)
		}
		return via.RoundTrip(r)
	})}
}

// RF-02: four processes, one request; those who wait get what it brought.
func TestReplicasRefreshOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{config: func(c *signon.Config) { slow(c, 3*time.Second) }})
		clients := []*signon.Client{a.client, a.replica(a.tokens), a.replica(a.tokens), a.replica(a.tokens)}
		a.expire("alice")
		got, took := a.askAll(50, clients...)
		require.Equal(t, map[string]int{a.stored("alice").AccessToken: 200}, got)
		require.Equal(t, 1, a.refreshes())
		require.LessOrEqual(t, took, 3600*time.Millisecond, "they end as soon as the token has changed")
		require.Zero(t, a.op.Stats().RefreshReused)
	})
}

// RF-02: while the token still lives, nobody waits for another process's refresh.
func TestReplicaServesTheLivingToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{config: func(c *signon.Config) { slow(c, 3*time.Second) }})
		other := a.replica(a.tokens)
		time.Sleep(time.Hour - 30*time.Second)
		old := a.stored("alice").AccessToken
		refreshed := make(chan map[string]int)
		go func() {
			got, _ := a.askAll(1, a.client)
			refreshed <- got
		}()
		time.Sleep(time.Second)
		got, took := a.askAll(10, other)
		require.Equal(t, map[string]int{old: 10}, got)
		require.Zero(t, took)
		require.NotContains(t, <-refreshed, old)
		require.Equal(t, 1, a.refreshes())
	})
}

// RF-02, RF-14: but one that an API has refused is waited for, and refreshed once.
func TestReplicaWaitsForARefusedToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{config: func(c *signon.Config) { slow(c, 3*time.Second) }})
		a.op.Arm(signontest.API401Always)
		other := a.replica(a.tokens)
		old := a.stored("alice").AccessToken
		took := make(chan time.Duration)
		for i, c := range []*signon.Client{a.client, other} {
			go func() {
				time.Sleep(time.Duration(i) * 100 * time.Millisecond)
				began := time.Now()
				resp, err := c.HTTPClient(a.as("alice")).Get("items")
				if err == nil {
					_ = resp.Body.Close()
				}
				took <- time.Since(began)
			}()
		}
		require.Greater(t, <-took, 2*time.Second)
		require.Greater(t, <-took, 2*time.Second)
		require.Equal(t, 1, a.refreshes())
		require.NotEqual(t, old, a.stored("alice").AccessToken)
		require.Equal(t, 4, a.op.Count(signontest.API))
	})
}

// RF-03: the holder of the lease has died. Its lease runs out, one of the others
// recovers, and nobody waits longer than the lease.
func TestLeaseOfADeadReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		a.expire("alice")
		key := tokenstore.Key{Provider: "op", Owner: "alice"}
		require.NoError(t, a.vault.LeaseToken(t.Context(), key, a.stored("alice"), tokenstore.Lease{Holder: "dead", TTL: 15 * time.Second}))
		time.Sleep(4 * time.Second)
		got, took := a.askAll(20, a.client, a.replica(a.tokens), a.replica(a.tokens))
		require.Equal(t, map[string]int{a.stored("alice").AccessToken: 60}, got)
		require.LessOrEqual(t, took, 12500*time.Millisecond)
		require.Equal(t, 1, a.refreshes())
	})
}

// RF-03: processes die one after the other. Who waits is told in time.
func TestLeasesOfManyDeadReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		a.expire("alice")
		key := tokenstore.Key{Provider: "op", Owner: "alice"}
		lease := func(holder int) {
			require.NoError(t, a.vault.LeaseToken(t.Context(), key, a.stored("alice"), tokenstore.Lease{Holder: fmt.Sprint(holder), TTL: 15 * time.Second}))
		}
		lease(1)
		go func() {
			time.Sleep(15 * time.Second) // a moment before the others look
			lease(2)
		}()
		began := time.Now()
		_, err := a.client.Token(a.as("alice"))
		require.ErrorIs(t, err, signon.ErrUnavailable)
		require.LessOrEqual(t, time.Since(began), 26*time.Second)
		require.Zero(t, a.refreshes())
	})
}

// RF-10, RF-11: a refresh that failed is not tried by the other processes either, for
// as long as the provider says.
func TestReplicasPauseTogether(t *testing.T) {
	for _, tt := range []struct {
		fault signontest.Fault
		pause time.Duration
	}{{signontest.DownToken, 5 * time.Second}, {signontest.TooManyRequests, 30 * time.Second}} {
		t.Run(string(tt.fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newOwned(t, appOptions{})
				others := []*signon.Client{a.replica(a.tokens), a.replica(a.tokens)}
				a.expire("alice")
				a.op.ArmN(tt.fault, 1)
				_, err := a.client.Token(a.as("alice"))
				require.ErrorIs(t, err, signon.ErrUnavailable)
				for range 4 {
					for _, other := range others {
						began := time.Now()
						_, err := other.Token(a.as("alice"))
						require.ErrorIs(t, err, signon.ErrUnavailable)
						require.ErrorIs(t, err, tokenstore.ErrPaused)
						require.Zero(t, time.Since(began), "nobody waits for a pause")
					}
					time.Sleep(tt.pause / 5)
				}
				require.Equal(t, 1, a.refreshes())
				time.Sleep(tt.pause/5 + time.Second)
				got, _ := a.askAll(10, others...)
				require.Equal(t, map[string]int{a.stored("alice").AccessToken: 20}, got)
				require.Equal(t, 2, a.refreshes())
			})
		})
	}
}

// leaselessTokens hides the leases of a store.
type leaselessTokens struct{ signon.TokenStore }

// RF-02, RF-09: a store without leases. Each process refreshes once; the store keeps
// one answer, and where the provider takes the second request for a theft, the first
// one's answer still counts if it has come.
func TestReplicasWithoutLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		first, second := a.replica(leaselessTokens{a.tokens}), a.replica(leaselessTokens{a.tokens})
		a.expire("alice")
		g := newGate()
		a.tokens.onUpdate.set(g.pass)
		got := make(chan map[string]int)
		go func() {
			tokens, _ := a.askAll(10, first)
			got <- tokens
		}()
		<-g.reached // the first holds the new pair, which is not stored yet
		go func() {
			time.Sleep(100 * time.Millisecond)
			close(g.open)
		}()
		tokens, _ := a.askAll(10, second) // is refused, and finds the pair of the first
		require.Equal(t, map[string]int{a.stored("alice").AccessToken: 10}, tokens)
		require.Equal(t, tokens, <-got)
		require.Equal(t, 2, a.refreshes())
	})
}

// A leaser is a store whose lease says what it is told.
type leaser struct {
	signon.TokenStore
	err   error
	calls int
}

func (l *leaser) LeaseToken(context.Context, tokenstore.Key, *oauth2.Token, tokenstore.Lease) error {
	l.calls++
	return l.err
}

// ST-08: a store that gives no lease gets no new pair to store: the provider is not
// asked, the old token is kept, and served while it lives.
func TestLeaseFails(t *testing.T) {
	for _, tt := range []struct {
		name      string
		err       error
		refreshes int
		want      error // of a token that has expired
	}{
		{"down", errors.New("read-only"), 0, signon.ErrUnavailable},
		{"no leases after all", fmt.Errorf("wrapped: %w", errors.ErrUnsupported), 1, nil},
		{"always a conflict", tokenstore.ErrConflict, 0, signon.ErrUnavailable},
		{"always not found", tokenstore.ErrNotFound, 0, signon.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newOwned(t, appOptions{})
				store := &leaser{TokenStore: a.tokens, err: tt.err}
				client := a.replica(store)
				time.Sleep(time.Hour - 30*time.Second)
				_, err := client.Token(a.as("alice"))
				require.NoError(t, err, "it still lives")
				require.Equal(t, tt.refreshes, a.refreshes())
				if tt.want == nil {
					return
				}
				time.Sleep(time.Minute)
				began := time.Now()
				_, err = client.Token(a.as("alice"))
				require.ErrorIs(t, err, tt.want)
				require.LessOrEqual(t, time.Since(began), 26*time.Second)
				require.Zero(t, a.refreshes())
				require.Less(t, store.calls, 100, "no hot loop")
				require.NotEmpty(t, a.stored("alice").RefreshToken)
			})
		})
	}
}

// RT-02: a lease that panics costs neither the token nor the next caller.
func TestLeasePanics(t *testing.T) {
	a := newOwned(t, appOptions{})
	client := a.replica(panickyLeaser{a.tokens})
	a.expire("alice")
	for range 2 {
		_, err := client.Token(a.as("alice"))
		require.ErrorIs(t, err, signon.ErrInternal)
	}
	require.Zero(t, a.refreshes())
	_, err := a.client.Token(a.as("alice"))
	require.NoError(t, err)
}

type panickyLeaser struct{ signon.TokenStore }

func (panickyLeaser) LeaseToken(context.Context, tokenstore.Key, *oauth2.Token, tokenstore.Lease) error {
	panic("lease")
}
