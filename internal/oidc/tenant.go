package oidc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Placeholder stands, in the issuer of a provider of many tenants, for the id of one.
const Placeholder = "{tenantid}"

// ErrTenant is wrapped, with [ErrIDToken], where the token is right, but of a tenant
// whose users are not let in.
var ErrTenant = errors.New("the tenant is not one of those that may sign in")

// TenantOf returns the tenant whose issuer it is, by a template with [Placeholder] in
// it: all but the tenant's id must be the template's, to the letter.
func TenantOf(template, issuer string) (tenant string, ok bool) {
	before, after, ok := strings.Cut(template, Placeholder)
	if !ok {
		return "", false
	}
	rest, okBefore := strings.CutPrefix(issuer, before)
	tenant, okAfter := strings.CutSuffix(rest, after)
	return tenant, okBefore && okAfter && IsTenant(tenant)
}

// IsTenant reports whether s is the id of a tenant: a GUID, with its letters in lower
// case, as Microsoft writes them. The issuer is a part of who a user is, and must not
// have two spellings.
func IsTenant(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}

// checkTenant comes after the signature, for its verdict is about the user.
func (t *IDToken) checkTenant(e *Expect) error {
	if !e.TenantIssuer || e.Tenants == nil || slices.Contains(e.Tenants, t.tid) {
		return nil
	}
	return fmt.Errorf("%w: tid is %q", ErrTenant, t.tid)
}

// signsFor says which keys may sign for an issuer, where one key set is that of many
// tenants: those with a member "issuer" that is this issuer, or a template of it, and
// those without one.
func (e *Expect) signsFor(issuer string) func(keyIssuer string) bool {
	return func(keyIssuer string) bool {
		if !e.TenantIssuer || keyIssuer == "" || keyIssuer == issuer {
			return true
		}
		_, ok := TenantOf(keyIssuer, issuer)
		return ok
	}
}
