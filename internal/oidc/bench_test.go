package oidc_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/oidc"
)

// BenchmarkVerifyIDToken runs every check on a token as a large provider
// sends it. BenchmarkBare is what it is measured against.
func BenchmarkVerifyIDToken(b *testing.B) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		b.Run(alg, func(b *testing.B) {
			op := newProvider(b, alg)
			e := op.expect()
			raw := op.sign(b, op.claims())
			b.ReportAllocs()
			for b.Loop() {
				if _, err := oidc.VerifyIDToken(b.Context(), raw, op, e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkBare checks the signature of the same bytes with the standard
// library alone: decoding it, hashing, and the arithmetic.
func BenchmarkBare(b *testing.B) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		b.Run(alg, func(b *testing.B) {
			op := newProvider(b, alg)
			raw := op.sign(b, op.claims())
			b.ReportAllocs()
			for b.Loop() {
				if !bareVerify(op.signer.Public(), raw) {
					b.Fatal("the signature does not verify")
				}
			}
		})
	}
}

// BenchmarkInTurn runs both in turn, so that both meet the same weather, and reports the
// ratio of the medians.
func BenchmarkInTurn(b *testing.B) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		b.Run(alg, func(b *testing.B) {
			op := newProvider(b, alg)
			e := op.expect()
			raw := op.sign(b, op.claims())
			var every, bare []time.Duration
			for b.Loop() {
				start := time.Now()
				if _, err := oidc.VerifyIDToken(b.Context(), raw, op, e); err != nil {
					b.Fatal(err)
				}
				middle := time.Now()
				if !bareVerify(op.signer.Public(), raw) {
					b.Fatal("the signature does not verify")
				}
				every, bare = append(every, middle.Sub(start)), append(bare, time.Since(middle))
			}
			slices.Sort(every)
			slices.Sort(bare)
			b.ReportMetric(float64(every[len(every)/2])/float64(bare[len(bare)/2]), "ratio")
		})
	}
}

func bareVerify(key crypto.PublicKey, raw string) bool {
	dot := strings.LastIndexByte(raw, '.')
	signed := []byte(raw[:dot])
	signature, err := base64.RawURLEncoding.DecodeString(raw[dot+1:])
	if err != nil {
		return false
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		digest := sha256.Sum256(signed)
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
	case *ecdsa.PublicKey:
		digest := sha256.Sum256(signed)
		half := len(signature) / 2
		r, s := new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])
		return ecdsa.Verify(key, digest[:], r, s)
	case ed25519.PublicKey:
		return ed25519.Verify(key, signed, signature)
	}
	return false
}

// newSigner makes a key for alg.
func newSigner(tb testing.TB, alg string) crypto.Signer {
	tb.Helper()
	switch alg[:2] {
	case "RS", "PS":
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(tb, err)
		return key
	case "ES":
		curve := map[string]elliptic.Curve{
			"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521(),
		}[alg]
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		require.NoError(tb, err)
		return key
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(tb, err)
	return key
}
