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

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

// UI-08: what nobody identifies is no user, and above all not the same one each time.
func TestNobodyIdentified(t *testing.T) {
	onLogin := func(context.Context, *signon.Login) (string, error) { return "the same for all", nil }

	t.Run("known at Register", func(t *testing.T) {
		auth, err := signon.New(signon.Config{BaseURL: siteURL, Keys: siteKeys, OnLogin: onLogin, Logger: quiet()})
		require.NoError(t, err)
		op := signontest.NewInProcess(signontest.Config{})
		p := op.OAuthProvider("op")
		p.UserInfoURL = ""
		_, err = auth.Register(p)
		require.ErrorContains(t, err, "UserInfoURL")
	})

	t.Run("known at login", func(t *testing.T) {
		s := newSite(t, setup{
			config:   func(c *signon.Config) { c.OnLogin = onLogin },
			provider: func(p *signon.Provider) { p.Scopes = []string{"email"} },
		})
		s.op.Metadata(func(m map[string]any) {
			delete(m, "userinfo_endpoint")
			delete(m, "authorization_response_iss_parameter_supported") // it sends iss with openid only
		})
		page := s.browser().Get(s.loginURL("alice")).FollowAll(5)
		require.Equal(t, http.StatusBadGateway, page.Status)
	})
}

// ID-43: the e-mail of a provider that has it in the userinfo only.
func TestEmailOfALeanIDToken(t *testing.T) {
	var addr string
	var verified bool
	s := newSite(t, setup{
		op:       signontest.Config{LeanIDToken: true},
		provider: func(p *signon.Provider) { p.FetchUserInfo = true },
		config: func(c *signon.Config) {
			c.OnLogin = func(_ context.Context, login *signon.Login) (string, error) {
				addr, verified = login.Email()
				return login.Subject, nil
			}
		},
	})
	defer s.holds()
	b := s.browser()
	s.signIn(b, "alice")
	require.Equal(t, "alice@example.com", addr)
	require.True(t, verified)
	s.mux.Handle("/email", s.auth.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		login, _ := signon.LoginFrom(r.Context())
		addr, verified := login.Email()
		fmt.Fprint(w, addr, verified)
	})))
	require.Equal(t, "alice@example.com"+"true", b.Get(siteURL+"/email").Body, "and later, from the sealed copy")
}

// RF-14: an API's 401 whose refresh the provider refuses is no answer to show: the user
// must sign in again. A 401 that no refresh can better is the API's own word.
func TestUnauthorizedForGood(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	s.mux.Handle("/work", s.client.RequireToken(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, err := s.client.HTTPClient(r.Context()).Get("items")
		if err != nil {
			s.client.Fail(w, r, err)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
	})))
	b := s.browser()
	s.signIn(b, "alice")
	s.op.EndGrants()
	page := b.Get(siteURL + "/work")
	require.Equal(t, http.StatusSeeOther, page.Status)
	require.Equal(t, siteURL+"/auth/login/op?return_to=%2Fwork", page.Location())

	s.signIn(b, "alice")
	s.op.Arm(signontest.API401Always)
	require.Equal(t, http.StatusUnauthorized, b.Get(siteURL+"/work").Status)
	s.op.Disarm()
}

// A request without a context of its own ends with that of HTTPClient: a handler whose
// browser has left does not wait for a slow API.
func TestAPICallEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, appOptions{owned: true})
		require.Equal(t, http.StatusOK, a.signIn().Status)
		a.op.Arm(signontest.Hang.At(signontest.API))
		ctx, cancel := context.WithTimeout(a.as("alice"), time.Second)
		defer cancel()
		start := time.Now()
		_, err := a.client.HTTPClient(ctx).Get("items")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
	})
}

// What fails outside of a client leaves by the same exit: the page's id is in the log.
func TestRegistryFail(t *testing.T) {
	s := newSite(t, setup{})
	s.mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) { s.auth.Fail(w, r, signon.ErrUnavailable) })
	page := s.browser().At(siteURL).Fetch(http.MethodGet, "/hello")
	require.Equal(t, http.StatusServiceUnavailable, page.Status)
	var said struct {
		ID string `json:"error_id"`
	}
	require.NoError(t, json.Unmarshal([]byte(page.Body), &said))
	require.Contains(t, s.log.String(), said.ID)
}

// The paths for links and forms follow Mount.
func TestPaths(t *testing.T) {
	s := newSite(t, setup{config: func(c *signon.Config) { c.Mount = "/signin" }})
	require.Equal(t, "/signin/login", s.auth.LoginURL())
	require.Equal(t, "/signin/logout", s.auth.LogoutURL())
	require.Equal(t, "/signin/login/op", s.client.LoginURL())
	require.Equal(t, "/signin/logout/op", s.client.LogoutURL())
}

// CF-07: a mistake in JSON is told in words of the JSON, and without its value.
func TestProviderJSONErrors(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"misspelt", `{"name":"corp","client_sercet":"hush"}`, `provider "corp" from JSON: unknown member "client_sercet"`},
		{"a string for a list", `{"name":"corp","scopes":"openid"}`, `member "scopes" must not be a string; expected a list`},
		{"a string for seconds", `{"max_age":"1h"}`, `member "max_age" must not be a string; expected a whole number, of seconds`},
		{"a string for a switch", `{"fetch_userinfo":"yes"}`, "expected true or false"},
		{"a number for a string", `{"client_secret":12345}`, `member "client_secret" must not be a number; expected a string`},
		{"no object", `["corp"]`, "expected one JSON object"},
		{"twice", `{"name":"a","name":"b"}`, "duplicate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p signon.Provider
			err := json.Unmarshal([]byte(tt.in), &p)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "hush")
			require.NotContains(t, err.Error(), "12345")
		})
	}
}

// An issuer that is the URL of its metadata is refused with the remedy.
func TestIssuerIsNotTheMetadataURL(t *testing.T) {
	auth, err := signon.New(signon.Config{BaseURL: siteURL, Keys: siteKeys, Logger: quiet()})
	require.NoError(t, err)
	_, err = auth.Register(signon.Provider{
		Name: "corp", ClientID: "app", Scopes: []string{"openid"},
		Issuer: "https://login.example.com/.well-known/openid-configuration",
	})
	require.ErrorContains(t, err, "MetadataURL")
}
