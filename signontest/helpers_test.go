package signontest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

const (
	callback = "https://app.test/callback"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
)

// authorizeURL is a good authorization request but for what is set.
func authorizeURL(p *signontest.Provider, set url.Values) string {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"response_type": {"code"}, "client_id": {p.ClientID()}, "redirect_uri": {callback}, "state": {"the-state"},
		"nonce": {"the-nonce"}, "scope": {"openid profile email"}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])},
	}
	for name, v := range set {
		q[name] = v
		if v == nil {
			q.Del(name)
		}
	}
	return p.URL(signontest.Authorize) + "?" + q.Encode()
}

// noRedirects is a client of net/http alone that shows redirects.
func noRedirects(p *signontest.Provider) *http.Client {
	c := p.HTTPClient()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

// authorize returns the parameters of the authorization response.
func authorize(t testing.TB, p *signontest.Provider, set url.Values) url.Values {
	t.Helper()
	res, err := noRedirects(p).Get(authorizeURL(p, set))
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusSeeOther, res.StatusCode)
	to, err := res.Location()
	require.NoError(t, err)
	require.Equal(t, callback, "https://"+to.Host+to.Path)
	return to.Query()
}

// post posts a form with Basic authentication and returns the status and object.
func post(t testing.TB, p *signontest.Provider, e signontest.Endpoint, form url.Values) (int, map[string]any) {
	t.Helper()
	res, body := postRaw(t, p, e, form)
	var m map[string]any
	if body != "" {
		require.NoError(t, json.Unmarshal([]byte(body), &m), body)
	}
	return res.StatusCode, m
}

func postRaw(t testing.TB, p *signontest.Provider, e signontest.Endpoint, form url.Values) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL(e), strings.NewReader(form.Encode()))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(p.ClientID()), url.QueryEscape(p.ClientSecret()))
	res, err := noRedirects(p).Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(body)
}

func codeForm(code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier},
	}
}

func refreshForm(token any) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token.(string)}}
}

// signIn returns a good token response.
func signIn(t testing.TB, p *signontest.Provider, set url.Values) map[string]any {
	t.Helper()
	status, tokens := post(t, p, signontest.Token, codeForm(authorize(t, p, set).Get("code")))
	require.Equal(t, http.StatusOK, status, tokens)
	return tokens
}

// get returns the status and object of a GET with an access token, if any.
func get(t testing.TB, p *signontest.Provider, u string, token any) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
	require.NoError(t, err)
	if token != nil {
		req.Header.Set("Authorization", "Bearer "+token.(string))
	}
	res, err := noRedirects(p).Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	var m map[string]any
	dec := json.NewDecoder(res.Body)
	dec.UseNumber()
	require.NoError(t, dec.Decode(&m))
	return res.StatusCode, m
}

// part decodes a segment of a compact JWS.
func part(t testing.TB, token any, i int) map[string]any {
	t.Helper()
	segments := strings.Split(token.(string), ".")
	require.Len(t, segments, 3)
	raw, err := base64.RawURLEncoding.DecodeString(segments[i])
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(raw, &m))
	return m
}

func hs256(secret, input string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(input))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

func send(t testing.TB, p *signontest.Provider, req *http.Request) (contentType, body string) {
	t.Helper()
	res, err := noRedirects(p).Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode)
	return res.Header.Get("Content-Type"), string(raw)
}
