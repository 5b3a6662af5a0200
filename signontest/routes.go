package signontest

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// tenantTemplate stands in the issuer identifier for the tenant, and commonTenant in the
// URLs of the endpoints.
const (
	tenantTemplate = "{tenantid}"
	commonTenant   = "common"
)

// A route is where an endpoint answers.
type route struct {
	url     *url.URL
	anyHost bool // the path alone decides, as for a provider that is mounted somewhere
}

// routesOf places the endpoints: where Config.Endpoints says, or below base. It
// panics for what makes no sense: that is the test's own mistake.
func routesOf(base *url.URL, given map[Endpoint]string) map[Endpoint]route {
	routes := map[Endpoint]route{}
	for e, path := range paths {
		routes[e] = route{url: below(base, path), anyHost: true}
	}
	for e, raw := range given {
		u, err := url.Parse(raw)
		_, known := paths[e]
		absolute := err == nil && u.Scheme != "" && u.Host != ""
		switch {
		case err != nil, !known, e == Elsewhere, !absolute && !strings.HasPrefix(raw, "/"), u.Fragment != "":
			panic(fmt.Sprintf("signontest: Config.Endpoints[%q] is %q; expected an endpoint's URL, or its path below the issuer", e, raw))
		case e == API && !strings.HasSuffix(u.Path, "/"):
			panic(fmt.Sprintf("signontest: Config.Endpoints[%q] is %q; a base has a slash at its end", e, raw))
		case absolute:
			routes[e] = route{url: u}
		default:
			moved := below(base, u.Path)
			moved.RawQuery = u.RawQuery
			routes[e] = route{url: moved, anyHost: true}
		}
	}
	return routes
}

func below(base *url.URL, path string) *url.URL {
	u := *base
	u.Path, u.RawPath = strings.TrimSuffix(base.Path, "/")+path, ""
	return &u
}

func (r route) on(host string) bool { return r.anyHost || strings.EqualFold(host, r.url.Host) }

// endpointOf finds the endpoint of a request: that of its very path, before the API
// or whatever else is a prefix of it.
func (p *Provider) endpointOf(r *http.Request) (Endpoint, bool) {
	host, path := r.Host, r.URL.Path
	for e, at := range p.routes {
		if e != API && e != Elsewhere && at.on(host) && path == at.url.Path {
			return e, true
		}
	}
	metadata, authorize := below(p.base, oauthMetadataPath), p.routes[Authorize]
	switch {
	case p.routes[Metadata].anyHost && path == metadata.Path:
		return Metadata, true
	case authorize.on(host) && path == authorize.url.Path+loginPath:
		return Authorize, true
	case p.routes[EndSession].on(host) && path == p.confirmPath():
		return EndSession, true
	case p.routes[API].on(host) && strings.HasPrefix(path, p.routes[API].url.Path):
		return API, true
	case strings.HasPrefix(path, paths[Elsewhere]+"/"):
		return Elsewhere, true
	}
	return "", false
}

// handlerOf finds what [Provider.Handle] has put at a request's URL, or else at its
// path below the issuer.
func (p *Provider) handlerOf(r *http.Request) http.Handler {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h := p.handlers[strings.ToLower(r.Host)+r.URL.Path]; h != nil {
		return h
	}
	return p.handlers[strings.TrimPrefix(r.URL.Path, p.base.Path)]
}

// Origins returns the origins that Config.Endpoints and the issuer are on, which a
// [Browser] serves as
//
//	for _, origin := range provider.Origins() {
//		browser.Serve(origin, provider)
//	}
func (p *Provider) Origins() []string {
	origins := []string{origin(p.base)}
	for _, at := range p.routes {
		origins = append(origins, origin(at.url))
	}
	slices.Sort(origins)
	return slices.Compact(origins)
}

// URL returns the address of an endpoint. Of [API] it is the base, with a slash
// at its end.
func (p *Provider) URL(e Endpoint) string { return p.routes[e].url.String() }

// fixedQuery tells whether a request has the query that its endpoint's URL has, and
// nothing more: parameters belong into the body.
func (p *Provider) fixedQuery(e Endpoint, r *http.Request) bool {
	return r.URL.Query().Encode() == p.routes[e].url.Query().Encode()
}

// tokenIssuer is the issuer that tokens and answers name.
func (p *Provider) tokenIssuer() string {
	return strings.Replace(p.cfg.Issuer, tenantTemplate, p.cfg.Tenant, 1)
}

// scopes splits a list of scopes.
func (p *Provider) scopes(list string) []string {
	if p.cfg.ScopeSeparator == "" {
		return strings.Fields(list)
	}
	return strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(p.cfg.ScopeSeparator, r) })
}

func (p *Provider) joined(scopes []string) string {
	return strings.Join(scopes, cmp.Or(p.cfg.ScopeSeparator, " "))
}
