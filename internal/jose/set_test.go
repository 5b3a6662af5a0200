package jose_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/jose"
)

// jwk is a JSON Web Key of any kind, also a hostile one.
type jwk map[string]any

func (k jwk) with(name string, value any) jwk {
	k = maps.Clone(k)
	k[name] = value
	if value == nil {
		delete(k, name)
	}
	return k
}

func (k jwk) json() string {
	data, err := json.Marshal(map[string]any(k))
	if err != nil {
		panic(err)
	}
	return string(data)
}

func setOf(keys ...string) []byte {
	return fmt.Appendf(nil, `{"keys":[%s]}`, strings.Join(keys, ","))
}

func b64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// publicJWK reads what PublicJWK writes.
func publicJWK(tb testing.TB, key crypto.PublicKey, kid, alg string) jwk {
	tb.Helper()
	data, err := jose.PublicJWK(key, kid, alg)
	require.NoError(tb, err)
	var k jwk
	require.NoError(tb, json.Unmarshal(data, &k))
	return k
}

func newRSA(tb testing.TB, bits int) *rsa.PrivateKey {
	tb.Helper()
	tb.Setenv("GODEBUG", "rsa1024min=0")
	key, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(tb, err)
	return key
}

func newEC(tb testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(tb, err)
	return key
}

func newEd25519(tb testing.TB) ed25519.PrivateKey {
	tb.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(tb, err)
	return key
}

// TestParseSetSkips puts each odd key between two good ones, which stay.
func TestParseSetSkips(t *testing.T) {
	ec := publicJWK(t, &newEC(t, elliptic.P256()).PublicKey, "ec", "ES256")
	rs := publicJWK(t, &newRSA(t, 2048).PublicKey, "rsa", "RS256")
	ed := publicJWK(t, newEd25519(t).Public(), "ed", "EdDSA")
	small := rs.with("n", b64(newRSA(t, 1024).N.Bytes()))
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	require.NoError(t, err)
	xy := func(k jwk, name string, change func([]byte) []byte) jwk {
		data, err := base64.RawURLEncoding.DecodeString(k[name].(string))
		require.NoError(t, err)
		return k.with(name, b64(change(data)))
	}
	huge := new(big.Int).Lsh(big.NewInt(1), 9000)

	tests := []struct {
		name string
		key  string
		used bool
	}{
		{"RSA", rs.json(), true},
		{"EC", ec.json(), true},
		{"Ed25519", ed.json(), true},
		{"no alg, no use, no kid", rs.with("alg", nil).with("use", nil).with("kid", nil).json(), true},
		{"unknown member", rs.with("x-note", []any{1}).json(), true},
		{"PS256 on RSA", rs.with("alg", "PS256").json(), true},
		{"Ed25519 by its new name", ed.with("alg", "Ed25519").json(), true},
		{"key_ops", rs.with("key_ops", []string{"verify"}).json(), true},

		// ID-10
		{"use enc", rs.with("use", "enc").json(), false},
		{"use unknown", rs.with("use", "x").json(), false},
		{"key_ops without verify", rs.with("key_ops", []string{"sign"}).json(), false},
		{"key_ops empty", rs.with("key_ops", []string{}).json(), false},
		{"alg of another type", rs.with("alg", "ES256").json(), false},
		{"alg of another curve", ec.with("alg", "ES384").json(), false},
		{"alg to encrypt with", rs.with("alg", "RSA-OAEP").json(), false},
		{"alg HS256", rs.with("alg", "HS256").json(), false},
		{"alg none", rs.with("alg", "none").json(), false},

		// ID-11
		{"RSA of 1024 bits", small.json(), false},
		{"RSA of 9000 bits", rs.with("n", b64(huge.Bytes())).json(), false},
		{"RSA with e=1", rs.with("e", b64([]byte{1})).json(), false},
		{"RSA with e=0", rs.with("e", b64([]byte{0})).json(), false},
		{"RSA with e=2", rs.with("e", b64([]byte{2})).json(), false},
		{"RSA with e=2^32+1", rs.with("e", b64([]byte{1, 0, 0, 0, 1})).json(), false},
		{"RSA with e of 65 bits", rs.with("e", b64(bytes.Repeat([]byte{1}, 9))).json(), false},
		{"RSA without n", rs.with("n", nil).json(), false},
		{"RSA without e", rs.with("e", nil).json(), false},
		{"RSA with n empty", rs.with("n", "").json(), false},
		{"EC off the curve", xy(ec, "y", func(b []byte) []byte { b[31] ^= 1; return b }).json(), false},
		{"EC at the origin", ec.with("x", b64(make([]byte, 32))).with("y", b64(make([]byte, 32))).json(), false},
		{"EC with a short x", xy(ec, "x", func(b []byte) []byte { return b[1:] }).json(), false},
		{"EC with a long x", xy(ec, "x", func(b []byte) []byte { return append([]byte{0}, b...) }).json(), false},
		{"EC with a long y", xy(ec, "y", func(b []byte) []byte { return append([]byte{0}, b...) }).json(), false},
		{"EC without y", ec.with("y", nil).json(), false},
		{"EC on another curve", ec.with("crv", "P-384").json(), false},
		{"EC with padded x", ec.with("x", ec["x"].(string)+"=").json(), false},
		{"Ed25519 short", xy(ed, "x", func(b []byte) []byte { return b[1:] }).json(), false},

		// DI-11
		{"unknown kty", jwk{"kty": "X", "kid": "x"}.json(), false},
		{"unknown curve", ec.with("crv", "secp256k1").json(), false},
		{"X25519", jwk{"kty": "OKP", "crv": "X25519", "x": b64(x25519.PublicKey().Bytes())}.json(), false},
		{"kty in other case", rs.with("kty", "rsa").json(), false},
		{"no kty", rs.with("kty", nil).json(), false},
		{"empty", `{}`, false},
		{"null", `null`, false},
		{"a number", `5`, false},
		{"an array", `[]`, false},
		{"kid number", rs.with("kid", 5).json(), false},
		{"use number", rs.with("use", 5).json(), false},
		{"key_ops string", rs.with("key_ops", "verify").json(), false},
		{"n number", rs.with("n", 5).json(), false},

		// DI-12
		{"private RSA", rs.with("d", "AQAB").json(), false},
		{"private EC", ec.with("d", "AQAB").json(), false},
		{"private Ed25519", ed.with("d", b64(make([]byte, 32))).json(), false},
		{"d is null", rs.with("d", json.RawMessage("null")).json(), false},
		{"primes only", rs.with("p", "AQAB").json(), false},
		{"symmetric", jwk{"kty": "oct", "kid": "ec", "alg": "HS256", "k": b64(make([]byte, 32))}.json(), false},
		{"symmetric, by the members of RSA", rs.with("k", b64(make([]byte, 32))).json(), false},
		{"private, by another case", ec.with("D", b64(make([]byte, 32))).json(), false},
	}
	good := publicJWK(t, newEd25519(t).Public(), "good", "EdDSA").json()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set, err := jose.ParseSet(setOf(good, test.key, good))
			require.NoError(t, err)
			want := 2
			if test.used {
				want++
			}
			require.Equal(t, want, set.Len(), "%v", set.Skipped())
			require.Len(t, set.Skipped(), 3-want)
			for _, err := range set.Skipped() {
				require.NotContains(t, err.Error(), "AQAB", "an error shows a part of a private key")
			}
			_, err = set.Find("EdDSA", "good")
			require.NoError(t, err)
			_, err = set.Find("HS256", "")
			require.ErrorIs(t, err, jose.ErrUnknownKey, "DI-12: a set never serves HMAC")
		})
	}
}

func TestParseSet(t *testing.T) {
	key := publicJWK(t, newEd25519(t).Public(), "k", "").json()
	tests := []struct {
		name string
		data string
		keys int // -1: an error
	}{
		{"empty", `{"keys":[]}`, 0}, // DI-11
		{"one", `{"keys":[` + key + `]}`, 1},
		{"other members", `{"issuer":"x","keys":[` + key + `],"KEYS":1}`, 1},
		{"no keys", `{}`, -1},
		{"keys null", `{"keys":null}`, -1},
		{"keys object", `{"keys":{}}`, -1},
		{"keys string", `{"keys":"x"}`, -1},
		{"KEYS", `{"KEYS":[` + key + `]}`, -1},
		{"a key alone", key, -1},
		{"array", `[` + key + `]`, -1},
		{"null", `null`, -1},
		{"nothing", ``, -1},
		{"HTML", `<html>`, -1},
		{"truncated", `{"keys":[` + key, -1},
		{"two values", `{"keys":[]}{"keys":[]}`, -1},
		{"keys twice", `{"keys":[],"keys":[` + key + `]}`, -1},
		{"a member of a key twice", `{"keys":[{"kty":"RSA","kty":"RSA"}]}`, -1},
		{"invalid UTF-8", "{\"keys\":[],\"a\":\"\xff\"}", -1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set, err := jose.ParseSet([]byte(test.data))
			if test.keys < 0 {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.keys, set.Len())
		})
	}
}

// ID-08, ID-10: keys are told apart by more than their kid.
func TestFind(t *testing.T) {
	rs, p256, p384, ed := newRSA(t, 2048), newEC(t, elliptic.P256()), newEC(t, elliptic.P384()), newEd25519(t)
	set, err := jose.ParseSet(setOf(
		publicJWK(t, &rs.PublicKey, "a", "RS256").json(),
		publicJWK(t, &newRSA(t, 2048).PublicKey, "a", "PS256").json(),
		publicJWK(t, &newRSA(t, 2048).PublicKey, "a", "RS256").with("use", "enc").json(),
		publicJWK(t, &p256.PublicKey, "a", "").json(),
		publicJWK(t, &p384.PublicKey, "a", "").json(),
		publicJWK(t, ed.Public(), "a", "EdDSA").json(),
		publicJWK(t, &newEC(t, elliptic.P256()).PublicKey, "b", "").json(),
		publicJWK(t, &newEC(t, elliptic.P256()).PublicKey, "b", "").json(),
		publicJWK(t, ed.Public(), "c", "").json(),
	))
	require.NoError(t, err)
	tests := []struct {
		alg, kid string
		want     crypto.PublicKey
		err      error
	}{
		{"RS256", "a", &rs.PublicKey, nil},
		{"RS256", "", &rs.PublicKey, nil},
		{"ES256", "a", &p256.PublicKey, nil},
		{"ES384", "a", &p384.PublicKey, nil},
		{"ES384", "", &p384.PublicKey, nil},
		{"EdDSA", "a", ed.Public(), nil},
		{"Ed25519", "a", ed.Public(), nil},
		{"EdDSA", "", ed.Public(), nil}, // one key under two names
		{"RS384", "a", nil, jose.ErrUnknownKey},
		{"ES512", "a", nil, jose.ErrUnknownKey},
		{"ES256", "b", nil, jose.ErrAmbiguousKey},
		{"ES256", "", nil, jose.ErrAmbiguousKey},
		{"RS256", "A", nil, jose.ErrUnknownKey},
		{"none", "", nil, jose.ErrUnknownKey},
		{"", "a", nil, jose.ErrUnknownKey},
	}
	for _, test := range tests {
		t.Run(test.alg+" "+test.kid, func(t *testing.T) {
			key, err := set.Find(test.alg, test.kid)
			require.ErrorIs(t, err, test.err)
			if test.err == nil {
				require.Equal(t, test.want, key.Public)
			}
		})
	}
}

// FuzzParseSet demands of every usable key that it is public, strong and fit
// for exactly the algorithms that it is found by.
func FuzzParseSet(f *testing.F) {
	f.Add([]byte(`{"keys":[]}`))
	f.Add(setOf(publicJWK(f, newEd25519(f).Public(), "k", "EdDSA").json()))
	f.Add(setOf(publicJWK(f, &newEC(f, elliptic.P256()).PublicKey, "k", "").json()))
	f.Add(setOf(publicJWK(f, &newRSA(f, 2048).PublicKey, "k", "RS256").json(), `{"kty":"oct","k":"AAAA"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, err := jose.ParseSet(data)
		if err != nil {
			return
		}
		if set.Len() > 0 && !json.Valid(data) {
			t.Fatal("keys from what is not JSON")
		}
		for _, alg := range []string{"RS256", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "none"} {
			key, err := set.Find(alg, "")
			if err != nil {
				continue
			}
			switch public := key.Public.(type) {
			case *rsa.PublicKey:
				require.Contains(t, []string{"RS256", "PS512"}, alg)
				require.GreaterOrEqual(t, public.N.BitLen(), 2048)
				require.Equal(t, 1, public.E&1)
			case *ecdsa.PublicKey:
				require.Equal(t, map[string]string{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[alg], public.Params().Name)
				_, err := public.ECDH() // checks that the point is on the curve
				require.NoError(t, err)
			case ed25519.PublicKey:
				require.Equal(t, "EdDSA", alg)
				require.Len(t, public, ed25519.PublicKeySize)
			default:
				t.Fatalf("a key of type %T", public)
			}
		}
	})
}
