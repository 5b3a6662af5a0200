package providers

import (
	"context"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// Discord signs users in with Discord, by OAuth 2.0, as its pages "OAuth2" and "Users
// Resource" have it. Create an application in the Discord Developer Portal: under
// "OAuth2" it has the client id and secret, and takes the redirect URL.
//
// Scopes are "identify", the user without an e-mail address, and "email". Others, such as
// "guilds" and "connections", are for the API.
//
// Discord wants a User-Agent that says which library calls, and may block requests
// without one: the preset sends one that names Signon. With
// hooks.Join(p.Hooks, hooks.Header("User-Agent", "DiscordBot (https://example.com, 1)"))
// the application names itself.
//
// Access tokens live for a week and come with a refresh token. Discord has a revocation
// endpoint. PKCE is supported with S256: its metadata list that, and the guide to its
// Social SDK sends a code_verifier.
//
// Discord names itself in the answer (RFC 9207) as https://discord.com, the Issuer, and
// another name is refused. Without the scope "openid" nothing is discovered, and there is
// no ID token.
//
// The subject is the user's id, a number of 64 bits that Discord writes as a string. The
// name is global_name, the display name, or else the username. The e-mail address counts
// as verified where verified is true, which is "whether the email on this account has
// been verified".
func Discord() signon.Provider {
	return signon.Provider{
		Name:       "discord",
		Issuer:     "https://discord.com",
		ClientAuth: clientauth.Basic{},
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://discord.com/oauth2/authorize",
			TokenURL: "https://discord.com/api/oauth2/token",
		},
		UserInfoURL:   "https://discord.com/api/v10/users/@me",
		RevocationURL: "https://discord.com/api/oauth2/token/revoke",
		APIBaseURL:    "https://discord.com/api/v10/",
		SubjectClaim:  "id",
		Scopes:        []string{"identify", "email"},
		Hooks: hooks.Join(
			hooks.Header("User-Agent", "DiscordBot (https://github.com/seed1a301047/signon, 1)"),
			hooks.Hooks{Profile: discordProfile},
		),
	}
}

func discordProfile(_ context.Context, p *hooks.Profile) error {
	user, err := factsOf(p)
	if err != nil {
		return err
	}
	if p.Name = user.text("global_name"); p.Name == "" {
		p.Name = user.text("username")
	}
	p.Email = user.text("email")
	p.EmailVerified = user.at("verified") == true
	if avatar := user.text("avatar"); avatar != "" {
		p.Picture = "https://cdn.discordapp.com/avatars/" + url.PathEscape(p.Subject) + "/" + url.PathEscape(avatar) + ".png"
	}
	return nil
}
