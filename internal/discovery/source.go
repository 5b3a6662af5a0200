// Package discovery finds out where a provider's endpoints and keys are, and
// keeps both fresh.
//
//	source, err := discovery.New(discovery.Config{
//		Name: "example", Issuer: "https://op.example", HTTPClient: outbound.NewClient(nil, policy),
//	})
//	metadata, err := source.Metadata(ctx)
//	keys, err := source.Keys(ctx)
//
// Nothing is fetched before it is asked for, and what was fetched outlives an
// outage of the provider by a day. One fetch runs at a time; it belongs to
// nobody, so that a caller who leaves takes nothing from those who stay.
//
// # What metadata cannot do
//
// Metadata says where endpoints are and what they can do. It is read into
// [Metadata] and nowhere else: it does not reach the transport, its policy, the
// scopes, or how the application authenticates, what the application gave by
// hand wins over it, and of algorithms it may only choose among strong ones
// where the application chose none.
package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/seed1a301047/signon/internal/jose"
	"github.com/seed1a301047/signon/internal/outbound"
)

const (
	maxBody     = 256 << 10
	fetchBudget = 10 * time.Second // both requests of a discovery together
)

// ErrNoKeys is returned by [Source.Keys] where neither the configuration nor
// the metadata say where the provider's keys are.
var ErrNoKeys = errors.New("oidc: the provider's metadata has no jwks_uri: give the keys or their URL by hand")

// Config is what the application says about a provider.
type Config struct {
	Name        string   // for the log
	Issuer      string   // fetch the metadata of this issuer. If empty, Given is all there is
	MetadataURL string   // fetch it from here. If empty, from the issuer's well-known URLs
	Given       Metadata // what is not zero in it wins over what is fetched
	JWKS        []byte   // the keys themselves. If nil, they are fetched

	// NeedKeys: ID tokens will come, so that metadata without keys are refused
	// before a login begins.
	NeedKeys bool

	// Aliases: the client presents a certificate, so that the metadata's
	// mtls_endpoint_aliases take the place of the endpoints that they name.
	Aliases bool

	// EndpointHosts, for the strict, lists the hosts (host, or host:port where
	// there is a port) that the metadata's endpoints may be on. If nil, any host.
	EndpointHosts []string

	HTTPClient *http.Client // from [outbound.NewClient]
	Policy     outbound.Policy
	Logger     *slog.Logger // If nil, slog.Default()
}

// Source knows one provider's metadata and keys. Its methods may be called by
// many goroutines at once.
type Source struct {
	config   Config
	given    *Metadata // all there is, where nothing is discovered
	inline   *jose.Set // all there is, where the keys are given
	metadata *cached[Metadata]
	keys     *cached[jose.Set]
}

// New checks the configuration. It does nothing on the network.
func New(c Config) (*Source, error) {
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	s := &Source{config: c}
	if err := s.check(); err != nil {
		return nil, err
	}
	if c.Issuer == "" {
		given := c.Given
		given.chooseAlgs()
		s.given = &given
	}
	if c.JWKS != nil {
		set, err := jose.ParseSet(c.JWKS)
		if err != nil {
			return nil, fmt.Errorf("oidc: JWKS: %w", err)
		}
		if set.Len() == 0 {
			return nil, fmt.Errorf("oidc: JWKS: no key of it is usable: %w", errors.Join(set.Skipped()...))
		}
		s.inline = set
	}
	budget := max(fetchBudget, c.HTTPClient.Timeout)
	s.metadata = newCached(budget, s.fetchMetadata)
	s.keys = newCached(budget, s.fetchKeys)
	s.metadata.landed = s.metadataLanded
	return s, nil
}

func (s *Source) check() error {
	c := &s.config
	switch {
	case c.HTTPClient == nil:
		return errors.New("oidc: HTTPClient is nil")
	case c.Issuer == "" && c.MetadataURL != "":
		return errors.New("oidc: MetadataURL without Issuer: the issuer says whose metadata it must be")
	}
	if c.Issuer != "" {
		if err := checkIssuer(c.Issuer, c.Policy); err != nil {
			return fmt.Errorf("oidc: Issuer %q: %w", c.Issuer, err)
		}
	}
	if c.MetadataURL != "" {
		if _, err := outbound.CheckURL(c.MetadataURL, c.Policy); err != nil {
			return fmt.Errorf("oidc: MetadataURL: %w", err)
		}
	}
	if err := c.Given.check(c.Policy); err != nil {
		return fmt.Errorf("oidc: given by hand: %w", err)
	}
	return nil
}

// Metadata returns the provider's metadata, fetched if need be. It is shared:
// the caller must not change it. A login in progress keeps the one it began with.
func (s *Source) Metadata(ctx context.Context) (*Metadata, error) {
	if s.given != nil {
		return s.given, nil
	}
	return s.metadata.get(ctx)
}

// Keys returns the provider's keys, fetched if need be. A set may be empty.
func (s *Source) Keys(ctx context.Context) (*jose.Set, error) {
	if s.inline != nil {
		return s.inline, nil
	}
	return s.keys.get(ctx)
}

// Refresh fetches the keys again, because a token was signed with a key that
// the set of [Source.Keys] does not have. Anybody can send such tokens, so this
// is done three times at once and then once a minute, and not while the
// provider fails; beyond that Refresh returns the current set.
func (s *Source) Refresh(ctx context.Context) (*jose.Set, error) {
	if s.inline != nil {
		return s.inline, nil
	}
	return s.keys.refresh(ctx)
}

// fetchKeys is the fetch of the key cache. Where the URL of the keys is given,
// it does not depend on the metadata.
func (s *Source) fetchKeys(ctx context.Context) (*jose.Set, time.Duration, error) {
	url := s.config.Given.JWKSURI
	if url == "" {
		m, err := s.Metadata(ctx)
		if err != nil {
			return nil, 0, &elsewhereError{err}
		}
		url = m.JWKSURI
	}
	if url == "" {
		return nil, 0, ErrNoKeys
	}
	res, err := outbound.Get(ctx, s.config.HTTPClient, url, "application/jwk-set+json, application/json", maxBody)
	if err != nil {
		return nil, 0, fmt.Errorf("oidc: keys: %w", err)
	}
	if err := res.CheckType("application/json", "application/jwk-set+json"); err != nil {
		return nil, 0, fmt.Errorf("oidc: keys: %w: want application/json", err)
	}
	set, err := jose.ParseSet(res.Body)
	if err != nil {
		return nil, 0, fmt.Errorf("oidc: keys: %w", err)
	}
	s.logKeys(ctx, set)
	if set.Len() == 0 {
		// The provider's word, so nothing verifies; but look again soon.
		return set, minTTL, nil
	}
	return set, lifetime(res.Header), nil
}

// logKeys says once per change that keys of the set are not used.
func (s *Source) logKeys(ctx context.Context, set *jose.Set) {
	skipped := unusable(set)
	var before []error
	if old := s.keys.last(); old != nil {
		before = unusable(old)
	}
	if set.Len() > 0 && (len(skipped) == 0 || slices.EqualFunc(before, skipped, sameText)) {
		return
	}
	var first error
	if len(skipped) > 0 {
		first = skipped[0]
	}
	s.config.Logger.WarnContext(ctx, "oidc: keys of the provider are skipped",
		slog.String("provider", s.config.Name), slog.Int("usable", set.Len()),
		slog.Int("skipped", len(skipped)), slog.Any("first", first))
}

// unusable are the faults of keys that should have been of use: not of those that are
// for encryption.
func unusable(set *jose.Set) []error {
	var faults []error
	for _, err := range set.Skipped() {
		if !errors.Is(err, jose.ErrUse) {
			faults = append(faults, err)
		}
	}
	return faults
}

func sameText(a, b error) bool { return a.Error() == b.Error() }
