package providers

import (
	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
)

// Google returns the settings for Google accounts, by OpenID Connect ("OpenID Connect" and
// "Using OAuth 2.0 for Web Server Applications" in Google's documentation).
//
// Register: at console.cloud.google.com, "Google Auth Platform", "Clients", a client of the
// type "Web application", with the redirect URL of this provider to the letter.
//
// Scopes: openid for the subject, email for the address, profile for name and picture. Each
// Google API has scopes of its own, as URLs; add them to Scopes.
//
// Subject: sub, up to 255 characters, never reused. An address may move to another account.
// For the accounts of one company, set AuthorizeParams "hd" to its domain and compare the
// claim hd of login.Claims in Config.OnLogin: the parameter alone binds nobody.
//
// E-mail: email_verified is a boolean. For an address outside of gmail.com without the
// claim hd, Google has seen the user read its mail once, when the account was made.
//
// Refresh: only if asked for, with AuthorizeParams "access_type" "offline"; and then at the
// first consent only, unless "prompt" "consent" asks for that again. An answer to a refresh
// has no new refresh token. Tokens live for an hour.
//
// APIBaseURL is https://www.googleapis.com/. Some Google APIs are on a host of their own:
// set it to that.
func Google() signon.Provider {
	return signon.Provider{
		Name:       "google",
		Issuer:     "https://accounts.google.com",
		ClientAuth: clientauth.Basic{}, // a web application has a secret; a forgotten one shows at the start
		Scopes:     []string{"openid", "email", "profile"},
		APIBaseURL: "https://www.googleapis.com/",
	}
}
