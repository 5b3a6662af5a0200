package signon

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/internal/bounded"
	"github.com/seed1a301047/signon/internal/outbound"
	"github.com/seed1a301047/signon/tokenstore"
)

const (
	// refreshPause is how long a refresh that failed is not tried again, and how
	// long a token that has just come is not given up for an API's 401.
	refreshPause = 5 * time.Second

	// pausedElsewhere is how long the store is not asked again whether the pause of
	// another process is over.
	pausedElsewhere = time.Second

	// maxRefreshPause bounds what a provider's Retry-After makes of it.
	maxRefreshPause = time.Minute

	// debtLife is how long a token is kept that the store does not take.
	debtLife = 24 * time.Hour

	maxOutcomes = 10_000

	// maxFlights is for how many refreshes at once there must be room among the debts.
	maxFlights = 2_000
)

// outcomes remembers, for a while and for a bounded number of owners, how their
// last refresh ended.
type outcomes struct {
	paused atomic.Pointer[providerPause]
	last   *bounded.Map[string, outcome]
	owes   *bounded.Map[string, debt]
}

type outcome struct {
	refreshToken, accessToken string
	err                       error // nil: it brought this token
}

// debt is a token that the store has not taken yet.
type debt struct{ old, next *oauth2.Token }

func newOutcomes() *outcomes {
	return &outcomes{last: bounded.New[string, outcome](maxOutcomes), owes: bounded.New[string, debt](maxOutcomes)}
}

func (o *outcomes) put(owner string, token *oauth2.Token, err error) {
	o.putFor(owner, token, err, pauseAfter(err))
}

func (o *outcomes) putFor(owner string, token *oauth2.Token, err error, life time.Duration) {
	o.last.Put(owner, outcome{token.RefreshToken, token.AccessToken, err}, time.Now().Add(life))
}

// pauseAfter is how long a refresh that ended so is not tried again: as long as the
// provider asks for, if that is not forever.
func pauseAfter(err error) time.Duration {
	if se, ok := errors.AsType[*outbound.StatusError](err); ok {
		return min(max(se.RetryAfter, refreshPause), maxRefreshPause)
	}
	return refreshPause
}

func (o *outcomes) forget(owner string) {
	o.owes.Delete(owner)
	o.last.Delete(owner)
}

// A providerPause is for how long a provider wants no request of anybody (RFC 6585
// section 4), and what it said.
type providerPause struct {
	until time.Time
	err   error
}

// pause keeps everybody from asking for as long as the provider has said, where it was to
// say that it wants fewer requests: a refusal of one of them, which may come with a
// Retry-After too, says nothing of the others. What they hear is about them: it names
// neither whose request it was nor by which grant.
func (o *outcomes) pause(provider string, err error) {
	se, ok := errors.AsType[*outbound.StatusError](err)
	if !ok || se.RetryAfter <= 0 || !retryable(se.Status) {
		return
	}
	err = fmt.Errorf("signon: %s: the provider wants no requests for tokens for a while: %w: %w", provider, ErrUnavailable, se)
	o.paused.Store(&providerPause{time.Now().Add(pauseAfter(err)), err})
}

// recentFailure is how the refresh of this very token failed a moment ago.
func (o *outcomes) recentFailure(owner string, token *oauth2.Token) error {
	if last, ok := o.last.Get(owner); ok && last.refreshToken == token.RefreshToken {
		return last.err
	}
	if p := o.paused.Load(); p != nil && time.Now().Before(p.until) {
		return p.err
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

// settled forgets the debt of this very token: a flight that comes late must not end
// that of a later one.
func (o *outcomes) settled(owner string, next *oauth2.Token) {
	o.owes.Update(owner, func(d debt, ok bool) (debt, time.Time, bool) {
		return d, time.Now().Add(debtLife), ok && !tokenstore.Same(d.next, next)
	})
}

// full reports that there may be no room for another debt: then nothing is to be
// refreshed whose answer could get lost.
func (o *outcomes) full() bool { return o.owes.Len() > maxOutcomes-maxFlights }

func (o *outcomes) owesNothing() bool {
	for range o.owes.All() {
		return false
	}
	return true
}

// owed is the token that replaces the stored one, if the store has missed it.
func (o *outcomes) owed(owner string, stored *oauth2.Token) *oauth2.Token {
	if d, ok := o.owes.Get(owner); ok && tokenstore.Same(d.old, stored) {
		return d.next
	}
	return nil
}
