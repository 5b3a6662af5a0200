package providers

import (
	"context"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// Kakao signs users in with Kakao Login, by OAuth 2.0, as its page "Kakao Login: REST
// API" has it. Create an application in Kakao Developers: its REST API key is the client
// id. Since December 2025 an application can have several such keys, and the console keeps
// the redirect URL below the key that it is for: register it there, and look there for the
// client secret, which is made and must be activated; without one set ClientAuth to
// clientauth.None{}. Activate Kakao Login, and choose under "Consent Items" what users are
// asked for: nickname, profile image, Kakao Account e-mail.
//
// Scopes is nil: Kakao then asks for the consent items as they are set up. A scope that
// is not set up is an error to the user.
//
// The profile is nested in kakao_account, which the preset reads. Kakao is an OpenID
// Provider too where an application has activated that; the preset does not need it.
//
// Access tokens live for a few hours and come with a refresh token of about two months,
// which is replaced in its last month. Kakao has logout and unlink calls in its API, and
// no revocation endpoint.
//
// The subject is the id, a number that the user has at this application only. The e-mail
// address counts as verified where both is_email_verified and is_email_valid are true:
// the second is false once the address is another Kakao Account's.
func Kakao() signon.Provider {
	return signon.Provider{
		Name:       "kakao",
		ClientAuth: clientauth.Post{},
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://kauth.kakao.com/oauth/authorize",
			TokenURL: "https://kauth.kakao.com/oauth/token",
		},
		UserInfoURL:  "https://kapi.kakao.com/v2/user/me?secure_resource=true", // https pictures
		APIBaseURL:   "https://kapi.kakao.com/",
		SubjectClaim: "id",
		Hooks:        hooks.Hooks{Profile: kakaoProfile},
	}
}

func kakaoProfile(_ context.Context, p *hooks.Profile) error {
	f, err := factsOf(p)
	if err != nil {
		return err
	}
	p.Name = f.text("kakao_account", "profile", "nickname")
	p.Picture = f.text("kakao_account", "profile", "profile_image_url")
	p.Email = f.text("kakao_account", "email")
	p.EmailVerified = f.at("kakao_account", "is_email_valid") == true && f.at("kakao_account", "is_email_verified") == true
	return nil
}
