package tokengorm

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/internal/gormdb"
	"github.com/seed1a301047/signon/tokenstore"
)

// LeaseToken gives the lease of the token at key to lease.Holder, as
// [tokenstore.Leaser] says. Deadlines are by the database's clock.
func (s *Store) LeaseToken(ctx context.Context, key tokenstore.Key, old *oauth2.Token, lease tokenstore.Lease) error {
	if err := check(ctx, key); err != nil {
		return err
	}
	if err := lease.Check(); err != nil {
		return err
	}
	const name = "lease token"
	if old == nil {
		return s.conflict(ctx, key, name)
	}
	condition, args := same(key, old)
	args = append(leaseArgs(lease), append(args, lease.Holder)...)
	n, err := s.on().Exec(ctx, s.sql.lease+condition+s.sql.leaseFree, args...)
	if err != nil || n > 0 {
		return wrap(name, err)
	}
	now, err := s.found(ctx, key)
	if err != nil {
		return wrapOutage(name, err)
	}
	return now.refusal(old)
}

// leaseArgs are who is to hold the lease and for how many milliseconds. Where nobody is
// to hold it, it is free or paused.
func leaseArgs(lease tokenstore.Lease) gormdb.Args {
	if lease.TTL == 0 {
		return gormdb.Args{"", int64(0)}
	}
	ms := (lease.TTL + time.Millisecond - 1).Milliseconds()
	if lease.Paused {
		return gormdb.Args{"", ms}
	}
	return gormdb.Args{lease.Holder, ms}
}

// A found is a row as it was when a statement had changed nothing.
type found struct {
	version int64
	token   oauth2.Token
	holder  string
	held    bool
}

func (s *Store) found(ctx context.Context, key tokenstore.Key) (f found, err error) {
	err = s.on().Row(ctx, s.sql.found, gormdb.Args{key.Provider, key.Owner},
		&f.version, &f.token.AccessToken, &f.token.RefreshToken, &f.holder, &f.held)
	if errors.Is(err, sql.ErrNoRows) {
		return f, tokenstore.ErrNotFound
	}
	return f, err
}

// refusal is why a lease was not given. Where there is no reason any more, the lease was
// another's when it was asked for.
func (f found) refusal(old *oauth2.Token) error {
	version := tokenstore.ExtraOf(old).Version
	switch {
	case !tokenstore.Same(&f.token, old), version != 0 && version != f.version:
		return tokenstore.ErrConflict
	case f.held && f.holder == "":
		return tokenstore.ErrPaused
	}
	return tokenstore.ErrLeased
}
