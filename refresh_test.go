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

// newOwned is an app in which alice has signed in, and her token is her own: it is
// there for work in the background, by WithOwner.
func newOwned(t *testing.T, o appOptions) *app {
	t.Helper()
	o.owned = true
	a := newApp(t, o)
	require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
	return a
}

// RF-08: the new pair replaces the old one, and the old one is not used again.
func TestRefreshReplacesThePair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		seen := map[string]bool{a.stored("alice").RefreshToken: true}
		for i := range 5 {
			time.Sleep(time.Hour)
			token, err := a.client.Token(a.as("alice"))
			require.NoError(t, err)
			require.Equal(t, a.stored("alice").AccessToken, token.AccessToken)
			require.Equal(t, a.stored("alice").RefreshToken, token.RefreshToken)
			require.False(t, seen[token.RefreshToken])
			seen[token.RefreshToken] = true
			require.Equal(t, i+1, a.refreshes())
			require.Equal(t, "openid profile email", token.Extra("scope"))
		}
		require.Zero(t, a.op.Stats().RefreshReused)
		a.requireQuiet()
	})
}

// RF-07: an answer without a refresh token keeps the stored one, as an empty one
// does (TE-15); without a scope it keeps the scope (RFC 6749 section 5.1).
func TestRefreshKeepsWhatIsNotReplaced(t *testing.T) {
	for _, edit := range []signontest.Edit{
		func(m map[string]any) { delete(m, "refresh_token"); delete(m, "scope") },
		func(m map[string]any) { m["refresh_token"] = ""; delete(m, "scope") },
		func(m map[string]any) { m["refresh_token"] = nil; m["scope"] = nil },
	} {
		a := newOwned(t, appOptions{op: signontest.Config{NoRotation: true}})
		a.op.TokenResponse(edit)
		before := a.stored("alice")
		for range 2 {
			a.expire("alice")
			token, err := a.client.Token(a.as("alice"))
			require.NoError(t, err)
			require.Equal(t, before.RefreshToken, token.RefreshToken)
			require.Equal(t, "openid profile email", token.Extra("scope"))
			require.NotEqual(t, before.AccessToken, a.stored("alice").AccessToken)
		}
	}
}

// A token is refreshed a minute before its end, and not earlier.
func TestRefreshMargin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		for _, step := range []struct {
			sleep time.Duration
			want  int
		}{{58 * time.Minute, 0}, {59 * time.Second, 0}, {2 * time.Second, 1}, {58 * time.Minute, 1}} {
			time.Sleep(step.sleep)
			_, err := a.client.Token(a.as("alice"))
			require.NoError(t, err)
			require.Equal(t, step.want, a.refreshes())
		}
	})
}

// RF-15: a token that lives shorter than the margin is not refreshed all the time,
// not even where the store does not keep how long it was to live.
func TestShortLivedToken(t *testing.T) {
	for _, forgetful := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			a := newOwned(t, appOptions{op: signontest.Config{TokenLife: 30 * time.Second}})
			for range 300 {
				token, err := a.client.Token(a.as("alice"))
				require.NoError(t, err)
				require.True(t, token.Expiry.After(time.Now()))
				if forgetful {
					a.store("alice", func(t *oauth2.Token) { t.ExpiresIn = 0 })
				}
				time.Sleep(100 * time.Millisecond)
			}
			want := 1
			if forgetful {
				want = 7
			}
			require.LessOrEqual(t, a.refreshes(), want)
		})
	}
}

// RF-13, TE-07: a token that comes dead is not asked for again and again.
func TestRefreshBringsADeadToken(t *testing.T) {
	for _, fault := range []signontest.Fault{signontest.ExpiresInZero, signontest.ExpiresInNegative} {
		synctest.Test(t, func(t *testing.T) {
			a := newApp(t, appOptions{owned: true})
			a.op.Arm(fault)
			require.Equal(t, http.StatusOK, a.signIn().Status)
			require.Zero(t, a.refreshes())
			for range 50 {
				_, err := a.client.Token(a.as("alice"))
				require.ErrorIs(t, err, signon.ErrProvider)
			}
			require.Equal(t, 1, a.refreshes())
			page := a.browser.Get(appURL + "/items")
			require.Equal(t, http.StatusBadGateway, page.Status)
			require.Equal(t, 1, a.refreshes())

			a.op.Disarm()
			time.Sleep(6 * time.Second)
			_, err := a.client.Token(a.as("alice"))
			require.NoError(t, err)
			require.Equal(t, 2, a.refreshes())
			require.Zero(t, a.op.Stats().RefreshReused)
		})
	}
}

// RF-09: invalid_grant, and nobody has rotated the token: it is gone, the login that
// owned it has ended, other providers' tokens stay, and nobody asks again.
func TestRefreshRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, appOptions{})
		require.Equal(t, http.StatusOK, a.signIn().Status)
		owner := *a.tokens.owner.Load()
		other := tokenstore.Key{Provider: "another", Owner: owner}
		require.NoError(t, a.vault.SaveToken(t.Context(), other, &oauth2.Token{AccessToken: "x"}))
		a.op.EndGrants()
		a.expire(owner)
		for range 50 {
			_, err := a.client.Token(a.as(owner))
			require.ErrorIs(t, err, signon.ErrNoToken)
			require.NotErrorIs(t, err, signon.ErrState)
		}
		require.Equal(t, 1, a.refreshes())
		_, err := a.tokens.FetchToken(t.Context(), tokenstore.Key{Provider: "op", Owner: owner})
		require.ErrorIs(t, err, tokenstore.ErrNotFound)
		_, err = a.tokens.FetchToken(t.Context(), other)
		require.NoError(t, err)
		require.Equal(t, http.StatusSeeOther, a.browser.Get(appURL+"/who").Status, "the login owned the token")
		a.requireQuiet()
		require.Equal(t, http.StatusOK, a.signIn().Status)
	})
}

// RF-09: GitHub says it in its own words, and with status 200.
func TestBadRefreshToken(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusBadRequest} {
		a := newOwned(t, appOptions{provider: answerRefresh(status, "bad_refresh_token")})
		a.expire("alice")
		_, err := a.client.Token(a.as("alice"))
		require.ErrorIs(t, err, signon.ErrNoToken)
		_, err = a.tokens.FetchToken(t.Context(), tokenstore.Key{Provider: "op", Owner: "alice"})
		require.ErrorIs(t, err, tokenstore.ErrNotFound)
	}
}

// TE-08: a scope that is not known does not come to be by a refresh that does not say
// it; one that a refresh narrows is narrowed.
func TestScopeAfterARefresh(t *testing.T) {
	a := newOwned(t, appOptions{op: signontest.Config{NoRotation: true}})
	require.Equal(t, []string{"openid", "profile", "email"}, a.client.Scopes(a.stored("alice")))
	a.op.TokenResponse(setMember("scope", "openid"))
	a.expire("alice")
	token, err := a.client.Token(a.as("alice"))
	require.NoError(t, err)
	require.Equal(t, []string{"openid"}, a.client.Scopes(token))

	a.op.TokenResponse(func(m map[string]any) { delete(m, "scope") })
	a.store("alice", func(t *oauth2.Token) { *t = *t.WithExtra(nil) })
	a.expire("alice")
	token, err = a.client.Token(a.as("alice"))
	require.NoError(t, err)
	require.Nil(t, a.client.Scopes(token))
}

// A provider that wants its user there is not asked again and again, and its user is
// sent to the login.
func TestRefreshNeedsTheUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, appOptions{provider: func(p *signon.Provider) {
			p.Hooks.RefreshResponse = func(_ context.Context, r *hooks.Response) error {
				r.Status, r.Body = http.StatusBadRequest, []byte(`{"error":"interaction_required"}`)
				return nil
			}
		}})
		require.Equal(t, http.StatusOK, a.signIn().Status)
		a.expire(*a.tokens.owner.Load())
		for range 10 {
			require.Equal(t, http.StatusSeeOther, a.browser.Get(appURL+"/items").Status)
		}
		require.Equal(t, 1, a.refreshes())
	})
}

// RF-09: invalid_grant because another replica was faster: its token is used.
func TestRefreshRefusedButRotatedElsewhere(t *testing.T) {
	for _, tt := range []struct {
		name   string
		expiry time.Duration
		want   error
	}{{"alive", time.Hour, nil}, {"dead", -time.Hour, signon.ErrUnavailable}} {
		t.Run(tt.name, func(t *testing.T) {
			var a *app
			a = newOwned(t, appOptions{provider: func(p *signon.Provider) {
				p.Hooks.RefreshRequest = func(context.Context, *hooks.Request) error {
					a.store("alice", func(t *oauth2.Token) {
						t.AccessToken, t.RefreshToken, t.Expiry = "peers", "peers-refresh", time.Now().Add(tt.expiry)
					})
					return nil
				}
			}})
			a.op.EndGrants()
			a.expire("alice")
			token, err := a.client.Token(a.as("alice"))
			require.Equal(t, 1, a.refreshes())
			require.Equal(t, "peers", a.stored("alice").AccessToken)
			a.requireSignedIn("alice")
			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "peers", token.AccessToken)
		})
	}
}

// A token that cannot be refreshed is used to its end, and then the owner must sign
// in again (SE-13).
func TestTokenWithoutRefreshToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, appOptions{owned: true})
		a.op.Arm(signontest.NoRefreshToken)
		require.Equal(t, http.StatusOK, a.signIn().Status)
		time.Sleep(time.Hour - 30*time.Second)
		_, err := a.client.Token(a.as("alice"))
		require.NoError(t, err)
		time.Sleep(29 * time.Second)
		_, err = a.client.Token(a.as("alice"))
		require.NoError(t, err)
		time.Sleep(2 * time.Second)
		_, err = a.client.Token(a.as("alice"))
		require.ErrorIs(t, err, signon.ErrNoToken)
		require.Zero(t, a.refreshes())
	})
}

// RF-12: an ID token of a refresh that does not verify is never used; the tokens
// beside it are.
func TestRefreshedIDTokenDropped(t *testing.T) {
	for _, fault := range []signontest.Fault{
		signontest.BadSignature, signontest.AlgNone, signontest.WrongIssuer, signontest.WrongAudience, signontest.WrongNonce,
		signontest.ExpiredIDToken, signontest.UnknownKid, signontest.ForeignAZP, signontest.AlgHS256Secret, signontest.OldIDToken,
		signontest.WrongAtHash,
	} {
		t.Run(string(fault), func(t *testing.T) {
			a := newOwned(t, appOptions{})
			a.op.Arm(fault)
			a.expire("alice")
			ofLogin := a.stored("alice").Extra("id_token")
			require.NotEmpty(t, ofLogin)
			token, err := a.client.Token(a.as("alice"))
			require.NoError(t, err)
			require.Equal(t, 1, a.op.Fired(fault))
			require.Equal(t, ofLogin, token.Extra("id_token"))
			require.Equal(t, ofLogin, a.stored("alice").Extra("id_token"))
			a.requireSignedIn("alice")
			a.requireQuiet()
		})
	}
	t.Run("a good one stays", func(t *testing.T) {
		a := newOwned(t, appOptions{})
		a.expire("alice")
		ofLogin := a.stored("alice").Extra("id_token")
		token, err := a.client.Token(a.as("alice"))
		require.NoError(t, err)
		require.NotEmpty(t, token.Extra("id_token"))
		require.NotEqual(t, ofLogin, token.Extra("id_token"))
		require.Equal(t, a.stored("alice").Extra("id_token"), token.Extra("id_token"))
	})
}

// RF-12: one about another subject means that the tokens are somebody else's: they
// are dropped, with the old one, and every login that hangs on them ends.
func TestRefreshedIDTokenOfAnotherSubject(t *testing.T) {
	for _, owned := range []bool{false, true} {
		a := newApp(t, appOptions{owned: owned})
		require.Equal(t, http.StatusOK, a.signIn().Status)
		owner := *a.tokens.owner.Load()
		a.op.Arm(signontest.RefreshOtherSubject)
		a.expire(owner)
		for range 10 {
			_, err := a.client.Token(a.as(owner))
			require.ErrorIs(t, err, signon.ErrNoToken)
		}
		require.Equal(t, 1, a.refreshes())
		_, err := a.tokens.FetchToken(t.Context(), tokenstore.Key{Provider: "op", Owner: owner})
		require.ErrorIs(t, err, tokenstore.ErrNotFound)
		require.Equal(t, http.StatusSeeOther, a.browser.Get(appURL+"/who").Status)
		a.requireQuiet()
	}
}

// What a refreshed ID token is compared with is read before the refresh token is
// spent: a login store that is down does not cost the new pair.
func TestRefreshWhileTheLoginStoreIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		a.forgetIDToken("alice") // as a store that keeps none
		a.logins.onLogins.set(func(context.Context) error { return errors.New("down") })
		a.expire("alice")
		_, err := a.client.Token(a.as("alice"))
		require.ErrorIs(t, err, signon.ErrUnavailable)
		require.Zero(t, a.refreshes(), "the old token must not be spent")

		a.logins.onLogins.clear()
		time.Sleep(6 * time.Second)
		_, err = a.client.Token(a.as("alice"))
		require.NoError(t, err)
		require.Equal(t, 1, a.refreshes())
		require.Zero(t, a.op.Stats().RefreshReused)
	})
}

// RF-17: users whose tokens are of equal strings are two users.
func TestEqualTokensOfTwoOwners(t *testing.T) {
	a := newOwned(t, appOptions{})
	a.expire("alice")
	same := a.stored("alice")
	require.NoError(t, a.vault.SaveToken(t.Context(), tokenstore.Key{Provider: "op", Owner: "bob"}, same))
	_, err := a.client.Token(a.as("alice"))
	require.NoError(t, err)
	require.Equal(t, same.AccessToken, a.stored("bob").AccessToken)
	require.NotEqual(t, same.AccessToken, a.stored("alice").AccessToken)
}

// A token that is handed out is the caller's own (RQ-08).
func TestTokenIsACopy(t *testing.T) {
	a := newOwned(t, appOptions{})
	for range 2 {
		token, err := a.client.Token(a.as("alice"))
		require.NoError(t, err)
		token.AccessToken, token.RefreshToken = "changed", "changed"
		require.NotEqual(t, "changed", a.stored("alice").AccessToken)
		a.expire("alice")
	}
}

// Without a login and an owner there is no token, and no request.
func TestTokenOfNobody(t *testing.T) {
	a := newOwned(t, appOptions{})
	for _, ctx := range []context.Context{t.Context(), signon.WithOwner(t.Context(), "")} {
		_, err := a.client.Token(ctx)
		require.ErrorIs(t, err, signon.ErrNoLogin)
		_, err = a.client.TokenSource(ctx).Token()
		require.ErrorIs(t, err, signon.ErrNoLogin)
		_, err = a.client.HTTPClient(ctx).Get("items")
		require.ErrorIs(t, err, signon.ErrNoLogin)
		require.ErrorIs(t, a.client.Revoke(ctx), signon.ErrNoLogin)
	}
	_, err := a.client.Token(a.as("mallory"))
	require.ErrorIs(t, err, signon.ErrNoToken)
	require.Zero(t, a.op.Count(signontest.API))
}

// A TokenSource works with any library that takes one, and sees a logout.
func TestTokenSource(t *testing.T) {
	a := newOwned(t, appOptions{})
	source := a.client.TokenSource(a.as("alice"))
	first, err := source.Token()
	require.NoError(t, err)
	a.expire("alice")
	second, err := source.Token()
	require.NoError(t, err)
	require.NotEqual(t, first.AccessToken, second.AccessToken)
	require.NoError(t, a.client.Revoke(a.as("alice")))
	_, err = source.Token()
	require.ErrorIs(t, err, signon.ErrNoToken)
}
