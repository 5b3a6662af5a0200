package signon_test

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/signontest"
)

// asked is what a caller got.
type asked struct {
	token string
	err   error
}

func askForClient(ctx context.Context, a *app) asked {
	token, err := a.client.ClientToken(ctx, "items")
	if err != nil {
		return asked{err: err}
	}
	return asked{token: token.AccessToken}
}

// gated is an app whose next token request a test holds back before it is sent.
func gated(t *testing.T) (*app, func() *gate) {
	var g trap
	a := newApp(t, appOptions{provider: func(p *signon.Provider) {
		p.Hooks.TokenRequest = func(ctx context.Context, _ *hooks.Request) error { return g.spring(ctx) }
	}})
	return a, func() *gate {
		held := newGate()
		g.set(held.pass)
		return held
	}
}

// However many ask, one request goes out, and whoever leaves takes nothing from the
// others, not even the first.
func TestClientTokenFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, hold := gated(t)
		held := hold()
		leaver, leave := newLeaver(t)
		left, got := make(chan asked), make(chan asked)
		go func() { left <- askForClient(leaver, a) }()
		<-held.reached
		for range 50 {
			go func() { got <- askForClient(t.Context(), a) }()
		}
		synctest.Wait()
		leave()
		require.ErrorIs(t, (<-left).err, context.Canceled)
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, askForClient(impatient, a).err, signon.ErrProviderTimeout)
		close(held.open)
		first := <-got
		require.NoError(t, first.err)
		for range 49 {
			require.Equal(t, first, <-got)
		}
		require.Equal(t, 1, a.op.Count(signontest.Token))
		require.Equal(t, first, askForClient(leaver, a), "what is there is given to anybody")
	})
}

// A caller that has left starts nothing.
func TestClientTokenLeftBefore(t *testing.T) {
	a := newApp(t, appOptions{})
	leaver, leave := newLeaver(t)
	leave()
	require.ErrorIs(t, askForClient(leaver, a).err, context.Canceled)
	require.Zero(t, a.op.Count(signontest.Token))
}

// Who looked before a flight ended and begins the next finds the work done.
func TestClientTokenLateFlight(t *testing.T) {
	a := newApp(t, appOptions{})
	require.NoError(t, askForClient(t.Context(), a).err)
	signon.LateFlight(a.client, "items")
	require.Equal(t, 1, a.op.Count(signontest.Token))
	a.op.Arm(signontest.DownToken)
	_, err := a.client.ClientToken(t.Context(), "other")
	require.ErrorIs(t, err, signon.ErrUnavailable)
	signon.LateFlight(a.client, "other")
	require.Equal(t, 1, a.op.Fired(signontest.DownToken))
}

type ctxKey struct{}

// A token that others get too is not shaped by what is in one caller's context.
func TestClientTokenKnowsNoCaller(t *testing.T) {
	seen := make(chan any, 1)
	a := newApp(t, appOptions{provider: func(p *signon.Provider) {
		p.Hooks.TokenRequest = func(ctx context.Context, _ *hooks.Request) error {
			seen <- ctx.Value(ctxKey{})
			return nil
		}
	}})
	require.NoError(t, askForClient(context.WithValue(t.Context(), ctxKey{}, "tenant"), a).err)
	require.Nil(t, <-seen)
}

// TestClientTokenUnauthorized: a 401 leads to one token anew, and callers at once, all
// refused, share it.
func TestClientTokenUnauthorized(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, hold := gated(t)
		ctx := signon.WithClientToken(t.Context(), "items")
		call := func() int {
			resp, err := a.client.HTTPClient(ctx).Get("items")
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			return resp.StatusCode
		}
		require.Equal(t, http.StatusOK, call())
		time.Sleep(6 * time.Second)
		a.op.ExpireAccessTokens()
		held, status := hold(), make(chan int)
		for range 20 {
			go func() { status <- call() }()
		}
		synctest.Wait() // all refused, in one flight
		require.Equal(t, 21, a.op.Count(signontest.API))
		close(held.open)
		for range 20 {
			require.Equal(t, http.StatusOK, <-status)
		}
		require.Equal(t, 2, a.op.Count(signontest.Token))

		a.op.Arm(signontest.API401Always)
		time.Sleep(6 * time.Second)
		for range 10 {
			require.Equal(t, http.StatusUnauthorized, call(), "the API's own answer is the caller's to see")
		}
		require.Equal(t, 3, a.op.Count(signontest.Token), "one that was refused as it came is not fetched again at once")
		a.op.Arm(signontest.DownToken)
		time.Sleep(6 * time.Second)
		require.Equal(t, http.StatusUnauthorized, call())
		require.Equal(t, http.StatusUnauthorized, call())
		require.Equal(t, 1, a.op.Fired(signontest.DownToken))
	})
}

// A provider that gives the same token again, as long as it lives, is asked once.
func TestClientTokenSameAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, appOptions{})
		a.op.TokenResponse(setMember("access_token", "always-this"))
		a.op.Arm(signontest.API401Always)
		for range 3 {
			time.Sleep(6 * time.Second)
			resp, err := a.client.HTTPClient(signon.WithClientToken(t.Context())).Get("items")
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
		}
		require.Equal(t, 3, a.op.Count(signontest.Token))
	})
}

// A caller whose token an API has refused meets another's flight, which began when the
// token was about to end and brings the next: it is content with that.
func TestClientTokenRefusedMeetsFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, hold := gated(t)
		ctx := signon.WithClientToken(t.Context(), "items")
		require.NoError(t, askForClient(t.Context(), a).err)
		time.Sleep(59*time.Minute - time.Second)
		api := newGate()
		a.op.Handle("/api/items", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if !api.held.Load() {
				_ = api.pass(t.Context())
				w.WriteHeader(http.StatusUnauthorized)
			}
		}))
		status := make(chan int)
		go func() {
			resp, err := a.client.HTTPClient(ctx).Get("items")
			if err != nil {
				status <- 0
				return
			}
			_ = resp.Body.Close()
			status <- resp.StatusCode
		}()
		<-api.reached
		time.Sleep(2 * time.Second)
		held, got := hold(), make(chan asked)
		go func() { got <- askForClient(t.Context(), a) }()
		<-held.reached
		close(api.open)
		synctest.Wait() // refused, and in the same flight
		close(held.open)
		require.NoError(t, (<-got).err)
		require.Equal(t, http.StatusOK, <-status)
		require.Equal(t, 2, a.op.Count(signontest.Token))
	})
}

// What is revoked while another is fetched is not served again, even if that fails.
func TestClientTokenRevoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, hold := gated(t)
		ctx := signon.WithClientToken(t.Context(), "items")
		require.ErrorIs(t, a.client.Revoke(ctx), signon.ErrNoToken, "there is none")
		first := askForClient(t.Context(), a)
		require.NoError(t, first.err)
		require.NoError(t, a.client.Revoke(ctx))
		require.Equal(t, first.token, a.op.Requests(signontest.Revocation)[0].Form.Get("token"))
		second := askForClient(t.Context(), a)
		require.NoError(t, second.err)
		require.NotEqual(t, first, second)

		time.Sleep(59*time.Minute + time.Second)
		held, got := hold(), make(chan asked)
		go func() { got <- askForClient(t.Context(), a) }()
		<-held.reached
		require.NoError(t, a.client.Revoke(ctx))
		require.Equal(t, 2, a.op.Stats().Revoked)
		a.op.Arm(signontest.DownToken)
		close(held.open)
		require.ErrorIs(t, (<-got).err, signon.ErrUnavailable)
		require.ErrorIs(t, askForClient(t.Context(), a).err, signon.ErrUnavailable)
	})
}

// Whose token it is goes by what is innermost.
func TestWithClientToken(t *testing.T) {
	a := newOwned(t, appOptions{})
	user := a.stored("alice").AccessToken
	token := func(ctx context.Context) string {
		t.Helper()
		got, err := a.client.TokenSource(ctx).Token()
		require.NoError(t, err)
		return got.AccessToken
	}
	application := token(signon.WithClientToken(t.Context(), "items"))
	require.Equal(t, application, askForClient(t.Context(), a).token)
	require.Equal(t, application, token(signon.WithClientToken(a.as("alice"), "items")))
	require.Equal(t, user, token(signon.WithOwner(signon.WithClientToken(t.Context(), "items"), "alice")))

	mux := http.NewServeMux()
	mux.Handle("/both", a.client.RequireToken(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token(r.Context()) != user || token(signon.WithClientToken(r.Context(), "items")) != application {
			w.WriteHeader(http.StatusTeapot)
		}
		if login, ok := signon.LoginFrom(signon.WithClientToken(r.Context())); !ok || login.Subject != "alice" {
			w.WriteHeader(http.StatusTeapot)
		}
	})))
	a.browser.Serve(appURL, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r.WithContext(signon.WithClientToken(r.Context(), "other")))
	}))
	require.Equal(t, http.StatusOK, a.browser.Get(appURL+"/both").Status)

	said, err := a.client.Introspect(signon.WithClientToken(t.Context(), "items"), a.stored("alice"))
	require.NoError(t, err)
	require.Equal(t, "alice", said.Subject)
}
