package providers

import (
	"context"
	"encoding/json"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// Zoom signs users in with Zoom, by OAuth 2.0, as its pages "OAuth 2.0" and "Get a user"
// have it. Create a general app, managed by the user, in the Zoom App Marketplace; enter
// the redirect URL as its "OAuth Redirect URL" and in the allow list, and add the scope
// "user:read:user", without which nobody can be asked for.
//
// Scopes is nil: Zoom grants what the app has.
//
// Access tokens live for an hour and come with a refresh token, which changes when it is
// used. Where it is of no use any more, Zoom has been seen to answer invalid_request with
// the reason "Invalid Token!" instead of invalid_grant, which the preset mends. PKCE is
// supported, and so is revocation.
//
// The subject is the user's id. The e-mail address counts as verified where the member
// verified is the number 1, which Zoom documents as "a verified user email".
func Zoom() signon.Provider {
	return signon.Provider{
		Name:       "zoom",
		ClientAuth: clientauth.Basic{},
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://zoom.us/oauth/authorize",
			TokenURL: "https://zoom.us/oauth/token",
		},
		UserInfoURL:   "https://api.zoom.us/v2/users/me",
		RevocationURL: "https://zoom.us/oauth/revoke",
		APIBaseURL:    "https://api.zoom.us/v2/",
		SubjectClaim:  "id",
		Hooks:         hooks.Hooks{RefreshResponse: spentGrant(zoomSpent), Profile: zoomProfile},
	}
}

func zoomSpent(answer facts) bool {
	return answer.text("error") == "invalid_request" && answer.text("reason") == "Invalid Token!"
}

func zoomProfile(_ context.Context, p *hooks.Profile) error {
	f, err := factsOf(p)
	if err != nil {
		return err
	}
	if p.Name = f.text("display_name"); p.Name == "" {
		p.Name = fullName(f.text("first_name"), f.text("last_name"))
	}
	p.Email, p.EmailVerified = f.text("email"), f.at("verified") == json.Number("1")
	p.Picture = f.text("pic_url")
	return nil
}
