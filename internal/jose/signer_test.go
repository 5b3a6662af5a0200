package jose_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/jose"
)

// An answering signer is somewhere else and answers with these bytes.
type answering struct {
	crypto.Signer
	answer []byte
}

func (a answering) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return a.answer, nil }

// FuzzSignerAnswer: whatever a signer of ECDSA answers is an error, or two numbers of the
// curve's size, of which none is zero.
func FuzzSignerAnswer(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(f, err)
	good, err := key.Sign(rand.Reader, make([]byte, 32), crypto.SHA256)
	require.NoError(f, err)
	f.Add(good)
	for _, seed := range [][]byte{nil, make([]byte, 64), {0x30, 6, 2, 1, 0, 2, 1, 0}, {0x30, 6, 2, 1, 0xff, 2, 1, 1}, {0x30, 6, 2, 1, 1, 2, 1, 1, 0}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		token, err := jose.Sign("ES256", answering{key, answer}, nil, []byte("payload"))
		if err != nil {
			require.Empty(t, token)
			return
		}
		signature, err := base64.RawURLEncoding.DecodeString(token[strings.LastIndexByte(token, '.')+1:])
		require.NoError(t, err)
		require.Len(t, signature, 64)
		require.NotEqual(t, make([]byte, 32), signature[:32])
		require.NotEqual(t, make([]byte, 32), signature[32:])
	})
}

func TestAlgOf(t *testing.T) {
	for name, c := range map[string]struct {
		key  crypto.PublicKey
		want string
	}{
		"Ed25519": {ed25519.PublicKey(make([]byte, 32)), "EdDSA"},
		"RSA":     {&rsa.PublicKey{}, "RS256"},
		"P-256":   {&ecdsa.PublicKey{Curve: elliptic.P256()}, "ES256"},
		"P-384":   {&ecdsa.PublicKey{Curve: elliptic.P384()}, "ES384"},
		"P-521":   {&ecdsa.PublicKey{Curve: elliptic.P521()}, "ES512"},
		"P-224":   {&ecdsa.PublicKey{Curve: elliptic.P224()}, ""},
		"secret":  {[]byte("secret"), ""},
		"nil":     {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := jose.AlgOf(c.key)
			require.Equal(t, c.want, got)
			require.Equal(t, c.want == "", err != nil)
		})
	}
}

// Secrets sign by three algorithms and verify by one: what comes from a provider with
// another is refused, and a secret is no signer.
func TestHMAC(t *testing.T) {
	for alg, size := range map[string]int{"HS256": 32, "HS384": 48, "HS512": 64, "RS256": 0, "none": 0} {
		t.Run(alg, func(t *testing.T) {
			require.Equal(t, size, jose.MinHMACSecret(alg))
			secret := bytes.Repeat([]byte{7}, max(size, 1))
			token, err := jose.Sign(alg, secret, nil, []byte("payload"))
			require.Equal(t, size == 0, err != nil)
			require.Error(t, jose.CheckSigner(alg, secret))
			if err != nil {
				return
			}
			c, err := jose.ParseCompact(token)
			require.NoError(t, err)
			require.Equal(t, alg == "HS256", jose.Verify(alg, secret, c) == nil)
			_, err = jose.Sign(alg, secret[:size-1], nil, []byte("payload"))
			require.Error(t, err)
			require.NotContains(t, err.Error(), string(secret[:4]))
		})
	}
}

func TestCertificateJWKRefuses(t *testing.T) {
	_, err := jose.CertificateJWK(&x509.Certificate{PublicKey: "no key"})
	require.Error(t, err)
}

// A key of another algorithm is told by its curve, with the one that it fits.
func TestMisfitSaysWhatFits(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	for _, alg := range []string{"ES384", "HS256", "RS256"} {
		err := jose.CheckSigner(alg, ec.Public())
		require.ErrorContains(t, err, "P-256")
		require.ErrorContains(t, err, "expected ES256")
	}
}
