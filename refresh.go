package signon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/internal/oauth"
	"github.com/seed1a301047/signon/internal/oidc"
	"github.com/seed1a301047/signon/internal/outbound"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/tokenstore"
)

// errNotRefreshable: there is no refresh token, or nobody to store what it would bring.
var errNotRefreshable = fmt.Errorf("the token has expired and cannot be refreshed: %w", ErrNoToken)

// flightTimeout bounds a refresh with all its store calls and its one retry. One that
// does not end by then hangs in a store that ignores its context.
const flightTimeout = 30 * time.Second

// refresh replaces a token that is about to expire, or, if forced, that an API has
// refused. However many ask for one owner, one flight answers all of them; it works
// on no caller's context, so one that leaves takes nothing from the others. The
// token is the caller's own.
func (c *Client) refresh(ctx context.Context, key tokenstore.Key, seen *oauth2.Token, forced bool) (*oauth2.Token, error) {
	for {
		got, shared, err := c.joinFlight(ctx, key, seen, forced)
		if err != nil && got.kept != nil && alive(got.kept) && !(forced && tokenstore.Same(got.kept, seen)) {
			got.token, err = got.kept, nil // it failed, and this caller can do without for now
		}
		if err != nil {
			return nil, err
		}
		token := *got.token
		// The flight may have been that of somebody whom the token that we saw
		// refused still pleased: then ours is yet to come.
		if forced && shared && tokenstore.Same(&token, seen) && !c.outcomes.justCame(key.Owner, &token) {
			continue
		}
		return &token, nil
	}
}

// A flown is what a flight brought: a token, or, beside an error that may pass, the
// one that is still there.
type flown struct{ token, kept *oauth2.Token }

func (c *Client) joinFlight(ctx context.Context, key tokenstore.Key, seen *oauth2.Token, forced bool) (got flown, shared bool, err error) {
	flight := c.flights.DoChan(key.Owner, func() (any, error) {
		return c.fly(context.WithoutCancel(ctx), key, seen, forced)
	})
	select {
	case result := <-flight:
		got, _ = result.Val.(flown)
		return got, result.Shared, result.Err
	case <-ctx.Done():
		return got, false, callerLeft(ctx)
	}
}

// fly runs one flight, and leaves one that hangs behind, so that the owner's next
// caller gets a flight of its own. The one left behind asks the provider nothing any
// more, and what it still writes meets the store's compare-and-swap; a pair that it
// could not store is owed, and the next flight begins with that.
func (c *Client) fly(ctx context.Context, key tokenstore.Key, seen *oauth2.Token, forced bool) (flown, error) {
	type landing struct {
		got flown
		err error
	}
	landed := make(chan landing, 1)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, flightTimeout)
		defer cancel()
		var l landing
		l.err = contain("a refresh", func() (err error) {
			l.got, err = c.refreshOnce(ctx, key, seen, forced)
			return err
		})
		landed <- l
	}()
	late := time.NewTimer(flightTimeout + time.Second)
	defer late.Stop()
	select {
	case l := <-landed:
		return l.got, l.err
	case <-late.C:
		return flown{}, fmt.Errorf("signon: %s: a refresh did not end within %v, perhaps because a store ignores its context: %w", c.name, flightTimeout, ErrUnavailable)
	}
}

// callerLeft is why a caller does not wait any longer.
func callerLeft(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("signon: the caller's time was over before a refresh was: %w: %w", ErrProviderTimeout, ctx.Err())
	}
	return ctx.Err()
}

// contain is guard where there is no server to recover what guard lets pass.
func contain(what string, fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("signon: %s was aborted: %w", what, ErrInternal)
		}
	}()
	return guard(what, fn)
}

// refreshOnce is one flight. It reads the store again first: whoever arrives late
// finds the work done there, since the flight's key is free again by then.
func (c *Client) refreshOnce(ctx context.Context, key tokenstore.Key, seen *oauth2.Token, forced bool) (flown, error) {
	found, err := c.fetch(ctx, key)
	if err != nil {
		return flown{}, err
	}
	stored, current, err := c.settle(ctx, key, found)
	if err != nil {
		return flown{}, err
	}
	justCame := c.outcomes.justCame(key.Owner, current)
	refused := forced && tokenstore.Same(current, seen) && !justCame
	// One that has just come is not given up at once, even if a store that does not
	// keep ExpiresIn makes a short life look like an end.
	if !refused && (fresh(current) || justCame && alive(current)) {
		return flown{token: current}, nil
	}
	kept := flown{kept: current}
	if current.RefreshToken == "" || c.updater == nil {
		return kept, fmt.Errorf("signon: %s: %w", c.name, errNotRefreshable)
	}
	if failed := c.outcomes.recentFailure(key.Owner, current); failed != nil {
		return kept, failed
	}
	next, err := c.askProvider(ctx, key, current)
	switch {
	case err == nil:
		next, err = c.keep(ctx, key, stored, next)
		return flown{token: next}, err
	case isInvalidGrant(err):
		next, err = c.refreshRefused(ctx, key, stored, err)
		return flown{token: next}, err
	case errors.Is(err, oidc.ErrSubjectChanged):
		next, err = c.compromised(ctx, key, stored, err)
		return flown{token: next}, err
	}
	err = c.whatNow(err)
	c.outcomes.put(key.Owner, current, err)
	c.registry.log.WarnContext(ctx, "signon: a refresh failed; the token is kept", "provider", c.name, "error", err)
	return kept, err
}

// whatNow says of a refresh that failed what helps. A provider that wants its user
// there (interaction_required and its like) gets it by a login; to one that is out, in
// whatever way, one comes back later; and one that answers nonsense is at fault.
func (c *Client) whatNow(err error) error {
	se, answered := errors.AsType[*outbound.StatusError](err)
	if !answered && errors.Is(err, ErrDenied) {
		return fmt.Errorf("signon: %s: the provider wants the user to sign in again: %w: %w", c.name, ErrNoToken, opaque{err})
	}
	out := errors.Is(err, outbound.ErrTimeout) || errors.Is(err, outbound.ErrUnreachable) || errors.Is(err, context.DeadlineExceeded)
	if answered {
		out = se.Status >= 500 || retryable(se.Status)
	}
	if !out {
		return err
	}
	if answered {
		err = outage{opaque{err}, se} // whatever code its body has
	}
	return fmt.Errorf("signon: %s: no refresh for now: %w: %w", c.name, ErrUnavailable, err)
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
	// Before the request: once the old token is spent, nothing may fail that would
	// cost the new one.
	original, err := c.originalIDToken(ctx, key.Owner)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, providerFault(c.name, err) // a flight that was left behind
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
	scope, _ := old.Extra("scope").(string)
	keepScope(extra, scope) // section 5.1: unchanged if it is not said
	return next, c.checkRefreshedIDToken(ctx, original, next, extra)
}

// checkRefreshedIDToken drops an ID token that does not verify, or that there is
// nothing to compare with. One for another subject means that the tokens are
// somebody else's (OpenID Connect Core section 12.2).
func (c *Client) checkRefreshedIDToken(ctx context.Context, original *oidc.IDToken, next *oauth2.Token, extra map[string]any) error {
	raw, _ := extra["id_token"].(string)
	delete(extra, "id_token")
	if raw == "" || original == nil {
		return nil
	}
	expect, err := c.expect(ctx)
	if err == nil {
		expect.AccessToken = next.AccessToken
		_, err = oidc.VerifyRefreshed(ctx, raw, c.source, expect, original)
	}
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
	if !c.openID {
		return nil, nil
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

// keep stores what a refresh brought. The old token is spent by now, so a store that
// does not answer, or not in time, must not cost the new one: it is kept here, served,
// and written again at the next use.
func (c *Client) keep(ctx context.Context, key tokenstore.Key, stored, next *oauth2.Token) (*oauth2.Token, error) {
	c.outcomes.owe(key.Owner, stored, next)
	err := c.update(ctx, key, stored, next)
	if err == nil || errors.Is(err, tokenstore.ErrConflict) || errors.Is(err, tokenstore.ErrNotFound) {
		c.outcomes.settled(key.Owner, next)
	}
	switch {
	case err == nil && !alive(next):
		// Asking again at once would only bring another such token.
		err = fmt.Errorf("signon: %s: a refresh brought a token that has already expired: %w", c.name, ErrProvider)
		c.outcomes.put(key.Owner, next, err)
		return nil, err
	case err == nil:
		c.outcomes.put(key.Owner, next, nil)
		return next, nil
	case errors.Is(err, tokenstore.ErrConflict):
		return c.usableNow(ctx, key) // somebody has signed in again, or refreshed: theirs counts
	case errors.Is(err, tokenstore.ErrNotFound):
		c.abandon(ctx, next)
		return nil, fmt.Errorf("signon: %s: signed out during a refresh: %w", c.name, ErrNoToken)
	}
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
	err = c.update(ctx, key, found, next)
	switch {
	case err == nil:
		c.outcomes.settled(key.Owner, next)
		c.outcomes.put(key.Owner, next, nil)
		return next, next, nil
	case errors.Is(err, tokenstore.ErrConflict), errors.Is(err, tokenstore.ErrNotFound):
		c.outcomes.forget(key.Owner)
		found, err = c.fetch(ctx, key)
		return found, found, err
	}
	return found, next, nil
}

// update calls the store, whose panic must not cost the token either.
func (c *Client) update(ctx context.Context, key tokenstore.Key, old, next *oauth2.Token) error {
	return contain("UpdateToken", func() error { return c.updater.UpdateToken(ctx, key, old, next) })
}

// abandon revokes a token that came for somebody who has signed out meanwhile.
func (c *Client) abandon(ctx context.Context, token *oauth2.Token) {
	if err := c.revoke(ctx, token); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		c.registry.log.WarnContext(ctx, "signon: a token that came after the logout was dropped, but not revoked", "provider", c.name, "error", err)
	}
}

// isInvalidGrant reports that the refresh token is dead, which GitHub calls
// bad_refresh_token. A 429 or a 5xx says nothing of a token, whatever its body does.
func isInvalidGrant(err error) bool {
	if _, ok := errors.AsType[*outbound.StatusError](err); ok {
		return false
	}
	pe, ok := errors.AsType[*ProviderError](err)
	return ok && (pe.Code == "invalid_grant" || pe.Code == "bad_refresh_token")
}

// refreshRefused handles invalid_grant. Another replica may have rotated the token
// while ours was on its way; if the store says that nobody has, it is dead.
func (c *Client) refreshRefused(ctx context.Context, key tokenstore.Key, stored *oauth2.Token, cause error) (*oauth2.Token, error) {
	again, err := c.fetch(ctx, key)
	if err != nil {
		return nil, err
	}
	if !tokenstore.Same(again, stored) {
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

// outage is opaque but for the status, which says when to come back.
type outage struct {
	error
	status *outbound.StatusError
}

func (o outage) Unwrap() error { return o.status }

// compromised ends everything that hangs on a token whose refresh named another
// user. If another login has come meanwhile, it is that one's user who was named,
// or will be: it stays.
func (c *Client) compromised(ctx context.Context, key tokenstore.Key, stored *oauth2.Token, cause error) (*oauth2.Token, error) {
	failed := c.drop(ctx, key, stored)
	if errors.Is(failed, tokenstore.ErrConflict) {
		return c.usableNow(ctx, key)
	}
	c.registry.log.ErrorContext(ctx, "signon: a refresh brought another user's token; the login is ended", "provider", c.name)
	_, err := c.registry.logins.EndLogins(ctx, sessionstore.Selector{Provider: c.name, Owner: key.Owner})
	if err := errors.Join(failed, storeFault("login store", err)); err != nil {
		return nil, err
	}
	dead := fmt.Errorf("signon: %s: %w: %w", c.name, ErrNoToken, opaque{cause})
	c.outcomes.put(key.Owner, stored, dead)
	return nil, dead
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
