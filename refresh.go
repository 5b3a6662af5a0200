package signon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/internal/oidc"
	"github.com/seed1a301047/signon/internal/outbound"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/tokenstore"
)

// errNotRefreshable: there is no refresh token, or nobody to store what it would bring.
var errNotRefreshable = fmt.Errorf("the token has expired and cannot be refreshed: %w", ErrNoToken)

const (
	// flightTimeout bounds a refresh with all that it waits for. One that does not end
	// by then hangs in a store that ignores its context.
	flightTimeout = 30 * time.Second

	// askTimeout bounds the request to the provider with its one retry, writeTimeout
	// the writing of what it brought: together they are the lease.
	askTimeout   = 10 * time.Second
	writeTimeout = 5 * time.Second
	leaseTime    = askTimeout + writeTimeout
)

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
	c.registry.going.begin()
	go func() {
		defer c.registry.going.end()
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
		c.payDebts() // it may hang in the writing of a pair
		return flown{}, fmt.Errorf("signon: %s: a refresh did not end within %v, perhaps because a store ignores its context: %w", c.name, flightTimeout, ErrUnavailable)
	}
}

// callerLeft is why a caller does not wait any longer.
func callerLeft(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("signon: the caller's time was over before an answer came: %w: %w", ErrProviderTimeout, ctx.Err())
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

// refreshOnce is one flight. It reads the store again first, and again whenever the
// lease is not to be had: whoever arrives late finds the work done there.
func (c *Client) refreshOnce(ctx context.Context, key tokenstore.Key, seen *oauth2.Token, forced bool) (flown, error) {
	lease := c.newLease(key)
	for {
		stored, current, err := c.settle(ctx, key)
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
		if !tokenstore.Same(stored, current) {
			// What is owed is not spent before it is stored: the lease is of the stored
			// token, and whoever finds that one would be refused for it.
			return kept, fmt.Errorf("signon: %s: the token store does not take the pair of the last refresh, and until it does there is no other: %w", c.name, ErrUnavailable)
		}
		if c.outcomes.full() {
			return kept, fmt.Errorf("signon: %s: the token store has missed so many tokens that there is no refresh until it takes them: %w", c.name, ErrUnavailable)
		}
		q, err := c.prepare(ctx, key, current)
		if err != nil {
			return kept, c.failed(ctx, key, current, err)
		}
		switch got, err := lease.take(ctx, stored); {
		case errors.Is(err, tokenstore.ErrPaused):
			c.outcomes.putFor(key.Owner, current, err, pausedElsewhere)
			return kept, err
		case err != nil:
			return kept, err
		case got == taken:
			return c.spend(ctx, lease, stored, q)
		case got == busy && alive(current) && !refused:
			return flown{token: current}, nil // somebody is at it, and this one will do meanwhile
		case got == busy:
			if err := lease.wait(ctx); err != nil {
				return kept, err
			}
		}
	}
}

// spend sends the refresh token and stores what it brings. Once it is sent, nothing
// stops this but its own deadlines: the old token may be spent by then.
func (c *Client) spend(ctx context.Context, lease *lease, stored *oauth2.Token, q *question) (flown, error) {
	left := ctx.Err()
	ctx = context.WithoutCancel(ctx)
	if left != nil { // a flight that was left behind
		lease.giveBack(ctx, 0)
		return flown{kept: q.old}, providerFault(c.name, left)
	}
	key := lease.key
	next, err := c.askProvider(ctx, lease, q)

	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	switch {
	case err == nil:
		next, err = c.keep(ctx, key, stored, next)
		return flown{token: next}, err
	case isInvalidGrant(err):
		next, err = c.refreshRefused(ctx, lease, stored, err)
		return flown{token: next}, err
	case errors.Is(err, oidc.ErrSubjectChanged):
		next, err = c.compromised(ctx, key, stored, err)
		return flown{token: next}, err
	}
	err = c.failed(ctx, key, q.old, err)
	lease.giveBack(ctx, pauseAfter(err))
	return flown{kept: q.old}, err
}

// failed remembers that a refresh failed in a way that may pass.
func (c *Client) failed(ctx context.Context, key tokenstore.Key, current *oauth2.Token, err error) error {
	err = c.whatNow(err)
	c.outcomes.put(key.Owner, current, err)
	c.outcomes.pause(c.name, err)
	c.registry.log.WarnContext(ctx, "signon: a refresh failed; the token is kept", "provider", c.name, "owner", key.Owner, "error", err)
	return err
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
func (c *Client) refreshRefused(ctx context.Context, lease *lease, stored *oauth2.Token, cause error) (*oauth2.Token, error) {
	key := lease.key
	again, err := c.fetchReplaced(ctx, lease, stored)
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
	c.registry.log.LogAttrs(ctx, slog.LevelInfo, "signon: a refresh token was refused; its owner must sign in again", slog.String("provider", c.name), slog.String("owner", key.Owner))
	return nil, dead
}

// fetchReplaced reads the token again. Where there is no lease, or not any more, another
// process may hold the answer that ours was refused for and be about to store it: it
// gets a moment.
func (c *Client) fetchReplaced(ctx context.Context, lease *lease, stored *oauth2.Token) (*oauth2.Token, error) {
	tries := 1
	if lease.over() {
		tries = 4
	}
	for {
		again, err := c.fetch(ctx, lease.key)
		if tries--; err != nil || tries == 0 || !tokenstore.Same(again, stored) {
			return again, err
		}
		if err := lease.wait(ctx); err != nil {
			return nil, err
		}
	}
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
	c.registry.log.ErrorContext(ctx, "signon: a refresh brought another user's token; the login is ended", "provider", c.name, "owner", key.Owner)
	_, err := c.registry.end(ctx, sessionstore.Selector{Provider: c.name, Owner: key.Owner}, RefreshRefused)
	if err := errors.Join(failed, err); err != nil {
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
