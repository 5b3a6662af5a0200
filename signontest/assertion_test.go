package signontest_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// es256 is a client's key and the JWK Set that it is registered by.
func es256(t testing.TB, kid string) (*ecdsa.PrivateKey, json.RawMessage) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	point, err := k.PublicKey.Bytes()
	require.NoError(t, err)
	b64 := base64.RawURLEncoding.EncodeToString
	return k, json.RawMessage(fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","kid":%q,"x":%q,"y":%q}]}`, kid, b64(point[1:33]), b64(point[33:])))
}

// assertion signs with ES256, or with HS256 if the key is nil.
func assertion(t testing.TB, k *ecdsa.PrivateKey, secret string, header, claims map[string]any) string {
	t.Helper()
	h, err := json.Marshal(header)
	require.NoError(t, err)
	c, err := json.Marshal(claims)
	require.NoError(t, err)
	input := base64.RawURLEncoding.EncodeToString(h) + "." + base64.RawURLEncoding.EncodeToString(c)
	if k == nil {
		return input + "." + hs256(secret, input)
	}
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, k, digest[:])
	require.NoError(t, err)
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func goodClaims(p *signontest.Provider) map[string]any {
	return map[string]any{
		"iss": p.ClientID(), "sub": p.ClientID(), "aud": p.Issuer(), "jti": rand.Text(),
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
	}
}

// postForm posts without any authentication but what the form has.
func postForm(t testing.TB, p *signontest.Provider, form url.Values) (int, map[string]any) {
	t.Helper()
	res, err := noRedirects(p).PostForm(p.URL(signontest.Token), form)
	require.NoError(t, err)
	defer res.Body.Close()
	var m map[string]any
	require.NoError(t, json.NewDecoder(res.Body).Decode(&m))
	return res.StatusCode, m
}

func TestPrivateKeyJWT(t *testing.T) {
	key, set := es256(t, "k1")
	other, otherSet := es256(t, "k2")
	type parts struct {
		header, claims map[string]any
		key            *ecdsa.PrivateKey
		form           url.Values
	}
	for _, test := range []struct {
		name string
		bend func(p *signontest.Provider, a *parts)
		ok   bool
	}{
		{"good", func(*signontest.Provider, *parts) {}, true},
		{"the endpoint as audience", func(p *signontest.Provider, a *parts) { a.claims["aud"] = p.URL(signontest.Token) }, true},
		{"no kid", func(_ *signontest.Provider, a *parts) { delete(a.header, "kid") }, true},
		{"no client_id beside", func(_ *signontest.Provider, a *parts) { a.form.Del("client_id") }, true},
		{"typ JWT", func(_ *signontest.Provider, a *parts) { a.header["typ"] = "JWT" }, true},
		{"another key", func(_ *signontest.Provider, a *parts) { a.key = other }, false},
		{"unknown kid", func(_ *signontest.Provider, a *parts) { a.header["kid"] = "k2" }, false},
		{"a list as audience", func(p *signontest.Provider, a *parts) { a.claims["aud"] = []string{p.Issuer()} }, false},
		{"another audience", func(_ *signontest.Provider, a *parts) { a.claims["aud"] = "https://evil.test" }, false},
		{"another issuer", func(_ *signontest.Provider, a *parts) { a.claims["iss"] = "other" }, false},
		{"another subject", func(_ *signontest.Provider, a *parts) { a.claims["sub"] = "other" }, false},
		{"too long a life", func(_ *signontest.Provider, a *parts) { a.claims["exp"] = time.Now().Add(2 * time.Minute).Unix() }, false},
		{"expired", func(_ *signontest.Provider, a *parts) { a.claims["exp"] = time.Now().Add(-time.Minute).Unix() }, false},
		{"no exp", func(_ *signontest.Provider, a *parts) { delete(a.claims, "exp") }, false},
		{"from the future", func(_ *signontest.Provider, a *parts) { a.claims["iat"] = time.Now().Add(time.Minute).Unix() }, false},
		{"short jti", func(_ *signontest.Provider, a *parts) { a.claims["jti"] = "1" }, false},
		{"wrong typ", func(_ *signontest.Provider, a *parts) { a.header["typ"] = "at+jwt" }, false},
		{"alg none", func(_ *signontest.Provider, a *parts) { a.header["alg"] = "none" }, false},
		{"HS256", func(_ *signontest.Provider, a *parts) { a.header["alg"], a.key = "HS256", nil }, false},
		{"another alg", func(_ *signontest.Provider, a *parts) { a.header["alg"] = "ES384" }, false},
		{"another assertion type", func(_ *signontest.Provider, a *parts) { a.form.Set("client_assertion_type", "other") }, false},
		{"another client_id beside", func(_ *signontest.Provider, a *parts) { a.form.Set("client_id", "other") }, false},
		{"a secret besides", func(p *signontest.Provider, a *parts) { a.form.Set("client_secret", p.ClientSecret()) }, false},
		{"another client's set", func(p *signontest.Provider, _ *parts) { require.NoError(t, p.SetClientKeys(otherSet)) }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := signontest.NewInProcess(signontest.Config{ClientAuth: "private_key_jwt", ClientKeys: set})
			a := &parts{
				header: map[string]any{"alg": "ES256", "kid": "k1", "typ": "client-authentication+jwt"}, claims: goodClaims(p), key: key,
				form: url.Values{
					"grant_type": {"client_credentials"}, "client_id": {p.ClientID()}, "client_assertion_type": {assertionType},
				},
			}
			test.bend(p, a)
			a.form.Set("client_assertion", assertion(t, a.key, p.ClientSecret(), a.header, a.claims))
			status, answer := postForm(t, p, a.form)
			require.Equal(t, test.ok, status == http.StatusOK, answer)
			if !test.ok {
				return
			}
			require.Contains(t, p.Secrets(), a.form.Get("client_assertion"))
			status, _ = postForm(t, p, a.form)
			require.Equal(t, http.StatusUnauthorized, status, "a jti works once")
		})
	}
}

func TestSecretJWT(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{ClientAuth: "client_secret_jwt"})
	for _, test := range []struct {
		name, secret string
		status       int
	}{
		{"the secret", p.ClientSecret(), http.StatusOK},
		{"another secret", "another", http.StatusUnauthorized},
	} {
		t.Run(test.name, func(t *testing.T) {
			form := url.Values{
				"grant_type": {"client_credentials"}, "client_assertion_type": {assertionType},
				"client_assertion": {assertion(t, nil, test.secret, map[string]any{"alg": "HS256"}, goodClaims(p))},
			}
			status, _ := postForm(t, p, form)
			require.Equal(t, test.status, status)
		})
	}
	status, _ := post(t, p, signontest.Token, url.Values{"grant_type": {"client_credentials"}})
	require.Equal(t, http.StatusUnauthorized, status, "Basic is not what is configured")
	_, metadata := get(t, p, p.URL(signontest.Metadata), nil)
	for _, endpoint := range []string{"token", "revocation", "introspection"} {
		require.Equal(t, []any{"client_secret_jwt"}, metadata[endpoint+"_endpoint_auth_methods_supported"])
		require.Contains(t, metadata[endpoint+"_endpoint_auth_signing_alg_values_supported"], "HS256")
	}
}

func TestSetClientKeysRefuses(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{ClientAuth: "private_key_jwt"})
	for _, set := range []string{``, `[]`, `{"keys":[{"kty":"RSA"}]}`, `{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`, `{"keys":[{"kty":"EC","d":"AA"}]}`} {
		require.Error(t, p.SetClientKeys(json.RawMessage(set)), set)
	}
	require.NoError(t, p.SetClientKeys(json.RawMessage(`{"keys":[{"kty":"RSA","use":"enc"}]}`)))
	require.Panics(t, func() {
		signontest.NewInProcess(signontest.Config{ClientAuth: "private_key_jwt", ClientKeys: json.RawMessage(`{`)})
	})
}

func TestClientSecretOnTheFly(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{
		ClientAuth: "client_secret_post",
		CheckSecret: func(secret string) error {
			if !strings.HasPrefix(secret, "made-") {
				return fmt.Errorf("not one of ours")
			}
			return nil
		},
	})
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {p.ClientID()}, "client_secret": {"made-just-now"}}
	status, _ := postForm(t, p, form)
	require.Equal(t, http.StatusOK, status)
	form.Set("client_secret", p.ClientSecret())
	status, _ = postForm(t, p, form)
	require.Equal(t, http.StatusUnauthorized, status)
}

func TestRawBasic(t *testing.T) {
	for _, test := range []struct {
		name string
		raw  bool
		want int
	}{{"encoded", false, http.StatusUnauthorized}, {"raw", true, http.StatusOK}} {
		t.Run(test.name, func(t *testing.T) {
			p := signontest.NewInProcess(signontest.Config{ClientSecret: "a+b c%41", RawBasic: test.raw})
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL(signontest.Token), strings.NewReader("grant_type=client_credentials"))
			require.NoError(t, err)
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.SetBasicAuth(p.ClientID(), p.ClientSecret())
			res, err := p.HTTPClient().Do(req)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, test.want, res.StatusCode)
		})
	}
}
