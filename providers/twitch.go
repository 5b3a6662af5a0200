package providers

import (
	"context"
	"net/http"
	"net/url"

	"github.com/go-json-experiment/json"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// Twitch signs users in with Twitch, by OpenID Connect, as its page "Using OIDC to get
// OAuth Access Tokens" has it. Register an application in the Twitch developer console,
// as a confidential client, with the redirect URL; it shows client id and secret.
//
// Scopes are "openid" and "user:read:email". Other than elsewhere, a scope alone brings
// no claim into the ID token: the preset asks for e-mail address, picture and display name
// by the parameter claims (OpenID Connect Core section 5.5).
//
// Twitch gives the scopes of a token as a JSON array, which is understood without a hook.
// Its API wants the client id in each request, which a preset cannot know; add
//
//	p.Hooks = hooks.Join(p.Hooks, hooks.Header("Client-Id", p.ClientID))
//
// once ClientID is set. The sign-in itself does without.
//
// "Validating Tokens" obliges every application that keeps its users signed in to ask
// https://id.twitch.tv/oauth2/validate at its start and each hour whether the access token
// is still good, and to sign out whose is not. Signon does not do that: the application
// does, with the token of [signon.Client.Token] and EndLogins of its Config.Logins.
//
// Access tokens live for some hours and come with a refresh token. The revocation
// endpoint takes the client id without the secret, and answers status 400 to a token that
// it does not know, which RFC 7009 section 2.2 counts as a success, and so does the
// preset. Twitch does not document PKCE; the nonce in the ID token and the client
// secret protect the code.
//
// The subject is the user's id, a number in a string. The name is preferred_username, the
// display name on Twitch. The e-mail address is verified where email_verified is true.
func Twitch() signon.Provider {
	return signon.Provider{
		Name:           "twitch",
		ClientAuth:     clientauth.Post{},
		RevocationAuth: clientauth.None{},
		Issuer:         "https://id.twitch.tv/oauth2",
		RevocationURL:  "https://id.twitch.tv/oauth2/revoke",
		APIBaseURL:     "https://api.twitch.tv/helix/",
		Scopes:         []string{"openid", "user:read:email"},
		AuthorizeParams: url.Values{"claims": {
			`{"id_token":{"email":null,"email_verified":null,"picture":null,"preferred_username":null}}`,
		}},
		Hooks: hooks.Hooks{RevokeResponse: twitchRevoked},
	}
}

// twitchRevoked: a token that is not valid is what a revocation is for. Signon tries the
// refresh token too, of which Twitch does not say that it can be revoked.
func twitchRevoked(_ context.Context, r *hooks.Response) error {
	var said struct {
		Message string `json:"message"`
	}
	if r.Status == http.StatusBadRequest && json.Unmarshal(r.Body, &said) == nil && said.Message == "Invalid token" {
		r.Status = http.StatusOK
	}
	return nil
}
