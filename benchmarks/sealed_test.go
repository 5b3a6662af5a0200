package benchmarks_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"database/sql"
	"encoding/base64"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/tokenstore"
	"github.com/seed1a301047/signon/tokenstore/tokengorm"
)

// sealedUsers are those whose rows are really sealed: one login each.
const sealedUsers = 64

// sealedFetch is a whole Client.Token beside a fetch by hand and the opening by
// AES-256-GCM of as many bytes, in base64 as a text column has them, of users spread over
// the table.
func (d database) sealedFetch(tb testing.TB, db *gorm.DB, pool *sql.DB) pair {
	tb.Helper()
	store, err := tokengorm.New(db)
	require.NoError(tb, err)
	a := newApp(tb, signon.Config{Tokens: store})
	var owners []context.Context
	for i := range sealedUsers {
		a.signIn(tb, d.sealed(i))
		owners = append(owners, signon.WithOwner(tb.Context(), d.sealed(i)))
	}
	token, err := a.client.Token(owners[0])
	require.NoError(tb, err)
	open := opener(tb, token.AccessToken, token.RefreshToken, tokenstore.ExtraOf(token).IDToken)
	stmt, ctx := prepare(tb, pool, read), tb.Context()
	return pair{"sealed-fetch", func() (time.Duration, error) {
		who := owners[rand.IntN(sealedUsers)]
		return timed(func() error {
			_, err := a.client.Token(who)
			return err
		})
	}, func() (time.Duration, error) {
		key := tokenstore.Key{Provider: provider, Owner: d.sealed(rand.IntN(sealedUsers))}
		return timed(func() error {
			if _, err := readBare(ctx, stmt, key); err != nil {
				return err
			}
			return open()
		})
	}}
}

// sealed is the name of such a user, which is nobody else's: what an update by hand
// writes opens no more.
func (d database) sealed(user int) string { return owner(user*d.rows/sealedUsers) + "-sealed" }

// opener returns what opens the texts, which are sealed now.
func opener(tb testing.TB, texts ...string) (open func() error) {
	tb.Helper()
	block, err := aes.NewCipher(keys[0])
	require.NoError(tb, err)
	aead, err := cipher.NewGCMWithRandomNonce(block)
	require.NoError(tb, err)
	aad := make([]byte, 100)
	var sealed []string
	for _, text := range texts {
		require.NotEmpty(tb, text)
		sealed = append(sealed, base64.RawURLEncoding.EncodeToString(aead.Seal(nil, nil, []byte(text), aad)))
	}
	return func() error {
		for _, s := range sealed {
			b, err := base64.RawURLEncoding.DecodeString(s)
			if err != nil {
				return err
			}
			if _, err := aead.Open(b[:0], nil, b, aad); err != nil {
				return err
			}
		}
		return nil
	}
}
