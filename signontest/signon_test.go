package signontest_test

import (
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

// TestSignonProviderSignsIn: what SignonProvider returns signs in at the provider that is
// configured so, and asks it for a token of its own.
func TestSignonProviderSignsIn(t *testing.T) {
	for _, test := range []struct {
		name string
		cfg  signontest.Config
	}{
		{"client_secret_post", signontest.Config{ClientAuth: "client_secret_post"}},
		{"client_secret_jwt", signontest.Config{ClientAuth: "client_secret_jwt"}},
		{"private_key_jwt", signontest.Config{ClientAuth: "private_key_jwt"}},
		{"raw Basic", signontest.Config{RawBasic: true, ClientSecret: "a+b%41 and 32 characters or more."}},
		{"encrypted by RSA", signontest.Config{IDTokenEncryption: signontest.Encryption{Alg: "RSA-OAEP"}}},
		{"encrypted by RSA with SHA-256", signontest.Config{IDTokenEncryption: signontest.Encryption{Alg: "RSA-OAEP-256", Enc: "A192CBC-HS384"}}},
		{"agreed", signontest.Config{IDTokenEncryption: signontest.Encryption{Alg: "ECDH-ES", Enc: "A256CBC-HS512"}}},
		{"agreed and wrapped", signontest.Config{IDTokenEncryption: signontest.Encryption{Alg: "ECDH-ES+A192KW", Enc: "A192GCM"}}},
		{"signed userinfo", signontest.Config{UserInfoSigningAlg: "ES256"}},
		{"signed and encrypted userinfo", signontest.Config{UserInfoSigningAlg: "RS256", UserInfoEncryption: signontest.Encryption{Alg: "ECDH-ES+A128KW", Enc: "A128GCM"}}},
		{"tenant", signontest.Config{Tenant: "11111111-2222-3333-4444-555555555555"}},
		{"moved", signontest.Config{Endpoints: map[signontest.Endpoint]string{
			signontest.Metadata: "https://meta.test/config", signontest.Authorize: "https://login.test/a", signontest.Token: "https://login.test/t?v=2",
		}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := signontest.NewInProcess(test.cfg)
			auth, err := signon.New(signon.Config{
				BaseURL: "https://app.test", HTTPClient: p.HTTPClient(), Logger: slog.New(slog.DiscardHandler),
			})
			require.NoError(t, err)
			provider := p.SignonProvider("op")
			provider.FetchUserInfo = true
			client, err := auth.Register(provider)
			require.NoError(t, err)
			mux := http.NewServeMux()
			mux.Handle("/auth/", auth.Handler())
			mux.Handle("/", auth.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				login, _ := signon.LoginFrom(r.Context())
				_, _ = w.Write([]byte("hello " + login.Subject))
			})))
			browser := signontest.NewBrowser(t)
			browser.Serve("https://app.test", mux)
			for _, origin := range p.Origins() {
				browser.Serve(origin, p)
			}
			page := browser.Get("https://app.test/auth/login/op").FollowAll(9)
			require.Equal(t, "hello alice", page.Body)
			require.Equal(t, 1, p.Count(signontest.UserInfo))
			token, err := client.ClientToken(t.Context(), "items")
			require.NoError(t, err)
			require.Equal(t, "items", token.Extra("scope"))
		})
	}
}
