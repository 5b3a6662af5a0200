package providers

import (
	"context"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// Facebook signs users in with Facebook, by OAuth 2.0, as its page "Manually Build a
// Login Flow" has it. Create an app at developers.facebook.com with the use case for
// Facebook Login, and enter the redirect URL under "Valid OAuth Redirect URIs". The app's
// id is the client id, and the app's secret is the client secret. Leave "Require App
// Secret" off, or join a hook that adds appsecret_proof to the userinfo and API requests.
//
// Scopes are "public_profile", name and picture, and "email".
//
// The Graph API is asked in version 24.0. Meta keeps a version for two years at least, and
// later answers as in the oldest that it still has.
//
// User access tokens live for as long as expires_in says, often two months, and there is no
// refresh token: the user signs in again. Facebook has no revocation endpoint; a
// DELETE to me/permissions in the API takes the app's permissions away. PKCE is documented
// for the code flow.
//
// The subject is the app-scoped user id, digits in a string: the same user has another one
// in each app. There may be no e-mail address, as Facebook gives one only if it holds it
// for valid; it never counts as verified, since the documentation says nothing of how.
func Facebook() signon.Provider {
	return signon.Provider{
		Name:       "facebook",
		ClientAuth: clientauth.Post{},
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://www.facebook.com/v24.0/dialog/oauth",
			TokenURL: "https://graph.facebook.com/v24.0/oauth/access_token",
		},
		UserInfoURL:  "https://graph.facebook.com/v24.0/me?fields=id,name,email,picture",
		APIBaseURL:   "https://graph.facebook.com/v24.0/",
		SubjectClaim: "id",
		Scopes:       []string{"public_profile", "email"},
		Hooks:        hooks.Hooks{Profile: facebookProfile},
	}
}

func facebookProfile(_ context.Context, p *hooks.Profile) error {
	user, err := factsOf(p)
	if err != nil {
		return err
	}
	p.EmailVerified = false
	p.Picture = user.text("picture", "data", "url")
	return nil
}
