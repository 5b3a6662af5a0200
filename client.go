package signon

import (
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/singleflight"

	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/internal/discovery"
	"github.com/seed1a301047/signon/internal/jose"
	"github.com/seed1a301047/signon/internal/oauth"
)

// A Client is a registered provider: its handlers, its middleware, its API. It
// does not change and may be used by many goroutines at once.
type Client struct {
	name     string
	p        Provider // a deep copy, with its defaults filled in and without DecryptionKeys
	registry *Registry
	loginURL string

	source *discovery.Source
	oauth  *oauth.Client
	http   *http.Client // for the provider's own endpoints
	api    *apiBase     // nil without APIBaseURL
	apiVia http.RoundTripper
	openID bool

	fingerprint [fingerprintLen]byte

	idTokenDecrypter, userInfoDecrypter *jose.Decrypter // nil: what comes is not encrypted

	fetcher FetchToken
	updater UpdateToken
	keeper  TokenStore // nil where the application keeps the tokens itself

	authURL  atomic.Pointer[authURL]
	flights  singleflight.Group
	outcomes *outcomes
	paying   atomic.Bool // what outcomes owes is being written

	clientTokens *clientTokens
	revocations  *revocations

	publishing publishing
}

// Name is the provider's name.
func (c *Client) Name() string { return c.name }

// LoginURL is the path that begins a login, for a link or a button.
func (c *Client) LoginURL() string { return c.loginURL }

// LogoutURL is the path that a logout form posts to.
func (c *Client) LogoutURL() string { return c.registry.cfg.Mount + "/logout/" + c.name }

// Format writes the provider's name, whatever the verb.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "signon.Client("+c.name+")") }

func newClient(g *Registry, p Provider) (*Client, error) {
	p = p.clone()
	if err := p.validate(g); err != nil {
		return nil, err
	}
	if err := p.checkURLs(); err != nil {
		return nil, err
	}
	policy := p.providerPolicy()
	provider, api, err := p.connections(g.cfg.HTTPClient)
	if err != nil {
		return nil, err
	}
	presenter, _ := p.ClientAuth.(clientauth.Presenter)
	c := &Client{
		name: p.Name, p: p, registry: g, loginURL: p.LoginURL,
		http: provider, apiVia: api,
		openID:   slices.Contains(p.Scopes, "openid"),
		outcomes: newOutcomes(), clientTokens: newClientTokens(), revocations: newRevocations(), fingerprint: p.fingerprint(),
	}
	from := discovery.Config{
		Name: p.Name, JWKS: p.JWKS, Given: p.given(),
		HTTPClient: c.http, Policy: policy, Logger: g.cfg.Logger, NeedKeys: c.openID && !slices.Equal(p.SigningAlgs, []string{"HS256"}), EndpointHosts: p.EndpointHosts,
		Aliases: presenter != nil,
	}
	if p.discovers() {
		from.Issuer, from.MetadataURL = p.Issuer, p.MetadataURL
	}
	source, err := discovery.New(from)
	if err != nil {
		return nil, err
	}
	c.source = source
	c.oauth = &oauth.Client{
		HTTP: c.http, Provider: p.Name, ClientID: p.ClientID, Secret: string(p.ClientSecret),
		Issuer: p.oneIssuer(), Auth: p.ClientAuth, Hooks: p.Hooks,
		RevocationAuth: p.RevocationAuth, IntrospectionAuth: p.IntrospectionAuth, Fits: c.fits,
	}
	if err := c.setDecrypters(); err != nil {
		return nil, err
	}
	c.setStores()
	if p.APIBaseURL != "" {
		c.api, err = parseAPIBase(p.APIBaseURL)
	}
	return c, err
}

// setStores decides who keeps this provider's tokens.
func (c *Client) setStores() {
	if c.p.FetchToken == nil {
		c.fetcher, c.updater, c.keeper = c.registry.tokens, c.registry.tokens, c.registry.tokens
		return
	}
	c.fetcher, c.updater = c.p.FetchToken, c.p.UpdateToken
	if store, ok := c.p.FetchToken.(TokenStore); ok {
		c.keeper = store
		if c.updater == nil {
			c.updater = store
		}
	}
}

// fingerprint identifies the configuration that a login in progress was begun
// with.
func (p *Provider) fingerprint() (f [fingerprintLen]byte) {
	sum := sha256.Sum256([]byte(p.Name + "\x00" + p.Issuer + "\x00" + p.ClientID + "\x00" + p.RedirectURL))
	copy(f[:], sum[:])
	return f
}

// clone copies everything that a caller could still change.
func (p Provider) clone() Provider {
	p.JWKS = slices.Clone(p.JWKS)
	p.Scopes = slices.Clone(p.Scopes)
	p.AuthorizeParams = cloneValues(p.AuthorizeParams)
	p.TokenParams = cloneValues(p.TokenParams)
	p.EndSessionParams = cloneValues(p.EndSessionParams)
	p.LogoutParams = slices.Clone(p.LogoutParams)
	p.ClientCredentialsParams = cloneValues(p.ClientCredentialsParams)
	p.LoginParams = slices.Clone(p.LoginParams)
	p.SigningAlgs = slices.Clone(p.SigningAlgs)
	p.ACRValues = slices.Clone(p.ACRValues)
	p.TrustedAudiences = slices.Clone(p.TrustedAudiences)
	p.EndpointHosts = slices.Clone(p.EndpointHosts)
	p.Tenants = slices.Clone(p.Tenants)
	p.DecryptionKeys = slices.Clone(p.DecryptionKeys)
	return p
}

func cloneValues(v url.Values) url.Values {
	c := maps.Clone(v)
	for name := range c {
		c[name] = slices.Clone(c[name])
	}
	return c
}

// given is what the configuration says itself, which wins over what is discovered.
func (p Provider) given() discovery.Metadata {
	return discovery.Metadata{
		Issuer:                p.Issuer,
		AuthorizationEndpoint: p.Endpoint.AuthURL,
		TokenEndpoint:         p.Endpoint.TokenURL,
		UserInfoEndpoint:      p.UserInfoURL,
		JWKSURI:               p.JWKSURL,
		RevocationEndpoint:    p.RevocationURL,
		IntrospectionEndpoint: p.IntrospectionURL,
		EndSessionEndpoint:    p.EndSessionURL,
	}
}
