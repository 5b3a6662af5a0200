package providers

import (
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
)

// Amazon signs customers in with Login with Amazon, by OAuth 2.0, as its pages
// "Authorization Code Grant" and "Obtain Customer Profile Information" have it. Create a
// security profile in the Login with Amazon console, which gives client id and secret,
// and enter the redirect URL among the "Allowed Return URLs" of its web settings.
//
// Scopes is "profile": user id, name and e-mail address. "profile:user_id" gives the id
// alone; "postal_code" adds the postal code of the customer's first address.
//
// Nothing is bent. Access tokens live for an hour and come with a refresh token. PKCE is
// supported. No revocation is documented.
//
// The subject is user_id, which the customer has at the applications of one developer.
// Amazon does not say that an e-mail address was verified, so none counts as verified;
// there is no picture. For AWS accounts see [Cognito].
func Amazon() signon.Provider {
	return signon.Provider{
		Name:       "amazon",
		ClientAuth: clientauth.Post{},
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://www.amazon.com/ap/oa",
			TokenURL: "https://api.amazon.com/auth/o2/token",
		},
		UserInfoURL:  "https://api.amazon.com/user/profile",
		APIBaseURL:   "https://api.amazon.com/",
		SubjectClaim: "user_id",
		Scopes:       []string{"profile"},
	}
}
