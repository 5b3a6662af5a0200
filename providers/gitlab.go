package providers

import (
	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
)

// GitLab returns the settings for gitlab.com, by OpenID Connect ("GitLab as OpenID Connect
// identity provider" and "OAuth 2.0 identity provider API" in GitLab's documentation).
//
// Register: in the settings of a user or a group, "Applications", with the redirect URL,
// confidential, and with the scopes openid, profile and email.
//
// Scopes: openid for the subject, profile for name and picture, email for the primary
// address; without email GitLab gives the public one. The API, which APIBaseURL is, wants
// read_user, read_api or api besides, registered too.
//
// Bent: the ID token has little of the profile, so each login fetches the userinfo too.
//
// Subject: sub, the user's ID as a string of digits. E-mail: email_verified is a boolean.
//
// Refresh: tokens live for two hours and come with a refresh token, which each refresh
// replaces. Revocation and PKCE are supported.
func GitLab() signon.Provider { return GitLabAt("https://gitlab.com") }

// GitLabAt is [GitLab] for an installation of one's own at baseURL, such as
// "https://gitlab.example.com", or below a path.
func GitLabAt(baseURL string) signon.Provider {
	base, ok := baseOf(baseURL)
	p := signon.Provider{
		Name:          "gitlab",
		Issuer:        base,
		ClientAuth:    clientauth.Basic{},
		Scopes:        []string{"openid", "profile", "email"},
		FetchUserInfo: true,
		APIBaseURL:    base + "/api/v4/",
	}
	if !ok {
		return refused(p, refuse("GitLabAt", "baseURL", baseURL, "the address of GitLab, such as https://gitlab.example.com"))
	}
	return p
}
