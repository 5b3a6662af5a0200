package signon_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
	"github.com/seed1a301047/signon/tokenstore"
)

func TestIntrospect(t *testing.T) {
	a := newOwned(t, appOptions{})
	token := a.stored("alice")
	said, err := a.client.Introspect(t.Context(), token)
	require.NoError(t, err)
	require.True(t, said.Active)
	require.Equal(t, "alice", said.Subject)
	require.Equal(t, "app", said.ClientID)
	require.Equal(t, []string{"openid", "profile", "email"}, said.Scopes)
	require.WithinDuration(t, time.Now().Add(time.Hour), said.ExpiresAt, 5*time.Second)
	var claims map[string]any
	require.NoError(t, said.Claims(&claims))
	require.Equal(t, a.op.Issuer(), claims["iss"])

	a.op.EndGrants()
	said, err = a.client.Introspect(t.Context(), token)
	require.NoError(t, err)
	require.False(t, said.Active)
	for _, none := range []*oauth2.Token{nil, {}} {
		_, err = a.client.Introspect(t.Context(), none)
		require.ErrorIs(t, err, signon.ErrNoToken)
	}
}

// RFC 7662 section 2.2: what is no answer is an error, never "active".
func TestIntrospectionRefused(t *testing.T) {
	for _, tt := range []struct{ name, contentType, body string }{
		{"empty", "application/json", ""}, {"null", "application/json", "null"}, {"array", "application/json", "[]"},
		{"no active", "application/json", `{"sub":"alice"}`}, {"a string", "application/json", `{"active":"true"}`},
		{"another case", "application/json", `{"Active":true}`}, {"twice", "application/json", `{"active":true,"active":false}`},
		{"HTML", "text/html", `{"active":true}`}, {"exp a string", "application/json", `{"active":true,"exp":"x"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newOwned(t, appOptions{})
			a.op.Handle("/introspect", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tt.contentType)
				_, _ = w.Write([]byte(tt.body))
			}))
			_, err := a.client.Introspect(t.Context(), a.stored("alice"))
			require.ErrorIs(t, err, signon.ErrProvider)
			require.NotContains(t, err.Error(), a.stored("alice").AccessToken)
		})
	}
	t.Run("inactive tells nothing", func(t *testing.T) {
		a := newOwned(t, appOptions{})
		a.op.Handle("/introspect", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"active":false,"sub":"alice","scope":"admin"}`))
		}))
		said, err := a.client.Introspect(t.Context(), a.stored("alice"))
		require.NoError(t, err)
		require.Empty(t, said.Subject)
		require.Empty(t, said.Scopes)
	})
	t.Run("no endpoint", func(t *testing.T) {
		a := newApp(t, appOptions{oauth: true})
		_, err := a.client.Introspect(t.Context(), &oauth2.Token{AccessToken: "x"})
		require.ErrorIs(t, err, errors.ErrUnsupported)
	})
}

// Revoke: the refresh token first, then the access token; in the store at once,
// whatever the provider says (RFC 7009).
func TestRevoke(t *testing.T) {
	a := newOwned(t, appOptions{})
	token := a.stored("alice")
	require.NoError(t, a.client.Revoke(a.as("alice")))
	sent := a.op.Requests(signontest.Revocation)
	require.Len(t, sent, 2)
	require.Equal(t, token.RefreshToken, sent[0].Form.Get("token"))
	require.Equal(t, "refresh_token", sent[0].Form.Get("token_type_hint"))
	require.Equal(t, token.AccessToken, sent[1].Form.Get("token"))
	require.ErrorIs(t, a.client.Revoke(a.as("alice")), signon.ErrNoToken)
	a.requireQuiet()

	for _, fault := range []signontest.Fault{signontest.ServerError, signontest.Down, signontest.ResetConnection, signontest.Redirect} {
		a := newOwned(t, appOptions{})
		a.op.Arm(fault.At(signontest.Revocation))
		require.Error(t, a.client.Revoke(a.as("alice")), fault)
		require.Equal(t, 2, a.op.Fired(fault.At(signontest.Revocation)), "both are tried")
		require.Zero(t, a.op.Count(signontest.Elsewhere))
		_, err := a.tokens.FetchToken(t.Context(), tokenstore.Key{Provider: "op", Owner: "alice"})
		require.ErrorIs(t, err, tokenstore.ErrNotFound)
		a.requireQuiet()
	}

	t.Run("access tokens are not revoked", func(t *testing.T) { // LO-09
		unsupported := func(a *app, hint string) {
			a.op.Handle("/revoke", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				if r.FormValue("token_type_hint") == hint || hint == "" {
					w.WriteHeader(http.StatusBadRequest)
					_, _ = w.Write([]byte(`{"error":"unsupported_token_type"}`))
				}
			}))
		}
		a := newOwned(t, appOptions{})
		unsupported(a, "access_token")
		require.NoError(t, a.client.Revoke(a.as("alice")), "the refresh token was revoked")

		a = newOwned(t, appOptions{})
		unsupported(a, "")
		require.ErrorIs(t, a.client.Revoke(a.as("alice")), signon.ErrProvider, "neither was revoked")

		a = newApp(t, appOptions{owned: true})
		a.op.Arm(signontest.NoRefreshToken)
		require.Equal(t, http.StatusOK, a.signIn().Status)
		unsupported(a, "access_token")
		require.ErrorIs(t, a.client.Revoke(a.as("alice")), signon.ErrProvider, "nothing was revoked")
	})

	plain := newApp(t, appOptions{oauth: true, owned: true})
	require.Equal(t, http.StatusOK, plain.signIn().Status)
	owner := *plain.tokens.owner.Load()
	require.ErrorIs(t, plain.client.Revoke(plain.as(owner)), errors.ErrUnsupported)
	_, err := plain.client.Token(plain.as(owner))
	require.ErrorIs(t, err, signon.ErrNoToken)
}
