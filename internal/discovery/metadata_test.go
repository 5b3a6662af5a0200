package discovery_test

import (
	"encoding/json"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/discovery"
	"github.com/seed1a301047/signon/internal/outbound"
)

var endpoints = []string{
	"authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "end_session_endpoint",
	"revocation_endpoint", "introspection_endpoint", "pushed_authorization_request_endpoint",
}

func TestParse(t *testing.T) {
	m, err := discovery.Parse([]byte(metadata(map[string]any{
		"end_session_endpoint": issuer + "/logout", "revocation_endpoint": issuer + "/revoke",
		"introspection_endpoint":                         issuer + "/introspect",
		"pushed_authorization_request_endpoint":          issuer + "/par",
		"token_endpoint_auth_methods_supported":          []string{"client_secret_basic"},
		"revocation_endpoint_auth_methods_supported":     []string{"none"},
		"introspection_endpoint_auth_methods_supported":  []string{"private_key_jwt"},
		"code_challenge_methods_supported":               []string{"plain"}, // LI-11: read, for the strict to refuse
		"response_modes_supported":                       []string{"form_post"},
		"scopes_supported":                               []string{"openid"},
		"authorization_response_iss_parameter_supported": true, // AR-12
		"require_pushed_authorization_requests":          true,
		"backchannel_logout_supported":                   true,
		"backchannel_logout_session_supported":           true,
		"frontchannel_logout_supported":                  true,
		"frontchannel_logout_session_supported":          true,
		"check_session_iframe":                           5, // not read, so of any type
	})), issuer, outbound.Policy{})
	require.NoError(t, err)
	require.Equal(t, []string{"RS256"}, m.SigningAlgs(nil))
	require.Equal(t, discovery.Auth{Endpoint: "token_endpoint", Methods: []string{"client_secret_basic"}}, m.TokenAuth())
	require.Equal(t, discovery.Auth{Endpoint: "revocation_endpoint", Methods: []string{"none"}}, m.RevocationAuth())
	require.Equal(t, discovery.Auth{Endpoint: "introspection_endpoint", Methods: []string{"private_key_jwt"}}, m.IntrospectionAuth())
	got, err := json.Marshal(m)
	require.NoError(t, err)
	want := metadata(map[string]any{
		"end_session_endpoint": issuer + "/logout", "revocation_endpoint": issuer + "/revoke",
		"introspection_endpoint":                         issuer + "/introspect",
		"pushed_authorization_request_endpoint":          issuer + "/par",
		"token_endpoint_auth_methods_supported":          []string{"client_secret_basic"},
		"revocation_endpoint_auth_methods_supported":     []string{"none"},
		"introspection_endpoint_auth_methods_supported":  []string{"private_key_jwt"},
		"code_challenge_methods_supported":               []string{"plain"},
		"response_modes_supported":                       []string{"form_post"},
		"scopes_supported":                               []string{"openid"},
		"authorization_response_iss_parameter_supported": true,
		"require_pushed_authorization_requests":          true,
		"backchannel_logout_supported":                   true,
		"backchannel_logout_session_supported":           true,
		"frontchannel_logout_supported":                  true,
		"frontchannel_logout_session_supported":          true,
	})
	require.JSONEq(t, want, string(got))
}

// DI-01: the issuer is compared as a string.
func TestParseIssuer(t *testing.T) {
	for _, claimed := range []any{
		"https://op.example/", "https://OP.example", "http://op.example", "https://evil.example", "https://op.example:443",
		"https://op.example?", "https://op.exampl%65", " https://op.example", "", nil, 5, []string{issuer},
	} {
		_, err := discovery.Parse([]byte(metadata(map[string]any{"issuer": claimed})), issuer, outbound.Policy{})
		require.ErrorIs(t, err, discovery.ErrMetadata, "%v", claimed)
	}
	_, err := discovery.Parse([]byte(metadata(map[string]any{"issuer": issuer + "/"})), issuer, outbound.Policy{})
	require.ErrorContains(t, err, "to the letter", "the remedy")
	_, err = discovery.Parse([]byte(metadata(map[string]any{"issuer": ""})), issuer, outbound.Policy{})
	require.NotContains(t, err.Error(), "to the letter", "there is nothing to set")

	// What metadata say about themselves never makes an issuer acceptable (DI-02).
	for _, own := range []string{"", "op.example", "http://op.example", "https://op@evil.example", "https://op.example?a", "https://op.example#a", "https://169.254.169.254"} {
		_, err := discovery.Parse([]byte(metadata(map[string]any{"issuer": own})), own, outbound.Policy{})
		require.Error(t, err, own)
	}
}

// DI-02, DI-04, LI-12: one endpoint that must not be refuses the metadata,
// whichever it is.
func TestParseEndpoints(t *testing.T) {
	refused := []string{
		"http://op.example/x", "http://127.0.0.1/x", "https://op@evil.example/x", "https://op.example/x#f", "file:///etc/passwd",
		"javascript:alert(1)", "//op.example/x", "/x", "https://169.254.169.254/x", "https://[::1]/x", "https://10.0.0.1/x",
		"https://2852039166/x", "https://0xa9fea9fe/x", "https://op.example/\nx", "https://op.example/?a=%zz", "https://op.example/?a;b",
	}
	for _, name := range endpoints {
		for _, url := range refused {
			_, err := discovery.Parse([]byte(metadata(map[string]any{name: url})), issuer, outbound.Policy{})
			require.ErrorIs(t, err, discovery.ErrMetadata, "%s: %s", name, url)
		}
		_, err := discovery.Parse([]byte(metadata(map[string]any{name: "https://other.example/x?tenant=1"})), issuer, outbound.Policy{})
		require.NoError(t, err, name) // LI-12: with its query
	}
	const local = "http://localhost:9000"
	m, err := discovery.Parse([]byte(`{"issuer":"http://localhost:9000","token_endpoint":"http://127.0.0.1:9000/token"}`), local, outbound.Policy{AllowLoopbackHTTP: true})
	require.NoError(t, err)
	require.Equal(t, "http://127.0.0.1:9000/token", m.TokenEndpoint)
}

// DI-08, DI-09: what is not metadata is refused, with an error that does not repeat it.
func TestParseGarbage(t *testing.T) {
	const canary = "c4nary"
	good := metadata(nil)
	for name, body := range map[string]string{
		"empty": "", "null": "null", "array": "[" + good + "]", "string": `"` + canary + `"`, "number": "5",
		"HTML": "<html>" + canary, "truncated": good[:len(good)-9], "trailing": good + good,
		"duplicate":         `{"issuer":"` + canary + `",` + good[1:],
		"unknown duplicate": `{"x":1,"x":"` + canary + `",` + good[1:],
		"case variant":      strings.Replace(good, `"issuer"`, `"Issuer"`, 1),
		"invalid UTF-8":     `{"x":"` + canary + "\xff" + `",` + good[1:],
		"lone surrogate":    `{"x":"\ud800` + canary + `",` + good[1:],
		"deep":              `{"x":` + strings.Repeat("[", 20000),
		"other issuer":      metadata(map[string]any{"issuer": "https://evil.example"}),
		"endpoint number":   metadata(map[string]any{"token_endpoint": 5}),
		"endpoint object":   metadata(map[string]any{"jwks_uri": map[string]any{"a": canary}}),
		"endpoint bool":     metadata(map[string]any{"userinfo_endpoint": true}),
		"endpoint array":    metadata(map[string]any{"end_session_endpoint": []string{canary}}),
		"list as string":    metadata(map[string]any{"id_token_signing_alg_values_supported": canary}),
		"list of numbers":   metadata(map[string]any{"scopes_supported": []int{1}}),
		"bool as string":    metadata(map[string]any{"authorization_response_iss_parameter_supported": "true"}),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := discovery.Parse([]byte(body), issuer, outbound.Policy{})
			require.ErrorIs(t, err, discovery.ErrMetadata)
			require.NotContains(t, err.Error(), canary)
		})
	}
}

// DI-19, ID-05: the configuration's pin wins, and no metadata bring in an
// algorithm that lets a holder of the secret, or anybody, sign.
func TestSigningAlgs(t *testing.T) {
	for _, tt := range []struct {
		name                  string
		offered, pinned, want []string
	}{
		{"silent", nil, nil, []string{"RS256"}},
		{"RS256 among others", []string{"ES256", "RS256", "none", "HS256"}, nil, []string{"RS256"}},
		{"no RS256", []string{"none", "HS256", "EdDSA", "ES256", "RS384", "PS512"}, nil, []string{"PS512", "ES256", "EdDSA"}},
		{"nothing usable", []string{"none", "HS256"}, nil, []string{"RS256"}},
		{"pinned against none and HS256", []string{"none", "HS256"}, []string{"RS256"}, []string{"RS256"}},
		{"pinned against RS256", []string{"RS256"}, []string{"ES384"}, []string{"ES384"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := discovery.Parse([]byte(metadata(map[string]any{"id_token_signing_alg_values_supported": tt.offered})), issuer, outbound.Policy{})
			require.NoError(t, err)
			require.Equal(t, tt.want, m.SigningAlgs(tt.pinned))
		})
	}
}

// What is accepted re-checks, and reads the same the second time.
func FuzzMetadata(f *testing.F) {
	f.Add([]byte(metadata(nil)), issuer, false)
	f.Add([]byte(metadata(map[string]any{"issuer": "http://localhost:1", "token_endpoint": "http://[::1]:1/"})), "http://localhost:1", true)
	f.Add([]byte(metadata(map[string]any{"jwks_uri": "https://op@evil/#"})), issuer, true)
	f.Add([]byte(`{"issuer":"https://op.example","id_token_signing_alg_values_supported":["none",null,"HS256"]}`), issuer, false)
	f.Add([]byte(`null`), "", false)
	f.Fuzz(func(t *testing.T, body []byte, want string, dev bool) {
		policy := outbound.Policy{AllowLoopbackHTTP: dev}
		m, err := discovery.Parse(body, want, policy)
		if err != nil {
			return
		}
		if m.Issuer != want || strings.ContainsAny(m.Issuer, "?#") {
			t.Fatalf("issuer %q, want %q", m.Issuer, want)
		}
		if algs := m.SigningAlgs(nil); len(algs) == 0 || slices.Contains(algs, "none") || slices.Contains(algs, "HS256") {
			t.Fatalf("algorithms %q", algs)
		}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var members map[string]any
		if err := json.Unmarshal(text, &members); err != nil {
			t.Fatal(err)
		}
		for _, name := range append([]string{"issuer"}, endpoints...) {
			if raw := members[name].(string); raw != "" {
				recheck(t, raw, dev)
			}
		}
		if _, err := discovery.Parse(text, want, policy); err != nil {
			t.Fatalf("what was accepted is refused: %v", err)
		}
	})
}

// recheck looks at a URL by other means than the code under test.
func recheck(t *testing.T, raw string, dev bool) {
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := netip.ParseAddr(u.Hostname())
	loopback := addr.Unmap().IsLoopback() || strings.EqualFold(strings.TrimSuffix(u.Hostname(), "."), "localhost")
	if u.Scheme != "https" && !(u.Scheme == "http" && dev && loopback) {
		t.Fatalf("%q is neither https nor allowed", raw)
	}
	if u.Host == "" || u.User != nil || strings.Contains(raw, "#") || addr.IsLinkLocalUnicast() || addr.IsPrivate() || loopback && !dev {
		t.Fatalf("%q was accepted", raw)
	}
}
