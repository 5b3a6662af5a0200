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

// PayPal signs customers in with Log in with PayPal, as its pages "Integrate Log in with
// PayPal", "Build button" and "Identity v1: Show user profile details" have it. Create a
// REST API app in the Developer Dashboard, select "Log in with PayPal" among its features,
// enter the redirect URL as "Return URL", and choose there what customers share.
//
// Scopes are "profile" (name) and "email". Others are "address" and
// "https://uri.paypal.com/services/paypalattributes", which adds payer_id and
// verified_account. Each must be chosen in the dashboard too.
//
// PayPal wants the scope "openid" in every request, and documents no ID token for it. So
// the preset treats it as an OAuth 2.0 server: it adds "openid" to what the authorization
// request asks for, and takes the user from the profile alone. Do not add it to Scopes.
//
// An access token lives as long as expires_in says and comes with a refresh token. PayPal
// documents no revocation, and no PKCE: the client secret still protects the code.
//
// The subject is user_id, a URL that the customer has at this application only; payer_id
// is the account's. The e-mail address counts as verified where email_verified is true;
// verified_account is about the account and says nothing of the address.
//
// For the sandbox, put "sandbox." in front of paypal.com in Endpoint (www.sandbox.paypal.com,
// api-m.sandbox.paypal.com), UserInfoURL and APIBaseURL.
func PayPal() signon.Provider {
	return signon.Provider{
		Name:       "paypal",
		ClientAuth: clientauth.Basic{},
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://www.paypal.com/signin/authorize",
			TokenURL: "https://api-m.paypal.com/v1/oauth2/token",
		},
		AuthorizeParams: url.Values{"flowEntry": {"static"}},
		UserInfoURL:     "https://api-m.paypal.com/v1/identity/openidconnect/userinfo?schema=openid",
		APIBaseURL:      "https://api-m.paypal.com/",
		SubjectClaim:    "user_id",
		Scopes:          []string{"profile", "email"},
		Hooks:           hooks.Hooks{Authorize: paypalScope},
	}
}

func paypalScope(_ context.Context, a *hooks.Authorize) error {
	a.Params.Set("scope", strings.TrimSpace("openid "+a.Params.Get("scope")))
	return nil
}
