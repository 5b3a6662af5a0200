package signon

import (
	"context"
	"errors"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/internal/oauth"
	"github.com/seed1a301047/signon/internal/oidc"
	"github.com/seed1a301047/signon/internal/outbound"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/tokenstore"
)

// retryWithin is how soon after the first try a lost answer is asked for again: while
// the second one still has time to arrive.
const retryWithin = askTimeout / 2

// A question is all that a refresh needs, found out before anything is sent: once the
// old token is spent, nothing may fail that would cost the new one.
type question struct {
	old      *oauth2.Token
	endpoint string
	original *oidc.IDToken // nil: there is nothing to compare a new one with
}

func (c *Client) prepare(ctx context.Context, key tokenstore.Key, old *oauth2.Token) (*question, error) {
	md, err := c.source.Metadata(ctx)
	if err != nil {
		return nil, providerFault(c.name, err)
	}
	original, err := c.originalIDToken(ctx, key.Owner, old)
	if err != nil {
		return nil, err
	}
	return &question{old: old, endpoint: md.TokenEndpoint, original: original}, nil
}

// askProvider sends the refresh token. An answer that was lost on the way may have
// rotated it, and providers that rotate expect one more try with the old one within
// moments (RFC 9700 section 4.14.2, FAPI 2.0 section 5.3.2.1); a provider that says
// anything, or nothing for the whole time-out, is not asked again.
func (c *Client) askProvider(ctx context.Context, lease *lease, q *question) (*oauth2.Token, error) {
	ctx, cancel := context.WithDeadline(ctx, lease.since.Add(askTimeout))
	defer cancel()
	params := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {q.old.RefreshToken}}
	next, said, err := c.oauth.Exchange(ctx, oauth.Refresh, q.endpoint, params)
	if errors.Is(err, outbound.ErrUnreachable) && time.Since(lease.since) < retryWithin {
		next, said, err = c.oauth.Exchange(ctx, oauth.Refresh, q.endpoint, params)
	}
	if err != nil {
		return nil, providerFault(c.name, err)
	}
	if next.RefreshToken == "" {
		next.RefreshToken = q.old.RefreshToken // RFC 6749 section 6: the old one stays in use
	}
	extra := tokenstore.ExtraOf(q.old)
	extra.Version = 0 // that of the old one's row
	if scope, ok := said["scope"].(string); ok {
		extra.Scope = scope // section 5.1: unchanged if it is not said
	}
	raw, _ := said["id_token"].(string)
	renewed, err := c.checkRefreshedIDToken(ctx, q.original, next, raw)
	if renewed != "" {
		extra.IDToken = renewed
	}
	return extra.Put(next), err
}

// checkRefreshedIDToken returns the signed ID token of a refresh, or none where it does not
// verify or there is nothing to compare it with. One for another subject means that
// the tokens are somebody else's (OpenID Connect Core section 12.2).
func (c *Client) checkRefreshedIDToken(ctx context.Context, original *oidc.IDToken, next *oauth2.Token, raw string) (string, error) {
	if raw == "" || original == nil {
		return "", nil
	}
	var verified *oidc.IDToken
	expect, err := c.expect(ctx)
	if err == nil {
		expect.AccessToken = next.AccessToken
		verified, err = oidc.VerifyRefreshed(ctx, raw, c.source, expect, original)
	}
	switch {
	case errors.Is(err, oidc.ErrSubjectChanged):
		return "", providerFault(c.name, err)
	case err != nil:
		c.registry.log.WarnContext(ctx, "signon: a refreshed ID token does not verify and is dropped", "provider", c.name, "error", err)
		return "", nil
	}
	return verified.Raw, nil
}

// originalIDToken is the ID token that came with the token, or, where its store does
// not keep that, the one of the owner's newest login here; nil where no login lives
// any more.
func (c *Client) originalIDToken(ctx context.Context, owner string, token *oauth2.Token) (*oidc.IDToken, error) {
	if !c.openID {
		return nil, nil
	}
	if original, err := oidc.Restore(tokenstore.ExtraOf(token).IDToken); err == nil {
		return original, nil
	}
	list, err := c.registry.logins.Logins(ctx, sessionstore.Selector{Provider: c.name, Owner: owner})
	if err != nil {
		return nil, storeFault("login store", err)
	}
	for _, rec := range list {
		raw, err := c.registry.loginOf(rec).IDToken()
		if err != nil || raw == "" {
			continue // sealed with a key that is gone
		}
		if original, err := oidc.Restore(raw); err == nil {
			return original, nil
		}
	}
	return nil, nil
}
