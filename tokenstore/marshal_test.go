package tokenstore_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/tokenstore"
	"github.com/seed1a301047/signon/tokenstore/tokentest"
)

// blobs is a store that keeps each token as one text, as one over Redis would.
type blobs struct {
	mu   sync.Mutex
	rows map[tokenstore.Key][]byte
}

func (s *blobs) FetchToken(ctx context.Context, key tokenstore.Key) (*oauth2.Token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := check(ctx, key); err != nil {
		return nil, err
	}
	row, ok := s.rows[key]
	if !ok {
		return nil, tokenstore.ErrNotFound
	}
	return tokenstore.Unmarshal(row)
}

func (s *blobs) SaveToken(ctx context.Context, key tokenstore.Key, token *oauth2.Token) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, err := tokenstore.Marshal(token)
	if err == nil {
		err = check(ctx, key)
	}
	if err == nil {
		s.rows[key] = row
	}
	return err
}

func (s *blobs) UpdateToken(ctx context.Context, key tokenstore.Key, old, token *oauth2.Token) error {
	stored, err := s.FetchToken(ctx, key)
	if err == nil && !tokenstore.Same(stored, old) {
		err = tokenstore.ErrConflict
	}
	if err != nil {
		return err
	}
	row, err := tokenstore.Marshal(token)
	if err != nil {
		return err
	}
	return s.swap(key, stored, row)
}

func (s *blobs) DeleteToken(ctx context.Context, key tokenstore.Key, old *oauth2.Token) error {
	stored, err := s.FetchToken(ctx, key)
	switch {
	case err == tokenstore.ErrNotFound && old == nil:
		return nil
	case err != nil:
		return err
	case old != nil && !tokenstore.Same(stored, old):
		return tokenstore.ErrConflict
	}
	if old == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.rows, key)
		return nil
	}
	return s.swap(key, stored, nil)
}

func (s *blobs) swap(key tokenstore.Key, stored *oauth2.Token, row []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now, ok := s.rows[key]
	if !ok {
		return tokenstore.ErrNotFound
	}
	if token, err := tokenstore.Unmarshal(now); err != nil || !tokenstore.Same(token, stored) {
		return tokenstore.ErrConflict
	}
	if s.rows[key] = row; row == nil {
		delete(s.rows, key)
	}
	return nil
}

func check(ctx context.Context, key tokenstore.Key) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return key.Check()
}

// The whole contract, by Marshal and Unmarshal alone.
func TestMarshaledTokens(t *testing.T) {
	tokentest.Run(t, func(*testing.T) signon.TokenStore { return &blobs{rows: map[tokenstore.Key][]byte{}} })
}

func TestMarshalRefuses(t *testing.T) {
	for name, token := range map[string]*oauth2.Token{
		"nil": nil, "no access token": {RefreshToken: "r"}, "no UTF-8": {AccessToken: "secret\xff"},
	} {
		_, err := tokenstore.Marshal(token)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "secret")
	}
	for _, text := range []string{
		"", "null", "{}", "[]", `"secret"`, `{"access_token":"secret"`, `{"access_token":"secret","access_token":"b"}`,
		`{"Access_Token":"secret"}`, `{"access_token":"secret","more":1}`, `{"access_token":7}`, "{\"access_token\":\"secret\xff\"}",
	} {
		_, err := tokenstore.Unmarshal([]byte(text))
		require.Error(t, err, text)
		require.NotContains(t, err.Error(), "secret")
	}
}

func FuzzMarshal(f *testing.F) {
	f.Add("access", "Bearer", "refresh", int64(1795588226), int64(3600), "openid", "e30.e30.", int64(7), int64(0))
	f.Add("\x00", "", "'", int64(-1), int64(-5), "", "", int64(-7), int64(1)<<40)
	f.Fuzz(func(t *testing.T, access, kind, refresh string, expiry, in int64, scope, id string, version, until int64) {
		token := &oauth2.Token{AccessToken: access, TokenType: kind, RefreshToken: refresh, Expiry: time.Unix(expiry, 0).UTC(), ExpiresIn: in}
		extra := tokenstore.Extra{Scope: scope, IDToken: id, Version: version}
		if until > 0 {
			extra.Until = time.Unix(until, 0).UTC()
		}
		b, err := tokenstore.Marshal(extra.Put(token))
		if err != nil {
			return
		}
		got, err := tokenstore.Unmarshal(b)
		require.NoError(t, err)
		require.Equal(t, extra, tokenstore.ExtraOf(got))
		require.True(t, tokenstore.Same(token, got))
		require.Equal(t, []any{kind, in, token.Expiry}, []any{got.TokenType, got.ExpiresIn, got.Expiry})
	})
}
