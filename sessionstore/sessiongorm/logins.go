package sessiongorm

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/seed1a301047/signon/internal/gormdb"
	"github.com/seed1a301047/signon/sessionstore"
)

// CreateLogin stores a copy of rec; see [sessionstore.Store].
func (s *Store) CreateLogin(ctx context.Context, rec *sessionstore.Record) error {
	if err := rec.Check(); err != nil {
		return err
	}
	expires := millis(rec.ExpiresAt)
	row := gormdb.Args{
		rec.ID, rec.Provider, rec.Owner, rec.Issuer, rec.Subject, rec.SID,
		bytesOf(rec.IDToken), bytesOf(rec.UserInfo), rec.UserAgent,
		millis(rec.CreatedAt), millis(rec.LastSeen), expires, expires, "",
	}
	db := s.within()
	created, err := db.Exec(ctx, s.sql.createLogin, row...)
	if err != nil || created == 1 {
		return wrap("create a login", err)
	}
	// An id whose login has expired is free.
	freed, err := db.Exec(ctx, "DELETE FROM signon_logins WHERE id = ? AND gone_at <= ?", rec.ID, millis(time.Now()))
	if err != nil {
		return wrap("create a login", err)
	}
	if freed == 1 {
		created, err = db.Exec(ctx, s.sql.createLogin, row...)
	}
	if err != nil || created == 1 {
		return wrap("create a login", err)
	}
	return sessionstore.ErrExists
}

// live is what a row must be like to be seen.
const live = " AND ended_by = '' AND expires_at > ?"

// Login returns the login of that id, by one indexed read; see [sessionstore.Store].
func (s *Store) Login(ctx context.Context, id string) (*sessionstore.Record, error) {
	if (sessionstore.Selector{ID: id}).Check() != nil {
		return nil, sessionstore.ErrNotFound
	}
	var row recordRow
	err := s.within().Row(ctx, selectRecords+"id = ?"+live,
		gormdb.Args{id, millis(time.Now())}, row.columns()...)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, sessionstore.ErrNotFound
	}
	if err != nil {
		return nil, wrap("read a login", err)
	}
	return row.record(), nil
}

// TouchLogin moves LastSeen forward; see [sessionstore.Store].
func (s *Store) TouchLogin(ctx context.Context, id string, at time.Time) error {
	if (sessionstore.Selector{ID: id}).Check() != nil {
		return sessionstore.ErrNotFound
	}
	db, seen, now := s.within(), millis(at), millis(time.Now())
	moved, err := db.Exec(ctx, "UPDATE signon_logins SET last_seen = ? WHERE id = ?"+live+" AND last_seen < ?", seen, id, now, seen)
	if err != nil || moved == 1 {
		return wrap("touch a login", err)
	}
	// It was seen later already, or it is not there.
	var one int
	err = db.Row(ctx, "SELECT 1 FROM signon_logins WHERE id = ?"+live, gormdb.Args{id, now}, &one)
	if errors.Is(err, sql.ErrNoRows) {
		return sessionstore.ErrNotFound
	}
	return wrap("touch a login", err)
}

// Logins returns the selected logins; see [sessionstore.Store].
func (s *Store) Logins(ctx context.Context, by sessionstore.Selector) ([]*sessionstore.Record, error) {
	if err := by.Check(); err != nil {
		return nil, err
	}
	where, args := whereOf(by)
	recs, err := gormdb.Query(ctx, s.within(), selectRecords+where+live+newestFirst, append(args, millis(time.Now())), scanRecord)
	return recs, wrap("list logins", err)
}

// leftover is how long a row may stay that has ended and that nobody has deleted, because
// a process died just then.
const leftover = time.Minute

// EndLogins removes the selected logins; see [sessionstore.Store]. Once it has begun it
// goes on though ctx ends: what it has ended, somebody must hear of.
//
// The first statement decides, and from then on nobody is signed in by these logins: it
// writes a random mark, and whoever comes second finds none without one. If the second
// fails, they have ended, and the error says so. If the first does, nobody knows: a
// database that did not answer in time may still do it.
func (s *Store) EndLogins(ctx context.Context, by sessionstore.Selector) ([]*sessionstore.Record, error) {
	if err := ctx.Err(); err != nil {
		return nil, wrap("end logins", err)
	}
	if err := by.Check(); err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx) // each statement is bounded by Timeout
	db, now, mark := s.within(), time.Now(), rand.Text()
	where, args := whereOf(by)

	ended, err := db.Exec(ctx, "UPDATE signon_logins SET ended_by = ?, gone_at = ? WHERE "+where+live,
		join(gormdb.Args{mark, millis(now.Add(leftover))}, args, gormdb.Args{millis(now)})...)
	if err != nil || ended == 0 {
		return nil, wrap("end logins", err)
	}
	marked := join(args, gormdb.Args{mark})
	recs, err := gormdb.Query(ctx, db, selectRecords+where+" AND ended_by = ?"+newestFirst, marked, scanRecord)
	if err != nil {
		return nil, wrap(fmt.Sprintf("%d logins have ended, but which", ended), err)
	}
	// If this fails, DeleteExpired will do it: nobody sees them any more.
	_, _ = db.Exec(ctx, "DELETE FROM signon_logins WHERE "+where+" AND ended_by = ?", marked...)
	return recs, nil
}
