package signon_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
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

// RF-10: while the provider is out, the old token is served as long as it lives,
// then 503; it is kept, nobody asks again for five seconds, and afterwards the
// refresh works.
func TestRefreshDuringAnOutage(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault signontest.Fault
	}{
		{"500", signontest.ServerError}, {"503", signontest.DownToken}, {"429", signontest.TooManyRequests},
		{"no answer", signontest.HangToken}, {"slow", signontest.SlowBody}, {"no such host", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var gone atomic.Bool
				a := newOwned(t, appOptions{config: func(c *signon.Config) {
					via := c.HTTPClient.Transport
					c.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
						if gone.Load() && r.URL.Path == "/token" {
							r.URL.Host = "no-such-host.test"
						}
						return via.RoundTrip(r)
					})}
				}})
				time.Sleep(time.Hour - 50*time.Second) // within the margin
				if gone.Store(tt.fault == ""); tt.fault != "" {
					a.op.Arm(tt.fault)
				}
				old := a.stored("alice")
				before := a.refreshes()
				require.Equal(t, map[string]int{old.AccessToken: 20}, a.ask(t.Context(), 20, 0).tokens, "it lives")
				require.LessOrEqual(t, a.refreshes()-before, 1)
				require.Equal(t, map[string]int{old.AccessToken: 20}, a.ask(t.Context(), 20, 4*time.Second).tokens)
				require.LessOrEqual(t, a.refreshes()-before, 1, "not retried within five seconds")
				time.Sleep(50 * time.Second)
				began := time.Now()
				_, err := a.client.Token(a.as("alice"))
				require.ErrorIs(t, err, signon.ErrUnavailable, "it is over")
				require.NotErrorIs(t, err, signon.ErrNoToken)
				require.LessOrEqual(t, time.Since(began), 11*time.Second)
				require.Equal(t, old.RefreshToken, a.stored("alice").RefreshToken)
				page := a.browser.Get(appURL + "/items")
				require.Equal(t, http.StatusSeeOther, page.Status, "the login has idled out by now")

				a.op.Disarm()
				gone.Store(false)
				if tt.fault == signontest.TooManyRequests { // RF-11: it has said for how long
					time.Sleep(20 * time.Second)
					_, err = a.client.Token(a.as("alice"))
					require.ErrorIs(t, err, signon.ErrUnavailable)
				}
				time.Sleep(12 * time.Second)
				_, err = a.client.Token(a.as("alice"))
				require.NoError(t, err)
				require.Zero(t, a.op.Stats().RefreshReused)
				a.requireQuiet()
			})
		})
	}
}

// RF-10: the pause is that of the refresh token that failed: one that another
// replica has stored meanwhile is tried at once.
func TestPauseIsOfOneRefreshToken(t *testing.T) {
	a := newOwned(t, appOptions{})
	a.op.ArmN(signontest.DownToken, 1)
	a.expire("alice")
	require.Equal(t, 3, a.ask(t.Context(), 3, 0).failed)
	require.Equal(t, 1, a.refreshes())
	a.store("alice", func(t *oauth2.Token) { t.RefreshToken = "peers" })
	_, err := a.client.Token(a.as("alice"))
	require.ErrorIs(t, err, signon.ErrNoToken, "the provider does not know it")
	require.Equal(t, 2, a.refreshes())
}

// RF-10: what RequireToken says of it.
func TestRequireTokenDuringAnOutage(t *testing.T) {
	a := newOwned(t, appOptions{})
	a.op.Arm(signontest.DownToken)
	a.expire("alice")
	for range 5 {
		page := a.browser.Get(appURL + "/items")
		require.Equal(t, http.StatusServiceUnavailable, page.Status)
		require.NotEmpty(t, page.Header.Get("Retry-After"))
	}
	require.Equal(t, 1, a.refreshes())
	a.requireSignedIn("alice")
}

// TE-11: a client that the provider does not know any more is the operator's fault:
// the token is kept, nobody is signed out.
func TestRefreshOfAnUnknownClient(t *testing.T) {
	a := newOwned(t, appOptions{})
	a.op.Arm(signontest.InvalidClient)
	a.expire("alice")
	_, err := a.client.Token(a.as("alice"))
	require.ErrorIs(t, err, signon.ErrProvider)
	refused, ok := errors.AsType[*signon.ProviderError](err)
	require.True(t, ok)
	require.Equal(t, "invalid_client", refused.Code)
	a.stored("alice")
	a.requireSignedIn("alice")
	a.requireQuiet()
}

// RF-04: the answer is lost after the provider has rotated the token. One more try
// with the old one: a provider that allows it brings the new pair.
func TestLostRefreshAnswer(t *testing.T) {
	for _, fault := range []signontest.Fault{signontest.ResetConnection, signontest.TruncatedBody} {
		a := newOwned(t, appOptions{op: signontest.Config{NoRotation: true}})
		a.op.ArmN(fault, 1)
		a.expire("alice")
		_, err := a.client.Token(a.as("alice"))
		require.NoError(t, err)
		require.Equal(t, 2, a.refreshes())

		a.op.Arm(fault)
		a.expire("alice")
		_, err = a.client.Token(a.as("alice"))
		require.ErrorIs(t, err, signon.ErrUnavailable)
		require.Equal(t, 4, a.refreshes(), "one retry, and no more")
		a.stored("alice")
	}
}

// RF-04: a provider that takes it for theft ends the grant: the session ends
// cleanly.
func TestLostRefreshAnswerAtAStrictProvider(t *testing.T) {
	a := newApp(t, appOptions{})
	require.Equal(t, http.StatusOK, a.signIn().Status)
	owner := *a.tokens.owner.Load()
	a.op.ArmN(signontest.ResetConnection, 1)
	a.expire(owner)
	_, err := a.client.Token(a.as(owner))
	require.ErrorIs(t, err, signon.ErrNoToken)
	require.Equal(t, 2, a.refreshes())
	require.Equal(t, http.StatusSeeOther, a.browser.Get(appURL+"/items").Status)
	require.Equal(t, http.StatusOK, a.signIn().Status)
}

// RF-06: the store does not take the new pair. It is kept, served, and written again
// within a second; the old refresh token is not sent again.
func TestStoreFailsOnce(t *testing.T) {
	for _, tt := range []struct {
		name string
		fail func(context.Context) error
	}{
		{"error", func(context.Context) error { return errors.New("disk full") }},
		{"panic", func(context.Context) error { panic("nil map") }},
		{"abort", func(context.Context) error { panic(http.ErrAbortHandler) }},
		{"its context", func(context.Context) error { return context.DeadlineExceeded }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newOwned(t, appOptions{})
				a.tokens.onUpdate.set(tt.fail)
				a.expire("alice")
				old := a.stored("alice")
				first, err := a.client.Token(a.as("alice"))
				require.NoError(t, err)
				require.NotEqual(t, old.AccessToken, first.AccessToken)
				require.Equal(t, old.AccessToken, a.stored("alice").AccessToken)
				require.Contains(t, a.log.String(), "could not be stored")
				second, err := a.client.Token(a.as("alice"))
				require.NoError(t, err)
				require.Equal(t, first.AccessToken, second.AccessToken)

				a.tokens.onUpdate.clear()
				time.Sleep(time.Second)
				require.Equal(t, first.RefreshToken, a.stored("alice").RefreshToken)
				require.Equal(t, 1, a.refreshes())
				a.requireQuiet()
			})
		})
	}
}

// RF-06: it does not take it for hours. The pair is served while it lives; it is not
// spent for another that could not be stored either.
func TestStoreFailsForHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		a.tokens.onUpdate.set(func(context.Context) error { return errors.New("read-only") })
		time.Sleep(time.Hour)
		owed, err := a.client.Token(a.as("alice"))
		require.NoError(t, err)
		for range 6 {
			time.Sleep(59*time.Minute/6 - time.Second)
			require.Equal(t, map[string]int{owed.AccessToken: 10}, a.ask(t.Context(), 10, 0).tokens)
		}
		for range 6 {
			time.Sleep(10 * time.Minute)
			_, err = a.client.Token(a.as("alice"))
			require.ErrorIs(t, err, signon.ErrUnavailable)
			require.Equal(t, 1, a.refreshes())
		}
		a.tokens.onUpdate.clear()
		time.Sleep(11 * time.Second) // written again by now
		require.Equal(t, owed.AccessToken, a.stored("alice").AccessToken)
		token, err := a.client.Token(a.as("alice"))
		require.NoError(t, err)
		require.Equal(t, token.AccessToken, a.stored("alice").AccessToken)
		require.Equal(t, 2, a.refreshes())
		require.Zero(t, a.op.Stats().RefreshReused)
	})
}

// RF-06: a pair that the store has missed is served even where the old token, which
// an API has refused, has not expired.
func TestStoreFailsAfterAForcedRefresh(t *testing.T) {
	a := newOwned(t, appOptions{})
	a.tokens.onUpdate.set(func(context.Context) error { return errors.New("down") })
	a.op.Arm(signontest.API401Once)
	resp, err := a.client.HTTPClient(a.as("alice")).Get("items")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	token, err := a.client.Token(a.as("alice"))
	require.NoError(t, err)
	require.NotEqual(t, a.stored("alice").AccessToken, token.AccessToken)
	require.Equal(t, 1, a.refreshes())

	// Revoke ends the pair that the provider knows, not the one that the store does.
	require.NoError(t, a.client.Revoke(a.as("alice")))
	revoked := a.op.Requests(signontest.Revocation)
	require.Len(t, revoked, 2)
	require.Equal(t, token.RefreshToken, revoked[0].Form.Get("token"))
	require.Equal(t, token.AccessToken, revoked[1].Form.Get("token"))
	_, err = a.client.Token(a.as("alice"))
	require.ErrorIs(t, err, signon.ErrNoToken)
}

// A logout, or a new login, ends what is owed to the store.
func TestLogoutEndsWhatIsOwed(t *testing.T) {
	a := newApp(t, appOptions{})
	require.Equal(t, http.StatusOK, a.signIn().Status)
	owner := *a.tokens.owner.Load()
	a.tokens.onUpdate.set(func(context.Context) error { return errors.New("down") })
	a.expire(owner)
	old := a.stored(owner)
	_, err := a.client.Token(a.as(owner))
	require.NoError(t, err)
	a.browser.At(appURL+"/who").Post("/auth/logout/op", nil)
	a.tokens.onUpdate.clear()
	_, err = a.client.Token(a.as(owner))
	require.ErrorIs(t, err, signon.ErrNoToken)
	require.NoError(t, a.vault.SaveToken(t.Context(), tokenstore.Key{Provider: "op", Owner: owner}, old))
	_, err = a.client.Token(a.as(owner))
	require.Error(t, err, "not the pair of before the logout")
}

// Another replica stored a pair of its own meanwhile: that one counts.
func TestStoreConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The answer takes a moment, by which all callers wait for it: whoever came when
		// the pair is here and not yet stored would be served it.
		a := newOwned(t, appOptions{config: func(c *signon.Config) { slow(c, time.Millisecond) }})
		a.expire("alice")
		a.tokens.onUpdate.set(func(context.Context) error {
			a.store("alice", func(t *oauth2.Token) { t.AccessToken, t.Expiry = "peers", time.Now().Add(time.Hour) })
			return nil
		})
		got := a.ask(t.Context(), 10, 0)
		require.Equal(t, map[string]int{"peers": 10}, got.tokens)
		require.Equal(t, 1, a.refreshes())
	})
}

// SE-11, RQ-05: a store that does not answer is neither "signed out" nor "let in".
func TestStoreDoesNotAnswer(t *testing.T) {
	a := newOwned(t, appOptions{})
	a.tokens.onFetch.set(func(context.Context) error { return errors.New("down") })
	_, err := a.client.Token(a.as("alice"))
	require.ErrorIs(t, err, signon.ErrUnavailable)
	require.Equal(t, http.StatusServiceUnavailable, a.browser.Get(appURL+"/items").Status)
	require.Zero(t, a.op.Count(signontest.API))
	a.tokens.onFetch.clear()
	require.Equal(t, http.StatusOK, a.browser.Get(appURL+"/items").Status)
}

// ST-08, RF-01: one store call that ignores its context and never comes back holds
// those who wait for it, not for ever, and nobody after them. The pair that it was to
// store is not lost, and the old refresh token is not sent again.
func TestStoreHangs(t *testing.T) {
	for _, tt := range []struct {
		name      string
		hang      func(a *app, hang func(context.Context) error)
		refreshes int // by the time that the store answers again
		failed    int // of those who ask meanwhile; a pair that is there is served
	}{
		{"when it is written", func(a *app, hang func(context.Context) error) { a.tokens.onUpdate.set(hang) }, 1, 0},
		{"when the logins are read", func(a *app, hang func(context.Context) error) { a.logins.onLogins.set(hang) }, 0, 10},
		{"when it has read the logins", func(a *app, hang func(context.Context) error) { a.logins.late.set(hang) }, 0, 10},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newOwned(t, appOptions{})
				g := newGate()
				tt.hang(a, g.pass)
				a.forgetIDToken("alice")
				a.expire("alice")
				began := time.Now()
				impatient, cancel := context.WithTimeout(a.as("alice"), time.Second)
				defer cancel()
				_, err := a.client.Token(impatient)
				require.ErrorIs(t, err, signon.ErrProviderTimeout)
				require.ErrorIs(t, err, context.DeadlineExceeded)

				// All who wait learn at once that it hangs: the next flight is not
				// given up for another by those of the one before.
				got := a.ask(t.Context(), 10, 20*time.Second)
				require.Equal(t, tt.failed, got.failed)
				require.LessOrEqual(t, time.Since(began), 32*time.Second)
				require.Equal(t, tt.refreshes, a.refreshes())

				got = a.ask(t.Context(), 10, 20*time.Second)
				require.Zero(t, got.failed)
				require.Equal(t, map[string]int{a.stored("alice").AccessToken: 10}, got.tokens)
				require.Equal(t, 1, a.refreshes())

				close(g.open) // the one that hung comes back, and changes nothing
				synctest.Wait()
				require.Contains(t, got.tokens, a.stored("alice").AccessToken)
				require.Equal(t, 1, a.refreshes())
				require.Zero(t, a.op.Stats().RefreshReused)
				_, err = a.client.Token(a.as("alice"))
				require.NoError(t, err)
				require.Equal(t, 1, a.refreshes())
			})
		})
	}
}

// RF-06: a flight that was left behind comes back while a later pair is owed: that
// debt stays.
func TestLateFlightLeavesALaterDebt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		g := newGate()
		a.tokens.onUpdate.set(func(ctx context.Context) error {
			if g.held.Load() {
				return nil
			}
			_ = g.pass(ctx)
			return tokenstore.ErrConflict // as a store says that does not look at its context
		})
		a.expire("alice")
		require.Equal(t, 1, a.ask(t.Context(), 1, 0).failed)
		require.Zero(t, a.ask(t.Context(), 1, 0).failed)
		time.Sleep(time.Second) // the first pair is stored
		a.tokens.onUpdate.set(func(context.Context) error { return errors.New("down") })
		time.Sleep(time.Hour)
		owed, err := a.client.Token(a.as("alice"))
		require.NoError(t, err)
		require.NotEqual(t, a.stored("alice").AccessToken, owed.AccessToken)

		close(g.open)
		synctest.Wait()
		a.tokens.onUpdate.clear()
		_, err = a.client.Token(a.as("alice"))
		require.NoError(t, err)
		time.Sleep(time.Second)
		require.Equal(t, owed.AccessToken, a.stored("alice").AccessToken)
		require.Equal(t, 2, a.refreshes())
		require.Zero(t, a.op.Stats().RefreshReused)
	})
}

// A pair that was stored is owed no more: a store that is set back to what it had
// before does not bring it back.
func TestStoredPairIsNotOwed(t *testing.T) {
	a := newOwned(t, appOptions{op: signontest.Config{NoRotation: true}})
	old := a.stored("alice")
	a.expire("alice")
	_, err := a.client.Token(a.as("alice"))
	require.NoError(t, err)
	a.store("alice", func(t *oauth2.Token) { *t = *old })
	token, err := a.client.Token(a.as("alice"))
	require.NoError(t, err)
	require.Equal(t, old.AccessToken, token.AccessToken)
}

// RF-10: a 429 or a 5xx is an outage, whatever OAuth error its body has: the token
// lives on.
func TestOutageWithAnOAuthError(t *testing.T) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable} {
		for _, code := range []string{"invalid_grant", "bad_refresh_token", "interaction_required"} {
			t.Run(fmt.Sprint(status, " ", code), func(t *testing.T) {
				a := newOwned(t, appOptions{provider: answerRefresh(status, code)})
				a.store("alice", func(t *oauth2.Token) { t.Expiry = time.Now().Add(20 * time.Second) })
				old := a.stored("alice")
				token, err := a.client.Token(a.as("alice"))
				require.NoError(t, err, "it lives")
				require.Equal(t, old.AccessToken, token.AccessToken)
				require.Equal(t, 1, a.refreshes())

				a.expire("alice")
				_, err = a.client.Token(a.as("alice"))
				require.ErrorIs(t, err, signon.ErrUnavailable)
				require.NotErrorIs(t, err, signon.ErrNoToken)
				require.Equal(t, old.RefreshToken, a.stored("alice").RefreshToken)
				page := a.browser.Get(appURL + "/who")
				require.Equal(t, http.StatusOK, page.Status)
				page = a.browser.Get(appURL + "/items")
				require.Equal(t, http.StatusServiceUnavailable, page.Status)
				require.Equal(t, "7", page.Header.Get("Retry-After"))
			})
		}
	}
}

// answerRefresh has a provider answer each refresh with an OAuth error.
func answerRefresh(status int, code string) func(*signon.Provider) {
	return func(p *signon.Provider) {
		p.Hooks.RefreshResponse = func(_ context.Context, r *hooks.Response) error {
			r.Status, r.Body = status, []byte(`{"error":"`+code+`"}`)
			r.Header.Set("Retry-After", "7")
			return nil
		}
	}
}
