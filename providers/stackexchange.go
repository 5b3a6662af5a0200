package providers

import (
	"context"
	"html"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// StackExchange signs users in with Stack Overflow and the other sites of Stack Exchange,
// by OAuth 2.0, as the page "Authentication" of its API has it. Register an application at
// stackapps.com, with the domain that the redirect URL is on.
//
// Scopes is nil, with which an application can ask who the user is. "read_inbox",
// "private_info" and "write_access" are for the API, and "no_expiry" makes tokens that do
// not expire.
//
// Stack Exchange is bent in three ways, which the preset mends: the token response has
// expires instead of expires_in, and no token_type; the profile is the first of a list in
// items; and a name is escaped as for HTML. Tokens stand in the Authorization header, as
// the API requires since June 2026; the app's key is needed for nothing then.
//
// Access tokens live for a day, and there is no refresh token: the user signs in again.
// There is no revocation endpoint either. PKCE is documented, and recommended.
//
// The subject is account_id, a number that is the same on all sites of the network, where
// user_id is another one on each. The profile is that on Stack Overflow, and who has none
// there cannot sign in: for another site set UserInfoURL, with its name for site. There is
// no e-mail address.
func StackExchange() signon.Provider {
	return signon.Provider{
		Name:       "stackexchange",
		ClientAuth: clientauth.Post{},
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://stackoverflow.com/oauth",
			TokenURL: "https://stackoverflow.com/oauth/access_token/json",
		},
		UserInfoURL:  "https://api.stackexchange.com/2.3/me?site=stackoverflow",
		APIBaseURL:   "https://api.stackexchange.com/2.3/",
		SubjectClaim: "account_id",
		Hooks: hooks.Join(
			hooks.RenameTokenMember("expires", "expires_in"), hooks.DefaultTokenType("Bearer"),
			hooks.NestedProfile("items", "0"), hooks.Hooks{Profile: stackExchangeProfile},
		),
	}
}

func stackExchangeProfile(_ context.Context, p *hooks.Profile) error {
	user, err := factsOf(p)
	if err != nil {
		return err
	}
	p.Name = html.UnescapeString(user.text("display_name"))
	p.Email, p.EmailVerified = "", false
	p.Picture = user.text("profile_image")
	return nil
}
