package signon_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/signontest"
)

// RF-20: what is nested in the extras is each caller's own too, whoever asked for it.
func TestClientTokenExtrasAreCopies(t *testing.T) {
	a := newApp(t, appOptions{})
	a.op.TokenResponse(func(m map[string]any) {
		m["permissions"], m["list"] = map[string]any{"admin": false}, []any{map[string]any{"n": json.Number("9007199254740993")}}
	})
	want := map[string]any{"admin": false}
	var tokens []*oauth2.Token
	for range 2 {
		token, err := a.client.ClientToken(t.Context(), "items")
		require.NoError(t, err)
		tokens = append(tokens, token)
	}
	tokens[0].Extra("permissions").(map[string]any)["admin"] = true
	tokens[0].Extra("list").([]any)[0].(map[string]any)["n"] = "changed"
	third, err := a.client.ClientToken(t.Context(), "items")
	require.NoError(t, err)
	for _, token := range append(tokens[1:], third) {
		require.Equal(t, want, token.Extra("permissions"))
		require.Equal(t, []any{map[string]any{"n": json.Number("9007199254740993")}}, token.Extra("list"))
		require.Equal(t, []string{"items"}, a.client.Scopes(token))
		require.Equal(t, "Bearer", token.Type())
	}
	require.Equal(t, 1, a.op.Count(signontest.Token))
}

// answers makes the token endpoint answer with a status and a Retry-After, or as usual.
func (a *app) answers(status int, after string) {
	if status == 0 {
		a.op.Handle("/token", nil)
		return
	}
	a.op.Handle("/token", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Retry-After", after)
		w.WriteHeader(status)
	}))
}

// RF-11, RF-20: a Retry-After is for all only where the provider wants fewer requests: 429
// and 503. A refusal of the application is not one of its users, nor the other way round;
// and whoever waits for another's sake hears that the provider is out, not of whom it was.
func TestRetryAfterOfAnotherGrant(t *testing.T) {
	for _, tt := range []struct {
		status int
		all    bool
	}{{400, false}, {401, false}, {403, false}, {404, false}, {500, false}, {502, false}, {429, true}, {503, true}} {
		t.Run(fmt.Sprint(tt.status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newOwned(t, appOptions{})
				a.expire("alice")
				a.answers(tt.status, "30")
				_, err := a.client.ClientToken(t.Context(), "canary")
				require.Error(t, err)
				a.answers(0, "")
				time.Sleep(time.Second)
				_, err = a.client.Token(a.as("alice"))
				requirePaused(t, tt.all, err)

				time.Sleep(time.Minute)
				_, err = a.client.Token(a.as("alice"))
				require.NoError(t, err)
				a.expire("alice")
				a.answers(tt.status, "30")
				_, err = a.client.Token(a.as("alice"))
				require.Error(t, err)
				a.answers(0, "")
				time.Sleep(time.Second)
				_, err = a.client.ClientToken(t.Context(), "other")
				requirePaused(t, tt.all, err)
			})
		})
	}
}

func requirePaused(t *testing.T, paused bool, err error) {
	t.Helper()
	if !paused {
		require.NoError(t, err)
		return
	}
	require.ErrorIs(t, err, signon.ErrUnavailable)
	require.NotErrorIs(t, err, signon.ErrProvider)
	require.NotErrorIs(t, err, signon.ErrNoToken)
	for _, word := range []string{"canary", "application", "refresh", "alice"} {
		require.NotContains(t, err.Error(), word)
	}
	require.Contains(t, err.Error(), "op")
	require.Contains(t, err.Error(), "30s")
}

// A revocation that failed at the provider is no success the second time.
func TestClientTokenRevokedTwice(t *testing.T) {
	a := newApp(t, appOptions{})
	first, err := a.client.ClientToken(t.Context(), "items")
	require.NoError(t, err)
	ctx := signon.WithClientToken(t.Context(), "items")
	a.op.Arm(signontest.ServerError.At(signontest.Revocation))
	err = a.client.Revoke(ctx)
	require.Error(t, err)
	require.NotErrorIs(t, err, signon.ErrNoToken)
	a.op.Disarm()
	require.ErrorIs(t, a.client.Revoke(ctx), signon.ErrNoToken)
	require.Equal(t, 1, a.op.Count(signontest.Revocation))

	second, err := a.client.ClientToken(t.Context(), "items")
	require.NoError(t, err)
	require.NotEqual(t, first.AccessToken, second.AccessToken, "it is gone here in any case")
	require.NoError(t, a.client.Revoke(ctx))
}

// RF-20: nothing of a user comes with the application's token: no refresh token and no ID
// token, under no name that the standards have, and neither from a hook.
func TestClientTokenOfNobody(t *testing.T) {
	a := newApp(t, appOptions{provider: func(p *signon.Provider) {
		p.Hooks.TokenResponse = func(_ context.Context, r *hooks.Response) error {
			var m map[string]any
			if err := json.Unmarshal(r.Body, &m); err != nil {
				return err
			}
			m["refresh_token"], m["id_token"] = "canary-refresh", "canary.id.token"
			var err error
			r.Body, err = json.Marshal(m)
			return err
		}
	}})
	for range 2 { // as it came, and as it is kept
		token, err := a.client.ClientToken(t.Context(), "items")
		require.NoError(t, err)
		require.Empty(t, token.RefreshToken)
		for _, name := range []string{"refresh_token", "id_token"} {
			require.Nil(t, token.Extra(name), name)
		}
	}
	token, err := a.client.Token(signon.WithClientToken(t.Context(), "items"))
	require.NoError(t, err)
	require.Empty(t, token.RefreshToken)
	require.Nil(t, token.Extra("id_token"))
	require.NotContains(t, a.log.String(), "canary")
}
