package providers_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/providers"
)

const (
	redditAgent  = "web:com.example.app:v1.2.3 (by /u/example)"
	discordAgent = "DiscordBot (https://github.com/seed1a301047/signon, 1)"
)

// UI-07, UI-08, UI-10 for each of them: the subject to the digit, no login without one, no
// picture fetched.
func TestSocial(t *testing.T) {
	run(t, slackRow(), discordRow(), twitchRow(), spotifyRow(), linkedInRow(), facebookRow(), xRow(), redditRow(), dropboxRow(), stackExchangeRow())
}

func slackRow() row {
	return row{
		name: "Slack", provider: providers.Slack(), auth: "client_secret_post",
		scope: "openid email profile",
		want: signon.Identity{
			Issuer: "https://slack.com", Subject: "U0R7MFMJM", Name: "krane", Email: "krane@example.com", EmailVerified: true,
			Picture: "https://avatars.example/krane_512.png",
		},
		variants: []variant{
			{"an unverified e-mail", setting(false, "claims", "email_verified"), unverified},
			{"verified, but not JSON true", setting("true", "claims", "email_verified"), unverified},
			{"a standard picture", setting("https://avatars.example/p.png", "claims", "picture"), func(id *signon.Identity) { id.Picture = "https://avatars.example/p.png" }},
			{"only a small picture", setting(absent, "claims", "https://slack.com/user_image_512"), func(id *signon.Identity) { id.Picture = "https://avatars.example/krane_192.png" }},
			{"an error under status 200", func(f *fixture) { f.Token = map[string]any{"ok": false, "error": "invalid_code"} }, nil},
			{"no ID token", setting(absent, "token", "id_token"), nil},
		},
	}
}

func discordRow() row {
	const me = "GET https://discord.com/api/v10/users/@me"
	return row{
		name: "Discord", provider: providers.Discord(), auth: "client_secret_basic",
		scope: "identify email", header: map[string]string{"User-Agent": discordAgent},
		expires: 7 * 24 * time.Hour, refreshes: true,
		want: signon.Identity{
			Subject: "9007199254740993123", Name: "Nelly the Elephant", Email: "nelly@example.com", EmailVerified: true,
			Picture: "https://cdn.discordapp.com/avatars/9007199254740993123/8342729096ea3675442027381ff50dfe.png",
		},
		variants: []variant{
			{"an unverified e-mail", setting(false, "calls", me, "verified"), unverified},
			{"verified, but not JSON true", setting("true", "calls", me, "verified"), unverified},
			{"no word on verification", setting(absent, "calls", me, "verified"), unverified},
			{"verified without an e-mail", setting(nil, "calls", me, "email"), noEmail},
			{"its own iss", answering("iss", "https://discord.com"), same},
			{"the iss of another", answering("iss", "https://evil.example"), nil},
			{"no display name", setting(nil, "calls", me, "global_name"), func(id *signon.Identity) { id.Name = "nelly" }},
			{"no avatar", setting(nil, "calls", me, "avatar"), func(id *signon.Identity) { id.Picture = "" }},
			{"an avatar that is no hash", setting("../../x?y", "calls", me, "avatar"), func(id *signon.Identity) {
				id.Picture = "https://cdn.discordapp.com/avatars/9007199254740993123/..%2F..%2Fx%3Fy.png"
			}},
		},
	}
}

func twitchRow() row {
	return row{
		name: "Twitch", provider: providers.Twitch(), auth: "client_secret_post",
		scope: "openid user:read:email",
		authorize: url.Values{"claims": {
			`{"id_token":{"email":null,"email_verified":null,"picture":null,"preferred_username":null}}`,
		}},
		inspect: func(r *http.Request) error {
			if strings.HasSuffix(r.URL.Path, "/revoke") && (r.PostForm.Get("client_id") != appID || r.PostForm.Has("client_secret")) {
				return fmt.Errorf("revocation wants the client id alone, got %d parameters", len(r.PostForm))
			}
			return nil
		},
		expires: 14346 * time.Second, refreshes: true,
		want: signon.Identity{
			Issuer: "https://id.twitch.tv/oauth2", Subject: "9007199254740993", Name: "Dallas", Email: "dallas@example.com", EmailVerified: true,
			Picture: "https://static-cdn.example/dallas-profile_image-300x300.png",
		},
		variants: []variant{
			{"an unverified e-mail", setting(false, "claims", "email_verified"), unverified},
			{"no word on verification", setting(absent, "claims", "email_verified"), unverified},
			{"no e-mail", setting(absent, "claims", "email"), noEmail},
			{"a number as the subject", setting(9007199254740993, "claims", "sub"), nil},
		},
	}
}

func spotifyRow() row {
	const me = "GET https://api.spotify.com/v1/me"
	return row{
		name: "Spotify", provider: providers.Spotify(), auth: "client_secret_basic",
		scope: "user-read-email", expires: time.Hour, refreshes: true,
		want: signon.Identity{
			Subject: "aB3dE5fG7h", Name: "JM Wizzler", Email: "wizzler@example.com",
			Picture: "https://i.scdn.example/image/ab6775700000ee85",
		},
		variants: []variant{
			// The id is there, and names nobody for good.
			{"a profile of before May 2026", setting(absent, "calls", me, "account_id"), nil},
			{"another id", setting("renamed", "calls", me, "id"), same},
			{"a claim of verification", setting(true, "calls", me, "email_verified"), same},
			{"no name", setting(nil, "calls", me, "display_name"), func(id *signon.Identity) { id.Name = "" }},
			{"no image", setting([]any{}, "calls", me, "images"), func(id *signon.Identity) { id.Picture = "" }},
			{"images of another shape", setting([]any{7}, "calls", me, "images"), func(id *signon.Identity) { id.Picture = "" }},
			{"no e-mail", setting(absent, "calls", me, "email"), noEmail},
		},
	}
}

// The ID token in the fixture is somebody else's and not signed: nothing of it counts.
func linkedInRow() row {
	const me = "GET https://api.linkedin.com/v2/userinfo"
	return row{
		name: "LinkedIn", provider: providers.LinkedIn(), auth: "client_secret_post",
		scope: "openid profile email", expires: 60 * 24 * time.Hour, noPKCE: true,
		inspect: func(r *http.Request) error {
			if r.PostForm.Has("code_verifier") {
				return fmt.Errorf("LinkedIn refuses a code_verifier beside the client secret")
			}
			return nil
		},
		want: signon.Identity{
			Subject: "782bbtaQ", Name: "John Doe", Email: "doe@example.com", EmailVerified: true,
			Picture: "https://media.example/dms/image/C5F03AQHqK8v7tB1HCQ/profile-displayphoto-shrink_100_100/0/",
		},
		variants: []variant{
			{"an unverified e-mail", setting(false, "calls", me, "email_verified"), unverified},
			{"verified, but not JSON true", setting("true", "calls", me, "email_verified"), unverified},
			{"no e-mail", setting(absent, "calls", me, "email"), noEmail},
		},
	}
}

func facebookRow() row {
	const me = "GET https://graph.facebook.com/v24.0/me?fields=id,name,email,picture"
	return row{
		name: "Facebook", provider: providers.Facebook(), auth: "client_secret_post",
		scope: "public_profile email", expires: 5183944 * time.Second,
		want: signon.Identity{
			Subject: "90071992547409931", Name: "Jane Smith", Email: "jane@example.com",
			Picture: "https://platform-lookaside.example/platform/profilepic/?asid=90071992547409931&height=50&width=50",
		},
		variants: []variant{
			{"a claim of verification", setting(true, "calls", me, "email_verified"), same},
			{"no e-mail", setting(absent, "calls", me, "email"), noEmail},
			{"no picture", setting(absent, "calls", me, "picture"), func(id *signon.Identity) { id.Picture = "" }},
			{"an error that is an object", func(f *fixture) {
				f.Token = map[string]any{"error": map[string]any{"message": "Invalid verification code", "type": "OAuthException", "code": 100}}
			}, nil},
		},
	}
}

func xRow() row {
	const me = "GET https://api.x.com/2/users/me?user.fields=id,name,username,profile_image_url,confirmed_email"
	return row{
		name: "X", provider: providers.X(), auth: "client_secret_basic",
		scope: "users.read tweet.read users.email offline.access", expires: 2 * time.Hour, refreshes: true,
		subject: []string{"data", "id"},
		want: signon.Identity{
			Subject: "9007199254740993000", Name: "X Dev", Email: "dev@example.com",
			Picture: "https://pbs.example/profile_images/1283786620521652229/lEODkLTh_normal.jpg",
		},
		variants: []variant{
			{"a badge is no verified e-mail", setting(true, "calls", me, "data", "verified"), same},
			{"no e-mail", setting(absent, "calls", me, "data", "confirmed_email"), noEmail},
			{"no name", setting("", "calls", me, "data", "name"), func(id *signon.Identity) { id.Name = "XDevelopers" }},
			{"errors instead of data", func(f *fixture) {
				f.set(map[string]any{"id": "1", "errors": []any{map[string]any{"title": "Forbidden"}}}, "calls", me)
			}, nil},
		},
	}
}

func redditRow() row {
	const me = "GET https://oauth.reddit.com/api/v1/me?raw_json=1"
	return row{
		name: "Reddit", provider: providers.Reddit(redditAgent), auth: "client_secret_basic",
		scope: "identity", authorize: url.Values{"duration": {"permanent"}},
		header: map[string]string{"User-Agent": redditAgent}, expires: time.Hour, refreshes: true,
		want: signon.Identity{
			Subject: "2d3kx", Name: "spez_reader",
			Picture: "https://styles.example/t5_2d3kx/styles/profileIcon_snoo.png?width=256&height=256&s=9af2",
		},
		variants: []variant{
			{"an e-mail of no meaning", setting("a@example.com", "calls", me, "email"), same},
			{"no picture", setting("", "calls", me, "icon_img"), func(id *signon.Identity) { id.Picture = "" }},
		},
	}
}

func dropboxRow() row {
	const me = "POST https://api.dropboxapi.com/2/users/get_current_account"
	return row{
		name: "Dropbox", provider: providers.Dropbox(), auth: "client_secret_basic",
		scope: "account_info.read", authorize: url.Values{"token_access_type": {"offline"}},
		expires: 4 * time.Hour, refreshes: true,
		want: signon.Identity{
			Subject: "dbid:AAH4f99T0taONIb-OurWxbNQ6ywGRopQngc", Name: "Franz Ferdinand (Personal)", Email: "franz@example.com", EmailVerified: true,
			Picture: "https://dl-web.example/account_photo/get/dbid%3AAAH4f99T0taONIb?size=128x128",
		},
		variants: []variant{
			{"an unverified e-mail", setting(false, "calls", me, "email_verified"), unverified},
			{"verified, but not JSON true", setting("true", "calls", me, "email_verified"), unverified},
			{"no picture", setting(absent, "calls", me, "profile_photo_url"), func(id *signon.Identity) { id.Picture = "" }},
		},
	}
}

func stackExchangeRow() row {
	const me = "GET https://api.stackexchange.com/2.3/me?site=stackoverflow"
	return row{
		name: "Stack Exchange", provider: providers.StackExchange(), auth: "client_secret_post",
		scope: "", expires: 24 * time.Hour, subject: []string{"items", "0", "account_id"},
		want: signon.Identity{
			Subject: "9007199254740993", Name: "Example & User",
			Picture: "https://www.gravatar.example/avatar/a007be5a61f6aa8f3e85ae2fc18dd66e?d=identicon&r=PG",
		},
		variants: []variant{
			{"no profile on the site", setting([]any{}, "calls", me, "items"), nil},
			{"a name escaped twice", setting("&amp;lt;b&amp;gt;", "calls", me, "items", "0", "display_name"), func(id *signon.Identity) { id.Name = "&lt;b&gt;" }},
			{"an e-mail of no meaning", setting("a@example.com", "calls", me, "items", "0", "email"), same},
		},
	}
}

func same(*signon.Identity) {}

// answering adds a parameter to the authorization response.
func answering(name, value string) func(*fixture) {
	return func(f *fixture) { f.Answer = map[string]string{name: value} }
}

// The scope no_expiry takes the expiry out of the token response.
func TestStackExchangeWithoutExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := stackExchangeRow(), loadFixture(t, "stackexchange")
		r.fixture, r.provider.Scopes = "stackexchange", []string{"no_expiry"}
		f.set(absent, "token", "expires")
		s := r.signIn(t, f)
		require.NoError(t, s.failure)
		token, err := s.client.Token(signon.WithOwner(t.Context(), owner))
		require.NoError(t, err)
		require.Zero(t, token.Expiry)
	})
}

// The line of the doc comment: each request of the API has the client id.
func TestTwitchAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := twitchRow(), loadFixture(t, "twitch")
		f.Calls = map[string]any{"GET https://api.twitch.tv/helix/users": map[string]any{"data": []any{}}}
		r.provider.Hooks = hooks.Join(r.provider.Hooks, hooks.Header("Client-Id", appID))
		r.header = map[string]string{"Client-Id": appID}
		s := r.signIn(t, f)
		require.NoError(t, s.failure)
		resp, err := s.client.HTTPClient(signon.WithOwner(t.Context(), owner)).Get("users")
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode)
	})
}

func TestLinkedInGrantedScopes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := linkedInRow()
		s := r.signIn(t, loadFixture(t, "linkedin"))
		require.NoError(t, s.failure)
		token, err := s.client.Token(signon.WithOwner(t.Context(), owner))
		require.NoError(t, err)
		require.Equal(t, "email openid profile", token.Extra("scope"))
		require.Nil(t, token.Extra("id_token"), "not verified, not kept")
	})
}

// A link or the application may ask for more scopes than the preset does.
func TestLinkedInAddsOpenIDOnce(t *testing.T) {
	for _, c := range []struct{ name, scope, want string }{
		{"none", "", "openid"},
		{"others", "profile email", "openid profile email"},
		{"there already", "profile openid", "profile openid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &hooks.Authorize{Params: url.Values{"scope": {c.scope}}}
			require.NoError(t, providers.LinkedIn().Hooks.Authorize(t.Context(), a))
			require.Equal(t, c.want, a.Params.Get("scope"))
		})
	}
}

// RFC 7009 section 2.2: a token that is not valid has been revoked.
func TestTwitchRevocationOfAnInvalidToken(t *testing.T) {
	for _, c := range []struct {
		name         string
		status, want int
		body         string
	}{
		{"invalid token", 400, 200, `{"status":400,"message":"Invalid token"}`},
		{"another refusal", 400, 400, `{"status":400,"message":"missing client id"}`},
		{"an unknown client", 404, 404, `{"status":404,"message":"client does not exist"}`},
		{"not JSON", 400, 400, `Invalid token`},
		{"a fault", 500, 500, `{"status":500,"message":"Invalid token"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &hooks.Response{Status: c.status, Body: []byte(c.body)}
			require.NoError(t, providers.Twitch().Hooks.RevokeResponse(t.Context(), r))
			require.Equal(t, c.want, r.Status)
		})
	}
}

func TestRedditUserAgent(t *testing.T) {
	auth, err := signon.New(signon.Config{BaseURL: appURL, Keys: [][]byte{[]byte("0123456789abcdef0123456789abcdef")}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = auth.Shutdown(t.Context()) })
	for _, c := range []struct {
		name, agent string
		ok          bool
	}{
		{"as documented", redditAgent, true},
		{"empty", "", false},
		{"blank", "  ", false},
		{"a second header field", "app\r\nX-Other: 1", false},
		{"not ASCII", "app-ü", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := providers.Reddit(c.agent)
			p.ClientID, p.ClientSecret = appID, appSecret
			_, err := auth.Register(p)
			if c.ok {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "user agent")
			p.ClientAuth = clientauth.Post{}
			_, err = auth.Register(p)
			require.Error(t, err)
		})
	}
}
