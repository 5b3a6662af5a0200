package discovery

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed1a301047/signon/internal/outbound"
)

const (
	maxGrace     = 5 * time.Minute        // after the end of its freshness, a copy serves while it is renewed
	staleIfError = 24 * time.Hour         // ... and still serves in an outage
	patience     = 2 * time.Second        // what a caller with a stale copy waits for a fresh one
	firstBackoff = 250 * time.Millisecond // between failed fetches, doubled each time ...
	maxBackoff   = 30 * time.Second       // ... up to this
	maxRetry     = 5 * time.Minute        // the longest Retry-After that is heeded
)

var (
	errTarries = errors.New("oidc: the provider tarries")
	errLost    = errors.New("oidc: the HTTP client ended the fetch")
)

// cached is one thing that is fetched and kept. A copy goes through four ages:
//
//	fresh             served; no lock, no allocation
//	a tenth longer    served, while one fetch runs in the background
//	stale, a day      one fetch is waited for, a little; if it fails or tarries, served
//	older, or none    one fetch is waited for; if it fails, an error
//
// After a failed fetch nobody fetches until the back-off is over. The fetch is
// a flight of its own: all who want it share it, and it lives on its own context.
type cached[T any] struct {
	budget time.Duration // of one fetch
	fetch  func(context.Context) (*T, time.Duration, error)
	landed func(old, value *T) // after a new copy is in place; may be nil
	copy   atomic.Pointer[kept[T]]

	mu      sync.Mutex
	flight  *flight[T] // in the air, or nil
	err     error      // of the last fetch, or nil
	backoff time.Duration
	retryAt time.Time
	forced  bucket
}

type kept[T any] struct {
	value              *T
	renew, stale, dead time.Time
}

type flight[T any] struct {
	done     chan struct{} // closed when value and err are set
	value    *T
	err      error
	outdated bool // what it was sent for has changed meanwhile; under the lock
}

func newCached[T any](budget time.Duration, fetch func(context.Context) (*T, time.Duration, error)) *cached[T] {
	return &cached[T]{budget: budget, fetch: fetch}
}

// get returns the copy, or fetches it.
func (c *cached[T]) get(ctx context.Context) (*T, error) {
	if k := c.copy.Load(); k != nil && time.Now().Before(k.renew) {
		return k.value, nil
	}
	return c.renewed(ctx)
}

func (c *cached[T]) renewed(ctx context.Context) (*T, error) {
	k, f, err := c.board()
	now := time.Now()
	switch {
	case k != nil && (now.Before(k.stale) || f == nil && now.Before(k.dead)):
		return k.value, nil
	case f == nil:
		return nil, err
	case k == nil || !now.Before(k.dead):
		return f.wait(ctx, nil)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	value, err := f.wait(ctx, timer.C)
	if err != nil && ctx.Err() == nil {
		return k.value, nil
	}
	return value, err
}

// board returns the copy and the flight that will renew it: the one in the air,
// or a new one. There is none while the copy is fresh, which it may have become
// on the way to the lock, and none during back-off, when err is the reason.
func (c *cached[T]) board() (k *kept[T], f *flight[T], err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k = c.copy.Load()
	now := time.Now()
	switch {
	case k != nil && now.Before(k.renew):
		return k, nil, nil
	case c.flight == nil && now.Before(c.retryAt):
		return k, nil, c.err
	case c.flight == nil:
		c.start()
	}
	return k, c.flight, nil
}

// refresh fetches now, or joins the fetch in the air. During back-off, and
// beyond what the bucket holds, it returns the current copy.
func (c *cached[T]) refresh(ctx context.Context) (*T, error) {
	if c.copy.Load() == nil {
		return c.get(ctx)
	}
	f := c.force()
	if f == nil {
		return c.get(ctx)
	}
	return f.wait(ctx, nil)
}

func (c *cached[T]) force() *flight[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); c.flight == nil && !now.Before(c.retryAt) && c.forced.take(now) {
		c.start()
	}
	return c.flight
}

// start puts a flight into the air. The caller holds the lock.
func (c *cached[T]) start() {
	f := &flight[T]{done: make(chan struct{})}
	c.flight = f
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), c.budget)
		defer cancel()
		var value *T
		var ttl time.Duration
		err := errLost
		defer func() { c.land(f, value, ttl, err) }() // even if the fetch ends its goroutine
		value, ttl, err = c.guarded(ctx)
	}()
}

// guarded keeps a panic in the application's transport from ending the process.
func (c *cached[T]) guarded(ctx context.Context) (value *T, ttl time.Duration, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("oidc: the HTTP client panicked with a %T", p)
		}
	}()
	return c.fetch(ctx)
}

// land takes in what a flight brought, and then lets those go who wait for it.
func (c *cached[T]) land(f *flight[T], value *T, ttl time.Duration, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(f.done)
	now := time.Now()
	f.value, f.err = value, err
	c.flight, c.err = nil, err
	if err != nil {
		c.backOff(now, err)
		return
	}
	c.backoff, c.retryAt = 0, time.Time{}
	k := &kept[T]{
		value: value,
		renew: now.Add(ttl),
		stale: now.Add(ttl + min(ttl/10, maxGrace)),
		dead:  now.Add(ttl + staleIfError),
	}
	if f.outdated {
		k.renew, k.stale = now, now
	}
	old := c.last()
	c.copy.Store(k)
	if c.landed != nil {
		c.landed(old, value)
	}
}

// backOff decides when to try again. Where the fetch failed at another cache,
// it is that one which backs off.
func (c *cached[T]) backOff(now time.Time, err error) {
	if _, ok := errors.AsType[*elsewhereError](err); ok {
		return
	}
	c.backoff = min(max(2*c.backoff, firstBackoff), maxBackoff)
	c.retryAt = now.Add(max(c.backoff, retryAfter(err)))
}

// elsewhereError is the error of one cache as another's fetch met it.
type elsewhereError struct{ error }

func (e *elsewhereError) Unwrap() error { return e.error }

func retryAfter(err error) time.Duration {
	status, ok := errors.AsType[*outbound.StatusError](err)
	if !ok {
		return 0
	}
	return min(status.RetryAfter, maxRetry)
}

// expire makes the copy stale, and that which a flight in the air will bring,
// because where they come from has changed.
func (c *cached[T]) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flight != nil {
		c.flight.outdated = true
	}
	if k := c.copy.Load(); k != nil {
		now := time.Now()
		c.copy.Store(&kept[T]{value: k.value, renew: now, stale: now, dead: k.dead})
	}
}

// last returns the copy, however old, or nil.
func (c *cached[T]) last() *T {
	if k := c.copy.Load(); k != nil {
		return k.value
	}
	return nil
}

// wait returns what the flight brings, unless the caller leaves or late fires.
func (f *flight[T]) wait(ctx context.Context, late <-chan time.Time) (*T, error) {
	select {
	case <-f.done:
		return f.value, f.err
	default:
	}
	select {
	case <-f.done:
		return f.value, f.err
	case <-late:
		return nil, errTarries
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
