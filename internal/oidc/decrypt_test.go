package oidc_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/jose"
	"github.com/seed1a301047/signon/internal/oidc"
)

// recipient is a key to encrypt to, and what opens it.
type recipient struct {
	key       crypto.Signer
	decrypter *jose.Decrypter
}

func newRecipient(tb testing.TB) *recipient {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	d, err := jose.NewDecrypter("ECDH-ES", []jose.DecryptionKey{{ID: "enc", Private: key}})
	require.NoError(tb, err)
	return &recipient{key, d}
}

func (r *recipient) encrypt(tb testing.TB, header map[string]any, payload string) string {
	tb.Helper()
	token, err := jose.Encrypt("ECDH-ES", "A128CBC-HS256", r.key.Public(), header, []byte(payload))
	require.NoError(tb, err)
	return token
}

// ID-40, ID-41: what may be inside of what.
func TestEncryptedIDToken(t *testing.T) {
	op, other, r := newProvider(t, "EdDSA"), newProvider(t, "EdDSA"), newRecipient(t)
	signed := op.sign(t, op.claims())
	jwt := map[string]any{"cty": "JWT"}
	nested := signed
	for range 10 {
		nested = r.encrypt(t, jwt, nested)
	}
	unsigned := b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(op.claims().json(t))) + "."
	for _, test := range []struct {
		name   string
		raw    string
		agreed bool
		ok     bool
	}{
		{"as agreed", r.encrypt(t, jwt, signed), true, true},
		{"without a cty", r.encrypt(t, nil, signed), true, true},
		{"a cty in other words", r.encrypt(t, map[string]any{"cty": "application/jwt"}, signed), true, true},
		{"not agreed", r.encrypt(t, jwt, signed), false, false},
		{"plain, not agreed", signed, false, true},
		{"plain though agreed", signed, true, false},
		{"twice", r.encrypt(t, jwt, r.encrypt(t, jwt, signed)), true, false},
		{"ten times", nested, true, false},
		{"claims without a signature", r.encrypt(t, nil, op.claims().json(t)), true, false},
		{"claims that say they are a JWT", r.encrypt(t, jwt, op.claims().json(t)), true, false},
		{"signed with none", r.encrypt(t, jwt, unsigned), true, false},
		{"signed by another", r.encrypt(t, jwt, other.sign(t, op.claims())), true, false},
		{"of another client", r.encrypt(t, jwt, op.sign(t, op.claims().with("aud", "other"))), true, false},
		{"expired", r.encrypt(t, jwt, op.sign(t, op.claims().with("exp", 1))), true, false},
		{"another nonce", r.encrypt(t, jwt, op.sign(t, op.claims().with("nonce", "other"))), true, false},
		{"a cty of JSON", r.encrypt(t, map[string]any{"cty": "json"}, signed), true, false},
		{"another cty", r.encrypt(t, map[string]any{"cty": "logout+jwt"}, signed), true, false},
		{"nothing inside", r.encrypt(t, jwt, " "), true, false},
		{"to another", newRecipient(t).encrypt(t, jwt, signed), true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := op.expect()
			if test.agreed {
				e.Decrypter = r.decrypter
			}
			token, err := oidc.VerifyIDToken(t.Context(), test.raw, op, e)
			if !test.ok {
				require.ErrorIs(t, err, oidc.ErrIDToken)
				require.Nil(t, token)
				require.NotContains(t, err.Error(), signed)
				return
			}
			require.NoError(t, err)
			require.Equal(t, signed, token.Raw, "the token that is inside")
			again, err := oidc.Restore(token.Raw)
			require.NoError(t, err)
			require.Equal(t, token.Payload(), again.Payload())
		})
	}
}

// A refreshed token is encrypted as the first one was.
func TestEncryptedRefreshedIDToken(t *testing.T) {
	op, r := newProvider(t, "EdDSA"), newRecipient(t)
	e := op.expect()
	e.Decrypter = r.decrypter
	original, err := oidc.VerifyIDToken(t.Context(), r.encrypt(t, nil, op.sign(t, op.claims())), op, e)
	require.NoError(t, err)
	refreshed := op.sign(t, op.claims().with("nonce", nothing))
	token, err := oidc.VerifyRefreshed(t.Context(), r.encrypt(t, nil, refreshed), op, e, original)
	require.NoError(t, err)
	require.Equal(t, refreshed, token.Raw)
	_, err = oidc.VerifyRefreshed(t.Context(), refreshed, op, e, original)
	require.ErrorIs(t, err, oidc.ErrIDToken)
}

// UI-02: an encrypted userinfo, with a signature inside or without.
func TestEncryptedUserInfo(t *testing.T) {
	op, r := newProvider(t, "EdDSA"), newRecipient(t)
	right := claims{"sub": subject, "iss": issuer, "aud": clientID, "name": "Jane"}
	signed, plain := op.sign(t, right), right.json(t)
	for _, test := range []struct {
		name             string
		raw              string
		agreed, unsigned bool
		ok               bool
	}{
		{"signed and encrypted", r.encrypt(t, map[string]any{"cty": "JWT"}, signed), true, false, true},
		{"encrypted alone, as agreed", r.encrypt(t, nil, plain), true, true, true},
		{"encrypted alone, with a cty", r.encrypt(t, map[string]any{"cty": "json"}, plain), true, true, true},
		{"encrypted alone, without iss and aud", r.encrypt(t, nil, `{"sub":"`+subject+`"}`), true, true, true},
		{"encrypted alone, a signature agreed", r.encrypt(t, nil, plain), true, false, false},
		{"signed though none was agreed", r.encrypt(t, nil, signed), true, true, true},
		{"badly signed though none was agreed", r.encrypt(t, nil, flip(signed, len(signed)-20)), true, true, false},
		{"encrypted alone, another iss", r.encrypt(t, nil, right.with("iss", "https://evil.example").json(t)), true, true, false},
		{"encrypted alone, another aud", r.encrypt(t, nil, right.with("aud", "other").json(t)), true, true, false},
		{"encrypted alone, another sub", r.encrypt(t, nil, right.with("sub", "mallory").json(t)), true, true, false},
		{"encrypted alone, expired", r.encrypt(t, nil, right.with("exp", 1).json(t)), true, true, false},
		{"encrypted alone, sub twice", r.encrypt(t, nil, strings.Replace(plain, "{", `{"sub":"mallory",`, 1)), true, true, false},
		{"signed alone", signed, true, true, false},
		{"plain JSON", plain, true, true, false},
		{"plain JSON, nothing agreed", plain, false, true, false},
		{"not agreed", r.encrypt(t, nil, signed), false, true, false},
		{"an array", r.encrypt(t, nil, "["+plain+"]"), true, true, false},
		{"twice", r.encrypt(t, nil, r.encrypt(t, nil, plain)), true, true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := op.expect()
			if test.agreed {
				e.Decrypter = r.decrypter
			}
			o := oidc.UserInfoOptions{Subject: subject, Unsigned: test.unsigned}
			info, err := oidc.VerifyUserInfoJWT(t.Context(), test.raw, op, e, o)
			if !test.ok {
				require.ErrorIs(t, err, oidc.ErrUserInfo)
				require.Nil(t, info)
				return
			}
			require.NoError(t, err)
			require.Equal(t, subject, info.Subject)
		})
	}
}
