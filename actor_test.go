package signon_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/signontest"
	"github.com/seed1a301047/signon/tokenstore"
)

func ownedBySubject(c *signon.Config) {
	c.OnLogin = func(_ context.Context, l *signon.Login) (string, error) { return l.Subject, nil }
}

// RQ-08, LI-14: whom RequireToken let through is whom its next works for, whatever
// stands further out in the context.
func TestInnermostActorCounts(t *testing.T) {
	s := newSite(t, setup{config: ownedBySubject})
	defer s.holds()
	s.signIn(s.browser(), "alice")
	own := s.client.RequireToken(http.HandlerFunc(s.callAPI))
	s.mux.HandleFunc("/outer-owner", func(w http.ResponseWriter, r *http.Request) {
		own.ServeHTTP(w, r.WithContext(signon.WithOwner(r.Context(), "alice")))
	})
	s.mux.Handle("/inner-owner", s.client.RequireToken(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.callAPI(w, r.WithContext(signon.WithOwner(r.Context(), "alice")))
	})))
	other := s.registry(func(c *signon.Config) {
		c.OnLogin, c.Owner = nil, func(*http.Request) (string, error) { return "alice", nil }
	})
	s.mux.Handle("/other-registry", other.RequireLogin(own))
	b := s.browser()
	s.signIn(b, "bob")
	require.Contains(t, b.Get(siteURL+"/outer-owner").Body, `"owner":"bob"`)
	require.Contains(t, b.Get(siteURL+"/other-registry").Body, `"owner":"bob"`)
	require.Contains(t, b.Get(siteURL+"/inner-owner").Body, `"owner":"alice"`, "who names an owner means it")
}

// In OnLogin the new token is that of the login, at its own provider, and of nobody
// else.
func TestTokenOfALoginInProgress(t *testing.T) {
	var s *site
	var second *signon.Client
	var named, foreign error
	var unauthorized int
	s = newSite(t, setup{config: func(c *signon.Config) {
		c.OnLogin = func(ctx context.Context, l *signon.Login) (string, error) {
			_, named = s.client.Token(signon.WithOwner(ctx, "nobody at all"))
			_, foreign = second.Token(ctx)
			s.op.ArmN(signontest.API401Once, 1)
			resp, err := s.client.HTTPClient(ctx).Get("items")
			if err != nil {
				return "", err
			}
			unauthorized = resp.StatusCode
			return l.Subject, resp.Body.Close()
		}
	}})
	second = s.register(s.auth, "second", func(p *signon.Provider) { p.ClientID, p.Scopes = "another", []string{"email"} })
	b := s.browser()
	s.signIn(b, "bob")
	require.ErrorIs(t, named, signon.ErrNoToken)
	require.Error(t, foreign, "another provider does not get this one's token")
	require.Equal(t, http.StatusUnauthorized, unauthorized, "nothing is refreshed that is in no store")
	require.Zero(t, s.op.Stats().Refreshes)
}

// AR-34: with both, OnLogin may refuse, but not hand the connection to somebody else.
func TestOnLoginKeepsToOwner(t *testing.T) {
	s := newLinkingSite(t, "")
	auth := s.registry(func(c *signon.Config) {
		c.OnLogin = func(context.Context, *signon.Login) (string, error) { return "user-2", nil }
	})
	client := s.register(auth, "op", nil)
	s.mux.Handle("/both/callback", client.CallbackHandler(nil))
	b := s.browser()
	isUser(b, "user-1")
	answer := b.At(siteURL+"/settings").Post("/auth/login/op", nil).Follow().Location()
	u, err := url.Parse(answer)
	require.NoError(t, err)
	page := b.Get(siteURL + "/both/callback?" + u.RawQuery)
	require.Equal(t, http.StatusInternalServerError, page.Status)
	for _, owner := range []string{"user-1", "user-2"} {
		_, err := s.tokens.FetchToken(t.Context(), tokenKey("op", owner))
		require.ErrorIs(t, err, tokenstore.ErrNotFound)
	}
}

// ID-44: a name belongs to its issuer for good; what is stored under it would otherwise
// go to another.
func TestNameIsNotReused(t *testing.T) {
	auth, err := signon.New(signon.Config{BaseURL: siteURL, Keys: siteKeys, Logger: quiet()})
	require.NoError(t, err)
	p := signon.Provider{Name: "tenant", Issuer: "https://one.example", ClientID: "app", Scopes: []string{"openid"}}
	_, err = auth.Register(p)
	require.NoError(t, err)
	auth.Remove("tenant")
	p.Issuer = "https://two.example"
	_, err = auth.Register(p)
	require.ErrorContains(t, err, "another name")
	p.Issuer, p.ClientID = "https://one.example", "renewed"
	_, err = auth.Register(p)
	require.NoError(t, err, "the same issuer may come back")
}

// DI-02, DI-04: an API on loopback does not let a public issuer's metadata lead there.
func TestLoopbackAPIOpensNoDoor(t *testing.T) {
	var sent []string
	via := roundTrip(func(r *http.Request) (*http.Response, error) {
		sent = append(sent, r.URL.Host)
		metadata := `{"issuer":"https://op.example","authorization_endpoint":"https://op.example/a",` +
			`"token_endpoint":"http://127.0.0.1:6379/t","jwks_uri":"https://op.example/k"}`
		return answered(r, http.StatusOK, http.Header{"Content-Type": {"application/json"}}, metadata), nil
	})
	auth, err := signon.New(signon.Config{BaseURL: siteURL, Keys: siteKeys, Logger: quiet(), HTTPClient: &http.Client{Transport: via}})
	require.NoError(t, err)
	_, err = auth.Register(signon.Provider{
		Name: "op", Issuer: "https://op.example", ClientID: "app", Scopes: []string{"openid"}, APIBaseURL: "http://127.0.0.1:9000/",
	})
	require.NoError(t, err)
	b := signontest.NewBrowser(t)
	b.Serve(siteURL, auth.Handler())
	require.Equal(t, http.StatusBadGateway, b.Get(siteURL+"/auth/login/op").Status)
	require.NotContains(t, sent, "127.0.0.1:6379")
}

// AP-11, LG-01: the token that a redirect repeats, and what a claim says, are in no
// error.
func TestErrorsOfOthersAreQuiet(t *testing.T) {
	n := 0
	via := roundTrip(func(r *http.Request) (*http.Response, error) {
		if n++; n == 1 {
			return answered(r, http.StatusFound, http.Header{"Location": {"items/?" + r.URL.RawQuery}}, ""), nil
		}
		return nil, errors.New("connection reset")
	})
	var tokens tokenstore.Memory
	auth, err := signon.New(signon.Config{BaseURL: siteURL, Keys: siteKeys, Logger: quiet(), Tokens: &tokens, HTTPClient: &http.Client{Transport: via}})
	require.NoError(t, err)
	client, err := auth.Register(signon.Provider{
		Name: "op", ClientID: "app", APIBaseURL: "https://api.example/v1/",
		Endpoint:       oauth2.Endpoint{AuthURL: "https://op.example/a", TokenURL: "https://op.example/t"},
		TokenPlacement: signon.TokenInQuery, InsecureTokenInQuery: true,
	})
	require.NoError(t, err)
	require.NoError(t, tokens.SaveToken(t.Context(), tokenKey("op", "u"), &oauth2.Token{AccessToken: "SECRET-TOKEN"}))
	_, err = client.HTTPClient(signon.WithOwner(t.Context(), "u")).Get("items")
	require.ErrorIs(t, err, signon.ErrProvider)
	require.NotContains(t, err.Error(), "SECRET-TOKEN")
	require.Equal(t, 2, n)

	var login *signon.Login
	s := newSite(t, setup{config: func(c *signon.Config) { c.OnLogin = keepLogin(&login) }})
	s.signIn(s.browser(), "alice")
	var wrong struct {
		Nonce int `json:"nonce"`
	}
	var claims struct {
		Nonce string `json:"nonce"`
	}
	require.NoError(t, login.Claims(&claims))
	err = login.Claims(&wrong)
	require.ErrorContains(t, err, "/nonce")
	require.NotContains(t, err.Error(), claims.Nonce)
}

// AR-26: FinishLogin by hand does form_post too, in both its halves.
func TestFormPostByHand(t *testing.T) {
	s := newLinkingSite(t, "form_post")
	byHand := http.NewServeMux()
	byHand.HandleFunc("/auth/callback/op", func(w http.ResponseWriter, r *http.Request) {
		login, err := s.client.FinishLogin(w, r)
		switch {
		case errors.Is(err, signon.ErrAnswered):
		case err != nil:
			s.client.Fail(w, r, err)
		default:
			http.Redirect(w, r, login.ReturnTo, http.StatusSeeOther)
		}
	})
	byHand.Handle("/", s.mux)
	b := signontest.NewBrowser(t)
	b.Serve(siteURL, byHand)
	isUser(b, "user-1")
	page := b.At(siteURL+"/settings").Post("/auth/login/op", nil).FollowAll(9)
	require.Equal(t, http.StatusOK, page.Status, page.Body)
	_, err := s.tokens.FetchToken(t.Context(), tokenKey("op", "user-1"))
	require.NoError(t, err)
}

// SE-11: a store that gives up by itself is down; the browser is still there.
func TestStoreSaysCancelled(t *testing.T) {
	store := &cancelledLogins{}
	s := newSite(t, setup{config: func(c *signon.Config) { store.Store = c.Logins; c.Logins = store }})
	b := s.browser()
	s.signIn(b, "alice")
	store.gives = context.Canceled
	require.Equal(t, http.StatusServiceUnavailable, b.Get(siteURL+"/private").Status)
}

type cancelledLogins struct {
	sessionstore.Store
	gives error
}

func (l *cancelledLogins) Login(ctx context.Context, id string) (*sessionstore.Record, error) {
	if l.gives != nil {
		return nil, l.gives
	}
	return l.Store.Login(ctx, id)
}

// CF-01: a Provider that was written out has no secret any more.
func TestRedactedSecretIsRefused(t *testing.T) {
	written, err := json.Marshal(signon.Provider{Name: "op", Issuer: "https://op.example", ClientID: "app", ClientSecret: "s3cret"})
	require.NoError(t, err)
	var p signon.Provider
	require.NoError(t, json.Unmarshal(written, &p))
	auth, err := signon.New(signon.Config{BaseURL: siteURL, Keys: siteKeys, Logger: quiet()})
	require.NoError(t, err)
	_, err = auth.Register(p)
	require.ErrorContains(t, err, "ClientSecret")
}

// ST-01, ST-02: whoever can write to the login store makes of their login none of
// somebody else's, nor a longer one: a changed record is none.
func TestChangedLoginIsNone(t *testing.T) {
	for name, change := range map[string]func(mine, theirs *sessionstore.Record){
		"owner":          func(mine, theirs *sessionstore.Record) { mine.Owner = theirs.Owner },
		"subject":        func(mine, theirs *sessionstore.Record) { mine.Subject = theirs.Subject },
		"issuer":         func(mine, _ *sessionstore.Record) { mine.Issuer += "x" },
		"provider":       func(mine, _ *sessionstore.Record) { mine.Provider = "op2" },
		"sid":            func(mine, _ *sessionstore.Record) { mine.SID += "x" },
		"expiry":         func(mine, _ *sessionstore.Record) { mine.ExpiresAt = mine.ExpiresAt.Add(time.Hour) },
		"created":        func(mine, _ *sessionstore.Record) { mine.CreatedAt = mine.CreatedAt.Add(time.Hour) },
		"their ID token": func(mine, theirs *sessionstore.Record) { mine.IDToken = theirs.IDToken },
		"no ID token":    func(mine, _ *sessionstore.Record) { mine.IDToken = nil },
		"the userinfo":   func(mine, _ *sessionstore.Record) { mine.IDToken = mine.UserInfo },
		"all of theirs": func(mine, theirs *sessionstore.Record) {
			id := mine.ID
			*mine = *theirs.Clone()
			mine.ID = id
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, setup{config: func(c *signon.Config) {
				c.OnLogin = func(_ context.Context, l *signon.Login) (string, error) { return bySubject(l), nil }
			}, provider: func(p *signon.Provider) { p.FetchUserInfo = true }})
			alice, bob := s.browser(), s.browser()
			s.signIn(alice, "alice")
			s.signIn(bob, "bob")
			mine, theirs := s.recordOf("bob"), s.recordOf("alice")
			require.Equal(t, http.StatusOK, bob.Get(siteURL+"/me").Status)
			_, err := s.logins.EndLogins(t.Context(), sessionstore.Selector{ID: mine.ID})
			require.NoError(t, err)
			change(mine, theirs)
			require.NoError(t, s.logins.CreateLogin(t.Context(), mine))
			require.Equal(t, http.StatusSeeOther, bob.Get(siteURL+"/me").Status)
			require.Equal(t, http.StatusOK, alice.Get(siteURL+"/me").Status)
		})
	}
}

// recordOf is a copy of the only login of a subject.
func (s *site) recordOf(subject string) *sessionstore.Record {
	s.t.Helper()
	list, err := s.logins.Logins(s.t.Context(), selectSubject(s, subject))
	require.NoError(s.t, err)
	require.Len(s.t, list, 1)
	return list[0].Clone()
}

// ID-37, AR-22: an ID token that was not asked for is not verified, and so not handed
// on.
func TestUnverifiedIDTokenIsDropped(t *testing.T) {
	var login *signon.Login
	s := newSite(t, setup{oauth: true, config: func(c *signon.Config) { c.OnLogin = keepLogin(&login) }})
	s.op.TokenResponse(func(m map[string]any) { m["id_token"] = "not.verified.atall" })
	s.browser().Get(s.loginURL("alice")).FollowAll(9)
	require.NotNil(t, login)
	require.Nil(t, login.Token().Extra("id_token"))
	raw, err := login.IDToken()
	require.NoError(t, err)
	require.Empty(t, raw)
}

// ID-38, ID-39: what only an ID token can answer is not asked for without one.
func TestOptionsNeedOpenID(t *testing.T) {
	s := newSite(t, setup{oauth: true})
	for _, name := range []string{"max_age", "acr_values"} {
		s.mux.Handle("/"+name, s.client.LoginHandler(oauth2.SetAuthURLParam(name, "1")))
		require.Equal(t, http.StatusInternalServerError, s.browser().Get(siteURL+"/"+name).Status)
	}
}

// ID-38, TE-08: what an Authorize hook asks for counts as if the configuration had
// asked for it.
func TestHookAsksForMore(t *testing.T) {
	s := newSite(t, setup{provider: func(p *signon.Provider) {
		p.Hooks.Authorize = func(_ context.Context, a *hooks.Authorize) error {
			a.Params.Set("max_age", "60")
			a.Params.Set("scope", "openid email extra")
			return nil
		}
	}})
	s.op.TokenResponse(func(m map[string]any) { delete(m, "scope") })
	s.mux.Handle("/extra", s.client.RequireScopes(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), "extra"))
	b := s.browser()
	s.signIn(b, "alice")
	require.Equal(t, http.StatusOK, b.Get(siteURL+"/extra").Status)
	s.op.ArmN(signontest.OldAuthTime, 1)
	page := s.browser().Get(s.loginURL("alice")).FollowAll(9)
	require.Equal(t, http.StatusForbidden, page.Status)
}
