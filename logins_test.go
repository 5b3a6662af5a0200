package signon_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
)

// A login that would let nobody in is in no list: one that has idled, and one that was
// changed in its store. Of the latter nobody is told either when it ends: what it says may
// be a lie.
func TestLoginsLeavesOutWhatLetsNobodyIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "memory", fleetOptions{owned: true, provider: revoking})
		auth, logins := f.replicas[0].auth, f.replicas[0].logins
		idle := f.loginOf(f.signIn("alice"))
		time.Sleep(31 * time.Minute)
		bobs := f.loginOf(f.signIn("bob"))
		rec, err := logins.Login(t.Context(), bobs)
		require.NoError(t, err)
		for _, change := range []func(*sessionstore.Record){
			func(r *sessionstore.Record) { r.ID, r.Owner = "a", "user-alice" },
			func(r *sessionstore.Record) { r.ID, r.Owner, r.Subject = "b", "user-alice", "alice" },
			func(r *sessionstore.Record) { r.ID, r.Owner, r.IDToken = "c", "user-alice", nil },
			func(r *sessionstore.Record) { r.ID, r.Owner = "user-alice", "user-alice" },
		} {
			forged := rec.Clone()
			change(forged)
			require.NoError(t, logins.CreateLogin(t.Context(), forged))
		}
		list, err := auth.Logins(t.Context(), "user-alice")
		require.NoError(t, err)
		require.Empty(t, list)
		require.Equal(t, 1, strings.Count(f.log.String(), "they let nobody in"))

		n, err := auth.EndLogins(t.Context(), "user-alice")
		require.NoError(t, err)
		require.Equal(t, 5, n)
		require.Equal(t, []ending{{0, idle, "user-alice", signon.LoginEnded}}, f.endings())
		require.Equal(t, 4, strings.Count(f.log.String(), "OnLogout is not told"))
		f.shutdown()
		require.Zero(t, f.op.Count("revocation"))
	})
}

// Which login is current is the request's to say, whichever middleware let it through,
// and nobody else's registry.
func TestCurrentLogin(t *testing.T) {
	f := newFleet(t, "memory", fleetOptions{owned: true})
	here := f.replicas[0]
	current := func(ctx context.Context) (n int) {
		list, err := here.auth.Logins(ctx, "user-alice")
		require.NoError(t, err)
		for _, l := range list {
			if l.Current {
				n++
			}
		}
		return n
	}
	var got []int
	show := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = append(got, current(r.Context()), current(signon.WithOwner(r.Context(), "user-bob")))
	})
	here.mux.Handle("/login", here.auth.RequireLogin(show))
	here.mux.Handle("/owner", here.client.RequireToken(show))
	here.mux.Handle("/both", here.auth.RequireLogin(here.client.RequireToken(show)))
	here.mux.Handle("/other", f.replicas[1].auth.RequireLogin(show))
	f.signIn("alice")
	b := f.signIn("alice")
	for path, want := range map[string]int{"/login": 1, "/owner": 1, "/both": 1, "/other": 0} {
		got = nil
		require.Equal(t, http.StatusOK, b.Get(siteURL+path).Status)
		require.Equal(t, []int{want, want}, got, path)
	}
	require.Zero(t, current(t.Context()))
}

// A store that does not answer is no empty list.
func TestLoginsWithStoreDown(t *testing.T) {
	a := newApp(t, appOptions{owned: true})
	a.signIn()
	a.logins.onLogins.set(func(context.Context) error { return errDown })
	_, err := a.auth.Logins(t.Context(), "alice")
	require.ErrorIs(t, err, signon.ErrUnavailable)
	a.logins.onLogins.set(func(context.Context) error { panic("a store") })
	_, err = a.auth.Logins(t.Context(), "alice")
	require.ErrorIs(t, err, signon.ErrInternal)
}

func revoking(_ int, p *signon.Provider) { p.RevokeOnLogout = true }
