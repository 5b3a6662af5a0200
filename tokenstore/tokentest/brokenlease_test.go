package tokentest_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/seed1a301047/signon/tokenstore"
)

type lease = tokenstore.Lease

// changeLease is a store that changes each lease that is asked for.
func changeLease(f func(*lease)) *store {
	s := &store{}
	s.lease = func(c ctx, k key, old *token, l lease) error {
		if l.Check() == nil {
			f(&l)
		}
		return s.Memory.LeaseToken(c, k, old, l)
	}
	return s
}

// leaseError is a store whose LeaseToken returns another error.
func leaseError(f func(error) error) *store {
	s := &store{}
	s.lease = func(c ctx, k key, old *token, l lease) error { return f(s.Memory.LeaseToken(c, k, old, l)) }
	return s
}

func prolongsNever() *store {
	s := &store{}
	var holders sync.Map
	s.lease = func(c ctx, k key, old *token, l lease) error {
		if holder, ok := holders.Load(k); ok && holder == l.Holder && l.TTL > 0 {
			return tokenstore.ErrLeased
		}
		err := s.Memory.LeaseToken(c, k, old, l)
		if err == nil {
			holders.Store(k, l.Holder)
		}
		return err
	}
	return s
}

// leasesApart keeps leases beside the tokens, where no write ends them.
func leasesApart() *store {
	s := &store{}
	var apart tokenstore.Memory
	s.lease = func(c ctx, k key, old *token, l lease) error {
		stored, err := s.Memory.FetchToken(c, k)
		if err != nil {
			return err
		}
		if !tokenstore.Same(stored, old) {
			return tokenstore.ErrConflict
		}
		if _, err := apart.FetchToken(c, k); err != nil {
			_ = apart.SaveToken(c, k, &token{AccessToken: "lease"})
		}
		return apart.LeaseToken(c, k, &token{AccessToken: "lease"}, l)
	}
	return s
}

func leasesAnyToken() *store {
	s := &store{}
	s.lease = func(c ctx, k key, _ *token, l lease) error {
		stored, err := s.Memory.FetchToken(c, k)
		if err != nil {
			return err
		}
		return s.Memory.LeaseToken(c, k, stored, l)
	}
	return s
}

// leaseWrites is a store that writes the token again with the lease.
func leaseWrites() *store {
	s := &store{}
	s.lease = func(c ctx, k key, old *token, l lease) error {
		if stored, err := s.Memory.FetchToken(c, k); err == nil && tokenstore.ExtraOf(stored).Version != 0 {
			extra := tokenstore.ExtraOf(stored)
			extra.Version++
			_ = s.Memory.SaveToken(c, k, extra.Put(stored))
		}
		return s.Memory.LeaseToken(c, k, old, l)
	}
	return s
}

func leaseInTwoSteps() *store {
	s := &store{}
	var mu sync.Mutex
	holders := make(map[key]string)
	s.lease = func(c ctx, k key, _ *token, l lease) error {
		mu.Lock()
		holder := holders[k]
		mu.Unlock()
		if holder != "" && holder != l.Holder {
			return tokenstore.ErrLeased
		}
		pause()
		mu.Lock()
		defer mu.Unlock()
		holders[k] = l.Holder
		return nil
	}
	return s
}

func leaseIgnoresContext() *store {
	s := &store{}
	s.lease = func(c ctx, k key, old *token, l lease) error {
		return s.Memory.LeaseToken(context.WithoutCancel(c), k, old, l)
	}
	return s
}

func leaseWithoutHolder() *store {
	s := &store{}
	s.lease = func(c ctx, k key, old *token, l lease) error {
		l.Holder = "holder " + strings.ToValidUTF8(strings.ReplaceAll(l.Holder, "\x00", ""), "")
		l.TTL = max(l.TTL, 0)
		return s.Memory.LeaseToken(c, k, old, l)
	}
	return s
}

// walks is a store that yields what f makes of all its entries.
func walks(f func([]tokenstore.Entry) []tokenstore.Entry) *store {
	s := &store{}
	s.walk = func(c ctx) iter.Seq2[tokenstore.Entry, error] {
		return func(yield func(tokenstore.Entry, error) bool) {
			for _, e := range f(entries(c, s)) {
				if c.Err() != nil {
					yield(tokenstore.Entry{}, c.Err())
					return
				}
				if !yield(e, nil) {
					return
				}
			}
			if c.Err() != nil {
				yield(tokenstore.Entry{}, c.Err())
			}
		}
	}
	return s
}

func entries(c ctx, s *store) (all []tokenstore.Entry) {
	for e := range s.Memory.Tokens(context.WithoutCancel(c)) {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b tokenstore.Entry) int {
		return strings.Compare(a.Key.Provider+"\x00"+a.Key.Owner, b.Key.Provider+"\x00"+b.Key.Owner)
	})
	return all
}

// walksByNumber reads ten at a time, by how many it has read.
func walksByNumber() *store {
	s := &store{}
	s.walk = func(c ctx) iter.Seq2[tokenstore.Entry, error] {
		return func(yield func(tokenstore.Entry, error) bool) {
			for read := 0; ; read += 10 {
				all := entries(c, s)
				if read >= len(all) {
					return
				}
				for _, e := range all[read:min(read+10, len(all))] {
					if !yield(e, nil) {
						return
					}
				}
			}
		}
	}
	return s
}

func walkIgnoresContext() *store {
	s := &store{}
	s.walk = func(c ctx) iter.Seq2[tokenstore.Entry, error] { return s.Memory.Tokens(context.WithoutCancel(c)) }
	return s
}
