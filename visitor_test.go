package signon_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
	"github.com/seed1a301047/signon/tokenstore"
)

// A page that anybody may see greets whoever is signed in.
func TestLoginOfAVisitor(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	s.mux.HandleFunc("/hello", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "private, no-store")
		switch login, err := s.auth.Login(r); {
		case errors.Is(err, signon.ErrNoLogin):
			fmt.Fprint(w, "nobody")
		case err != nil:
			http.Error(w, "a store is down", http.StatusServiceUnavailable)
		default:
			fmt.Fprint(w, login.Subject)
		}
	})
	b := s.browser()
	require.Equal(t, "nobody", b.Get(siteURL+"/hello").Body)
	s.signIn(b, "alice")
	require.Equal(t, "alice", b.Get(siteURL+"/hello").Body)
	b.Get(siteURL+"/hello").Post("/auth/logout", nil)
	require.Equal(t, "nobody", b.Get(siteURL+"/hello").Body)
}

// With Config.Owner it is the application that says who is signed in: a login that
// is left in the session lets nobody in.
func TestRequireLoginAsksOwner(t *testing.T) {
	s := newLinkingSite(t, "")
	s.mux.Handle("/home", s.auth.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		login, connected := signon.LoginFrom(r.Context())
		if !connected {
			fmt.Fprint(w, "not connected")
			return
		}
		fmt.Fprint(w, login.Owner)
	})))
	b := s.browser()
	require.Equal(t, http.StatusSeeOther, b.Get(siteURL+"/home").Status)
	isUser(b, "ann")
	require.Equal(t, "not connected", b.Get(siteURL+"/home").Body)
	b.At(siteURL+"/home").Post("/auth/login/op", nil).FollowAll(5)
	require.Equal(t, "ann", b.Get(siteURL+"/home").Body)
	isUser(b, "bert") // who gets the browser after ann
	require.Equal(t, "not connected", b.Get(siteURL+"/home").Body)
	isUser(b, "")
	require.Equal(t, http.StatusSeeOther, b.Get(siteURL+"/home").Status)
}

// OnLogin may ask the provider's API who this is, before anything is saved.
func TestOnLoginCallsTheAPI(t *testing.T) {
	var s *site
	s = newSite(t, setup{config: func(c *signon.Config) {
		c.OnLogin = func(ctx context.Context, login *signon.Login) (string, error) {
			resp, err := s.client.HTTPClient(ctx).Get("items")
			if err != nil {
				return "", err
			}
			defer resp.Body.Close()
			var items struct {
				Owner string `json:"owner"`
			}
			if err := json.NewDecoder(resp.Body).Decode(&items); err != nil {
				return "", err
			}
			token, err := s.client.Token(ctx)
			if err != nil || token.AccessToken != login.Token().AccessToken {
				return "", fmt.Errorf("token of the login in progress: %w", err)
			}
			stored, err := s.tokens.FetchToken(ctx, tokenKey("op", "user of "+items.Owner))
			if err == nil && tokenstore.Same(stored, token) {
				return "", errors.New("the token was stored before OnLogin had decided")
			}
			return "user of " + items.Owner, nil
		}
	}})
	defer s.holds()
	b := s.browser()
	s.signIn(b, "bob")
	require.Equal(t, "op:bob", s.who(b))
	_, err := s.tokens.FetchToken(t.Context(), tokenKey("op", "user of bob"))
	require.NoError(t, err)
}

// What fails in a handler leaves by the exit that Signon's own handlers have.
func TestFail(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	var failure error
	s.mux.Handle("/work", s.client.RequireToken(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.client.Fail(w, r, failure)
	})))
	b := s.browser()
	s.signIn(b, "alice")
	for _, tt := range []struct {
		name   string
		err    error
		status int
	}{
		{"signing in helps", fmt.Errorf("refresh: %w", signon.ErrNoToken), http.StatusSeeOther},
		{"a store is down", signon.ErrUnavailable, http.StatusServiceUnavailable},
		{"the provider is at fault", signon.ErrProvider, http.StatusBadGateway},
		{"the application is", errors.New("no such row"), http.StatusInternalServerError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			failure = tt.err
			page := b.Get(siteURL + "/work")
			require.Equal(t, tt.status, page.Status)
			if tt.status == http.StatusSeeOther {
				require.Equal(t, siteURL+"/auth/login/op?return_to=%2Fwork", page.Location())
			}
		})
	}
}

// An API that is down is the API's fault, and says so by status.
func TestAPIUnreachable(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	s.op.Handle("/api/items", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	b := s.browser()
	s.signIn(b, "alice")
	var err error
	s.mux.Handle("/work", s.client.RequireToken(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err = s.client.HTTPClient(r.Context()).Get("items")
		s.client.Fail(w, r, err)
	})))
	require.Equal(t, http.StatusBadGateway, b.Get(siteURL+"/work").Status)
	require.ErrorIs(t, err, signon.ErrProvider)
}

// A login may ask for more than Provider.Scopes; if the provider does not say what it
// granted, it is what was asked for (TE-08).
func TestScopeOfOneLogin(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	s.op.TokenResponse(func(m map[string]any) { delete(m, "scope") })
	s.mux.Handle("/auth/more", s.client.LoginHandler(oauth2.SetAuthURLParam("scope", "openid email calendar")))
	s.mux.Handle("/calendar", s.client.RequireScopes(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "calendar")
	}), "calendar"))
	b := s.browser()
	s.signIn(b, "alice")
	require.Equal(t, http.StatusForbidden, b.Get(siteURL+"/calendar").Status)
	page := b.Get(siteURL + "/auth/more?return_to=%2Fcalendar")
	require.Equal(t, "openid email calendar", param(page.Location(), "scope"))
	require.Equal(t, "calendar", page.FollowAll(5).Body)

	t.Run("what is granted counts, not what was asked for", func(t *testing.T) {
		s.op.TokenResponse(setMember("scope", "openid email"))
		defer s.op.TokenResponse(nil)
		b.Get(siteURL + "/auth/more?return_to=%2Fcalendar").FollowAll(5)
		require.Equal(t, http.StatusForbidden, b.Get(siteURL+"/calendar").Status)
	})
	t.Run("openid is the configuration's", func(t *testing.T) {
		s.mux.Handle("/auth/less", s.client.LoginHandler(oauth2.SetAuthURLParam("scope", "email")))
		require.Equal(t, http.StatusInternalServerError, b.Get(siteURL+"/auth/less").Status)
	})
}

// TE-08: scopes come in the RFC's form, in GitHub's, or not at all, and then they are
// not known: what Provider.Scopes asks for is no evidence.
func TestScopes(t *testing.T) {
	s := newSite(t, setup{provider: func(p *signon.Provider) { p.Scopes = []string{"openid", "email"} }})
	for _, tt := range []struct {
		name  string
		extra map[string]any
		want  []string
	}{
		{"said", map[string]any{"scope": "repo user:email"}, []string{"repo", "user:email"}},
		{"with commas", map[string]any{"scope": "repo,user:email"}, []string{"repo", "user:email"}},
		{"none granted", map[string]any{"scope": ""}, []string{}},
		{"not known", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			token := (&oauth2.Token{AccessToken: "x"}).WithExtra(tt.extra)
			require.Equal(t, tt.want, s.client.Scopes(token))
		})
	}
}

// SE-12: what a handler further out said that its answer varies with stays.
func TestTurnedAwayKeepsVary(t *testing.T) {
	s := newSite(t, setup{})
	private := s.client.RequireToken(http.NotFoundHandler())
	s.mux.Handle("/varies", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Origin")
		private.ServeHTTP(w, r)
	}))
	page := s.browser().Get(siteURL + "/varies")
	require.Equal(t, http.StatusSeeOther, page.Status)
	require.Equal(t, []string{"Origin", "Cookie"}, page.Header.Values("Vary"))
}

// After a failure, starting again leads to where the user was going, by link and by
// form.
func TestStartAgainKeepsReturnTo(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	s.op.ArmN(signontest.WrongNonce, 1)
	page := b.Get(siteURL + "/private?a=b").FollowAll(5)
	require.Equal(t, http.StatusBadRequest, page.Status)
	page = page.Click("/auth/login/op?return_to=%2Fprivate%3Fa%3Db").FollowAll(5)
	require.Equal(t, siteURL+"/private?a=b", page.URL.String())
	require.Equal(t, http.StatusOK, page.Status)
}

// A token that cannot be used when it comes is no login: the next page would only
// send the browser round again. RF-13
func TestTokenExpiredOnArrival(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	s.op.TokenResponse(func(m map[string]any) {
		m["expires_in"] = 0
		delete(m, "refresh_token")
	})
	s.refused(b, http.StatusBadGateway, 1, func() *signontest.Page {
		return b.Get(siteURL + "/private").FollowAll(5)
	})
	s.op.TokenResponse(nil)
}
