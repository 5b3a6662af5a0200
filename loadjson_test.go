package signon_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
)

// One object, or many: those that are given are changed, the others are new, in order.
func TestLoadJSON(t *testing.T) {
	github := signon.Provider{Name: "github", SubjectClaim: "id", Hooks: hooks.DefaultTokenType("Bearer")}
	google := signon.Provider{Name: "google", ClientID: "before"}
	all, err := signon.LoadJSON([]byte(` [
		{"name": "zoo", "client_id": "z", "max_age": 60},
		{"name": "github", "client_id": "h", "client_auth": "client_secret_post", "auth_url": "https://hub.test/a"},
		{"name": "ant", "client_id": "a"}
	] `), &github, &google)
	require.NoError(t, err)
	require.Len(t, all, 4)
	require.Same(t, &github, all[0])
	require.Same(t, &google, all[1])
	require.Equal(t, []string{"zoo", "ant"}, []string{all[2].Name, all[3].Name})
	require.Equal(t, []string{"h", "id", "https://hub.test/a"}, []string{github.ClientID, github.SubjectClaim, github.Endpoint.AuthURL})
	require.NotNil(t, github.Hooks.TokenResponse)
	require.Equal(t, "before", google.ClientID)

	all, err = signon.LoadJSON([]byte(`{"name": "one", "client_id": "app"}`))
	require.NoError(t, err)
	require.Equal(t, []*signon.Provider{{Name: "one", ClientID: "app"}}, all)

	// null is no key set, as it is nothing else.
	keys := signon.Provider{Name: "keys", JWKS: json.RawMessage(`{"keys":[]}`)}
	_, err = signon.LoadJSON([]byte(`{"name": "keys", "jwks": null}`), &keys)
	require.NoError(t, err)
	require.Equal(t, signon.Provider{Name: "keys"}, keys)

	all, err = signon.LoadJSON([]byte(`[]`))
	require.NoError(t, err)
	require.Empty(t, all)
}

// CF-07: an error says where, shows no value, and changes nothing.
func TestLoadJSONRefused(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"misspelt", `[{"name":"ok"},{"name":"corp","client_sercet":"hush"}]`, `signon: LoadJSON: object 2: provider "corp" from JSON: unknown member "client_sercet", perhaps "client_secret"`},
		{"a member twice", `[{"name":"corp","client_id":"hush","client_id":"b"}]`, `provider "corp" from JSON: not one JSON object: `},
		{"which member", `[{"name":"corp","client_id":"hush","client_id":"b"}]`, `client_id`},
		{"a name twice", `[{"name":"corp"},{"name":"corp"}]`, `object 2: it is the second with the name "corp"`},
		{"no name", `[{"client_secret":"hush"}]`, `object 1: it has no valid "name"`},
		{"a null name", `[{"name":null}]`, `no valid "name"`},
		{"an impossible name", `[{"name":"Corp Inc"}]`, `no valid "name"`},
		{"no object", `["hush"]`, `expected one JSON object`},
		{"null in the list", `[null]`, `it is null`},
		{"null", `null`, `it is null`},
		{"a value of the wrong type", `[{"name":"corp","scopes":"hush"}]`, `member "scopes" must not be a string; expected a list`},
		{"by provider", `{"corp":{"client_id":"hush"}}`, `unknown member "corp"; expected an array of objects, or one object`},
		{"in a list", `{"providers":[{"name":"corp","client_secret":"hush"}]}`, `unknown member "providers"; expected an array of objects, or one object`},
		{"a list of its own", `{"name":"corp","scpoes":["hush"]}`, `unknown member "scpoes", perhaps "scopes"`},
		{"two texts", `[] []`, `not one JSON array`}, {"cut", `[{"name":"corp"}`, `not one JSON array`}, {"empty", ` `, `not one JSON object`},
		{"a long name deep inside", `[{"name":"corp","authorize_params":{"` + strings.Repeat("x", 65) + `":"hush"}}]`, `authorize_params/` + strings.Repeat("x", 47) + `" must not`},
		{"max_age", `[{"name":"corp","max_age":-1}]`, `provider "corp" from JSON: max_age`},
		{"a method", `[{"name":"corp","client_auth":"hush"}]`, `client_auth: no such method`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			corp, ok := signon.Provider{Name: "corp", ClientID: "before"}, signon.Provider{Name: "ok"}
			all, err := signon.LoadJSON([]byte(strings.Replace(tt.in, `{"name":"ok"}`, `{"name":"ok","client_id":"changed"}`, 1)), &corp, &ok)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "hush")
			require.Nil(t, all)
			require.Equal(t, signon.Provider{Name: "corp", ClientID: "before"}, corp)
			require.Equal(t, signon.Provider{Name: "ok"}, ok)
		})
	}
}

// UnmarshalJSON starts anew: encoding/json reuses the elements of a slice, and what one
// provider had must not be left in another.
func TestUnmarshalJSONKeepsNothing(t *testing.T) {
	list := []signon.Provider{{Name: "old", ClientSecret: "old", InsecureForeignAZP: true}}
	require.NoError(t, json.Unmarshal([]byte(`[{"name":"new"}]`), &list))
	require.Equal(t, []signon.Provider{{Name: "new"}}, list)
}

// FuzzLoadJSON: an error changes nothing, and what is loaded is what UnmarshalJSON reads.
func FuzzLoadJSON(f *testing.F) {
	for _, seed := range []string{
		`[{"name":"a","client_id":"x"},{"name":"b"}]`, `{"name":"a"}`, `[]`, `[{"name":"a"},{"name":"a"}]`, `null`, `[null]`,
		`{"name":"a","client_auth":"private_key_jwt","client_key_id":["a","b"],"client_key_alg":"ES256"}`, `{"name":"a","decryption_key_id":["x",""]}`,
		`{"name":"a","revocation_auth":"client_secret_jwt","client_key_alg":"HS512","client_assertion_typ":"JWT"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before := signon.Provider{Name: "a", ClientID: "before"}
		a := before
		all, err := signon.LoadJSON(data, &a)
		if err != nil {
			require.Nil(t, all)
			require.Equal(t, before, a)
			return
		}
		require.Same(t, &a, all[0])
		require.Equal(t, "a", a.Name)
		for _, p := range all[1:] {
			text, err := json.Marshal(p)
			require.NoError(t, err)
			var again signon.Provider
			require.NoError(t, again.UnmarshalJSON(text), string(text))
			second, err := json.Marshal(again)
			require.NoError(t, err)
			require.JSONEq(t, string(text), string(second))
		}
	})
}
