package providers

import (
	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
)

// Salesforce signs users in with Salesforce, an OpenID Provider, as its pages "OAuth 2.0
// Web Server Flow for Web App Integration", "Query for the OpenID Connect Configuration"
// and "Query for User Information" have it. Create an external client app, or a connected
// app, with OAuth enabled and the redirect URL as its "Callback URL": consumer key and
// consumer secret are client id and secret. Select there the scopes that are asked for.
//
// The domain is the organisation's My Domain, such as "example.my.salesforce.com" or, of
// a sandbox, "example--test.sandbox.my.salesforce.com". Only its users sign in then. The
// domains "login.salesforce.com" and "test.salesforce.com" let in those of every
// organisation, which the member organization_id of the userinfo tells apart; the API is
// then at the instance_url of the token response, an extra of the token, so that
// APIBaseURL is left empty.
//
// Scopes are "openid", "profile" and "email". Add "refresh_token" to get a refresh token,
// and "api" for the REST API, below services/data/ of the domain.
//
// The ID token may hold the subject alone, so each login fetches the userinfo. A token
// response has no expires_in: the life of a token is the organisation's session timeout.
// So it is used until the API answers 401, and is refreshed then. PKCE is supported, and
// so is revocation.
//
// The subject is the user's identity URL. The e-mail address counts as verified where
// email_verified is true.
func Salesforce(domain string) signon.Provider {
	p := signon.Provider{
		Name:          "salesforce",
		ClientAuth:    clientauth.Post{},
		Scopes:        []string{"openid", "profile", "email"},
		FetchUserInfo: true,
	}
	host, ok := hostOf(domain)
	if !ok {
		return refused(p, refuse("Salesforce", "domain", domain, `a host such as "example.my.salesforce.com"`))
	}
	p.Issuer = "https://" + host
	if host != "login.salesforce.com" && host != "test.salesforce.com" {
		p.APIBaseURL = p.Issuer + "/"
	}
	return p
}
