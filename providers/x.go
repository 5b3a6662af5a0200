package providers

import (
	"context"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// X signs users in with X, once Twitter, by OAuth 2.0, as its page "OAuth 2.0
// Authorization Code Flow with PKCE" has it. In the developer console set up "User
// authentication settings" of an app as "Web App", a confidential client, with the
// redirect URL and with "Request email from users" on; the client id and secret of OAuth
// 2.0 are not the API key and secret.
//
// Scopes are "users.read" and "tweet.read", which the profile needs both, "users.email"
// and "offline.access", which brings a refresh token. For an app that may not ask for the
// e-mail address, take "users.email" out of Scopes and confirmed_email out of UserInfoURL.
//
// The profile is nested in data, which the preset mends.
//
// Access tokens live for two hours. A refresh token works once and is replaced when it is
// used. X has a revocation endpoint, and requires PKCE.
//
// The subject is the user's id, digits in a string, which stays when the username changes.
// The e-mail address is confirmed_email. Its name is all that X says about it, so it does
// not count as verified.
func X() signon.Provider {
	return signon.Provider{
		Name:       "x",
		ClientAuth: clientauth.Basic{},
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://x.com/i/oauth2/authorize",
			TokenURL: "https://api.x.com/2/oauth2/token",
		},
		UserInfoURL:   "https://api.x.com/2/users/me?user.fields=id,name,username,profile_image_url,confirmed_email",
		RevocationURL: "https://api.x.com/2/oauth2/revoke",
		APIBaseURL:    "https://api.x.com/2/",
		SubjectClaim:  "id",
		Scopes:        []string{"users.read", "tweet.read", "users.email", "offline.access"},
		Hooks:         hooks.Join(hooks.NestedProfile("data"), hooks.Hooks{Profile: xProfile}),
	}
}

func xProfile(_ context.Context, p *hooks.Profile) error {
	user, err := factsOf(p)
	if err != nil {
		return err
	}
	if p.Name = user.text("name"); p.Name == "" {
		p.Name = user.text("username")
	}
	p.Email, p.EmailVerified = user.text("confirmed_email"), false
	p.Picture = user.text("profile_image_url")
	return nil
}
