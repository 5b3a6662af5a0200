package providers

import (
	"context"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// Reddit signs users in with Reddit, by OAuth 2.0, as its wiki page "OAuth2" has it.
// Create an app of the type "web app" at reddit.com/prefs/apps with the redirect URL, of
// which it takes one. The client id stands below the app's name.
//
// Reddit requires a User-Agent that tells the application apart and names who runs it,
// and throttles the default ones of libraries: userAgent is sent with every request, in
// the form "web:com.example.app:v1.2.3 (by /u/username)". An empty one, or one that cannot
// stand in a header, is an error at Register.
//
// Scopes is "identity". Others, such as "read" and "history", are for the API, for which
// add raw_json=1 to the query: without it, Reddit escapes &, < and > as for HTML.
//
// Access tokens live for an hour or longer. The preset asks with duration=permanent for a
// refresh token, which is good until it is revoked; a refresh may answer without a new
// one, and the old one then stays. Reddit has a revocation endpoint. It does not document
// PKCE and ignores its parameters; the client secret still protects the code.
//
// The subject is the account's id in base 36, such as "2d3kx", without the prefix "t2_".
// The name is the username. Reddit gives no e-mail address.
func Reddit(userAgent string) signon.Provider {
	p := signon.Provider{
		Name:       "reddit",
		ClientAuth: clientauth.Basic{},
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://www.reddit.com/api/v1/authorize",
			TokenURL: "https://www.reddit.com/api/v1/access_token",
		},
		UserInfoURL:     "https://oauth.reddit.com/api/v1/me?raw_json=1",
		RevocationURL:   "https://www.reddit.com/api/v1/revoke_token",
		APIBaseURL:      "https://oauth.reddit.com/",
		SubjectClaim:    "id",
		Scopes:          []string{"identity"},
		AuthorizeParams: url.Values{"duration": {"permanent"}},
		Hooks:           hooks.Join(hooks.Header("User-Agent", userAgent), hooks.Hooks{Profile: redditProfile}),
	}
	unprintable := func(r rune) bool { return r < ' ' || r > '~' }
	if strings.TrimSpace(userAgent) == "" || strings.ContainsFunc(userAgent, unprintable) {
		return refused(p, refuse("Reddit", "user agent", userAgent, `printable ASCII, such as "web:com.example.app:v1.2.3 (by /u/username)"`))
	}
	return p
}

func redditProfile(_ context.Context, p *hooks.Profile) error {
	user, err := factsOf(p)
	if err != nil {
		return err
	}
	p.Name = user.text("name")
	p.Email, p.EmailVerified = "", false
	p.Picture = user.text("icon_img")
	return nil
}
