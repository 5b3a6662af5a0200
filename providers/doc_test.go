package providers_test

import (
	"bytes"
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/providers"
)

func newRegistry(t *testing.T) *signon.Registry {
	t.Helper()
	auth, err := signon.New(signon.Config{BaseURL: appURL, Keys: [][]byte{[]byte("0123456789abcdef0123456789abcdef")}})
	require.NoError(t, err)
	return auth
}

func TestByName(t *testing.T) {
	log := &bytes.Buffer{}
	auth, err := signon.New(signon.Config{
		BaseURL: appURL, Keys: [][]byte{[]byte("0123456789abcdef0123456789abcdef")}, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	require.NoError(t, err)
	require.True(t, slices.IsSorted(providers.Names()))
	for _, name := range providers.Names() {
		p, ok := providers.ByName(name)
		require.True(t, ok, name)
		require.Equal(t, name, p.Name)
		require.Empty(t, p.ClientID)
		require.Empty(t, p.ClientSecret)
		p.ClientID, p.ClientSecret = appID, appSecret
		_, err := auth.Register(p)
		require.NoError(t, err, name)
		require.Empty(t, log.String(), "nothing to warn of")
	}
	_, ok := providers.ByName("microsoft")
	require.False(t, ok)
}

// TestByNameIsComplete reads the source, so that no preset without arguments can be
// forgotten in the list.
func TestByNameIsComplete(t *testing.T) {
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	count := 0
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() || f.Type.Params.NumFields() > 0 || f.Name.Name == "Names" {
				continue
			}
			if f.Name.Name == "MicrosoftAnyTenant" {
				continue // it shares its name with those that take arguments
			}
			count++
			_, ok = providers.ByName(strings.ToLower(f.Name.Name))
			require.True(t, ok, f.Name.Name)
		}
	}
	require.Len(t, providers.Names(), count)
}

// TestArguments: what cannot be right is refused with the name of the argument, and with
// a ClientAuth of one's own too.
func TestArguments(t *testing.T) {
	const guid = "775527ff-9a37-4307-8b3d-cc311f58d925"
	for name, c := range map[string]struct {
		provider signon.Provider
		says     string
	}{
		"no tenant":             {providers.Microsoft(""), "tenant"},
		"a domain for a tenant": {providers.Microsoft("contoso.onmicrosoft.com"), "contoso.onmicrosoft.com"},
		"common":                {providers.Microsoft("common"), "use MicrosoftAnyTenant"},
		"organizations":         {providers.Microsoft("Organizations"), "use MicrosoftTenants"},
		"consumers":             {providers.Microsoft("consumers"), "use 9188040d-6c67-4c5b-b112-36a304b66dad"},
		"common among some":     {providers.MicrosoftTenants(guid, "common"), "use MicrosoftAnyTenant"},
		"no tenants":            {providers.MicrosoftTenants(), "Tenants"},
		"an odd tenant":         {providers.MicrosoftTenants(guid, "contoso"), "contoso"},
		"B2C without a tenant":  {providers.MicrosoftB2C(providers.B2C{TenantID: guid, Policy: "p"}), "Tenant"},
		"B2C with a domain":     {providers.MicrosoftB2C(providers.B2C{Tenant: "a.example", TenantID: guid, Policy: "p"}), "a.example"},
		"B2C without its ID":    {providers.MicrosoftB2C(providers.B2C{Tenant: "contoso", Policy: "p"}), "TenantID"},
		"B2C without a policy":  {providers.MicrosoftB2C(providers.B2C{Tenant: "contoso", TenantID: guid}), "Policy"},
		"no base":               {providers.Keycloak("", "r"), "baseURL"},
		"a base without scheme": {providers.Keycloak("sso.example.com", "r"), "sso.example.com"},
		"a base with a query":   {providers.GitLabAt("https://gitlab.example.com?a=b"), "baseURL"},
		"no realm":              {providers.Keycloak("https://sso.example.com", ""), "realm"},
		"a realm with a slash":  {providers.Keycloak("https://sso.example.com", "a/b"), "realm"},
		"no domain":             {providers.Okta("", "default"), "domain"},
		"a domain with a path":  {providers.Okta("dev-1.okta.com/oauth2", ""), "domain"},
		"an odd server":         {providers.Okta("dev-1.okta.com", "a/b"), "authorization server"},
		"a domain without name": {providers.Auth0(".com"), "domain"},
		"an odd domain":         {providers.Auth0("example eu auth0 com"), "domain"},
		"no pool":               {providers.Cognito(""), "pool"},
		"a pool without region": {providers.Cognito("AbCdEf123"), "pool"},
		"a pool with a path":    {providers.Cognito("eu-west-1_a/b"), "pool"},
		"a region with a path":  {providers.Cognito("evil.example/_AbC"), "pool"},
		"no Salesforce domain":  {providers.Salesforce(""), "domain"},
		"a Salesforce path":     {providers.Salesforce("evil.com/login.salesforce.com"), "domain"},
		"no user agent":         {providers.Reddit(""), "user agent"},
		"two header fields":     {providers.Reddit("a\r\nb: c"), "user agent"},
	} {
		t.Run(name, func(t *testing.T) {
			p := c.provider
			p.ClientID, p.ClientSecret = appID, appSecret
			_, err := newRegistry(t).Register(p)
			require.ErrorContains(t, err, c.says) // which argument it is, is what the caller must see
			require.NotContains(t, err.Error(), "ClientAuth:")

			p.ClientAuth = clientauth.Post{}
			_, err = newRegistry(t).Register(p)
			require.Error(t, err)
		})
	}
}

func TestArgumentsThatFit(t *testing.T) {
	for want, p := range map[string]signon.Provider{
		"https://sso.example.com/auth/realms/my%20realm":                    providers.Keycloak("https://sso.example.com/auth/", "my realm"),
		"http://localhost:8080/realms/dev":                                  providers.Keycloak("http://localhost:8080", "dev"),
		"https://gitlab.example.com/git":                                    providers.GitLabAt("https://gitlab.example.com/git/"),
		"https://dev-1.okta.com":                                            providers.Okta("https://dev-1.okta.com/", ""),
		"https://dev-1.okta.com/oauth2/aus9o8wzkhckw9TLa0h7z":               providers.Okta("dev-1.okta.com", "aus9o8wzkhckw9TLa0h7z"),
		"https://login.example.com/":                                        providers.Auth0("login.example.com"),
		"https://cognito-idp.us-gov-west-1.amazonaws.com/us-gov-west-1_aB3": providers.Cognito("us-gov-west-1_aB3"),
		"https://login.microsoftonline.com/" + tenant + "/v2.0":             providers.Microsoft(strings.ToUpper(tenant)),
		"https://contoso.b2clogin.com/" + tenant + "/v2.0/": providers.MicrosoftB2C(providers.B2C{
			Tenant: "contoso", TenantID: strings.ToUpper(tenant), Policy: "B2C_1_signin", ClientID: appID,
		}),
		"https://login.salesforce.com":                      providers.Salesforce("https://login.salesforce.com/"),
		"https://login.microsoftonline.com/{tenantid}/v2.0": providers.MicrosoftTenants(tenant),
	} {
		require.Equal(t, want, p.Issuer)
		p.ClientID, p.ClientSecret = appID, appSecret
		_, err := newRegistry(t).Register(p)
		require.NoError(t, err, want)
	}
	require.Contains(t, providers.Microsoft(strings.ToUpper(tenant)).MetadataURL, "/"+tenant+"/")
	require.Contains(t, providers.MicrosoftTenants(tenant).MetadataURL, "/organizations/")
	require.Contains(t, providers.MicrosoftTenants(tenant, "9188040D-6C67-4C5B-B112-36A304B66DAD").MetadataURL, "/common/")
}

// What the caller does with its list afterwards changes nothing.
func TestMicrosoftTenantsCopies(t *testing.T) {
	tenants := []string{tenant}
	p := providers.MicrosoftTenants(tenants...)
	tenants[0] = personalTenant
	require.Equal(t, []string{tenant}, p.Tenants)
}

// CA-12: a secret that was forgotten makes no public client of a confidential one.
func TestForgottenSecret(t *testing.T) {
	all := []signon.Provider{
		providers.Keycloak("https://sso.example.com", "r"), providers.Okta("dev-1.okta.com", "default"), providers.Auth0("login.example.com"),
		providers.Cognito("eu-west-1_AbC"), providers.Microsoft(tenant), providers.MicrosoftTenants(tenant), providers.MicrosoftAnyTenant(),
		providers.MicrosoftB2C(providers.B2C{Tenant: "contoso", TenantID: tenant, Policy: "p"}), providers.GitLabAt("https://gitlab.example.com"),
		providers.Salesforce("login.salesforce.com"), providers.Reddit("web:com.example.app:v1"),
	}
	for _, name := range providers.Names() {
		p, _ := providers.ByName(name)
		all = append(all, p)
	}
	for _, p := range all {
		p.ClientID = appID
		_, err := newRegistry(t).Register(p)
		require.ErrorContains(t, err, "ClientSecret", p.Name)
	}
}

// FuzzArguments: whatever is given, no preset panics, and one that Register takes asks at
// the host that was given, and nowhere else.
func FuzzArguments(f *testing.F) {
	for _, seed := range []string{
		"", "dev-1.okta.com", "https://sso.example.com/auth/", "http://localhost:8080", "eu-west-1_AbC", tenant,
		"evil.com/login.salesforce.com", "login.salesforce.com.", ".a.b", "web:com.example.app:v1",
		"a@b.example", "b.example#c", "b.example?c", "b.example/../c", "b.example\\c", "[::1]", "b.example:0", "{tenantid}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, given string) {
		auth, count := newRegistry(t), 0
		for host, p := range map[string]signon.Provider{
			"to " + given:               providers.Okta(given, "default"),
			"at " + given:               providers.Auth0(given),
			"dev-1.okta.com":            providers.Okta("dev-1.okta.com", given),
			"sso.example.com":           providers.Keycloak("https://sso.example.com", given),
			"login.microsoftonline.com": providers.Microsoft(given),
			".amazonaws.com":            providers.Cognito(given),
			".b2clogin.com":             providers.MicrosoftB2C(providers.B2C{Tenant: given, TenantID: tenant, Policy: given, ClientID: appID}),
			"base " + given:             providers.GitLabAt(given),
			"sf " + given:               providers.Salesforce(given),
			"www.reddit.com":            providers.Reddit(given),
		} {
			count++
			p.Name, p.ClientID, p.ClientSecret = "p"+strconv.Itoa(count), appID, appSecret
			if _, err := auth.Register(p); err != nil {
				p.ClientAuth = clientauth.Post{} // no way to prove oneself makes the argument a better one
				_, err := auth.Register(p)
				require.Error(t, err)
				continue
			}
			u, err := url.Parse(cmp.Or(p.Issuer, p.Endpoint.AuthURL))
			require.NoError(t, err)
			require.NotEmpty(t, u.Hostname())
			require.Nil(t, u.User)
			require.Empty(t, u.RawQuery+u.Fragment)
			switch {
			case strings.HasPrefix(host, "."):
				require.True(t, strings.HasSuffix(u.Host, host), u.Host)
			case strings.HasPrefix(host, "base "):
				require.Contains(t, given, u.Host)
			default:
				require.Contains(t, host, u.Host)
			}
		}
	})
}
