package sessionstore

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/seed1a301047/signon/internal/bounded"
)

// Memory is a [Store] in this process, until it ends. The zero value is ready to
// use; set its fields before the first call. It must not be copied and starts no
// goroutine.
//
// At most 262,144 claims are kept. Above that the oldest is forgotten before its
// time, and its key could be claimed again: to refuse would let anybody stop all
// logins.
type Memory struct {
	// MaxLogins bounds the number of logins. Above it, the login ends that was not
	// used for longest. If 0, 100,000; about one kilobyte each and what is sealed in
	// it.
	MaxLogins int

	once   sync.Once
	mu     sync.Mutex // over logins and index together
	logins *bounded.Map[string, *node]
	index  index
	claims *bounded.Map[string, struct{}]
}

var _ Store = (*Memory)(nil)

const (
	defaultMaxLogins = 100_000
	maxClaims        = 1 << 18
)

// CreateLogin stores a copy of rec; see [Store].
func (m *Memory) CreateLogin(ctx context.Context, rec *Record) error {
	if err := m.start(ctx); err != nil {
		return err
	}
	if err := rec.Check(); err != nil {
		return err
	}
	n := &node{rec: rec.Clone()}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.logins.Add(rec.ID, n, rec.ExpiresAt) {
		return ErrExists
	}
	m.index.add(n)
	return nil
}

// Login returns the login of that id; see [Store]. It allocates nothing.
func (m *Memory) Login(ctx context.Context, id string) (*Record, error) {
	if err := m.start(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.logins.Get(id)
	if !ok {
		return nil, ErrNotFound
	}
	return n.rec, nil
}

// TouchLogin moves LastSeen forward; see [Store].
func (m *Memory) TouchLogin(ctx context.Context, id string, at time.Time) error {
	if err := m.start(ctx); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.logins.Get(id)
	if !ok {
		return ErrNotFound
	}
	if at.After(n.rec.LastSeen) {
		rec := *n.rec // others may be reading it
		rec.LastSeen = at
		n.rec = &rec
	}
	return nil
}

// EndLogins removes the selected logins; see [Store].
func (m *Memory) EndLogins(ctx context.Context, by Selector) ([]*Record, error) {
	if err := m.start(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	recs, err := m.find(by)
	for _, rec := range recs {
		m.logins.Delete(rec.ID)
	}
	return recs, err
}

// Logins returns the selected logins; see [Store].
func (m *Memory) Logins(ctx context.Context, by Selector) ([]*Record, error) {
	if err := m.start(ctx); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.find(by)
}

// Claim takes key until then; see [Store].
func (m *Memory) Claim(ctx context.Context, key string, until time.Time) error {
	if err := m.start(ctx); err != nil {
		return err
	}
	if err := CheckClaim(key); err != nil {
		return err
	}
	if !time.Now().Before(until) {
		until = time.Unix(1, 0) // the map would keep a zero time for ever
	}
	if !m.claims.Add(key, struct{}{}, until) {
		return ErrClaimed
	}
	return nil
}

func (m *Memory) start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.once.Do(func() {
		max := m.MaxLogins
		if max <= 0 {
			max = defaultMaxLogins
		}
		m.index = make(index)
		m.logins = bounded.NewFunc(max, func(_ string, n *node) { m.index.remove(n) })
		m.claims = bounded.New[string, struct{}](maxClaims)
	})
	return nil
}

// find lists what by selects, under the lock.
func (m *Memory) find(by Selector) ([]*Record, error) {
	if err := by.Check(); err != nil {
		return nil, err
	}
	var recs []*Record
	now := time.Now()
	for rec := range m.candidates(by) {
		if by.Matches(rec) && now.Before(rec.ExpiresAt) {
			recs = append(recs, rec)
		}
	}
	slices.SortStableFunc(recs, func(a, b *Record) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return recs, nil
}
