package providers

import (
	"context"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// Strava signs athletes in with Strava, by OAuth 2.0, as its pages "Getting Started with
// the Strava API" and "Authentication" have it. Create an application at
// strava.com/settings/api, which gives client id and secret, and enter as its
// "Authorization Callback Domain" the host of the application, without scheme and path.
//
// Scopes is "read", the public profile. "profile:read_all" adds what the athlete shows to
// followers only; "read_all", "activity:read", "activity:read_all", "activity:write" and
// "profile:write" are for the API. The athlete may untick any of them: what was granted
// comes back as the parameter scope of the authorization response.
//
// Strava separates scopes by commas, which [hooks.ScopeSeparator] mends. It documents no
// PKCE; the client secret still protects the code.
//
// Access tokens live for six hours and come with a refresh token, which changes when it
// is used. Where it is of no use any more, Strava answers with errors of its own instead
// of invalid_grant, which the preset mends. [signon.Client.Revoke] ends the grant, and
// Strava wants HTTP Basic there.
//
// The API moves: the changelog's entry of 1 June 2026 announces the base URL
// https://api-v3.strava.com from 4 January 2027, and the "Update To Our Developer Program"
// of the same day wants it from 1 June 2027. Set UserInfoURL and APIBaseURL to it then; the
// other endpoints stay.
//
// The subject is the athlete's id, a number. Strava gives no e-mail address.
func Strava() signon.Provider {
	return signon.Provider{
		Name:           "strava",
		ClientAuth:     clientauth.Post{},
		RevocationAuth: clientauth.Basic{},
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://www.strava.com/oauth/authorize",
			TokenURL: "https://www.strava.com/oauth/token",
		},
		UserInfoURL:   "https://www.strava.com/api/v3/athlete",
		RevocationURL: "https://www.strava.com/oauth/revoke",
		APIBaseURL:    "https://www.strava.com/api/v3/",
		SubjectClaim:  "id",
		Scopes:        []string{"read"},
		Hooks: hooks.Join(hooks.ScopeSeparator(","), hooks.Hooks{
			TokenResponse: spentGrant(stravaSpent), RefreshResponse: spentGrant(stravaSpent), Profile: stravaProfile,
		}),
	}
}

// stravaSpent reads Strava's Fault, which names what is wrong with the request by resource.
func stravaSpent(answer facts) bool {
	faults, _ := answer.at("errors").([]any)
	for _, v := range faults {
		fault, _ := v.(map[string]any)
		if resource := facts(fault).text("resource"); resource == "RefreshToken" || resource == "AuthorizationCode" {
			return true
		}
	}
	return false
}

func stravaProfile(_ context.Context, p *hooks.Profile) error {
	f, err := factsOf(p)
	if err != nil {
		return err
	}
	p.Name = fullName(f.text("firstname"), f.text("lastname"))
	p.Email, p.EmailVerified, p.Picture = "", false, f.text("profile")
	return nil
}
