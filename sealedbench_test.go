package signon_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/tokenstore"
)

// BenchmarkSealedFetch is a fetch of a sealed token beside the fetch of its row and the
// opening of the same bytes by AES-256-GCM, without their encoding.
func BenchmarkSealedFetch(b *testing.B) {
	rows := &tokenstore.Memory{}
	_, v := sealing(b, unwatched{rows}, nil, keyring(1))
	token := grown("alice")
	extra := tokenstore.ExtraOf(token)
	extra.IDToken = string(make([]byte, 800))
	token = extra.Put(token)
	token.AccessToken, token.RefreshToken = string(make([]byte, 1000)), string(make([]byte, 200))
	require.NoError(b, v.SaveToken(b.Context(), alicesKey, token))

	block, err := aes.NewCipher(keyring(1)[0])
	require.NoError(b, err)
	aead, err := cipher.NewGCMWithRandomNonce(block)
	require.NoError(b, err)
	aad := make([]byte, 100)
	var sealed [][]byte
	for _, plain := range []string{token.AccessToken, token.RefreshToken, extra.IDToken} {
		sealed = append(sealed, aead.Seal(nil, nil, []byte(plain), aad))
	}
	ctx := context.Background()
	versus(b, func() {
		if _, err := v.FetchToken(ctx, alicesKey); err != nil {
			b.Fatal(err)
		}
	}, func() {
		if _, err := rows.FetchToken(ctx, alicesKey); err != nil {
			b.Fatal(err)
		}
		for _, text := range sealed {
			if _, err := aead.Open(nil, nil, text, aad); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSealedUpdate is the same for the refresh of a token.
func BenchmarkSealedUpdate(b *testing.B) {
	_, v := sealing(b, unwatched{&tokenstore.Memory{}}, nil, keyring(1))
	rows, token := &tokenstore.Memory{}, grown("alice")
	require.NoError(b, v.SaveToken(b.Context(), alicesKey, token))
	require.NoError(b, rows.SaveToken(b.Context(), alicesKey, token))
	block, err := aes.NewCipher(keyring(1)[0])
	require.NoError(b, err)
	aead, err := cipher.NewGCMWithRandomNonce(block)
	require.NoError(b, err)
	aad, ctx := make([]byte, 100), context.Background()
	plain := []byte(token.AccessToken + token.RefreshToken)
	versus(b, func() {
		old, _ := v.FetchToken(ctx, alicesKey)
		if err := v.UpdateToken(ctx, alicesKey, old, token); err != nil {
			b.Fatal(err)
		}
	}, func() {
		old, _ := rows.FetchToken(ctx, alicesKey)
		if err := rows.UpdateToken(ctx, alicesKey, old, token); err != nil {
			b.Fatal(err)
		}
		for range 3 {
			_, _ = aead.Open(nil, nil, aead.Seal(nil, nil, plain, aad), aad)
		}
	})
}
