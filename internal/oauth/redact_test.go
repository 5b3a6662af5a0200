package oauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/internal/oauth"
)

// TE-14: what was sent is taken out of a description in one pass, and a code keeps its
// meaning where a short value is in it by chance.
func TestShortSecrets(t *testing.T) {
	for _, c := range []struct{ name, token, secret, body, code, description string }{
		{"one letter", "r", secret, `{"error":"invalid_grant","error_description":"over"}`, "invalid_grant", "ove[redacted]"},
		{"one letter, and the code of a provider", "4", secret, `{"error":"40163"}`, "40163", ""},
		{"a part of the code", "rt", "grant", `{"error":"invalid_grant"}`, "invalid_grant", ""},
		{"letters of the word that takes its place", "e", "d", `{"error":"x_y","error_description":"bed"}`, "x_y", "b[redacted]"},
		{"an echo of one letter", "r", secret, `{"error":"r"}`, "unreadable_error", ""},
		{"an echo of a word", "rt", "hush", `{"error":"bad:hush"}`, "unreadable_error", ""},
		{"a long part of a standard code", "invalid_", secret, `{"error":"invalid_grant"}`, "unreadable_error", ""},
		{"overlapping", "abcd", "cdef", `{"error":"x","error_description":"-abcdef-"}`, "x", "-[redacted]-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := serve(t, respond(400, "application/json", c.body))
			client := p.client()
			client.Secret = c.secret
			_, err := client.Token(t.Context(), oauth.Refresh, p.URL, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {c.token}})
			var refused *oauth2.RetrieveError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, c.code, refused.ErrorCode)
			require.Equal(t, c.description, refused.ErrorDescription)
		})
	}
}

// The names of what is there, and the fix, stand where what is missing does; no value does,
// nor a name that was made of what was sent.
func TestHints(t *testing.T) {
	for _, c := range []struct {
		name, contentType, body string
		says                    []string
		not                     string
	}{
		{"an error under its own name", "application/json", `{"errcode":40029,"errmsg":"canary"}`, []string{`"errcode", "errmsg"`, "hooks.ErrorMember"}, "40029"},
		{"nested", "application/json", `{"data":{"access_token":"canary"}}`, []string{`"data"`, "hooks.NestedTokenResponse"}, "ErrorMember"},
		{"a number", "application/json", `{"access_token":7}`, []string{"must be a string"}, "hooks."},
		{"nothing", "application/json", `{}`, []string{"no members"}, "canary"},
		{"echoes as names", "application/json", `{"` + code + `":1,"x` + verifier + `":2,"a@b.example":3,"me":4,"1234":5}`, []string{`"me" and 4 more`}, "example"},
		{"many names", "application/json", `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"canary0":1}`, []string{`"h" and 1 more`}, "canary0"},
		{"a long name", "application/json", `{"` + strings.Repeat("x", 1000) + `":1}`, []string{strings.Repeat("x", 32)}, strings.Repeat("x", 33)},
		{"JSON as text", "text/plain", `{"access_token":"canary"}`, []string{`"text/plain"`, "hooks.JSONType"}, "FormTokenResponse"},
		{"a form as text", "text/plain", `access_token=canary&token_type=bearer`, []string{"hooks.FormTokenResponse"}, "JSONType"},
		{"a page", "text/html", `<html>canary</html>`, []string{`"text/html"`}, "hooks."},
		{"an odd type", "application/json", `{"access_token":"canary","token_type":"user"}`, []string{`"user"`, "hooks.OddTokenType"}, "canary"},
		{"a type with a proof", "application/json", `{"access_token":"canary","token_type":"DPoP"}`, []string{`"DPoP"`}, "hooks."},
		{"an echo as type", "application/json", `{"access_token":"a","token_type":"` + code + `"}`, []string{"[redacted]"}, code},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := serve(t, respond(200, c.contentType, c.body))
			_, err := p.exchange(t.Context(), p.client())
			require.ErrorIs(t, err, oauth.ErrResponse)
			for _, part := range c.says {
				require.ErrorContains(t, err, part)
			}
			require.NotContains(t, err.Error(), c.not)
		})
	}
}

// A request that may not be sent is ours; what a ready-made fix cannot read is not.
func TestWhoseFault(t *testing.T) {
	p := serve(t, respond(200, "application/x-www-form-urlencoded", "access_token=a&access_token=b"))
	for name, h := range map[string]hooks.Hooks{
		"a NUL": {TokenRequest: setHeader("X", "\x00")}, "no name": {TokenRequest: setHeader("", "x")},
		"a line feed": {TokenRequest: setHeader("X-Key", "canary\r\n")},
	} {
		client := p.client()
		client.Hooks = h
		_, err := p.exchange(t.Context(), client)
		require.ErrorIs(t, err, oauth.ErrRequest, name)
		requireClean(t, err)
	}
	params := exchangeParams()
	params.Add("code", "another")
	_, err := p.client().Token(t.Context(), oauth.Token, p.URL, params)
	require.ErrorIs(t, err, oauth.ErrRequest)
	params = exchangeParams()
	params.Set("client_secret", "canary")
	_, err = p.client().Token(t.Context(), oauth.Token, p.URL, params)
	require.ErrorIs(t, err, oauth.ErrRequest)
	require.Zero(t, p.hits.Load())

	client := p.client()
	client.Hooks = hooks.FormTokenResponse()
	_, err = p.exchange(t.Context(), client)
	require.ErrorIs(t, err, oauth.ErrResponse)
	require.NotErrorIs(t, err, oauth.ErrHook)
}

// TE-14: whatever header field a method of the application's own proves itself by, and
// whatever a secret is made of, an echo of it does not show.
func TestEchoOfAnyProof(t *testing.T) {
	p := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		respond(401, "application/json", `{"error":"invalid_client","error_description":`+quote("unknown "+r.Header.Get("X-Api-Key")+r.PostForm.Get("client_secret"))+`}`)(w, r)
	})
	byHeader := p.client()
	byHeader.Auth = methodFunc(func(r *clientauth.Request) error {
		r.Header.Set("X-Api-Key", "canary-0123456789")
		return nil
	})
	_, err := p.exchange(t.Context(), byHeader)
	requireClean(t, err)
	require.ErrorContains(t, err, "unknown [redacted]")

	odd := p.client()
	odd.Auth, odd.Secret = clientauth.Post{}, "canary\u00a0and\tmore-0123456789"
	_, err = p.exchange(t.Context(), odd)
	requireClean(t, err)
	require.ErrorContains(t, err, "unknown [redacted]")
}
