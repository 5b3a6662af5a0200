package discovery_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/discovery"
	"github.com/seed1a301047/signon/internal/jose"
	"github.com/seed1a301047/signon/internal/oidc"
	"github.com/seed1a301047/signon/internal/outbound"
)

var _ oidc.KeySource = (*discovery.Source)(nil)

func TestNewRefuses(t *testing.T) {
	client := outbound.NewClient(&http.Client{Transport: newProvider(t)}, outbound.Policy{})
	for name, c := range map[string]discovery.Config{
		"no client":                    {Issuer: issuer},
		"issuer http":                  {HTTPClient: client, Issuer: "http://op.example"}, // DI-02
		"issuer userinfo":              {HTTPClient: client, Issuer: "https://op@evil.example"},
		"issuer query":                 {HTTPClient: client, Issuer: issuer + "?a"},
		"issuer private":               {HTTPClient: client, Issuer: "https://10.0.0.1"}, // DI-04
		"metadata URL without issuer":  {HTTPClient: client, MetadataURL: wellKnown},
		"metadata URL http":            {HTTPClient: client, Issuer: issuer, MetadataURL: "http://op.example/m"},
		"given endpoint http":          {HTTPClient: client, Given: discovery.Metadata{TokenEndpoint: "http://op.example/token"}},
		"inline keys, not a set":       {HTTPClient: client, JWKS: []byte(`[]`)},
		"inline keys, none of any use": {HTTPClient: client, JWKS: []byte(`{"keys":[{"kty":"oct","k":"AAAA"}]}`)}, // DI-12
	} {
		_, err := discovery.New(c)
		require.Error(t, err, name)
	}
}

// CF-05: New and what is given by hand never touch the network.
func TestGiven(t *testing.T) {
	p := newProvider(t)
	source := newSource(t, p, func(c *discovery.Config) {
		c.Issuer, c.JWKS = "", []byte(keySet(t, "a"))
		c.Given = discovery.Metadata{Issuer: issuer, TokenEndpoint: issuer + "/t", IDTokenSigningAlgs: []string{"ES256"}}
	})
	m, err := source.Metadata(t.Context())
	require.NoError(t, err)
	require.Equal(t, issuer+"/t", m.TokenEndpoint)
	require.Equal(t, []string{"ES256"}, m.SigningAlgs(nil))
	set, err := source.Keys(t.Context())
	require.NoError(t, err)
	again, err := source.Refresh(t.Context())
	require.NoError(t, err)
	require.Same(t, set, again)
	require.Empty(t, p.hits)
}

func TestGivenWins(t *testing.T) {
	p := newProvider(t)
	p.set("https://keys.example/", answer{body: keySet(t, "given")})
	source := newSource(t, p, func(c *discovery.Config) {
		c.Given = discovery.Metadata{
			Issuer: "https://not.looked.at", AuthorizationEndpoint: "https://login.example/a", JWKSURI: "https://keys.example/",
			IDTokenSigningAlgs: []string{"ES256"}, IssInResponse: true,
		}
	})
	set, err := source.Keys(t.Context())
	require.NoError(t, err)
	require.True(t, has(t, set, "given"))
	require.Zero(t, p.count(wellKnown), "keys whose URL is given do not need the metadata")

	m, err := source.Metadata(t.Context())
	require.NoError(t, err)
	require.Equal(t, issuer, m.Issuer)
	require.Equal(t, "https://login.example/a", m.AuthorizationEndpoint)
	require.Equal(t, issuer+"/token", m.TokenEndpoint)
	require.Equal(t, "https://keys.example/", m.JWKSURI)
	require.Equal(t, []string{"ES256"}, m.SigningAlgs(nil))
	require.True(t, m.IssInResponse)
	require.Zero(t, p.count(jwksURL))
}

func TestWellKnown(t *testing.T) {
	body := func(issuer string) answer { return answer{body: metadata(map[string]any{"issuer": issuer})} }
	tests := []struct {
		name, issuer, metadataURL string
		answers                   map[string]answer
		want                      map[string]int
		ok                        bool
	}{
		{"OpenID Connect", issuer, "", map[string]answer{wellKnown: body(issuer)}, map[string]int{wellKnown: 1}, true},
		{"OAuth", issuer, "", map[string]answer{rfc8414: body(issuer)}, map[string]int{wellKnown: 1, rfc8414: 1}, true},
		{"neither", issuer, "", nil, map[string]int{wellKnown: 1, rfc8414: 1}, false},
		{"only 404 leads on", issuer, "", map[string]answer{wellKnown: {status: 503}, rfc8414: body(issuer)}, map[string]int{wellKnown: 1}, false},
		{"nor does a mismatch", issuer, "", map[string]answer{wellKnown: body("https://evil.example"), rfc8414: body(issuer)}, map[string]int{wellKnown: 1}, false},
		{
			"issuer with a path", issuer + "/a/b", "",
			map[string]answer{rfc8414 + "/a/b": body(issuer + "/a/b")},
			map[string]int{issuer + "/a/b/.well-known/openid-configuration": 1, rfc8414 + "/a/b": 1}, true,
		},
		{"issuer with a slash", issuer + "/", "", map[string]answer{wellKnown: body(issuer + "/")}, map[string]int{wellKnown: 1}, true},
		{"the slash counts", issuer, "", map[string]answer{wellKnown: body(issuer + "/")}, map[string]int{wellKnown: 1}, false}, // DI-01
		{
			"from elsewhere", issuer, "https://cdn.example/op.json",
			map[string]answer{"https://cdn.example/op.json": body(issuer)}, map[string]int{"https://cdn.example/op.json": 1}, true,
		},
		{"nowhere else then", issuer, "https://cdn.example/op.json", map[string]answer{wellKnown: body(issuer)}, map[string]int{"https://cdn.example/op.json": 1}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &provider{answers: tt.answers, hits: map[string]int{}}
			source := newSource(t, p, func(c *discovery.Config) { c.Issuer, c.MetadataURL = tt.issuer, tt.metadataURL })
			m, err := source.Metadata(t.Context())
			require.Equal(t, tt.ok, err == nil, "%v", err)
			require.Equal(t, tt.want, p.hits)
			if tt.ok {
				require.Equal(t, tt.issuer, m.Issuer)
			}
		})
	}
}

// DI-01, DI-08, DI-09: metadata that are not valid are an error of that kind.
func TestMetadataRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		a    answer
		want error
	}{
		"other issuer":   {answer{body: metadata(map[string]any{"issuer": "https://evil.example"})}, discovery.ErrMetadata},
		"no token":       {answer{body: metadata(map[string]any{"token_endpoint": nil})}, discovery.ErrMetadata},
		"no authorize":   {answer{body: metadata(map[string]any{"authorization_endpoint": ""})}, discovery.ErrMetadata},
		"no keys":        {answer{body: metadata(map[string]any{"jwks_uri": nil})}, discovery.ErrMetadata},
		"HTML":           {answer{body: "<html>", typ: "text/html"}, outbound.ErrContentType},
		"wrong type":     {answer{body: metadata(nil), typ: "text/plain"}, outbound.ErrContentType},
		"empty":          {answer{}, discovery.ErrMetadata},
		"redirect":       {answer{status: 302}, outbound.ErrRedirect}, // DI-03
		"too large":      {answer{body: metadata(map[string]any{"x": strings.Repeat("x", 256<<10)})}, outbound.ErrTooLarge},
		"no such status": {answer{status: 299, body: metadata(nil)}, &outbound.StatusError{}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			p.set(wellKnown, tt.a)
			source := newSource(t, p, func(c *discovery.Config) { c.NeedKeys = true })
			_, err := source.Metadata(t.Context())
			if _, ok := tt.want.(*outbound.StatusError); ok {
				var status *outbound.StatusError
				require.ErrorAs(t, err, &status)
				return
			}
			require.ErrorIs(t, err, tt.want)
			_, err = source.Keys(t.Context())
			require.ErrorIs(t, err, tt.want, "the keys of refused metadata are not asked for")
			require.Zero(t, p.count(jwksURL))
		})
	}
}

// What is missing in the metadata may be given.
func TestMetadataCompletedByHand(t *testing.T) {
	p := newProvider(t)
	p.set(wellKnown, answer{body: fmt.Sprintf(`{"issuer":%q}`, issuer)})
	source := newSource(t, p, func(c *discovery.Config) {
		c.NeedKeys = true
		c.Given = discovery.Metadata{AuthorizationEndpoint: issuer + "/a", TokenEndpoint: issuer + "/t"}
		c.JWKS = []byte(keySet(t, "a"))
	})
	_, err := source.Metadata(t.Context())
	require.NoError(t, err)

	source = newSource(t, p, func(c *discovery.Config) {
		c.Given = discovery.Metadata{AuthorizationEndpoint: issuer + "/a", TokenEndpoint: issuer + "/t"}
	})
	_, err = source.Keys(t.Context())
	require.ErrorIs(t, err, discovery.ErrNoKeys)
	_, err = source.Refresh(t.Context())
	require.ErrorIs(t, err, discovery.ErrNoKeys)
}

// Whatever else a provider writes into its metadata, it changes nothing: not the
// transport, the policy, the scopes, the algorithms, nor the authentication.
func TestMetadataOnlyInform(t *testing.T) {
	hostile := metadata(map[string]any{
		"token_endpoint": "https://10.0.0.1/token", "scope": "admin", "client_id": "evil", "client_secret": "evil",
		"AllowPrivate": true, "Policy": map[string]any{"AllowPrivate": true}, "HTTPClient": "x", "algs": []string{"none"},
		"token_endpoint_auth_method": "none", "insecure": true, "nonce_supported": false,
	})
	p := newProvider(t)
	p.set(wellKnown, answer{body: hostile})
	_, err := newSource(t, p).Metadata(t.Context())
	require.ErrorIs(t, err, discovery.ErrMetadata)

	p.set(wellKnown, answer{body: strings.Replace(hostile, "https://10.0.0.1", issuer, 1)})
	got, err := newSource(t, p).Metadata(t.Context())
	require.NoError(t, err)
	want, err := newSource(t, newProvider(t)).Metadata(t.Context())
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Equal(t, []string{"RS256"}, got.SigningAlgs(nil))
}

// DI-05: endpoints elsewhere are allowed and said once; the strict list their hosts.
func TestForeignHosts(t *testing.T) {
	p := newProvider(t)
	p.set(wellKnown, answer{body: metadata(map[string]any{"token_endpoint": "https://tokens.example/t", "userinfo_endpoint": "https://api.op.example/u"})})
	var log bytes.Buffer
	_, err := newSource(t, p, logTo(&log)).Metadata(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(log.String(), "tokens.example"))
	require.NotContains(t, log.String(), "api.op.example", "a subdomain is the issuer's own")

	hosts := func(h ...string) func(*discovery.Config) {
		return func(c *discovery.Config) { c.EndpointHosts = h }
	}
	_, err = newSource(t, p, hosts("op.example", "api.op.example")).Metadata(t.Context())
	require.ErrorIs(t, err, discovery.ErrMetadata)
	_, err = newSource(t, p, hosts("op.example", "api.op.example", "Tokens.Example")).Metadata(t.Context())
	require.NoError(t, err)
	_, err = newSource(t, p, hosts("op.example", "api.op.example"), func(c *discovery.Config) {
		c.Given.TokenEndpoint = "https://tokens.example/t"
	}).Metadata(t.Context())
	require.ErrorIs(t, err, discovery.ErrMetadata, "what the metadata say is judged even where it does not count")
}

// DI-08, DI-11, DI-12: a key set that is none is an error; a bad key among good
// ones is skipped, with one warning; an empty set is the provider's word.
func TestKeySets(t *testing.T) {
	private := strings.Replace(keySet(t, "private"), `"kty"`, `"d":"AAAA","kty"`, 1)
	one := func(set string) string { return set[len(`{"keys":[`) : len(set)-len(`]}`)] }
	mixed := `{"keys":[{"kty":"oct","kid":"hmac","k":"AAAA"},` + one(private) + `,5,{"kty":"XYZ"},` + one(keySet(t, "good")) + `]}`
	tests := []struct {
		name   string
		a      answer
		usable int // -1: an error
		warns  bool
	}{
		{"good", answer{body: keySet(t, "good")}, 1, false},
		{"other type", answer{body: keySet(t, "good"), typ: "application/jwk-set+json"}, 1, false},
		{"bad ones among them", answer{body: mixed}, 1, true},
		{"empty", answer{body: `{"keys":[]}`}, 0, true},
		{"all unusable", answer{body: `{"keys":[{"kty":"oct","k":"AAAA"}]}`}, 0, true},
		{"no keys", answer{body: `{}`}, -1, false},
		{"array", answer{body: `[]`}, -1, false},
		{"null", answer{body: `null`}, -1, false},
		{"truncated", answer{body: `{"keys":[`}, -1, false},
		{"HTML", answer{body: keySet(t, "good"), typ: "text/html"}, -1, false},
		{"status", answer{body: keySet(t, "good"), status: 500}, -1, false},
		{"redirect", answer{status: 307}, -1, false}, // DI-03
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newProvider(t)
			p.set(jwksURL, tt.a)
			var log bytes.Buffer
			source := newSource(t, p, logTo(&log))
			set, err := source.Keys(t.Context())
			if tt.usable < 0 {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.usable, set.Len())
			require.Equal(t, tt.usable == 1, has(t, set, "good"))
			require.False(t, has(t, set, "private"))
			_, err = set.Find("HS256", "hmac")
			require.ErrorIs(t, err, jose.ErrUnknownKey)
			require.Equal(t, tt.warns, strings.Contains(log.String(), "level=WARN"), log.String())
			require.NotContains(t, log.String(), "AAAA")

			_, err = source.Refresh(t.Context())
			require.NoError(t, err)
			if tt.usable > 0 {
				require.LessOrEqual(t, strings.Count(log.String(), "level=WARN"), 1, "said once")
			}
		})
	}
}

// DI-03, DI-04, DI-06, DI-07 over real connections: what a provider can do on
// the wire ends in an error of its kind, and hits nobody else.
func TestOverTheWire(t *testing.T) {
	mux := http.NewServeMux()
	op := httptest.NewServer(mux)
	defer op.Close()
	strayed := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer strayed.Close()

	bomb := func(w http.ResponseWriter) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		defer z.Close()
		for range 1000 {
			if _, err := z.Write(make([]byte, 32<<10)); err != nil {
				return
			}
		}
	}
	drip := func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte(" "))
			_ = http.NewResponseController(w).Flush()
			time.Sleep(5 * time.Millisecond)
		}
	}
	keys := func(fault string) string {
		return map[string]string{"private": "http://10.0.0.1/jwks", "linklocal": "http://169.254.169.254/jwks"}[fault]
	}
	mux.HandleFunc("/{fault}/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		fault := r.PathValue("fault")
		w.Header().Set("Content-Type", "application/json")
		switch fault {
		case "redirect":
			http.Redirect(w, r, strayed.URL, http.StatusFound)
		case "bomb":
			bomb(w)
		case "slow":
			drip(w, r)
		case "cut":
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(`{"issuer":`))
		default:
			own := op.URL + "/" + fault
			m := map[string]any{"issuer": own, "authorization_endpoint": own + "/a", "token_endpoint": own + "/t", "jwks_uri": own + "/jwks"}
			if url := keys(fault); url != "" {
				m["jwks_uri"] = url
			}
			_ = json.NewEncoder(w).Encode(m)
		}
	})
	mux.HandleFunc("/good/jwks", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(keySet(t, "a")))
	})

	policy := outbound.Policy{AllowLoopbackHTTP: true}
	for fault, want := range map[string]error{
		"good": nil, "redirect": outbound.ErrRedirect, "bomb": outbound.ErrTooLarge, "slow": outbound.ErrTimeout,
		"cut": outbound.ErrUnreachable, "private": discovery.ErrMetadata, "linklocal": discovery.ErrMetadata,
	} {
		t.Run(fault, func(t *testing.T) {
			base := new(http.Client)
			if fault == "slow" {
				base.Timeout = 300 * time.Millisecond
			}
			client := outbound.NewClient(base, policy)
			defer client.CloseIdleConnections()
			source, err := discovery.New(discovery.Config{Issuer: op.URL + "/" + fault, HTTPClient: client, Policy: policy})
			require.NoError(t, err)
			// The budget of a fetch is never below ten seconds, that of a request is the client's.
			_, err = source.Keys(t.Context())
			require.ErrorIs(t, err, want)
		})
	}
}
