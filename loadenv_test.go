package signon_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// samples has each setting in both writings.
func samples(t *testing.T) map[string]struct{ env, json string } {
	key, cert := keyPEM(t), certificatePEM(t)
	return map[string]struct{ env, json string }{
		"client_id": {"app", `"app"`}, "client_secret": {"s3cret=s3cret", `"s3cret=s3cret"`}, "client_auth": {"private_key_jwt", `"private_key_jwt"`},
		"revocation_auth": {"tls_client_auth", `"tls_client_auth"`}, "introspection_auth": {"client_secret_basic_raw", `"client_secret_basic_raw"`},
		"client_key": {key, jsonText(t, key)}, "client_key_id": {"k1", `"k1"`}, "client_key_alg": {"ES256", `["ES256"]`},
		"client_certificate": {cert, jsonText(t, cert)}, "client_assertion_audience": {"https://op.test/t", `"https://op.test/t"`}, "client_assertion_typ": {"JWT", `"JWT"`},
		"decryption_key": {key, jsonText(t, key)}, "decryption_key_id": {"d1", `["d1"]`},
		"redirect_url": {"https://app.test/cb", `"https://app.test/cb"`}, "issuer": {"https://op.test", `"https://op.test"`},
		"tenants": {"a  b", `["a","b"]`}, "any_tenant": {"true", `true`}, "metadata_url": {"https://op.test/m", `"https://op.test/m"`},
		"auth_url": {"https://op.test/a", `"https://op.test/a"`}, "token_url": {"https://op.test/t", `"https://op.test/t"`},
		"userinfo_url": {"https://op.test/u", `"https://op.test/u"`}, "revocation_url": {"https://op.test/r", `"https://op.test/r"`},
		"introspection_url": {"https://op.test/i", `"https://op.test/i"`}, "jwks_url": {"https://op.test/j", `"https://op.test/j"`},
		"jwks": {`{"keys":[]}`, `{"keys":[]}`}, "api_base_url": {"https://api.test/", `"https://api.test/"`},
		"scopes": {"openid email", `["openid","email"]`}, "authorize_params": {"a=1&a=2&b=%20", `{"a":["1","2"],"b":[" "]}`}, "token_params": {"x=y", `{"x":["y"]}`},
		"client_credentials_params": {"z=w", `{"z":["w"]}`},
		"login_params":              {"prompt", `["prompt"]`}, "token_placement": {"body", `"body"`}, "insecure_token_in_query": {"true", `true`},
		"signing_algs": {"ES256 PS256", `["ES256","PS256"]`}, "id_token_encryption_alg": {"ECDH-ES", `"ECDH-ES"`},
		"userinfo_signing_alg": {"ES256", `"ES256"`}, "userinfo_encryption_alg": {"ECDH-ES", `"ECDH-ES"`},
		"response_mode": {"form_post", `"form_post"`}, "max_age": {"600", `600`}, "acr_values": {"gold", `["gold"]`}, "fetch_userinfo": {"true", `true`},
		"subject_claim": {"uid", `"uid"`}, "trusted_audiences": {"other", `["other"]`}, "insecure_foreign_azp": {"true", `true`},
		"insecure_old_id_token": {"true", `true`}, "allow_private_network": {"true", `true`}, "endpoint_hosts": {"op.test a.test:8443", `["op.test","a.test:8443"]`},
		"login_url": {"/in", `"/in"`}, "end_session_url": {"https://op.test/e", `"https://op.test/e"`},
		"post_logout_url": {"https://app.test/out", `"https://app.test/out"`}, "end_session_params": {"x=1", `{"x":["1"]}`},
		"require_logout_type": {"true", `true`}, "insecure_endless_logout_token": {"true", `true`},
		"logout_params": {"logout_hint ui_locales", `["logout_hint","ui_locales"]`}, "local_logout": {"true", `true`}, "revoke_on_logout": {"true", `true`}, "logout_without_form": {"true", `true`},
	}
}

func jsonText(t *testing.T, text string) string {
	t.Helper()
	b, err := json.Marshal(text)
	require.NoError(t, err)
	return string(b)
}

// Every field that has a name in writing is set from the environment, to what the same
// text in JSON sets it to.
func TestLoadEnvSetsEveryField(t *testing.T) {
	all := samples(t)
	var environ, members []string
	for _, name := range signon.Settings() {
		if name == "name" {
			continue
		}
		require.Contains(t, all, name, "this test forgets a setting")
		environ = append(environ, "MYAPP_CORP_"+strings.ToUpper(name)+"="+all[name].env)
		members = append(members, jsonText(t, name)+":"+all[name].json)
	}
	require.Len(t, all, len(environ), "this test has a setting that is none")

	fromEnv := signon.Provider{Name: "corp"}
	require.NoError(t, signon.LoadEnviron(environ, "MYAPP_", &fromEnv))
	var fromJSON signon.Provider
	require.NoError(t, json.Unmarshal([]byte(`{"name":"corp",`+strings.Join(members, ",")+`}`), &fromJSON))
	require.Equal(t, fromJSON, fromEnv)
	require.IsType(t, clientauth.PrivateKeyJWT{}, fromEnv.ClientAuth)
	require.IsType(t, clientauth.TLS{}, fromEnv.RevocationAuth)
	require.Equal(t, url.Values{"a": {"1", "2"}, "b": {" "}}, fromEnv.AuthorizeParams)

	for i, fields := 0, reflect.TypeFor[signon.Provider](); i < fields.NumField(); i++ {
		if name := fields.Field(i).Name; name != "Hooks" && name != "FetchToken" && name != "UpdateToken" {
			require.False(t, reflect.ValueOf(fromEnv).Field(i).IsZero(), "nothing sets the field %s", name)
		}
	}
}

// No setting's name ends with another's: a variable cannot be that of two providers.
func TestEnvNamesAreUnambiguous(t *testing.T) {
	names := signon.EnvSettings()
	for _, a := range names {
		for _, b := range names {
			require.False(t, strings.HasSuffix(a, "_"+b), "%s and %s", a, b)
		}
	}
}

// The later call wins: Go, then JSON, then the environment. What neither names stays,
// and what a preset shares with others is not written into.
func TestLoadPrecedence(t *testing.T) {
	t.Setenv("MYAPP_CORP_SCOPES", "openid")
	preset := signon.Provider{
		Name: "corp", ClientID: "go", Scopes: []string{"go"}, SubjectClaim: "go", AuthorizeParams: url.Values{"a": {"go"}},
		Hooks: hooks.DefaultTokenType("Bearer"), LoginURL: "/go",
	}
	corp := preset
	all, err := signon.LoadJSON([]byte(`{"name":"corp","client_id":"json","scopes":["json"],"authorize_params":{"b":["json"]},"login_url":null}`), &corp)
	require.NoError(t, err)
	require.Equal(t, []*signon.Provider{&corp}, all)
	require.NoError(t, signon.LoadEnv("MYAPP_", all...))
	require.Equal(t, "json", corp.ClientID)
	require.Equal(t, []string{"openid"}, corp.Scopes)
	require.Equal(t, "go", corp.SubjectClaim)
	require.Equal(t, url.Values{"b": {"json"}}, corp.AuthorizeParams, "replaced, not merged")
	require.Empty(t, corp.LoginURL)
	require.NotNil(t, corp.Hooks.TokenResponse)
	require.Equal(t, []string{"go"}, preset.Scopes)
	require.Equal(t, url.Values{"a": {"go"}}, preset.AuthorizeParams)
}

// CF-07, CF-01: what is misspelt, empty, doubled, malformed or there by half is an error
// that names the variable, shows no value, and changes nothing.
func TestLoadEnvRefused(t *testing.T) {
	const canary = "hush-canary"
	for _, tt := range []struct {
		name string
		env  []string
		want string
	}{
		{"misspelt", []string{"CORP_CLIENT_SERCET=" + canary}, `CORP_CLIENT_SERCET is no setting of provider "corp", perhaps "CORP_CLIENT_SECRET"`},
		{"of nobody", []string{"CORP_GREETING=" + canary}, `CORP_GREETING is no setting of provider "corp"; `},
		{"another's", []string{"CORP_TOKEN=" + canary}, "prefix of your own"},
		{"the name", []string{"CORP_NAME=corp"}, "CORP_NAME is no setting"},
		{"lower case", []string{"CORP_client_id=app"}, "CORP_client_id is no setting"},
		{"a file that is none", []string{"CORP_CLIENT_ID_FILE=/" + canary}, "CORP_CLIENT_ID_FILE: that setting is read from no file; set CORP_CLIENT_ID "},
		{"a file of nothing", []string{"CORP_NAME_FILE=/" + canary}, "CORP_NAME_FILE is no setting"},
		{"commas", []string{"CORP_SCOPES=openid,email"}, "CORP_SCOPES has a comma; expected scopes separated by spaces"},
		{"twice", []string{"CORP_CLIENT_SECRET=" + canary, "CORP_CLIENT_SECRET=" + canary}, "CORP_CLIENT_SECRET stands twice in the environment"},
		{"set but empty", []string{"CORP_SCOPES="}, "CORP_SCOPES is set but empty"},
		{"the file's name empty", []string{"CORP_CLIENT_SECRET_FILE="}, "CORP_CLIENT_SECRET_FILE is set but empty"},
		{"only spaces", []string{"CORP_SCOPES=  "}, "CORP_SCOPES: expected words"},
		{"both", []string{"CORP_CLIENT_SECRET=" + canary, "CORP_CLIENT_SECRET_FILE=/x"}, "CORP_CLIENT_SECRET and CORP_CLIENT_SECRET_FILE are both set"},
		{"a switch", []string{"CORP_FETCH_USERINFO=" + canary}, "CORP_FETCH_USERINFO: expected true or false"},
		{"another switch", []string{"CORP_ALLOW_PRIVATE_NETWORK=1"}, "expected true or false"},
		{"a duration", []string{"CORP_MAX_AGE=1h"}, "CORP_MAX_AGE: expected a whole number"},
		{"a negative one", []string{"CORP_MAX_AGE=-1"}, "environment: CORP_MAX_AGE is -1"},
		{"one that wraps", []string{"CORP_MAX_AGE=9223372036854775807"}, "CORP_MAX_AGE is 9223372036854775807; expected seconds"},
		{"a query string", []string{"CORP_TOKEN_PARAMS=%zz" + canary}, "CORP_TOKEN_PARAMS: expected a query string"},
		{"a query string of nothing", []string{"CORP_AUTHORIZE_PARAMS=&"}, "CORP_AUTHORIZE_PARAMS: expected a query string"},
		{"a query string without a name", []string{"CORP_AUTHORIZE_PARAMS=" + canary + "&=b"}, "CORP_AUTHORIZE_PARAMS: expected a query string"},
		{"JSON for a query string", []string{`CORP_AUTHORIZE_PARAMS={"a":"` + canary + `"}`}, "CORP_AUTHORIZE_PARAMS: expected a query string"},
		{"quotes in a query string", []string{`CORP_TOKEN_PARAMS="a=` + canary + `"`}, "CORP_TOKEN_PARAMS: expected a query string"},
		{"JSON", []string{"CORP_JWKS={" + canary}, "CORP_JWKS: expected JSON"},
		{"JSON's null", []string{"CORP_JWKS= null"}, "CORP_JWKS: expected JSON, and not null"},
		{"a method", []string{"CORP_CLIENT_AUTH=" + canary}, "environment: CORP_CLIENT_AUTH: no such method"},
		{"a key", []string{"CORP_CLIENT_AUTH=private_key_jwt", "CORP_CLIENT_KEY=" + canary}, "environment: CORP_CLIENT_KEY: "},
		{"a decryption key", []string{"CORP_DECRYPTION_KEY=" + canary}, "environment: CORP_DECRYPTION_KEY: "},
		{"a certificate", []string{"CORP_CLIENT_AUTH=tls_client_auth", "CORP_CLIENT_CERTIFICATE=" + canary}, "environment: CORP_CLIENT_CERTIFICATE: "},
		{"a secret by half", []string{"CORP_CLIENT_SECRET=" + canary}, "CORP_CLIENT_SECRET is set, but nothing says whose it is; set CORP_CLIENT_ID"},
		{"a key by half", []string{"CORP_CLIENT_AUTH=private_key_jwt", "CORP_CLIENT_KEY=" + keyPEM(t)}, "CORP_CLIENT_KEY is set, but nothing says whose it is; set CORP_CLIENT_ID"},
		{"a certificate by half", []string{"CORP_CLIENT_AUTH=tls_client_auth", "CORP_CLIENT_CERTIFICATE=" + certificatePEM(t)}, "CORP_CLIENT_CERTIFICATE is set, but nothing says whose it is; set CORP_CLIENT_ID"},
		{"a decryption key by half", []string{"CORP_DECRYPTION_KEY=" + keyPEM(t)}, "CORP_DECRYPTION_KEY is set, but nothing says whose it is; set CORP_CLIENT_ID"},
		{"a key that nothing uses", []string{"CORP_CLIENT_ID=app", "CORP_CLIENT_KEY_ID=" + canary}, "CORP_CLIENT_KEY_ID is set, but no method uses it; set CORP_CLIENT_AUTH"},
		{"a missing file", []string{"CORP_CLIENT_SECRET_FILE=" + canary}, "CORP_CLIENT_SECRET_FILE: the file that it names cannot be opened"},
		{"a folder", []string{"CORP_CLIENT_SECRET_FILE=" + t.TempDir()}, "CORP_CLIENT_SECRET_FILE: what it names is no regular file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, other := signon.Provider{Name: "corp", Scopes: []string{"x"}}, signon.Provider{Name: "aaa"}
			err := signon.LoadEnviron(append(tt.env, "AAA_CLIENT_ID=changed"), "", &p, &other)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), canary)
			require.Equal(t, signon.Provider{Name: "corp", Scopes: []string{"x"}}, p)
			require.Equal(t, signon.Provider{Name: "aaa"}, other)
		})
	}
}

// A variable is the provider's whose setting it names, and of two the longer name's.
func TestLoadEnvFindsTheProvider(t *testing.T) {
	google, workspace := signon.Provider{Name: "google"}, signon.Provider{Name: "google-workspace"}
	require.NoError(t, signon.LoadEnviron([]string{
		"GOOGLE_CLIENT_ID=g", "GOOGLE_WORKSPACE_CLIENT_ID=w", "MYAPP_GOOGLE_CLIENT_ID=x", "GOOGLE=x", "GOOGLEX_CLIENT_ID=x", "PATH=/bin", "=C:=C:", "alone",
	}, "", &google, &workspace))
	require.Equal(t, "g", google.ClientID)
	require.Equal(t, "w", workspace.ClientID)
	require.ErrorContains(t, signon.LoadEnviron([]string{"GOOGLE_WORKSPACE_ID=w"}, "", &google, &workspace), `provider "google-workspace"`)

	corp, client := signon.Provider{Name: "corp"}, signon.Provider{Name: "corp_client"}
	require.NoError(t, signon.LoadEnviron([]string{"CORP_CLIENT_ID=app"}, "", &corp, &client), "CLIENT_ID is a setting, ID is none")
	require.Equal(t, "app", corp.ClientID)
}

// CF-07: under the application's own prefix a variable of nobody whose provider is nearly
// one of these is misspelt. Other names are another provider's.
func TestLoadEnvMisspeltProvider(t *testing.T) {
	for _, tt := range []struct {
		name, prefix, variable, meant string
	}{
		{"a letter left out", "MYAPP_", "MYAPP_GOGLE_CLIENT_SECRET", "MYAPP_GOOGLE_CLIENT_SECRET"},
		{"a letter too many", "MYAPP_", "MYAPP_GOOOGLE_CLIENT_SECRET_FILE", "MYAPP_GOOGLE_CLIENT_SECRET_FILE"},
		{"another letter", "MYAPP_", "MYAPP_GITHUP_CLIENT_ID", "MYAPP_GITHUB_CLIENT_ID"},
		{"two letters swapped", "MYAPP_", "MYAPP_GIHTUB_CLIENT_ID", "MYAPP_GITHUB_CLIENT_ID"},
		{"without a prefix", "", "GOGLE_CLIENT_SECRET", ""},
		{"of another prefix", "MYAPP_", "YOURAPP_GOGLE_CLIENT_SECRET", ""},
		{"another provider", "MYAPP_", "MYAPP_GITLAB_CLIENT_SECRET", ""},
		{"a number", "MYAPP_", "MYAPP_CORP2_CLIENT_ID", ""},
		{"a short name", "MYAPP_", "MYAPP_Y_CLIENT_ID", ""},
		{"no setting", "MYAPP_", "MYAPP_GOGLE_GREETING", ""},
		{"no provider", "MYAPP_", "MYAPP_CLIENT_ID", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			into := []*signon.Provider{{Name: "google"}, {Name: "github"}, {Name: "corp1"}, {Name: "x"}}
			err := signon.LoadEnviron([]string{tt.variable + "=hush"}, tt.prefix, into...)
			if tt.meant == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, `perhaps "`+tt.meant+`"`)
			require.NotContains(t, err.Error(), "hush")
		})
	}
}

func TestLoadRefusesWhatItCannotName(t *testing.T) {
	one := &signon.Provider{Name: "one"}
	for _, tt := range []struct {
		name   string
		prefix string
		into   []*signon.Provider
		json   bool // LoadJSON cannot either
	}{
		{"nil", "", []*signon.Provider{one, nil}, true},
		{"no name", "", []*signon.Provider{{}}, true},
		{"an impossible name", "", []*signon.Provider{{Name: "A B"}}, true},
		{"one name twice", "", []*signon.Provider{one, {Name: "one"}}, true},
		{"the same variables", "", []*signon.Provider{{Name: "a-b"}, {Name: "a_b"}}, false},
		{"a prefix without its end", "MYAPP", []*signon.Provider{one}, false},
		{"a prefix of other characters", "MY=APP_", []*signon.Provider{one}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Error(t, signon.LoadEnviron(nil, tt.prefix, tt.into...))
			_, err := signon.LoadJSON([]byte(`[]`), tt.into...)
			require.Equal(t, tt.json, err != nil)
		})
	}
}

// CA-12: with a method that needs a secret, none is an error when the provider is registered.
func TestConfiguredMethodNeedsItsSecret(t *testing.T) {
	for _, method := range []string{"client_secret_basic", "client_secret_basic_raw", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"} {
		t.Run(method, func(t *testing.T) {
			p := signon.Provider{Name: "corp"}
			require.NoError(t, signon.LoadEnviron([]string{"CORP_CLIENT_AUTH=" + method, "CORP_CLIENT_ID=app", "CORP_ISSUER=https://op.test"}, "", &p))
			auth, err := signon.New(signon.Config{BaseURL: siteURL, Keys: siteKeys, Logger: quiet()})
			require.NoError(t, err)
			_, err = auth.Register(p)
			require.Error(t, err)
		})
	}
}

// A user signs in with what JSON, the environment and a file say together.
func TestSignInFromOutside(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("a secret of its own\n"), 0o600))
	t.Setenv("MYAPP_OP_CLIENT_SECRET_FILE", secret)
	t.Setenv("MYAPP_OP_CLIENT_AUTH", "client_secret_post")
	a := newApp(t, appOptions{
		op: opByAuth("client_secret_post", "a secret of its own"),
		provider: func(p *signon.Provider) {
			p.ClientID, p.ClientSecret, p.ClientAuth = "", "", nil
			all, err := signon.LoadJSON([]byte(`[{"name":"op","client_id":"app","scopes":["openid"]}]`), p)
			require.NoError(t, err)
			require.NoError(t, signon.LoadEnv("MYAPP_", all...))
		},
	})
	require.Equal(t, http.StatusOK, a.signIn().Status)
	a.requireSignedIn("alice")
}

// FuzzLoadEnv: whatever a variable is called and says, an error changes nothing and
// never shows the value.
func FuzzLoadEnv(f *testing.F) {
	for _, name := range signon.EnvSettings() {
		f.Add(name, "canary-value")
	}
	f.Add("CLIENT_KEY", "\n"+keyPEM(f))
	f.Add("DECRYPTION_KEY", "\n"+keyPEM(f)+keyPEM(f))
	f.Add("CLIENT_CERTIFICATE", "\n"+certificatePEM(f))
	f.Add("AUTHORIZE_PARAMS", "a=1&b")
	f.Add("CLIENT_ID", "=")
	f.Fuzz(func(t *testing.T, name, value string) {
		before := signon.Provider{Name: "corp", ClientID: "app"}
		p := before
		if strings.HasSuffix(name, "_FILE") || strings.Contains(name, "=") || strings.Contains(name, "canary") {
			return // a file of this machine, or a name that is no value
		}
		environ := []string{"CORP_" + name + "=canary-" + value}
		for _, other := range []string{"REVOCATION_AUTH=tls_client_auth", "INTROSPECTION_AUTH=private_key_jwt"} {
			if !strings.HasPrefix(other, name+"=") {
				environ = append(environ, "CORP_"+other)
			}
		}
		err := signon.LoadEnviron(environ, "", &p)
		if err != nil {
			require.Equal(t, before, p)
			require.NotContains(t, err.Error(), "canary-")
		}
		require.Equal(t, "corp", p.Name)
	})
}
