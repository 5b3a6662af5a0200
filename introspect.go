package signon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/internal/oauth"
	"github.com/seed1a301047/signon/internal/oidc"
	"github.com/seed1a301047/signon/internal/outbound"
)

// An Introspection is what the authorization server says about a token (RFC 7662
// section 2.2). Only Active says whether it counts; where it is false the rest is
// empty.
type Introspection struct {
	Active    bool
	Scopes    []string
	ClientID  string
	Username  string
	Subject   string
	ExpiresAt time.Time // zero if it is not said

	body []byte
}

// Claims decodes the whole answer into v. Names are matched exactly; numbers in an
// any keep their digits as json.Number.
func (i *Introspection) Claims(v any) error { return oidc.DecodeClaims(i.body, v) }

// Format writes no claim, whatever the verb.
func (i Introspection) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "signon.Introspection{Active: %t, Scopes: %q}", i.Active, i.Scopes)
}

// LogValue shows no claim.
func (i Introspection) LogValue() slog.Value {
	return slog.GroupValue(slog.Bool("active", i.Active), slog.Any("scopes", i.Scopes))
}

// Introspect asks the provider about a token (RFC 7662). It wraps
// [errors.ErrUnsupported] where the provider has no introspection endpoint.
func (c *Client) Introspect(ctx context.Context, token *oauth2.Token) (*Introspection, error) {
	if token == nil || token.AccessToken == "" {
		return nil, fmt.Errorf("signon: %s: Introspect without a token: %w", c.name, ErrNoToken)
	}
	md, err := c.source.Metadata(ctx)
	if err != nil {
		return nil, providerFault(c.name, err)
	}
	if md.IntrospectionEndpoint == "" {
		return nil, fmt.Errorf("signon: provider %s has no introspection endpoint: %w", c.name, errors.ErrUnsupported)
	}
	params := url.Values{"token": {token.AccessToken}, "token_type_hint": {"access_token"}}
	resp, err := c.oauth.Post(ctx, oauth.Introspect, md.IntrospectionEndpoint, params)
	if err != nil {
		return nil, providerFault(c.name, err)
	}
	var said struct {
		Active   *bool  `json:"active"`
		Scope    string `json:"scope"`
		ClientID string `json:"client_id"`
		Username string `json:"username"`
		Subject  string `json:"sub"`
		Expiry   int64  `json:"exp"`
	}
	isJSON := outbound.MediaType(resp.Header) == "application/json"
	if err := oidc.DecodeClaims(resp.Body, &said); err != nil || said.Active == nil || !isJSON {
		return nil, fmt.Errorf("provider %s: %w: introspection that is no JSON object with a boolean active (RFC 7662 section 2.2)", c.name, ErrProvider)
	}
	if !*said.Active {
		return &Introspection{body: []byte(`{"active":false}`)}, nil
	}
	i := &Introspection{
		Active: true, Scopes: strings.Fields(said.Scope), ClientID: said.ClientID,
		Username: said.Username, Subject: said.Subject, body: resp.Body,
	}
	if said.Expiry > 0 {
		i.ExpiresAt = time.Unix(said.Expiry, 0)
	}
	return i, nil
}
