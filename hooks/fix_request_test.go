package hooks_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/hooks"
)

// sent runs the request hooks of every stage and returns, by their names, what came of
// the URL and of the header.
func sent(t *testing.T, h hooks.Hooks, rawURL string) (urls map[string]string, headers map[string]http.Header) {
	t.Helper()
	urls, headers = map[string]string{}, map[string]http.Header{}
	for name, f := range map[string]func() (string, http.Header, error){
		"token":      func() (string, http.Header, error) { return posted(t, h, "TokenRequest", rawURL) },
		"refresh":    func() (string, http.Header, error) { return posted(t, h, "RefreshRequest", rawURL) },
		"revoke":     func() (string, http.Header, error) { return posted(t, h, "RevokeRequest", rawURL) },
		"introspect": func() (string, http.Header, error) { return posted(t, h, "IntrospectRequest", rawURL) },
		"userinfo":   func() (string, http.Header, error) { return asked(t, h, "UserInfoRequest", rawURL) },
		"api":        func() (string, http.Header, error) { return asked(t, h, "APIRequest", rawURL) },
	} {
		u, header, err := f()
		require.NoError(t, err, name)
		urls[name], headers[name] = u, header
	}
	return urls, headers
}

func posted(t *testing.T, h hooks.Hooks, stage, rawURL string) (string, http.Header, error) {
	r := &hooks.Request{URL: rawURL, Header: http.Header{}, Params: url.Values{}}
	f := map[string]hookOf[*hooks.Request]{
		"TokenRequest": h.TokenRequest, "RefreshRequest": h.RefreshRequest,
		"RevokeRequest": h.RevokeRequest, "IntrospectRequest": h.IntrospectRequest,
	}[stage]
	err := f(t.Context(), r)
	return r.URL, r.Header, err
}

func asked(t *testing.T, h hooks.Hooks, stage, rawURL string) (string, http.Header, error) {
	r := httptest.NewRequest(http.MethodGet, rawURL, nil)
	r.Header.Set("Authorization", "Bearer t&1")
	f := map[string]hookOf[*http.Request]{"UserInfoRequest": h.UserInfoRequest, "APIRequest": h.APIRequest}[stage]
	err := f(t.Context(), r)
	return r.URL.String(), r.Header, err
}

func TestHeader(t *testing.T) {
	_, headers := sent(t, hooks.Header("client-id", "app"), "https://op.example/x")
	require.Len(t, headers, 6)
	for stage, h := range headers {
		require.Equal(t, []string{"app"}, h["Client-Id"], stage)
	}
	// HK-05: what carries the proof and the token is not for a fix to set.
	for _, name := range []string{"authorization", "Host", "Content-Type", "content-length"} {
		_, _, err := asked(t, hooks.Header(name, "x"), "APIRequest", "https://op.example/x")
		require.Error(t, err, name)
		_, _, err = posted(t, hooks.Header(name, "x"), "TokenRequest", "https://op.example/x")
		require.Error(t, err, name)
	}
}

func TestQueryParam(t *testing.T) {
	for _, c := range []struct{ given, want string }{
		{"https://op.example/x", "https://op.example/x?key=a%26b"},
		{"https://op.example/x?z=1&a=%2f", "https://op.example/x?z=1&a=%2f&key=a%26b"},
		{"https://op.example/x?key=own", "https://op.example/x?key=own"},
	} {
		urls, _ := sent(t, hooks.QueryParam("key", "a&b"), c.given)
		require.Len(t, urls, 6)
		for stage, got := range urls {
			require.Equal(t, c.want, got, stage)
		}
	}
	_, _, err := asked(t, hooks.QueryParam("key", "v"), "APIRequest", "https://op.example/x?a=%zz")
	require.Error(t, err)
	_, _, err = posted(t, hooks.QueryParam("key", "v"), "TokenRequest", "https://op.example/x?a=%zz")
	require.Error(t, err)
}

func TestInsecureTokenInQuery(t *testing.T) {
	fix := hooks.InsecureTokenInQuery("access_token")
	u, header, err := asked(t, fix, "UserInfoRequest", "https://op.example/me?v=1")
	require.NoError(t, err)
	require.Equal(t, "https://op.example/me?v=1&access_token=t%261", u)
	require.Empty(t, header.Get("Authorization"), "in one place only")
	require.Nil(t, fix.APIRequest)

	_, _, err = asked(t, fix, "UserInfoRequest", "https://op.example/me?access_token=x")
	require.Error(t, err)
	_, _, err = asked(t, hooks.Join(fix, fix), "UserInfoRequest", "https://op.example/me")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "t&1")
}

func TestPostUserInfo(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "https://op.example/me", nil)
	require.NoError(t, hooks.PostUserInfo().UserInfoRequest(t.Context(), r))
	require.Equal(t, http.MethodPost, r.Method)
}

func TestJSONRequest(t *testing.T) {
	for _, stage := range []string{"TokenRequest", "RefreshRequest", "RevokeRequest", "IntrospectRequest"} {
		_, header, err := posted(t, hooks.JSONRequest(), stage, "https://op.example/x")
		require.NoError(t, err)
		require.Equal(t, "application/json", header.Get("Content-Type"))
	}
}

// TE-08: scopes that a provider separates in its own way.
func TestScopeSeparator(t *testing.T) {
	for _, c := range []struct{ name, separator, asked, sent, granted, want string }{
		{"comma", ",", "a b", "a,b", "a,b", "a b"},
		{"comma and space", ",", "a b", "a,b", "a, b", "a b"},
		{"plus", "+", "a b c", "a+b+c", "a+b+c", "a b c"},
		{"one", ",", "a", "a", "a", "a"},
		{"spaces too", ",", " a  b ", "a,b", "a b", "a b"},
		{"none", "", "a b", "ab", "a b", "a b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := hooks.ScopeSeparator(c.separator)
			a := &hooks.Authorize{Params: url.Values{"scope": {c.asked}}}
			require.NoError(t, h.Authorize(t.Context(), a))
			require.Equal(t, c.sent, a.Params.Get("scope"))
			r := &hooks.Request{Params: url.Values{"scope": {c.asked}}}
			require.NoError(t, h.TokenRequest(t.Context(), r))
			require.Equal(t, c.sent, r.Params.Get("scope"))
			requireFixed(t, h, `{"scope":"`+c.granted+`"}`, `{"scope":"`+c.want+`"}`)
		})
	}
	h := hooks.ScopeSeparator(",")
	requireFixed(t, h, `{"scope":["a","b"]}`, `{"scope":["a","b"]}`)
	requireFixed(t, h, `{"scope":null}`, `{"scope":null}`)
	a := &hooks.Authorize{Params: url.Values{}}
	require.NoError(t, h.Authorize(t.Context(), a))
	require.Empty(t, a.Params)
}
