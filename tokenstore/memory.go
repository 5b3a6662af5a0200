package tokenstore

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/internal/bounded"
)

// Memory keeps tokens in this process, until it ends. The zero value is ready to
// use; set its fields before the first call. Any number of goroutines may call its
// methods at once; it must not be copied and starts no goroutine of its own.
//
// Tokens are copied on their way in and out, so that the caller may change what
// it gave and got. What [oauth2.Token.Extra] reads is kept and not copied: it must
// not be changed.
//
// Each method refuses a key that [Key.Check] refuses. When its context is done it
// returns the context's error and changes nothing.
type Memory struct {
	// MaxTokens bounds the number of tokens. Above it, the token goes that was not
	// used for longest, and its owner must sign in again. If 0, 100,000; about half
	// a kilobyte each and what the token's strings take.
	MaxTokens int

	// MaxAge is how long a token stays that is neither read nor written. If 0, 30
	// days.
	MaxAge time.Duration

	once   sync.Once
	maxAge time.Duration
	tokens *bounded.Map[Key, memoryRow]
}

// A memoryRow is a token, which is never changed, and who refreshes it.
type memoryRow struct {
	token *oauth2.Token
	lease *memoryLease // nil: nobody does
}

type memoryLease struct {
	Lease
	ends time.Time
}

const (
	defaultMaxTokens = 100_000
	defaultMaxAge    = 30 * 24 * time.Hour
)

var errNoToken = errors.New("tokenstore: the token is nil or has no access token")

// FetchToken returns a copy of the token at key, expired or not, or [ErrNotFound].
func (m *Memory) FetchToken(ctx context.Context, key Key) (*oauth2.Token, error) {
	if err := m.start(ctx, key); err != nil {
		return nil, err
	}
	stored, ok := m.tokens.Touch(key, m.expiry())
	if !ok {
		return nil, ErrNotFound
	}
	return clone(stored.token), nil
}

// SaveToken stores a copy of token at key, in place of whatever is there.
func (m *Memory) SaveToken(ctx context.Context, key Key, token *oauth2.Token) error {
	if err := m.start(ctx, key); err != nil {
		return err
	}
	if token == nil || token.AccessToken == "" {
		return errNoToken
	}
	m.tokens.Put(key, memoryRow{token: clone(token)}, m.expiry())
	return nil
}

// UpdateToken stores a copy of token at key if the token there is still old, by
// [Same]. Of any number of callers with one old token, one succeeds; the others
// get [ErrConflict], as does a nil old. Where nothing is stored it returns
// [ErrNotFound] and stores nothing: a token that was deleted stays so.
func (m *Memory) UpdateToken(ctx context.Context, key Key, old, token *oauth2.Token) error {
	if err := m.start(ctx, key); err != nil {
		return err
	}
	if token == nil || token.AccessToken == "" {
		return errNoToken
	}
	return m.swap(key, old, clone(token))
}

// DeleteToken removes the token at key if it is still old, by [Same]; else it
// returns [ErrConflict], or [ErrNotFound] where nothing is stored. With a nil old
// it removes whatever is there, and there may be nothing.
func (m *Memory) DeleteToken(ctx context.Context, key Key, old *oauth2.Token) error {
	if err := m.start(ctx, key); err != nil {
		return err
	}
	if old == nil {
		m.tokens.Delete(key)
		return nil
	}
	return m.swap(key, old, nil)
}

// swap puts token, or nothing if nil, in the place of old.
func (m *Memory) swap(key Key, old, token *oauth2.Token) error {
	return m.change(key, old, func(memoryRow) (memoryRow, error) { return memoryRow{token: token}, nil })
}

// change replaces the row of old; one without a token goes.
func (m *Memory) change(key Key, old *oauth2.Token, f func(memoryRow) (memoryRow, error)) (err error) {
	m.tokens.Update(key, func(row memoryRow, ok bool) (memoryRow, time.Time, bool) {
		switch {
		case !ok:
			err = ErrNotFound
		case !Same(row.token, old):
			err = ErrConflict
		default:
			var next memoryRow
			if next, err = f(row); err == nil {
				row = next
			}
		}
		return row, m.expiry(), row.token != nil
	})
	return err
}

// LeaseToken makes Memory a [Leaser], by this process's clock: for tests, and for
// registries that share one Memory.
func (m *Memory) LeaseToken(ctx context.Context, key Key, old *oauth2.Token, lease Lease) error {
	if err := m.start(ctx, key); err != nil {
		return err
	}
	if err := lease.Check(); err != nil {
		return err
	}
	return m.change(key, old, func(row memoryRow) (memoryRow, error) {
		now := time.Now()
		held := row.lease != nil && now.Before(row.lease.ends)
		switch {
		case held && row.lease.Paused:
			return row, ErrPaused
		case held && row.lease.Holder != lease.Holder:
			return row, ErrLeased
		case lease.TTL == 0:
			return memoryRow{token: row.token}, nil
		}
		return memoryRow{token: row.token, lease: &memoryLease{lease, now.Add(lease.TTL)}}, nil
	})
}

// Tokens makes Memory a [Lister]. It yields what is there when it is called.
func (m *Memory) Tokens(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		if err := m.start(ctx, Key{"all", "all"}); err != nil {
			yield(Entry{}, err)
			return
		}
		for key, row := range m.tokens.All() {
			if err := ctx.Err(); err != nil {
				yield(Entry{}, err)
				return
			}
			if !yield(Entry{key, clone(row.token)}, nil) {
				return
			}
		}
	}
}

func (m *Memory) start(ctx context.Context, key Key) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.once.Do(func() {
		max := m.MaxTokens
		if max <= 0 {
			max = defaultMaxTokens
		}
		if m.maxAge = m.MaxAge; m.maxAge <= 0 {
			m.maxAge = defaultMaxAge
		}
		m.tokens = bounded.New[Key, memoryRow](max)
	})
	return key.Check()
}

func (m *Memory) expiry() time.Time { return time.Now().Add(m.maxAge) }

func clone(t *oauth2.Token) *oauth2.Token {
	c := *t
	return &c
}
