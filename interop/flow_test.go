package interop_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

func TestCodeFlow(t *testing.T) {
	for _, c := range []struct {
		name   string
		mode   string
		public bool
	}{
		{"query", "", false},
		{"form_post", "form_post", false},
		{"public client", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, p peer) {
				provider := p.start(t, options{public: c.public})
				provider.ResponseMode = c.mode
				a := newApp(t, origin, provider)
				u := newUser(t, a)

				me := u.get("/me?page=2")
				require.Equal(t, http.StatusOK, me.Status)
				require.Contains(t, me.Body, "Signed in as "+p.subject)
				require.Contains(t, me.Body, "/me?page=2")
				require.Equal(t, origin+"/me?page=2", me.URL.String()) // AR-33
				require.EqualValues(t, 1, a.exchanges.Load())

				login := a.seen()
				require.Equal(t, provider.Issuer, login.Issuer)
				require.Equal(t, p.subject, login.Subject)
				var claims struct {
					Audience any    `json:"aud"`
					Nonce    string `json:"nonce"`
				}
				require.NoError(t, login.Claims(&claims))
				require.Len(t, claims.Nonce, 43)
				require.NotEmpty(t, a.stored(t).AccessToken)
			})
		})
	}
}

func TestUserInfo(t *testing.T) {
	each(t, func(t *testing.T, p peer) {
		u := newUser(t, newApp(t, origin, p.start(t, options{})))
		require.Equal(t, http.StatusOK, u.get("/me").Status)
		answer := u.get("/userinfo")
		require.Equal(t, http.StatusOK, answer.Status, answer.Body)
		var claims map[string]any
		require.NoError(t, json.Unmarshal([]byte(answer.Body), &claims))
		require.Equal(t, p.subject, claims["sub"])
		require.Equal(t, p.value, claims[p.claim])
	})
}

func TestUserInfoAtLogin(t *testing.T) {
	each(t, func(t *testing.T, p peer) {
		provider := p.start(t, options{})
		provider.FetchUserInfo = true
		a := newApp(t, origin, provider)
		require.Equal(t, http.StatusOK, newUser(t, a).get("/me").Status)
		var info map[string]any
		require.NoError(t, a.seen().UserInfo(&info))
		require.Equal(t, p.value, info[p.claim])
	})
}

// Several logins are begun before the first is finished, and finished in another
// order: each leads to where it was begun.
func TestManyTabs(t *testing.T) {
	const tabs = 5
	each(t, func(t *testing.T, p peer) {
		a := newApp(t, origin, p.start(t, options{}))
		u := newUser(t, a)
		begun := make([]*signontest.Page, tabs)
		for i := range begun {
			begun[i] = u.begin(fmt.Sprintf("/me?tab=%d", i))
		}
		for _, i := range []int{3, 0, 4, 1, 2} {
			me := u.resume(begun[i])
			require.Equal(t, http.StatusOK, me.Status)
			require.Contains(t, me.Body, fmt.Sprintf("/me?tab=%d<", i))
		}
		require.EqualValues(t, tabs, a.exchanges.Load())
	})
}

// The same authorization response a second time: no second exchange, and the
// provider would have revoked everything at one.
func TestCallbackTwice(t *testing.T) {
	each(t, func(t *testing.T, p peer) {
		a := newApp(t, origin, p.start(t, options{}))
		u := newUser(t, a)
		require.Equal(t, http.StatusOK, u.get("/me").Status)
		require.NotEmpty(t, u.callback)
		again := u.b.Get(u.callback)
		require.Contains(t, []int{http.StatusBadRequest, http.StatusSeeOther}, again.Status) // AR-05
		require.EqualValues(t, 1, a.exchanges.Load())
		require.Equal(t, http.StatusOK, u.get("/userinfo").Status)
	})
}

// Somebody else's browser with this one's authorization response.
func TestCallbackInAnotherBrowser(t *testing.T) {
	each(t, func(t *testing.T, p peer) {
		a := newApp(t, origin, p.start(t, options{}))
		attacker := newUser(t, a)
		attacker.hold = true
		attacker.get("/me")
		require.NotEmpty(t, attacker.callback)

		victim := newUser(t, a)
		require.Equal(t, http.StatusBadRequest, victim.b.Get(attacker.callback).Status) // AR-03
		require.Zero(t, a.exchanges.Load())
		require.Equal(t, http.StatusSeeOther, attacker.b.Get(attacker.callback).Status) // AR-04
		require.EqualValues(t, 1, a.exchanges.Load())
	})
}

func TestRefreshRotates(t *testing.T) {
	each(t, func(t *testing.T, p peer) {
		a := newApp(t, origin, p.start(t, options{}))
		u := newUser(t, a)
		require.Equal(t, http.StatusOK, u.get("/me").Status)
		for range 3 {
			before, refreshes := a.stored(t), a.refreshes.Load()
			require.NotEmpty(t, before.RefreshToken)
			a.expire(t)
			require.Equal(t, http.StatusOK, u.get("/userinfo").Status)
			after := a.stored(t)
			require.Equal(t, refreshes+1, a.refreshes.Load())
			require.NotEqual(t, before.AccessToken, after.AccessToken)
			require.NotEqual(t, before.RefreshToken, after.RefreshToken) // RF-08
		}
	})
}

// Tokens that live for less than the usual margin before their expiry are used all
// the same.
func TestShortLivedTokens(t *testing.T) {
	each(t, func(t *testing.T, p peer) {
		a := newApp(t, origin, p.start(t, options{tokenLife: 40 * time.Second}))
		u := newUser(t, a)
		for range 5 {
			require.Equal(t, http.StatusOK, u.get("/me").Status)
			require.Equal(t, http.StatusOK, u.get("/userinfo").Status)
		}
		require.Zero(t, a.refreshes.Load()) // RF-15
	})
}

// Whoever spends a rotated refresh token a second time loses the whole family, so
// many requests that meet one expired token must spend it once.
func TestRefreshAtOnce(t *testing.T) {
	const callers = 50
	each(t, func(t *testing.T, p peer) {
		a := newApp(t, origin, p.start(t, options{}))
		u := newUser(t, a)
		require.Equal(t, http.StatusOK, u.get("/me").Status)
		refreshes := a.refreshes.Load()
		a.expire(t)

		cookies := u.cookies()
		statuses := make([]int, callers)
		var wg sync.WaitGroup
		for i := range statuses {
			wg.Go(func() { statuses[i] = a.serve(http.MethodGet, "/me", cookies).Code })
		}
		wg.Wait()
		for _, status := range statuses {
			require.Equal(t, http.StatusOK, status)
		}
		require.Equal(t, refreshes+1, a.refreshes.Load()) // RF-01
		require.Equal(t, http.StatusOK, u.get("/userinfo").Status, "the token family lives")
	})
}

// A thief spends the refresh token first. The provider sees the second use, and
// the application's login ends.
func TestRefreshTokenStolen(t *testing.T) {
	each(t, func(t *testing.T, p peer) {
		a := newApp(t, origin, p.start(t, options{}))
		u := newUser(t, a)
		require.Equal(t, http.StatusOK, u.get("/me").Status)
		stolen := a.stored(t).RefreshToken
		status, _ := a.tokenEndpoint(t, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {stolen}})
		require.Equal(t, http.StatusOK, status)

		a.expire(t)
		cookies := u.cookies()
		require.Equal(t, http.StatusUnauthorized, a.serve(http.MethodGet, "/userinfo", cookies).Code) // RF-09
		_, err := a.store.FetchToken(t.Context(), a.key())
		require.Error(t, err, "the dead token is gone")
		require.Equal(t, http.StatusOK, u.get("/me").Status, "the user signs in again")
	})
}

func TestRevoke(t *testing.T) {
	each(t, func(t *testing.T, p peer) {
		a := newApp(t, origin, p.start(t, options{}))
		u := newUser(t, a)
		require.Equal(t, http.StatusOK, u.get("/me").Status)
		held := a.stored(t)
		require.Equal(t, http.StatusNoContent, u.post("/revoke").Status)
		require.NotZero(t, a.revocations.Load())
		_, err := a.store.FetchToken(t.Context(), a.key())
		require.Error(t, err)

		status, code := a.tokenEndpoint(t, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {held.RefreshToken}})
		require.Equal(t, http.StatusBadRequest, status)
		require.Equal(t, "invalid_grant", code)
	})
}

func TestWrongSecret(t *testing.T) {
	each(t, func(t *testing.T, p peer) {
		provider := p.start(t, options{})
		provider.ClientSecret = "another"
		u := newUser(t, newApp(t, origin, provider))
		answer := u.get("/me")
		require.Equal(t, http.StatusBadGateway, answer.Status) // TE-11
		require.NotContains(t, answer.Body, "invalid_client")
	})
}

// The metadata of one provider under the issuer of another name for it.
func TestWrongIssuer(t *testing.T) {
	each(t, func(t *testing.T, p peer) {
		provider := p.start(t, options{})
		real, err := url.Parse(provider.Issuer)
		require.NoError(t, err)
		provider.Issuer = "http://localhost:" + real.Port() + real.Path
		u := newUser(t, newApp(t, origin, provider))
		require.Equal(t, http.StatusBadGateway, u.get("/me").Status) // DI-01
	})
}

// A provider that is not there stops nobody from starting, nor from the pages that
// do not need it.
func TestProviderDown(t *testing.T) {
	u := newUser(t, newApp(t, origin, options{}.provider("http://127.0.0.1:1", "openid")))
	require.Equal(t, http.StatusOK, u.get("/").Status)
	answer := u.get("/me")
	require.Contains(t, []int{http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}, answer.Status)
}
