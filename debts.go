package signon

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/tokenstore"
)

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
		c.registry.log.InfoContext(ctx, "signon: refreshed a token", "provider", c.name, "owner", key.Owner)
		return next, nil
	case errors.Is(err, tokenstore.ErrConflict):
		return c.usableNow(ctx, key) // somebody has signed in again, or refreshed: theirs counts
	case errors.Is(err, tokenstore.ErrNotFound):
		c.abandon(ctx, next)
		return nil, fmt.Errorf("signon: %s: signed out during a refresh: %w", c.name, ErrNoToken)
	}
	c.registry.log.ErrorContext(ctx, "signon: a refreshed token could not be stored; this process keeps it and will write it again",
		"provider", c.name, "owner", key.Owner, "error", err)
	c.payDebts()
	return next, nil
}

// settle reads the store and writes what an earlier flight could not. It returns what
// is stored now and the token that counts: they differ while the store still does not
// take it.
func (c *Client) settle(ctx context.Context, key tokenstore.Key) (stored, current *oauth2.Token, err error) {
	// The debt is looked up before the store is read: if it is paid in between, what
	// was read is the spent token, and the update below meets a conflict.
	owed, owing := c.outcomes.owes.Get(key.Owner)
	found, err := c.fetch(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	if !owing || !tokenstore.Same(owed.old, found) {
		return found, found, nil
	}
	next := owed.next
	err = c.update(ctx, key, found, next)
	switch {
	case err == nil:
		c.outcomes.settled(key.Owner, next)
		c.outcomes.put(key.Owner, next, nil)
		return next, next, nil
	case errors.Is(err, tokenstore.ErrConflict), errors.Is(err, tokenstore.ErrNotFound):
		c.outcomes.settled(key.Owner, next)
		if errors.Is(err, tokenstore.ErrNotFound) {
			c.abandon(ctx, next) // its owner has signed out
		}
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

// How long payDebts waits between its rounds: at first, and at most.
const (
	minPayPause = 500 * time.Millisecond
	maxPayPause = 10 * time.Second
)

// payDebts writes the tokens that the store has missed, until none is owed: another
// process, which knows the spent ones only, must not be the first to find the store
// well again. One goroutine does it for all owners, and only while there is a debt.
func (c *Client) payDebts() {
	if !c.paying.CompareAndSwap(false, true) {
		return
	}
	c.registry.going.begin()
	go func() {
		defer c.registry.going.end()
		for pause := minPayPause; ; pause = min(2*pause, maxPayPause) {
			if !c.registry.going.sleep(jitter(pause), jitter(minPayPause)) {
				return
			}
			if !c.pay() {
				continue
			}
			c.paying.Store(false)
			// A debt may have come since pay looked, whose own call found us at it.
			if c.outcomes.owesNothing() || !c.paying.CompareAndSwap(false, true) {
				return
			}
		}
	}()
}

// pay writes each token once, and reports whether nothing is owed any more. The first
// that the store does not take ends the round: it is down for the others too.
func (c *Client) pay() bool {
	for owner, d := range c.outcomes.owes.All() {
		if !c.payOne(tokenstore.Key{Provider: c.name, Owner: owner}, d) {
			return false
		}
	}
	return c.outcomes.owesNothing()
}

func (c *Client) payOne(key tokenstore.Key, d debt) bool {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	err := c.update(ctx, key, d.old, d.next)
	switch {
	case err == nil:
		c.outcomes.put(key.Owner, d.next, nil)
		c.registry.log.InfoContext(ctx, "signon: a refreshed token that the store had missed is stored now", "provider", c.name, "owner", key.Owner)
	case errors.Is(err, tokenstore.ErrNotFound):
		c.abandon(ctx, d.next)
	case errors.Is(err, tokenstore.ErrConflict):
	default:
		return false
	}
	c.outcomes.settled(key.Owner, d.next)
	return true
}

// jitter is between a half of d and d, so that many that wait do not come at once.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2) }
