package databases_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

// RF-04: the answer is lost after the provider has rotated. The old token is tried once
// more; where the provider allows it, that brings the new pair.
func TestLostAnswer(t *testing.T) {
	each(t, setup{op: signontest.Config{NoRotation: true}}, func(t *testing.T, w *world) {
		w.expired("alice")
		w.op.ArmN(signontest.ResetConnection, 1)
		token := w.served(0, "alice")
		require.Equal(t, 2, w.refreshes())
		require.Equal(t, token.AccessToken, w.served(1, "alice").AccessToken)
		require.Equal(t, 2, w.refreshes())
	})
}

// RF-04, RF-09: where the provider takes that for a theft, the login ends cleanly, and
// the other user's stays. An answer that does not come is first an outage.
func TestLostAnswerAtAStrictProvider(t *testing.T) {
	t.Parallel()
	for _, fault := range []signontest.Fault{signontest.ResetConnection, signontest.LostAnswer} {
		t.Run(string(fault), func(t *testing.T) {
			each(t, setup{byLogin: true}, func(t *testing.T, w *world) {
				bob := w.signedIn("bob", time.Hour)
				alice := w.expired("alice")
				w.op.ArmN(fault, 1)
				if fault == signontest.LostAnswer {
					require.Equal(t, http.StatusServiceUnavailable, items(alice))
					require.Equal(t, "alice", who(alice))
					time.Sleep(5100 * time.Millisecond)
				}
				require.Equal(t, http.StatusSeeOther, items(alice))
				require.Equal(t, 2, w.refreshes())
				require.Equal(t, 1, w.count("signon_tokens"))
				require.Equal(t, "See Other", who(alice))
				require.Equal(t, http.StatusOK, items(bob))
				w.signIn(alice, "alice")
				require.Equal(t, http.StatusOK, items(alice))
			})
		})
	}
}

// RF-09: the provider refuses the refresh token: the tokens of this owner go, those of
// others stay, and it is asked once.
func TestRefreshRefused(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		bob := w.signedIn("bob", time.Hour)
		alice := w.expired("alice")
		w.op.Arm(signontest.InvalidGrant)
		for i := range 20 {
			_, err := w.token(i%2, "alice")
			require.ErrorIs(t, err, signon.ErrNoToken)
		}
		w.requireRefreshed(1)
		require.Equal(t, http.StatusSeeOther, items(alice))
		require.Equal(t, 1, w.count("signon_tokens"))
		require.Equal(t, http.StatusOK, items(bob))
	})
}

// RF-09: it refuses it since another process was faster: what that has stored is served.
func TestRefreshRefusedButRotatedElsewhere(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		alice := w.expired("alice")
		w.traps.once("RefreshRequest", func(context.Context) error {
			w.signIn(w.browser(), "alice") // a new login, as good as a rotation
			w.op.ArmN(signontest.InvalidGrant, 1)
			return nil
		})
		token := w.served(0, "alice")
		require.Equal(t, token.AccessToken, w.served(1, "alice").AccessToken)
		require.Equal(t, "alice", who(alice))
		w.requireRefreshed(1)
	})
}

// RF-10: while the provider is out, the old token is served as long as it lives, then
// it is 503. It is kept; nobody asks again for five seconds, at no replica, and then the
// refresh works.
func TestProviderIsOut(t *testing.T) {
	t.Parallel()
	for _, fault := range []signontest.Fault{signontest.ServerError, signontest.DownToken} {
		t.Run(string(fault), func(t *testing.T) {
			each(t, setup{}, func(t *testing.T, w *world) {
				b := w.signedIn("alice", 8*time.Second)
				old := w.served(0, "alice")
				w.op.Arm(fault)
				time.Sleep(time.Until(old.Expiry.Add(-1500 * time.Millisecond)))
				require.Equal(t, map[string]int{old.AccessToken: 20}, w.ask(10, "alice"), "it lives")
				w.requireRefreshed(1)
				time.Sleep(time.Until(old.Expiry.Add(100 * time.Millisecond)))
				for i := range 2 {
					_, err := w.token(i, "alice")
					require.ErrorIs(t, err, signon.ErrUnavailable)
				}
				page := b.Get(appURL + "/items")
				require.Equal(t, http.StatusServiceUnavailable, page.Status)
				require.NotEmpty(t, page.Header.Get("Retry-After"))
				require.Equal(t, "alice", who(b))
				w.requireRefreshed(1)

				w.op.Disarm()
				time.Sleep(5 * time.Second)
				require.Equal(t, map[string]int{w.served(0, "alice").AccessToken: 20}, w.ask(10, "alice"))
				w.requireRefreshed(2)
			})
		})
	}
}

// RF-11: the provider says 429 and for how long. All replicas keep to it, and then one
// of them asks.
func TestProviderSaysLater(t *testing.T) {
	each(t, setup{replicas: 3}, func(t *testing.T, w *world) {
		w.expired("alice")
		w.op.Handle("/token", http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Retry-After", "7")
			rw.WriteHeader(http.StatusTooManyRequests)
		}))
		began := time.Now()
		for _, r := range w.replicas {
			_, err := r.client.Token(w.as("alice"))
			require.ErrorIs(t, err, signon.ErrUnavailable)
		}
		w.op.Handle("/token", nil)
		for time.Since(began) < 6500*time.Millisecond {
			for answer := range w.ask(5, "alice") {
				require.Contains(t, answer, "no refresh for now")
			}
			time.Sleep(500 * time.Millisecond)
		}
		w.requireRefreshed(1)
		time.Sleep(time.Until(began.Add(7500 * time.Millisecond)))
		require.Len(t, w.ask(20, "alice"), 1)
		w.served(0, "alice")
		w.requireRefreshed(2)
	})
}

// RF-12: an ID token of a refresh that does not verify is not used; that of the login
// stays. The tokens beside it are.
func TestRefreshedIDTokenDropped(t *testing.T) {
	t.Parallel()
	for _, fault := range []signontest.Fault{
		signontest.BadSignature, signontest.AlgNone, signontest.WrongIssuer, signontest.WrongAudience, signontest.WrongNonce, signontest.OldIDToken,
	} {
		t.Run(string(fault), func(t *testing.T) {
			each(t, setup{}, func(t *testing.T, w *world) {
				b := w.signedIn("alice", 2*time.Second)
				before := w.served(0, "alice")
				time.Sleep(2 * time.Second)
				w.op.Arm(fault)
				w.served(0, "alice")
				require.Equal(t, 1, w.op.Fired(fault))
				token := w.served(1, "alice")
				require.NotEqual(t, before.AccessToken, token.AccessToken)
				require.NotEmpty(t, before.Extra("id_token"))
				require.Equal(t, before.Extra("id_token"), token.Extra("id_token"))
				require.Equal(t, "alice", who(b))
			})
		})
	}
}

// RF-12: one of another user ends the token and the login at both replicas.
func TestRefreshOfAnotherSubject(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		bob := w.signedIn("bob", time.Hour)
		alice := w.expired("alice")
		w.op.Arm(signontest.RefreshOtherSubject)
		_, err := w.token(0, "alice")
		require.ErrorIs(t, err, signon.ErrNoToken)
		_, err = w.token(1, "alice")
		require.ErrorIs(t, err, signon.ErrNoToken)
		w.requireRefreshed(1)
		require.Equal(t, []string{"See Other", "See Other"}, []string{who(alice), who(alice)})
		require.Equal(t, "bob", who(bob))
		require.Equal(t, 1, w.count("signon_tokens"))
	})
}
