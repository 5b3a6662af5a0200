package providers

import (
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
)

// ORCID signs researchers in with their ORCID iD, at an OpenID Provider, as its pages
// "Get Authenticated iDs", "ORCID and OpenID Connect" and "Revoke an access token" have
// it. Register for the public API under "Developer tools" of an ORCID record, or for the
// member API, with the redirect URL among the "Redirect URIs".
//
// Scopes is "openid", the iD and the name, if that is public. "/read-public",
// "/read-limited" and others are for the API.
//
// The endpoints are given, not discovered, and no userinfo is fetched: the ID token has
// the name. It is ORCID's public API that APIBaseURL names; members set it to
// "https://api.orcid.org/v3.0/". That API wants a field Accept, such as
// "application/json", in each request.
//
// An access token lives for twenty years, of which Signon believes ten, and comes with a
// refresh token. It can be revoked. ORCID does not document PKCE; the client secret still protects the code.
//
// The subject is the iD, such as "0000-0002-1825-0097". There is no e-mail address and no
// picture.
func ORCID() signon.Provider {
	return signon.Provider{
		Name:       "orcid",
		ClientAuth: clientauth.Post{},
		Issuer:     "https://orcid.org",
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://orcid.org/oauth/authorize",
			TokenURL: "https://orcid.org/oauth/token",
		},
		UserInfoURL:   "https://orcid.org/oauth/userinfo",
		JWKSURL:       "https://orcid.org/oauth/jwks",
		RevocationURL: "https://orcid.org/oauth/revoke",
		APIBaseURL:    "https://pub.orcid.org/v3.0/",
		Scopes:        []string{"openid"},
	}
}
