package providers

import (
	"net/url"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// Atlassian signs users in with their Atlassian account, by OAuth 2.0, as its page "OAuth
// 2.0 (3LO) apps" has it. Create an OAuth 2.0 integration in the developer console, enter
// the redirect URL as its "Callback URL", and add the permission "User identity API" with
// the scope "read:me".
//
// Scopes is "read:me", the profile. Add "offline_access" to get a refresh token, and the
// scopes of Jira or Confluence, such as "read:jira-work". Their API is below
// ex/jira/{cloudid}/ and ex/confluence/{cloudid}/; GET oauth/token/accessible-resources
// tells the cloud ids.
//
// The authorization request carries audience and prompt, as Atlassian wants, and the
// token request is JSON, by [hooks.JSONRequest]. Access tokens live for an hour; a refresh
// token changes when it is used. For one that is of no use any more Atlassian documents
// invalid_grant, and has been seen to answer unauthorized_client with "refresh_token is
// invalid", which the preset mends. Neither a revocation nor PKCE is documented; the
// client secret still protects the code.
//
// The subject is account_id. The e-mail address counts as verified only where a member
// email_verified is true, which Atlassian does not document.
func Atlassian() signon.Provider {
	return signon.Provider{
		Name:       "atlassian",
		ClientAuth: clientauth.Post{},
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://auth.atlassian.com/authorize",
			TokenURL: "https://auth.atlassian.com/oauth/token",
		},
		AuthorizeParams: url.Values{"audience": {"api.atlassian.com"}, "prompt": {"consent"}},
		UserInfoURL:     "https://api.atlassian.com/me",
		APIBaseURL:      "https://api.atlassian.com/",
		SubjectClaim:    "account_id",
		Scopes:          []string{"read:me"},
		Hooks:           hooks.Join(hooks.JSONRequest(), hooks.Hooks{RefreshResponse: spentGrant(atlassianSpent)}),
	}
}

func atlassianSpent(answer facts) bool {
	return answer.text("error") == "unauthorized_client" && answer.text("error_description") == "refresh_token is invalid"
}
