package hooks_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/hooks"
)

// CF-07: an argument that cannot be right is known before anybody signs in, alone and
// joined, and the error shows no value, which may be a key.
func TestCheckRefuses(t *testing.T) {
	for name, h := range map[string]hooks.Hooks{
		"a field of Signon's":          hooks.Header("authorization", "canary"),
		"a field without a name":       hooks.Header("", "canary"),
		"a name with a space":          hooks.Header("User Agent", "canary"),
		"a line feed":                  hooks.Header("X-Key", "canary\r\n"),
		"no separator":                 hooks.ScopeSeparator(""),
		"an escaped separator":         hooks.ScopeSeparator("%2C"),
		"no parameter":                 hooks.QueryParam("", "canary"),
		"the token in a query":         hooks.QueryParam("access_token", "canary"),
		"the secret in a query":        hooks.QueryParam("client_secret", "canary"),
		"no parameter for the token":   hooks.InsecureTokenInQuery(""),
		"no error member":              hooks.ErrorMember("", ""),
		"no codes":                     hooks.ErrorCodes(nil),
		"not a code":                   hooks.ErrorCodes(map[string]string{"40030": "invalid grant"}),
		"the code of a success":        hooks.ErrorCodes(map[string]string{"": "invalid_grant"}),
		"no profile":                   hooks.NestedProfile(),
		"a step without a name":        hooks.NestedProfile("data", ""),
		"no token response":            hooks.NestedTokenResponse(),
		"no type":                      hooks.DefaultTokenType(""),
		"another type":                 hooks.DefaultTokenType("mac"),
		"no odd type":                  hooks.OddTokenType(),
		"a misspelt member":            hooks.RenameTokenMember("tok", "acces_token"),
		"no member":                    hooks.RenameTokenMember("", "access_token"),
		"renamed to itself":            hooks.RenameTokenMember("scope", "scope"),
		"half a media type":            hooks.JSONType("text"),
		"no media type":                hooks.JSONType(),
		"a media type with parameters": hooks.JSONType("text/plain; charset=utf-8"),
		"half a media type of a form":  hooks.FormTokenResponse("plain"),
	} {
		t.Run(name, func(t *testing.T) {
			for _, h := range []hooks.Hooks{h, hooks.Join(h), hooks.Join(hooks.PostUserInfo(), hooks.Join(h, hooks.JSONRequest()))} {
				require.Error(t, h.Check())
				require.NotContains(t, h.Check().Error(), "canary")
			}
		})
	}
}

func TestCheckAccepts(t *testing.T) {
	all := hooks.Join(
		hooks.Header("user-agent", "app\t(é)"), hooks.Header("X-Empty", ""), hooks.QueryParam("key", ""),
		hooks.InsecureTokenInQuery("access_token"), hooks.ScopeSeparator(", "), hooks.ErrorMember("errcode", ""),
		hooks.ErrorCodes(map[string]string{"40030": "invalid_grant"}), hooks.NestedProfile("items", "0"),
		hooks.NestedTokenResponse("data"), hooks.DefaultTokenType("bearer"), hooks.OddTokenType(""),
		hooks.RenameTokenMember("expires", "expires_in"), hooks.JSONType("Text/Plain", ""), hooks.FormTokenResponse("text/html", ""),
		hooks.Hooks{},
	)
	require.NoError(t, all.Check())
	require.NoError(t, hooks.Hooks{}.Check())
	r := answer("text/plain", "{}")
	require.NoError(t, hooks.JSONType("Text/Plain").TokenResponse(t.Context(), r))
	require.Equal(t, "application/json", r.Header.Get("Content-Type"), "in whatever case it was named")
}

// TE-16: a form under another media type is one where that is named, and JSON is left.
func TestFormUnderAnotherType(t *testing.T) {
	h := hooks.Join(hooks.FormTokenResponse("text/html", ""), hooks.DefaultTokenType("Bearer"), hooks.JSONType("text/html"))
	for _, contentType := range []string{"text/html; charset=utf-8", "", "application/x-www-form-urlencoded"} {
		r := answer(contentType, "access_token=a%26b")
		require.NoError(t, h.TokenResponse(t.Context(), r))
		require.Equal(t, `{"access_token":"a&b","token_type":"Bearer"}`, string(r.Body))
		require.Equal(t, "application/json", r.Header.Get("Content-Type"))
	}
	r := answer("text/html", ` {"access_token":"a"}`)
	require.NoError(t, h.RefreshResponse(t.Context(), r))
	require.Equal(t, `{"access_token":"a","token_type":"Bearer"}`, string(r.Body))
	r = answer("text/plain", "access_token=a")
	require.NoError(t, h.TokenResponse(t.Context(), r))
	require.Equal(t, "access_token=a", string(r.Body), "a type that nobody has named")
}
