package tokenstore_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/tokenstore"
	"github.com/seed1a301047/signon/tokenstore/tokentest"
)

var _ signon.TokenStore = (*tokenstore.Memory)(nil)

// RF-16, RF-17, ST-11 in tokentest.
func TestMemory(t *testing.T) {
	tokentest.Run(t, func(t *testing.T) signon.TokenStore { return new(tokenstore.Memory) })
}

// One store for all checks, as a database would be.
func TestMemoryShared(t *testing.T) {
	var store tokenstore.Memory
	tokentest.Run(t, func(t *testing.T) signon.TokenStore { return &store })
}

func key(owner string) tokenstore.Key { return tokenstore.Key{Provider: "github", Owner: owner} }

func TestMemoryKeepsExtras(t *testing.T) {
	var store tokenstore.Memory
	token := (&oauth2.Token{AccessToken: "access"}).WithExtra(map[string]any{"scope": "repo"})
	require.NoError(t, store.SaveToken(t.Context(), key("alice"), token))
	got, err := store.FetchToken(t.Context(), key("alice"))
	require.NoError(t, err)
	require.Equal(t, "repo", got.Extra("scope"))
}

func TestMemoryMaxAge(t *testing.T) {
	for _, tt := range []struct {
		name   string
		maxAge time.Duration
		want   time.Duration
	}{
		{"default", 0, 30 * 24 * time.Hour},
		{"an hour", time.Hour, time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // and no goroutine is left: ST-10
				store := tokenstore.Memory{MaxAge: tt.maxAge}
				token := &oauth2.Token{AccessToken: "access"}
				require.NoError(t, store.SaveToken(t.Context(), key("read"), token))
				require.NoError(t, store.SaveToken(t.Context(), key("written"), token))
				require.NoError(t, store.SaveToken(t.Context(), key("left"), token))
				for range 3 {
					time.Sleep(tt.want - 1)
					_, err := store.FetchToken(t.Context(), key("read"))
					require.NoError(t, err, "each use lets it live on")
					require.NoError(t, store.UpdateToken(t.Context(), key("written"), token, token))
				}
				_, err := store.FetchToken(t.Context(), key("left"))
				require.ErrorIs(t, err, tokenstore.ErrNotFound)
				time.Sleep(tt.want)
				_, err = store.FetchToken(t.Context(), key("read"))
				require.ErrorIs(t, err, tokenstore.ErrNotFound)
				require.ErrorIs(t, store.UpdateToken(t.Context(), key("written"), token, token), tokenstore.ErrNotFound)
			})
		})
	}
}

// ST-10; a million entries are in package bounded's test.
func TestMemoryMaxTokens(t *testing.T) {
	for _, tt := range []struct {
		name      string
		max, want int
		users     int
	}{
		{"default", 0, 100_000, 200_000},
		{"three", 3, 3, 1000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := tokenstore.Memory{MaxTokens: tt.max}
			token := &oauth2.Token{AccessToken: "access"}
			for i := range tt.users {
				require.NoError(t, store.SaveToken(t.Context(), key(strconv.Itoa(i)), token))
			}
			found := 0
			for i := range tt.users {
				if _, err := store.FetchToken(t.Context(), key(strconv.Itoa(i))); err == nil {
					found++
				}
			}
			require.Equal(t, tt.want, found)
			_, err := store.FetchToken(t.Context(), key(strconv.Itoa(tt.users-1)))
			require.NoError(t, err, "the last one is there")
		})
	}
}

func TestKeyCheck(t *testing.T) {
	require.NoError(t, tokenstore.Key{Provider: "p", Owner: "o"}.Check())
	require.Error(t, tokenstore.Key{Provider: "p"}.Check())
	require.Error(t, tokenstore.Key{Owner: "o"}.Check())
	require.Error(t, tokenstore.Key{}.Check())
}

func TestSame(t *testing.T) {
	a := &oauth2.Token{AccessToken: "a", RefreshToken: "r", TokenType: "Bearer"}
	require.True(t, tokenstore.Same(a, &oauth2.Token{AccessToken: "a", RefreshToken: "r", Expiry: time.Now()}))
	require.False(t, tokenstore.Same(a, &oauth2.Token{AccessToken: "a"}))
	require.False(t, tokenstore.Same(a, &oauth2.Token{AccessToken: "b", RefreshToken: "r"}))
	require.False(t, tokenstore.Same(a, nil))
	require.False(t, tokenstore.Same(nil, a))
	require.False(t, tokenstore.Same(nil, nil))
}

func TestFetchTokenAllocates(t *testing.T) {
	var store tokenstore.Memory
	require.NoError(t, store.SaveToken(t.Context(), key("alice"), &oauth2.Token{AccessToken: "access"}))
	ctx, alice := t.Context(), key("alice")
	got := testing.AllocsPerRun(100, func() { _, _ = store.FetchToken(ctx, alice) })
	require.Equal(t, 1.0, got, "the copy and nothing else")
}

func BenchmarkMemoryFetchToken(b *testing.B) {
	var store tokenstore.Memory
	ctx := b.Context()
	for i := range 10_000 {
		_ = store.SaveToken(ctx, key(strconv.Itoa(i)), &oauth2.Token{AccessToken: "access"})
	}
	alice := key("5000")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := store.FetchToken(ctx, alice); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMemoryUpdateToken(b *testing.B) {
	var store tokenstore.Memory
	ctx, alice := b.Context(), key("alice")
	token := &oauth2.Token{AccessToken: "access", RefreshToken: "refresh"}
	_ = store.SaveToken(ctx, alice, token)
	b.ReportAllocs()
	for b.Loop() {
		if err := store.UpdateToken(ctx, alice, token, token); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleMemory() {
	var tokens tokenstore.Memory // the zero value is ready
	ctx := context.Background()
	key := tokenstore.Key{Provider: "github", Owner: "user-42"}

	old := &oauth2.Token{AccessToken: "first", RefreshToken: "refresh-1"}
	fmt.Println(tokens.SaveToken(ctx, key, old))

	// A refresh brings a new pair; a second one with the old token comes too late.
	fresh := &oauth2.Token{AccessToken: "second", RefreshToken: "refresh-2"}
	fmt.Println(tokens.UpdateToken(ctx, key, old, fresh))
	fmt.Println(tokens.UpdateToken(ctx, key, old, fresh))

	token, err := tokens.FetchToken(ctx, key)
	fmt.Println(token.AccessToken, err)
	// Output:
	// <nil>
	// <nil>
	// tokenstore: the stored token is another one
	// second <nil>
}
