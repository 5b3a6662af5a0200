package tokentest

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/tokenstore"
)

// fullExtra has all that an Extra may have.
var fullExtra = tokenstore.Extra{
	Scope:   "openid items",
	IDToken: "eyJhbGciOiJub25lIn0.e30.",
	Version: 1<<62 + 1, // more than a float64 keeps
	Until:   time.Date(2039, 2, 3, 4, 5, 6, 0, time.UTC),
}

// TE-08: without its scope a token opens nothing that asks for one.
func checkScope(t T, store signon.TokenStore) {
	key := newKey()
	first := tokenstore.Extra{Scope: "openid items"}.Put(token("first"))
	require.NoError(t, store.SaveToken(t.Context(), key, first))
	requireScope(t, store, key, "openid items")
	next := tokenstore.Extra{Scope: "openid"}.Put(token("second"))
	require.NoError(t, store.UpdateToken(t.Context(), key, first, next))
	requireScope(t, store, key, "openid")
}

func requireScope(t T, store signon.TokenStore, key tokenstore.Key, want any) {
	t.Helper()
	got, err := store.FetchToken(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, want, got.Extra("scope"), "the extra scope")
}

// ST-02: without its version a sealed token does not open. ST-11: to the second.
func checkExtra(t T, store signon.TokenStore) {
	saved, updated := newKey(), newKey()
	require.NoError(t, store.SaveToken(t.Context(), updated, token("first")))
	require.NoError(t, store.SaveToken(t.Context(), saved, fullExtra.Put(token("first"))))
	require.NoError(t, store.UpdateToken(t.Context(), updated, token("first"), fullExtra.Put(token("second"))))
	for _, key := range []tokenstore.Key{saved, updated} {
		requireExtra(t, store, key, fullExtra)
	}
	other := tokenstore.Extra{Version: 7, Until: time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC)}
	old, err := store.FetchToken(t.Context(), updated)
	require.NoError(t, err)
	require.NoError(t, store.SaveToken(t.Context(), saved, other.Put(token("first"))))
	require.NoError(t, store.UpdateToken(t.Context(), updated, old, other.Put(token("third"))))
	for _, key := range []tokenstore.Key{saved, updated} {
		requireExtra(t, store, key, other)
	}
}

func requireExtra(t T, store signon.TokenStore, key tokenstore.Key, want tokenstore.Extra) {
	t.Helper()
	got, err := store.FetchToken(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, want, tokenstore.ExtraOf(got), "the extra at %q", key)
}

func checkExpiresIn(t T, store signon.TokenStore) {
	key := newKey()
	for _, seconds := range []int64{3600, 1 << 40, 0} {
		want := token("first")
		want.ExpiresIn = seconds
		require.NoError(t, store.SaveToken(t.Context(), key, want))
		got, err := store.FetchToken(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, seconds, got.ExpiresIn, "ExpiresIn")
	}
}
