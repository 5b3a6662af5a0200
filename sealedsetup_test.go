package signon_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/tokenstore"
)

// rowStore is what an application gives as Config.Tokens: it notes what it is called
// with, and can be made to fail or wait before a call.
type rowStore struct {
	tokenstore.Memory
	before trap // is told the method by its context

	mu    sync.Mutex
	calls []string
	seen  strings.Builder // all arguments, in full
}

type calledKey struct{}

// called is the method whose trap ctx comes from.
func called(ctx context.Context) string { return ctx.Value(calledKey{}).(string) }

func (s *rowStore) note(ctx context.Context, method string, args ...any) error {
	s.mu.Lock()
	s.calls = append(s.calls, method)
	for _, arg := range args {
		fmt.Fprintf(&s.seen, "%+v %#v\n", arg, arg)
		if token, ok := arg.(*oauth2.Token); ok && token != nil {
			fmt.Fprintf(&s.seen, "%+v %+v\n", *token, tokenstore.ExtraOf(token))
		}
	}
	s.mu.Unlock()
	return s.before.spring(context.WithValue(ctx, calledKey{}, method))
}

// took returns the calls since it was last asked.
func (s *rowStore) took() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := strings.Join(s.calls, " ")
	s.calls = nil
	return calls
}

func (s *rowStore) FetchToken(ctx context.Context, key tokenstore.Key) (*oauth2.Token, error) {
	if err := s.note(ctx, "fetch", key); err != nil {
		return nil, err
	}
	return s.Memory.FetchToken(ctx, key)
}

func (s *rowStore) SaveToken(ctx context.Context, key tokenstore.Key, token *oauth2.Token) error {
	if err := s.note(ctx, "save", key, token); err != nil {
		return err
	}
	return s.Memory.SaveToken(ctx, key, token)
}

func (s *rowStore) UpdateToken(ctx context.Context, key tokenstore.Key, old, token *oauth2.Token) error {
	if err := s.note(ctx, "update", key, old, token); err != nil {
		return err
	}
	return s.Memory.UpdateToken(ctx, key, old, token)
}

func (s *rowStore) DeleteToken(ctx context.Context, key tokenstore.Key, old *oauth2.Token) error {
	if err := s.note(ctx, "delete", key, old); err != nil {
		return err
	}
	return s.Memory.DeleteToken(ctx, key, old)
}

func (s *rowStore) LeaseToken(ctx context.Context, key tokenstore.Key, old *oauth2.Token, lease tokenstore.Lease) error {
	if err := s.note(ctx, "lease", key, old, lease); err != nil {
		return err
	}
	return s.Memory.LeaseToken(ctx, key, old, lease)
}

// row is what is stored at key, sealed.
func (s *rowStore) row(tb testing.TB, key tokenstore.Key) *oauth2.Token {
	tb.Helper()
	row, err := s.Memory.FetchToken(tb.Context(), key)
	require.NoError(tb, err)
	return row
}

// put is what somebody does who can write to the store.
func (s *rowStore) put(tb testing.TB, key tokenstore.Key, row *oauth2.Token) {
	tb.Helper()
	require.NoError(tb, s.Memory.SaveToken(tb.Context(), key, row))
}

// A keyring says which of the keys 1, 2, 3 a registry has, the first in front.
func keyring(numbers ...int) [][]byte {
	keys := make([][]byte, len(numbers))
	for i, n := range numbers {
		keys[i] = sum(fmt.Sprint("key ", n))
	}
	return keys
}

// sealing is the registry over a store with the keys.
func sealing(tb testing.TB, store signon.TokenStore, log *logBuffer, keys [][]byte) (*signon.Registry, vault) {
	tb.Helper()
	logger := slog.New(slog.DiscardHandler)
	if log != nil {
		logger = log.logger()
	}
	auth, err := signon.New(signon.Config{BaseURL: appURL, Keys: keys, Tokens: store, Logger: logger})
	require.NoError(tb, err)
	return auth, signon.TokensOf(auth).(vault)
}

var (
	alicesKey = tokenstore.Key{Provider: "op", Owner: "alice"}
	bobsKey   = tokenstore.Key{Provider: "op", Owner: "bob"}
)

// grown is a token that has all that a store keeps of one.
func grown(name string) *oauth2.Token {
	return tokenstore.Extra{
		Scope: "openid items", IDToken: "idtoken-of-" + name, Until: time.Unix(2e9, 0).UTC(),
	}.Put(&oauth2.Token{
		AccessToken: "access-of-" + name, RefreshToken: "refresh-of-" + name, TokenType: "Bearer",
		Expiry: time.Unix(19e8, 0).UTC(), ExpiresIn: 3600,
	})
}

// requireToken: what is stored at key is want.
func requireToken(tb testing.TB, store signon.FetchToken, key tokenstore.Key, want *oauth2.Token) {
	tb.Helper()
	got, err := store.FetchToken(tb.Context(), key)
	require.NoError(tb, err)
	requireEqualTokens(tb, want, got)
}

func requireEqualTokens(tb testing.TB, want, got *oauth2.Token) {
	tb.Helper()
	extra := tokenstore.ExtraOf(got)
	require.NotZero(tb, extra.Version)
	extra.Version = tokenstore.ExtraOf(want).Version
	require.Equal(tb, tokenstore.ExtraOf(want), extra)
	bare, wanted := got.WithExtra(nil), want.WithExtra(nil)
	require.True(tb, wanted.Expiry.Equal(bare.Expiry))
	bare.Expiry = wanted.Expiry
	require.Equal(tb, wanted, bare)
}

// requireAbsent: nothing of what is stored at key comes out, the log says so, and a new
// login writes over it.
func requireAbsent(tb testing.TB, v vault, log *logBuffer, key tokenstore.Key, wantLog string) {
	tb.Helper()
	before := len(log.String())
	got, err := v.FetchToken(tb.Context(), key)
	require.ErrorIs(tb, err, tokenstore.ErrNotFound)
	require.Nil(tb, got)
	require.Contains(tb, log.String()[before:], wantLog)
	require.Contains(tb, log.String()[before:], `"owner":"`+key.Owner+`"`)
	require.NotContains(tb, log.String(), "access-of")
	next := grown("next")
	for _, old := range []*oauth2.Token{grown("alice"), grown("bob")} {
		require.ErrorIs(tb, v.UpdateToken(tb.Context(), key, old, next), tokenstore.ErrNotFound)
		require.ErrorIs(tb, v.DeleteToken(tb.Context(), key, old), tokenstore.ErrNotFound)
		require.ErrorIs(tb, v.LeaseToken(tb.Context(), key, old, tokenstore.Lease{Holder: "h", TTL: time.Second}), tokenstore.ErrNotFound)
	}
	for entry, err := range v.Tokens(tb.Context()) {
		require.NoError(tb, err)
		require.NotEqual(tb, key, entry.Key)
	}
	require.NoError(tb, v.SaveToken(tb.Context(), key, next))
	requireToken(tb, v, key, next)
}

const (
	movedOrChanged = `"level":"ERROR","msg":"signon: a stored token does not open: moved or changed`
	neverSealed    = `"level":"ERROR","msg":"signon: a stored token is not sealed`
	unknownKey     = `"level":"WARN","msg":"signon: a stored token is sealed with a key that is not in Config.Keys`
)

// nothing is a store of four methods that always returns its row.
type nothing struct{ row *oauth2.Token }

func (c nothing) FetchToken(context.Context, tokenstore.Key) (*oauth2.Token, error) {
	return c.row, nil
}
func (c nothing) SaveToken(context.Context, tokenstore.Key, *oauth2.Token) error { return nil }
func (c nothing) UpdateToken(_ context.Context, _ tokenstore.Key, _, _ *oauth2.Token) error {
	return nil
}
func (c nothing) DeleteToken(context.Context, tokenstore.Key, *oauth2.Token) error { return nil }
