package tokentest_test

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/tokenstore"
)

type (
	ctx   = context.Context
	key   = tokenstore.Key
	token = oauth2.Token
)

// A store is Memory, broken in one way: a nil function is the right one.
type store struct {
	tokenstore.Memory
	fetch  func(ctx, key) (*token, error)
	save   func(ctx, key, *token) error
	update func(c ctx, k key, old, t *token) error
	delete func(ctx, key, *token) error
	lease  func(ctx, key, *token, lease) error
	walk   func(ctx) iter.Seq2[tokenstore.Entry, error]
}

func (s *store) FetchToken(c ctx, k key) (*token, error) {
	if s.fetch != nil {
		return s.fetch(c, k)
	}
	return s.Memory.FetchToken(c, k)
}

func (s *store) SaveToken(c ctx, k key, t *token) error {
	if s.save != nil {
		return s.save(c, k, t)
	}
	return s.Memory.SaveToken(c, k, t)
}

func (s *store) UpdateToken(c ctx, k key, old, t *token) error {
	if s.update != nil {
		return s.update(c, k, old, t)
	}
	return s.Memory.UpdateToken(c, k, old, t)
}

func (s *store) DeleteToken(c ctx, k key, old *token) error {
	if s.delete != nil {
		return s.delete(c, k, old)
	}
	return s.Memory.DeleteToken(c, k, old)
}

func (s *store) LeaseToken(c ctx, k key, old *token, l lease) error {
	if s.lease != nil {
		return s.lease(c, k, old, l)
	}
	return s.Memory.LeaseToken(c, k, old, l)
}

func (s *store) Tokens(c ctx) iter.Seq2[tokenstore.Entry, error] {
	if s.walk != nil {
		return s.walk(c)
	}
	return s.Memory.Tokens(c)
}

// rekey is a store that changes each key on its way.
func rekey(change func(key) key) *store {
	s := &store{}
	s.fetch = func(c ctx, k key) (*token, error) { return s.Memory.FetchToken(c, change(k)) }
	s.save = func(c ctx, k key, t *token) error { return s.Memory.SaveToken(c, change(k), t) }
	s.update = func(c ctx, k key, old, t *token) error { return s.Memory.UpdateToken(c, change(k), old, t) }
	s.delete = func(c ctx, k key, old *token) error { return s.Memory.DeleteToken(c, change(k), old) }
	s.lease = func(c ctx, k key, old *token, l lease) error { return s.Memory.LeaseToken(c, change(k), old, l) }
	return s
}

// extras is a store that changes what it keeps beside a token's fields.
func extras(f func(*tokenstore.Extra)) *store {
	keep := func(t *token) *token {
		if t == nil {
			return nil
		}
		e := tokenstore.ExtraOf(t)
		f(&e)
		return e.Put(t)
	}
	s := &store{}
	s.save = func(c ctx, k key, t *token) error { return s.Memory.SaveToken(c, k, keep(t)) }
	s.update = func(c ctx, k key, old, t *token) error { return s.Memory.UpdateToken(c, k, old, keep(t)) }
	return s
}

// change is a store that changes each token before it stores it, and loses its extras.
func change(f func(*token)) *store {
	s := &store{}
	s.save = func(c ctx, k key, t *token) error {
		if t != nil {
			t = t.WithExtra(nil)
			f(t)
		}
		return s.Memory.SaveToken(c, k, t)
	}
	return s
}

func join(k key, s string) key {
	if k.Check() != nil {
		return k
	}
	return key{Provider: "all", Owner: s}
}

func nilForMiss() *store {
	s := &store{}
	s.fetch = func(c ctx, k key) (*token, error) {
		t, err := s.Memory.FetchToken(c, k)
		if errors.Is(err, tokenstore.ErrNotFound) {
			return nil, nil
		}
		return t, err
	}
	return s
}

// pointers is a store that shares its tokens with its callers.
func pointers(in, out bool) *store {
	s := &store{}
	var tokens sync.Map
	s.save = func(c ctx, k key, t *token) error {
		err := s.Memory.SaveToken(c, k, t)
		if err == nil && out {
			t = t.WithExtra(nil)
		}
		if err == nil {
			tokens.Store(k, t)
		}
		return err
	}
	s.fetch = func(c ctx, k key) (*token, error) {
		got, err := s.Memory.FetchToken(c, k)
		shared, ok := tokens.Load(k)
		if err != nil || !ok || !in && !out {
			return got, err
		}
		return shared.(*token), nil
	}
	return s
}

func noCopyIn() *store  { return pointers(true, false) }
func noCopyOut() *store { return pointers(false, true) }

func changesArgument() *store {
	s := &store{}
	s.save = func(c ctx, k key, t *token) error {
		err := s.Memory.SaveToken(c, k, t)
		if err == nil {
			t.RefreshToken = ""
		}
		return err
	}
	return s
}

func forgetsExpired() *store {
	s := &store{}
	s.fetch = func(c ctx, k key) (*token, error) {
		t, err := s.Memory.FetchToken(c, k)
		if err == nil && !t.Expiry.IsZero() && t.Expiry.Before(time.Now()) {
			return nil, tokenstore.ErrNotFound
		}
		return t, err
	}
	return s
}

func savesOnce() *store {
	s := &store{}
	s.save = func(c ctx, k key, t *token) error {
		if _, err := s.Memory.FetchToken(c, k); err == nil {
			return nil
		}
		return s.Memory.SaveToken(c, k, t)
	}
	return s
}

func merges() *store {
	s := &store{}
	s.save = func(c ctx, k key, t *token) error {
		if old, err := s.Memory.FetchToken(c, k); err == nil && t.RefreshToken == "" {
			t = t.WithExtra(nil)
			t.RefreshToken = old.RefreshToken
		}
		return s.Memory.SaveToken(c, k, t)
	}
	return s
}

func storesNil() *store {
	s := &store{}
	s.save = func(c ctx, k key, t *token) error {
		if t == nil || t.AccessToken == "" {
			t = &token{AccessToken: "none"}
		}
		return s.Memory.SaveToken(c, k, t)
	}
	return s
}

func updatesWithoutScope() *store {
	s := &store{}
	s.update = func(c ctx, k key, old, t *token) error {
		if t != nil {
			t = t.WithExtra(nil)
		}
		return s.Memory.UpdateToken(c, k, old, t)
	}
	return s
}

func noCompare() *store {
	s := &store{}
	s.update = func(c ctx, k key, _, t *token) error {
		if _, err := s.Memory.FetchToken(c, k); err != nil {
			return err
		}
		return s.Memory.SaveToken(c, k, t)
	}
	return s
}

func halfCompare() *store {
	s := &store{}
	s.update = func(c ctx, k key, old, t *token) error {
		stored, err := s.Memory.FetchToken(c, k)
		if err == nil && old != nil && old.AccessToken == stored.AccessToken {
			old = stored
		}
		return s.Memory.UpdateToken(c, k, old, t)
	}
	return s
}

func updateCreates() *store {
	s := &store{}
	s.update = func(c ctx, k key, old, t *token) error {
		err := s.Memory.UpdateToken(c, k, old, t)
		if errors.Is(err, tokenstore.ErrNotFound) {
			return s.Memory.SaveToken(c, k, t)
		}
		return err
	}
	return s
}

func noUpdate() *store {
	s := &store{}
	s.update = func(c ctx, k key, old, _ *token) error { return s.Memory.UpdateToken(c, k, old, old) }
	return s
}

func missOnDelete() *store {
	s := &store{}
	s.delete = func(c ctx, k key, old *token) error {
		if _, err := s.Memory.FetchToken(c, k); err != nil {
			return err
		}
		return s.Memory.DeleteToken(c, k, old)
	}
	return s
}

func noCompareOnDelete() *store {
	s := &store{}
	s.delete = func(c ctx, k key, _ *token) error { return s.Memory.DeleteToken(c, k, nil) }
	return s
}

// byToken updates and deletes where the token is, whoever's it is.
func byToken() *store {
	s := &store{}
	var first sync.Map // from access token to key
	s.save = func(c ctx, k key, t *token) error {
		if t != nil {
			first.LoadOrStore(t.AccessToken, k)
		}
		return s.Memory.SaveToken(c, k, t)
	}
	owner := func(k key, old *token) key {
		if old != nil && k.Check() == nil {
			if found, ok := first.Load(old.AccessToken); ok {
				return found.(key)
			}
		}
		return k
	}
	s.update = func(c ctx, k key, old, t *token) error { return s.Memory.UpdateToken(c, owner(k, old), old, t) }
	s.delete = func(c ctx, k key, old *token) error { return s.Memory.DeleteToken(c, owner(k, old), old) }
	return s
}

func missesIncomplete() *store {
	s := &store{}
	s.fetch = func(c ctx, k key) (*token, error) {
		if k.Check() != nil {
			return nil, tokenstore.ErrNotFound
		}
		return s.Memory.FetchToken(c, k)
	}
	return s
}

func ignoresContext() *store {
	s := &store{}
	s.save = func(c ctx, k key, t *token) error { return s.Memory.SaveToken(context.WithoutCancel(c), k, t) }
	return s
}

func late() *store {
	s := &store{}
	s.update = func(c ctx, k key, old, t *token) error {
		return errors.Join(s.Memory.UpdateToken(context.WithoutCancel(c), k, old, t), c.Err())
	}
	return s
}

// pause lets all others come between: the tests run in a synctest bubble.
func pause() { time.Sleep(time.Nanosecond) }

func twoSteps() *store {
	s := &store{}
	s.update = func(c ctx, k key, old, t *token) error {
		stored, err := s.Memory.FetchToken(c, k)
		if err != nil {
			return err
		}
		if !tokenstore.Same(stored, old) {
			return tokenstore.ErrConflict
		}
		pause()
		return s.Memory.SaveToken(c, k, t)
	}
	return s
}

func deleteInTwoSteps() *store {
	s := &store{}
	s.delete = func(c ctx, k key, old *token) error {
		stored, err := s.Memory.FetchToken(c, k)
		if old == nil {
			return s.Memory.DeleteToken(c, k, nil)
		}
		if err != nil {
			return err
		}
		if !tokenstore.Same(stored, old) {
			return tokenstore.ErrConflict
		}
		pause()
		return s.Memory.DeleteToken(c, k, nil)
	}
	return s
}

func oneSlot() *store {
	return rekey(func(k key) key { return join(k, "everybody") })
}
