package signon_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/signontest"
)

// A bend is a way in which a provider departs from the standards, and its fix.
type bend struct {
	name   string
	fix    hooks.Hooks
	faults []signontest.Fault
	token  signontest.Edit
	info   signontest.Edit
	op     signontest.Config
}

func bends() []bend {
	nest := func(m map[string]any) {
		inner := map[string]any{}
		for name, v := range m {
			inner[name] = v
			delete(m, name)
		}
		m["data"], m["message"] = inner, "success"
	}
	return []bend{
		{name: "TE-05 no token_type", fix: hooks.DefaultTokenType("Bearer"), faults: []signontest.Fault{signontest.NoTokenType}},
		{name: "TE-05 odd token_type", fix: hooks.OddTokenType("mac"), faults: []signontest.Fault{signontest.MACTokenType}},
		{name: "TE-16 form", fix: hooks.FormTokenResponse(), faults: []signontest.Fault{signontest.FormToken}},
		{name: "TE-16 form without token_type", fix: hooks.Join(hooks.DefaultTokenType("Bearer"), hooks.FormTokenResponse()), faults: []signontest.Fault{signontest.FormToken, signontest.NoTokenType}},
		{name: "TE-16 text/plain", fix: hooks.JSONType("text/plain"), faults: []signontest.Fault{signontest.PlainTextBody.At(signontest.Token)}},
		{name: "TE-16 userinfo as text/plain", fix: hooks.JSONType("text/plain"), faults: []signontest.Fault{signontest.PlainTextBody.At(signontest.UserInfo)}},
		{name: "nested token", fix: hooks.NestedTokenResponse("data"), token: nest},
		{name: "renamed token", fix: hooks.RenameTokenMember("token", "access_token"), token: func(m map[string]any) {
			m["token"] = m["access_token"]
			delete(m, "access_token")
		}},
		{name: "nested profile", fix: hooks.NestedProfile("data", "0"), info: func(m map[string]any) {
			inner := map[string]any{}
			for name, v := range m {
				inner[name] = v
				delete(m, name)
			}
			m["data"] = []any{inner}
		}},
		{name: "error 0", fix: hooks.ErrorMember("error", "msg"), token: setMember("error", 0)},
		{name: "JSON request", fix: hooks.JSONRequest(), op: signontest.Config{JSONTokenRequest: true}},
		{name: "TE-08 scopes", fix: hooks.ScopeSeparator(","), op: signontest.Config{ScopeSeparator: ","}}}
}

// The ready-made fixes, each against a provider that departs in just that way: without
// the fix nobody signs in, with it somebody does, and a refresh works too.
func TestFixes(t *testing.T) {
	for _, tt := range bends() {
		for _, fixed := range []bool{false, true} {
			t.Run(tt.name+map[bool]string{true: " fixed"}[fixed], func(t *testing.T) {
				a := newApp(t, appOptions{op: tt.op, owned: true, provider: func(p *signon.Provider) {
					p.FetchUserInfo = true
					if fixed {
						p.Hooks = tt.fix
					}
				}})
				a.op.Arm(tt.faults...)
				a.op.TokenResponse(tt.token)
				a.op.UserInfo(tt.info)
				status := a.signIn().Status
				if !fixed {
					require.GreaterOrEqual(t, status, 400)
					a.requireNobody()
					return
				}
				require.Equal(t, http.StatusOK, status, a.log)
				require.Equal(t, "openid profile email", a.stored("alice").Extra("scope"))
				old := a.stored("alice").AccessToken
				a.expire("alice")
				token, err := a.client.Token(a.as("alice"))
				require.NoError(t, err)
				require.NotEqual(t, old, token.AccessToken)
			})
		}
	}
}

// TE-07: a life under another name is known.
func TestRenamedLife(t *testing.T) {
	rename := func(m map[string]any) {
		m["expires"] = m["expires_in"]
		delete(m, "expires_in")
	}
	for _, h := range []hooks.Hooks{{}, hooks.RenameTokenMember("expires", "expires_in")} {
		a := newApp(t, appOptions{owned: true, provider: hooked(h)})
		a.op.TokenResponse(rename)
		require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
		require.Equal(t, h.TokenResponse == nil, a.stored("alice").Expiry.IsZero())
	}
}

// TE-02: an error under a name of the provider's own, with status 200, is one, also
// beside a token, and its code means what it is said to mean.
func TestOddErrors(t *testing.T) {
	fix := hooks.Join(hooks.ErrorMember("errcode", "errmsg"), hooks.ErrorCodes(map[string]string{"40029": "invalid_grant"}))
	for _, tt := range []struct {
		name   string
		fix    hooks.Hooks
		edit   func(map[string]any)
		status int
	}{
		{"not known", hooks.Hooks{}, setMember("errcode", 7), 200},
		{"a number", fix, setMember("errcode", 7), 502},
		{"a code that counts", fix, setMember("errcode", 40029), 400},
		{"success", fix, setMember("errcode", 0), 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, appOptions{provider: hooked(tt.fix)})
			a.op.TokenResponse(tt.edit)
			require.Equal(t, tt.status, a.signIn().Status, a.log)
			if tt.status != 200 {
				a.requireNobody()
			}
		})
	}

	// At a refresh it says that the owner must sign in again.
	a := newOwned(t, appOptions{provider: hooked(fix)})
	a.op.TokenResponse(func(m map[string]any) {
		clear(m)
		m["errcode"], m["errmsg"] = 40029, "refresh token expired"
	})
	a.expire("alice")
	_, err := a.client.Token(a.as("alice"))
	require.ErrorIs(t, err, signon.ErrNoToken)
}

// TE-08: where the answer does not say what was granted, it is what was asked for, by
// name and not as the provider wants it written.
func TestScopesAskedFor(t *testing.T) {
	for name, tt := range map[string]struct {
		h    hooks.Hooks
		want string
	}{
		"none":  {hooks.Hooks{}, "openid profile email"},
		"comma": {hooks.ScopeSeparator(","), "openid profile email"},
		"another scope": {hooks.Hooks{Authorize: func(_ context.Context, a *hooks.Authorize) error {
			a.Params.Set("scope", "openid items")
			return nil
		}}, "openid items"},
		"one scope": {hooks.Hooks{Authorize: func(_ context.Context, a *hooks.Authorize) error {
			a.Params.Set("scope", "openid")
			return nil
		}}, "openid"},
	} {
		t.Run(name, func(t *testing.T) {
			op := signontest.Config{}
			if name == "comma" {
				op.ScopeSeparator = ","
			}
			a := newApp(t, appOptions{op: op, owned: true, provider: hooked(tt.h)})
			a.op.TokenResponse(func(m map[string]any) { delete(m, "scope") })
			require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
			require.Equal(t, tt.want, a.stored("alice").Extra("scope"))
		})
	}
}

// A header field and a parameter on every request but the browser's.
func TestFixesOfEveryRequest(t *testing.T) {
	wanted := map[signontest.Endpoint]string{}
	for _, e := range []signontest.Endpoint{signontest.Token, signontest.Introspection, signontest.Revocation} {
		wanted[e] = "/" + string(e) + "?site=x+y"
	}
	a := newOwned(t, appOptions{op: signontest.Config{Endpoints: wanted}, provider: func(p *signon.Provider) {
		hooked(hooks.Join(hooks.Header("User-Agent", "my-app/1.0"), hooks.Header("Client-ID", "app"), hooks.QueryParam("site", "x y")))(p)
		p.Endpoint.TokenURL, p.IntrospectionURL, p.RevocationURL = p.Issuer+"/token", p.Issuer+"/introspection", p.Issuer+"/revocation"
	}})
	_, err := a.client.Introspect(t.Context(), a.stored("alice"))
	require.NoError(t, err)
	a.expire("alice")
	_, err = a.client.HTTPClient(a.as("alice")).Get("items?page=2")
	require.NoError(t, err)
	require.NoError(t, a.client.Revoke(a.as("alice")))
	for _, e := range []signontest.Endpoint{signontest.Token, signontest.UserInfo, signontest.Introspection, signontest.API, signontest.Revocation} {
		list := a.op.Requests(e)
		require.NotEmpty(t, list, e)
		for _, r := range list {
			require.Equal(t, []string{"my-app/1.0"}, r.Header["User-Agent"], e)
			require.Equal(t, []string{"app"}, r.Header["Client-Id"], e)
			require.Equal(t, []string{"x y"}, r.URL.Query()["site"], e)
		}
	}
	require.Equal(t, "2", a.op.Requests(signontest.API)[0].URL.Query().Get("page"))
	require.False(t, a.op.Requests(signontest.Authorize)[0].URL.Query().Has("site"))

	// HK-05: not in the place of the token or of the client's proof.
	taken := hooks.Header("Authorization", "Bearer x").TokenRequest // out of what Register would refuse
	b := newApp(t, appOptions{provider: hooked(hooks.Hooks{TokenRequest: taken})})
	require.Equal(t, http.StatusInternalServerError, b.signIn().Status)
	require.Zero(t, b.op.Count(signontest.Token))
}

// The token of a userinfo request in its query, and nowhere else: not in the log either.
func TestTokenInTheUserInfoQuery(t *testing.T) {
	a := newApp(t, appOptions{provider: hooked(hooks.Join(hooks.InsecureTokenInQuery("access_token"), hooks.PostUserInfo()))})
	require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
	r := a.op.Requests(signontest.UserInfo)[0]
	require.Equal(t, http.MethodPost, r.Method)
	require.NotEmpty(t, r.URL.Query().Get("access_token"))
	require.Empty(t, r.Header.Get("Authorization"))
	for _, fault := range []signontest.Fault{signontest.ServerError, signontest.ResetConnection, signontest.Redirect} {
		b := newApp(t, appOptions{provider: hooked(hooks.InsecureTokenInQuery("access_token"))})
		b.op.Arm(fault.At(signontest.UserInfo))
		page := b.signIn()
		require.Equal(t, http.StatusBadGateway, page.Status)
		b.requireQuiet(page)
	}
}

// The provider of Example_bentProvider, as it is, signs somebody in.
func TestBentProvider(t *testing.T) {
	t.Setenv("BENT_CLIENT_ID", "app")
	t.Setenv("BENT_CLIENT_SECRET", "secret-of-app-0123456789abcdefgh")
	bent := bentProvider()
	op := signontest.NewInProcess(signontest.Config{
		Issuer: "https://bent.example.com", ClientID: bent.ClientID, ClientSecret: string(bent.ClientSecret),
		Endpoints: map[signontest.Endpoint]string{
			signontest.Authorize: bent.Endpoint.AuthURL, signontest.Token: bent.Endpoint.TokenURL, signontest.UserInfo: bent.UserInfoURL,
		},
	})
	op.Arm(signontest.FormToken, signontest.NoTokenType)
	op.UserInfo(setMember("sub", json.RawMessage("9007199254740993")))
	auth, err := signon.New(signon.Config{BaseURL: appURL, HTTPClient: op.HTTPClient(), Logger: (&logBuffer{}).logger()})
	require.NoError(t, err)
	client, err := auth.Register(bent)
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/auth/", auth.Handler())
	mux.Handle("/account", client.RequireToken(http.HandlerFunc(account)))
	browser := signontest.NewBrowser(t)
	browser.Serve(appURL, mux)
	browser.Serve(op.Issuer(), op)
	page := browser.Get(appURL + "/account").FollowAll(9)
	require.Equal(t, http.StatusOK, page.Status)
	require.True(t, strings.HasPrefix(page.Body, "Hello"), page.Body)
	require.Contains(t, page.Body, "you are 9007199254740993 at bent.")
	require.Equal(t, appURL+"/account", page.URL.String())
}
