package signon_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/signontest"
	"github.com/seed1a301047/signon/tokenstore"
)

// revoked is what the provider was asked to revoke, by kind and token.
func revoked(op *signontest.Provider) (list [][2]string) {
	for _, r := range op.Requests(signontest.Revocation) {
		list = append(list, [2]string{r.Form.Get("token_type_hint"), r.Form.Get("token")})
	}
	return list
}

func pair(token *oauth2.Token) [][2]string {
	return [][2]string{{"refresh_token", token.RefreshToken}, {"access_token", token.AccessToken}}
}

// LO-09, LO-10, LO-39: the token of a login that ends is revoked at the provider, the
// refresh token first, on every store and whichever replica ends it; without
// RevokeOnLogout it is deleted only, and a user's stays in any case.
func TestRevokeOnLogout(t *testing.T) {
	for _, owned := range []bool{false, true} {
		for _, revokes := range []bool{false, true} {
			t.Run(fmt.Sprintf("the user's %t, revokes %t", owned, revokes), func(t *testing.T) {
				eachStore(t, fleetOptions{owned: owned, provider: func(_ int, p *signon.Provider) { p.RevokeOnLogout = revokes }}, func(t *testing.T, f *fleet) {
					b := f.signIn("alice")
					owner := f.loginOf(b)
					if owned {
						owner = "user-alice"
					}
					token, err := signon.TokensOf(f.replicas[0].auth).FetchToken(t.Context(), tokenKey("op", owner))
					require.NoError(t, err)
					f.at.Store(1)
					require.Equal(t, http.StatusSeeOther, b.At(siteURL).Post("/auth/logout", nil).Status)
					f.shutdown()
					f.requireTokens(owned, owner)
					if revokes && !owned {
						require.Equal(t, pair(token), revoked(f.op))
					} else {
						require.Empty(t, revoked(f.op))
					}
				})
			})
		}
	}
}

// LO-53: whoever opens the URL of a front-channel logout ends a login, and no token at
// the provider. LO-39: by the back channel, it is revoked.
func TestRevokeByCause(t *testing.T) {
	for cause, revocations := range map[signon.LogoutCause]int{signon.LoggedOutFrontChannel: 0, signon.LoggedOutBackChannel: 2, signon.LoginReplaced: 2, signon.LoginIdle: 2} {
		t.Run(string(cause), func(t *testing.T) {
			f := newFleet(t, "memory", fleetOptions{provider: revoking})
			id := f.loginOf(f.signIn("alice"))
			require.NoError(t, signon.EndBy(t.Context(), f.replicas[0].auth, sessionstore.Selector{ID: id}, cause))
			f.shutdown()
			f.requireTokens(false, id)
			require.Len(t, revoked(f.op), revocations)
			require.Equal(t, cause, f.endings()[0].cause)
		})
	}
}

// LO-09: however the revocation endpoint fails, the logout does not wait for it and
// succeeds; a log record says what was not revoked, and Shutdown waits for it.
func TestRevocationFails(t *testing.T) {
	for _, tt := range []struct {
		fault signontest.Fault
		taken time.Duration
	}{
		{signontest.Hang, 10 * time.Second},
		{signontest.SlowHeaders, 10 * time.Second},
		{signontest.ServerError, 0},
		{signontest.Down, 0},
		{signontest.ResetConnection, 0},
	} {
		t.Run(string(tt.fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, "memory", fleetOptions{provider: revoking})
				b := f.signIn("alice")
				id := f.loginOf(b)
				f.op.Arm(tt.fault + "@" + signontest.Fault(signontest.Revocation))
				began := time.Now()
				require.Equal(t, http.StatusSeeOther, b.At(siteURL).Post("/auth/logout", nil).Status)
				require.Zero(t, time.Since(began))
				f.requireTokens(false, id)
				require.Equal(t, nobody, f.who(b))
				f.shutdown()
				require.Equal(t, tt.taken, time.Since(began))
				require.Equal(t, 1, strings.Count(f.log.String(), "was not revoked"), f.log)
				require.Equal(t, "refresh_token", revoked(f.op)[0][0])
				for _, secret := range f.op.Secrets() {
					require.NotContains(t, f.log.String(), secret)
				}
			})
		})
	}
}

// A provider without a revocation endpoint: the logout is one, and the log says what to do.
func TestRevokeOnLogoutWithoutEndpoint(t *testing.T) {
	f := newFleet(t, "memory", fleetOptions{provider: revoking})
	f.op.Metadata(func(m map[string]any) { delete(m, "revocation_endpoint") })
	b := f.signIn("alice")
	require.Equal(t, http.StatusSeeOther, b.At(siteURL).Post("/auth/logout", nil).Status)
	f.shutdown()
	require.Equal(t, nobody, f.who(b))
	require.Contains(t, f.log.String(), "unset RevokeOnLogout, or set RevocationURL")
}

// LO-09: however many leave, at most so many revocations are under way at once and so many
// wait, and one that does not get its turn within a minute is dropped; all of it is logged.
func TestRevocationsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var now, most, all int
		f := newFleet(t, "memory", fleetOptions{provider: func(_ int, p *signon.Provider) {
			p.Hooks.RevokeRequest = func(context.Context, *hooks.Request) error {
				mu.Lock()
				all, now = all+1, now+1
				most = max(most, now)
				mu.Unlock()
				time.Sleep(5500 * time.Millisecond)
				mu.Lock()
				defer mu.Unlock()
				now--
				return errDown
			}
		}})
		f.signIn("alice")
		for range 1200 {
			signon.RevokeLater(t.Context(), f.replicas[0].client, &oauth2.Token{AccessToken: "a"})
		}
		require.Equal(t, 200, strings.Count(f.log.String(), "too many wait"))
		f.shutdown()
		require.Equal(t, 16, most)
		require.Equal(t, 16*11, all, "the last ones begin at 55 s")
		require.Equal(t, 1000, strings.Count(f.log.String(), "but was not revoked"))
	})
}

// A Shutdown that is given up does not leave those behind that wait for their turn.
func TestShutdownGivesUpRevocations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "memory", fleetOptions{provider: func(_ int, p *signon.Provider) {
			p.Hooks.RevokeRequest = func(ctx context.Context, _ *hooks.Request) error {
				<-ctx.Done()
				return ctx.Err()
			}
		}})
		f.signIn("alice")
		for range 100 {
			signon.RevokeLater(t.Context(), f.replicas[0].client, &oauth2.Token{AccessToken: "a"})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, f.replicas[0].auth.Shutdown(ctx), context.DeadlineExceeded)
		synctest.Wait()
		require.Equal(t, 84, strings.Count(f.log.String(), "was not revoked"))
		time.Sleep(time.Minute)
	})
}

// LO-09, RF-18: where the store has missed the pair of the last refresh, it is that pair
// which is revoked: the stored one is spent, and would revoke nothing.
func TestRevokeOnLogoutOfAnOwedPair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, appOptions{provider: func(p *signon.Provider) { p.RevokeOnLogout = true }})
		a.signIn()
		owner := *a.tokens.owner.Load()
		a.expire(owner)
		a.tokens.onUpdate.set(func(context.Context) error { return errDown })
		owed, err := a.client.Token(a.as(owner))
		require.NoError(t, err)
		require.NotEqual(t, a.stored(owner).RefreshToken, owed.RefreshToken)
		require.Equal(t, http.StatusSeeOther, a.browser.At(appURL).Post("/auth/logout", nil).Status)
		require.NoError(t, a.auth.Shutdown(t.Context()))
		require.Equal(t, pair(owed), revoked(a.op))
		_, err = a.tokens.Memory.FetchToken(t.Context(), tokenstore.Key{Provider: "op", Owner: owner})
		require.ErrorIs(t, err, tokenstore.ErrNotFound)
	})
}

// A token that cannot be read is deleted all the same, and one that cannot be deleted is
// not revoked: what is at the provider and what is stored stay alike.
func TestRevokeOnLogoutWithStoreDown(t *testing.T) {
	a := newApp(t, appOptions{provider: func(p *signon.Provider) { p.RevokeOnLogout = true }})
	a.signIn()
	owner := *a.tokens.owner.Load()
	a.tokens.onFetch.set(func(context.Context) error { return errDown })
	require.NoError(t, a.auth.EndLogin(t.Context(), owner))
	a.tokens.onFetch.clear()
	_, err := a.tokens.Memory.FetchToken(t.Context(), tokenstore.Key{Provider: "op", Owner: owner})
	require.ErrorIs(t, err, tokenstore.ErrNotFound)

	a.signIn()
	owner = *a.tokens.owner.Load()
	a.tokens.onDelete.set(func(context.Context) error { return errors.New("read-only") })
	require.ErrorIs(t, a.auth.EndLogin(t.Context(), owner), signon.ErrUnavailable)
	require.NoError(t, a.auth.Shutdown(t.Context()))
	require.Empty(t, revoked(a.op))
}

// A token goes to no other issuer than its own: the name may have been another's when the
// login was made.
func TestRevokeOnLogoutOfAnotherIssuersLogin(t *testing.T) {
	a := newApp(t, appOptions{})
	a.signIn()
	owner := *a.tokens.owner.Load()
	other := signontest.NewInProcess(signontest.Config{Issuer: "https://other.test"})
	auth, err := signon.New(signon.Config{
		BaseURL: appURL, Keys: [][]byte{[]byte("0123456789abcdef0123456789abcdef")},
		Tokens: a.tokens, Logins: a.logins, Logger: a.log.logger(), HTTPClient: other.HTTPClient(),
	})
	require.NoError(t, err)
	p := other.SignonProvider("op")
	p.RevokeOnLogout = true
	_, err = auth.Register(p)
	require.NoError(t, err)
	require.NoError(t, auth.EndLogin(t.Context(), owner))
	require.NoError(t, auth.Shutdown(t.Context()))
	require.Empty(t, other.Requests(""))
}
