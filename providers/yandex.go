package providers

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// Yandex signs users in with Yandex ID, by OAuth 2.0, as its pages "Getting a
// confirmation code from a URL" and "Exchange the token for user information" have it.
// Create an application for user authorization at oauth.yandex.ru, enter the redirect URL
// among its "Redirect URI for web services", and choose its permissions there: access to
// login, name and gender (login:info), e-mail address (login:email), portrait
// (login:avatar), birthday, telephone.
//
// Scopes is nil, and the token then has all permissions that the application was
// registered with. Whatever Scopes names must be among these.
//
// Yandex wants the token as "Authorization: OAuth", which the preset sends when it asks
// who signed in. [signon.Client.HTTPClient] sends "Bearer", which the API of Yandex ID
// takes too; other Yandex services may not.
//
// Access tokens come with expires_in and a refresh token. The preset has no revocation:
// Yandex revokes only tokens that were issued for a named device.
//
// The subject is the user's id, digits in a string. The e-mail address is the default
// one; that it was verified is nowhere documented, so it never counts as verified.
func Yandex() signon.Provider {
	return signon.Provider{
		Name:       "yandex",
		ClientAuth: clientauth.Basic{},
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://oauth.yandex.ru/authorize",
			TokenURL: "https://oauth.yandex.ru/token",
		},
		UserInfoURL:  "https://login.yandex.ru/info?format=json",
		APIBaseURL:   "https://login.yandex.ru/",
		SubjectClaim: "id",
		Hooks:        hooks.Hooks{UserInfoRequest: yandexScheme, Profile: yandexProfile},
	}
}

func yandexScheme(_ context.Context, r *http.Request) error {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return fmt.Errorf("providers: the userinfo request has no bearer token to rename")
	}
	r.Header.Set("Authorization", "OAuth "+token)
	return nil
}

func yandexProfile(_ context.Context, p *hooks.Profile) error {
	f, err := factsOf(p)
	if err != nil {
		return err
	}
	for _, name := range []string{"real_name", "display_name", "first_name", "login"} {
		if p.Name = f.text(name); p.Name != "" {
			break
		}
	}
	p.Email, p.EmailVerified, p.Picture = f.text("default_email"), false, ""
	// Where the user has no portrait the id is that of a placeholder.
	if id := f.text("default_avatar_id"); id != "" && f.at("is_avatar_empty") == false {
		p.Picture = (&url.URL{Scheme: "https", Host: "avatars.yandex.net", Path: "/get-yapic/" + id + "/islands-200"}).String()
	}
	return nil
}
