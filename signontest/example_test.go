package signontest_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

// newApplication is the application under test: it says hello to who signed in.
func newApplication(auth *signon.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/auth/", auth.Handler())
	mux.Handle("/", auth.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		login, _ := signon.LoginFrom(r.Context())
		fmt.Fprintf(w, "Hello %s of %s", login.Subject, login.Provider)
	})))
	return mux
}

func Example() {
	provider := signontest.NewInProcess(signontest.Config{})
	auth, err := signon.New(signon.Config{
		BaseURL: "https://app.test", Keys: [][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")}, HTTPClient: provider.HTTPClient(),
	})
	if err != nil {
		panic(err)
	}
	if _, err := auth.Register(provider.SignonProvider("op")); err != nil {
		panic(err)
	}
	browser := signontest.NewBrowser(nil) // in a test, with its t
	browser.Serve("https://app.test", newApplication(auth))
	browser.Serve(provider.Issuer(), provider)

	fmt.Println(browser.Get("https://app.test/").FollowAll(9).Body)
	fmt.Println(len(browser.RejectedCookies()), "cookies that a browser would refuse")
	// Output:
	// Hello alice of op
	// 0 cookies that a browser would refuse
}

func TestTenLines(t *testing.T) {
	provider := signontest.NewInProcess(signontest.Config{})
	auth, err := signon.New(signon.Config{BaseURL: "https://app.test", HTTPClient: provider.HTTPClient()})
	require.NoError(t, err)
	_, err = auth.Register(provider.SignonProvider("op"))
	require.NoError(t, err)

	browser := signontest.NewBrowser(t)
	browser.Serve("https://app.test", newApplication(auth))
	browser.Serve(provider.Issuer(), provider)
	page := browser.Get("https://app.test/auth/login/op").FollowAll(9)
	require.Contains(t, page.Body, "Hello alice")
}

func TestOAuthProvider(t *testing.T) {
	for _, config := range []signontest.Config{{}, {Public: true}, {ClientAuth: "client_secret_post"}} {
		provider := signontest.NewInProcess(config)
		auth, err := signon.New(signon.Config{BaseURL: "https://app.test", HTTPClient: provider.HTTPClient()})
		require.NoError(t, err)
		_, err = auth.Register(provider.OAuthProvider("hub"))
		require.NoError(t, err)

		browser := signontest.NewBrowser(t)
		browser.Serve("https://app.test", newApplication(auth))
		browser.Serve(provider.Issuer(), provider)
		page := browser.Get("https://app.test/").FollowAll(9)
		require.Contains(t, page.Body, "Hello 9007199254740993 of hub")
	}
}

func ExampleProvider_Arm() {
	provider := signontest.NewInProcess(signontest.Config{})
	auth, err := signon.New(signon.Config{
		BaseURL: "https://app.test", Keys: [][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")}, HTTPClient: provider.HTTPClient(),
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	if _, err := auth.Register(provider.SignonProvider("op")); err != nil {
		panic(err)
	}
	browser := signontest.NewBrowser(nil)
	browser.Serve("https://app.test", newApplication(auth))
	browser.Serve(provider.Issuer(), provider)

	provider.Arm(signontest.WrongNonce)
	fmt.Println(browser.Get("https://app.test/").FollowAll(9).Status)
	provider.Disarm()
	fmt.Println(browser.Get("https://app.test/").FollowAll(9).Status)
	// Output:
	// 400
	// 200
}

func ExampleProvider_Logout() {
	provider := signontest.NewInProcess(signontest.Config{BackChannelLogoutURI: "https://app.test/auth/backchannel-logout/op"})
	auth, err := signon.New(signon.Config{
		BaseURL: "https://app.test", Keys: [][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")}, HTTPClient: provider.HTTPClient(),
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	if _, err := auth.Register(provider.SignonProvider("op")); err != nil {
		panic(err)
	}
	app := newApplication(auth)
	provider.Serve("https://app.test", app)
	browser := signontest.NewBrowser(nil)
	browser.Serve("https://app.test", app)
	browser.Serve(provider.Issuer(), provider)

	fmt.Println(browser.Get("https://app.test/").FollowAll(9).Body)
	err = provider.Logout(context.Background(), signontest.Session{Subject: "alice"})
	fmt.Println(err, browser.Get("https://app.test/").Status)
	// Output:
	// Hello alice of op
	// <nil> 303
}
