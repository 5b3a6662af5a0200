package signon_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

// Each fault of the userinfo endpoint, where a login needs it: no half session.
func TestUserInfoFaults(t *testing.T) {
	for _, tt := range []struct {
		row    string
		fault  signontest.Fault
		status int
	}{
		{"UI-01 another sub", signontest.WrongSubjectUserInfo, 502},
		{"UI-03 HTML", signontest.HTMLBody.At(signontest.UserInfo), 502},
		{"UI-03 array", signontest.ArrayBody.At(signontest.UserInfo), 502},
		{"UI-03 null", signontest.NullBody.At(signontest.UserInfo), 502},
		{"UI-03 text/plain", signontest.PlainTextBody.At(signontest.UserInfo), 502},
		{"UI-03 200 MB", signontest.HugeBody.At(signontest.UserInfo), 502},
		{"UI-03 bomb", signontest.GzipBomb.At(signontest.UserInfo), 502},
		{"UI-03 twice", signontest.DuplicateMember.At(signontest.UserInfo), 502},
		{"UI-03 UTF-8", signontest.InvalidUTF8.At(signontest.UserInfo), 502},
		{"UI-05 redirect", signontest.RedirectUserInfo, 502},
		{"UI-05 302", signontest.RedirectFound.At(signontest.UserInfo), 502},
		{"UI-06 500", signontest.ServerError.At(signontest.UserInfo), 502},
		{"UI-06 503", signontest.DownUserInfo, 503},
		{"UI-06 429", signontest.TooManyRequests.At(signontest.UserInfo), 503},
		{"hangs", signontest.Hang.At(signontest.UserInfo), 504},
		{"slow", signontest.SlowBody.At(signontest.UserInfo), 504},
	} {
		t.Run(tt.row, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t, appOptions{provider: func(p *signon.Provider) { p.FetchUserInfo = true }})
				a.op.Arm(tt.fault)
				began := time.Now()
				page := a.signIn()
				require.Equal(t, tt.status, page.Status, a.log)
				require.LessOrEqual(t, time.Since(began), 11*time.Second)
				require.Equal(t, 1, a.op.Fired(tt.fault))
				require.Equal(t, 1, a.op.Count(signontest.Token))
				require.Zero(t, a.op.Count(signontest.Elsewhere))
				a.requireNobody()
				a.requireQuiet(page)
				a.op.Disarm()
				require.Equal(t, http.StatusOK, a.signIn().Status)
				a.requireSignedIn("alice")
			})
		})
	}
}

// UI-01, UI-06: what else a userinfo response may not be.
func TestUserInfoRefused(t *testing.T) {
	for _, tt := range []struct {
		row  string
		edit signontest.Edit
	}{
		{"UI-01 missing", func(m map[string]any) { delete(m, "sub") }},
		{"UI-01 number", setMember("sub", 7)},
		{"UI-01 case variant", func(m map[string]any) { m["SUB"] = m["sub"]; delete(m, "sub") }},
		{"UI-01 a second one", setMember("Sub", "mallory")},
		{"UI-01 a prefix", setMember("sub", "alic")},
	} {
		t.Run(tt.row, func(t *testing.T) {
			a := newApp(t, appOptions{provider: func(p *signon.Provider) { p.FetchUserInfo = true }})
			a.op.UserInfo(tt.edit)
			require.Equal(t, http.StatusBadGateway, a.signIn().Status)
			a.requireNobody()
		})
	}
	for _, status := range []int{401, 403, 201, 204} {
		a := newApp(t, appOptions{provider: func(p *signon.Provider) { p.FetchUserInfo = true }})
		a.op.Handle("/userinfo", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			if status != 204 {
				_, _ = w.Write([]byte(`{"sub":"alice"}`))
			}
		}))
		require.Equal(t, http.StatusBadGateway, a.signIn().Status, "UI-06 %d", status)
		a.requireNobody()
	}
}

// UI-02: a signed userinfo response counts only if it is signed by the issuer, for
// this client, about this subject.
func TestSignedUserInfo(t *testing.T) {
	for _, tt := range []struct {
		name   string
		claims map[string]any
		bend   func(string) string
		ok     bool
	}{
		{name: "good", claims: map[string]any{"sub": "alice", "iss": "https://provider.test", "aud": "app"}, ok: true},
		{name: "another sub", claims: map[string]any{"sub": "mallory", "iss": "https://provider.test", "aud": "app"}},
		{name: "another iss", claims: map[string]any{"sub": "alice", "iss": "https://evil.test", "aud": "app"}},
		{name: "another aud", claims: map[string]any{"sub": "alice", "iss": "https://provider.test", "aud": "other"}},
		{name: "bad signature", claims: map[string]any{"sub": "alice"}, bend: func(s string) string { return s[:len(s)-20] + "AAAAAAAAAAAAAAAAAAAA" }},
		{name: "none", bend: func(string) string {
			return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"alice"}`)) + "."
		}},
		{name: "JSON", bend: func(string) string { return `{"sub":"alice"}` }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, appOptions{provider: func(p *signon.Provider) { p.FetchUserInfo = true }})
			a.op.Handle("/userinfo", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				signed, _ := a.op.Sign(nil, tt.claims)
				if tt.bend != nil {
					signed = tt.bend(signed)
				}
				w.Header().Set("Content-Type", "application/jwt")
				_, _ = w.Write([]byte(signed))
			}))
			page := a.signIn()
			if tt.ok {
				require.Equal(t, http.StatusOK, page.Status, a.log)
				return
			}
			require.Equal(t, http.StatusBadGateway, page.Status)
			a.requireNobody()
		})
	}
}

// UI-04, UI-10: the claims of the ID token stay what they are beside those of the
// userinfo, and no URL among them is fetched.
func TestUserInfoStandsBesideTheIDToken(t *testing.T) {
	var login *signon.Login
	a := newApp(t, appOptions{
		provider: func(p *signon.Provider) { p.FetchUserInfo = true },
		config:   func(c *signon.Config) { c.OnLogin = keepLogin(&login) },
	})
	a.op.UserInfo(func(m map[string]any) {
		m["iss"], m["aud"], m["email"], m["email_verified"] = "https://evil.test", "other", "root@evil.test", true
		m["picture"], m["groups"] = "http://169.254.169.254/latest", []string{"admin"}
	})
	require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
	require.Equal(t, "https://provider.test", login.Issuer)
	email, _ := login.Email()
	require.Equal(t, "alice@example.com", email)
	var claims, info map[string]any
	require.NoError(t, login.Claims(&claims))
	require.NoError(t, login.UserInfo(&info))
	require.Equal(t, "https://provider.test", claims["iss"])
	require.NotContains(t, claims, "groups")
	require.Equal(t, "root@evil.test", info["email"])
}

// UI-07, UI-08, UI-09: a provider of plain OAuth 2.0 numbers its users. The digits
// are kept, nobody without one gets in, and the provider is part of who it is.
func TestPlainOAuthIdentity(t *testing.T) {
	for _, tt := range []struct {
		name, claim string
		edit        signontest.Edit
		want        string
	}{
		{name: "as it comes", want: "9007199254740993"},
		{name: "round", edit: setMember("id", json.RawMessage("12345678")), want: "12345678"},
		{name: "text", edit: setMember("id", "u-1"), want: "u-1"},
		{name: "sub wins", edit: setMember("sub", "me"), want: "me"},
		{name: "named", claim: "login", want: "alice"},
		{name: "missing", edit: func(m map[string]any) { delete(m, "id") }},
		{name: "empty", edit: setMember("id", "")},
		{name: "null", edit: setMember("id", nil)},
		{name: "fraction", edit: setMember("id", 1.5)},
		{name: "exponent", edit: setMember("id", json.RawMessage("1e3"))},
		{name: "bool", edit: setMember("id", true)},
		{name: "empty sub beside an id", edit: setMember("sub", "")},
		{name: "named and missing", claim: "uuid"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var login *signon.Login
			a := newApp(t, appOptions{
				oauth: true, provider: func(p *signon.Provider) { p.SubjectClaim = tt.claim },
				config: func(c *signon.Config) { c.OnLogin = keepLogin(&login) },
			})
			a.op.UserInfo(tt.edit)
			page := a.signIn()
			if tt.want == "" {
				require.Equal(t, http.StatusBadGateway, page.Status)
				a.requireNobody()
				return
			}
			require.Equal(t, http.StatusOK, page.Status, a.log)
			a.requireSignedIn(tt.want)
			require.Equal(t, "op", login.Provider)
			require.Empty(t, login.Issuer)
			var claims map[string]any
			require.NoError(t, login.Claims(&claims))
			if tt.name == "as it comes" {
				require.Equal(t, "9007199254740993", claims["id"].(json.Number).String())
			}
		})
	}
}

// UserInfo asks again later, and the answer must be about whoever is signed in.
func TestUserInfoOfTheCaller(t *testing.T) {
	a := newOwned(t, appOptions{})
	token := a.stored("alice")
	info, err := a.client.UserInfo(a.as("alice"), token)
	require.NoError(t, err)
	require.Equal(t, "alice", info.Subject)
	email, verified := info.Email()
	require.Equal(t, "alice@example.com", email)
	require.True(t, verified)
	var claims struct {
		Name string `json:"name"`
	}
	require.NoError(t, info.Claims(&claims))
	require.Equal(t, "Alice Adams", claims.Name)

	for _, none := range []*oauth2.Token{nil, {}} {
		_, err = a.client.UserInfo(a.as("alice"), none)
		require.ErrorIs(t, err, signon.ErrNoToken)
	}

	var inside error
	mux := http.NewServeMux()
	mux.Handle("/", a.client.RequireToken(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, inside = a.client.UserInfo(r.Context(), token)
	})))
	a.browser.Serve(appURL, mux)
	a.browser.Get(appURL + "/")
	require.NoError(t, inside)
	a.op.Arm(signontest.WrongSubjectUserInfo) // UI-01
	a.browser.Get(appURL + "/")
	require.ErrorIs(t, inside, signon.ErrProvider)
}
