package providers

import (
	"cmp"
	"context"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// GitHub returns the settings for github.com, by OAuth 2.0 ("Authorizing OAuth apps" and
// "REST API endpoints for emails" in GitHub's documentation).
//
// Register: at github.com, "Developer settings", an OAuth app or a GitHub App, with the
// redirect URL of this provider.
//
// Scopes: read:user for the profile, user:email for the addresses. The names of others
// stand in "Scopes for OAuth apps". A GitHub App has no scopes, but permissions: "Email
// addresses", read-only, is the one for the address.
//
// Bent: granted scopes come separated by commas, errors come with status 200, the API is
// versioned by a header field, and the profile's address is whatever its owner shows. The
// preset mends that; it fetches user/emails at each login.
//
// Subject: id, a number, digit for digit. Logins can be renamed, and then taken by others.
//
// E-mail: the primary address, verified where GitHub says "verified": true of it. Without
// the scope it is the one of the profile, unverified, and may be empty.
//
// Refresh: tokens of a GitHub App live for 8 hours, unless that is switched off in its
// settings, and come with a refresh token, which each refresh replaces. Those of an OAuth
// app do not expire unless it asks: since 2026 by a setting of the app, or by the scope
// offline_access, they live and are refreshed in the same way. GitHub has no revocation
// endpoint of RFC 7009: users revoke at github.com/settings/applications. PKCE with S256 is
// supported.
//
// Issuer: GitHub names itself in the answer (RFC 9207) as https://github.com/login/oauth,
// and another name is refused. Nothing is discovered, and there is no ID token. Where
// Endpoint is changed to a GitHub of your own, change Issuer with it, or empty it.
func GitHub() signon.Provider {
	scopes := hooks.ScopeSeparator(",") // of what is granted; it is asked for with spaces
	scopes.Authorize, scopes.TokenRequest, scopes.RefreshRequest = nil, nil, nil
	return signon.Provider{
		Name:       "github",
		Issuer:     "https://github.com/login/oauth",
		ClientAuth: clientauth.Post{},
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://github.com/login/oauth/authorize",
			TokenURL: "https://github.com/login/oauth/access_token",
		},
		UserInfoURL:  "https://api.github.com/user",
		SubjectClaim: "id",
		APIBaseURL:   "https://api.github.com/",
		Scopes:       []string{"read:user", "user:email"},
		Hooks: hooks.Join(
			scopes,
			hooks.Header("User-Agent", "signon"), // GitHub refuses requests without one
			hooks.Header("X-Github-Api-Version", "2022-11-28"),
			hooks.Hooks{Profile: gitHubProfile},
		),
	}
}

func gitHubProfile(ctx context.Context, p *hooks.Profile) error {
	var user struct {
		Login     string `json:"login"`
		Name      string `json:"name"`
		AvatarURL string `json:"avatar_url"`
	}
	if err := p.DecodeUserInfo(&user); err != nil {
		return err
	}
	p.Name, p.Picture, p.EmailVerified = cmp.Or(user.Name, user.Login), user.AvatarURL, false
	var emails []struct {
		Email    string `json:"email"`
		Primary  bool   `json:"primary"`
		Verified bool   `json:"verified"`
	}
	granted, err := ask(ctx, p, "user/emails?per_page=100", &emails)
	if err != nil || !granted {
		return err
	}
	p.Email = ""
	for _, e := range emails {
		if e.Primary {
			p.Email, p.EmailVerified = e.Email, e.Verified
		}
	}
	return nil
}
