package signontest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

// hub has its endpoints where GitHub has them, and a query in one.
func hub() *signontest.Provider {
	return signontest.NewInProcess(signontest.Config{Endpoints: map[signontest.Endpoint]string{
		signontest.Authorize: "https://hub.test/login/oauth/authorize",
		signontest.Token:     "https://hub.test/login/oauth/access_token?v=2",
		signontest.UserInfo:  "https://api.hub.test/user",
		signontest.API:       "https://api.hub.test/",
	}})
}

func TestEndpointsElsewhere(t *testing.T) {
	p := hub()
	require.Equal(t, []string{"https://api.hub.test", "https://hub.test", "https://provider.test"}, p.Origins())
	tokens := signIn(t, p, nil)
	require.Equal(t, 1, p.Count(signontest.Token))

	status, user := get(t, p, "https://api.hub.test/user", tokens["access_token"])
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "alice", user["sub"])
	require.Equal(t, 1, p.Count(signontest.UserInfo), "the very path comes before the API")
	status, items := get(t, p, "https://api.hub.test/items", tokens["access_token"])
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "alice", items["owner"])

	_, metadata := get(t, p, p.URL(signontest.Metadata), nil)
	require.Equal(t, "https://hub.test/login/oauth/access_token?v=2", metadata["token_endpoint"])
	require.Equal(t, "https://provider.test/jwks", metadata["jwks_uri"])

	for _, gone := range []string{"https://provider.test/userinfo", "https://hub.test/user", "https://provider.test/api/user"} {
		res, err := p.HTTPClient().Get(gone)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, http.StatusNotFound, res.StatusCode, gone)
	}
}

func TestEndpointQueryIsRequired(t *testing.T) {
	p := hub()
	for query, want := range map[string]int{"?v=2": http.StatusOK, "": http.StatusBadRequest, "?v=3": http.StatusBadRequest, "?v=2&w=1": http.StatusBadRequest} {
		u, _, _ := strings.Cut(p.URL(signontest.Token), "?")
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {p.ClientID()}, "client_secret": {p.ClientSecret()}}
		res, err := p.HTTPClient().PostForm(u+query, form)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, want, res.StatusCode, query)
	}
}

func TestHandleByURL(t *testing.T) {
	p := hub()
	p.Handle("https://api.hub.test/user/emails", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"email":"alice@example.com"}`))
	}))
	p.Handle("https://other.hub.test/x", http.NotFoundHandler())
	_, m := get(t, p, "https://api.hub.test/user/emails?per_page=100", "token")
	require.Equal(t, "alice@example.com", m["email"])
	require.Equal(t, "/user/emails", p.Requests(signontest.API)[0].URL.Path)
	p.Handle("https://api.hub.test/user/emails", nil)
	status, _ := get(t, p, "https://api.hub.test/user/emails", "token")
	require.Equal(t, http.StatusUnauthorized, status)
}

func TestEndpointsBelowTheIssuer(t *testing.T) {
	p := signontest.New(t, signontest.Config{Endpoints: map[signontest.Endpoint]string{
		signontest.Authorize: "/oauth2/auth", signontest.API: "/v2/", signontest.Metadata: "/config",
	}, Interaction: signontest.Form})
	require.Equal(t, p.Issuer()+"/oauth2/auth", p.URL(signontest.Authorize))
	require.Equal(t, p.Issuer()+"/config", p.SignonProvider("op").MetadataURL)
	status, _ := get(t, p, p.Issuer()+"/config", nil)
	require.Equal(t, http.StatusOK, status)
	browser := signontest.NewBrowser(t)
	browser.Serve("https://app.test", http.NotFoundHandler())
	page := browser.Get(authorizeURL(p, nil))
	page = page.Submit("login", url.Values{"username": {"bob"}, "decision": {"approve"}})
	require.Equal(t, http.StatusSeeOther, page.Status)
	require.Equal(t, 2, p.Count(signontest.Authorize), "the form is below the endpoint")
}

func TestEndpointsMakeSense(t *testing.T) {
	for e, raw := range map[signontest.Endpoint]string{
		"nonsense": "/x", signontest.Token: "token", signontest.API: "https://api.test/v2", signontest.UserInfo: "/u#f",
		signontest.Elsewhere: "/x", signontest.JWKS: "http://[",
	} {
		require.Panics(t, func() {
			signontest.NewInProcess(signontest.Config{Endpoints: map[signontest.Endpoint]string{e: raw}})
		}, raw)
	}
	_, err := signontest.Start(signontest.Config{Endpoints: map[signontest.Endpoint]string{signontest.Token: "https://hub.test/token"}})
	require.Error(t, err)
}

func TestScopeSeparator(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{ScopeSeparator: ","})
	tokens := signIn(t, p, url.Values{"scope": {"openid,email"}})
	require.Equal(t, "openid,email", tokens["scope"])
	require.Equal(t, "alice@example.com", part(t, tokens["id_token"], 1)["email"])
}

func TestJSONTokenRequest(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{JSONTokenRequest: true})
	send := func(contentType, body string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL(signontest.Token), strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", contentType)
		req.SetBasicAuth(p.ClientID(), p.ClientSecret())
		res, err := p.HTTPClient().Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.StatusCode
	}
	require.Equal(t, http.StatusOK, send("application/json", `{"grant_type":"client_credentials"}`))
	require.Equal(t, "client_credentials", p.Requests(signontest.Token)[0].Form.Get("grant_type"))
	require.Equal(t, http.StatusBadRequest, send("application/json", `{"grant_type":["client_credentials"]}`))
	require.Equal(t, http.StatusBadRequest, send("application/x-www-form-urlencoded", "grant_type=client_credentials"))
}

func TestClientCredentials(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{})
	status, tokens := post(t, p, signontest.Token, url.Values{"grant_type": {"client_credentials"}, "scope": {"items admin"}})
	require.Equal(t, http.StatusOK, status, tokens)
	require.Equal(t, "items admin", tokens["scope"])
	require.NotContains(t, tokens, "refresh_token")
	require.NotContains(t, tokens, "id_token")
	require.Equal(t, 1, p.Stats().ClientTokens)

	status, echo := get(t, p, p.URL(signontest.API)+"any", tokens["access_token"])
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, p.ClientID(), echo["sub"])
	status, _ = get(t, p, p.URL(signontest.UserInfo), tokens["access_token"])
	require.Equal(t, http.StatusForbidden, status, "there is no user")
	_, said := post(t, p, signontest.Introspection, url.Values{"token": {tokens["access_token"].(string)}})
	require.Equal(t, p.ClientID(), said["sub"])

	public := signontest.NewInProcess(signontest.Config{Public: true})
	status, _ = postForm(t, public, url.Values{"grant_type": {"client_credentials"}, "client_id": {public.ClientID()}})
	require.Equal(t, http.StatusBadRequest, status)
}
