package tokengorm

import (
	"context"
	"database/sql"
	"errors"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/internal/gormdb"
	"github.com/seed1a301047/signon/tokenstore"
)

// FetchToken returns the token at key, expired or not, with its [tokenstore.Extra], or
// [tokenstore.ErrNotFound]. Its times are in UTC.
func (s *Store) FetchToken(ctx context.Context, key tokenstore.Key) (*oauth2.Token, error) {
	if err := check(ctx, key); err != nil {
		return nil, err
	}
	var found stored
	err := s.on().Row(ctx, s.sql.fetch, gormdb.Args{key.Provider, key.Owner}, found.fields()...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, tokenstore.ErrNotFound
	}
	if err != nil {
		return nil, wrap("fetch token", err)
	}
	return found.read(), nil
}

// SaveToken stores token at key, in place of whatever is there, and ends its lease. The
// row's version is the one that token's [tokenstore.Extra] has, or a random one.
func (s *Store) SaveToken(ctx context.Context, key tokenstore.Key, token *oauth2.Token) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	r, err := newRow(token, 0)
	if err != nil {
		return err
	}
	args := append([]any{key.Provider, key.Owner}, r.values()...)
	args = append(args, "", 0, 0, r.now, r.now)
	_, err = s.on().Exec(ctx, s.sql.save, args...)
	return wrap("save token", err)
}

// UpdateToken stores token at key if the token there is still old, by
// [tokenstore.Same] and, where old came from this store, by its version too; and ends
// its lease. Otherwise it changes nothing and returns [tokenstore.ErrConflict], or
// [tokenstore.ErrNotFound] where nothing is stored.
func (s *Store) UpdateToken(ctx context.Context, key tokenstore.Key, old, token *oauth2.Token) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	r, err := newRow(token, tokenstore.ExtraOf(old).Version)
	if err != nil {
		return err
	}
	return s.swap(ctx, key, old, change{"update token", s.sql.update, append(r.values(), r.now)})
}

// DeleteToken removes the token at key if it is still old, as UpdateToken compares it;
// else it returns what UpdateToken returns. With a nil old it removes whatever is there,
// and there may be nothing.
func (s *Store) DeleteToken(ctx context.Context, key tokenstore.Key, old *oauth2.Token) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	if old == nil {
		_, err := s.on().Exec(ctx, s.sql.remove+byKey, key.Provider, key.Owner)
		return wrap("delete token", err)
	}
	return s.swap(ctx, key, old, change{"delete token", s.sql.remove, nil})
}

// A change is a statement that lacks the condition which row it is about.
type change struct {
	name      string // for errors
	statement string
	args      gormdb.Args
}

// swap makes a change to the row of key, if it is still old.
func (s *Store) swap(ctx context.Context, key tokenstore.Key, old *oauth2.Token, c change) error {
	if old == nil {
		return s.conflict(ctx, key, c.name)
	}
	condition, args := same(key, old)
	n, err := s.on().Exec(ctx, c.statement+condition, append(c.args, args...)...)
	if err != nil {
		return wrap(c.name, err)
	}
	if n == 0 {
		return s.conflict(ctx, key, c.name)
	}
	return nil
}

// conflict tells why a row was not the old one.
func (s *Store) conflict(ctx context.Context, key tokenstore.Key, name string) error {
	if _, err := s.found(ctx, key); err != nil {
		return wrapOutage(name, err)
	}
	return tokenstore.ErrConflict
}

// check comes before anything is asked of the database.
func check(ctx context.Context, key tokenstore.Key) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return key.Check()
}
