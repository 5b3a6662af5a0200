package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed1a301047/signon/internal/outbound"
)

// fetchMetadata is the fetch of the metadata cache.
func (s *Source) fetchMetadata(ctx context.Context) (*Metadata, time.Duration, error) {
	res, err := s.getMetadata(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("oidc: metadata of %q: %w", s.config.Issuer, err)
	}
	m, err := Parse(res.Body, s.config.Issuer, s.config.Policy)
	if err != nil {
		return nil, 0, err
	}
	if s.config.Aliases {
		if err := m.useAliases(s.config.Policy); err != nil {
			return nil, 0, err
		}
	}
	if err := s.checkHosts(m); err != nil {
		return nil, 0, err
	}
	m.merge(&s.config.Given)
	if err := s.checkComplete(m); err != nil {
		return nil, 0, err
	}
	s.logHosts(ctx, s.metadata.last(), m)
	return m, lifetime(res.Header), nil
}

// metadataLanded drops keys from where the provider no longer has them. It runs
// once the new metadata are in place: before, a fetch of the keys could still
// begin with the old ones.
func (s *Source) metadataLanded(old, m *Metadata) {
	if old != nil && old.JWKSURI != m.JWKSURI {
		s.keys.expire()
	}
}

// getMetadata asks the well-known URLs in turn. Only "not found" leads to the
// next: a server that fails has not said that it has none.
func (s *Source) getMetadata(ctx context.Context) (*outbound.Response, error) {
	var missing error
	for _, u := range s.metadataURLs() {
		res, err := outbound.Get(ctx, s.config.HTTPClient, u, "application/json", maxBody)
		if status, ok := errors.AsType[*outbound.StatusError](err); ok && status.Status == http.StatusNotFound {
			missing = err
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := res.CheckType("application/json"); err != nil {
			return nil, fmt.Errorf("%w: want application/json", err)
		}
		return res, nil
	}
	return nil, missing
}

func (s *Source) metadataURLs() []string {
	if s.config.MetadataURL != "" {
		return []string{s.config.MetadataURL}
	}
	issuer := strings.TrimSuffix(s.config.Issuer, "/")
	u, _ := url.Parse(issuer) // New has parsed it
	origin := u.Scheme + "://" + u.Host
	return []string{
		issuer + "/.well-known/openid-configuration",                                            // Discovery 4
		origin + "/.well-known/oauth-authorization-server" + strings.TrimPrefix(issuer, origin), // RFC 8414 section 3
	}
}

// checkHosts holds a strict configuration to its hosts. What was given by hand
// is the operator's own word and not looked at.
func (s *Source) checkHosts(m *Metadata) error {
	if s.config.EndpointHosts == nil {
		return nil
	}
	for _, e := range m.endpoints() {
		host := hostOf(*e.url)
		listed := func(h string) bool { return strings.EqualFold(h, host) }
		if host != "" && !slices.ContainsFunc(s.config.EndpointHosts, listed) {
			return invalid(m.Issuer, fmt.Sprintf("%s is on the host %q, which EndpointHosts does not list", e.name, host))
		}
	}
	return nil
}

// checkComplete refuses metadata with which no login can end well, while
// nothing has been spent on it.
func (s *Source) checkComplete(m *Metadata) error {
	switch {
	case m.AuthorizationEndpoint == "":
		return invalid(m.Issuer, "authorization_endpoint is missing")
	case m.TokenEndpoint == "":
		return invalid(m.Issuer, "token_endpoint is missing")
	case m.JWKSURI == "" && s.inline == nil && s.config.NeedKeys:
		return invalid(m.Issuer, "jwks_uri is missing")
	}
	return nil
}

// logHosts says, when it first appears, that endpoints are elsewhere than the
// issuer. That is allowed, and usual, but an operator should know.
func (s *Source) logHosts(ctx context.Context, old, m *Metadata) {
	var before []string
	if old != nil {
		before = foreignHosts(old)
	}
	hosts := foreignHosts(m)
	if len(hosts) == 0 || slices.Equal(before, hosts) {
		return
	}
	s.config.Logger.InfoContext(ctx, "oidc: endpoints of the provider are on other hosts than its issuer",
		slog.String("provider", s.config.Name), slog.String("issuer", m.Issuer), slog.Any("hosts", hosts))
}

func foreignHosts(m *Metadata) []string {
	home := hostOf(m.Issuer)
	var hosts []string
	for _, e := range m.endpoints() {
		if host := hostOf(*e.url); host != "" && host != home && !strings.HasSuffix(host, "."+home) {
			hosts = append(hosts, host)
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}
