package signon_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/signontest"
)

const (
	tenantIssuer = "https://provider.test/{tenantid}/v2.0"
	tenantA      = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
	tenantB      = "9188040d-6c67-4c5b-b112-36a304b66dad"
)

func issuerOf(tenant string) string { return strings.Replace(tenantIssuer, "{tenantid}", tenant, 1) }

func tenantApp(t *testing.T, o appOptions) *app {
	t.Helper()
	o.op.Issuer, o.op.Tenant = tenantIssuer, tenantA
	a := newApp(t, o)
	a.answerFrom("")
	return a
}

// answerFrom has the provider name itself in its answers, or not, as Microsoft does.
func (a *app) answerFrom(iss string) {
	a.op.Metadata(func(m map[string]any) { delete(m, "authorization_response_iss_parameter_supported") })
	a.op.AuthorizeResponse(func(v url.Values) {
		v.Del("iss")
		if iss != "" {
			v.Set("iss", iss)
		}
	})
}

// ID-26: of a provider of many tenants, those sign in who are listed, or all; each under
// the issuer of their own tenant.
func TestTenants(t *testing.T) {
	of := func(iss, tid string) signontest.Edit {
		return func(c map[string]any) { c["iss"], c["tid"] = iss, tid }
	}
	only := func(tenants ...string) func(*signon.Provider) {
		return func(p *signon.Provider) { p.Tenants = tenants }
	}
	everybody := func(p *signon.Provider) { p.Tenants, p.AnyTenant = nil, true }
	for _, tt := range []struct {
		name     string
		provider func(*signon.Provider)
		claims   signontest.Edit
		status   int
		issuer   string
	}{
		{"the one", only(tenantA), nil, 200, issuerOf(tenantA)},
		{"one of two", only(tenantB, tenantA), nil, 200, issuerOf(tenantA)},
		{"written in upper case", only(strings.ToUpper(tenantA)), nil, 200, issuerOf(tenantA)},
		{"the other of two", only(tenantB, tenantA), of(issuerOf(tenantB), tenantB), 200, issuerOf(tenantB)},
		{"none of them", only(tenantB), nil, 403, ""},
		{"any", everybody, of(issuerOf(tenantB), tenantB), 200, issuerOf(tenantB)},
		{"iss of one, tid of another", only(tenantA, tenantB), of(issuerOf(tenantA), tenantB), 502, ""},
		{"iss of another host", everybody, of("https://evil.test/"+tenantA+"/v2.0", tenantA), 502, ""},
		{"no tid", everybody, func(c map[string]any) { delete(c, "tid") }, 502, ""},
		{"the template", everybody, of(tenantIssuer, "{tenantid}"), 502, ""},
		{"a tid that is a path", everybody, of("https://provider.test/a/../b/v2.0", "a/../b"), 502, ""},
		{"a tid that is no GUID", everybody, of("https://provider.test/common/v2.0", "common"), 502, ""},
		{"a tid in upper case", everybody, of(issuerOf(strings.ToUpper(tenantA)), strings.ToUpper(tenantA)), 502, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var login *signon.Login
			a := tenantApp(t, appOptions{
				provider: tt.provider,
				config:   func(c *signon.Config) { c.OnLogin = keepLogin(&login) },
			})
			if tt.claims != nil {
				a.op.IDTokenClaims(tt.claims)
			}
			page := a.signIn()
			require.Equal(t, tt.status, page.Status, a.log)
			if tt.status != 200 {
				a.requireNobody()
				return
			}
			require.Equal(t, tt.issuer, login.Issuer)
			a.requireSignedIn("alice")
			require.Equal(t, http.StatusOK, a.browser.Get(appURL+"/items").Status, a.log)
			list, err := a.logins.Logins(t.Context(), sessionstore.Selector{Issuer: tt.issuer, Subject: "alice"})
			require.NoError(t, err)
			require.Len(t, list, 1)
		})
	}
}

// ID-26: a key of the common key set that is one tenant's signs for no other.
func TestKeyOfAnotherTenant(t *testing.T) {
	for issuer, status := range map[string]int{
		tenantIssuer: 200, issuerOf(tenantA): 200, issuerOf(tenantB): 502, "": 502,
		"https://evil.test/{tenantid}/v2.0": 502,
	} {
		t.Run(issuer, func(t *testing.T) {
			a := tenantApp(t, appOptions{})
			a.op.KeySet(func(set map[string]any) {
				for _, key := range set["keys"].([]any) {
					key.(map[string]any)["issuer"] = issuer
				}
			})
			require.Equal(t, status, a.signIn().Status, a.log)
			require.Equal(t, 1, a.op.Count(signontest.JWKS), "no reason to fetch keys again")
		})
	}
}

// AR-08 for tenants: the iss of the answer is the provider's, or one tenant's, which is
// then that of the ID token too.
func TestTenantOfTheAnswer(t *testing.T) {
	for _, tt := range []struct {
		name, iss string
		status    int
	}{
		{"none", "", 200},
		{"the provider's", tenantIssuer, 200},
		{"the tenant's", issuerOf(tenantA), 200},
		{"another tenant's, which may sign in", issuerOf(tenantB), 400},
		{"another tenant's", issuerOf("00000000-0000-0000-0000-000000000000"), 400},
		{"another provider's", "https://evil.test/" + tenantA + "/v2.0", 400},
		{"no tenant's", "https://provider.test/common/v2.0", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := tenantApp(t, appOptions{provider: func(p *signon.Provider) { p.Tenants = []string{tenantA, tenantB} }})
			a.answerFrom(tt.iss)
			require.Equal(t, tt.status, a.signIn().Status, a.log)
		})
	}
}

// A refreshed ID token is of the tenant that the first one was of.
func TestTenantOfARefresh(t *testing.T) {
	a := tenantApp(t, appOptions{owned: true, provider: func(p *signon.Provider) { p.Tenants, p.AnyTenant = nil, true }})
	require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
	before, _ := a.stored("alice").Extra("id_token").(string)
	a.expire("alice")
	token, err := a.client.Token(a.as("alice"))
	require.NoError(t, err)
	second, _ := token.Extra("id_token").(string)
	require.NotEqual(t, before, second)

	a.op.IDTokenClaims(func(c map[string]any) { c["iss"], c["tid"] = issuerOf(tenantB), tenantB })
	a.expire("alice")
	token, err = a.client.Token(a.as("alice"))
	require.NoError(t, err)
	require.Equal(t, second, token.Extra("id_token"), "the one of another tenant is dropped")
	require.Contains(t, a.log.String(), "iss is not that of the original token")
}

// Whoever signed in while their tenant was let in is out when it no longer is.
func TestTenantTakenOut(t *testing.T) {
	a := tenantApp(t, appOptions{})
	require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
	a.auth.Remove("op")
	p := a.op.SignonProvider("op")
	p.Tenants = []string{tenantB}
	client, err := a.auth.Register(p)
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/", client.RequireToken(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("let in") })))
	a.browser.Serve(appURL, mux)
	require.Equal(t, http.StatusSeeOther, a.browser.Get(appURL+"/").Status)
}

// A login that the provider begins says whose it is.
func TestTenantBeginsALogin(t *testing.T) {
	a := tenantApp(t, appOptions{})
	for iss, status := range map[string]int{
		issuerOf(tenantA): 303, tenantIssuer: 303, issuerOf("x"): 400, "https://evil.test": 400,
	} {
		page := a.browser.Get(appURL + "/auth/login/op?" + url.Values{"iss": {iss}}.Encode())
		require.Equal(t, status, page.Status, iss)
	}
}

func TestTenantsRefusedAtRegister(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*signon.Provider)
		field  string
	}{
		{"no tenants", func(p *signon.Provider) { p.Tenants = nil }, "Tenants"},
		{"empty tenants", func(p *signon.Provider) { p.Tenants = []string{} }, "Tenants"},
		{"tenants and any", func(p *signon.Provider) { p.AnyTenant = true }, "AnyTenant"},
		{"a domain", func(p *signon.Provider) { p.Tenants = []string{"contoso.onmicrosoft.com"} }, "Tenants"},
		{"common", func(p *signon.Provider) { p.Tenants = []string{"common"} }, "Tenants"},
		{"an empty one", func(p *signon.Provider) { p.Tenants = []string{tenantA, ""} }, "Tenants"},
		{"no MetadataURL", func(p *signon.Provider) { p.MetadataURL = "" }, "MetadataURL"},
		{"MetadataURL a template", func(p *signon.Provider) { p.MetadataURL = tenantIssuer + "/x" }, "MetadataURL"},
		{"twice", func(p *signon.Provider) { p.Issuer = "https://provider.test/{tenantid}/{tenantid}" }, "Issuer"},
		{"in the host", func(p *signon.Provider) { p.Issuer = "https://{tenantid}.provider.test/v2.0" }, "Issuer"},
		{"the host", func(p *signon.Provider) { p.Issuer = "https://{tenantid}/v2.0" }, "Issuer"},
		{"a part of a segment", func(p *signon.Provider) { p.Issuer = "https://provider.test/x{tenantid}/v2.0" }, "Issuer"},
		{"with something behind", func(p *signon.Provider) { p.Issuer = "https://provider.test/{tenantid}x" }, "Issuer"},
		{"another placeholder", func(p *signon.Provider) { p.Issuer = "https://provider.test/{tenant}/v2.0" }, "Issuer"},
		{"another case", func(p *signon.Provider) { p.Issuer = "https://provider.test/{tenantId}/v2.0" }, "Issuer"},
		{"without openid", func(p *signon.Provider) { p.Scopes = []string{"profile"} }, "openid"},
		{"tenants of one issuer", func(p *signon.Provider) { p.Issuer = issuerOf(tenantA) }, "Tenants"},
		{"any tenant of one issuer", func(p *signon.Provider) { p.Issuer, p.Tenants, p.AnyTenant = issuerOf(tenantA), nil, true }, "AnyTenant"},
		{"an assertion for nobody", func(p *signon.Provider) { p.ClientAuth = clientauth.SecretJWT{} }, "Audience"},
		{"too long", func(p *signon.Provider) {
			p.Issuer = "https://provider.test/" + strings.Repeat("x", sessionstore.MaxNameSize-40) + "/{tenantid}"
		}, "Issuer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			auth, err := signon.New(signon.Config{BaseURL: appURL})
			require.NoError(t, err)
			p := signon.Provider{
				Name: "op", Issuer: tenantIssuer, MetadataURL: "https://provider.test/common/v2.0/.well-known/openid-configuration",
				Tenants: []string{tenantA}, ClientID: "app", ClientSecret: "secret-of-app-0123456789abcdefgh", Scopes: []string{"openid"},
			}
			tt.change(&p)
			_, err = auth.Register(p)
			require.ErrorContains(t, err, tt.field)
		})
	}
}

// The name belongs to all tenants of the issuer, and one of them is another provider.
func TestTenantsAtRegister(t *testing.T) {
	a := tenantApp(t, appOptions{})
	p := a.op.SignonProvider("op2")
	_, err := a.auth.Register(p)
	require.ErrorContains(t, err, "Issuer and ClientID are those of")
	p.Issuer, p.Tenants = issuerOf(tenantA), nil
	_, err = a.auth.Register(p)
	require.NoError(t, err)
	a.auth.Remove("op")
	p.Name = "op"
	a.auth.Remove("op2")
	_, err = a.auth.Register(p)
	require.ErrorContains(t, err, "Name was that of")

	given := []string{strings.ToUpper(tenantA)}
	q := a.op.SignonProvider("op")
	q.Tenants = given
	_, err = a.auth.Register(q)
	require.NoError(t, err)
	require.Equal(t, strings.ToUpper(tenantA), given[0], "the caller's list is its own")
}
