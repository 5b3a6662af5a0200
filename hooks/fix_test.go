package hooks_test

import (
	"context"
	"net/http"
	"slices"
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

// TE-05: an odd token_type that is named counts as Bearer, and no other does.
func TestOddTokenType(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"odd", `{"token_type":"user"}`, `{"token_type":"Bearer"}`},
		{"in another case", `{"token_type":"User"}`, `{"token_type":"Bearer"}`},
		{"another odd one", `{"token_type":"bot"}`, `{"token_type":"Bearer"}`},
		{"not named", `{"token_type":"mac"}`, `{"token_type":"mac"}`},
		{"a number", `{"token_type":1}`, `{"token_type":1}`},
		{"absent", `{"access_token":"a"}`, `{"access_token":"a"}`},
		{"null", `{"token_type":null}`, `{"token_type":null}`},
	} {
		t.Run(c.name, func(t *testing.T) { requireFixed(t, hooks.OddTokenType("user", "bot"), c.body, c.want) })
	}
	requireFixed(t, hooks.OddTokenType(""), `{"token_type":""}`, `{"token_type":"Bearer"}`)
	requireFixed(t, hooks.OddTokenType(""), `{}`, `{}`)
}

// requireFixed: a fix makes want of a token response and of a refresh response in JSON.
func requireFixed(t *testing.T, h hooks.Hooks, body, want string) {
	t.Helper()
	for _, fix := range []func(context.Context, *hooks.Response) error{h.TokenResponse, h.RefreshResponse} {
		r := answer("application/json", body)
		require.NoError(t, fix(t.Context(), r))
		require.Equal(t, want, string(r.Body))
	}
}

// TE-07: the life of a token under another name.
func TestRenameTokenMember(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"there", `{"expires":9007199254740993}`, `{"expires_in":9007199254740993}`},
		{"a string", `{"expires":"3600"}`, `{"expires_in":"3600"}`},
		{"both", `{"expires":1,"expires_in":2}`, `{"expires":1,"expires_in":2}`},
		{"neither", `{"a":1}`, `{"a":1}`},
		{"another case", `{"Expires":1}`, `{"Expires":1}`},
		{"twice", `{"expires":1,"expires":2}`, `{"expires":1,"expires":2}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			requireFixed(t, hooks.RenameTokenMember("expires", "expires_in"), c.body, c.want)
		})
	}
}

// HK-02: of two tokens in one response, nothing is mixed and nothing is taken for the
// other.
func TestNestedTokenResponse(t *testing.T) {
	for _, c := range []struct {
		name       string
		path       []string
		body, want string
	}{
		{"data", []string{"data"}, `{"data":{"access_token":"a"},"message":"ok"}`, `{"access_token":"a","message":"ok"}`},
		{"deep", []string{"a", "b", "1"}, `{"a":{"b":[0,{"access_token":"a"}]}}`, `{"access_token":"a"}`},
		{"beside another token", []string{"authed_user"},
			`{"ok":true,"access_token":"bot","refresh_token":"bot","expires_in":1,"scope":"bot","token_type":"bot","id_token":"bot","authed_user":{"access_token":"user"},"team":{"id":"T"}}`,
			`{"access_token":"user","ok":true,"team":{"id":"T"}}`},
		{"absent beside another token", []string{"authed_user"}, `{"access_token":"bot","token_type":"bot"}`, `{}`},
		{"null", []string{"authed_user"}, `{"access_token":"bot","authed_user":null}`, `{}`},
		{"no object", []string{"authed_user"}, `{"access_token":"bot","authed_user":"x"}`, `{}`},
		{"an error stays", []string{"data"}, `{"error":"invalid_grant"}`, `{"error":"invalid_grant"}`},
		{"an error beside it stays", []string{"data"}, `{"error":"x","data":{"access_token":"a"}}`, `{"access_token":"a","error":"x"}`},
	} {
		t.Run(c.name, func(t *testing.T) { requireFixed(t, hooks.NestedTokenResponse(c.path...), c.body, c.want) })
	}
	require.Error(t, hooks.NestedTokenResponse().TokenResponse(t.Context(), answer("application/json", `{}`)))
}

// TE-16: JSON under another media type, if it is named.
func TestJSONType(t *testing.T) {
	h := hooks.JSONType("text/plain", "")
	for _, c := range []struct{ given, want string }{
		{"text/plain; charset=utf-8", "application/json"}, {"TEXT/PLAIN", "application/json"},
		{"text/html", "text/html"}, {"application/json;charset=utf-8", "application/json;charset=utf-8"},
	} {
		for _, fix := range []func(context.Context, *hooks.Response) error{h.TokenResponse, h.RefreshResponse, h.IntrospectResponse, h.UserInfoResponse} {
			r := answer(c.given, "{}")
			require.NoError(t, fix(t.Context(), r))
			require.Equal(t, c.want, r.Header.Get("Content-Type"))
		}
	}
	none := &hooks.Response{Status: 200, Body: []byte("{}")}
	require.NoError(t, h.TokenResponse(t.Context(), none))
	require.Equal(t, "application/json", none.Header.Get("Content-Type"))
}

// Fixes of a token response work on both sides of FormTokenResponse.
func TestFixesOfAForm(t *testing.T) {
	form := hooks.FormTokenResponse()
	fixes := []hooks.Hooks{
		hooks.DefaultTokenType("Bearer"), hooks.RenameTokenMember("expires", "expires_in"),
		hooks.ScopeSeparator(","), hooks.ErrorMember("errcode", "errmsg"),
	}
	for name, order := range map[string][]hooks.Hooks{
		"form first": append([]hooks.Hooks{form}, fixes...),
		"form last":  append(slices.Clone(fixes), form),
	} {
		t.Run(name, func(t *testing.T) {
			h := hooks.Join(order...)
			r := answer("application/x-www-form-urlencoded", "access_token=a%26b&expires=3600&scope=x%2Cy&errcode=0")
			require.NoError(t, h.TokenResponse(t.Context(), r))
			require.Equal(t, `{"access_token":"a&b","expires_in":"3600","scope":"x y","token_type":"Bearer"}`, string(r.Body))

			r = answer("application/x-www-form-urlencoded", "errcode=40029&errmsg=bad+code")
			require.NoError(t, h.RefreshResponse(t.Context(), r))
			require.JSONEq(t, `{"error":"40029","error_description":"bad code","errcode":"40029","errmsg":"bad code","token_type":"Bearer"}`, string(r.Body))

			require.Error(t, h.TokenResponse(t.Context(), answer("application/x-www-form-urlencoded", "access_token=a&access_token=b")))
			require.Error(t, h.TokenResponse(t.Context(), answer("application/x-www-form-urlencoded", "access_token=%zz")))
		})
	}
}

// What is not an object, or an ambiguous one, is left to the checks, byte by byte.
func TestFixesLeaveTheRest(t *testing.T) {
	for name, h := range map[string]hooks.Hooks{
		"OddTokenType": hooks.OddTokenType("x"), "RenameTokenMember": hooks.RenameTokenMember("a", "b"),
		"NestedTokenResponse": hooks.NestedTokenResponse("a"), "ErrorMember": hooks.ErrorMember("a", "b"),
		"ErrorCodes": hooks.ErrorCodes(map[string]string{"": "x"}), "ScopeSeparator": hooks.ScopeSeparator(","),
	} {
		for _, body := range []string{``, `null`, `[]`, `"x"`, `<html>`, `{"a":1,"a":2}`, `{"a":1} {}`, "{\"a\":\"\xff\"}", `{ "z" : 1 }x`} {
			t.Run(name+" "+body, func(t *testing.T) {
				r := answer("application/json", body)
				require.NoError(t, h.TokenResponse(t.Context(), r))
				require.Equal(t, body, string(r.Body))
			})
		}
	}
}
