package signon_test

import (
	"context"
	"encoding/base64"
	"errors"
	"log"
	"net/http"
	"os"
	"sync"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/tokenstore"
)

// tokenTable is a TokenStore over a map. With a database each method is one
// statement, and what is compared here stands in its WHERE.
type tokenTable struct {
	mu   sync.Mutex
	rows map[tokenstore.Key]oauth2.Token
}

func (t *tokenTable) FetchToken(ctx context.Context, key tokenstore.Key) (*oauth2.Token, error) {
	if err := errors.Join(ctx.Err(), key.Check()); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	row, ok := t.rows[key]
	if !ok {
		return nil, tokenstore.ErrNotFound
	}
	return &row, nil
}

func (t *tokenTable) SaveToken(ctx context.Context, key tokenstore.Key, token *oauth2.Token) error {
	if err := errors.Join(ctx.Err(), key.Check(), checkToken(token)); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rows == nil {
		t.rows = map[tokenstore.Key]oauth2.Token{}
	}
	t.rows[key] = *token
	return nil
}

// UpdateToken is how a refreshed token comes in: only where the old one still is.
func (t *tokenTable) UpdateToken(ctx context.Context, key tokenstore.Key, old, token *oauth2.Token) error {
	if err := errors.Join(ctx.Err(), key.Check(), checkToken(token)); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	row, ok := t.rows[key]
	switch {
	case !ok:
		return tokenstore.ErrNotFound // signed out meanwhile, and that stays so
	case !tokenstore.Same(&row, old):
		return tokenstore.ErrConflict // somebody else was faster, and theirs counts
	}
	t.rows[key] = *token
	return nil
}

func (t *tokenTable) DeleteToken(ctx context.Context, key tokenstore.Key, old *oauth2.Token) error {
	if err := errors.Join(ctx.Err(), key.Check()); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	row, ok := t.rows[key]
	switch {
	case old != nil && !ok:
		return tokenstore.ErrNotFound
	case old != nil && !tokenstore.Same(&row, old):
		return tokenstore.ErrConflict
	}
	delete(t.rows, key)
	return nil
}

func checkToken(token *oauth2.Token) error {
	if token == nil || token.AccessToken == "" {
		return errors.New("no token to store")
	}
	return nil
}

// A store of your own keeps the tokens of all providers.
func ExampleTokenStore() {
	key, err := base64.StdEncoding.DecodeString(os.Getenv("SIGNON_KEY")) // openssl rand -base64 32
	if err != nil {
		log.Fatal(err)
	}
	auth, err := signon.New(signon.Config{
		BaseURL: "https://app.example.com",
		Keys:    [][]byte{key}, // the table gets sealed tokens only
		Tokens:  &tokenTable{},
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/auth/", auth.Handler())
}
