package signon_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/signontest"
)

// CF-07: what can do nothing, or nothing right, refuses the registration, with the remedy.
func TestProviderMisuse(t *testing.T) {
	_, ec, _ := clientKeys(t)
	keyed := clientauth.PrivateKeyJWT{Keys: []clientauth.Key{{Signer: ec}}, Audience: "https://op.example/token"}
	for _, tt := range []struct {
		name   string
		change func(*signon.Provider)
		says   string // "": it is fine
	}{
		{"a header of Signon's", hooked(hooks.Join(hooks.JSONRequest(), hooks.Header("Authorization", "x"))), "Authorization"},
		{"a line feed", hooked(hooks.Header("X-Key", "canary\n")), "line feed"},
		{"a good header", hooked(hooks.Header("X-Key", "x")), ""},
		{"SubjectClaim of nothing", func(p *signon.Provider) { p.UserInfoURL = "" }, "SubjectClaim"},
		{"a key and a secret", func(p *signon.Provider) { p.ClientAuth = keyed }, "private_key_jwt"},
		{"a key and a secret for HS256", func(p *signon.Provider) { p.ClientAuth, p.SigningAlgs = keyed, []string{"HS256"} }, ""},
		{"a key and a secret for revocation", func(p *signon.Provider) { p.ClientAuth, p.RevocationAuth = keyed, clientauth.Post{} }, ""},
		{"a key and no secret", func(p *signon.Provider) { p.ClientAuth, p.ClientSecret = keyed, "" }, ""},
		{"http elsewhere", func(p *signon.Provider) { p.UserInfoURL = "http://op.example/me" }, "loopback"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			auth, err := signon.New(signon.Config{BaseURL: appURL, Keys: siteKeys, Logger: quiet()})
			require.NoError(t, err)
			p := signontest.NewInProcess(signontest.Config{ClientSecret: longSecret}).OAuthProvider("op")
			tt.change(&p)
			_, err = auth.Register(p)
			if tt.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.says)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}

// A request that may not be sent is ours, and what a ready-made fix does not find is the
// provider's.
func TestWhoseFault(t *testing.T) {
	set := func(name, value string) hooks.Hooks {
		return hooks.Hooks{UserInfoRequest: func(_ context.Context, r *http.Request) error {
			r.Header.Set(name, value)
			return nil
		}}
	}
	add := hooks.Hooks{TokenRequest: func(_ context.Context, r *hooks.Request) error {
		r.Params.Add("code", "canary")
		return nil
	}}
	proof := hooks.Hooks{TokenRequest: func(_ context.Context, r *hooks.Request) error {
		r.Params.Set("client_assertion", "canary")
		return nil
	}}
	for _, tt := range []struct {
		name   string
		hooks  hooks.Hooks
		status int
		says   string
	}{
		{"two codes", add, 500, "2 values"},
		{"two proofs", proof, 500, "2 proofs"},
		{"a line feed in a header", set("X-Key", "canary\r\n"), 500, "X-Key"},
		{"no profile where it should be", hooks.NestedProfile("data"), 502, `"errcode"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, appOptions{oauth: true, provider: hooked(tt.hooks)})
			a.op.Handle("/api/user", said(`{"errcode":40001,"errmsg":"canary"}`))
			page := a.signIn()
			require.Equal(t, tt.status, page.Status, a.log)
			require.ErrorContains(t, a.lastFailure(), tt.says)
			require.NotContains(t, a.log.String(), "canary")
			a.requireNobody()
			a.requireQuiet(page)
		})
	}
}

// said answers with JSON.
func said(body string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(body))
	})
}

// UI-08: where nobody is identified, the log names what there is, and the remedy; no value,
// and no name that is the token.
func TestUserInfoHints(t *testing.T) {
	for _, tt := range []struct {
		name, claim, body string
		says              []string
		not               string
	}{
		{"a number of a customer", "", `{"customer_number":4711,"name":"canary"}`, []string{`"sub" is missing`, `"customer_number", "name"`, "SubjectClaim"}, "NestedProfile"},
		{"inside of data", "uid", `{"data":{"uid":1,"name":"canary"},"ok":true}`, []string{`"uid" is missing`, `inside of "data"`, `"name", "uid"`, "hooks.NestedProfile"}, "SubjectClaim"},
		{"inside of a list", "uid", `{"items":[{"uid":1}]}`, []string{`inside of "items"`}, "SubjectClaim"},
		{"an echo", "", `{"TOKEN":1,"me":2}`, []string{`"me" and 1 more`}, "canary"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, appOptions{oauth: true, provider: func(p *signon.Provider) { p.SubjectClaim = tt.claim }})
			a.op.Handle("/api/user", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body := tt.body
				if tt.name == "an echo" {
					token := r.Header.Get("Authorization")[len("Bearer "):]
					body = `{` + quoteJSON(token) + `:1,"me":2}`
				}
				said(body).ServeHTTP(w, r)
			}))
			page := a.signIn()
			require.Equal(t, http.StatusBadGateway, page.Status, a.log)
			for _, part := range tt.says {
				require.ErrorContains(t, a.lastFailure(), part)
			}
			require.NotContains(t, a.lastFailure().Error(), tt.not)
			require.NotContains(t, a.log.String(), "canary")
			a.requireQuiet(page)
		})
	}
}

func quoteJSON(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// UI-06: a userinfo that is refused names the endpoint, without its query, and what such a
// refusal often means.
func TestUserInfoRefusalHints(t *testing.T) {
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	a := newApp(t, appOptions{oauth: true, provider: func(p *signon.Provider) { p.UserInfoURL += "?key=canary" }})
	a.op.Handle("/api/user", refuse)
	require.Equal(t, http.StatusBadGateway, a.signIn().Status, a.log)
	require.ErrorContains(t, a.lastFailure(), "https://provider.test/api/user: answer has status 403")
	require.ErrorContains(t, a.lastFailure(), "hooks.Header")
	require.NotContains(t, a.log.String(), "canary")

	a = newApp(t, appOptions{oauth: true})
	a.op.Arm(signontest.PlainTextBody.At(signontest.API))
	require.Equal(t, http.StatusBadGateway, a.signIn().Status, a.log)
	require.ErrorContains(t, a.lastFailure(), "hooks.JSONType")

	a = newApp(t, appOptions{provider: func(p *signon.Provider) { p.Scopes = []string{"email"} }})
	a.op.Metadata(func(m map[string]any) { delete(m, "authorization_response_iss_parameter_supported") })
	a.op.Handle("/userinfo", refuse)
	require.Equal(t, http.StatusBadGateway, a.signIn().Status, a.log)
	require.ErrorContains(t, a.lastFailure(), "/userinfo: answer has status 403")
	require.ErrorContains(t, a.lastFailure(), "openid is not in Scopes")
}

// The page tells a provider that reports an error from one that cannot be reached and from
// one that answers nonsense; the log does not call an answer what nobody gave.
func TestFaultWords(t *testing.T) {
	messages := map[string]bool{}
	for _, fault := range []signontest.Fault{signontest.InvalidClient, signontest.HTMLToken} {
		a := newApp(t, appOptions{})
		a.op.Arm(fault)
		require.Equal(t, http.StatusBadGateway, a.signIn().Status)
		messages[a.lastFailure().Message()] = true
	}
	down := &http.Client{}
	a := newApp(t, appOptions{config: func(c *signon.Config) {
		next := c.HTTPClient.Transport
		down.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodPost {
				return nil, &url.Error{Op: "Post", URL: r.URL.String(), Err: syscall.ECONNREFUSED}
			}
			return next.RoundTrip(r)
		})
		c.HTTPClient = down
	}})
	require.Equal(t, http.StatusBadGateway, a.signIn().Status)
	require.ErrorIs(t, a.lastFailure(), signon.ErrProvider)
	require.NotContains(t, a.log.String(), signon.ErrProvider.Error())
	messages[a.lastFailure().Message()] = true
	require.Len(t, messages, 3)
}

// RF-11: a fake whose refresh token is one letter signs its user out as any other would.
func TestOneLetterRefreshToken(t *testing.T) {
	a := newOwned(t, appOptions{provider: hooked(hooks.Join(
		hooks.ErrorMember("errcode", "errmsg"), hooks.ErrorCodes(map[string]string{"40030": "invalid_grant"}),
	))})
	a.expire("alice")
	a.store("alice", func(stored *oauth2.Token) { stored.RefreshToken = "r" })
	a.op.Handle("/token", said(`{"errcode":40030,"errmsg":"refresh_token expired"}`))
	_, err := a.client.Token(a.as("alice"))
	require.ErrorIs(t, err, signon.ErrNoToken)
	require.NotErrorIs(t, err, signon.ErrProvider)
}

// At the API, too, a header that cannot be sent is ours, and an answer of another type is
// the provider's.
func TestWhoseFaultAtTheAPI(t *testing.T) {
	a := newOwned(t, appOptions{provider: hooked(hooks.Hooks{APIRequest: func(_ context.Context, r *http.Request) error {
		r.Header.Set("X-Key", "canary\n")
		return nil
	}})})
	_, err := a.client.HTTPClient(a.as("alice")).Get("items")
	require.ErrorIs(t, err, signon.ErrInternal)
	require.NotContains(t, err.Error(), "canary")

	a = newApp(t, appOptions{provider: hooked(hooks.Hooks{Profile: func(ctx context.Context, p *hooks.Profile) error {
		return p.Get(ctx, "items", new(any))
	}})})
	a.op.Arm(signontest.PlainTextBody.At(signontest.API))
	require.Equal(t, http.StatusBadGateway, a.signIn().Status, a.log)
	a.requireNobody()
}
