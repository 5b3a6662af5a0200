package providers

import (
	"context"
	"slices"
	"strings"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

const (
	microsoft = "https://login.microsoftonline.com/"

	// personal is the tenant of all personal accounts, "ID token claims reference".
	personal = "9188040d-6c67-4c5b-b112-36a304b66dad"
)

// Microsoft returns the settings for the users of one Microsoft Entra tenant, by OpenID
// Connect ("OpenID Connect on the Microsoft identity platform" and "ID token claims
// reference" in Microsoft's documentation). The tenant is its ID, a GUID: not a domain,
// since the issuer names the tenant by its ID, in small letters, in which the preset writes
// it; and not "common", for which see [MicrosoftTenants] and [MicrosoftAnyTenant].
//
// Register: at entra.microsoft.com, "App registrations", an application with the platform
// "Web" and the redirect URL, and a secret under "Certificates & secrets". ClientID is the
// "Application (client) ID", ClientSecret the secret's value, not its ID.
//
// Scopes: openid for the subject, profile for the name, email for the address. Add
// offline_access for refresh tokens, and "User.Read" for the user's own entry in Microsoft
// Graph, which APIBaseURL is.
//
// Subject: sub, which is another one for each application. The claim oid of login.Claims is
// the same in all applications of a tenant.
//
// E-mail: what the tenant's administrators write, whoever the address belongs to; never
// identify anybody by it. EmailVerified is true only where the optional claim xms_edov is
// there and true ("Optional claims reference"): then the tenant has proved that it owns the
// domain. A claim email_verified, which a tenant can make by itself, is not believed.
//
// Picture: in Microsoft Graph only.
func Microsoft(tenant string) signon.Provider {
	id := strings.ToLower(tenant)
	p := entra(id, id)
	if !isGUID(tenant) {
		return refused(p, refuseTenant("Microsoft", tenant))
	}
	return p
}

// refuseTenant says of the names that stand for many tenants which preset is theirs.
func refuseTenant(preset, tenant string) clientauth.Method {
	want := "the tenant's ID, such as 8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
	switch strings.ToLower(tenant) {
	case "common":
		want += "; for all tenants and personal accounts use MicrosoftAnyTenant, and for some MicrosoftTenants with their IDs"
	case "organizations":
		want += "; for some tenants use MicrosoftTenants with their IDs, and for all MicrosoftAnyTenant"
	case "consumers":
		want += "; for personal accounts use " + personal
	}
	return refuse(preset, "tenant", tenant, want)
}

// MicrosoftTenants is [Microsoft] for the users of some tenants, given by their IDs: the
// issuer of an ID token must be the one of its tid, and that one of the tenants. Register
// refuses an empty list.
//
// The tenant 9188040d-6c67-4c5b-b112-36a304b66dad is that of all personal accounts. Without
// it, Microsoft offers work and school accounts only.
//
// Login.Issuer is the issuer of the tenant; only with it does Login.Subject name a user.
func MicrosoftTenants(tenants ...string) signon.Provider {
	authority := "organizations"
	if slices.ContainsFunc(tenants, func(t string) bool { return strings.EqualFold(t, personal) }) {
		authority = "common"
	}
	p := entra("{tenantid}", authority)
	p.Tenants = slices.Clone(tenants)
	for _, tenant := range tenants {
		if !isGUID(tenant) {
			return refused(p, refuseTenant("MicrosoftTenants", tenant))
		}
	}
	return p
}

// MicrosoftAnyTenant is [MicrosoftTenants] for the users of every tenant and for personal
// accounts: an application that is made for all of them, and keeps their data apart by
// Login.Issuer. Anybody can make a tenant, and call its users as he likes.
func MicrosoftAnyTenant() signon.Provider {
	p := entra("{tenantid}", "common")
	p.AnyTenant = true
	return p
}

// entra has the metadata of an authority, which is not at the issuer's well-known URL where
// that is one of many.
func entra(tenant, authority string) signon.Provider {
	return signon.Provider{
		Name:        "microsoft",
		Issuer:      microsoft + tenant + "/v2.0",
		MetadataURL: microsoft + authority + "/v2.0/.well-known/openid-configuration",
		ClientAuth:  clientauth.Post{},
		Scopes:      []string{"openid", "profile", "email"},
		APIBaseURL:  "https://graph.microsoft.com/v1.0/",
		Hooks:       hooks.Hooks{Profile: entraProfile},
	}
}

func entraProfile(_ context.Context, p *hooks.Profile) error {
	var claims struct {
		DomainOwnerVerified any `json:"xms_edov"`
	}
	if err := p.DecodeClaims(&claims); err != nil {
		return err
	}
	p.EmailVerified = claims.DomainOwnerVerified == true
	return nil
}

// A B2C names an application and a user flow of an Azure AD B2C tenant.
type B2C struct {
	Tenant   string // the first label of the tenant's domain: "contoso" of contoso.onmicrosoft.com
	TenantID string // its ID, a GUID, which the issuer has
	Policy   string // the user flow or custom policy, such as "B2C_1_signin"
	ClientID string // the application's, which is also the scope of its access token
}

// MicrosoftB2C returns the settings for a user flow of Azure AD B2C, by OpenID Connect
// ("Web sign-in with OpenID Connect in Azure Active Directory B2C" and "Overview of tokens
// in Azure Active Directory B2C" in Microsoft's documentation), the ClientID with them.
// Microsoft has sold it to no new customers since May 2025.
//
// Register: in the B2C tenant, "App registrations", as for [Microsoft]; and in the user
// flow choose the application claims that the token shall have: "Display Name" is the name,
// "Email Addresses" the addresses. The issuer is expected as "Issuer (iss) claim" has it by
// default, without the policy in it: https://contoso.b2clogin.com/{tenant ID}/v2.0/.
//
// Scopes: openid for the subject, offline_access for refresh tokens, and the client ID for
// an access token, which B2C issues only where a scope beside those two is asked for. Bent:
// it wants offline_access in the token request too, which the preset sends. For the scope
// of an API of yours, change Scopes and Hooks.TokenRequest alike.
//
// Subject: sub, the user's object ID. E-mail: the first of the claim emails, or email of a
// custom policy; how far it is verified is the policy's matter and in no claim, so it
// counts as unverified. There is no userinfo, no picture, and no APIBaseURL: set that of
// your own API.
func MicrosoftB2C(flow B2C) signon.Provider {
	base := "https://" + flow.Tenant + ".b2clogin.com/"
	scopes := []string{"openid", "offline_access", flow.ClientID}
	p := signon.Provider{
		Name:        "microsoft-b2c",
		ClientID:    flow.ClientID,
		Issuer:      base + strings.ToLower(flow.TenantID) + "/v2.0/",
		MetadataURL: base + flow.Tenant + ".onmicrosoft.com/" + flow.Policy + "/v2.0/.well-known/openid-configuration",
		ClientAuth:  clientauth.Post{},
		Scopes:      scopes,
		Hooks:       hooks.Hooks{TokenRequest: sendScope(strings.Join(scopes, " ")), Profile: b2cProfile},
	}
	switch {
	case !isWord(flow.Tenant, "-"):
		return refused(p, refuse("MicrosoftB2C", "Tenant", flow.Tenant, "the part of its domain before .onmicrosoft.com"))
	case !isGUID(flow.TenantID):
		return refused(p, refuse("MicrosoftB2C", "TenantID", flow.TenantID, "the tenant's ID, such as 8eaef023-2b34-4da1-9baa-8bc8c9d6a490"))
	case !isWord(flow.Policy, "-_"):
		return refused(p, refuse("MicrosoftB2C", "Policy", flow.Policy, "the name of a user flow, such as B2C_1_signin"))
	}
	return p
}

// sendScope repeats the scope of the authorization request, which RFC 6749 section 4.1.3
// has not in the token request.
func sendScope(scope string) func(context.Context, *hooks.Request) error {
	return func(_ context.Context, r *hooks.Request) error {
		r.Params.Set("scope", scope)
		return nil
	}
}

func b2cProfile(_ context.Context, p *hooks.Profile) error {
	var claims struct {
		Emails []string `json:"emails"`
	}
	if err := p.DecodeClaims(&claims); err != nil {
		return err
	}
	if p.Email == "" && len(claims.Emails) > 0 {
		p.Email = claims.Emails[0]
	}
	p.EmailVerified = false
	return nil
}
