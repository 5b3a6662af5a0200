package signon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/sessionstore"
)

const (
	// maxRevocations is how many tokens of ended logins are being revoked at one provider
	// at once, and maxRevocationsDue how many may wait for that.
	maxRevocations    = 16
	maxRevocationsDue = 1_000

	// revokeTimeout bounds one revocation, revokeWithin the wait for its turn.
	revokeTimeout = 10 * time.Second
	revokeWithin  = time.Minute
)

// revocations are those that go on without the logout which began them: a provider that
// is slow, or down, holds up nobody who leaves.
type revocations struct{ due, turn chan struct{} }

func newRevocations() *revocations {
	return &revocations{due: make(chan struct{}, maxRevocationsDue), turn: make(chan struct{}, maxRevocations)}
}

// revokes reports whether the token that a login owns is revoked when it ends. Whoever
// can open a URL can make a front-channel logout, and must not reach the provider by it.
// Nor does a token go to another issuer than its own.
func (c *Client) revokes(rec *sessionstore.Record, cause LogoutCause) bool {
	return c.p.RevokeOnLogout && c.keeper != nil && cause != LoggedOutFrontChannel &&
		c.issued(rec) && c.registry.checkRecord(rec) == nil
}

// revokeLater revokes a token that has been deleted, in the background and as well as it
// can: once, within a bound, and Shutdown waits for it.
func (c *Client) revokeLater(ctx context.Context, token *oauth2.Token) {
	g := c.registry
	select {
	case c.revocations.due <- struct{}{}:
	default:
		g.warn(ctx, "signon: the token of an ended login was not revoked: too many wait for the provider already", "provider", c.name, "waiting", maxRevocationsDue)
		return
	}
	g.going.begin()
	go func() {
		defer g.going.end()
		defer func() { <-c.revocations.due }()
		err := contain("a revocation", func() error { return c.revokeInTurn(ctx, token) })
		if errors.Is(err, errors.ErrUnsupported) {
			err = fmt.Errorf("%w; unset RevokeOnLogout, or set RevocationURL", err)
		}
		if err != nil {
			g.warn(ctx, "signon: the token of an ended login is deleted, but was not revoked", "provider", c.name, "error", err)
		}
	}()
}

func (c *Client) revokeInTurn(ctx context.Context, token *oauth2.Token) error {
	late := time.NewTimer(revokeWithin)
	defer late.Stop()
	select {
	case c.revocations.turn <- struct{}{}:
		defer func() { <-c.revocations.turn }()
	case <-c.registry.going.over:
		return errLost
	case <-late.C:
		return fmt.Errorf("signon: %s: the provider was busy with other revocations for %v: %w", c.name, revokeWithin, ErrProviderTimeout)
	}
	ctx, cancel := context.WithTimeout(ctx, revokeTimeout)
	defer cancel()
	return c.revoke(ctx, token)
}
