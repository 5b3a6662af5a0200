package signon_test

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
)

// fullProvider sets every field that loads from JSON.
func fullProvider() signon.Provider {
	return signon.Provider{
		Name: "corp", ClientID: "app", ClientSecret: "s3cret", RevocationAuth: clientauth.Post{}, IntrospectionAuth: clientauth.BasicRaw{},
		ClientAuth: clientauth.PrivateKeyJWT{Keys: []clientauth.Key{{ID: "k1", Alg: "ES256"}, {ID: "k2", Alg: "EdDSA"}}, Audience: "https://op.test/t", Type: "JWT"},
		Tenants:    []string{"a", "b"}, AnyTenant: true, IDTokenEncryptionAlg: "ECDH-ES", UserInfoSigningAlg: "ES256", UserInfoEncryptionAlg: "ECDH-ES",
		DecryptionKeys: []signon.DecryptionKey{{ID: "d1"}},
		RedirectURL:    "https://app.test/cb", Issuer: "https://op.test", MetadataURL: "https://op.test/m",
		Endpoint:    oauth2.Endpoint{AuthURL: "https://op.test/a", TokenURL: "https://op.test/t"},
		UserInfoURL: "https://op.test/u", RevocationURL: "https://op.test/r", IntrospectionURL: "https://op.test/i", JWKSURL: "https://op.test/j",
		JWKS: json.RawMessage(`{"keys":[]}`), APIBaseURL: "https://api.test/", Scopes: []string{"openid", "email"},
		AuthorizeParams: url.Values{"resource": {"a", "b"}}, TokenParams: url.Values{"x": {"1"}}, ClientCredentialsParams: url.Values{"y": {"2"}}, LoginParams: []string{"prompt"},
		TokenPlacement: signon.TokenInQuery, InsecureTokenInQuery: true, SigningAlgs: []string{"ES256"}, ResponseMode: "form_post",
		MaxAge: time.Hour, ACRValues: []string{"gold"}, FetchUserInfo: true, SubjectClaim: "uid", TrustedAudiences: []string{"other"},
		InsecureForeignAZP: true, InsecureOldIDToken: true, AllowPrivateNetwork: true, EndpointHosts: []string{"op.test"}, LoginURL: "/in",
		EndSessionURL: "https://op.test/e", PostLogoutRedirectURL: "https://app.test/out", EndSessionParams: url.Values{"x": {"1"}},
		LogoutParams: []string{"ui_locales"}, LocalLogout: true, LogoutWithoutForm: true, RevokeOnLogout: true,
		RequireLogoutType: true, InsecureEndlessLogoutToken: true,
	}
}

// A Provider reads what it has written, every field of it but the secret and the keys, which are
// not written, and the functions.
func TestProviderJSONRoundTrip(t *testing.T) {
	p := fullProvider()
	fields := reflect.TypeOf(p)
	notJSON := map[string]bool{"Hooks": true, "FetchToken": true, "UpdateToken": true}
	for i := range fields.NumField() {
		f := fields.Field(i)
		if !notJSON[f.Name] {
			require.False(t, reflect.ValueOf(p).Field(i).IsZero(), "this test forgets the field %s", f.Name)
		}
	}
	written, err := json.Marshal(p)
	require.NoError(t, err)
	require.NotContains(t, string(written), "s3cret")
	var read signon.Provider
	require.NoError(t, json.Unmarshal(written, &read))
	require.NotEqual(t, p.ClientSecret, read.ClientSecret)
	read.ClientSecret = p.ClientSecret
	require.Equal(t, p, read)

	require.NoError(t, json.Unmarshal([]byte(strings.Replace(string(written), "[redacted]", "s3cret", 1)), &read))
	require.Equal(t, p, read)
}

// CF-07: a member that does not exist, or stands there twice, or in another case, is
// an error, and leaves the Provider as it was.
func TestProviderJSONRefused(t *testing.T) {
	for _, tt := range []struct{ name, text string }{
		{"unknown", `{"name":"a","issuser":"https://op.test"}`},
		{"twice", `{"name":"a","name":"b"}`},
		{"another case", `{"Name":"a"}`},
		{"the field's name", `{"ClientID":"a"}`},
		{"hooks", `{"hooks":{}}`},
		{"endpoint", `{"endpoint":{"AuthURL":"https://op.test"}}`},
		{"wrong type", `{"name":5}`},
		{"scopes a string", `{"scopes":"openid email"}`},
		{"unknown client_auth", `{"client_auth":"magic"}`},
		{"client_auth a list", `{"client_auth":["none"]}`},
		{"a key that is none", `{"client_auth":"private_key_jwt","client_key":"magic"}`},
		{"a key that nothing uses", `{"client_key_id":"a"}`},
		{"an ID that is a number", `{"client_auth":"private_key_jwt","client_key_id":5}`},
		{"an ID in a list that is a number", `{"client_auth":"private_key_jwt","client_key_id":["a",5]}`},
		{"max_age a string", `{"max_age":"1h"}`},
		{"max_age a fraction", `{"max_age":1.5}`},
		{"max_age negative", `{"max_age":-1}`},
		{"max_age wraps", `{"max_age":9223372036854775807}`},
		{"nested twice", `{"authorize_params":{"a":["1"],"a":["2"]}}`},
		{"an array", `[]`}, {"a string", `"x"`}, {"cut", `{"name":"a"`}, {"two", `{} {}`}, {"empty", ``},
		{"UTF-8", "{\"name\":\"\xff\"}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := signon.Provider{Name: "before"}
			require.Error(t, p.UnmarshalJSON([]byte(tt.text)))
			require.Equal(t, signon.Provider{Name: "before"}, p)
		})
	}
}

func TestProviderJSONLoads(t *testing.T) {
	var list []signon.Provider
	require.NoError(t, json.Unmarshal([]byte(`[
		{"name": "corp", "issuer": "https://op.test", "client_id": "app", "client_secret": "s", "scopes": ["openid"], "max_age": 600},
		{"name": "hub", "auth_url": "https://hub.test/a", "token_url": "https://hub.test/t", "client_id": "app", "client_auth": "client_secret_post", "client_secret": "s"}
	]`), &list))
	auth, err := signon.New(signon.Config{BaseURL: appURL, Keys: [][]byte{[]byte("0123456789abcdef0123456789abcdef")}})
	require.NoError(t, err)
	for _, p := range list {
		_, err := auth.Register(p)
		require.NoError(t, err)
	}
	require.Equal(t, 10*time.Minute, list[0].MaxAge)
	require.Equal(t, clientauth.Post{}, list[1].ClientAuth)
	require.Equal(t, "https://hub.test/t", list[1].Endpoint.TokenURL)
}

// FuzzProviderJSON: whatever is read is written and read again as the same, and
// never prints its secret.
func FuzzProviderJSON(f *testing.F) {
	full, err := json.Marshal(fullProvider())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full)
	for _, seed := range []string{`{}`, `null`, `{"name":"a","name":"b"}`, `{"client_secret":"canary"}`, `{"jwks":{"keys":[]}}`, `{"max_age":1e3}`, `{"scopes":null}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var p signon.Provider
		if p.UnmarshalJSON(data) != nil {
			require.Equal(t, signon.Provider{}, p)
			return
		}
		if p.MaxAge < 0 {
			t.Fatalf("MaxAge %v", p.MaxAge)
		}
		p.ClientSecret = "canary-secret"
		written, err := json.Marshal(p)
		require.NoError(t, err)
		require.NotContains(t, string(written), "canary-secret")
		var again signon.Provider
		require.NoError(t, again.UnmarshalJSON(written))
		second, err := json.Marshal(again)
		require.NoError(t, err)
		require.JSONEq(t, string(written), string(second))
	})
}
