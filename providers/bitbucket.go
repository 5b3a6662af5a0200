package providers

import (
	"context"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// Bitbucket returns the settings for Bitbucket Cloud, by OAuth 2.0 ("OAuth 2.0" and "The
// Bitbucket Cloud REST API: Users" in Atlassian's developer documentation).
//
// Register: in the settings of a workspace, "OAuth consumers", with the redirect URL as
// callback URL and, of the permissions, "Account: Read" and "Account: Email". ClientID is
// the key, ClientSecret the secret.
//
// Scopes: none is asked for. Bitbucket grants what the consumer is registered with, and
// knows no scope parameter.
//
// Bent: granted scopes come as "scopes", and the addresses have a call of their own. The
// preset mends that; it fetches user/emails at each login.
//
// Subject: uuid, in braces, which stays. User names do not.
//
// E-mail: the primary address, verified where "is_confirmed" is true. Without the
// permission there is none.
//
// Refresh: tokens live for two hours and come with a refresh token. Bitbucket documents
// neither revocation nor PKCE; RFC 6749 section 3.1 has it ignore what it does not know.
func Bitbucket() signon.Provider {
	return signon.Provider{
		Name:       "bitbucket",
		ClientAuth: clientauth.Basic{},
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://bitbucket.org/site/oauth2/authorize",
			TokenURL: "https://bitbucket.org/site/oauth2/access_token",
		},
		UserInfoURL:  "https://api.bitbucket.org/2.0/user",
		SubjectClaim: "uuid",
		APIBaseURL:   "https://api.bitbucket.org/2.0/",
		Hooks: hooks.Join(
			hooks.RenameTokenMember("scopes", "scope"),
			hooks.Hooks{Profile: bitbucketProfile},
		),
	}
}

func bitbucketProfile(ctx context.Context, p *hooks.Profile) error {
	var user struct {
		DisplayName string `json:"display_name"`
		Links       struct {
			Avatar struct {
				Href string `json:"href"`
			} `json:"avatar"`
		} `json:"links"`
	}
	if err := p.DecodeUserInfo(&user); err != nil {
		return err
	}
	p.Name, p.Picture = user.DisplayName, user.Links.Avatar.Href
	p.Email, p.EmailVerified = "", false
	var emails struct {
		Values []struct {
			Email     string `json:"email"`
			Primary   bool   `json:"is_primary"`
			Confirmed bool   `json:"is_confirmed"`
		} `json:"values"`
	}
	if _, err := ask(ctx, p, "user/emails?pagelen=100", &emails); err != nil {
		return err
	}
	for _, e := range emails.Values {
		if e.Primary {
			p.Email, p.EmailVerified = e.Email, e.Confirmed
		}
	}
	return nil
}
