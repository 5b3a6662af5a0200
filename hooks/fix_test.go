package hooks_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/hooks"
)

func answer(contentType, body string) *hooks.Response {
	return &hooks.Response{Status: 200, Header: http.Header{"Content-Type": {contentType}}, Body: []byte(body)}
}

// TE-05, HK-02: a token response without token_type gets one, and nothing else changes.
func TestDefaultTokenType(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"absent", `{"access_token":"a"}`, `{"access_token":"a","token_type":"Bearer"}`},
		{"present", `{"token_type":"mac","access_token":"a"}`, `{"token_type":"mac","access_token":"a"}`},
		{"of no use", `{"token_type":7}`, `{"token_type":7}`},
		{"another case", `{"Token_Type":"x"}`, `{"Token_Type":"x","token_type":"Bearer"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := answer("application/json", c.body)
			require.NoError(t, hooks.DefaultTokenType("Bearer").TokenResponse(t.Context(), r))
			require.JSONEq(t, c.want, string(r.Body))
		})
	}
	for _, same := range []string{``, `null`, `[]`, `"x"`, `<html>`, `{"access_token":"a","access_token":"b"}`, "{\"a\":\"\xff\"}"} {
		r := answer("text/html", same)
		require.NoError(t, hooks.DefaultTokenType("Bearer").RefreshResponse(t.Context(), r))
		require.Equal(t, same, string(r.Body))
	}
}

func TestDefaultTokenTypeKeepsDigits(t *testing.T) {
	r := answer("application/json", `{"id":9007199254740993,"x":1e2}`)
	require.NoError(t, hooks.DefaultTokenType("Bearer").TokenResponse(t.Context(), r))
	require.Equal(t, `{"id":9007199254740993,"token_type":"Bearer","x":1e2}`, string(r.Body))
}

// TE-16: a fix does not make JSON of what came as something else.
func TestDefaultTokenTypeKeepsTheContentType(t *testing.T) {
	r := answer("text/html", `{"access_token":"a"}`)
	require.NoError(t, hooks.DefaultTokenType("Bearer").TokenResponse(t.Context(), r))
	require.Equal(t, "text/html", r.Header.Get("Content-Type"))
}

// TE-16: a form-encoded success, as GitHub sends it, by the fix only.
func TestFormTokenResponse(t *testing.T) {
	fix := hooks.FormTokenResponse()
	r := answer("application/x-www-form-urlencoded; charset=utf-8", "access_token=gho_16C7&scope=repo%2Cgist&token_type=bearer&expires_in=28800")
	require.NoError(t, fix.TokenResponse(t.Context(), r))
	require.Equal(t, "application/json", r.Header.Get("Content-Type"))
	require.JSONEq(t, `{"access_token":"gho_16C7","scope":"repo,gist","token_type":"bearer","expires_in":"28800"}`, string(r.Body))

	for _, c := range []struct{ name, body string }{
		{"twice", "access_token=a&access_token=b"},
		{"bad escape", "access_token=%zz"},
		{"semicolon", "access_token=a;token_type=b"},
		{"not UTF-8", "access_token=%ff"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Error(t, fix.RefreshResponse(t.Context(), answer("application/x-www-form-urlencoded", c.body)))
		})
	}
	for _, other := range []string{"application/json", "text/plain", "text/html", "", ";;"} {
		r := answer(other, "access_token=a")
		require.NoError(t, fix.TokenResponse(t.Context(), r))
		require.Equal(t, "access_token=a", string(r.Body), other)
	}
}
