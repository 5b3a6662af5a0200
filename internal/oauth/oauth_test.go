package oauth_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/internal/oauth"
	"github.com/seed1a301047/signon/internal/outbound"
)

// The canaries that each exchange sends, and no error may show.
const (
	secret   = "canary secret+%"
	code     = "canary-code"
	verifier = "canary-verifier-canary-verifier-canary-verifier"
)

// A provider is a token endpoint on loopback that counts its requests.
type provider struct {
	*httptest.Server
	hits atomic.Int64
}

func serve(t *testing.T, h http.HandlerFunc) *provider {
	t.Helper()
	p := new(provider)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.hits.Add(1)
		h(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

// respond answers every request in the same way.
func respond(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{contentType}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func (p *provider) client() *oauth.Client {
	return newClient(p.Client())
}

func newClient(hc *http.Client) *oauth.Client {
	return &oauth.Client{
		HTTP:     outbound.NewClient(hc, outbound.Policy{AllowLoopbackHTTP: true, AllowPrivate: true}),
		Provider: "p", ClientID: "client", Secret: secret, Issuer: "https://op.example", Auth: clientauth.Basic{},
	}
}

// exchange spends a code at the provider.
func (p *provider) exchange(ctx context.Context, c *oauth.Client) (*oauth2.Token, error) {
	return c.Token(ctx, oauth.Token, p.URL, exchangeParams())
}

func exchangeParams() url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier},
		"redirect_uri": {"https://app.example/callback"},
	}
}

// requireClean fails if the text of err shows what must not show, or breaks a line of a
// log.
func requireClean(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	text := err.Error()
	require.NotContains(t, strings.ToLower(text), "canary")
	require.NotContains(t, text, url.QueryEscape(secret))
	require.False(t, strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0x202e }), "%q", text)
	require.Less(t, len(text), 800)
}

// A transport is an http.RoundTripper in process, for tests inside a synctest bubble.
type transport func(r *http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// inProcess returns a transport that answers each request with body.
func inProcess(body string) transport {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: 200, Status: "200 OK", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
			Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewBufferString(body)),
		}, nil
	}
}

const good = `{"access_token":"at","token_type":"Bearer","expires_in":3600}`
