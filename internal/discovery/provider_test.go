package discovery_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/discovery"
	"github.com/seed1a301047/signon/internal/jose"
	"github.com/seed1a301047/signon/internal/outbound"
)

const (
	issuer    = "https://op.example"
	wellKnown = issuer + "/.well-known/openid-configuration"
	rfc8414   = issuer + "/.well-known/oauth-authorization-server"
	jwksURL   = issuer + "/jwks"
)

// answer is what the provider says at one URL.
type answer struct {
	status int           // 0: 200
	typ    string        // "": application/json
	cache  string        // Cache-Control
	retry  string        // Retry-After
	after  time.Duration // how long it takes; the request's context is heeded
	err    error         // instead of an answer
	panics bool
	exits  bool // the goroutine, as a failing test does
	body   string
}

// provider is a transport with a provider behind it, inside the process.
type provider struct {
	mu      sync.Mutex
	answers map[string]answer
	hits    map[string]int
}

// newProvider is a provider with nothing wrong about it, and one key, "a".
func newProvider(t testing.TB) *provider {
	return &provider{hits: map[string]int{}, answers: map[string]answer{
		wellKnown: {body: metadata(nil)},
		jwksURL:   {body: keySet(t, "a")},
	}}
}

func (p *provider) set(url string, a answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers[url] = a
}

// count returns how often the URL was asked for.
func (p *provider) count(url string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hits[url]
}

func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	url := r.URL.String()
	a, ok := p.answers[url]
	p.hits[url]++
	p.mu.Unlock()
	if !ok {
		a.status = http.StatusNotFound
	}
	if a.panics {
		panic("transport")
	}
	if a.exits {
		runtime.Goexit()
	}
	select {
	case <-time.After(a.after):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if a.err != nil {
		return nil, a.err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if a.typ != "" {
		header.Set("Content-Type", a.typ)
	}
	if a.cache != "" {
		header.Set("Cache-Control", a.cache)
	}
	if a.retry != "" {
		header.Set("Retry-After", a.retry)
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return &http.Response{StatusCode: a.status, Header: header, ContentLength: -1, Body: io.NopCloser(strings.NewReader(a.body))}, nil
}

// metadata is a metadata document with some members changed, or, where nil, left out.
func metadata(change map[string]any) string {
	m := map[string]any{
		"issuer":                                issuer,
		"authorization_endpoint":                issuer + "/authorize",
		"token_endpoint":                        issuer + "/token",
		"userinfo_endpoint":                     issuer + "/userinfo",
		"jwks_uri":                              jwksURL,
		"id_token_signing_alg_values_supported": []string{"RS256"},
	}
	maps.Copy(m, change)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
	text, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// keySet is a key set with a key of each id, always the same for an id.
func keySet(t testing.TB, ids ...string) string {
	t.Helper()
	var keys []string
	for _, id := range ids {
		seed := bytes.Repeat([]byte(id), ed25519.SeedSize)[:ed25519.SeedSize]
		public := ed25519.NewKeyFromSeed(seed).Public()
		key, err := jose.PublicJWK(public, id, "EdDSA")
		require.NoError(t, err)
		keys = append(keys, string(key))
	}
	return fmt.Sprintf(`{"keys":[%s]}`, strings.Join(keys, ","))
}

// newSource is a source of the provider's. Its log goes to the test's.
func newSource(t testing.TB, p *provider, change ...func(*discovery.Config)) *discovery.Source {
	t.Helper()
	c := discovery.Config{
		Name: "example", Issuer: issuer, Logger: slog.New(slog.DiscardHandler),
		HTTPClient: outbound.NewClient(&http.Client{Transport: p}, outbound.Policy{}),
	}
	for _, f := range change {
		f(&c)
	}
	source, err := discovery.New(c)
	require.NoError(t, err)
	return source
}

// has reports whether the source knows the key, as the check of a token asks it.
func has(t testing.TB, set *jose.Set, id string) bool {
	t.Helper()
	_, err := set.Find("EdDSA", id)
	return err == nil
}

// logTo makes the source log into b.
func logTo(b *bytes.Buffer) func(*discovery.Config) {
	return func(c *discovery.Config) { c.Logger = slog.New(slog.NewTextHandler(b, nil)) }
}
