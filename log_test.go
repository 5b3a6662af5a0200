package signon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

// LG-01, LG-02, TE-14, G3: whatever fails, at login, at a refresh, at the API, no
// secret is in the log, at debug level, and no provider forges a line of it.
func TestNoSecretInTheLog(t *testing.T) {
	for _, fault := range signontest.Faults() {
		t.Run(string(fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t, appOptions{owned: true, provider: func(p *signon.Provider) { p.FetchUserInfo = true }})
				first := a.signIn()
				require.Equal(t, http.StatusOK, first.Status)
				a.expire("alice")
				a.op.Arm(fault)
				pages := []*signontest.Page{a.browser.Get(appURL + "/items"), a.signIn()}
				_, err := a.client.UserInfo(a.as("alice"), &oauth2.Token{AccessToken: "access-of-alice"})
				errs := []error{err, a.client.Revoke(a.as("alice"))}
				a.requireQuiet(pages...)
				for _, err := range errs {
					for _, secret := range a.op.Secrets() {
						require.NotContains(t, fmt.Sprint(err), secret)
					}
				}
			})
		})
	}
}

// G11, LG-04: one record of a failure, with the id that the page shows, and nothing
// of the provider's words on the page.
func TestOneRecordPerFailure(t *testing.T) {
	a := newApp(t, appOptions{})
	a.op.Arm(signontest.EchoingError)
	page := a.signIn()
	f := a.lastFailure()
	require.Contains(t, page.Body, f.ID)
	require.Equal(t, 1, strings.Count(a.log.String(), f.ID))
	require.Equal(t, 1, strings.Count(a.log.String(), "request failed"))
	require.Contains(t, a.log.String(), `"kind":"bad_request"`)
	require.Contains(t, a.log.String(), `"provider":"op"`)
	for _, word := range []string{"forged", "bad request of", "provider.test", "invalid_grant"} {
		require.NotContains(t, page.Body, word)
	}
}

// LG-07: failures that anybody can cause, as often as they like, do not fill the log;
// those left out are counted. Failures of ours have a bound of their own.
func TestLogVolume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, appOptions{})
		bad := func(n int) {
			for range n {
				require.Equal(t, http.StatusBadRequest, a.browser.Get(appURL+"/auth/callback/op?state=x&code=y").Status)
			}
		}
		count := func() int { return strings.Count(a.log.String(), "request failed") }
		time.Sleep(time.Minute)
		bad(10_000)
		require.LessOrEqual(t, count(), 51)
		a.op.Arm(signontest.DownMetadata)
		for range 10_000 {
			require.Equal(t, http.StatusServiceUnavailable, a.browser.Get(appURL+"/auth/login/op").Status)
		}
		require.LessOrEqual(t, count(), 102)
		time.Sleep(2 * time.Second)
		bad(1)
		require.Contains(t, a.log.String(), `"suppressed":9950`)
		a.browser.Get(appURL + "/auth/login/op")
		require.Contains(t, a.log.String(), `"status":503`)
	})
}

// LG-03: nothing that holds a secret prints it, in whatever way it is printed.
func TestNothingPrintsASecret(t *testing.T) {
	var atLogin *signon.Login
	a := newApp(t, appOptions{
		provider: func(p *signon.Provider) { p.FetchUserInfo = true },
		config:   func(c *signon.Config) { c.OnLogin = keepLogin(&atLogin) },
	})
	require.Equal(t, http.StatusOK, a.signIn().Status)
	info, err := a.client.UserInfo(a.as("alice"), a.stored("alice"))
	require.NoError(t, err)
	p := a.op.SignonProvider("op")
	key := "0123456789abcdef0123456789abcdef"
	cfg := signon.Config{BaseURL: appURL, Keys: [][]byte{[]byte(key)}}
	rawID, err := atLogin.IDToken()
	require.NoError(t, err)
	require.NotEmpty(t, rawID)
	secrets := append(a.op.Secrets(), key, rawID, fmt.Sprint([]byte(key)), "alice@example.com")

	for name, v := range map[string]any{
		"Secret": p.ClientSecret, "Provider": p, "*Provider": &p, "Config": cfg, "*Config": &cfg, "Client": a.client, "Registry": a.auth,
		"*Login": atLogin, "Login": *atLogin, "*UserInfo": info, "UserInfo": *info,
		"nested": struct {
			S signon.Secret
			P signon.Provider
			L *signon.Login
		}{p.ClientSecret, p, atLogin},
	} {
		var printed bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
			fmt.Fprintf(&printed, verb+"\n", v)
		}
		b, err := json.Marshal(v)
		require.NoError(t, err, name)
		printed.Write(b)
		slog.New(slog.NewTextHandler(&printed, nil)).Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&printed, nil)).Info("x", "v", v)
		for _, secret := range secrets {
			require.False(t, strings.Contains(printed.String(), secret), "%s prints %q", name, secret)
			require.False(t, strings.Contains(printed.String(), fmt.Sprintf("%x", secret)), "%s prints %q in hex", name, secret)
		}
	}
	require.Equal(t, p.ClientSecret, signon.Secret(a.op.ClientSecret()), "and it is there")
}

// LG-08: a panic's value may hold a secret; it is not logged, where it happened is.
func TestPanicIsNotLogged(t *testing.T) {
	a := newApp(t, appOptions{config: func(c *signon.Config) {
		c.OnLogin = func(_ context.Context, l *signon.Login) (string, error) { panic(l.Token().AccessToken) }
	}})
	page := a.signIn()
	require.Equal(t, http.StatusInternalServerError, page.Status)
	require.Contains(t, a.log.String(), "log_test.go:")
	a.requireNobody()
	a.requireQuiet(page)
}

// The log of many failures at once is whole.
func TestLogOfManyAtOnce(t *testing.T) {
	a := newApp(t, appOptions{})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { a.browser.Get(appURL + "/auth/callback/op?state=x&code=y") })
	}
	wg.Wait()
	a.requireQuiet()
}
