package signontest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

// kinds runs a test over a socket and in process.
func kinds(t *testing.T, test func(t *testing.T, start func(signontest.Config) *signontest.Provider)) {
	t.Run("socket", func(t *testing.T) {
		test(t, func(c signontest.Config) *signontest.Provider { return signontest.New(t, c) })
	})
	t.Run("in process", func(t *testing.T) { test(t, signontest.NewInProcess) })
}

func TestSignInByHand(t *testing.T) {
	kinds(t, func(t *testing.T, start func(signontest.Config) *signontest.Provider) {
		p := start(signontest.Config{})
		status, meta := get(t, p, p.Issuer()+"/.well-known/openid-configuration", nil)
		require.Equal(t, http.StatusOK, status)
		_, oauth := get(t, p, p.Issuer()+"/.well-known/oauth-authorization-server", nil)
		require.Equal(t, meta, oauth)
		require.Equal(t, p.Issuer(), meta["issuer"])
		require.Equal(t, p.URL(signontest.Token), meta["token_endpoint"])

		response := authorize(t, p, nil)
		require.Equal(t, "the-state", response.Get("state"))
		require.Equal(t, p.Issuer(), response.Get("iss"))
		status, tokens := post(t, p, signontest.Token, codeForm(response.Get("code")))
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "Bearer", tokens["token_type"])
		require.EqualValues(t, 3600, tokens["expires_in"])

		claims := part(t, tokens["id_token"], 1)
		require.Equal(t, p.Issuer(), claims["iss"])
		require.Equal(t, "alice", claims["sub"])
		require.Equal(t, p.ClientID(), claims["aud"])
		require.Equal(t, "the-nonce", claims["nonce"])
		require.Equal(t, atHash(tokens["access_token"]), claims["at_hash"])

		_, info := get(t, p, p.URL(signontest.UserInfo), tokens["access_token"])
		require.Equal(t, "alice", info["sub"])
		require.Equal(t, "alice@example.com", info["email"])
		require.Equal(t, 1, p.Count(signontest.Token))
		require.Equal(t, 1, p.Count(signontest.UserInfo))
		require.Contains(t, p.Secrets(), response.Get("code"))
		require.Contains(t, p.Secrets(), verifier)
		require.Contains(t, p.Secrets(), tokens["refresh_token"])
		require.Equal(t, signontest.Stats{CodesIssued: 1, CodesSpent: 1, MaxPerCode: 1}, p.Stats())
	})
}

func atHash(token any) string {
	sum := sha256.Sum256([]byte(token.(string)))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func TestAuthorize(t *testing.T) {
	for _, test := range []struct {
		name   string
		config signontest.Config
		set    url.Values
		want   string // the error; "" for a code
	}{
		{"good", signontest.Config{}, nil, ""},
		{"denied", signontest.Config{Interaction: signontest.Deny}, nil, "access_denied"},
		{"no PKCE", signontest.Config{}, url.Values{"code_challenge": nil}, "invalid_request"},
		{"plain PKCE", signontest.Config{}, url.Values{"code_challenge_method": {"plain"}}, "invalid_request"},
		{"implicit", signontest.Config{}, url.Values{"response_type": {"token"}}, "unsupported_response_type"},
		{"fragment", signontest.Config{}, url.Values{"response_mode": {"fragment"}}, "invalid_request"},
		{"nonce twice", signontest.Config{}, url.Values{"nonce": {"a", "b"}}, "invalid_request"},
		{"prompt none", signontest.Config{}, url.Values{"prompt": {"none"}}, "login_required"},
		{"prompt none and login", signontest.Config{}, url.Values{"prompt": {"none login"}}, "invalid_request"},
		{"max_age word", signontest.Config{}, url.Values{"max_age": {"young"}}, "invalid_request"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := signontest.NewInProcess(test.config)
			v := authorize(t, p, test.set)
			require.Equal(t, test.want, v.Get("error"))
			require.Equal(t, test.want == "", v.Has("code"))
			require.Equal(t, "the-state", v.Get("state"))
		})
	}
}

func TestAuthorizeNowhereToGo(t *testing.T) {
	for name, set := range map[string]url.Values{
		"client":         {"client_id": {"stranger"}},
		"redirect":       {"redirect_uri": {"https://app.test/other"}},
		"no redirect":    {"redirect_uri": nil},
		"script":         {"redirect_uri": {"javascript:alert(1)"}},
		"two redirects":  {"redirect_uri": {callback, callback}},
		"state is there": {"state": {"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := signontest.NewInProcess(signontest.Config{Redirects: []string{callback}})
			res, err := noRedirects(p).Get(authorizeURL(p, set))
			require.NoError(t, err)
			defer res.Body.Close()
			require.Equal(t, http.StatusBadRequest, res.StatusCode)
			require.Empty(t, res.Header.Get("Location"))
		})
	}
}

func TestTokenRefusals(t *testing.T) {
	for _, test := range []struct {
		name string
		set  url.Values
		want string
	}{
		{"wrong verifier", url.Values{"code_verifier": {strings.Repeat("x", 43)}}, "invalid_grant"},
		{"no verifier", url.Values{"code_verifier": nil}, "invalid_request"},
		{"other redirect", url.Values{"redirect_uri": {"https://app.test/x"}}, "invalid_grant"},
		{"no such code", url.Values{"code": {"guess"}}, "invalid_grant"},
		{"code twice", url.Values{"code": {"a", "b"}}, "invalid_request"},
		{"grant type", url.Values{"grant_type": {"password"}}, "unsupported_grant_type"},
		{"secret in the body too", url.Values{"client_secret": {"x"}}, "invalid_request"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := signontest.NewInProcess(signontest.Config{})
			form := codeForm(authorize(t, p, nil).Get("code"))
			for name, v := range test.set {
				form[name] = v
			}
			status, m := post(t, p, signontest.Token, form)
			require.Equal(t, http.StatusBadRequest, status)
			require.Equal(t, test.want, m["error"])
			require.NotContains(t, m, "access_token")
			require.Zero(t, p.Stats().CodesSpent)
		})
	}
}

func TestClientAuth(t *testing.T) {
	const id, secret = "an app", "a:secret+with%all of it/0123456789"
	for _, test := range []struct {
		name   string
		config signontest.Config
		form   url.Values
		basic  bool
		want   int
	}{
		{"basic", signontest.Config{}, nil, true, 200},
		{"post", signontest.Config{}, url.Values{"client_id": {id}, "client_secret": {secret}}, false, 200},
		{"wrong", signontest.Config{}, url.Values{"client_id": {id}, "client_secret": {"x"}}, false, 401},
		{"none", signontest.Config{}, url.Values{"client_id": {id}}, false, 401},
		{"only post", signontest.Config{ClientAuth: "client_secret_post"}, nil, true, 401},
		{"only basic", signontest.Config{ClientAuth: "client_secret_basic"}, url.Values{"client_id": {id}, "client_secret": {secret}}, false, 401},
		{"public", signontest.Config{Public: true}, url.Values{"client_id": {id}}, false, 200},
		{"public with a secret", signontest.Config{Public: true}, nil, true, 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.config.ClientID, test.config.ClientSecret = id, secret
			p := signontest.NewInProcess(test.config)
			form := codeForm(authorize(t, p, nil).Get("code"))
			for name, v := range test.form {
				form[name] = v
			}
			req, err := http.NewRequest(http.MethodPost, p.URL(signontest.Token), strings.NewReader(form.Encode()))
			require.NoError(t, err)
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if test.basic {
				req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
			}
			res, err := p.HTTPClient().Do(req)
			require.NoError(t, err)
			defer res.Body.Close()
			require.Equal(t, test.want, res.StatusCode)
		})
	}
}

func TestCodeIsSpentOnce(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{})
	form := codeForm(authorize(t, p, nil).Get("code"))
	_, tokens := post(t, p, signontest.Token, form)
	_, m := post(t, p, signontest.Token, form)
	require.Equal(t, "invalid_grant", m["error"])
	require.Equal(t, 2, p.Stats().MaxPerCode)
	require.Equal(t, 1, p.Stats().FamiliesRevoked)
	status, _ := get(t, p, p.URL(signontest.UserInfo), tokens["access_token"])
	require.Equal(t, http.StatusUnauthorized, status)
}

func TestRotationAndReuse(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{})
	first := signIn(t, p, nil)
	_, second := post(t, p, signontest.Token, refreshForm(first["refresh_token"]))
	require.NotEqual(t, first["refresh_token"], second["refresh_token"])
	require.Equal(t, "alice", part(t, second["id_token"], 1)["sub"])
	require.NotContains(t, part(t, second["id_token"], 1), "nonce")
	require.Equal(t, 1, p.Stats().Generation)

	status, m := post(t, p, signontest.Token, refreshForm(first["refresh_token"]))
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, "invalid_grant", m["error"])
	_, m = post(t, p, signontest.Token, refreshForm(second["refresh_token"]))
	require.Equal(t, "invalid_grant", m["error"], "reuse ends the family")
	require.Equal(t, 1, p.Stats().FamiliesRevoked)
	require.Equal(t, 1, p.Stats().RefreshReused)
	require.Equal(t, 1, p.Stats().Refreshes)
}

func TestNoRotation(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{NoRotation: true})
	tokens := signIn(t, p, nil)
	for range 2 {
		_, m := post(t, p, signontest.Token, refreshForm(tokens["refresh_token"]))
		require.Equal(t, tokens["refresh_token"], m["refresh_token"])
	}
	form := refreshForm(tokens["refresh_token"])
	form.Set("scope", "openid admin")
	_, m := post(t, p, signontest.Token, form)
	require.Equal(t, "invalid_scope", m["error"])
	form.Set("scope", "openid")
	_, m = post(t, p, signontest.Token, form)
	require.Equal(t, "openid", m["scope"])
}

func TestLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := signontest.NewInProcess(signontest.Config{
			CodeLife: time.Minute, TokenLife: 5 * time.Minute, RefreshLife: time.Hour,
		})
		code := authorize(t, p, nil).Get("code")
		time.Sleep(61 * time.Second)
		_, m := post(t, p, signontest.Token, codeForm(code))
		require.Equal(t, "invalid_grant", m["error"])

		tokens := signIn(t, p, nil)
		require.EqualValues(t, 300, tokens["expires_in"])
		time.Sleep(301 * time.Second)
		status, _ := get(t, p, p.URL(signontest.API)+"items", tokens["access_token"])
		require.Equal(t, http.StatusUnauthorized, status)
		time.Sleep(time.Hour)
		_, m = post(t, p, signontest.Token, refreshForm(tokens["refresh_token"]))
		require.Equal(t, "invalid_grant", m["error"])
	})
}

func TestEndings(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{})
	tokens := signIn(t, p, nil)
	p.ExpireAccessTokens()
	status, _ := get(t, p, p.URL(signontest.UserInfo), tokens["access_token"])
	require.Equal(t, http.StatusUnauthorized, status)
	status, tokens = post(t, p, signontest.Token, refreshForm(tokens["refresh_token"]))
	require.Equal(t, http.StatusOK, status)
	p.EndGrants()
	status, _ = post(t, p, signontest.Token, refreshForm(tokens["refresh_token"]))
	require.Equal(t, http.StatusBadRequest, status)
}

func TestRevocationAndIntrospection(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{})
	tokens := signIn(t, p, nil)
	ask := func(token any) map[string]any {
		status, m := post(t, p, signontest.Introspection, url.Values{"token": {token.(string)}})
		require.Equal(t, http.StatusOK, status)
		return m
	}
	require.Equal(t, "alice", ask(tokens["access_token"])["sub"])
	require.Equal(t, "refresh_token", ask(tokens["refresh_token"])["token_type"])
	require.Equal(t, false, ask("guess")["active"])

	status, _ := post(t, p, signontest.Revocation, url.Values{"token": {tokens["access_token"].(string)}})
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, false, ask(tokens["access_token"])["active"])
	require.Equal(t, true, ask(tokens["refresh_token"])["active"])
	_, _ = post(t, p, signontest.Revocation, url.Values{"token": {tokens["refresh_token"].(string)}})
	require.Equal(t, false, ask(tokens["refresh_token"])["active"])
	require.Equal(t, 2, p.Stats().Revoked)
	_, _ = post(t, p, signontest.Revocation, url.Values{"token": {"guess"}})
	require.Equal(t, 2, p.Stats().Revoked)
}

func TestAPI(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{})
	token := signIn(t, p, nil)["access_token"]
	base := p.URL(signontest.API)
	_, m := get(t, p, base+"user", token)
	require.Equal(t, "9007199254740993", m["id"].(interface{ String() string }).String())
	_, m = get(t, p, base+"items", token)
	require.Equal(t, "alice", m["owner"])
	_, m = get(t, p, base+"echo/this", token)
	require.Equal(t, "header", m["placement"])
	require.Equal(t, "/api/echo/this", m["path"])
	status, m := get(t, p, base+"admin", token)
	require.Equal(t, http.StatusForbidden, status)
	require.Equal(t, "insufficient_scope", m["error"])
	status, _ = get(t, p, base+"items", nil)
	require.Equal(t, http.StatusUnauthorized, status)
	_, m = get(t, p, base+"x?access_token="+token.(string), nil)
	require.Equal(t, "query", m["placement"])
	_, m = post(t, p, signontest.API, url.Values{"access_token": {token.(string)}})
	require.Equal(t, "body", m["placement"])
}

func TestAdminScope(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{})
	token := signIn(t, p, url.Values{"scope": {"admin"}})["access_token"]
	_, m := get(t, p, p.URL(signontest.API)+"admin", token)
	require.Equal(t, "alice", m["admin"])
}

// A plain OAuth 2.0 client gets neither an ID token nor iss.
func TestWithoutOpenID(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{})
	v := authorize(t, p, url.Values{"scope": {"profile"}})
	require.False(t, v.Has("iss"))
	_, tokens := post(t, p, signontest.Token, codeForm(v.Get("code")))
	require.NotContains(t, tokens, "id_token")
	require.Equal(t, "profile", tokens["scope"])
}

func TestMetadataTellsTheConfiguration(t *testing.T) {
	for want, config := range map[string]signontest.Config{
		"none": {Public: true}, "client_secret_post": {ClientAuth: "client_secret_post", SigningAlg: "HS256"},
	} {
		p := signontest.NewInProcess(config)
		_, meta := get(t, p, p.URL(signontest.Metadata), nil)
		require.Equal(t, []any{want}, meta["token_endpoint_auth_methods_supported"])
	}
	_, set := get(t, signontest.NewInProcess(signontest.Config{SigningAlg: "HS256"}), "https://provider.test/jwks", nil)
	require.Empty(t, set["keys"])
}

func TestRefusals(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{})
	for _, test := range []struct {
		name, method, path, contentType, body string
		want                                  int
	}{
		{"unknown path", "GET", "/nothing", "", "", 404},
		{"unknown elsewhere", "GET", "/elsewhere/nothing", "", "", 404},
		{"authorize by PUT", "PUT", "/authorize", "", "", 405},
		{"authorize with a bad query", "GET", "/authorize?%zz", "", "", 400},
		{"authorize by POST", "POST", "/authorize", form, "client_id=stranger", 400},
		{"login by GET", "GET", "/authorize/login", "", "", 403},
		{"login with a bad request", "POST", "/authorize/login", form, "request=%25zz", 400},
		{"login for a stranger", "POST", "/authorize/login", form, "request=client_id%3Dx", 400},
		{"token by GET", "GET", "/token", "", "", 400},
		{"token as JSON", "POST", "/token", "application/json", "{}", 400},
		{"token with a query", "POST", "/token?a=b", form, "a=b", 400},
		{"bad form", "POST", "/token", form, "%zz", 400},
		{"revocation by nobody", "POST", "/revoke", form, "token=x", 401},
		{"introspection by nobody", "POST", "/introspect", form, "token=x", 401},
		{"userinfo by nobody", "GET", "/userinfo", "", "", 401},
	} {
		t.Run(test.name, func(t *testing.T) {
			req, err := http.NewRequest(test.method, p.Issuer()+test.path, strings.NewReader(test.body))
			require.NoError(t, err)
			req.Header.Set("Content-Type", test.contentType)
			res, err := noRedirects(p).Do(req)
			require.NoError(t, err)
			defer res.Body.Close()
			require.Equal(t, test.want, res.StatusCode)
		})
	}
}

const form = "application/x-www-form-urlencoded"

func TestWrongConfiguration(t *testing.T) {
	require.Panics(t, func() { signontest.NewInProcess(signontest.Config{Issuer: "provider"}) })
	require.Panics(t, func() { signontest.NewInProcess(signontest.Config{SigningAlg: "RS1"}) })
	require.Panics(t, func() { signontest.NewInProcess(signontest.Config{ClientAuth: "tls"}) })
}

// An issuer may have a path, under which the provider then is.
func TestIssuerWithPath(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{Issuer: "https://provider.test/tenant"})
	tokens := signIn(t, p, nil)
	require.Equal(t, p.Issuer(), part(t, tokens["id_token"], 1)["iss"])
	_, m := get(t, p, p.URL(signontest.API)+"items", tokens["access_token"])
	require.Equal(t, "alice", m["owner"])
	require.Len(t, p.Requests(""), 3)
	require.Equal(t, []string{"authorize", "token", "api"}, []string{
		string(p.Requests("")[0].Endpoint), string(p.Requests("")[1].Endpoint), string(p.Requests("")[2].Endpoint),
	})
}

func TestClosed(t *testing.T) {
	p, err := signontest.Start(signontest.Config{})
	require.NoError(t, err)
	signIn(t, p, nil)
	p.Close()
	p.Close()
	_, err = p.HTTPClient().Get(p.URL(signontest.Metadata))
	require.Error(t, err)

	p = signontest.NewInProcess(signontest.Config{})
	p.Close()
	_, err = p.HTTPClient().Get(p.URL(signontest.Metadata))
	require.Error(t, err)
}

// However many come at once, a code and a refresh token work for one.
func TestOnceForAll(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{})
	for name, form := range map[string]url.Values{
		"code":    codeForm(authorize(t, p, nil).Get("code")),
		"refresh": refreshForm(signIn(t, p, nil)["refresh_token"]),
	} {
		var good atomic.Int32
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if status, _ := post(t, p, signontest.Token, form); status == http.StatusOK {
					good.Add(1)
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 1, good.Load(), name)
	}
	require.Equal(t, 50, p.Stats().MaxPerCode)
	require.Equal(t, 49, p.Stats().RefreshReused)
}
