package signon_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/signontest"
)

// RF-16, LO-38: a refresh at one replica while the other ends the login, in each way that
// a store can learn of it. What it brings is not stored and not served, but revoked; and
// the request that it was for is turned away.
func TestLogoutElsewhereRacesRefresh(t *testing.T) {
	for _, cause := range []signon.LogoutCause{signon.LoggedOut, signon.LoggedOutBackChannel} {
		t.Run(string(cause), func(t *testing.T) {
			var hold atomic.Pointer[gate]
			o := fleetOptions{provider: func(i int, p *signon.Provider) {
				if i == 0 {
					p.Hooks.RefreshResponse = func(ctx context.Context, _ *hooks.Response) error { return hold.Load().pass(ctx) }
				}
			}}
			eachStore(t, o, func(t *testing.T, f *fleet) {
				hold.Store(newGate())
				f.at.Store(0)
				b := f.signIn("alice")
				id := f.loginOf(b)
				f.expire(id)
				inFlight := make(chan *signontest.Page)
				go func() { inFlight <- b.At(siteURL).Fetch(http.MethodGet, "/token") }()
				<-hold.Load().reached
				if cause == signon.LoggedOut {
					f.at.Store(1)
					require.Equal(t, http.StatusSeeOther, b.At(siteURL).Post("/auth/logout", nil).Status)
				} else {
					require.NoError(t, signon.EndBy(t.Context(), f.replicas[1].auth, selectAlice(f), cause))
				}
				close(hold.Load().open)
				require.Equal(t, http.StatusUnauthorized, (<-inFlight).Status)
				f.shutdown()
				f.requireTokens(false, id)
				require.Equal(t, nobody, f.who(b))
				require.Len(t, revoked(f.op), 2, "what came after the logout is no use to anybody")
				require.Equal(t, []ending{{1, id, id, cause}}, f.endings())
			})
		})
	}
}

// SE-03: a request under way at one replica, while the other signs out, writes its session
// back; nobody is signed in by that, there or here, nor by a cookie from before.
func TestLogoutElsewhereRacesARequest(t *testing.T) {
	eachStore(t, fleetOptions{}, func(t *testing.T, f *fleet) {
		inside, done := make(chan bool), make(chan bool)
		here := f.replicas[0]
		here.mux.Handle("/slow", here.sessions.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			here.sessions.Put(r.Context(), "slow", "value")
			inside <- true
			<-done
		})))
		b, stale := f.signIn("alice"), f.browser()
		setSession(stale, sessionID(b))
		over := make(chan bool)
		r := cookies(httptest.NewRequest(http.MethodGet, siteURL+"/slow", nil), b)
		go func() { here.mux.ServeHTTP(httptest.NewRecorder(), r); close(over) }()
		<-inside
		f.at.Store(1)
		require.Equal(t, http.StatusSeeOther, b.At(siteURL).Post("/auth/logout", nil).Status)
		done <- true
		<-over
		ctx, err := f.replicas[1].sessions.Load(t.Context(), sessionID(stale))
		require.NoError(t, err)
		require.Equal(t, "value", f.replicas[1].sessions.GetString(ctx, "slow"), "the session is back")
		require.Equal(t, nobody, f.who(stale)) // SE-02
	})
}

// Promise 4, SE-03, RF-16: logouts, each with twenty requests in flight on two replicas.
// None begins or reads who is signed in, or a token, after the logout has returned, and
// succeeds. The whole of it, a thousand logouts on each store, runs with SIGNON_RACE=full.
func TestLogoutRace(t *testing.T) {
	full := os.Getenv("SIGNON_RACE") == "full"
	for kind, logouts := range map[string]int{"memory": 40, dbtest.SQLite: 10, dbtest.Postgres: 10} {
		if full {
			logouts = 1000
		}
		t.Run(kind, func(t *testing.T) {
			race := newLogoutRace(t, kind)
			began := time.Now()
			for i := range logouts {
				race.logout(i)
			}
			t.Logf("%s: %d logouts in %v; requests in flight at them: %d, of which %d had a refresh to make; "+
				"requests and reads after the logout had returned: %d; of those that succeeded: %d",
				kind, logouts, time.Since(began).Round(time.Millisecond), race.inFlight.Load(), race.expired.Load(), race.after.Load(), race.succeeded.Load())
			require.EqualValues(t, 20*logouts, race.inFlight.Load())
			require.GreaterOrEqual(t, race.after.Load(), int64(20*4*logouts))
			require.NotZero(t, race.before.Load(), "none succeeded before the logout either")
			require.Zero(t, race.succeeded.Load())
		})
	}
}

// A logoutRace counts what gets in after logouts.
type logoutRace struct {
	*fleet
	inFlight, expired, before, after, succeeded atomic.Int64

	mu  sync.Mutex
	run *logoutRun // the logout that is going on
}

// A logoutRun is one logout, and the requests that are under way at it.
type logoutRun struct {
	inside sync.WaitGroup // until all requests are in
	over   atomic.Bool    // the logout has returned
}

func newLogoutRace(t *testing.T, kind string) *logoutRace {
	race := &logoutRace{fleet: newFleet(t, kind, fleetOptions{provider: func(_ int, p *signon.Provider) { p.RevokeOnLogout = true }})}
	for _, r := range race.replicas {
		r.mux.Handle("/race", r.auth.RequireLogin(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { race.request(r, req) })))
	}
	return race
}

// count adds what was tried: if it began after the logout had returned it must have failed.
func (race *logoutRace) count(over bool, err error) {
	switch {
	case over && err == nil:
		race.succeeded.Add(1)
		fallthrough
	case over:
		race.after.Add(1)
	case err == nil:
		race.before.Add(1)
	}
}

// request is the application's handler: it is in, and asks again and again who is signed in
// and for the token, until both have been asked after the logout.
func (race *logoutRace) request(r *replicaOf, req *http.Request) {
	race.mu.Lock()
	run := race.run
	race.mu.Unlock()
	race.inFlight.Add(1)
	run.inside.Done()
	for over := false; !over; time.Sleep(time.Millisecond) { // or they would have the machine
		over = run.over.Load()
		_, err := r.client.Token(req.Context())
		race.count(over, err)
		_, err = r.auth.Login(req)
		race.count(over, err)
	}
}

func (race *logoutRace) logout(i int) {
	race.at.Store(int32(i % 2))
	b := race.signIn("alice")
	if i%2 == 1 {
		race.expire(race.loginOf(b)) // the first requests refresh, during the logout
		race.expired.Add(20)
	}
	run := &logoutRun{}
	run.inside.Add(20)
	race.mu.Lock()
	race.run = run
	race.mu.Unlock()
	before := cookies(httptest.NewRequest(http.MethodGet, siteURL, nil), b).Header
	ask := func(replica int, path string) error {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, siteURL+path, nil)
		r.Header = before.Clone()
		race.replicas[replica].mux.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			return fmt.Errorf("status %d", w.Code)
		}
		return nil
	}
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			if err := ask(n%2, "/race"); err != nil {
				race.t.Error("a request before the logout was turned away:", err)
				run.inside.Done()
			}
			for _, path := range []string{"/me", "/token"} { // new ones, with the cookies from before
				over := run.over.Load()
				race.count(over, ask(n%2, path))
			}
		})
	}
	run.inside.Wait()
	race.at.Store(int32(i / 2 % 2))
	require.Equal(race.t, http.StatusSeeOther, b.At(siteURL).Post("/auth/logout", nil).Status)
	run.over.Store(true)
	all.Wait()
}

func selectAlice(f *fleet) sessionstore.Selector {
	return sessionstore.Selector{Issuer: f.op.Issuer(), Subject: "alice"}
}
