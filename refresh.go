package signon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"github.com/seed1a301047/signon/internal/bounded"
	"github.com/seed1a301047/signon/internal/oauth"
	"github.com/seed1a301047/signon/internal/oidc"
	"github.com/seed1a301047/signon/internal/outbound"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/tokenstore"
)

const (
	// flightTimeout bounds a refresh with all its store calls and its one retry.
	flightTimeout = 30 * time.Second

	// refreshPause is how long a refresh that failed is not tried again, and how
	// long a token that has just come is not given up for an API's 401.
	refreshPause = 5 * time.Second

	maxOutcomes = 10_000
)

// refresh replaces a token that is about to expire, or, if forced, that an API has
// refused. However many ask for one owner, one flight answers all of them; it works
// on no caller's context, so one that leaves takes nothing from the others. The
// token is the caller's own.
func (c *Client) refresh(ctx context.Context, key tokenstore.Key, seen *oauth2.Token, forced bool) (*oauth2.Token, error) {
	for {
		result, err := c.joinFlight(ctx, key, seen, forced)
		if err != nil {
			return nil, err
		}
		token := *result.Val.(*oauth2.Token)
		// The flight may have been that of somebody whom the token that we saw
		// refused still pleased: then ours is yet to come.
		if forced && result.Shared && sameToken(&token, seen) && !c.outcomes.justCame(key.Owner, &token) {
			continue
		}
		return &token, nil
	}
}

func (c *Client) joinFlight(ctx context.Context, key tokenstore.Key, seen *oauth2.Token, forced bool) (singleflight.Result, error) {
	flight := c.flights.DoChan(key.Owner, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flightTimeout)
		defer cancel()
		var token *oauth2.Token
		err := guard("a refresh", func() (err error) {
			token, err = c.refreshOnce(ctx, key, seen, forced)
			return err
		})
		return token, err
	})
	select {
	case <-ctx.Done():
		return singleflight.Result{}, ctx.Err()
	case result := <-flight:
		return result, result.Err
	}
}

// refreshOnce is one flight. It reads the store again first: whoever arrives late
// finds the work done there, since the flight's key is free again by then.
func (c *Client) refreshOnce(ctx context.Context, key tokenstore.Key, seen *oauth2.Token, forced bool) (*oauth2.Token, error) {
	found, err := c.fetch(ctx, key)
	if err != nil {
		return nil, err
	}
	stored, current, err := c.settle(ctx, key, found)
	if err != nil {
		return nil, err
	}
	refused := forced && sameToken(current, seen) && !c.outcomes.justCame(key.Owner, current)
	if fresh(current) && !refused {
		return current, nil
	}
	usable := func(err error) (*oauth2.Token, error) {
		if alive(current) && !refused {
			return current, nil
		}
		return nil, err
	}
	if current.RefreshToken == "" || c.updater == nil {
		return usable(fmt.Errorf("signon: %s: the token has expired and cannot be refreshed: %w", c.name, ErrNoToken))
	}
	if failed := c.outcomes.recentFailure(key.Owner, current); failed != nil {
		return usable(failed)
	}
	next, err := c.askProvider(ctx, key, current)
	if err == nil {
		return c.keep(ctx, key, stored, next)
	}
	if isInvalidGrant(err) {
		return c.refreshRefused(ctx, key, stored, err)
	}
	if errors.Is(err, oidc.ErrSubjectChanged) {
		return nil, c.compromised(ctx, key, stored, err)
	}
	c.outcomes.put(key.Owner, current, err)
	c.registry.log.WarnContext(ctx, "signon: a refresh failed; the token is kept", "provider", c.name, "error", err)
	return usable(err)
}

// askProvider sends the refresh token. An answer that was lost on the way may have
// rotated it, and providers that rotate expect one more try with the old one within
// moments (RFC 9700 section 4.14.2, FAPI 2.0 section 5.3.2.1); a provider that says
// anything, or nothing for the whole time-out, is not asked again.
func (c *Client) askProvider(ctx context.Context, key tokenstore.Key, old *oauth2.Token) (*oauth2.Token, error) {
	md, err := c.source.Metadata(ctx)
	if err != nil {
		return nil, providerFault(c.name, err)
	}
	params := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {old.RefreshToken}}
	next, extra, err := c.oauth.Exchange(ctx, oauth.Refresh, md.TokenEndpoint, params)
	if errors.Is(err, outbound.ErrUnreachable) && ctx.Err() == nil {
		next, extra, err = c.oauth.Exchange(ctx, oauth.Refresh, md.TokenEndpoint, params)
	}
	if err != nil {
		return nil, providerFault(c.name, err)
	}
	if next.RefreshToken == "" {
		next.RefreshToken = old.RefreshToken // RFC 6749 section 6: the old one stays in use
	}
	if _, ok := extra["scope"]; !ok && old.Extra("scope") != nil {
		extra["scope"] = old.Extra("scope") // section 5.1: unchanged if it is not said
	}
	return next, c.checkRefreshedIDToken(ctx, key, next, extra)
}

// checkRefreshedIDToken drops an ID token that does not verify, or that there is
// nothing to compare with. One for another subject means that the tokens are
// somebody else's (OpenID Connect Core section 12.2).
func (c *Client) checkRefreshedIDToken(ctx context.Context, key tokenstore.Key, next *oauth2.Token, extra map[string]any) error {
	raw, _ := extra["id_token"].(string)
	delete(extra, "id_token")
	if raw == "" || !c.openID {
		return nil
	}
	original, err := c.originalIDToken(ctx, key.Owner)
	if err != nil || original == nil {
		return err
	}
	expect, err := c.expect(ctx)
	if err != nil {
		return err
	}
	expect.AccessToken = next.AccessToken
	_, err = oidc.VerifyRefreshed(ctx, raw, c.source, expect, original)
	switch {
	case errors.Is(err, oidc.ErrSubjectChanged):
		return providerFault(c.name, err)
	case err != nil:
		c.registry.log.WarnContext(ctx, "signon: a refreshed ID token does not verify and is dropped", "provider", c.name, "error", err)
	default:
		extra["id_token"] = raw
	}
	return nil
}

// originalIDToken is the ID token of the owner's newest login here, nil where no
// login lives any more.
func (c *Client) originalIDToken(ctx context.Context, owner string) (*oidc.IDToken, error) {
	list, err := c.registry.logins.Logins(ctx, sessionstore.Selector{Provider: c.name, Owner: owner})
	if err != nil {
		return nil, storeFault("login store", err)
	}
	for _, rec := range list {
		raw, err := c.registry.loginOf(rec).IDToken()
		if err != nil || raw == "" {
			continue // sealed with a key that is gone
		}
		return oidc.Restore(raw)
	}
	return nil, nil
}

// keep stores what a refresh brought. The old token is spent by now, so a store that
// does not answer must not cost the new one: it is kept here, served, and written
// again at the next use.
func (c *Client) keep(ctx context.Context, key tokenstore.Key, stored, next *oauth2.Token) (*oauth2.Token, error) {
	err := c.updater.UpdateToken(ctx, key, stored, next)
	switch {
	case err == nil && !alive(next):
		// Asking again at once would only bring another such token.
		err = fmt.Errorf("signon: %s: a refresh brought a token that has already expired: %w", c.name, ErrProvider)
		c.outcomes.put(key.Owner, next, err)
		return nil, err
	case err == nil:
		c.outcomes.succeed(key.Owner, next)
		return next, nil
	case errors.Is(err, tokenstore.ErrConflict):
		return c.usableNow(ctx, key) // somebody has signed in again, or refreshed: theirs counts
	case errors.Is(err, tokenstore.ErrNotFound):
		c.abandon(ctx, next)
		return nil, fmt.Errorf("signon: %s: signed out during a refresh: %w", c.name, ErrNoToken)
	}
	c.outcomes.owe(key.Owner, stored, next)
	c.registry.log.ErrorContext(ctx, "signon: a refreshed token could not be stored; this process keeps it and will write it again",
		"provider", c.name, "error", err)
	return next, nil
}

// settle writes what an earlier flight could not. It returns what is stored now and
// the token that counts: they differ while the store still does not answer.
func (c *Client) settle(ctx context.Context, key tokenstore.Key, found *oauth2.Token) (stored, current *oauth2.Token, err error) {
	next := c.outcomes.owed(key.Owner, found)
	if next == nil {
		return found, found, nil
	}
	err = c.updater.UpdateToken(ctx, key, found, next)
	switch {
	case err == nil:
		c.outcomes.succeed(key.Owner, next)
		return next, next, nil
	case errors.Is(err, tokenstore.ErrConflict), errors.Is(err, tokenstore.ErrNotFound):
		c.outcomes.forget(key.Owner)
		found, err = c.fetch(ctx, key)
		return found, found, err
	}
	return found, next, nil
}

// abandon revokes a token that came for somebody who has signed out meanwhile.
func (c *Client) abandon(ctx context.Context, token *oauth2.Token) {
	if err := c.revoke(ctx, token); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		c.registry.log.WarnContext(ctx, "signon: a token that came after the logout was dropped, but not revoked", "provider", c.name, "error", err)
	}
}

func isInvalidGrant(err error) bool {
	pe, ok := errors.AsType[*ProviderError](err)
	return ok && pe.Code == "invalid_grant"
}

// refreshRefused handles invalid_grant. Another replica may have rotated the token
// while ours was on its way; if the store says that nobody has, it is dead.
func (c *Client) refreshRefused(ctx context.Context, key tokenstore.Key, stored *oauth2.Token, cause error) (*oauth2.Token, error) {
	again, err := c.fetch(ctx, key)
	if err != nil {
		return nil, err
	}
	if !sameToken(again, stored) {
		return c.usableNow(ctx, key)
	}
	dead := fmt.Errorf("signon: %s: the provider refuses the refresh token; sign in again: %w: %w", c.name, ErrNoToken, opaque{cause})
	c.outcomes.put(key.Owner, stored, dead)
	if err := c.drop(ctx, key, stored); err != nil {
		if errors.Is(err, tokenstore.ErrConflict) {
			return c.usableNow(ctx, key)
		}
		return nil, err
	}
	c.registry.log.LogAttrs(ctx, slog.LevelInfo, "signon: a refresh token was refused; its owner must sign in again", slog.String("provider", c.name))
	return nil, dead
}

// opaque keeps a cause's text but not its place in the table of failures: the
// provider's invalid_grant means "sign in again" here, not "bad request".
type opaque struct{ error }

// compromised ends everything that hangs on a token whose refresh named another
// user.
func (c *Client) compromised(ctx context.Context, key tokenstore.Key, stored *oauth2.Token, cause error) error {
	c.registry.log.ErrorContext(ctx, "signon: a refresh brought another user's token; the login is ended", "provider", c.name)
	_, err := c.registry.logins.EndLogins(ctx, sessionstore.Selector{Provider: c.name, Owner: key.Owner})
	err = errors.Join(storeFault("login store", err), c.drop(ctx, key, stored))
	if err != nil && !errors.Is(err, tokenstore.ErrConflict) {
		return err
	}
	return fmt.Errorf("signon: %s: %w: %w", c.name, ErrNoToken, opaque{cause})
}

// drop deletes a dead token, unless another has come meanwhile, and ends the login
// that owned it.
func (c *Client) drop(ctx context.Context, key tokenstore.Key, stored *oauth2.Token) error {
	if c.keeper == nil {
		return nil
	}
	err := c.keeper.DeleteToken(ctx, key, stored)
	if err != nil && !errors.Is(err, tokenstore.ErrNotFound) {
		return storeFault("token store", err)
	}
	return c.endOwnedLogin(ctx, key.Owner)
}

// usableNow is what the store has, after somebody else has changed it.
func (c *Client) usableNow(ctx context.Context, key tokenstore.Key) (*oauth2.Token, error) {
	token, err := c.fetch(ctx, key)
	if err == nil && !alive(token) {
		err = fmt.Errorf("signon: %s: the token was replaced by one that has expired too: %w", c.name, ErrUnavailable)
	}
	return token, err
}

// outcomes remembers, for a while and for a bounded number of owners, how their
// last refresh ended.
type outcomes struct {
	last *bounded.Map[string, outcome]
	owes *bounded.Map[string, debt]
}

type outcome struct {
	refreshToken, accessToken string
	err                       error // nil: it brought this token
}

// debt is a token that the store has not taken yet.
type debt struct{ old, next *oauth2.Token }

const debtLife = 24 * time.Hour

func newOutcomes() *outcomes {
	return &outcomes{last: bounded.New[string, outcome](maxOutcomes), owes: bounded.New[string, debt](maxOutcomes)}
}

func (o *outcomes) put(owner string, token *oauth2.Token, err error) {
	o.last.Put(owner, outcome{token.RefreshToken, token.AccessToken, err}, time.Now().Add(refreshPause))
}

func (o *outcomes) succeed(owner string, token *oauth2.Token) {
	o.owes.Delete(owner)
	o.put(owner, token, nil)
}

func (o *outcomes) forget(owner string) {
	o.owes.Delete(owner)
	o.last.Delete(owner)
}

// recentFailure is how the refresh of this very token failed a moment ago.
func (o *outcomes) recentFailure(owner string, token *oauth2.Token) error {
	if last, ok := o.last.Get(owner); ok && last.refreshToken == token.RefreshToken {
		return last.err
	}
	return nil
}

// justCame reports whether a refresh brought this very token a moment ago.
func (o *outcomes) justCame(owner string, token *oauth2.Token) bool {
	last, ok := o.last.Get(owner)
	return ok && last.err == nil && last.accessToken == token.AccessToken
}

func (o *outcomes) owe(owner string, old, next *oauth2.Token) {
	o.owes.Put(owner, debt{old, next}, time.Now().Add(debtLife))
}

// owed is the token that replaces the stored one, if the store has missed it.
func (o *outcomes) owed(owner string, stored *oauth2.Token) *oauth2.Token {
	if d, ok := o.owes.Get(owner); ok && sameToken(d.old, stored) {
		return d.next
	}
	return nil
}
