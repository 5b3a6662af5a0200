package providers_test

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/providers"
)

// unverifiedClaims are the ways in which an ID token does not say that its address is verified.
func unverifiedClaims() []variant {
	without := func(id *signon.Identity) { id.EmailVerified = false }
	claim := func(value any) func(*fixture) {
		return func(f *fixture) { f.set(value, "claims", "email_verified") }
	}
	return []variant{
		{name: "an unverified address", edit: claim(false), want: without},
		{name: "verified in words", edit: claim("true"), want: without},
		{name: "verified by one", edit: claim(1), want: without},
		{name: "nothing said of the address", edit: claim(absent), want: without},
	}
}

func TestGoogle(t *testing.T) {
	offline := providers.Google()
	offline.AuthorizeParams = url.Values{"access_type": {"offline"}, "prompt": {"consent"}}
	run(t, row{
		name: "offline", provider: offline,
		auth: "client_secret_basic", scope: "openid email profile",
		authorize: offline.AuthorizeParams,
		want: signon.Identity{
			Issuer: "https://accounts.google.com", Subject: "110169484474386276334", Name: "Jane Smith",
			Picture: "https://lh3.googleusercontent.example/a/photo=s96-c",
			Email:   "jsmith@example.com", EmailVerified: true,
		},
		expires: 3599 * time.Second, refreshes: true,
		variants: unverifiedClaims(),
	})
}

func TestGitLab(t *testing.T) {
	userInfo := "GET https://gitlab.com/oauth/userinfo"
	run(t, row{
		name: "gitlab.com", provider: providers.GitLab(),
		auth: "client_secret_basic", scope: "openid profile email",
		want: signon.Identity{
			Issuer: "https://gitlab.com", Subject: "9007199254740993", Name: "Sidney Jones",
			Picture: "https://gitlab.example/uploads/-/system/user/avatar/1/avatar.png",
			Email:   "sidney@example.com", EmailVerified: true,
		},
		expires: 2 * time.Hour, refreshes: true,
		variants: []variant{
			{
				name: "the userinfo of another",
				edit: func(f *fixture) { f.set("9007199254740992", "calls", userInfo, "sub") },
			},
			{
				name: "an unverified address",
				edit: func(f *fixture) {
					f.set(false, "claims", "email_verified")
					f.set(false, "calls", userInfo, "email_verified")
				},
				want: func(id *signon.Identity) { id.EmailVerified = false },
			},
		},
	})
}

func TestKeycloak(t *testing.T) {
	run(t, row{
		name: "a realm", provider: providers.Keycloak("https://sso.example.com/", "staff"),
		auth: "client_secret_basic", scope: "openid profile email",
		want: signon.Identity{
			Issuer: "https://sso.example.com/realms/staff", Subject: "f3a7b2c1-0d4e-4b6f-9a8c-1e2d3c4b5a69",
			Name: "Ada Clerk", Email: "ada@example.com", EmailVerified: true,
		},
		expires: 5 * time.Minute, refreshes: true,
		variants: unverifiedClaims(),
	})
}

func TestOkta(t *testing.T) {
	userInfo := "GET https://dev-1234.okta.com/oauth2/default/v1/userinfo"
	without := func(id *signon.Identity) { id.EmailVerified = false }
	run(t, row{
		name: "a custom authorization server", provider: providers.Okta("dev-1234.okta.com", "default"),
		auth: "client_secret_basic", scope: "openid profile email",
		want: signon.Identity{
			Issuer: "https://dev-1234.okta.com/oauth2/default", Subject: "00uid4BxXw6I6TV4m0g3",
			Name: "John Doe", Email: "john.doe@example.com", EmailVerified: true,
		},
		expires: time.Hour,
		variants: []variant{
			{name: "an unverified address", edit: func(f *fixture) { f.set(false, "calls", userInfo, "email_verified") }, want: without},
			{name: "verified in words", edit: func(f *fixture) { f.set("true", "calls", userInfo, "email_verified") }, want: without},
			{name: "another address is verified", edit: func(f *fixture) { f.set("other@example.com", "calls", userInfo, "email") }, want: without},
			{name: "the ID token says that it is not", edit: func(f *fixture) { f.set(false, "claims", "email_verified") }, want: without},
			{
				name: "no address in the ID token",
				edit: func(f *fixture) { f.set(absent, "claims", "email") },
				want: func(*signon.Identity) {},
			},
		},
	})
}

func TestAuth0(t *testing.T) {
	offline := providers.Auth0("example.eu.auth0.com")
	offline.Scopes = append(offline.Scopes, "offline_access")
	run(t, row{
		name: "a tenant", provider: offline,
		auth: "client_secret_post", scope: "openid profile email offline_access",
		want: signon.Identity{
			Issuer: "https://example.eu.auth0.com/", Subject: "auth0|5f7c8ec7c33c6c004bbafe82", Name: "Jane Josephine Doe",
			Picture: "https://s.gravatar.example/avatar/5f7c8ec7.png",
			Email:   "janedoe@example.com", EmailVerified: true,
		},
		expires: 24 * time.Hour, refreshes: true,
		variants: unverifiedClaims(),
	})
}

func TestCognito(t *testing.T) {
	run(t, row{
		name: "a user pool", provider: providers.Cognito("eu-west-1_AbCdEf123"),
		auth: "client_secret_basic", scope: "openid email profile",
		want: signon.Identity{
			Issuer:  "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEf123",
			Subject: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", Name: "My Test User",
			Picture: "https://pictures.example.com/my-test-user.png",
			Email:   "my-test-user@example.com", EmailVerified: true,
		},
		expires: time.Hour, refreshes: true,
		variants: unverifiedClaims(),
	})
}

const (
	tenant         = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
	personalTenant = "9188040d-6c67-4c5b-b112-36a304b66dad"
)

// entraVariants: only xms_edov says that an address is verified, and a tenant can say
// email_verified as it likes.
func entraVariants() []variant {
	without := func(id *signon.Identity) { id.EmailVerified = false }
	edov := func(value any) func(*fixture) {
		return func(f *fixture) {
			f.set(value, "claims", "xms_edov")
			f.set(true, "claims", "email_verified")
		}
	}
	return []variant{
		{name: "email_verified without xms_edov", edit: edov(absent), want: without},
		{name: "a domain that is not verified", edit: edov(false), want: without},
		{name: "xms_edov in words", edit: edov("true"), want: without},
	}
}

func TestMicrosoft(t *testing.T) {
	abe := signon.Identity{
		Issuer:  "https://login.microsoftonline.com/" + tenant + "/v2.0",
		Subject: "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", Name: "Abe Lincoln",
		Email: "AbeLi@contoso.example", EmailVerified: true,
	}
	other := func(f *fixture) { f.set(personalTenant, "claims", "tid") }
	otherIssuer := func(f *fixture) {
		other(f)
		f.set("https://login.microsoftonline.com/"+personalTenant+"/v2.0", "claims", "iss")
	}
	entra := func(name, fixture string, p signon.Provider, more ...variant) row {
		return row{
			name: name, fixture: fixture, provider: p,
			auth: "client_secret_post", scope: "openid profile email", want: abe,
			expires: 3736 * time.Second, refreshes: true, variants: append(entraVariants(), more...),
		}
	}
	run(t,
		entra("one tenant", "microsoft", providers.Microsoft(tenant),
			variant{name: "another tenant", edit: otherIssuer}),
		entra("some tenants", "microsoft-tenants", providers.MicrosoftTenants(tenant),
			variant{name: "a tid that is not the issuer's", edit: other},
			variant{name: "the template as issuer", edit: func(f *fixture) {
				f.set("https://login.microsoftonline.com/{tenantid}/v2.0", "claims", "iss")
			}},
		),
		entra("any tenant", "microsoft-any", providers.MicrosoftAnyTenant(),
			variant{name: "a tid that is not the issuer's", edit: other},
			variant{name: "a personal account", edit: otherIssuer, want: func(id *signon.Identity) {
				id.Issuer = "https://login.microsoftonline.com/" + personalTenant + "/v2.0"
			}},
		),
	)
}

// A user of another tenant is told so: nothing is wrong with the provider.
func TestMicrosoftTenantThatIsNotListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := row{fixture: "microsoft-tenants", provider: providers.MicrosoftTenants(tenant), auth: "client_secret_post"}
		r.checkFailure(t, func(f *fixture) {
			f.set(personalTenant, "claims", "tid")
			f.set("https://login.microsoftonline.com/"+personalTenant+"/v2.0", "claims", "iss")
		}, signon.ErrDenied)
	})
}

func TestMicrosoftB2C(t *testing.T) {
	run(t, row{
		name: "a user flow",
		provider: providers.MicrosoftB2C(providers.B2C{
			Tenant: "contoso", TenantID: "775527ff-9a37-4307-8b3d-cc311f58d925", Policy: "B2C_1_signin", ClientID: appID,
		}),
		auth: "client_secret_post", scope: "openid offline_access " + appID,
		inspect: func(r *http.Request) error {
			if r.PostForm.Get("grant_type") == "authorization_code" && r.PostForm.Get("scope") != "openid offline_access "+appID {
				return errors.New("the token request lacks the scope")
			}
			return nil
		},
		want: signon.Identity{
			Issuer:  "https://contoso.b2clogin.com/775527ff-9a37-4307-8b3d-cc311f58d925/v2.0/",
			Subject: "884408e1-2918-4cz0-b12d-3aa027d7563b", Name: "Sahil Malik", Email: "sahil@example.com",
		},
		expires: time.Hour, refreshes: true,
		variants: []variant{
			{
				name: "a claim that the policy made",
				edit: func(f *fixture) {
					f.set("policy@example.com", "claims", "email")
					f.set(true, "claims", "email_verified")
				},
				want: func(id *signon.Identity) { id.Email = "policy@example.com" },
			},
			{
				name: "no addresses",
				edit: func(f *fixture) { f.set(absent, "claims", "emails") },
				want: func(id *signon.Identity) { id.Email = "" },
			},
		},
	})
}
