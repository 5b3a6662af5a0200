package signon_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

// A user of the application who has signed in as two subjects of one provider holds the
// token of the second. It is compared with the ID token that it came with, not with that
// of whichever login is still there.
func TestRefreshOfTheSecondSubject(t *testing.T) {
	a := newLinked(t)
	second := a.signInElsewhere("bob")
	second.At(appURL+"/who").Post("/auth/logout/op", nil) // the login that is left is alice's
	a.expire("user-1")
	token, err := a.client.Token(a.as("user-1"))
	require.NoError(t, err)
	id, err := base64.RawURLEncoding.DecodeString(strings.Split(token.Extra("id_token").(string), ".")[1])
	require.NoError(t, err)
	require.Contains(t, string(id), `"sub":"bob"`)
	require.Equal(t, http.StatusOK, a.browser.Get(appURL+"/who").Status)
}

// newLinked is an app whose one user may sign in as whom the link says; alice has.
func newLinked(t *testing.T) *app {
	a := newApp(t, appOptions{config: func(c *signon.Config) {
		c.OnLogin = func(context.Context, *signon.Login) (string, error) { return "user-1", nil }
	}, provider: withLoginHint})
	require.Equal(t, http.StatusOK, a.signIn().Status)
	return a
}

func withLoginHint(p *signon.Provider) { p.LoginParams = []string{"login_hint"} }

func (a *app) signInElsewhere(subject string) *signontest.Browser {
	a.t.Helper()
	b := signontest.NewBrowser(a.t)
	b.Serve(appURL, a.handler())
	b.Serve(a.op.Issuer(), a.op)
	page := b.Get(appURL + "/auth/login/op?return_to=/who&login_hint=" + subject).FollowAll(10)
	require.Equal(a.t, http.StatusOK, page.Status, page.Body)
	return b
}

// Google, for one, gives a refresh token with the first consent only. A later login of the
// same subject keeps it; one of another subject does not get it.
func TestLoginWithoutARefreshToken(t *testing.T) {
	for _, tt := range []struct {
		name, second string
		keeps        bool
	}{
		{"the same subject", "alice", true},
		{"another subject", "bob", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newLinked(t)
			first := a.stored("user-1")
			a.op.Arm(signontest.NoRefreshToken)
			a.signInElsewhere(tt.second)
			second := a.stored("user-1")
			require.NotEqual(t, first.AccessToken, second.AccessToken)
			if !tt.keeps {
				require.Empty(t, second.RefreshToken)
				return
			}
			require.Equal(t, first.RefreshToken, second.RefreshToken)
			a.op.Disarm()
			a.expire("user-1")
			_, err := a.client.Token(a.as("user-1"))
			require.NoError(t, err)
		})
	}
}
