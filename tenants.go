package signon

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed1a301047/signon/internal/oidc"
	"github.com/seed1a301047/signon/sessionstore"
)

// tenantIDSize is the length of a GUID, which is longer than what it takes the place of.
const tenantIDSize = 36

// manyTenants reports whether the issuer is a template: each user's is another.
func (p *Provider) manyTenants() bool { return strings.Contains(p.Issuer, oidc.Placeholder) }

// oneIssuer is the issuer, or "" where there are many. A client assertion is for one: the
// provider does not know a template as its name.
func (p *Provider) oneIssuer() string {
	if p.manyTenants() {
		return ""
	}
	return p.Issuer
}

// names reports whether an answer that names the issuer is of this provider: of itself, or
// of whichever of its tenants. Who may sign in is decided by the ID token.
func (p *Provider) names(issuer string) bool {
	_, ok := oidc.TenantOf(p.Issuer, issuer)
	return ok || issuer == p.Issuer
}

// issues reports whether an ID token of this provider may name the issuer.
func (p *Provider) issues(issuer string) bool {
	if !p.manyTenants() {
		return issuer == p.Issuer
	}
	tenant, ok := oidc.TenantOf(p.Issuer, issuer)
	return ok && (p.AnyTenant || slices.Contains(p.Tenants, tenant))
}

func (p *Provider) checkTenants(*Registry) error {
	if !strings.ContainsAny(p.Issuer, "{}") {
		if len(p.Tenants) > 0 || p.AnyTenant {
			return fmt.Errorf("field Tenants or AnyTenant is set, but Issuer %q is one issuer's; put %s in it where the tenant's id stands, or remove them", p.Issuer, oidc.Placeholder)
		}
		return nil
	}
	if err := p.checkTemplate(); err != nil {
		return err
	}
	switch {
	case p.AnyTenant && len(p.Tenants) > 0:
		return fmt.Errorf("fields Tenants and AnyTenant are both set; keep one: those that may sign in, or all of them")
	case !p.AnyTenant && len(p.Tenants) == 0:
		return fmt.Errorf("field Tenants is empty, so nobody could sign in; name the ids of the tenants whose users may, or set AnyTenant")
	}
	if p.AnyTenant {
		p.Tenants = nil // which lets each one in
	}
	for i, tenant := range p.Tenants {
		p.Tenants[i] = strings.ToLower(tenant)
		if !oidc.IsTenant(p.Tenants[i]) {
			return fmt.Errorf("field Tenants has %q; expected the id of a tenant, such as 8eaef023-2b34-4da1-9baa-8bc8c9d6a490, and not its domain", clip(tenant, 64))
		}
	}
	return nil
}

// checkTemplate is strict about where the id of a tenant may stand: it must not become a
// part of a host's name.
func (p *Provider) checkTemplate() error {
	const asHost = "https://" + oidc.Placeholder // between slashes too, but not in the path
	rest := strings.Replace(p.Issuer, "/"+oidc.Placeholder, "", 1)
	switch {
	case strings.ContainsAny(rest, "{}"), !strings.Contains(p.Issuer+"/", "/"+oidc.Placeholder+"/"), strings.HasPrefix(p.Issuer, asHost):
		return fmt.Errorf("field Issuer %q; expected %s as one whole segment of its path, once, where the tenant's id stands", p.Issuer, oidc.Placeholder)
	case p.MetadataURL == "" || strings.ContainsAny(p.MetadataURL, "{}"):
		return fmt.Errorf("MetadataURL %q; expected the URL of the metadata of all tenants, which cannot be derived from an Issuer with %s", p.MetadataURL, oidc.Placeholder)
	case !slices.Contains(p.Scopes, "openid"):
		return fmt.Errorf("field Issuer has %s, but Scopes lacks openid: only an ID token says whose tenant a user is of; add it", oidc.Placeholder)
	case len(p.Issuer)-len(oidc.Placeholder)+tenantIDSize > sessionstore.MaxNameSize:
		return fmt.Errorf("field Issuer is %d bytes long with a tenant's id in it, want at most %d", len(p.Issuer)-len(oidc.Placeholder)+tenantIDSize, sessionstore.MaxNameSize)
	}
	return nil
}
