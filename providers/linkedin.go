package providers

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// LinkedIn signs members in with LinkedIn, as its page "Sign In with LinkedIn using
// OpenID Connect" has it. Create an app in the LinkedIn developer portal, request the
// product of that name under "Products", and enter the redirect URL under "Auth", where
// client id and secret are.
//
// Scopes are "profile" and "email"; the preset adds "openid", which LinkedIn requires.
//
// LinkedIn is bent in two ways. Its ID token has no nonce, although one was asked for,
// which OpenID Connect Core section 3.1.3.7 does not permit: a stolen ID token would pass
// for a fresh one. So the preset does not use the ID token at all; who signed in is what
// the userinfo endpoint says to the new access token, as with an OAuth 2.0 server, and
// [signon.Login] has no Issuer. And LinkedIn refuses the token request of a confidential
// client that has a code_verifier in it, so the preset takes it out: the code is protected
// by the client secret and the state only.
//
// Access tokens live for 60 days. Refresh tokens are for selected partners; without one,
// the member signs in again. There is an introspection endpoint, and no documented
// revocation. The scopes that LinkedIn names have commas between them, which the preset
// mends.
//
// The subject is the member's id, which is another one in each app. The e-mail address is
// verified where email_verified is true. LinkedIn points out that this sign-in does not
// verify who somebody is.
func LinkedIn() signon.Provider {
	granted := hooks.ScopeSeparator(",") // of answers only: requests want spaces
	return signon.Provider{
		Name:       "linkedin",
		ClientAuth: clientauth.Post{},
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://www.linkedin.com/oauth/v2/authorization",
			TokenURL: "https://www.linkedin.com/oauth/v2/accessToken",
		},
		UserInfoURL:      "https://api.linkedin.com/v2/userinfo",
		IntrospectionURL: "https://www.linkedin.com/oauth/v2/introspectToken",
		APIBaseURL:       "https://api.linkedin.com/",
		SubjectClaim:     "sub",
		Scopes:           []string{"profile", "email"},
		Hooks: hooks.Hooks{
			Authorize: addOpenID, TokenRequest: withoutVerifier,
			TokenResponse: granted.TokenResponse, RefreshResponse: granted.RefreshResponse,
			IntrospectResponse: granted.IntrospectResponse,
		},
	}
}

// addOpenID asks for openid as for any other scope: with it in Provider.Scopes, Signon
// would require an ID token that passes.
func addOpenID(_ context.Context, a *hooks.Authorize) error {
	scopes := strings.Fields(a.Params.Get("scope"))
	if !slices.Contains(scopes, "openid") {
		a.Params.Set("scope", strings.Join(append([]string{"openid"}, scopes...), " "))
	}
	return nil
}

// withoutVerifier takes PKCE out of the code exchange of a provider that refuses it.
func withoutVerifier(_ context.Context, r *hooks.Request) error {
	r.Params.Del("code_verifier")
	return nil
}
