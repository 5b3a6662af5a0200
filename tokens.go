package signon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/internal/oauth"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/tokenstore"
)

// FetchToken reads the token that an owner holds at a provider.
type FetchToken interface {
	// FetchToken returns the stored token, or an error that wraps
	// [tokenstore.ErrNotFound] where there is none. Any other error means that the
	// store does not answer: nobody is then signed out, and nobody let in. The token
	// belongs to the caller. Many goroutines call it at once.
	FetchToken(ctx context.Context, key tokenstore.Key) (*oauth2.Token, error)
}

// UpdateToken replaces a token by the one that a refresh brought.
type UpdateToken interface {
	// UpdateToken puts token in the place of old, by compare-and-swap: only if the
	// stored token is still old, by [tokenstore.Same]. Otherwise it changes nothing and returns an error that wraps
	// [tokenstore.ErrConflict], or [tokenstore.ErrNotFound] where there is none any
	// more: a logout must not be undone by a refresh that was on its way. The store
	// must not keep or change the tokens it is given.
	UpdateToken(ctx context.Context, key tokenstore.Key, old, token *oauth2.Token) error
}

// TokenStore keeps the tokens of all users at all providers. Package tokentest
// checks an implementation of one's own against all that is said here.
//
// Each method refuses a key that [tokenstore.Key.Check] refuses, and a token without
// an access token. When its context is done it returns the context's error, and has
// changed nothing.
//
// Of a token it keeps the exported fields, the expiry to the second, and all of
// [tokenstore.ExtraOf]: [Client.RequireScopes] lets nobody in without the scope, and a
// sealed token opens beside nothing else than what it was sealed with. A token of
// Config.Keys is longer than the provider's own. [tokenstore.Marshal] makes one text of
// all of it.
//
// A store that many processes share should be a [tokenstore.Leaser] too, and a
// [tokenstore.Lister] for [Registry.Reseal].
type TokenStore interface {
	FetchToken
	UpdateToken

	// SaveToken stores the token of a new login, in the place of whatever is there.
	SaveToken(ctx context.Context, key tokenstore.Key, token *oauth2.Token) error

	// DeleteToken removes the stored token: whatever it is where old is nil, and it
	// is no error then if there is none. Otherwise only if it is still old, with the
	// errors of UpdateToken: a login that came in between is not lost.
	DeleteToken(ctx context.Context, key tokenstore.Key, old *oauth2.Token) error
}

// FetchTokenFunc is a function as a [FetchToken].
type FetchTokenFunc func(ctx context.Context, key tokenstore.Key) (*oauth2.Token, error)

// FetchToken calls f.
func (f FetchTokenFunc) FetchToken(ctx context.Context, key tokenstore.Key) (*oauth2.Token, error) {
	return f(ctx, key)
}

// UpdateTokenFunc is a function as an [UpdateToken].
type UpdateTokenFunc func(ctx context.Context, key tokenstore.Key, old, token *oauth2.Token) error

// UpdateToken calls f.
func (f UpdateTokenFunc) UpdateToken(ctx context.Context, key tokenstore.Key, old, token *oauth2.Token) error {
	return f(ctx, key, old, token)
}

// expiryMargin is how long before its expiry a token is refreshed, so that it does
// not expire on its way, whichever clock is right.
const expiryMargin = 60 * time.Second

// Token returns a token that is valid now, refreshed if need be (RFC 6749 section
// 6), for whoever is signed in in ctx or for the owner of [WithOwner]. It reads the
// store each time: a logout counts at once. The token is the caller's own.
//
// However many callers meet an expired token, one request goes to the provider; it
// is not tied to a caller's context. Errors wrap [ErrNoLogin], [ErrNoToken] where
// the owner must sign in again, or [ErrUnavailable], [ErrProviderTimeout] and
// [ErrProvider] where it may work later: the token is kept then.
func (c *Client) Token(ctx context.Context) (*oauth2.Token, error) {
	if token := c.inProgress(ctx); token != nil {
		return token, nil
	}
	if scopes, ok := c.application(ctx); ok {
		return c.ClientToken(ctx, scopes...)
	}
	owner, err := c.owner(ctx)
	if err != nil {
		return nil, err
	}
	return c.tokenOf(ctx, owner)
}

func (c *Client) tokenOf(ctx context.Context, owner string) (*oauth2.Token, error) {
	key := tokenstore.Key{Provider: c.name, Owner: owner}
	// Looked up before the store is read: what the store says then is no older, so that a
	// pair is never served whose owner had signed out by the time that it came.
	owed, owing := c.outcomes.owes.Get(owner)
	token, err := c.fetch(ctx, key)
	if err != nil {
		return nil, err
	}
	if owing && tokenstore.Same(owed.old, token) {
		token = new(*owed.next) // it counts; that the store gets it is seen to
	}
	if fresh(token) {
		return token, nil
	}
	return c.refresh(ctx, key, token, false)
}

// TokenSource returns [Client.Token] as an [oauth2.TokenSource], for any library
// that takes one. It lasts as long as ctx. Do not wrap it in
// oauth2.ReuseTokenSource: that would hide a logout.
func (c *Client) TokenSource(ctx context.Context) oauth2.TokenSource {
	return tokenSource(func() (*oauth2.Token, error) { return c.Token(ctx) })
}

type tokenSource func() (*oauth2.Token, error)

func (s tokenSource) Token() (*oauth2.Token, error) { return s() }

// fetch reads a token; a store that answers with nothing answers "none".
func (c *Client) fetch(ctx context.Context, key tokenstore.Key) (*oauth2.Token, error) {
	token, err := c.fetcher.FetchToken(ctx, key)
	switch {
	case errors.Is(err, tokenstore.ErrNotFound), err == nil && (token == nil || token.AccessToken == ""):
		return nil, fmt.Errorf("signon: %s: no token is stored: %w", c.name, ErrNoToken)
	case err != nil:
		return nil, storeFault("token store", err)
	}
	return token, nil
}

// alive reports whether a token has not expired; one without an expiry has not.
func alive(t *oauth2.Token) bool { return t.Expiry.IsZero() || time.Now().Before(t.Expiry) }

// fresh reports whether a token will do for a while yet. One that lives for minutes
// only is not refreshed all the time: its margin is a quarter of its life.
func fresh(t *oauth2.Token) bool {
	if t.Expiry.IsZero() {
		return true
	}
	margin := expiryMargin
	if life := time.Duration(t.ExpiresIn) * time.Second; life > 0 {
		margin = min(margin, life/4)
	}
	return time.Now().Add(margin).Before(t.Expiry)
}

// deleteToken removes a token, whatever it is, where Signon keeps it.
func (c *Client) deleteToken(ctx context.Context, owner string) error {
	c.outcomes.forget(owner)
	return c.deleteOld(ctx, tokenstore.Key{Provider: c.name, Owner: owner}, nil)
}

// deleteOld removes a token if it is still old; that there is none is no error.
func (c *Client) deleteOld(ctx context.Context, key tokenstore.Key, old *oauth2.Token) error {
	if c.keeper == nil {
		return nil
	}
	err := c.keeper.DeleteToken(ctx, key, old)
	if errors.Is(err, tokenstore.ErrNotFound) {
		return nil
	}
	return storeFault("token store", err)
}

// Revoke ends the owner's token: in the store at once, then at the provider, the
// refresh token first (RFC 7009). An error after the deletion is the provider's:
// what was revoked is gone here in any case. It wraps [errors.ErrUnsupported] where
// the provider has no revocation endpoint.
func (c *Client) Revoke(ctx context.Context) error {
	if scopes, ok := c.application(ctx); ok {
		return c.revokeClientToken(ctx, scopes)
	}
	owner, err := c.owner(ctx)
	if err != nil {
		return err
	}
	token, err := c.take(ctx, owner)
	if err != nil {
		return err
	}
	return c.revoke(ctx, token)
}

// takeTries is how often take follows a token that is replaced under its hands.
const takeTries = 5

// take deletes the owner's token and returns the very token that it deleted, or the
// one that the store has missed in its place: what a refresh has replaced meanwhile
// is not what must be revoked.
func (c *Client) take(ctx context.Context, owner string) (*oauth2.Token, error) {
	key := tokenstore.Key{Provider: c.name, Owner: owner}
	for try := range takeTries {
		token, err := c.fetch(ctx, key)
		if err != nil {
			return nil, err
		}
		next := c.outcomes.owed(owner, token)
		old := token
		if try == takeTries-1 {
			old = nil // whatever it is: it must go
		}
		err = c.deleteOld(ctx, key, old)
		switch {
		case errors.Is(err, tokenstore.ErrConflict):
			continue
		case err != nil:
			return nil, err
		}
		if c.outcomes.forget(owner); next != nil {
			return next, nil
		}
		return token, nil
	}
	return nil, fmt.Errorf("signon: %s: the token store says conflict to a deletion of whatever is there: %w", c.name, ErrUnavailable)
}

// revoke revokes the refresh token, and the access token even if that failed: one
// of them may be all that the provider knows. One that revokes no access tokens has
// ended the grant by its refresh token (RFC 7009 section 2.2.1).
func (c *Client) revoke(ctx context.Context, token *oauth2.Token) error {
	md, err := c.source.Metadata(ctx)
	if err != nil {
		return providerFault(c.name, err)
	}
	if md.RevocationEndpoint == "" {
		return fmt.Errorf("signon: provider %s has no revocation endpoint: %w", c.name, errors.ErrUnsupported)
	}
	var failed error
	ended := false
	for _, t := range []struct{ hint, value string }{
		{"refresh_token", token.RefreshToken}, {"access_token", token.AccessToken},
	} {
		if t.value == "" {
			continue
		}
		params := map[string][]string{"token": {t.value}, "token_type_hint": {t.hint}}
		_, err := c.oauth.Post(ctx, oauth.Revoke, md.RevocationEndpoint, params)
		refused, _ := errors.AsType[*oauth2.RetrieveError](err)
		switch {
		case err == nil:
			ended = true
		case ended && refused != nil && refused.ErrorCode == "unsupported_token_type":
		default:
			failed = errors.Join(failed, providerFault(c.name, err))
		}
	}
	return failed
}

// endOwnedLogin ends the login that a dead token belongs to. A token that is a
// user's of the application leaves the logins be: they are not its.
func (c *Client) endOwnedLogin(ctx context.Context, owner string) error {
	_, err := c.registry.end(ctx, sessionstore.Selector{ID: owner, Provider: c.name}, RefreshRefused)
	return err
}
