package providers

import (
	"context"
	"net/url"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// Dropbox signs users in with Dropbox, by OAuth 2.0, as its pages "OAuth Guide" and
// "users/get_current_account" have it. Create a scoped app in the App Console and enter
// the redirect URL. The app key is the client id, and the app secret the client secret.
//
// Scopes is "account_info.read", which must be ticked under "Permissions" too, as each
// other scope, such as "files.content.read".
//
// The account is asked for with a POST, which the preset does. Dropbox is an OpenID
// Provider too, but its ID tokens do not carry the nonce that they were asked for with,
// so the preset does not use them, and [signon.Login] has no Issuer.
//
// Access tokens live for about four hours. The preset asks with token_access_type=offline
// for a refresh token, which does not expire; a refresh answers without a new one, and the
// old one stays. Dropbox revokes by a method of its API, auth/token/revoke, and has no
// revocation endpoint. It documents PKCE.
//
// The subject is account_id, such as "dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc". The
// e-mail address is verified where email_verified is true, which is "whether the user has
// verified their email address".
func Dropbox() signon.Provider {
	return signon.Provider{
		Name:       "dropbox",
		ClientAuth: clientauth.Basic{},
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://www.dropbox.com/oauth2/authorize",
			TokenURL: "https://api.dropboxapi.com/oauth2/token",
		},
		UserInfoURL:     "https://api.dropboxapi.com/2/users/get_current_account",
		APIBaseURL:      "https://api.dropboxapi.com/2/",
		SubjectClaim:    "account_id",
		Scopes:          []string{"account_info.read"},
		AuthorizeParams: url.Values{"token_access_type": {"offline"}},
		Hooks:           hooks.Join(hooks.PostUserInfo(), hooks.Hooks{Profile: dropboxProfile}),
	}
}

func dropboxProfile(_ context.Context, p *hooks.Profile) error {
	account, err := factsOf(p)
	if err != nil {
		return err
	}
	p.Name = account.text("name", "display_name")
	p.Email = account.text("email")
	p.EmailVerified = account.at("email_verified") == true
	p.Picture = account.text("profile_photo_url")
	return nil
}
