// Package zitadel runs the example provider of zitadel/oidc, a certified OpenID
// Provider library for Go, inside a test.
package zitadel

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// The account that signs in on the provider's page.
const (
	Username = "test-user@127.0.0.1"
	Password = "verysecure"
	Subject  = "id1"
)

// A Config is what a test may choose.
type Config struct {
	ClientID     string
	ClientSecret string // empty: a public client
	RedirectURI  string

	// Method is how the client proves itself. If empty, client_secret_basic, or none
	// without a secret. Key and KeyID are what private_key_jwt is checked with.
	Method string
	Key    crypto.PublicKey
	KeyID  string

	// PostLogoutRedirectURI is where the provider may send the browser after a logout.
	PostLogoutRedirectURI string

	// TokenLifetime is what the provider says of its access tokens. If zero, its
	// own five minutes.
	TokenLifetime time.Duration
}

// A Provider is a running provider.
type Provider struct {
	Issuer string // ends in a slash
}

// Start runs a provider on loopback until the test ends. It signs with RS256, and
// puts no iss into its authorization responses.
func Start(t testing.TB, cfg Config) *Provider {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	issuer := "http://" + server.Listener.Addr().String() + "/"

	client := storage.WebClient(cfg.ClientID, cfg.ClientSecret, cfg.RedirectURI)
	if cfg.ClientSecret == "" {
		client = storage.NativeClient(cfg.ClientID, cfg.RedirectURI)
	}
	// The clients are handed in: RegisterClients would share them with every test.
	clients := map[string]*storage.Client{cfg.ClientID: client}
	store := &store{
		Storage: storage.NewStorageWithClients(storage.NewUserStore(issuer), clients),
		cfg:     cfg,
	}

	// Without a logger SetupServer leaves slog's default alone, and writes to it.
	server.Config.Handler = exampleop.SetupServer(issuer, store, nil, false,
		op.WithLogger(slog.New(slog.DiscardHandler)))
	server.Start()
	t.Cleanup(server.Close)
	return &Provider{Issuer: issuer}
}

// store bends the example's storage where it is too rigid for a test.
type store struct {
	*storage.Storage
	cfg Config
}

// CreateAccessAndRefreshTokens shortens the life of what the example issues.
func (s *store) CreateAccessAndRefreshTokens(ctx context.Context, r op.TokenRequest, refresh string) (string, string, time.Time, error) {
	id, next, expiry, err := s.Storage.CreateAccessAndRefreshTokens(ctx, r, refresh)
	if err == nil && s.cfg.TokenLifetime > 0 {
		expiry = time.Now().Add(s.cfg.TokenLifetime)
	}
	return id, next, expiry, err
}

// GetClientByClientID adds the post-logout URL, which the example's clients lack.
func (s *store) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	c, err := s.Storage.GetClientByClientID(ctx, id)
	if err != nil {
		return nil, err
	}
	return client{Client: c, cfg: &s.cfg}, nil
}

// GetKeyByIDAndClientID gives the one key that the test chose.
func (s *store) GetKeyByIDAndClientID(_ context.Context, keyID, clientID string) (*jose.JSONWebKey, error) {
	if s.cfg.Key == nil || keyID != s.cfg.KeyID || clientID != s.cfg.ClientID {
		return nil, errors.New("no such key")
	}
	return &jose.JSONWebKey{KeyID: keyID, Use: "sig", Key: s.cfg.Key}, nil
}

type client struct {
	op.Client
	cfg *Config
}

// AuthMethod is the test's choice.
func (c client) AuthMethod() oidc.AuthMethod {
	if c.cfg.Method == "" {
		return c.Client.AuthMethod()
	}
	return oidc.AuthMethod(c.cfg.Method)
}

// PostLogoutRedirectURIs gives the one URL that the test chose.
func (c client) PostLogoutRedirectURIs() []string {
	if c.cfg.PostLogoutRedirectURI == "" {
		return nil
	}
	return []string{c.cfg.PostLogoutRedirectURI}
}
