package signon_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/signontest"
)

// atWho runs f in a handler behind RequireLogin, with the login that the store has.
func (a *app) atWho(auth *signon.Registry, f func(ctx context.Context, l *signon.Login)) *signontest.Page {
	a.t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/who", auth.RequireLogin(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		l, ok := signon.LoginFrom(r.Context())
		require.True(a.t, ok)
		f(r.Context(), l)
	})))
	a.browser.Serve(appURL, mux)
	return a.browser.Get(appURL + "/who")
}

// A login that is read back has its claims: the bytes that were verified, opened
// from what is sealed in the store.
func TestLoginFromTheStore(t *testing.T) {
	a := newApp(t, appOptions{provider: func(p *signon.Provider) { p.FetchUserInfo = true }})
	a.op.IDTokenClaims(setMember("number", json.RawMessage("9007199254740993")))
	require.Equal(t, http.StatusOK, a.signIn().Status)
	page := a.atWho(a.auth, func(ctx context.Context, l *signon.Login) {
		var claims, info map[string]any
		require.NoError(t, l.Claims(&claims))
		require.NoError(t, l.UserInfo(&info))
		require.Equal(t, "alice", claims["sub"])
		require.Equal(t, "alice", info["sub"])
		require.Equal(t, json.Number("9007199254740993"), claims["number"])
		email, verified := l.Email()
		require.Equal(t, "alice@example.com", email)
		require.True(t, verified)
		raw, err := l.IDToken()
		require.NoError(t, err)
		require.Contains(t, a.op.Secrets(), raw)
		require.Nil(t, l.Token(), "Client.Token refreshes; this one does not")
		require.Equal(t, l.ID, l.Owner)
		token, err := a.client.Token(ctx)
		require.NoError(t, err)
		require.NotEmpty(t, token.AccessToken)
	})
	require.Equal(t, http.StatusOK, page.Status)

	// SE-14, ST: sealed at rest.
	list, err := a.logins.Memory.Logins(t.Context(), sessionstore.Selector{Owner: *a.tokens.owner.Load()})
	require.NoError(t, err)
	stored, err := json.Marshal(list)
	require.NoError(t, err)
	for _, secret := range a.op.Secrets() {
		require.NotContains(t, string(stored), secret)
	}
	require.NotContains(t, string(list[0].UserInfo), "alice@")
}

// ST-04: sealed with a key that is gone, a login is none, and its user signs in again.
// A token that its store seals itself stays.
func TestLoginSealedWithALostKey(t *testing.T) {
	sessions := sessionstore.NewManager(nil)
	first := newApp(t, appOptions{provider: func(p *signon.Provider) { p.FetchUserInfo = true }, config: func(c *signon.Config) { c.Sessions, c.InsecurePlainTokens = sessions, true }})
	require.Equal(t, http.StatusOK, first.signIn().Status)
	other, err := signon.New(signon.Config{
		BaseURL: appURL, Keys: [][]byte{[]byte("another-key-of-32-bytes-or-more!")}, Sessions: sessions, Logins: first.logins, Tokens: first.tokens, InsecurePlainTokens: true,
		Logger: first.log.logger(), HTTPClient: first.op.HTTPClient(),
	})
	require.NoError(t, err)
	client, err := other.Register(first.op.SignonProvider("op"))
	require.NoError(t, err)
	called := false
	page := first.atWho(other, func(context.Context, *signon.Login) { called = true })
	require.Equal(t, http.StatusSeeOther, page.Status)
	require.False(t, called)
	// Where the token's store keeps no ID token either, a refresh has nothing to compare
	// the new one with: it is dropped.
	owner := *first.tokens.owner.Load()
	first.forgetIDToken(owner)
	first.expire(owner)
	token, err := client.Token(first.as(owner))
	require.NoError(t, err)
	require.Nil(t, token.Extra("id_token"))
}

// Of an OAuth 2.0 server the claims are the userinfo; where none was fetched,
// UserInfo says so.
func TestLoginWithoutAnIDToken(t *testing.T) {
	a := newApp(t, appOptions{oauth: true})
	require.Equal(t, http.StatusOK, a.signIn().Status)
	a.atWho(a.auth, func(_ context.Context, l *signon.Login) {
		var claims, info map[string]any
		require.NoError(t, l.Claims(&claims))
		require.NoError(t, l.UserInfo(&info))
		require.Equal(t, "alice", claims["login"])
		require.Equal(t, claims, info)
		raw, err := l.IDToken()
		require.NoError(t, err)
		require.Empty(t, raw)
	})
	b := newApp(t, appOptions{})
	require.Equal(t, http.StatusOK, b.signIn().Status)
	b.atWho(b.auth, func(_ context.Context, l *signon.Login) {
		var v map[string]any
		require.ErrorIs(t, l.UserInfo(&v), errors.ErrUnsupported)
	})
	_, ok := signon.LoginFrom(t.Context())
	require.False(t, ok)
}

// In OnLogin and after the callback the token is there, a copy each time.
func TestLoginJustMade(t *testing.T) {
	var login *signon.Login
	a := newApp(t, appOptions{config: func(c *signon.Config) { c.OnLogin = keepLogin(&login) }})
	require.Equal(t, http.StatusOK, a.signIn().Status)
	require.Equal(t, a.stored("alice").AccessToken, login.Token().AccessToken)
	login.Token().AccessToken = "changed"
	require.NotEqual(t, "changed", login.Token().AccessToken)
	var claims struct {
		Subject string `json:"sub"`
		Name    string `json:"name"`
	}
	require.NoError(t, login.Claims(&claims))
	require.Equal(t, "alice", claims.Subject)
	require.Equal(t, "op", a.client.Name())
	require.Equal(t, "/auth/login/op", a.client.LoginURL())
	require.Equal(t, signon.Secret("x").String(), signon.Secret("y").GoString())
}
