package benchmarks_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

const origin = "https://app.test"

var keys = [][]byte{[]byte("0123456789abcdef0123456789ABCDEF")}

// An app is an application with users of one provider.
type app struct {
	client *signon.Client
	mux    *http.ServeMux
	op     *signontest.Provider
	signIn func(tb testing.TB, owner string) *signontest.Browser
}

// newApp completes a config. The provider's tokens are as long as those in the rows.
func newApp(tb testing.TB, config signon.Config) app {
	tb.Helper()
	op, t := signontest.NewInProcess(signontest.Config{}), newTexts()
	access, refresh := accessLen*2/3, refreshLen*2/3
	op.TokenResponse(func(m map[string]any) { m["access_token"], m["refresh_token"] = t.next(access), t.next(refresh) })
	op.IDTokenClaims(func(m map[string]any) { delete(m, "at_hash") }) // of the token that it was
	var owner string                                                  // of the next login
	config.BaseURL, config.Keys, config.HTTPClient = origin, keys, op.HTTPClient()
	config.Logger = slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError}))
	config.OnLogin = func(context.Context, *signon.Login) (string, error) { return owner, nil }
	auth, err := signon.New(config)
	require.NoError(tb, err)
	client, err := auth.Register(op.SignonProvider(provider))
	require.NoError(tb, err)
	a := app{client: client, mux: http.NewServeMux(), op: op}
	a.mux.Handle("/auth/", auth.Handler())
	a.mux.Handle("/{$}", http.NotFoundHandler())
	a.signIn = func(tb testing.TB, of string) *signontest.Browser {
		tb.Helper()
		owner = of
		browser := signontest.NewBrowser(tb)
		browser.Serve(origin, a.mux)
		browser.Serve(op.Issuer(), op)
		page := browser.Get(origin + client.LoginURL()).FollowAll(9)
		require.Equal(tb, http.StatusNotFound, page.Status, page.Body) // back at the application's front page
		return browser
	}
	return a
}
