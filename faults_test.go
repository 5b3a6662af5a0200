package signon_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/tokenstore"
)

// A saboteur makes the stores fail: by what it does in a method's place.
type saboteur struct {
	mu    sync.Mutex
	armed map[string]func() error
}

var errDown = errors.New("the store is down")

func down() error { return errDown }

// on has f run at the start of a method, such as "logins.Claim"; an error of it is
// the method's.
func (s *saboteur) on(method string, f func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.armed == nil {
		s.armed = map[string]func() error{}
	}
	s.armed[method] = f
}

func (s *saboteur) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = nil
}

func (s *saboteur) at(method string) error {
	s.mu.Lock()
	f := s.armed[method]
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	return f()
}

type faultyLogins struct {
	sessionstore.Store
	faults *saboteur
}

func (f faultyLogins) CreateLogin(ctx context.Context, rec *sessionstore.Record) error {
	if err := f.faults.at("logins.CreateLogin"); err != nil {
		return err
	}
	return f.Store.CreateLogin(ctx, rec)
}

// Login returns a record with an error too, as a careless store might.
func (f faultyLogins) Login(ctx context.Context, id string) (*sessionstore.Record, error) {
	rec, err := f.Store.Login(ctx, id)
	if failed := f.faults.at("logins.Login"); failed != nil {
		return rec, failed
	}
	return rec, err
}

func (f faultyLogins) TouchLogin(ctx context.Context, id string, at time.Time) error {
	if err := f.faults.at("logins.TouchLogin"); err != nil {
		return err
	}
	return f.Store.TouchLogin(ctx, id, at)
}

func (f faultyLogins) EndLogins(ctx context.Context, by sessionstore.Selector) ([]*sessionstore.Record, error) {
	if err := f.faults.at("logins.EndLogins"); err != nil {
		return nil, err
	}
	return f.Store.EndLogins(ctx, by)
}

func (f faultyLogins) Claim(ctx context.Context, key string, until time.Time) error {
	if err := f.faults.at("logins.Claim"); err != nil {
		return err
	}
	return f.Store.Claim(ctx, key, until)
}

type faultyTokens struct {
	*tokenstore.Memory
	faults *saboteur
}

// FetchToken returns a token with an error too, as a careless store might.
func (f faultyTokens) FetchToken(ctx context.Context, key tokenstore.Key) (*oauth2.Token, error) {
	token, err := f.Memory.FetchToken(ctx, key)
	if failed := f.faults.at("tokens.FetchToken"); failed != nil {
		return token, failed
	}
	return token, err
}

func (f faultyTokens) SaveToken(ctx context.Context, key tokenstore.Key, token *oauth2.Token) error {
	if err := f.faults.at("tokens.SaveToken"); err != nil {
		return err
	}
	return f.Memory.SaveToken(ctx, key, token)
}

func (f faultyTokens) DeleteToken(ctx context.Context, key tokenstore.Key, old *oauth2.Token) error {
	if err := f.faults.at("tokens.DeleteToken"); err != nil {
		return err
	}
	return f.Memory.DeleteToken(ctx, key, old)
}

// sessionBlobs is an scs.Store whose content can be looked at.
type sessionBlobs struct {
	faults *saboteur
	mu     sync.Mutex
	blobs  map[string][]byte
}

func (s *sessionBlobs) Find(key string) ([]byte, bool, error) {
	if err := s.faults.at("sessions.Find"); err != nil {
		return nil, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.blobs[key]
	return b, ok, nil
}

func (s *sessionBlobs) Commit(key string, b []byte, _ time.Time) error {
	if err := s.faults.at("sessions.Commit"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blobs == nil {
		s.blobs = map[string][]byte{}
	}
	s.blobs[key] = b
	return nil
}

func (s *sessionBlobs) Delete(key string) error {
	if err := s.faults.at("sessions.Delete"); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.blobs, key)
	return nil
}

// rewrite changes every stored session.
func (s *sessionBlobs) rewrite(f func([]byte) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, b := range s.blobs {
		s.blobs[key] = f(b)
	}
}

func (s *sessionBlobs) all() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := map[string][]byte{}
	for key, b := range s.blobs {
		c[key] = b
	}
	return c
}
