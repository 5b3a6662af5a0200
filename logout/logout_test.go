package logout_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/logout"
)

func Example() {
	request := logout.Request{
		Endpoint: "https://login.example.com/logout?realm=corp", ClientID: "app",
		PostLogoutRedirectURI: "https://app.example.com/signed-out", State: "af0ifjsldkj",
	}
	where, err := request.URL()
	fmt.Println(where, err)
	// Output: https://login.example.com/logout?realm=corp&client_id=app&post_logout_redirect_uri=https%3A%2F%2Fapp.example.com%2Fsigned-out&state=af0ifjsldkj <nil>
}

func TestURL(t *testing.T) {
	const at = "https://op.test/end"
	for _, tt := range []struct {
		name string
		req  logout.Request
		want string // "": an error
	}{
		{"the endpoint alone", logout.Request{Endpoint: at}, at},
		{"all of it", logout.Request{
			Endpoint: at, IDTokenHint: "a.b.c", ClientID: "app", PostLogoutRedirectURI: "https://app.test/out?x=1", State: "s",
			LogoutHint: "alice@example.com", UILocales: "de en", Extra: url.Values{"federated": {""}},
		}, at + "?client_id=app&federated=&id_token_hint=a.b.c&logout_hint=alice%40example.com&post_logout_redirect_uri=https%3A%2F%2Fapp.test%2Fout%3Fx%3D1&state=s&ui_locales=de+en"},
		{"LO-03: a query is kept", logout.Request{Endpoint: at + "?p=%41&q=", ClientID: "app"}, at + "?p=%41&q=&client_id=app"},
		{"an empty query", logout.Request{Endpoint: at + "?", ClientID: "app"}, at + "?client_id=app"},
		{"a trailing ampersand", logout.Request{Endpoint: at + "?p=1&", ClientID: "app"}, at + "?p=1&client_id=app"},
		{"a state has somewhere to come back to", logout.Request{Endpoint: at, ClientID: "app", State: "s"}, at + "?client_id=app"},
		{"loopback", logout.Request{Endpoint: "http://127.0.0.1:1/end"}, "http://127.0.0.1:1/end"},
		{"sent twice", logout.Request{Endpoint: at + "?client_id=other", ClientID: "app"}, ""},
		{"sent twice by Extra", logout.Request{Endpoint: at + "?x=1", Extra: url.Values{"x": {"2"}}}, ""},
		{"Extra with a field's", logout.Request{Endpoint: at, Extra: url.Values{"post_logout_redirect_uri": {"https://evil.test/"}}}, ""},
		{"Extra with what hides form.submit", logout.Request{Endpoint: at, Extra: url.Values{"submit": {"1"}}}, ""},
		{"Extra with a field's that is empty", logout.Request{Endpoint: at, Extra: url.Values{"state": {"x"}}}, ""},
		{"no endpoint", logout.Request{ClientID: "app"}, ""},
		{"a path", logout.Request{Endpoint: "/end"}, ""},
		{"a script", logout.Request{Endpoint: "javascript:alert(1)"}, ""},
		{"a fragment", logout.Request{Endpoint: at + "#x"}, ""},
		{"a malformed query", logout.Request{Endpoint: at + "?%zz"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.req.URL()
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.want == "", err != nil)
			if err != nil {
				require.NotContains(t, err.Error(), "evil")
			}
		})
	}
}

func TestForm(t *testing.T) {
	extra := url.Values{"x": {"1"}}
	action, fields, err := logout.Request{
		Endpoint: "https://op.test/end?realm=corp", IDTokenHint: strings.Repeat("x", 8000), ClientID: "app", Extra: extra,
	}.Form()
	require.NoError(t, err)
	require.Equal(t, "https://op.test/end?realm=corp", action)
	require.Equal(t, url.Values{"id_token_hint": {strings.Repeat("x", 8000)}, "client_id": {"app"}, "x": {"1"}}, fields)
	fields["x"][0] = "changed"
	require.Equal(t, url.Values{"x": {"1"}}, extra)
}

// What is asked for is what a provider reads, beside what the endpoint says itself, and
// the browser goes to the endpoint and nowhere else.
func FuzzURL(f *testing.F) {
	f.Add("https://op.test/end?realm=corp", "a.b.c", "app", "https://app.test/", "s", "x")
	f.Add("https://op.test/end?&", "", "", "", "", "")
	f.Add("https://op.test", "&", "#", "?", "=", "state")
	f.Fuzz(func(t *testing.T, endpoint, hint, client, back, state, extra string) {
		r := logout.Request{
			Endpoint: endpoint, IDTokenHint: hint, ClientID: client, PostLogoutRedirectURI: back, State: state,
			Extra: url.Values{extra: {"1"}},
		}
		raw, err := r.URL()
		if err != nil {
			return
		}
		got, err := url.Parse(raw)
		require.NoError(t, err)
		was, err := url.Parse(endpoint)
		require.NoError(t, err)
		require.Equal(t, was.Scheme+was.Host+was.Path, got.Scheme+got.Host+got.Path)
		require.Empty(t, got.Fragment)
		query, err := url.ParseQuery(got.RawQuery)
		require.NoError(t, err)
		for name, want := range map[string]string{"id_token_hint": hint, "client_id": client, "post_logout_redirect_uri": back} {
			require.Equal(t, want != "", query.Has(name) && query.Get(name) != "" && len(query[name]) == 1, name)
			if want != "" {
				require.Equal(t, want, query.Get(name))
			}
		}
		for name, values := range was.Query() {
			require.Equal(t, values, query[name])
		}
	})
}
