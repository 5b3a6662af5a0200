// Package bounded holds what may go: a map that never outgrows its bound and
// forgets what has expired, without a goroutine.
//
//	seen := bounded.New[string, time.Time](1000)
//	seen.Put("key", time.Now(), time.Now().Add(time.Minute))
//	when, ok := seen.Get("key")
//
// When it is full, the entry goes that was not used for longest. An expired entry
// is never found; its memory is freed bit by bit as others are put.
package bounded

import (
	"iter"
	"sync"
	"time"
)

// sweep is how many entries each Put looks at for their expiry: more than it
// adds, so that what has expired cannot pile up.
const sweep = 3

// A Map is a bounded map whose entries expire. Make one with [New]. Any number of
// goroutines may use it at once; values are handed out as they were put.
type Map[K comparable, V any] struct {
	mu      sync.Mutex
	max     int
	removed func(K, V)
	entries map[K]*entry[K, V]
	list    entry[K, V]  // the head of a ring: next is the last used, prev the first to go
	hand    *entry[K, V] // where the sweep goes on
}

type entry[K comparable, V any] struct {
	prev, next *entry[K, V]
	key        K
	value      V
	expiry     time.Time
}

// New returns an empty map of at most max entries. It panics if max is not
// positive.
func New[K comparable, V any](max int) *Map[K, V] {
	return NewFunc[K, V](max, nil)
}

// NewFunc is [New] with a function that hears of each entry that leaves, whatever
// the reason; a new value for the same key is none. It is called under the map's
// lock and must not use the map.
func NewFunc[K comparable, V any](max int, removed func(K, V)) *Map[K, V] {
	if max <= 0 {
		panic("bounded: max must be positive")
	}
	m := &Map[K, V]{max: max, removed: removed, entries: make(map[K]*entry[K, V])}
	m.list.prev, m.list.next = &m.list, &m.list
	m.hand = &m.list
	return m
}

// Get returns the value at k.
func (m *Map[K, V]) Get(k K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.live(k); e != nil {
		m.use(e)
		return e.value, true
	}
	var none V
	return none, false
}

// Touch is [Map.Get], and gives what it finds a new expiry.
func (m *Map[K, V]) Touch(k K, expiry time.Time) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.live(k); e != nil {
		e.expiry = expiry
		m.use(e)
		return e.value, true
	}
	var none V
	return none, false
}

// Put stores v at k until expiry, or for ever if expiry is zero.
func (m *Map[K, V]) Put(k K, v V, expiry time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(k, v, expiry)
}

// Add is [Map.Put] if nothing is at k, and reports whether that was so. Of any
// number of callers at once, one adds. An entry that is there is not used by it.
func (m *Map[K, V]) Add(k K, v V, expiry time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live(k) != nil {
		return false
	}
	m.put(k, v, expiry)
	return true
}

// Update calls f with the value at k, or with false where there is none, and
// does as f says: puts the value that it returns, or, where keep is false, leaves
// nothing at k. No other call comes between. f must not use the map.
func (m *Map[K, V]) Update(k K, f func(v V, ok bool) (value V, expiry time.Time, keep bool)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var old V
	e := m.live(k)
	if e != nil {
		old = e.value
	}
	switch v, expiry, keep := f(old, e != nil); {
	case keep:
		m.put(k, v, expiry)
	case e != nil:
		m.remove(e)
	}
}

// Delete removes what is at k and returns it.
func (m *Map[K, V]) Delete(k K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.live(k); e != nil {
		m.remove(e)
		return e.value, true
	}
	var none V
	return none, false
}

// Len returns the number of entries, with those that have expired and were not
// yet swept.
func (m *Map[K, V]) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.entries)
}

// All returns what is in the map now, the last used first. The loop may use the
// map.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, e := range m.snapshot() {
			if !yield(e.key, e.value) {
				return
			}
		}
	}
}

func (m *Map[K, V]) snapshot() []entry[K, V] {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	all := make([]entry[K, V], 0, len(m.entries))
	for e := m.list.next; e != &m.list; e = e.next {
		if !e.expired(now) {
			all = append(all, entry[K, V]{key: e.key, value: e.value})
		}
	}
	return all
}

// live finds the entry at k, and removes it if it has expired.
func (m *Map[K, V]) live(k K) *entry[K, V] {
	e := m.entries[k]
	if e != nil && e.expired(time.Now()) {
		m.remove(e)
		return nil
	}
	return e
}

func (m *Map[K, V]) put(k K, v V, expiry time.Time) {
	m.sweep()
	if e := m.entries[k]; e != nil {
		e.value, e.expiry = v, expiry
		m.use(e)
		return
	}
	if len(m.entries) >= m.max {
		m.remove(m.list.prev)
	}
	e := &entry[K, V]{key: k, value: v, expiry: expiry}
	m.entries[k] = e
	m.link(e)
}

// sweep goes round the ring a few entries at a time, from the least used on.
func (m *Map[K, V]) sweep() {
	now := time.Now()
	for range sweep {
		if m.hand == &m.list {
			m.hand = m.list.prev
		}
		e := m.hand
		if e == &m.list {
			return // nothing there
		}
		m.hand = e.prev
		if e.expired(now) {
			m.remove(e)
		}
	}
}

func (m *Map[K, V]) remove(e *entry[K, V]) {
	m.unlink(e)
	delete(m.entries, e.key)
	if m.removed != nil {
		m.removed(e.key, e.value)
	}
}

func (m *Map[K, V]) use(e *entry[K, V]) {
	if m.list.next != e {
		m.unlink(e)
		m.link(e)
	}
}

func (m *Map[K, V]) link(e *entry[K, V]) {
	e.prev, e.next = &m.list, m.list.next
	e.prev.next, e.next.prev = e, e
}

func (m *Map[K, V]) unlink(e *entry[K, V]) {
	if m.hand == e {
		m.hand = e.prev
	}
	e.prev.next, e.next.prev = e.next, e.prev
}

func (e *entry[K, V]) expired(now time.Time) bool {
	return !e.expiry.IsZero() && !now.Before(e.expiry)
}
