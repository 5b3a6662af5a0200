package providers

import (
	"context"
	"strings"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// Slack signs users in with Slack, by OpenID Connect, as its pages "Sign in with Slack"
// and "openid.connect.token" have it. Create an app at api.slack.com/apps, which gives
// client id and secret, and enter the redirect URL, which must be https, under "OAuth &
// Permissions". The setting for PKCE there makes a public client of the app, which then
// must not send its secret: leave it off. Signon sends PKCE all the same.
//
// Scopes are "openid", "email", the address, and "profile", name and pictures. All of it
// is in the ID token. A token with these scopes is good for Sign in with Slack and for
// nothing else; to call more of Slack's API an app has to be installed.
//
// Slack answers a failed token request with status 200 and a member error, which is
// understood without a hook. Access tokens do not expire, and no refresh token comes,
// unless token rotation is on in the app. Slack's auth.revoke is a method of its API and
// no revocation endpoint.
//
// The subject is the user's id, such as U0R7MFMJM. Outside of an Enterprise organization
// the same person has another one in each workspace. Whether two people of two workspaces
// can have the same one, Slack's documentation says in both ways; so an application for
// several workspaces takes the claim "https://slack.com/team_id", which says which
// workspace it is, into its key beside the subject, and one for a single workspace compares
// it in Config.OnLogin. AuthorizeParams: url.Values{"team": {"T0123"}} preselects one, and
// the user can change it.
//
// The e-mail address is verified where email_verified is true. That is Slack's word, whose
// conditions it does not document; where an organization provisions its members, it is its
// administrators who write their addresses.
func Slack() signon.Provider {
	return signon.Provider{
		Name:       "slack",
		ClientAuth: clientauth.Post{},
		Issuer:     "https://slack.com",
		APIBaseURL: "https://slack.com/api/",
		Scopes:     []string{"openid", "email", "profile"},
		Hooks:      hooks.Hooks{Profile: slackProfile},
	}
}

// slackProfile finds the picture where there is no claim of that name: Slack documents
// one only for the userinfo, and for the ID token its own ones by size.
func slackProfile(_ context.Context, p *hooks.Profile) error {
	var claims facts
	if err := p.DecodeClaims(&claims); err != nil {
		return err
	}
	for _, size := range strings.Fields("512 192 72 48") {
		if p.Picture == "" {
			p.Picture = claims.text("https://slack.com/user_image_" + size)
		}
	}
	return nil
}
