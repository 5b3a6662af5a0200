package signon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/tokenstore"
)

// How often somebody who waits for another process's refresh looks: at first, and
// when it has waited for long.
const (
	minPoll = 50 * time.Millisecond
	maxPoll = 500 * time.Millisecond
)

// maxConflicts is how often in one flight a token may change between its reading and
// the lease without a pause.
const maxConflicts = 3

// A lease is one flight's part in deciding which of many processes refreshes.
type lease struct {
	store  tokenstore.Leaser // nil: the store has none, and each process refreshes
	key    tokenstore.Key
	name   string
	holder string        // this process: it gets the lease again whose giving it did not hear of
	held   *oauth2.Token // what the lease was taken for
	since  time.Time     // no later than when it began
	began  time.Time     // of the wait
	poll   time.Duration

	conflicts int
}

// newLease asks, here and nowhere else, whether the store that is updated has leases.
func (c *Client) newLease(key tokenstore.Key) *lease {
	store, _ := c.updater.(tokenstore.Leaser)
	return &lease{store: store, key: key, name: c.name, holder: c.registry.holder, began: time.Now(), poll: minPoll}
}

// What take found.
type leaseState int

const (
	taken   leaseState = iota // it is ours: refresh
	changed                   // the token is another one by now: read again
	busy                      // another process has it
)

// take asks for the lease of the stored token. A store that does not answer gives
// none, and the provider is not asked: what came could not be stored. It fails closed.
func (l *lease) take(ctx context.Context, stored *oauth2.Token) (leaseState, error) {
	if l.since = time.Now(); l.store == nil {
		return taken, nil
	}
	err := l.ask(ctx, stored, tokenstore.Lease{Holder: l.holder, TTL: leaseTime})
	switch {
	case err == nil:
		l.held = stored
		if l.late() {
			l.giveBack(ctx, 0)
			l.held = nil
			return busy, nil // too little is left of it
		}
		return taken, nil
	case errors.Is(err, errors.ErrUnsupported):
		l.store = nil
		return taken, nil
	case errors.Is(err, tokenstore.ErrConflict), errors.Is(err, tokenstore.ErrNotFound):
		if l.conflicts++; l.conflicts > maxConflicts {
			return busy, nil // a store that contradicts itself is not asked without a pause
		}
		return changed, nil
	case errors.Is(err, tokenstore.ErrLeased):
		return busy, nil
	case errors.Is(err, tokenstore.ErrPaused):
		return busy, fmt.Errorf("signon: %s: no refresh for now, since another process's has just failed: %w: %w", l.name, ErrUnavailable, err)
	}
	return busy, storeFault("token store", err)
}

// late reports that what is left of the lease may not be enough: nothing is sent then,
// since another process may soon send the same. A process may have stood still, or the
// store have taken its time.
func (l *lease) late() bool { return l.held != nil && time.Since(l.since) > retryWithin }

// over reports that another process may have the lease by now.
func (l *lease) over() bool { return l.held == nil || time.Since(l.since) > leaseTime }

// giveBack ends a lease whose refresh has failed; for the pause nobody gets another.
// One that succeeded has ended with its token. If the store does not hear of it, the
// lease runs out.
func (l *lease) giveBack(ctx context.Context, pause time.Duration) {
	if l.held != nil {
		_ = l.ask(ctx, l.held, tokenstore.Lease{Holder: l.holder, TTL: pause, Paused: pause > 0})
	}
}

func (l *lease) ask(ctx context.Context, old *oauth2.Token, want tokenstore.Lease) error {
	return contain("LeaseToken", func() error { return l.store.LeaseToken(ctx, l.key, old, want) })
}

// waitTime is how long somebody waits at most: until the lease of a process that died
// has run out, and then for the request of whoever got it, less what the answer takes to
// be within the sum of the two.
const waitTime = leaseTime + askTimeout - 2*time.Second

// wait is the pause before the next look. Whoever waits ends as soon as the token has
// changed.
func (l *lease) wait(ctx context.Context) error {
	if time.Since(l.began) > waitTime {
		return fmt.Errorf("signon: %s: other processes have been refreshing for %v, one after the other: %w", l.name, waitTime, ErrUnavailable)
	}
	timer := time.NewTimer(jitter(l.poll))
	defer timer.Stop()
	l.poll = min(l.poll*3/2, maxPoll)
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return storeFault("token store", ctx.Err())
	}
}
