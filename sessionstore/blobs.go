package sessionstore

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/seed1a301047/signon/internal/bounded"
)

// blobs keeps the sessions of scs in this process: what scs's own memory store
// does, with a bound and without a goroutine.
type blobs struct {
	sessions *bounded.Map[string, []byte]
}

var (
	_ scs.CtxStore         = (*blobs)(nil)
	_ scs.IterableCtxStore = (*blobs)(nil)
)

func newBlobs(max int) *blobs {
	return &blobs{sessions: bounded.New[string, []byte](max)}
}

func (s *blobs) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	b, ok := s.sessions.Get(token)
	return b, ok, nil // the Codec does not change it, nor hands out a part of it
}

func (s *blobs) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(b) > MaxSession {
		return fmt.Errorf("%w: %d bytes, want at most %d", ErrUnfit, len(b), MaxSession)
	}
	if !time.Now().Before(expiry) {
		s.sessions.Delete(token)
		return nil
	}
	s.sessions.Put(token, bytes.Clone(b), expiry)
	return nil
}

func (s *blobs) DeleteCtx(ctx context.Context, token string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.sessions.Delete(token)
	return nil
}

func (s *blobs) AllCtx(ctx context.Context) (map[string][]byte, error) {
	all := make(map[string][]byte)
	for token, b := range s.sessions.All() {
		all[token] = b
	}
	return all, ctx.Err()
}

// The methods below are for scs.Store, which has no context.

func (s *blobs) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

func (s *blobs) Commit(token string, b []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, b, expiry)
}

func (s *blobs) Delete(token string) error {
	return s.DeleteCtx(context.Background(), token)
}
