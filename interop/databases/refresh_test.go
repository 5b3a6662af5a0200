package databases_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
	"github.com/seed1a301047/signon/tokenstore"
)

// RF-20 waits for client credentials, which Signon does not have.

// RF-01: 200 callers in one process meet an expired token; one request goes out, and all
// get what it brings.
func TestOneProcessRefreshesOnce(t *testing.T) {
	each(t, setup{replicas: 1}, func(t *testing.T, w *world) {
		w.expired("alice")
		got := w.ask(200, "alice")
		require.Equal(t, map[string]int{w.served(0, "alice").AccessToken: 200}, got)
		w.requireRefreshed(1)
	})
}

// RF-02: so it is with four replicas, and while the provider takes its time.
func TestReplicasRefreshOnce(t *testing.T) {
	each(t, setup{replicas: 4}, func(t *testing.T, w *world) {
		w.expired("alice")
		w.traps.set("RefreshResponse", func(context.Context) error { time.Sleep(700 * time.Millisecond); return nil })
		got := w.ask(50, "alice")
		require.Equal(t, map[string]int{w.served(0, "alice").AccessToken: 200}, got)
		w.requireRefreshed(1)
	})
}

// RF-03: the process that holds the lease is gone. Nobody waits longer than for that,
// and one of the others refreshes.
func TestHolderOfTheLeaseIsGone(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		w.expired("alice")
		key := tokenstore.Key{Provider: "op", Owner: "alice"}
		row, err := w.replicas[0].tokens.Store.FetchToken(t.Context(), key)
		require.NoError(t, err)
		require.NoError(t, w.replicas[0].tokens.LeaseToken(t.Context(), key, row, tokenstore.Lease{Holder: "gone", TTL: 4 * time.Second}))
		began := time.Now()
		got := w.ask(10, "alice")
		took := time.Since(began)
		require.Equal(t, map[string]int{w.served(0, "alice").AccessToken: 20}, got)
		require.Greater(t, took, 3*time.Second)
		require.Less(t, took, 8*time.Second)
		w.requireRefreshed(1)
	})
}

// RF-05: the caller leaves while the provider is asked. What that brings is stored.
func TestCallerLeaves(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		w.expired("alice")
		g := newGate()
		w.traps.set("RefreshResponse", g.pass)
		ctx, leave := context.WithCancel(w.as("alice"))
		left := make(chan error)
		go func() {
			_, err := w.replicas[0].client.Token(ctx)
			left <- err
		}()
		g.wait(w)
		leave()
		require.ErrorIs(t, <-left, context.Canceled)
		before := w.column("alice", "access_token")
		close(g.open)
		require.NoError(t, w.replicas[0].auth.Shutdown(t.Context()))
		require.NotEqual(t, before, w.column("alice", "access_token"))
		w.served(1, "alice")
		w.requireRefreshed(1)
	})
}

// RF-07: an answer without a refresh token, or with an empty one, keeps the stored one.
func TestRefreshTokenIsKept(t *testing.T) {
	each(t, setup{op: signontest.Config{NoRotation: true}}, func(t *testing.T, w *world) {
		w.expired("alice")
		w.op.TokenResponse(func(m map[string]any) { delete(m, "refresh_token"); m["expires_in"] = 1 })
		first := w.served(0, "alice")
		time.Sleep(1200 * time.Millisecond)
		w.op.TokenResponse(func(m map[string]any) { m["refresh_token"] = "" })
		second := w.served(1, "alice")
		require.NotEmpty(t, first.RefreshToken)
		require.Equal(t, first.RefreshToken, second.RefreshToken)
		require.NotEqual(t, first.AccessToken, second.AccessToken)
		require.Equal(t, second.AccessToken, w.served(0, "alice").AccessToken)
		w.requireRefreshed(2)
	})
}

// RF-08: a new refresh token replaces the old one, at one replica for the other.
func TestRefreshTokenIsReplaced(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		w.expired("alice")
		seen := map[string]bool{}
		for i := range 3 {
			w.op.TokenResponse(func(m map[string]any) { m["expires_in"] = 1 })
			token, err := w.token(i%2, "alice")
			require.NoError(t, err)
			require.False(t, seen[token.RefreshToken])
			seen[token.RefreshToken] = true
			time.Sleep(1200 * time.Millisecond)
		}
		w.requireRefreshed(3)
		require.Equal(t, 3, w.op.Stats().Generation)
		require.Equal(t, 1, w.count("signon_tokens"))
	})
}

// RF-13: a refresh that brings a token that has expired is not repeated at once.
func TestRefreshBringsADeadToken(t *testing.T) {
	each(t, setup{replicas: 1}, func(t *testing.T, w *world) {
		b := w.expired("alice")
		w.op.Arm(signontest.ExpiresInZero)
		for range 10 {
			_, err := w.token(0, "alice")
			require.ErrorIs(t, err, signon.ErrProvider)
		}
		require.Equal(t, http.StatusBadGateway, items(b))
		w.requireRefreshed(1)
		require.Equal(t, "alice", who(b))
	})
}

// RF-14: an API refuses a token that still lives: one refresh, and each request twice at
// most. A 403 refreshes nothing.
func TestAPIRefusesTheToken(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		b := w.signedIn("alice", time.Hour)
		before := w.served(0, "alice")
		w.op.ArmN(signontest.API401Once, 1)
		require.Equal(t, http.StatusOK, w.call(0, "alice"))
		require.Equal(t, 2, w.op.Count(signontest.API))
		require.NotEqual(t, before.AccessToken, w.served(0, "alice").AccessToken)
		w.requireRefreshed(1)

		w.op.Arm(signontest.API401Always)
		require.Equal(t, http.StatusUnauthorized, w.call(1, "alice"))
		require.Equal(t, 4, w.op.Count(signontest.API))
		require.Equal(t, 2, w.refreshes())

		w.op.Disarm()
		w.op.Handle("/api/items", http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusForbidden) }))
		require.Equal(t, http.StatusForbidden, items(b))
		w.requireRefreshed(2)
	})
}

// call calls the API at a replica, for an owner.
func (w *world) call(replica int, owner string) int {
	w.t.Helper()
	resp, err := w.replicas[replica].client.HTTPClient(w.as(owner)).Get("items")
	require.NoError(w.t, err)
	require.NoError(w.t, resp.Body.Close())
	return resp.StatusCode
}

// RF-15: a token that lives shorter than the margin is not refreshed all the time.
func TestShortLivedToken(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		w.op.TokenResponse(func(m map[string]any) { m["expires_in"] = 20 })
		w.signIn(w.browser(), "alice")
		for range 20 {
			require.Len(t, w.ask(10, "alice"), 1)
			time.Sleep(50 * time.Millisecond)
		}
		w.requireRefreshed(0)
	})
}

// RF-17: two users whose tokens are of equal strings are two users.
func TestEqualTokensOfTwoOwners(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		w.expired("alice")
		w.expired("bob")
		w.answerRefresh("same", 1)
		w.served(0, "alice")
		w.served(1, "bob")
		bobs := w.column("bob", "access_token")
		require.NotEqual(t, bobs, w.column("alice", "access_token"), "equal tokens are not equal at rest")
		time.Sleep(1100 * time.Millisecond)
		w.answerRefresh("alices", 3600)
		require.Equal(t, "alices", w.served(0, "alice").AccessToken)
		require.Equal(t, bobs, w.column("bob", "access_token"))
		w.answerRefresh("bobs", 3600)
		require.Equal(t, "bobs", w.served(1, "bob").AccessToken)
		require.Equal(t, "alices", w.served(1, "alice").AccessToken)
	})
}

// answerRefresh has the token endpoint answer with these two tokens.
func (w *world) answerRefresh(token string, life int) {
	w.op.Handle("/token", http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(rw, `{"access_token":%q,"refresh_token":%[1]q,"token_type":"Bearer","expires_in":%d}`, token, life)
	}))
}

// RF-19: the HTTP client of one user sends that one's token, also after refreshes of
// both, and never the other's.
func TestHTTPClientOfOneUser(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		browsers := map[string]*signontest.Browser{"alice": w.expired("alice"), "bob": w.expired("bob")}
		clients := map[string]*http.Client{}
		for user := range browsers {
			clients[user] = w.replicas[0].client.HTTPClient(w.as(user))
		}
		done := make(chan error)
		for i := range 40 {
			user := []string{"alice", "bob"}[i%2]
			go func() {
				resp, err := clients[user].Get("items?of=" + user)
				if err == nil {
					err = resp.Body.Close()
				}
				done <- err
			}()
		}
		for range 40 {
			require.NoError(t, <-done)
		}
		of := map[string]*oauth2.Token{"alice": w.served(1, "alice"), "bob": w.served(1, "bob")}
		requests := w.op.Requests(signontest.API)
		require.Len(t, requests, 40)
		for _, r := range requests {
			_, user, _ := strings.Cut(r.URL.RawQuery, "of=")
			require.Equal(t, "Bearer "+of[user].AccessToken, r.Header.Get("Authorization"), user)
		}
		w.requireRefreshed(2)
	})
}
