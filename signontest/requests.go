package signontest

import (
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Endpoint names one of the provider's endpoints.
type Endpoint string

// The endpoints.
const (
	Metadata      Endpoint = "metadata"      // OpenID Connect Discovery and RFC 8414, both well-known paths
	Authorize     Endpoint = "authorize"     // RFC 6749 section 3.1, and the form below it
	Token         Endpoint = "token"         // RFC 6749 section 3.2
	UserInfo      Endpoint = "userinfo"      // OpenID Connect Core section 5.3
	JWKS          Endpoint = "jwks"          // RFC 7517
	Revocation    Endpoint = "revocation"    // RFC 7009
	Introspection Endpoint = "introspection" // RFC 7662
	EndSession    Endpoint = "end_session"   // OpenID Connect RP-Initiated Logout section 2, and the form below it
	API           Endpoint = "api"           // the example API: /user, /items, /admin and an echo for the rest
	Elsewhere     Endpoint = "elsewhere"     // where the redirect faults lead; answers what the endpoint would have
)

// paths are the default ones. Metadata has that of OpenID Connect; the one of RFC
// 8414 is told apart by endpointOf.
var paths = map[Endpoint]string{
	Metadata:      "/.well-known/openid-configuration",
	Authorize:     "/authorize",
	Token:         "/token",
	UserInfo:      "/userinfo",
	JWKS:          "/jwks",
	Revocation:    "/revoke",
	Introspection: "/introspect",
	EndSession:    "/end_session",
	API:           "/api/",
	Elsewhere:     "/elsewhere",
}

const (
	oauthMetadataPath = "/.well-known/oauth-authorization-server"
	loginPath         = "/login"   // below the authorization endpoint
	confirmPath       = "/confirm" // below the end_session endpoint
)

// A Request is what the provider was sent.
type Request struct {
	Endpoint Endpoint // "" where [Provider.Handle] has put a handler at none of the endpoints
	Method   string
	URL      *url.URL   // as the request line has it: no host
	Host     string     // the host that the client asked for
	Form     url.Values // the parameters of a form in the body; those of a query are in URL
	Header   http.Header
	Time     time.Time
}

// keptRequests bounds the memory that a long benchmark takes.
const keptRequests = 10_000

// Requests returns what an endpoint was sent, oldest first: the last 10 000
// requests, and those of which a fault made nothing too. If e is "", those of all
// endpoints.
func (p *Provider) Requests(e Endpoint) []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	var got []Request
	for _, r := range p.log {
		if e == "" || r.Endpoint == e {
			got = append(got, r)
		}
	}
	return got
}

// Count returns how many requests an endpoint has received.
func (p *Provider) Count(e Endpoint) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[e]
}

// Stats counts what became of codes and refresh tokens.
type Stats struct {
	CodesIssued     int // authorization codes handed to a browser
	CodesSpent      int // codes that were exchanged for tokens
	MaxPerCode      int // the most often that one code, good or bad, was presented: must never be 2
	Refreshes       int // refreshes that brought a token
	Generation      int // how often the most refreshed grant has been
	RefreshReused   int // refresh tokens presented again after they had been replaced
	FamiliesRevoked int // grants ended because a code or a refresh token was used again
	ClientTokens    int // access tokens for the client itself, RFC 6749 section 4.4
	Revoked         int // tokens ended at the revocation endpoint
}

// Stats returns the counters as they are now.
func (p *Provider) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// Secrets returns every secret that the provider gave or was given: the client
// secret, codes, tokens, ID tokens and code verifiers. A test looks for them where
// they must not be: in logs, pages, headers and databases.
func (p *Provider) Secrets() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.secrets)
}

func (p *Provider) keepSecret(s ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range s {
		if one != "" { // which would be found everywhere
			p.secrets = append(p.secrets, one)
		}
	}
}

func (p *Provider) record(e Endpoint, r *http.Request) {
	got := Request{
		Endpoint: e, Method: r.Method, URL: r.URL, Host: r.Host, Form: r.PostForm, Header: r.Header.Clone(), Time: time.Now(),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[e]++
	if len(p.log) == keptRequests {
		p.log = slices.Delete(p.log, 0, keptRequests/2)
	}
	p.log = append(p.log, got)
}
