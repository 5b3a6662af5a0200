package providers

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// Keycloak returns the settings for a realm of a Keycloak server at baseURL, such as
// "https://sso.example.com", by OpenID Connect ("Server Administration Guide" and "Securing
// applications and services with OpenID Connect" in Keycloak's documentation). Before
// version 17 baseURL ends in "/auth", as it does later where the server has that relative
// path.
//
// Register: in the realm, "Clients", a client of the type OpenID Connect with "Client
// authentication" on, "Standard flow", and the redirect URL. ClientSecret stands under
// "Credentials", where "Client Id and Secret" is the default. For a client with "Client
// authentication" off, which is public, set ClientAuth to clientauth.None{}.
//
// Scopes: openid for the subject, profile for the name, email for the address.
// offline_access brings a refresh token that outlives the user's session at Keycloak.
//
// Subject: sub, the user's ID. E-mail: email_verified is a boolean, which administrators
// and identity providers with "Trust Email" set too. Picture: if the realm maps an
// attribute to it.
//
// Refresh: tokens live for five minutes by default, and come with a refresh token.
// Revocation, introspection and PKCE are supported. APIBaseURL is the realm's own OpenID
// Connect endpoints, such as "userinfo": set it to your API.
func Keycloak(baseURL, realm string) signon.Provider {
	base, ok := baseOf(baseURL)
	issuer := base + "/realms/" + url.PathEscape(realm)
	p := signon.Provider{
		Name:       "keycloak",
		Issuer:     issuer,
		ClientAuth: clientauth.Basic{},
		Scopes:     []string{"openid", "profile", "email"},
		APIBaseURL: issuer + "/protocol/openid-connect/",
	}
	switch {
	case !ok:
		return refused(p, refuse("Keycloak", "baseURL", baseURL, "the address of Keycloak, such as https://sso.example.com"))
	case realm == "" || strings.ContainsAny(realm, "/?#"):
		return refused(p, refuse("Keycloak", "realm", realm, "the realm's name, without a slash"))
	}
	return p
}

// Okta returns the settings for an Okta organization, by OpenID Connect ("OpenID Connect &
// OAuth 2.0 API" and "Authorization servers" in Okta's documentation). The domain is that
// of the organization, such as "dev-1234.okta.com", or a custom one. The authorization
// server is the ID of a custom one, often "default", or "" for the organization's own,
// whose tokens are good for Okta's APIs only.
//
// Register: in the Admin Console, "Applications", an app integration "OIDC - OpenID
// Connect", "Web Application", with the redirect URL. Okta's default is client_secret_basic.
// For an integration without a secret set ClientAuth to clientauth.None{}.
//
// Scopes: openid for the subject, profile for the name, email for the address,
// offline_access for refresh tokens, which the integration must permit.
//
// Bent: an ID token that comes with an access token is thin, and may have an address
// without email_verified; so each login fetches the userinfo too, and believes what that
// says of the same address.
//
// Subject: sub, the user's ID. E-mail: email_verified is a boolean: whether Okta, or
// whoever made the user, takes the primary address for verified.
//
// Revocation, introspection and PKCE are supported. APIBaseURL is the authorization
// server's own endpoints, such as "userinfo": set it to your API.
func Okta(domain, authorizationServer string) signon.Provider {
	host, ok := hostOf(domain)
	issuer, endpoints := "https://"+host, "https://"+host+"/oauth2/v1/"
	if authorizationServer != "" {
		issuer += "/oauth2/" + authorizationServer
		endpoints = issuer + "/v1/"
	}
	p := signon.Provider{
		Name:          "okta",
		Issuer:        issuer,
		ClientAuth:    clientauth.Basic{},
		Scopes:        []string{"openid", "profile", "email"},
		FetchUserInfo: true,
		APIBaseURL:    endpoints,
		Hooks:         hooks.Hooks{Profile: oktaProfile},
	}
	switch {
	case !ok:
		return refused(p, refuse("Okta", "domain", domain, "that of the organization, such as dev-1234.okta.com"))
	case authorizationServer != "" && !isWord(authorizationServer, "-_"):
		return refused(p, refuse("Okta", "authorization server", authorizationServer, `its ID, such as "default", or "" for the organization's own`))
	}
	return p
}

func oktaProfile(_ context.Context, p *hooks.Profile) error {
	var thin, full struct {
		Email    string `json:"email"`
		Verified any    `json:"email_verified"`
	}
	if err := errors.Join(p.DecodeClaims(&thin), p.DecodeUserInfo(&full)); err != nil {
		return err
	}
	if thin.Verified == nil && thin.Email == full.Email {
		p.EmailVerified = full.Verified == true
	}
	return nil
}

// Auth0 returns the settings for an Auth0 tenant, by OpenID Connect ("Authentication API"
// and "OpenID Connect Scopes" in Auth0's documentation). The domain is the tenant's, such
// as "example.eu.auth0.com", or a custom one.
//
// Register: in the dashboard, "Applications", a "Regular Web Application", with the
// redirect URL under "Allowed Callback URLs". It proves itself by client_secret_post, as a
// new one does; set ClientAuth where its "Credentials" say otherwise.
//
// Scopes: openid for the subject, profile for name and picture, email for the address,
// offline_access for refresh tokens. A token for an API wants AuthorizeParams "audience"
// too, the API's identifier.
//
// Subject: sub, with the connection in front of it: "auth0|5f7c8ec7c33c6c004bbafe82". One
// person is another user at each connection until Auth0 links them.
//
// E-mail: email_verified is a boolean. It says what the connection says: a connection of
// your own making is as good as what stands behind it.
//
// Revocation, of refresh tokens, and PKCE are supported. APIBaseURL is the tenant itself,
// with "userinfo": set it to your API.
func Auth0(domain string) signon.Provider {
	host, ok := hostOf(domain)
	p := signon.Provider{
		Name:       "auth0",
		Issuer:     "https://" + host + "/", // the slash is part of it
		ClientAuth: clientauth.Post{},
		Scopes:     []string{"openid", "profile", "email"},
		APIBaseURL: "https://" + host + "/",
	}
	if !ok {
		return refused(p, refuse("Auth0", "domain", domain, "that of the tenant, such as example.eu.auth0.com"))
	}
	return p
}

// Cognito returns the settings for a user pool of Amazon Cognito, by OpenID Connect ("User
// pool endpoints and managed login reference" and "Using user pool tokens" in Amazon's
// documentation). The pool's ID, such as "eu-west-1_AbCdEf123", has the region in it. The
// pool needs a domain. Where its issuer type is "Updated", set Issuer to
// https://issuer-cognito-idp.{region}.amazonaws.com/{pool ID}.
//
// Register: in the pool, "App clients", a "Traditional web application" with a secret, the
// redirect URL, the grant "Authorization code" and the scopes below. The secret goes by HTTP
// Basic, as "The token issuer endpoint" has it. For an app client without one set
// ClientAuth to clientauth.None{}.
//
// Scopes: openid for the subject, email for the address, profile for name and picture. The
// client must be allowed to read the attributes.
//
// Subject: sub, a UUID. E-mail: email_verified is a boolean in the ID token. It is a string
// in the userinfo, which is not asked.
//
// Refresh: a login brings a refresh token, for thirty days by default, and each refresh
// keeps it unless the client rotates. Revocation and PKCE are supported. There is no
// APIBaseURL: the endpoints are on the pool's domain. Set it to your API.
func Cognito(userPoolID string) signon.Provider {
	region, rest, ok := strings.Cut(userPoolID, "_")
	p := signon.Provider{
		Name:       "cognito",
		Issuer:     "https://cognito-idp." + region + ".amazonaws.com/" + userPoolID,
		ClientAuth: clientauth.Basic{},
		Scopes:     []string{"openid", "email", "profile"},
	}
	if !ok || !isWord(region, "-") || !isWord(rest, "") {
		return refused(p, refuse("Cognito", "user pool ID", userPoolID, "its region, an underscore and letters or digits, such as eu-west-1_AbCdEf123"))
	}
	return p
}
