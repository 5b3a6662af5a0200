package tokentest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/tokenstore"
)

// walkSize is more than a store reads at a time, most likely.
const walkSize = 250

// lists reports whether a store can be walked.
func lists(t T, store signon.TokenStore) bool {
	lister, ok := store.(tokenstore.Lister)
	if !ok {
		return false
	}
	for _, err := range lister.Tokens(t.Context()) {
		return !errors.Is(err, errors.ErrUnsupported)
	}
	return true
}

// many stores tokens of three providers that nobody else uses, whose names begin alike.
func many(t T, store signon.TokenStore) map[tokenstore.Key]string {
	t.Helper()
	prefix, names := newKey().Provider, make(map[tokenstore.Key]string)
	for i := range walkSize {
		key := tokenstore.Key{Provider: prefix + strings.Repeat("a", i%3), Owner: fmt.Sprintf("%d 👩", i)}
		names[key] = fmt.Sprint("token ", i)
		require.NoError(t, store.SaveToken(t.Context(), key, fullExtra.Put(token(names[key]))))
	}
	return names
}

// walk yields the entries of many, which fail the test if they are others or come twice.
func walk(t T, store signon.TokenStore, names map[tokenstore.Key]string, extra tokenstore.Extra, each func(tokenstore.Entry)) {
	t.Helper()
	seen := make(map[tokenstore.Key]bool)
	for entry, err := range store.(tokenstore.Lister).Tokens(t.Context()) {
		require.NoError(t, err)
		name, mine := names[entry.Key]
		if !mine {
			continue
		}
		require.False(t, seen[entry.Key], "%q comes twice", entry.Key)
		seen[entry.Key] = true
		require.NotNil(t, entry.Token)
		requireSame(t, entry.Key, token(name), entry.Token)
		require.Equal(t, extra, tokenstore.ExtraOf(entry.Token), "extra at %q", entry.Key)
		each(entry)
	}
	require.Len(t, seen, len(names), "tokens that came")
}

func checkWalk(t T, store signon.TokenStore) {
	names := many(t, store)
	walk(t, store, names, fullExtra, func(tokenstore.Entry) {})
	for range store.(tokenstore.Lister).Tokens(t.Context()) {
		break // a walk that is broken off ends
	}
	for key := range names {
		require.NoError(t, store.DeleteToken(t.Context(), key, nil))
	}
	walk(t, store, nil, fullExtra, func(tokenstore.Entry) {})
}

// Whoever walks changes what he finds: with nothing open between two tokens.
func checkWalkChanges(t T, store signon.TokenStore) {
	names := many(t, store)
	ctx, next := t.Context(), fullExtra
	next.Version++
	walk(t, store, names, fullExtra, func(e tokenstore.Entry) {
		require.NoError(t, store.UpdateToken(ctx, e.Key, e.Token, next.Put(token(names[e.Key]))))
	})
	walk(t, store, names, next, func(e tokenstore.Entry) {
		require.NoError(t, store.DeleteToken(ctx, e.Key, nil))
	})
	for key := range names {
		requireNotFound(t, store, key)
	}
}

func checkWalkContext(t T, store signon.TokenStore) {
	for range 3 {
		saved(t, store)
	}
	for _, after := range []int{0, 1} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if after == 0 {
			cancel()
		}
		var errs []error
		for _, err := range store.(tokenstore.Lister).Tokens(ctx) {
			if errs = append(errs, err); len(errs) == after {
				cancel()
			}
			require.LessOrEqual(t, len(errs), after+1, "the walk goes on")
		}
		require.Len(t, errs, after+1)
		require.ErrorIs(t, errs[after], context.Canceled)
	}
}
