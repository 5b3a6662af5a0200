package providers

import (
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
)

// LINE signs users in with LINE Login v2.1, an OpenID Provider, as its pages "Integrating
// LINE Login with your web app" and "LINE Login v2.1 API reference" have it. Create a
// LINE Login channel of the type "Web app" in the LINE Developers Console: channel ID and
// channel secret are client id and secret. Enter the redirect URL as its "Callback URL".
//
// Scopes are "openid" and "profile", which gives name and picture. Add "email" once the
// channel has the permission for it, which is asked for in the console.
//
// LINE signs the ID tokens of web logins with HS256, keyed with the channel secret: who
// has the secret can make up users, so keep it as one keeps a signing key.
//
// Access tokens live for thirty days and come with a refresh token, which lives up to
// ninety. LINE's revocation takes access tokens only and names the parameter in its own
// way, so the preset has none. PKCE is supported.
//
// The subject is the user's id at the channel's provider: applications of one provider
// in the console see the same. LINE does not say that an e-mail address was verified.
func LINE() signon.Provider {
	return signon.Provider{
		Name:       "line",
		ClientAuth: clientauth.Post{},
		Issuer:     "https://access.line.me",
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://access.line.me/oauth2/v2.1/authorize",
			TokenURL: "https://api.line.me/oauth2/v2.1/token",
		},
		UserInfoURL: "https://api.line.me/oauth2/v2.1/userinfo",
		JWKSURL:     "https://api.line.me/oauth2/v2.1/certs",
		APIBaseURL:  "https://api.line.me/",
		Scopes:      []string{"openid", "profile"},
		SigningAlgs: []string{"HS256"},
	}
}
