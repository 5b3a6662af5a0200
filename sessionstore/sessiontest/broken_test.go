package sessiontest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/seed1a301047/signon/sessionstore"
)

type (
	ctx      = context.Context
	record   = sessionstore.Record
	selector = sessionstore.Selector
)

// A store is Memory, broken in one way: a nil function is the right one.
type store struct {
	sessionstore.Memory
	create func(ctx, *record) error
	login  func(ctx, string) (*record, error)
	touch  func(ctx, string, time.Time) error
	end    func(ctx, selector) ([]*record, error)
	list   func(ctx, selector) ([]*record, error)
	claim  func(ctx, string, time.Time) error
}

func (s *store) CreateLogin(c ctx, rec *record) error {
	if s.create != nil {
		return s.create(c, rec)
	}
	return s.Memory.CreateLogin(c, rec)
}

func (s *store) Login(c ctx, id string) (*record, error) {
	if s.login != nil {
		return s.login(c, id)
	}
	return s.Memory.Login(c, id)
}

func (s *store) TouchLogin(c ctx, id string, at time.Time) error {
	if s.touch != nil {
		return s.touch(c, id, at)
	}
	return s.Memory.TouchLogin(c, id, at)
}

func (s *store) EndLogins(c ctx, by selector) ([]*record, error) {
	if s.end != nil {
		return s.end(c, by)
	}
	return s.Memory.EndLogins(c, by)
}

func (s *store) Logins(c ctx, by selector) ([]*record, error) {
	if s.list != nil {
		return s.list(c, by)
	}
	return s.Memory.Logins(c, by)
}

func (s *store) Claim(c ctx, key string, until time.Time) error {
	if s.claim != nil {
		return s.claim(c, key, until)
	}
	return s.Memory.Claim(c, key, until)
}

// pause lets all others come between: the tests run in a synctest bubble.
func pause() { time.Sleep(time.Nanosecond) }

// change is a store that changes each record before it stores it.
func change(f func(*record)) *store {
	s := &store{}
	s.create = func(c ctx, rec *record) error {
		rec = rec.Clone()
		f(rec)
		return s.Memory.CreateLogin(c, rec)
	}
	return s
}

func nilForMiss() *store {
	s := &store{}
	s.login = func(c ctx, id string) (*record, error) {
		rec, err := s.Memory.Login(c, id)
		if errors.Is(err, sessionstore.ErrNotFound) {
			return nil, nil
		}
		return rec, err
	}
	return s
}

func missOnEnd() *store {
	s := &store{}
	s.end = func(c ctx, by selector) ([]*record, error) {
		recs, err := s.Memory.EndLogins(c, by)
		if err == nil && len(recs) == 0 {
			err = sessionstore.ErrNotFound
		}
		return recs, err
	}
	return s
}

func createReplaces() *store {
	s := &store{}
	s.create = func(c ctx, rec *record) error {
		if rec.Check() == nil {
			_, _ = s.Memory.EndLogins(c, selector{ID: rec.ID})
		}
		return s.Memory.CreateLogin(c, rec)
	}
	return s
}

func noCopyIn() *store {
	s := &store{}
	var given sync.Map
	s.create = func(c ctx, rec *record) error {
		given.Store(rec.ID, rec)
		return s.Memory.CreateLogin(c, rec)
	}
	s.login = func(c ctx, id string) (*record, error) {
		rec, err := s.Memory.Login(c, id)
		if err == nil {
			shared, _ := given.Load(id)
			rec = shared.(*record)
		}
		return rec, err
	}
	return s
}

// replace stores another record for one that may be there.
func (s *store) replace(c ctx, rec *record) error {
	if _, err := s.Memory.EndLogins(c, selector{ID: rec.ID}); err != nil {
		return err
	}
	return s.Memory.CreateLogin(c, rec)
}

func touchBy(f func(seen, at time.Time) time.Time) *store {
	s := &store{}
	s.touch = func(c ctx, id string, at time.Time) error {
		rec, err := s.Memory.Login(c, id)
		if err != nil {
			return err
		}
		rec = rec.Clone()
		rec.LastSeen = f(rec.LastSeen, at)
		return s.replace(c, rec)
	}
	return s
}

func touchInPlace() *store {
	s := &store{}
	var mu sync.Mutex
	s.touch = func(c ctx, id string, at time.Time) error {
		rec, err := s.Memory.Login(c, id)
		mu.Lock()
		defer mu.Unlock()
		if err == nil && at.After(rec.LastSeen) {
			rec.LastSeen = at
		}
		return err
	}
	return s
}

// touchCreates writes the record back whole, as scs does with its sessions.
func touchCreates() *store {
	s := &store{}
	var known sync.Map
	s.create = func(c ctx, rec *record) error {
		known.Store(rec.ID, rec.Clone())
		return s.Memory.CreateLogin(c, rec)
	}
	s.touch = func(c ctx, id string, at time.Time) error {
		if err := s.Memory.TouchLogin(c, id, at); !errors.Is(err, sessionstore.ErrNotFound) {
			pause()
			rec, ok := known.Load(id)
			if err == nil && ok {
				_ = s.Memory.CreateLogin(c, rec.(*record))
			}
			return err
		}
		if rec, ok := known.Load(id); ok {
			return s.Memory.CreateLogin(c, rec.(*record))
		}
		return sessionstore.ErrNotFound
	}
	return s
}

func touchInTwoSteps() *store {
	s := &store{}
	s.touch = func(c ctx, id string, at time.Time) error {
		rec, err := s.Memory.Login(c, id)
		if err != nil {
			return err
		}
		pause()
		rec = rec.Clone()
		if at.After(rec.LastSeen) {
			rec.LastSeen = at
		}
		return s.replace(c, rec)
	}
	return s
}

func endNothing() *store {
	s := &store{}
	s.end = func(c ctx, by selector) ([]*record, error) { return s.Memory.Logins(c, by) }
	return s
}

func endInSilence() *store {
	s := &store{}
	s.end = func(c ctx, by selector) ([]*record, error) {
		_, err := s.Memory.EndLogins(c, by)
		return nil, err
	}
	return s
}

func prolongs() *store {
	return change(func(r *record) {
		if time.Now().After(r.ExpiresAt) && !r.ExpiresAt.IsZero() {
			r.ExpiresAt = time.Now().Add(time.Hour)
		}
	})
}

// showsExpired keeps a record for an hour more.
func showsExpired() *store {
	return change(func(r *record) {
		if !r.ExpiresAt.IsZero() {
			r.ExpiresAt = r.ExpiresAt.Add(time.Hour)
		}
	})
}

func ignoresContext() *store {
	s := &store{}
	s.end = func(c ctx, by selector) ([]*record, error) {
		return s.Memory.EndLogins(context.WithoutCancel(c), by)
	}
	return s
}

func lateClaim() *store {
	s := &store{}
	s.claim = func(c ctx, key string, until time.Time) error {
		return errors.Join(s.Memory.Claim(context.WithoutCancel(c), key, until), c.Err())
	}
	return s
}

// selectBy is a store that goes through all records and selects with matches.
func selectBy(matches func(selector, *record) bool) *store {
	s := &store{}
	var mu sync.Mutex
	var ids []string
	s.create = func(c ctx, rec *record) error {
		mu.Lock()
		defer mu.Unlock()
		ids = append(ids, rec.ID)
		return s.Memory.CreateLogin(c, rec)
	}
	s.list = func(c ctx, by selector) (recs []*record, err error) {
		mu.Lock()
		defer mu.Unlock()
		for _, id := range ids {
			if rec, err := s.Memory.Login(c, id); err == nil && matches(by, rec) {
				recs = append(recs, rec)
			}
		}
		return recs, c.Err()
	}
	return s
}

func byAny(s selector, r *record) bool {
	return s.ID != "" && s.ID == r.ID || s.Owner != "" && s.Owner == r.Owner ||
		s.SID != "" && s.SID == r.SID || s.Subject != "" && s.Subject == r.Subject
}

func byNoIssuer(s selector, r *record) bool {
	s.Issuer = ""
	return s.Matches(r)
}

// oneSlot remembers the last login of a subject only.
func oneSlot() *store {
	s := &store{}
	var last sync.Map
	s.create = func(c ctx, rec *record) error {
		last.Store(rec.Issuer+" "+rec.Subject, rec.ID)
		return s.Memory.CreateLogin(c, rec)
	}
	s.end = func(c ctx, by selector) ([]*record, error) {
		if id, ok := last.Load(by.Issuer + " " + by.Subject); ok {
			by.ID = id.(string)
		}
		return s.Memory.EndLogins(c, by)
	}
	return s
}

func reverses() *store {
	s := &store{}
	s.list = func(c ctx, by selector) ([]*record, error) {
		recs, err := s.Memory.Logins(c, by)
		slices.Reverse(recs)
		return recs, err
	}
	return s
}

func claimAt(f func(time.Time) time.Time) *store {
	s := &store{}
	s.claim = func(c ctx, key string, until time.Time) error { return s.Memory.Claim(c, key, f(until)) }
	return s
}

func claimOf(f func(string) string) *store {
	s := &store{}
	s.claim = func(c ctx, key string, until time.Time) error { return s.Memory.Claim(c, f(key), until) }
	return s
}

func claimInTwoSteps() *store {
	s := &store{}
	var claimed sync.Map
	s.claim = func(c ctx, key string, until time.Time) error {
		if _, ok := claimed.Load(key); ok {
			return sessionstore.ErrClaimed
		}
		pause()
		claimed.Store(key, true)
		return nil
	}
	return s
}

func createInTwoSteps() *store {
	s := &store{}
	s.create = func(c ctx, rec *record) error {
		if err := rec.Check(); err != nil {
			return err
		}
		if _, err := s.Memory.Login(c, rec.ID); err == nil {
			return sessionstore.ErrExists
		}
		pause()
		return s.replace(c, rec)
	}
	return s
}

func endInTwoSteps() *store {
	s := &store{}
	s.end = func(c ctx, by selector) ([]*record, error) {
		recs, err := s.Memory.Logins(c, by)
		pause()
		for _, rec := range recs {
			_, _ = s.Memory.EndLogins(c, selector{ID: rec.ID})
		}
		return recs, err
	}
	return s
}

// mixes keeps what it works on in one place for all callers.
func mixes() *store {
	s := &store{}
	var mu sync.Mutex
	var current string
	s.touch = func(c ctx, id string, at time.Time) error {
		mu.Lock()
		current = id
		mu.Unlock()
		pause()
		mu.Lock()
		defer mu.Unlock()
		return s.Memory.TouchLogin(c, current, at)
	}
	return s
}
