package sessiontest_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/seed1a301047/signon/sessionstore"
)

// looksOnce looks at a login's expiry when it is created and never again.
func looksOnce() *store {
	return change(func(r *record) {
		if time.Now().Before(r.ExpiresAt) {
			r.ExpiresAt = r.ExpiresAt.Add(time.Hour)
		}
	})
}

func seconds() *store {
	return change(func(r *record) {
		r.CreatedAt, r.LastSeen = r.CreatedAt.Truncate(time.Second), r.LastSeen.Truncate(time.Second)
	})
}

// oneError has one error for every context that is done.
func oneError() *store {
	s := &store{}
	s.login = func(c ctx, id string) (*record, error) {
		if c.Err() != nil {
			return nil, context.Canceled
		}
		return s.Memory.Login(c, id)
	}
	return s
}

func untilNUL(s string) string {
	s, _, _ = strings.Cut(s, "\x00")
	return s
}

func cutsRecords() *store {
	return change(func(r *record) {
		for _, p := range []*string{&r.ID, &r.Provider, &r.Owner, &r.Issuer, &r.Subject, &r.SID, &r.UserAgent} {
			*p = untilNUL(*p)
		}
	})
}

func cutsSelectors() *store {
	s := &store{}
	s.end = func(c ctx, by selector) ([]*record, error) {
		by.Provider = untilNUL(by.Provider)
		return s.Memory.EndLogins(c, by)
	}
	return s
}

// refusesIDs is what a database does with a NUL.
func refusesIDs() *store {
	s := &store{}
	s.login = func(c ctx, id string) (*record, error) {
		if id != untilNUL(id) {
			return nil, errors.New("invalid byte sequence")
		}
		return s.Memory.Login(c, id)
	}
	return s
}

// takesAnewInTwoSteps decides at once who claims a new key, but not who an old one.
func takesAnewInTwoSteps() *store {
	s := &store{}
	var claimed sync.Map
	s.claim = func(_ ctx, key string, until time.Time) error {
		held, loaded := claimed.LoadOrStore(key, until)
		if !loaded {
			return nil
		}
		if time.Now().Before(held.(time.Time)) {
			return sessionstore.ErrClaimed
		}
		pause()
		claimed.Store(key, until)
		return nil
	}
	return s
}

// endsTheNext removes by id what it has read before, though it be another by then.
func endsTheNext() *store {
	s := change(func(*record) { pause() })
	s.end = func(c ctx, by selector) ([]*record, error) {
		recs, err := s.Memory.Logins(c, by)
		pause()
		var ended []*record
		for _, rec := range recs {
			if gone, _ := s.Memory.EndLogins(c, selector{ID: rec.ID}); len(gone) > 0 {
				ended = append(ended, rec)
			}
		}
		return ended, err
	}
	return s
}

func endsAndLeaves() *store {
	s := &store{}
	s.end = func(c ctx, by selector) ([]*record, error) {
		recs, err := s.Memory.EndLogins(c, by)
		pause()
		return recs, errors.Join(err, c.Err())
	}
	return s
}
