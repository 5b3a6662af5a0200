package tokenstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"golang.org/x/oauth2"
)

var (
	// ErrLeased: somebody else holds the lease, and it has not run out.
	ErrLeased = errors.New("tokenstore: another process is refreshing the token")
	// ErrPaused: a refresh has failed a moment ago, and nobody is to try for a while.
	ErrPaused = errors.New("tokenstore: a refresh of the token has failed a moment ago")
)

// A Lease is the right to refresh a token for a while.
type Lease struct {
	Holder string        // who has it: another for each process. Required
	TTL    time.Duration // from now, by the store's clock and not the caller's. 0 gives the lease back

	// Paused turns the holder's lease into a pause: for TTL nobody gets a lease, the
	// holder neither.
	Paused bool
}

// MaxLease is the longest TTL of a [Lease].
const MaxLease = 2 * time.Minute

// Check returns an error if the lease has no holder, one that no [Key] may have as a
// part, a TTL below 0 or above [MaxLease], or is a pause of no time. Every store refuses
// such a lease.
func (l Lease) Check() error {
	switch {
	case l.TTL < 0 || l.TTL > MaxLease:
		return fmt.Errorf("tokenstore: the lease's TTL is %v, want 0 to %v", l.TTL, MaxLease)
	case l.Paused && l.TTL == 0:
		return errors.New("tokenstore: the lease is a pause of no time: leave Paused out to give it back")
	}
	return checkPart("lease holder", l.Holder)
}

// A Leaser is a store that many processes share and that can let one of them
// refresh a token. Without it each process refreshes once, and the store's
// compare-and-swap decides whose answer stays; a provider that rotates refresh
// tokens may then take the second request for a theft (RFC 9700 section 4.14.2).
type Leaser interface {
	// LeaseToken gives the lease of the token at key to lease.Holder, if the stored
	// token is still old, by [Same], and the lease is free, has run out, or is the
	// holder's already: then it is prolonged, given back, or made a pause. It is one
	// compare-and-swap. Otherwise it changes nothing and returns [ErrLeased],
	// [ErrPaused], [ErrConflict] or [ErrNotFound].
	//
	// A lease ends too when its token is updated, saved or deleted. One that wraps a
	// store without leases returns [errors.ErrUnsupported].
	LeaseToken(ctx context.Context, key Key, old *oauth2.Token, lease Lease) error
}

// An Entry is a stored token and its key.
type Entry struct {
	Key   Key
	Token *oauth2.Token
}

// A Lister is a store that can be walked, to seal what is in it with a new key.
type Lister interface {
	// Tokens yields each token that is there from the beginning of the walk to its
	// end, once; one that comes or goes meanwhile it may yield. It holds nothing open
	// between two tokens, so that the caller may change them. An error ends it. One
	// that wraps a store that cannot be walked yields [errors.ErrUnsupported].
	Tokens(ctx context.Context) iter.Seq2[Entry, error]
}
