package providers_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/providers"
)

// UI-07, UI-08, UI-10: see row.
func TestStravaToZoom(t *testing.T) {
	run(t, strava(), yandex(), kakao(), amazon(), zoom())
}

// UI-07, UI-08, UI-10: see row.
func TestNotionToPayPal(t *testing.T) {
	run(t, notion(), atlassian(), paypal())
}

// UI-08, UI-10: see row.
func TestMoreOpenIDProviders(t *testing.T) {
	run(t, line(), salesforce(), orcid())
}

func withScopes(p signon.Provider, scopes ...string) signon.Provider {
	p.Scopes = append(p.Scopes, scopes...)
	return p
}

func setting(value any, path ...string) func(*fixture) {
	return func(f *fixture) { f.set(value, path...) }
}

func unverified(id *signon.Identity) { id.EmailVerified = false }

func noEmail(id *signon.Identity) { id.Email, id.EmailVerified = "", false }

func strava() row {
	const athlete = "GET https://www.strava.com/api/v3/athlete"
	return row{
		name: "strava", provider: withScopes(providers.Strava(), "profile:read_all"),
		auth: "client_secret_post", scope: "read,profile:read_all",
		inspect: func(r *http.Request) error {
			if !strings.HasSuffix(r.URL.Path, "/revoke") {
				return nil
			}
			if id, secret, ok := r.BasicAuth(); !ok || id != appID || secret != appSecret || r.PostForm.Has("client_secret") {
				return errors.New("a revocation without HTTP Basic")
			}
			return nil
		},
		want:    signon.Identity{Subject: "9007199254740993", Name: "Marianne Teutenberg", Picture: "https://pictures.example/athletes/large.jpg"},
		expires: 6 * time.Hour, refreshes: true,
		variants: []variant{
			{"no family name", setting("", "calls", athlete, "lastname"), func(id *signon.Identity) { id.Name = "Marianne" }},
			{"an e-mail address that is not documented", setting("a@example.com", "calls", athlete, "email"), func(*signon.Identity) {}},
		},
	}
}

func yandex() row {
	const info = "GET https://login.yandex.ru/info?format=json"
	return row{
		name: "yandex", provider: providers.Yandex(), auth: "client_secret_basic", scope: "",
		inspect: func(r *http.Request) error {
			if r.Host != "login.yandex.ru" {
				return nil
			}
			token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "OAuth ")
			r.Header.Set("Authorization", "Bearer "+token)
			if !ok || r.URL.Query().Get("format") != "json" {
				return errors.New("a userinfo request that Yandex does not document")
			}
			return nil
		},
		want: signon.Identity{
			Subject: "1000034426", Name: "Ivan Ivanov", Email: "test@yandex.example",
			Picture: "https://avatars.yandex.net/get-yapic/131652443/islands-200",
		},
		expires: 124234 * time.Second, refreshes: true,
		variants: []variant{
			{"no portrait", setting(true, "calls", info, "is_avatar_empty"), func(id *signon.Identity) { id.Picture = "" }},
			{"a portrait with a path of its own", setting("31804/BYkogAC6A?x", "calls", info, "default_avatar_id"), func(id *signon.Identity) {
				id.Picture = "https://avatars.yandex.net/get-yapic/31804/BYkogAC6A%3Fx/islands-200"
			}},
			{"only a login", func(f *fixture) {
				for _, name := range []string{"real_name", "display_name", "first_name"} {
					f.set(absent, "calls", info, name)
				}
			}, func(id *signon.Identity) { id.Name = "ivan" }},
			{"not permitted to see the address", setting(absent, "calls", info, "default_email"), noEmail},
			// Not documented, so no proof.
			{"email_verified", setting(true, "calls", info, "email_verified"), func(*signon.Identity) {}},
		},
	}
}

func kakao() row {
	const me = "GET https://kapi.kakao.com/v2/user/me?secure_resource=true"
	account := func(value any, name string) func(*fixture) {
		return setting(value, "calls", me, "kakao_account", name)
	}
	return row{
		name: "kakao", provider: providers.Kakao(), auth: "client_secret_post", scope: "",
		want: signon.Identity{
			Subject: "9007199254740993", Name: "Hong Gildong", Email: "sample@example.com", EmailVerified: true,
			Picture: "https://pictures.example/img_640x640.jpg",
		},
		expires: 43199 * time.Second, refreshes: true,
		variants: []variant{
			{"not verified", account(false, "is_email_verified"), unverified},
			{"verified, but no longer valid", account(false, "is_email_valid"), unverified},
			{"verified in words", account("true", "is_email_verified"), unverified},
			{"verified by nobody", account(absent, "is_email_valid"), unverified},
			{"no consent to the address", account(absent, "email"), noEmail},
			{"no consent to anything", setting(absent, "calls", me, "kakao_account"), func(id *signon.Identity) {
				*id = signon.Identity{Subject: id.Subject, Provider: id.Provider}
			}},
		},
	}
}

func amazon() row {
	const profile = "GET https://api.amazon.com/user/profile"
	return row{
		name: "amazon", provider: withScopes(providers.Amazon(), "postal_code"),
		auth: "client_secret_post", scope: "profile postal_code",
		want:    signon.Identity{Subject: "amzn1.account.K2LI23KL2LK2", Name: "Mork Hashimoto", Email: "mhashimoto-04@plaxo.example"},
		expires: time.Hour, refreshes: true,
		variants: []variant{
			{"the id alone", func(f *fixture) {
				f.set(absent, "calls", profile, "name")
				f.set(absent, "calls", profile, "email")
			}, func(id *signon.Identity) { id.Name, id.Email = "", "" }},
		},
	}
}

func zoom() row {
	const me = "GET https://api.zoom.us/v2/users/me"
	return row{
		name: "zoom", provider: providers.Zoom(), auth: "client_secret_basic", scope: "",
		want: signon.Identity{
			Subject: "zJKyaiAyTNC-MWjiWC18KQ", Name: "Jill Chill", Email: "jchill@example.com", EmailVerified: true,
			Picture: "https://pictures.example/p/jchill.jpg",
		},
		expires: 3599 * time.Second, refreshes: true,
		variants: []variant{
			{"not verified", setting(0, "calls", me, "verified"), unverified},
			{"verified as something else", setting(2, "calls", me, "verified"), unverified},
			{"verified in words", setting("1", "calls", me, "verified"), unverified},
			{"verified by nobody", setting(absent, "calls", me, "verified"), unverified},
			{"no display name", setting(absent, "calls", me, "display_name"), func(*signon.Identity) {}},
		},
	}
}

func notion() row {
	const me = "GET https://api.notion.com/v1/users/me"
	user := []string{"calls", me, "bot", "owner", "user"}
	return row{
		name: "notion", provider: providers.Notion(), auth: "client_secret_basic", scope: "",
		authorize: url.Values{"owner": {"user"}}, jsonToken: true,
		header: map[string]string{"Notion-Version": "2022-06-28"},
		inspect: func(r *http.Request) error {
			if strings.HasSuffix(r.URL.Path, "/revoke") && (len(r.PostForm) != 1 || r.Header.Get("Content-Type") != "application/json") {
				return fmt.Errorf("a revocation with %d members of type %q", len(r.PostForm), r.Header.Get("Content-Type"))
			}
			return nil
		},
		want: signon.Identity{
			Subject: "5389a034-eb5c-47b5-8a9e-f79c99ef166c", Name: "christine makenotion",
			Email: "christine@makenotion.example", Picture: "https://pictures.example/christine.png",
		},
		subject: []string{"bot", "owner", "user", "id"},
		variants: []variant{
			{"no permission to see the address", setting(map[string]any{}, append(user, "person")...), noEmail},
			{"no picture", setting(nil, append(user, "avatar_url")...), func(id *signon.Identity) { id.Picture = "" }},
			{"no refresh token", setting(nil, "token", "refresh_token"), func(*signon.Identity) {}},
			{"the token of a workspace", setting(map[string]any{"type": "workspace", "workspace": true}, "calls", me, "bot", "owner"), nil},
		},
	}
}

func atlassian() row {
	const me = "GET https://api.atlassian.com/me"
	return row{
		name: "atlassian", provider: withScopes(providers.Atlassian(), "offline_access"),
		auth: "client_secret_post", scope: "read:me offline_access", jsonToken: true,
		authorize: url.Values{"audience": {"api.atlassian.com"}, "prompt": {"consent"}},
		want: signon.Identity{
			Subject: "112233aa-bb11-cc22-33dd-445566abcabc", Name: "Mia Krystof", Email: "mia@example.com",
			Picture: "https://pictures.example/112233aa-bb11-cc22-33dd-445566abcabc",
		},
		expires: time.Hour, refreshes: true,
		variants: []variant{
			{"verified", setting(true, "calls", me, "email_verified"), func(id *signon.Identity) { id.EmailVerified = true }},
			{"verified in words", setting("true", "calls", me, "email_verified"), func(*signon.Identity) {}},
			{"an address that is hidden", setting(nil, "calls", me, "email"), noEmail},
		},
	}
}

func paypal() row {
	const info = "GET https://api-m.paypal.com/v1/identity/openidconnect/userinfo?schema=openid"
	return row{
		name: "paypal", provider: providers.PayPal(), auth: "client_secret_basic", scope: "openid profile email",
		authorize: url.Values{"flowEntry": {"static"}},
		want: signon.Identity{
			Subject: "https://www.paypal.com/webapps/auth/identity/user/mWq6_1sU85v5EG9yHdPxJRrhGHrnMJ-1PQKtX6pcsmA",
			Name:    "identity test", Email: "user1@example.com", EmailVerified: true,
		},
		expires: 8 * time.Hour, refreshes: true,
		variants: []variant{
			{"not verified", setting(false, "calls", info, "email_verified"), unverified},
			{"verified in words", setting("true", "calls", info, "email_verified"), unverified},
			{"verified is the account", setting(absent, "calls", info, "email_verified"), unverified},
		},
	}
}

func line() row {
	return row{
		name: "line", provider: withScopes(providers.LINE(), "email"), auth: "client_secret_post", scope: "openid profile email",
		want: signon.Identity{
			Issuer: "https://access.line.me", Subject: "U1234567890abcdef1234567890abcdef", Name: "Taro Line",
			Email: "taro.line@example.com", Picture: "https://pictures.example/0h8pWWElvzZ19qLk3ywQYCBkQ",
		},
		expires: 2591000 * time.Second, refreshes: true,
		variants: []variant{
			{"no e-mail address", setting(absent, "claims", "email"), noEmail},
			{"no ID token", setting(absent, "token", "id_token"), nil},
		},
	}
}

func salesforce() row {
	const info = "GET https://example.my.salesforce.com/services/oauth2/userinfo"
	return row{
		name: "salesforce", provider: withScopes(providers.Salesforce("example.my.salesforce.com"), "refresh_token"),
		auth: "client_secret_post", scope: "openid profile email refresh_token",
		want: signon.Identity{
			Issuer:  "https://example.my.salesforce.com",
			Subject: "https://login.salesforce.com/id/00Dx0000000BV7z/005x00000012Q9P",
			Name:    "Pat Patterson", Email: "pat@example.com", EmailVerified: true,
			Picture: "https://pictures.example/profilephoto/F",
		},
		variants: []variant{
			{"not verified", setting(false, "calls", info, "email_verified"), unverified},
			{"verified in words", setting("true", "calls", info, "email_verified"), unverified},
			{"the userinfo of somebody else", setting("https://login.salesforce.com/id/00Dx0000000BV7z/005x00000012Q9Q", "calls", info, "sub"), nil},
			{"the issuer of all organisations", setting("https://login.salesforce.com", "claims", "iss"), nil},
		},
	}
}

func orcid() row {
	return row{
		name: "orcid", provider: providers.ORCID(), auth: "client_secret_post", scope: "openid",
		want:    signon.Identity{Issuer: "https://orcid.org", Subject: "0000-0001-2345-6789", Name: "Sofia Garcia"},
		expires: 10 * 365 * 24 * time.Hour, // twenty years, of which ten are believed
		variants: []variant{
			{"a name that is not public", func(f *fixture) {
				for _, name := range []string{"name", "given_name", "family_name"} {
					f.set(absent, "claims", name)
				}
			}, func(id *signon.Identity) { id.Name = "" }},
			{"the issuer of the sandbox", setting("https://sandbox.orcid.org", "claims", "iss"), nil},
		},
	}
}

// Tokens without expires_in are refreshed where the API refuses them; here, where another
// answer gives them a life: the refresh, and API calls, are bent as the login is.
func TestTokensWithoutExpiry(t *testing.T) {
	for _, c := range []struct {
		row row
		ref string
	}{{notion(), "users/me"}, {salesforce(), "services/oauth2/userinfo"}} {
		t.Run(c.row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := c.row
				f := loadFixture(t, r.provider.Name)
				f.set(3600, "token", "expires_in")
				r.expires, r.refreshes = time.Hour, true
				s := r.signIn(t, f)
				require.NoError(t, s.failure)
				resp, err := s.client.HTTPClient(signon.WithOwner(t.Context(), owner)).Get(c.ref)
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, http.StatusOK, resp.StatusCode)
				r.checkTokens(t, s)
			})
		})
	}
}

// Some providers say in words of their own that a refresh token is of no use any more:
// its user has to sign in again, and the provider is not at fault.
func TestSpentRefreshTokens(t *testing.T) {
	for _, c := range []struct {
		name  string
		row   row
		body  string
		spent bool
	}{
		{"strava, spent", strava(), `{"message":"Bad Request","errors":[{"resource":"RefreshToken","field":"refresh_token","code":"invalid"}]}`, true},
		{"strava, the second of two", strava(), `{"errors":[{"resource":"Application"},{"resource":"RefreshToken","code":"invalid"}]}`, true},
		{"strava, the secret", strava(), `{"message":"Bad Request","errors":[{"resource":"Application","field":"client_secret","code":"invalid"}]}`, false},
		{"strava, odd", strava(), `{"message":"Bad Request","errors":["RefreshToken",null,7]}`, false},
		{"zoom, spent", zoom(), `{"reason":"Invalid Token!","error":"invalid_request"}`, true},
		{"zoom, spent, as the RFC has it", zoom(), `{"reason":"Invalid Token!","error":"invalid_grant"}`, true},
		{"zoom, another request", zoom(), `{"reason":"Bad request","error":"invalid_request"}`, false},
		{"atlassian, spent", atlassian(), `{"error":"unauthorized_client","error_description":"refresh_token is invalid"}`, true},
		{"atlassian, spent, as documented", atlassian(), `{"error":"invalid_grant","error_description":"Unknown or invalid refresh token."}`, true},
		{"atlassian, the client", atlassian(), `{"error":"unauthorized_client","error_description":"Grant type not allowed for the client."}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, f := c.row, loadFixture(t, c.row.provider.Name)
				s := r.signIn(t, f)
				require.NoError(t, s.failure)
				f.Refresh = nil
				require.NoError(t, json.Unmarshal([]byte(c.body), &f.Refresh))
				time.Sleep(r.expires + time.Minute)
				_, err := s.client.Token(signon.WithOwner(t.Context(), owner))
				require.Error(t, err)
				require.Equal(t, c.spent, errors.Is(err, signon.ErrNoToken))
			})
		})
	}
}

// The same with the status that it comes with, and at the code exchange.
func TestSpentGrantsHook(t *testing.T) {
	h := providers.Strava().Hooks
	for _, c := range []struct{ name, body, want string }{
		{"a code", `{"errors":[{"resource":"AuthorizationCode","field":"code","code":"invalid"}]}`, `{"error":"invalid_grant"}`},
		{"a token response", `{"access_token":"a","errors":[{"resource":"RefreshToken"}]}`, `{"access_token":"a","errors":[{"resource":"RefreshToken"}]}`},
		{"not JSON", `<html>`, `<html>`},
		{"an array", `[]`, `[]`},
		{"null", `null`, `null`},
		{"nothing", ``, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &hooks.Response{Status: 400, Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(c.body)}
			require.NoError(t, h.TokenResponse(t.Context(), r))
			require.Equal(t, c.want, string(r.Body))
		})
	}
}

// Whatever a provider answers, it stays as it is or becomes other JSON.
func FuzzSpentGrants(f *testing.F) {
	f.Add([]byte(`{"errors":[{"resource":"RefreshToken"}]}`))
	f.Add([]byte(`{"reason":"Invalid Token!","error":"invalid_request"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, p := range []signon.Provider{providers.Strava(), providers.Zoom(), providers.Atlassian()} {
			r := &hooks.Response{Body: bytes.Clone(body)}
			if p.Hooks.RefreshResponse(t.Context(), r) == nil && !bytes.Equal(body, r.Body) {
				require.True(t, json.Valid(r.Body))
			}
		}
	})
}

// What one caller changes in a preset no other caller sees.
func TestPresetsAreFresh(t *testing.T) {
	for _, preset := range []func() signon.Provider{
		providers.Strava, providers.Yandex, providers.LINE, providers.Kakao, providers.Amazon, providers.Zoom,
		providers.Notion, providers.Atlassian, providers.PayPal, providers.ORCID,
	} {
		p := preset()
		t.Run(p.Name, func(t *testing.T) {
			params, scopes := fmt.Sprint(p.AuthorizeParams), fmt.Sprint(p.Scopes)
			for name := range p.AuthorizeParams {
				p.AuthorizeParams.Set(name, "changed")
			}
			for i := range p.Scopes {
				p.Scopes[i] = "changed"
			}
			require.Equal(t, params, fmt.Sprint(preset().AuthorizeParams))
			require.Equal(t, scopes, fmt.Sprint(preset().Scopes))
		})
	}
}

func TestSalesforceDomains(t *testing.T) {
	for _, c := range []struct {
		name, domain, issuer, api string
	}{
		{"a My Domain", "example.my.salesforce.com", "https://example.my.salesforce.com", "https://example.my.salesforce.com/"},
		{"pasted from a browser", "https://example.my.salesforce.com/", "https://example.my.salesforce.com", "https://example.my.salesforce.com/"},
		{"a sandbox", "example--test.sandbox.my.salesforce.com", "https://example--test.sandbox.my.salesforce.com", "https://example--test.sandbox.my.salesforce.com/"},
		{"all organisations", "login.salesforce.com", "https://login.salesforce.com", ""},
		{"all sandboxes", "test.salesforce.com", "https://test.salesforce.com", ""},
		{"none", "", "", ""},
		{"a path", "example.my.salesforce.com/services", "", ""},
		{"another user", "evil@example.my.salesforce.com", "", ""},
		{"a name alone", "example", "", ""},
		{"http", "http://example.my.salesforce.com", "", ""},
		{"a space", "example.my.salesforce.com ", "", ""},
		{"a host that has the other as its path", "evil.com/login.salesforce.com", "", ""},
		{"a dot at its end", "login.salesforce.com.", "", ""},
		{"a dot before it", ".a.b", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			auth, err := signon.New(signon.Config{BaseURL: appURL, Keys: [][]byte{[]byte("0123456789abcdef0123456789abcdef")}})
			require.NoError(t, err)
			p := providers.Salesforce(c.domain)
			p.ClientID, p.ClientSecret = appID, appSecret
			_, err = auth.Register(p)
			if c.issuer == "" {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.issuer, p.Issuer)
			require.Equal(t, c.api, p.APIBaseURL)
		})
	}
}
