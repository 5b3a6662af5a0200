package sessiongorm

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/seed1a301047/signon/internal/gormdb"
	"github.com/seed1a301047/signon/sessionstore"
)

// The methods below make the Store an scs.CtxStore. The token is hashed here, whether or
// not the session manager's HashTokenInStore is set, as sessionstore.NewManager sets it:
// SE-14. They list no sessions, as scs's Iterate would have it: whose they are, a hash
// does not tell.

// FindCtx returns the session of a token, by one indexed read; false if there is none or
// it has expired.
func (s *Store) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	var b []byte
	err := s.within().Row(ctx, "SELECT data FROM signon_sessions WHERE token_hash = ? AND expires_at > ?",
		gormdb.Args{hash(token), millis(time.Now())}, &b)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, wrap("find a session", err)
	}
	return b, true, nil
}

// CommitCtx stores a session, in the place of the one that the token may have. One that
// has expired it deletes; one above [sessionstore.MaxSession] is an error that wraps
// [sessionstore.ErrUnfit].
func (s *Store) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	if len(b) > sessionstore.MaxSession {
		return wrap("commit a session", fmt.Errorf("%w: %d bytes, want %d at most", sessionstore.ErrUnfit, len(b), sessionstore.MaxSession))
	}
	if !time.Now().Before(expiry) {
		return s.DeleteCtx(ctx, token)
	}
	_, err := s.within().Exec(ctx, s.sql.commit, hash(token), bytesOf(b), millis(expiry))
	return wrap("commit a session", err)
}

// DeleteCtx deletes the session of a token; none is no error.
func (s *Store) DeleteCtx(ctx context.Context, token string) error {
	_, err := s.within().Exec(ctx, "DELETE FROM signon_sessions WHERE token_hash = ?", hash(token))
	return wrap("delete a session", err)
}

// Find is [Store.FindCtx] without a context.
func (s *Store) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit is [Store.CommitCtx] without a context.
func (s *Store) Commit(token string, b []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, b, expiry)
}

// Delete is [Store.DeleteCtx] without a context.
func (s *Store) Delete(token string) error {
	return s.DeleteCtx(context.Background(), token)
}
