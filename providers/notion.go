package providers

import (
	"context"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// notionVersion is the version of the API whose shapes the preset reads.
const notionVersion = "2022-06-28"

// Notion connects a user's Notion workspace, by OAuth 2.0, as its pages "Authorization"
// and "Retrieve your token's bot user" have it. Make a public integration at
// notion.so/my-integrations with the redirect URL among its "Redirect URIs", which gives
// OAuth client ID and secret, and give it the capability "Read user information including
// email addresses" if the address is wanted.
//
// There are no scopes: an integration has capabilities, and the user chooses pages.
//
// Notion wants JSON in place of forms and the header field Notion-Version on every
// request, which [hooks.JSONRequest] and [hooks.Header] send. A token belongs to a bot in
// the workspace; who authorized it stands in the bot's owner, which [hooks.NestedProfile]
// takes out. It documents no PKCE; the client secret still protects the code.
//
// Access tokens have no expires_in: they are used until the API answers 401, and are
// refreshed then where the token response had a refresh token. [signon.Client.Revoke]
// sends the refresh token first, of which Notion documents nothing, and the access token,
// which it revokes.
//
// The subject is the id of the user. A token that belongs to a workspace and to no user
// fails the login. That the e-mail address was verified is not documented, so it never
// counts as verified.
func Notion() signon.Provider {
	return signon.Provider{
		Name:       "notion",
		ClientAuth: clientauth.Basic{},
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://api.notion.com/v1/oauth/authorize",
			TokenURL: "https://api.notion.com/v1/oauth/token",
		},
		AuthorizeParams: url.Values{"owner": {"user"}},
		UserInfoURL:     "https://api.notion.com/v1/users/me",
		RevocationURL:   "https://api.notion.com/v1/oauth/revoke",
		APIBaseURL:      "https://api.notion.com/v1/",
		SubjectClaim:    "id",
		Hooks: hooks.Join(
			hooks.JSONRequest(), hooks.Header("Notion-Version", notionVersion), hooks.NestedProfile("bot", "owner", "user"),
			hooks.Hooks{RevokeRequest: notionRevoke, Profile: notionProfile},
		),
	}
}

// notionRevoke leaves out what Notion does not document, since its API refuses members
// that it does not know.
func notionRevoke(_ context.Context, r *hooks.Request) error {
	r.Params.Del("token_type_hint")
	return nil
}

func notionProfile(_ context.Context, p *hooks.Profile) error {
	f, err := factsOf(p)
	if err != nil {
		return err
	}
	p.Name, p.Picture = f.text("name"), f.text("avatar_url")
	p.Email, p.EmailVerified = f.text("person", "email"), false
	return nil
}
