package providers_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/providers"
)

// UI-07: the ids are numbers that a float64 cannot hold. UI-10: no picture is fetched.
func TestGitHub(t *testing.T) {
	emails := "GET https://api.github.com/user/emails"
	run(t, row{
		name: "a GitHub App", provider: providers.GitHub(),
		auth: "client_secret_post", scope: "read:user user:email",
		header: map[string]string{"X-Github-Api-Version": "2022-11-28", "User-Agent": "signon"},
		want: signon.Identity{
			Subject: "9007199254740993", Name: "Monalisa Octocat", Picture: "https://avatars.example/images/error/octocat_happy.gif",
			Email: "octocat@example.com", EmailVerified: true,
		},
		expires: 8 * time.Hour, refreshes: true,
		variants: []variant{
			{
				name: "an unverified primary address",
				edit: func(f *fixture) { f.set(false, "calls", emails, "1", "verified") },
				want: func(id *signon.Identity) { id.EmailVerified = false },
			},
			{
				name: "no primary address",
				edit: func(f *fixture) { f.set(false, "calls", emails, "1", "primary") },
				want: func(id *signon.Identity) { id.Email, id.EmailVerified = "", false },
			},
			{
				name: "verified in words",
				edit: func(f *fixture) { f.set("true", "calls", emails, "1", "verified") },
			},
			{
				name: "addresses not permitted",
				edit: func(f *fixture) { f.set(status(http.StatusNotFound), "calls", emails) },
				want: func(id *signon.Identity) { id.Email, id.EmailVerified = "public@example.com", false },
			},
			{
				name: "a profile that calls its address verified, and addresses not permitted",
				edit: func(f *fixture) {
					f.set(status(http.StatusForbidden), "calls", emails)
					f.set(true, "calls", "GET https://api.github.com/user", "email_verified")
				},
				want: func(id *signon.Identity) { id.Email, id.EmailVerified = "public@example.com", false },
			},
			// RFC 9207; where there is none, as before April 2026, see all other rows.
			{name: "its own iss", edit: answering("iss", "https://github.com/login/oauth"), want: same},
			{name: "the iss of another", edit: answering("iss", "https://evil.example")},
			{name: "an iss that is only like it", edit: answering("iss", "https://github.com/login/oauth/")},
			{
				name: "no name and no public address",
				edit: func(f *fixture) {
					f.set(nil, "calls", "GET https://api.github.com/user", "name")
					f.set(nil, "calls", "GET https://api.github.com/user", "email")
				},
				want: func(id *signon.Identity) { id.Name = "octocat" },
			},
			{
				name: "an error under status 200",
				edit: func(f *fixture) {
					f.Token = map[string]any{"error": "bad_verification_code", "error_description": "The code is incorrect or expired."}
				},
			},
		},
	})
}

func TestGitHubOAuthApp(t *testing.T) {
	run(t, row{
		name: "an OAuth app", fixture: "github-oauth-app", provider: providers.GitHub(),
		auth: "client_secret_post", scope: "read:user user:email", granted: "read:user user:email",
		want: signon.Identity{
			Subject: "583231", Name: "Monalisa Octocat", Picture: "https://avatars.example/images/error/octocat_happy.gif",
			Email: "octocat@example.com", EmailVerified: true,
		},
	})
}

// Where the addresses cannot be had for now, nobody signs in with the wrong one, and it can
// be tried again.
func TestGitHubAddressesUnavailable(t *testing.T) {
	for _, code := range []status{http.StatusInternalServerError, http.StatusServiceUnavailable, http.StatusTooManyRequests} {
		synctest.Test(t, func(t *testing.T) {
			r := row{fixture: "github", provider: providers.GitHub(), auth: "client_secret_post"}
			r.checkFailure(t, func(f *fixture) {
				f.set(code, "calls", "GET https://api.github.com/user/emails")
			}, signon.ErrUnavailable)
		})
	}
}

func TestBitbucket(t *testing.T) {
	emails := "GET https://api.bitbucket.org/2.0/user/emails"
	run(t, row{
		name: "a workspace's consumer", provider: providers.Bitbucket(),
		auth: "client_secret_basic", scope: "", granted: "account email",
		inspect: func(r *http.Request) error {
			if r.Method == http.MethodPost && r.PostForm.Has("client_secret") {
				return errors.New("the secret is in the form")
			}
			return nil
		},
		want: signon.Identity{
			Subject: "{c788b2da-b7a2-404c-9e26-d3f077557007}", Name: "Tutorials at Bitbucket",
			Picture: "https://bitbucket.example/account/tutorials/avatar/32/",
			Email:   "tutorials@example.com", EmailVerified: true,
		},
		expires: 2 * time.Hour, refreshes: true,
		variants: []variant{
			{
				name: "an unconfirmed address",
				edit: func(f *fixture) { f.set(false, "calls", emails, "values", "0", "is_confirmed") },
				want: func(id *signon.Identity) { id.EmailVerified = false },
			},
			{
				name: "no primary address",
				edit: func(f *fixture) { f.set(false, "calls", emails, "values", "0", "is_primary") },
				want: func(id *signon.Identity) { id.Email, id.EmailVerified = "", false },
			},
			{
				name: "addresses not permitted",
				edit: func(f *fixture) { f.set(status(http.StatusForbidden), "calls", emails) },
				want: func(id *signon.Identity) { id.Email, id.EmailVerified = "", false },
			},
			{
				name: "a profile that calls an address verified, and addresses not permitted",
				edit: func(f *fixture) {
					f.set(status(http.StatusNotFound), "calls", emails)
					f.set("profile@example.com", "calls", "GET https://api.bitbucket.org/2.0/user", "email")
					f.set(true, "calls", "GET https://api.bitbucket.org/2.0/user", "email_verified")
				},
				want: func(id *signon.Identity) { id.Email, id.EmailVerified = "", false },
			},
		},
	})
}
