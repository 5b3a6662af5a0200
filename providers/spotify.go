package providers

import (
	"context"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// Spotify signs users in with Spotify, by OAuth 2.0, as its pages "Authorization Code
// Flow" and "Get Current User's Profile" have it. Create an app in the developer
// dashboard with the redirect URL, which is https, or http://127.0.0.1 with a port in
// development: "localhost" is refused, so Config.BaseURL must then say 127.0.0.1 too. While
// an app is in development mode, only users entered in the dashboard can sign in.
//
// Scopes is "user-read-email". "user-read-private" adds country and subscription; many
// others are for the API.
//
// Access tokens live for an hour and come with a refresh token; a refresh may answer
// without a new one, and the old one then stays. Spotify has no revocation endpoint. It
// documents PKCE for clients without a secret ("Authorization Code with PKCE Flow"), and
// says nothing of it for those with one; Signon sends it all the same.
//
// The subject is account_id, which stays the same for the life of the account. The id of
// the profile is that of the user's URI, and Spotify asks not to link accounts by it
// ("Spotify URIs and IDs"): an application that has stored ids has to read both, once,
// from the userinfo. Of a profile without account_id nobody is signed in, rather than
// somebody by the id.
//
// The e-mail address never counts as verified: the documentation says that it is not, and
// that there is no proof that it belongs to the user. It marks the member as deprecated,
// too, so do not count on it.
func Spotify() signon.Provider {
	return signon.Provider{
		Name:       "spotify",
		ClientAuth: clientauth.Basic{},
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://accounts.spotify.com/authorize",
			TokenURL: "https://accounts.spotify.com/api/token",
		},
		UserInfoURL:  "https://api.spotify.com/v1/me",
		APIBaseURL:   "https://api.spotify.com/v1/",
		SubjectClaim: "account_id",
		Scopes:       []string{"user-read-email"},
		Hooks:        hooks.Hooks{Profile: spotifyProfile},
	}
}

func spotifyProfile(_ context.Context, p *hooks.Profile) error {
	user, err := factsOf(p)
	if err != nil {
		return err
	}
	p.Name = user.text("display_name")
	p.EmailVerified = false
	if images, _ := user.at("images").([]any); len(images) > 0 {
		image, _ := images[0].(map[string]any)
		p.Picture = facts(image).text("url")
	}
	return nil
}
