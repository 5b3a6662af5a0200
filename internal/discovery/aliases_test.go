package discovery_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/discovery"
)

// aliased has metadata with these mtls_endpoint_aliases.
func aliased(t *testing.T, aliases any) *provider {
	p := newProvider(t)
	p.set(wellKnown, answer{body: metadata(map[string]any{
		"introspection_endpoint": issuer + "/introspect", "mtls_endpoint_aliases": aliases,
	})})
	return p
}

func presenting(c *discovery.Config) { c.Aliases = true }

// CA-10: a client that presents a certificate uses the endpoints that are made for it, where
// there are any, and what is given by hand wins over them too.
func TestAliases(t *testing.T) {
	p := aliased(t, map[string]any{
		"token_endpoint": "https://mtls.op.example/token", "introspection_endpoint": "https://mtls.op.example/introspect",
		"authorization_endpoint": "https://evil.example/authorize", "jwks_uri": "https://evil.example/jwks", "x": 1,
	})
	m, err := newSource(t, p, presenting).Metadata(t.Context())
	require.NoError(t, err)
	require.Equal(t, "https://mtls.op.example/token", m.TokenEndpoint)
	require.Equal(t, "https://mtls.op.example/introspect", m.IntrospectionEndpoint)
	require.Equal(t, issuer+"/userinfo", m.UserInfoEndpoint, "it has no alias")
	require.Equal(t, issuer+"/authorize", m.AuthorizationEndpoint, "the browser has no certificate of ours")
	require.Equal(t, issuer+"/jwks", m.JWKSURI)

	m, err = newSource(t, p, presenting, func(c *discovery.Config) { c.Given.TokenEndpoint = issuer + "/by-hand" }).Metadata(t.Context())
	require.NoError(t, err)
	require.Equal(t, issuer+"/by-hand", m.TokenEndpoint)
	require.Equal(t, "https://mtls.op.example/introspect", m.IntrospectionEndpoint)

	m, err = newSource(t, p).Metadata(t.Context())
	require.NoError(t, err)
	require.Equal(t, issuer+"/token", m.TokenEndpoint, "they are for certificates alone")
}

// CA-10: an alias that is not valid is an error, and never a reason to use the endpoint at
// which the certificate does not count. Whoever presents none does not read it.
func TestAliasesRefused(t *testing.T) {
	for _, c := range []struct {
		name    string
		aliases any
	}{
		{"http", map[string]any{"token_endpoint": "http://op.example/token"}},
		{"empty", map[string]any{"token_endpoint": ""}},
		{"relative", map[string]any{"token_endpoint": "/token"}},
		{"the cloud's metadata", map[string]any{"token_endpoint": "https://169.254.169.254/token"}},
		{"private", map[string]any{"userinfo_endpoint": "https://10.0.0.1/"}},
		{"fragment", map[string]any{"revocation_endpoint": "https://op.example/#x"}},
		{"user", map[string]any{"introspection_endpoint": "https://a@op.example/"}},
		{"query", map[string]any{"token_endpoint": "https://op.example/?%zz"}},
		{"number", map[string]any{"token_endpoint": 7}},
		{"one of them", map[string]any{"token_endpoint": "https://mtls.op.example/token", "pushed_authorization_request_endpoint": "ftp://op.example"}},
		{"list", []any{"https://op.example/token"}},
		{"string", "https://op.example/token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := aliased(t, c.aliases)
			_, err := newSource(t, p, presenting).Metadata(t.Context())
			require.ErrorIs(t, err, discovery.ErrMetadata)
			require.ErrorContains(t, err, "mtls_endpoint_aliases")
			m, err := newSource(t, p).Metadata(t.Context())
			require.NoError(t, err)
			require.Equal(t, issuer+"/token", m.TokenEndpoint)
		})
	}
	t.Run("none", func(t *testing.T) {
		for _, aliases := range []any{nil, map[string]any{}} {
			m, err := newSource(t, aliased(t, aliases), presenting).Metadata(t.Context())
			require.NoError(t, err)
			require.Equal(t, issuer+"/token", m.TokenEndpoint)
		}
	})
	t.Run("a host that is not listed", func(t *testing.T) {
		p := aliased(t, map[string]any{"token_endpoint": "https://mtls.op.example/token"})
		strict := func(c *discovery.Config) { c.EndpointHosts = []string{"op.example"} }
		_, err := newSource(t, p, presenting, strict).Metadata(t.Context())
		require.ErrorIs(t, err, discovery.ErrMetadata)
	})
}
