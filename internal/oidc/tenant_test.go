package oidc_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/jose"
	"github.com/seed1a301047/signon/internal/oidc"
)

const (
	template = "https://login.example.com/{tenantid}/v2.0"
	tenant   = "9188040d-6c67-4c5b-b112-36a304b66dad"
	tenant2  = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
	ofTenant = "https://login.example.com/" + tenant + "/v2.0"
)

func TestTenantOf(t *testing.T) {
	for _, test := range []struct{ name, template, issuer, want string }{
		{"of a tenant", template, ofTenant, tenant},
		{"at the end", "https://login.example.com/{tenantid}", "https://login.example.com/" + tenant, tenant},
		{"no template", ofTenant, ofTenant, ""},
		{"the template itself", template, template, ""},
		{"another host", template, "https://login.example.org/" + tenant + "/v2.0", ""},
		{"another path", template, ofTenant + "/", ""},
		{"http", template, strings.Replace(ofTenant, "https", "http", 1), ""},
		{"two segments", template, "https://login.example.com/a/" + tenant + "/v2.0", ""},
		{"upper case", template, "https://login.example.com/" + strings.ToUpper(tenant) + "/v2.0", ""},
		{"a name", template, "https://login.example.com/common/v2.0", ""},
		{"no tenant", template, "https://login.example.com//v2.0", ""},
		{"overlapping", "https://login.example.com/{tenantid}/", "https://login.example.com/", ""},
		{"no dash", template, "https://login.example.com/" + strings.Replace(tenant, "-", "0", 1) + "/v2.0", ""},
		{"not hexadecimal", template, "https://login.example.com/" + strings.Replace(tenant, "d", "g", 1) + "/v2.0", ""},
		{"empty", template, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := oidc.TenantOf(test.template, test.issuer)
			require.Equal(t, test.want != "", ok)
			if ok {
				require.Equal(t, test.want, got)
			}
		})
	}
}

// ID-26: the token's issuer is that of its tid, and the tenant one of those let in.
func TestTenants(t *testing.T) {
	op, other := newProvider(t, "EdDSA"), newProvider(t, "EdDSA")
	right := op.claims().with("iss", ofTenant).with("tid", tenant)
	for _, test := range []struct {
		name     string
		raw      string
		tenants  []string
		ok       bool
		verdict  error
		silentOn error
	}{
		{name: "any", raw: op.sign(t, right), ok: true},
		{name: "one of them", raw: op.sign(t, right), tenants: []string{tenant2, tenant}, ok: true},
		{name: "none of them", raw: op.sign(t, right), tenants: []string{tenant2}, verdict: oidc.ErrTenant},
		{name: "none at all", raw: op.sign(t, right), tenants: []string{}, verdict: oidc.ErrTenant},
		{name: "none of them, signed by another", raw: other.sign(t, right), tenants: []string{tenant2}, verdict: jose.ErrSignature, silentOn: oidc.ErrTenant},
		{name: "iss of one, tid of another", raw: op.sign(t, right.with("tid", tenant2)), tenants: []string{tenant, tenant2}},
		{name: "tid in upper case", raw: op.sign(t, right.with("tid", strings.ToUpper(tenant)).with("iss", strings.Replace(ofTenant, tenant, strings.ToUpper(tenant), 1)))},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := op.expect()
			e.Issuer, e.TenantIssuer, e.Tenants = template, true, test.tenants
			token, err := oidc.VerifyIDToken(t.Context(), test.raw, op, e)
			if test.ok {
				require.NoError(t, err)
				require.Equal(t, ofTenant, token.Issuer)
				return
			}
			require.ErrorIs(t, err, oidc.ErrIDToken)
			if test.verdict != nil {
				require.ErrorIs(t, err, test.verdict)
			}
			if test.silentOn != nil {
				require.NotErrorIs(t, err, test.silentOn)
			}
		})
	}
}

// ID-26: a key that the set gives to one issuer signs for no other, though all are in
// one set. Elsewhere a member of that name means nothing.
func TestKeysOfOneTenant(t *testing.T) {
	op, other := newProvider(t, "EdDSA"), newProvider(t, "EdDSA")
	with := func(key, issuer string) string { return key[:len(key)-1] + `,"issuer":` + issuer + `}` }
	key := func(issuer string) string { return with(publicJWK(t, op.signer, "k1", "EdDSA"), issuer) }
	for _, test := range []struct {
		name   string
		set    []string
		single bool // the provider is of one issuer
		ok     bool
	}{
		{"without one", []string{publicJWK(t, op.signer, "k1", "EdDSA")}, false, true},
		{"the template", []string{key(`"` + template + `"`)}, false, true},
		{"the tenant's", []string{key(`"` + ofTenant + `"`)}, false, true},
		{"another tenant's", []string{key(`"https://login.example.com/` + tenant2 + `/v2.0"`)}, false, false},
		{"another template", []string{key(`"https://login.example.us/{tenantid}/v2.0"`)}, false, false},
		{"empty", []string{key(`""`)}, false, false},
		{"null", []string{key(`null`)}, false, false},
		{"a number", []string{key(`5`)}, false, false},
		{"beside another tenant's of that name", []string{with(publicJWK(t, other.signer, "k1", "EdDSA"), `"https://login.example.com/`+tenant2+`/v2.0"`), key(`"` + template + `"`)}, false, true},
		{"of one issuer, another's", []string{key(`"https://elsewhere.example"`)}, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			op.set = keySet(t, test.set...)
			op.refreshes.Store(0)
			e := op.expect()
			e.Issuer, e.TenantIssuer = template, true
			if test.single {
				e.Issuer, e.TenantIssuer = ofTenant, false
			}
			requireVerdict(t, op.sign(t, op.claims().with("iss", ofTenant).with("tid", tenant)), op, e, test.ok)
			require.Zero(t, op.refreshes.Load(), "a key of another tenant is no reason to fetch keys")
		})
	}
}

// UI-02: the userinfo of a provider of many tenants is of the login's own.
func TestTenantUserInfo(t *testing.T) {
	op := newProvider(t, "EdDSA")
	key := publicJWK(t, op.signer, "k1", "EdDSA")
	op.set = keySet(t, key[:len(key)-1]+`,"issuer":"`+ofTenant+`"}`)
	right := claims{"sub": subject, "iss": ofTenant, "aud": clientID, "tid": tenant}
	of2 := strings.Replace(ofTenant, tenant, tenant2, 1)
	for _, test := range []struct {
		name   string
		claims claims
		issuer string // of the ID token; "": there is none
		ok     bool
	}{
		{"right", right, ofTenant, true},
		{"without a tid", right.with("tid", nothing), ofTenant, true},
		{"without an iss", right.with("iss", nothing), ofTenant, true},
		{"of another tenant", right.with("iss", of2).with("tid", tenant2), ofTenant, false},
		{"of another tenant, by its own word", right, of2, false},
		{"by a key of another tenant", right.with("iss", nothing), of2, false},
		{"the template", right.with("iss", template), ofTenant, false},
		{"without an ID token", right, "", true},
		{"without an ID token, no iss", right.with("iss", nothing), "", false},
		{"without an ID token, no tid", right.with("tid", nothing), "", true},
		{"without an ID token, another tid", right.with("tid", tenant2), "", false},
		{"without an ID token, the template", right.with("tid", nothing).with("iss", template), "", false},
		{"without an ID token, no tid, not let in", right.with("tid", nothing).with("iss", of2), "", false},
		{"without an ID token, not let in", right.with("iss", of2).with("tid", tenant2), "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := op.expect()
			e.Issuer, e.TenantIssuer, e.Tenants = template, true, []string{tenant}
			o := oidc.UserInfoOptions{Subject: subject, Issuer: test.issuer}
			_, err := oidc.VerifyUserInfoJWT(t.Context(), op.sign(t, test.claims), op, e, o)
			if test.ok {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, oidc.ErrUserInfo)
		})
	}

	// Where the keys name no issuer, it is the response that must.
	op.set = keySet(t, key)
	e := op.expect()
	e.Issuer, e.TenantIssuer = template, true
	_, err := oidc.VerifyUserInfoJWT(t.Context(), op.sign(t, right.with("iss", nothing)), op, e, oidc.UserInfoOptions{Subject: subject})
	require.ErrorIs(t, err, oidc.ErrUserInfo)
}
