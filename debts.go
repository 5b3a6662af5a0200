package signon

import (
	"cmp"
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
// and written again in the background.
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
	writing, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	err = c.update(writing, key, found, next)
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

// update calls the store, whose panic must not cost the token either. A login that
// brought no refresh token may have kept the old one meanwhile, which is spent: then the
// new one takes its place beside that login's access token, and the conflict stays one.
func (c *Client) update(ctx context.Context, key tokenstore.Key, old, next *oauth2.Token) error {
	err := c.swap(ctx, key, old, next)
	if !errors.Is(err, tokenstore.ErrConflict) || old.RefreshToken == "" || old.RefreshToken == next.RefreshToken {
		return err
	}
	for range takeTries {
		found, failed := c.fetch(ctx, key)
		if failed != nil || found.RefreshToken != old.RefreshToken {
			return err
		}
		mended := tokenstore.ExtraOf(found).Put(found)
		mended.RefreshToken = next.RefreshToken
		if failed = c.swap(ctx, key, found, mended); !errors.Is(failed, tokenstore.ErrConflict) {
			return cmp.Or(failed, err)
		}
	}
	return err
}

func (c *Client) swap(ctx context.Context, key tokenstore.Key, old, next *oauth2.Token) error {
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
	minPayPause = 250 * time.Millisecond
	maxPayPause = 750 * time.Millisecond

	// maxPayFailures is after how many refusals a round ends: the store is down for the
	// others too.
	maxPayFailures = 100
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
			if !c.registry.going.sleep(pause, minPayPause) {
				return
			}
			if err := contain("the writing of refreshed tokens", c.pay); err != nil {
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

// errOwed: something is owed still.
var errOwed = errors.New("signon: the token store does not take what is owed to it")

// pay writes each token once. One that the store refuses does not keep it from the
// others; one that it does not answer ends the round.
func (c *Client) pay() error {
	failures := 0
	for owner, d := range c.outcomes.owes.All() {
		err := contain("the writing of a refreshed token", func() error {
			return c.payOne(tokenstore.Key{Provider: c.name, Owner: owner}, d)
		})
		if err == nil {
			continue
		}
		if failures++; failures == maxPayFailures || errors.Is(err, context.DeadlineExceeded) {
			break
		}
	}
	if c.outcomes.owesNothing() {
		return nil
	}
	return errOwed
}

func (c *Client) payOne(key tokenstore.Key, d debt) error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	err := c.update(ctx, key, d.old, d.next)
	switch {
	case err == nil:
		c.outcomes.put(key.Owner, d.next, nil)
		c.registry.log.InfoContext(ctx, "signon: a refreshed token that the store had missed is stored now", "provider", c.name, "owner", key.Owner)
	case errors.Is(err, tokenstore.ErrNotFound), errors.Is(err, tokenstore.ErrConflict):
	default:
		return err
	}
	c.outcomes.settled(key.Owner, d.next)
	if errors.Is(err, tokenstore.ErrNotFound) {
		c.abandon(ctx, d.next)
	}
	return nil
}

// jitter is between a half of d and d, so that many that wait do not come at once.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2) }
