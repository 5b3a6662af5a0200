package tokentest

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/tokenstore"
)

// checkKeysApart stores a token at each of many keys that a careless store takes
// for one another, and then looks each of them up.
func checkKeysApart(t T, store signon.TokenStore) {
	keys := oddKeys()
	for i, key := range keys {
		requireNotFound(t, store, key)
		require.NoError(t, store.SaveToken(t.Context(), key, token(fmt.Sprint(i))), "key %q", key)
	}
	for i, key := range keys {
		requireStored(t, store, key, token(fmt.Sprint(i)))
	}
	for i, key := range keys {
		require.NoError(t, store.UpdateToken(t.Context(), key, token(fmt.Sprint(i)), token("next "+fmt.Sprint(i))), "key %q", key)
	}
	for i, key := range keys {
		requireStored(t, store, key, token("next "+fmt.Sprint(i)))
		require.NoError(t, store.DeleteToken(t.Context(), key, nil), "key %q", key)
		requireNotFound(t, store, key)
	}
}

// oddKeys are keys that some database somewhere takes for one another, or for SQL.
func oddKeys() []tokenstore.Key {
	p := newKey().Provider
	long := strings.Repeat("a", 254)
	return []tokenstore.Key{
		{Provider: p, Owner: "user"},
		{Provider: p, Owner: "User"},
		{Provider: p, Owner: "user "},
		{Provider: p, Owner: " user"},
		{Provider: p, Owner: "usér"},
		{Provider: p, Owner: "use\u0301r"}, // the same to the eye
		{Provider: p, Owner: "user\n"},
		{Provider: p, Owner: "user\u00a0"}, // a space that does not break
		{Provider: p, Owner: "user\u200b"}, // one of no width
		{Provider: p, Owner: "\uff55ser"},  // a wide u
		{Provider: p, Owner: "stra\u00dfe"},
		{Provider: p, Owner: "strasse"},
		{Provider: p + " ", Owner: "user"},
		{Provider: p + "x", Owner: "user"},
		{Provider: p, Owner: "xuser"},
		{Provider: strings.ToUpper(p), Owner: "user"},
		{Provider: p, Owner: "a/b"},
		{Provider: p + "/a", Owner: "b"},
		{Provider: p, Owner: long + "1"}, // 255 bytes
		{Provider: p, Owner: long + "2"},
		{Provider: p, Owner: "👩‍💻"},
		{Provider: p, Owner: "👩"},
		{Provider: p, Owner: "%"},
		{Provider: p, Owner: "_ser"},
		{Provider: p, Owner: `' OR '1'='1`}, // ST-05
		{Provider: p, Owner: `"; DROP TABLE tokens; --`},
		{Provider: p, Owner: `\`},
		{Provider: p, Owner: `\\`},
		{Provider: p, Owner: "?"},
		{Provider: p, Owner: "@p1 $1 :name"},
		{Provider: p, Owner: "line\nline"},
		{Provider: p, Owner: "0"},
		{Provider: p, Owner: "00"},
		{Provider: p, Owner: "null"},
	}
}

// RF-17: a token is found by its key and by nothing that is in it.
func checkEqualTokens(t T, store signon.TokenStore) {
	first, second := newKey(), newKey()
	second.Provider = first.Provider
	equal := token(first.Owner)
	for _, keys := range [][2]tokenstore.Key{{first, second}, {second, first}} {
		mine, other := keys[0], keys[1]
		require.NoError(t, store.SaveToken(t.Context(), first, equal))
		require.NoError(t, store.SaveToken(t.Context(), second, equal))
		require.NoError(t, store.UpdateToken(t.Context(), mine, equal, token("new")))
		requireStored(t, store, mine, token("new"))
		requireStored(t, store, other, equal)

		require.NoError(t, store.SaveToken(t.Context(), mine, equal))
		require.NoError(t, store.DeleteToken(t.Context(), mine, equal))
		requireNotFound(t, store, mine)
		requireStored(t, store, other, equal)
	}
}

func checkIncompleteKeys(t T, store signon.TokenStore) {
	for _, key := range []tokenstore.Key{{}, {Provider: newKey().Provider}, {Owner: newKey().Owner}} {
		require.Error(t, store.SaveToken(t.Context(), key, token("first")), "SaveToken at %+v", key)
		_, err := store.FetchToken(t.Context(), key)
		require.Error(t, err, "FetchToken at %+v", key)
		require.NotErrorIs(t, err, tokenstore.ErrNotFound, "FetchToken at %+v is a mistake, not a miss", key)
		require.Error(t, store.UpdateToken(t.Context(), key, token("first"), token("second")), "UpdateToken at %+v", key)
		require.Error(t, store.DeleteToken(t.Context(), key, nil), "DeleteToken at %+v", key)
	}
}

// refusedKeys are keys that a careless store cuts or cleans until they are key.
func refusedKeys(key tokenstore.Key) []tokenstore.Key {
	owner := key.Owner + strings.Repeat("x", tokenstore.MaxKeySize-len(key.Owner))
	provider := key.Provider + strings.Repeat("x", tokenstore.MaxKeySize-len(key.Provider))
	return []tokenstore.Key{
		{}, {Provider: key.Provider}, {Owner: key.Owner},
		{Provider: key.Provider, Owner: key.Owner + "\x00"},
		{Provider: key.Provider + "\x00", Owner: key.Owner},
		{Provider: key.Provider, Owner: key.Owner + "\xff"},
		{Provider: key.Provider + "\xc3", Owner: key.Owner},
		{Provider: key.Provider, Owner: owner + "x"}, // 256 bytes
		{Provider: provider + "x", Owner: key.Owner},
	}
}

func checkRefusedKeys(t T, store signon.TokenStore) {
	key := newKey()
	whole := []tokenstore.Key{
		key,
		{Provider: key.Provider, Owner: key.Owner + strings.Repeat("x", tokenstore.MaxKeySize-len(key.Owner))},
		{Provider: key.Provider + strings.Repeat("x", tokenstore.MaxKeySize-len(key.Provider)), Owner: key.Owner},
	}
	for _, key := range whole {
		require.NoError(t, store.SaveToken(t.Context(), key, token("first")))
	}
	for _, bad := range refusedKeys(key) {
		require.Error(t, store.SaveToken(t.Context(), bad, token("second")), "SaveToken at %q", bad)
		_, err := store.FetchToken(t.Context(), bad)
		require.Error(t, err, "FetchToken at %q", bad)
		require.NotErrorIs(t, err, tokenstore.ErrNotFound, "FetchToken at %q is a mistake, not a miss", bad)
		require.Error(t, store.UpdateToken(t.Context(), bad, token("first"), token("second")), "UpdateToken at %q", bad)
		require.Error(t, store.DeleteToken(t.Context(), bad, nil), "DeleteToken at %q", bad)
		for _, key := range whole {
			requireStored(t, store, key, token("first"))
		}
	}
}

func checkContextDone(t T, store signon.TokenStore) {
	key, other := newKey(), newKey()
	require.NoError(t, store.SaveToken(t.Context(), key, token("first")))

	done, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := store.FetchToken(done, key)
	require.ErrorIs(t, err, context.Canceled, "FetchToken")
	require.ErrorIs(t, store.SaveToken(done, key, token("second")), context.Canceled, "SaveToken")
	require.ErrorIs(t, store.SaveToken(done, other, token("second")), context.Canceled, "SaveToken")
	require.ErrorIs(t, store.UpdateToken(done, key, token("first"), token("second")), context.Canceled, "UpdateToken")
	require.ErrorIs(t, store.DeleteToken(done, key, token("first")), context.Canceled, "DeleteToken")
	require.ErrorIs(t, store.DeleteToken(done, key, nil), context.Canceled, "DeleteToken")

	requireStored(t, store, key, token("first"))
	requireNotFound(t, store, other)
}

// newKey returns a key that nobody has used.
func newKey() tokenstore.Key {
	return tokenstore.Key{Provider: "p-" + strings.ToLower(rand.Text()), Owner: "o-" + rand.Text()}
}

func token(name string) *oauth2.Token {
	return &oauth2.Token{
		AccessToken:  "access " + name,
		RefreshToken: "refresh " + name,
		TokenType:    "Bearer",
		Expiry:       time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC),
	}
}

func requireStored(t T, store signon.TokenStore, key tokenstore.Key, want *oauth2.Token) {
	t.Helper()
	got, err := store.FetchToken(t.Context(), key)
	require.NoError(t, err, "FetchToken at %q", key)
	require.NotNil(t, got)
	requireSame(t, key, want, got)
}

func requireSame(t T, key tokenstore.Key, want, got *oauth2.Token) {
	t.Helper()
	require.Equal(t, want.AccessToken, got.AccessToken, "access token at %q", key)
	require.Equal(t, want.RefreshToken, got.RefreshToken, "refresh token at %q", key)
	require.Equal(t, want.TokenType, got.TokenType, "token type at %q", key)
	require.Equal(t, want.Expiry.IsZero(), got.Expiry.IsZero(), "expiry: want %v, got %v", want.Expiry, got.Expiry)
	require.WithinDuration(t, want.Expiry, got.Expiry, time.Second, "expiry")
}

func requireNotFound(t T, store signon.TokenStore, key tokenstore.Key) {
	t.Helper()
	_, err := store.FetchToken(t.Context(), key)
	require.ErrorIs(t, err, tokenstore.ErrNotFound, "FetchToken at %q", key)
}
