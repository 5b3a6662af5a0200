package hooks_test

import (
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/hooks"
)

// FuzzTokenFixes: whatever a provider sends, each fix returns, what it changes is an
// object of distinct names, and what it does not understand stays as it is.
func FuzzTokenFixes(f *testing.F) {
	f.Add("application/json", `{"data":{"access_token":"a","expires":1,"scope":"a,b"},"errcode":0}`)
	f.Add("application/x-www-form-urlencoded", "access_token=a&expires=1&scope=a%2Cb&errcode=1")
	f.Add("text/html", "<html>")
	f.Add("application/json", `{"data":[[[`)
	all := []hooks.Hooks{
		hooks.DefaultTokenType("Bearer"), hooks.OddTokenType("user"), hooks.RenameTokenMember("expires", "expires_in"),
		hooks.NestedTokenResponse("data", "0"), hooks.FormTokenResponse(), hooks.JSONType("text/plain"),
		hooks.ErrorMember("errcode", "errmsg"), hooks.ErrorCodes(map[string]string{"1": "invalid_grant"}), hooks.ScopeSeparator(","),
	}
	all = append(all, hooks.Join(all...))
	f.Fuzz(func(t *testing.T, contentType, body string) {
		for _, h := range all {
			r := answer(contentType, body)
			if err := h.TokenResponse(t.Context(), r); err != nil {
				require.Equal(t, "application/x-www-form-urlencoded", mediaTypeOf(contentType))
				continue
			}
			if string(r.Body) == body || mediaTypeOf(r.Header.Get("Content-Type")) == "application/x-www-form-urlencoded" {
				continue
			}
			var members map[string]json.RawMessage
			require.NoError(t, json.Unmarshal(r.Body, &members))
			require.NotNil(t, members)
		}
	})
}

func mediaTypeOf(contentType string) string {
	mediaType, _, _ := mime.ParseMediaType(contentType)
	return mediaType
}

// FuzzNestedProfile: what comes out is an object that stood in what went in.
func FuzzNestedProfile(f *testing.F) {
	f.Add(`{"data":[{"id":1}]}`)
	f.Add(`[[]]`)
	f.Add(`{"data":{"0":{"a":"\ud800"}}}`)
	f.Fuzz(func(t *testing.T, body string) {
		r := &hooks.Response{Status: 200, Header: http.Header{}, Body: []byte(body)}
		if hooks.NestedProfile("data", "0").UserInfoResponse(t.Context(), r) != nil {
			require.Equal(t, body, string(r.Body))
			return
		}
		require.Contains(t, body, string(r.Body))
		var members map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(r.Body, &members))
	})
}

// FuzzFirstFormPostUser: whatever a browser posts, only the name is taken from it.
func FuzzFirstFormPostUser(f *testing.F) {
	f.Add(`{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"a@b.c"}`)
	f.Add(`{"name":[]}`)
	f.Fuzz(func(t *testing.T, user string) {
		p := &hooks.Profile{Email: "a@example.com", Answer: url.Values{"user": {user}}}
		require.NoError(t, hooks.FirstFormPostUser().Profile(t.Context(), p))
		require.Equal(t, "a@example.com", p.Email)
		require.False(t, p.EmailVerified)
		require.Empty(t, p.Picture)
	})
}
