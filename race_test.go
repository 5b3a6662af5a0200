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
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/signontest"
	"github.com/seed1a301047/signon/tokenstore"
)

// A storm is what many callers got who asked for one token.
type storm struct {
	callers, failed, canceled int
	tokens                    map[string]int
}

// ask has n callers ask for alice's token, spread over a time. The first one's
// context is given.
func (a *app) ask(first context.Context, n int, spread time.Duration) storm {
	type result struct {
		token *oauth2.Token
		err   error
	}
	results := make(chan result, n)
	for i := range n {
		ctx := a.as("alice")
		if i == 0 {
			ctx = signon.WithOwner(first, "alice")
		}
		go func() {
			time.Sleep(spread * time.Duration(i) / time.Duration(n))
			token, err := a.client.Token(ctx)
			results <- result{token, err}
		}()
	}
	got := storm{callers: n, tokens: map[string]int{}}
	for range n {
		switch r := <-results; {
		case errors.Is(r.err, context.Canceled):
			got.canceled++
		case r.err != nil:
			got.failed++
			a.t.Log(r.err)
		default:
			got.tokens[r.token.AccessToken]++
		}
	}
	return got
}

// RF-01, RF-05: a thousand callers meet one expired token, at once, spread over 100
// ms, and with the first of them, on whose call the refresh began, leaving: one
// request to the provider, which would end the whole grant at a second, and no
// failure.
func TestRefreshStorm(t *testing.T) {
	for _, tt := range []struct {
		name            string
		spread, latency time.Duration
		leaves          time.Duration
	}{
		{"at once", 0, 0, 0},
		{"at once, slow provider", 0, 3 * time.Second, 0},
		{"spread over 100 ms", 100 * time.Millisecond, 0, 0},
		{"spread over 100 ms, provider takes 50", 100 * time.Millisecond, 50 * time.Millisecond, 0},
		{"the first leaves", 100 * time.Millisecond, 50 * time.Millisecond, 10 * time.Millisecond},
		{"the first leaves at once", 0, 50 * time.Millisecond, time.Nanosecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newOwned(t, appOptions{provider: func(p *signon.Provider) {
					p.Hooks.RefreshRequest = func(context.Context, *hooks.Request) error {
						time.Sleep(tt.latency)
						return nil
					}
				}})
				a.expire("alice")
				first, leave := newLeaver(t)
				want := storm{callers: 1000}
				if tt.leaves > 0 {
					time.AfterFunc(tt.leaves, leave)
					want.canceled = 1
				}
				got := a.ask(first, 1000, tt.spread)
				t.Logf("%d callers: %d refresh requests, %d failures", got.callers, a.refreshes(), got.failed)
				require.Equal(t, map[string]int{a.stored("alice").AccessToken: 1000 - got.canceled}, got.tokens)
				require.Equal(t, want.canceled, got.canceled)
				require.Zero(t, got.failed)
				require.Equal(t, 1, a.refreshes())
				require.Zero(t, a.op.Stats().RefreshReused)
			})
		})
	}
}

// RF-01: a caller who read the old token before the flight ended, and comes to
// refresh it after, finds the work done: the flight's key is free again, but the
// store is read first.
func TestLateCallerWithTheOldToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		a.expire("alice")
		late := newGate()
		a.tokens.afterFetch.set(late.pass)
		got := make(chan storm)
		go func() { got <- a.ask(t.Context(), 1, 0) }()
		<-late.reached // it has the old token, and stands before refresh
		require.Zero(t, a.ask(t.Context(), 10, 0).failed)
		require.Equal(t, 1, a.refreshes())
		close(late.open)
		require.Equal(t, map[string]int{a.stored("alice").AccessToken: 1}, (<-got).tokens)
		require.Equal(t, 1, a.refreshes())
	})
}

// RF-05: the only caller leaves; the refresh and the store's write are completed.
func TestRefreshOutlivesItsCaller(t *testing.T) {
	for _, at := range refreshPoints {
		t.Run(at.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRefreshRace(t, at, bySubject)
				ctx, leave := newLeaver(t)
				left := make(chan error)
				go func() {
					_, err := r.client.Token(signon.WithOwner(ctx, r.owner))
					left <- err
				}()
				<-r.gate.reached
				leave()
				require.ErrorIs(t, <-left, context.Canceled)
				close(r.gate.open)
				synctest.Wait()
				require.Equal(t, 1, r.refreshes())
				require.NotEqual(t, r.old.AccessToken, r.stored(r.owner).AccessToken)
				_, err := r.client.Token(r.as(r.owner))
				require.NoError(t, err)
				require.Equal(t, 1, r.refreshes())
			})
		})
	}
}

// A refreshPoint is where a refresh is held while something else happens.
type refreshPoint struct {
	name     string
	requests int // that reach the provider, if what happens is a logout
	hold     func(r *refreshRace)
}

var refreshPoints = []refreshPoint{
	{"before it reads the store", 0, func(r *refreshRace) {
		// The first read is the caller's, the second the flight's.
		r.tokens.onFetch.set(func(ctx context.Context) error {
			r.tokens.onFetch.set(r.gate.pass)
			return nil
		})
	}},
	{"before it reads the logins", 0, func(r *refreshRace) { // and takes the lease, which says what happened
		r.forgetIDToken(r.owner)
		r.logins.onLogins.set(r.gate.pass)
	}},
	{"before the request", 1, func(r *refreshRace) { r.onRequest.set(r.gate.pass) }},
	{"while it is under way", 1, func(r *refreshRace) { r.onResponse.set(r.gate.pass) }},
	{"before the store's write", 1, func(r *refreshRace) {
		// Whoever comes when the pair is here is served it at once, so all are to come
		// before: the bubble's clock goes on only when each of them waits.
		r.onRequest.set(func(context.Context) error {
			time.Sleep(time.Millisecond)
			return nil
		})
		r.tokens.onUpdate.set(r.gate.pass)
	}},
}

func bySubject(l *signon.Login) string { return l.Subject }

// A refreshRace is an app whose only token has expired, and a gate in the way of its
// refresh.
type refreshRace struct {
	*app
	gate                  *gate
	owner                 string
	old                   *oauth2.Token
	onRequest, onResponse trap
}

func newRefreshRace(t *testing.T, at refreshPoint, owner func(*signon.Login) string) *refreshRace {
	t.Helper()
	r := &refreshRace{gate: newGate()}
	r.app = newApp(t, appOptions{config: func(c *signon.Config) {
		if owner != nil {
			c.OnLogin = func(_ context.Context, l *signon.Login) (string, error) { return owner(l), nil }
		}
	}, provider: func(p *signon.Provider) {
		p.Hooks.RefreshRequest = func(ctx context.Context, _ *hooks.Request) error { return r.onRequest.spring(ctx) }
		p.Hooks.RefreshResponse = func(ctx context.Context, _ *hooks.Response) error { return r.onResponse.spring(ctx) }
	}})
	require.Equal(t, http.StatusOK, r.signIn().Status, r.log)
	r.owner = *r.tokens.owner.Load()
	r.expire(r.owner)
	r.old = r.stored(r.owner)
	at.hold(r)
	return r
}

// RF-16, SE-03, LO-10: a logout at each point of a refresh. The token that it brings
// is not stored, not served, and revoked; the request in flight is not let in.
func TestLogoutRacesRefresh(t *testing.T) {
	for _, at := range refreshPoints {
		t.Run(at.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRefreshRace(t, at, nil)
				inFlight := make(chan *signontest.Page)
				go func() { inFlight <- r.browser.Get(appURL + "/items") }()
				<-r.gate.reached
				out := r.browser.At(appURL+"/who").Post("/auth/logout/op", nil)
				require.Equal(t, http.StatusSeeOther, out.Status)
				close(r.gate.open)
				page := <-inFlight
				require.Equal(t, http.StatusSeeOther, page.Status)
				require.Contains(t, page.Location(), "/auth/login/op")
				r.requireNoToken(at.requests)
				require.Equal(t, http.StatusSeeOther, r.browser.Get(appURL+"/who").Status)
				require.Zero(t, r.op.Count(signontest.API))
			})
		})
	}
}

// RF-16: Revoke at each point of a refresh, by an owner who works in the background.
func TestRevokeRacesRefresh(t *testing.T) {
	for _, at := range refreshPoints {
		t.Run(at.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRefreshRace(t, at, bySubject)
				got := make(chan error)
				go func() {
					_, err := r.client.Token(r.as(r.owner))
					got <- err
				}()
				<-r.gate.reached
				r.tokens.onFetch.clear()
				require.NoError(t, r.client.Revoke(r.as(r.owner)))
				close(r.gate.open)
				require.Error(t, <-got)
				_, err := r.tokens.Memory.FetchToken(t.Context(), tokenstore.Key{Provider: "op", Owner: r.owner})
				require.ErrorIs(t, err, tokenstore.ErrNotFound)
				_, err = r.client.Token(r.as(r.owner))
				require.ErrorIs(t, err, signon.ErrNoToken)
			})
		})
	}
}

// RF-16: a refresh that ends between Revoke's read and its deletion. What is revoked
// is the pair that is deleted, not the one that was read.
func TestRefreshRacesRevoke(t *testing.T) {
	a := newOwned(t, appOptions{})
	a.expire("alice")
	g := newGate()
	a.tokens.afterFetch.set(g.pass)
	revoked := make(chan error)
	go func() { revoked <- a.client.Revoke(a.as("alice")) }()
	<-g.reached // it has the old pair
	token, err := a.client.Token(a.as("alice"))
	require.NoError(t, err)
	close(g.open)
	require.NoError(t, <-revoked)
	sent := a.op.Requests(signontest.Revocation)
	require.Len(t, sent, 2)
	require.Equal(t, token.RefreshToken, sent[0].Form.Get("token"))
	require.Equal(t, token.AccessToken, sent[1].Form.Get("token"))
	_, err = a.client.Token(a.as("alice"))
	require.ErrorIs(t, err, signon.ErrNoToken)
}

// RF-16: Revoke deletes and revokes in the end, even if the token is another one each
// time that it looks.
func TestRevokeOfATokenThatKeepsChanging(t *testing.T) {
	a := newOwned(t, appOptions{})
	a.tokens.onDelete.set(func(context.Context) error {
		a.store("alice", func(t *oauth2.Token) { t.AccessToken += "+" })
		return nil
	})
	require.NoError(t, a.client.Revoke(a.as("alice")))
	_, err := a.client.Token(a.as("alice"))
	require.ErrorIs(t, err, signon.ErrNoToken)
	require.Equal(t, 2, a.op.Count(signontest.Revocation))
}

// requireNoToken: nothing is stored, and what came of the refreshes is revoked.
func (r *refreshRace) requireNoToken(refreshes int) {
	r.t.Helper()
	_, err := r.tokens.Memory.FetchToken(r.t.Context(), tokenstore.Key{Provider: "op", Owner: r.owner})
	require.ErrorIs(r.t, err, tokenstore.ErrNotFound)
	_, err = r.client.Token(r.as(r.owner))
	require.ErrorIs(r.t, err, signon.ErrNoToken)
	require.Equal(r.t, refreshes, r.refreshes())
	require.Equal(r.t, 2*refreshes, r.op.Stats().Revoked, "the access and the refresh token of each")
}

// A second login at each point of a refresh: its token is the one that is stored and
// served, whatever the refresh brings.
func TestLoginRacesRefresh(t *testing.T) {
	for _, at := range refreshPoints {
		t.Run(at.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRefreshRace(t, at, bySubject)
				callers := 1 + 2*at.requests // the first point tells reads apart by their order
				got := make(chan storm)
				go func() { got <- r.ask(t.Context(), callers, 0) }()
				<-r.gate.reached
				require.Equal(t, http.StatusOK, r.signIn().Status)
				fresh := r.stored("alice")
				close(r.gate.open)
				require.Equal(t, map[string]int{fresh.AccessToken: callers}, (<-got).tokens)
				require.Equal(t, fresh.RefreshToken, r.stored("alice").RefreshToken)
				require.LessOrEqual(t, r.refreshes(), 1)
				r.requireSignedIn("alice")
			})
		})
	}
}

// RF-12 with a second login at each point, as another subject of the same owner: the
// ID token of the first one's refresh may be compared with the second one's, but the
// second login does not end by it.
func TestLoginAsAnotherSubjectRacesRefresh(t *testing.T) {
	for _, at := range refreshPoints {
		t.Run(at.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRefreshRace(t, at, func(*signon.Login) string { return "user-1" })
				second := signontest.NewBrowser(t)
				second.Serve(appURL, r.handler())
				second.Serve(r.op.Issuer(), r.op)
				got := make(chan error)
				go func() {
					_, err := r.client.Token(r.as("user-1"))
					got <- err
				}()
				<-r.gate.reached
				r.op.IDTokenClaims(setMember("sub", "bob"))
				require.Equal(t, http.StatusOK, second.Get(appURL+"/auth/login/op?return_to=/who").FollowAll(9).Status, r.log)
				r.op.IDTokenClaims(nil)
				fresh := r.stored("user-1")
				close(r.gate.open)
				require.NoError(t, <-got)
				require.Equal(t, fresh.AccessToken, r.stored("user-1").AccessToken)
				require.Equal(t, "signed in: bob", second.Get(appURL+"/who").Body)
			})
		})
	}
}

// A refresh and logins of others at once: each owner has a flight of its own.
func TestRefreshesOfManyOwners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{op: signontest.Config{NoRotation: true}})
		a.expire("alice")
		old := a.stored("alice")
		owners := []string{"a", "b", "c", "d", "e"}
		for _, owner := range owners {
			require.NoError(t, a.vault.SaveToken(t.Context(), tokenstore.Key{Provider: "op", Owner: owner}, old))
		}
		errs := make(chan error)
		for i := range 100 {
			go func() {
				_, err := a.client.Token(a.as(owners[i%len(owners)]))
				errs <- err
			}()
		}
		for range 100 {
			require.NoError(t, <-errs)
		}
		require.Equal(t, len(owners), a.refreshes())
	})
}
