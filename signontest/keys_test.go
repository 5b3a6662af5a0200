package signontest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

func TestSigningAlgs(t *testing.T) {
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256"} {
		t.Run(alg, func(t *testing.T) {
			p := signontest.NewInProcess(signontest.Config{SigningAlg: alg})
			token := signIn(t, p, nil)["id_token"]
			require.Equal(t, alg, part(t, token, 0)["alg"])
			require.True(t, verifies(t, p, token))
			require.False(t, verifies(t, p, token.(string)[:len(token.(string))-8]+"AAAAAAAA"))
		})
	}
}

func TestKeyRotation(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{SigningAlg: "ES256"})
	before := signIn(t, p, nil)["id_token"]
	p.AddKey()
	require.True(t, verifies(t, p, before))
	p.RotateKeys()
	require.False(t, verifies(t, p, before))
	after := signIn(t, p, nil)["id_token"]
	require.True(t, verifies(t, p, after))
	require.NotEqual(t, part(t, before, 0)["kid"], part(t, after, 0)["kid"])

	signed, err := p.Sign(map[string]any{"typ": "logout+jwt", "kid": nil}, map[string]any{"sub": "alice"})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"alg": "ES256", "typ": "logout+jwt"}, part(t, signed, 0))
}

// verifies checks a token with the published key of its kid, or the secret.
func verifies(t testing.TB, p *signontest.Provider, token any) bool {
	t.Helper()
	header := part(t, token, 0)
	alg, _ := header["alg"].(string)
	input, sig, _ := cutLast(token.(string), ".")
	raw, err := base64.RawURLEncoding.DecodeString(sig)
	require.NoError(t, err)
	if alg == "HS256" {
		return hs256(p.ClientSecret(), input) == sig
	}
	_, set := get(t, p, p.URL(signontest.JWKS), nil)
	for _, k := range set["keys"].([]any) {
		jwk := k.(map[string]any)
		if jwk["kid"] == header["kid"] && jwk["alg"] == alg {
			return verify(alg, jwk, []byte(input), raw)
		}
	}
	return false
}

func verify(alg string, jwk map[string]any, input, sig []byte) bool {
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[2:]]
	var digest []byte
	if alg != "EdDSA" {
		h := hash.New()
		h.Write(input)
		digest = h.Sum(nil)
	}
	raw := func(name string) []byte {
		b, _ := base64.RawURLEncoding.DecodeString(jwk[name].(string))
		return b
	}
	num := func(name string) *big.Int { return new(big.Int).SetBytes(raw(name)) }
	switch alg[:2] {
	case "RS":
		return rsa.VerifyPKCS1v15(&rsa.PublicKey{N: num("n"), E: int(num("e").Int64())}, hash, digest, sig) == nil
	case "PS":
		return rsa.VerifyPSS(&rsa.PublicKey{N: num("n"), E: int(num("e").Int64())}, hash, digest, sig, nil) == nil
	case "ES":
		curve := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[jwk["crv"].(string)]
		key, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, raw("x"), raw("y")))
		half := len(sig) / 2
		r, s := new(big.Int).SetBytes(sig[:half]), new(big.Int).SetBytes(sig[half:])
		return err == nil && ecdsa.Verify(key, digest, r, s)
	}
	return ed25519.Verify(raw("x"), input, sig)
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	return s[:i], s[i+1:], true
}
