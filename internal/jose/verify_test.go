package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/jose"
)

// TestVectors are the examples of RFC 7515, appendices A.1 to A.4, and of RFC
// 8037, appendix A.4: signatures that nobody here has made.
func TestVectors(t *testing.T) {
	const joe = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	tests := []struct{ name, alg, key, token string }{
		{
			"RFC 7515 A.2", "RS256",
			`{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}`,
			"eyJhbGciOiJSUzI1NiJ9." + joe + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
		},
		{
			"RFC 7515 A.3", "ES256",
			`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`,
			"eyJhbGciOiJFUzI1NiJ9." + joe + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
		},
		{
			"RFC 7515 A.4", "ES512",
			`{"kty":"EC","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk","y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"}`,
			"eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
		},
		{
			"RFC 8037 A.4", "EdDSA",
			`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
			"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			set, err := jose.ParseSet(setOf(test.key))
			require.NoError(t, err)
			key, err := set.Find(test.alg, "")
			require.NoError(t, err, "%v", set.Skipped())
			c, err := jose.ParseCompact(test.token)
			require.NoError(t, err)
			require.NoError(t, jose.Verify(test.alg, key.Public, c))
			c.SigningInput[len(c.SigningInput)-1] ^= 1
			require.ErrorIs(t, jose.Verify(test.alg, key.Public, c), jose.ErrSignature)
		})
	}
	t.Run("RFC 7515 A.1", func(t *testing.T) {
		secret, err := base64.RawURLEncoding.DecodeString("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
		require.NoError(t, err)
		c, err := jose.ParseCompact("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." + joe + ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
		require.NoError(t, err)
		require.NoError(t, jose.Verify("HS256", secret, c))
	})
}

func TestSign(t *testing.T) {
	rs := newRSA(t, 2048)
	keys := map[string]any{
		"RS256": rs, "RS384": rs, "RS512": rs, "PS256": rs, "PS384": rs, "PS512": rs,
		"ES256": newEC(t, elliptic.P256()), "ES384": newEC(t, elliptic.P384()), "ES512": newEC(t, elliptic.P521()),
		"EdDSA": newEd25519(t), "Ed25519": newEd25519(t), "HS256": make([]byte, 32),
	}
	for alg, key := range keys {
		t.Run(alg, func(t *testing.T) {
			header := map[string]any{"kid": "k", "typ": "JWT", "alg": "none"}
			raw, err := jose.Sign(alg, key, header, []byte("payload"))
			require.NoError(t, err)
			require.Equal(t, "none", header["alg"], "the caller's header was changed")
			c, err := jose.ParseCompact(raw)
			require.NoError(t, err)
			require.Equal(t, jose.Header{Alg: alg, Kid: "k", Typ: "JWT"}, c.Header)
			require.Equal(t, "payload", string(c.Payload))
			public := key
			if signer, ok := key.(crypto.Signer); ok {
				public = signer.Public()
				// A key in hardware is a crypto.Signer of a type of its own.
				_, err := jose.Sign(alg, hardware{signer}, nil, []byte("payload"))
				require.NoError(t, err)
			}
			require.NoError(t, jose.Verify(alg, public, c))
			for other := range keys {
				if other != alg {
					require.Error(t, jose.Verify(other, public, c))
				}
			}
		})
	}
	for name, call := range map[string]func() (string, error){
		"unknown algorithm": func() (string, error) { return jose.Sign("none", rs, nil, nil) },
		"another key":       func() (string, error) { return jose.Sign("ES256", rs, nil, nil) },
		"another curve":     func() (string, error) { return jose.Sign("ES384", keys["ES256"], nil, nil) },
		"short secret":      func() (string, error) { return jose.Sign("HS256", make([]byte, 31), nil, nil) },
		"odd header":        func() (string, error) { return jose.Sign("RS256", rs, map[string]any{"a": func() {}}, nil) },
		"broken hardware":   func() (string, error) { return jose.Sign("RS256", broken{rs}, nil, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := call()
			require.Error(t, err)
		})
	}
}

type hardware struct{ crypto.Signer }

type broken struct{ crypto.Signer }

func (broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, io.ErrUnexpectedEOF
}

func TestPublicJWK(t *testing.T) {
	rs := newRSA(t, 2048)
	k := publicJWK(t, &rs.PublicKey, "", "")
	require.Equal(t, jwk{"kty": "RSA", "use": "sig", "n": b64(rs.N.Bytes()), "e": "AQAB"}, k)
	require.Equal(t, "k", publicJWK(t, &rs.PublicKey, "k", "RS256")["kid"])
	for name, key := range map[string]any{
		"private": rs, "private Ed25519": newEd25519(t), "secret": []byte("secret"), "nil": nil,
		"a curve that is not for JOSE": &newEC(t, elliptic.P224()).PublicKey,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := jose.PublicJWK(key, "k", "")
			require.Error(t, err)
		})
	}
	_, err := jose.PublicJWK(&rs.PublicKey, "k", "no such algorithm")
	require.Error(t, err)
}

// TestVerifyKey gives Verify keys that are not for the algorithm, with
// signatures that would be right.
func TestVerifyKey(t *testing.T) {
	p256, p384 := newEC(t, elliptic.P256()), newEC(t, elliptic.P384())
	raw, err := jose.Sign("ES256", p256, nil, []byte("payload"))
	require.NoError(t, err)
	c, err := jose.ParseCompact(raw)
	require.NoError(t, err)
	require.NoError(t, jose.Verify("ES256", &p256.PublicKey, c))

	for name, key := range map[string]any{
		"private": p256, "other curve": &p384.PublicKey, "nil": nil, "secret": make([]byte, 64),
		"RSA": &newRSA(t, 2048).PublicKey, "Ed25519": newEd25519(t).Public(), "string": "secret",
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, jose.Verify("ES256", key, c))
		})
	}

	// RFC 7518, section 3.4: ES256 is P-256, whatever else would verify.
	digest := sha256.Sum256(c.SigningInput)
	r, s, err := ecdsa.Sign(rand.Reader, p384, digest[:])
	require.NoError(t, err)
	c.Signature = append(r.FillBytes(make([]byte, 48)), s.FillBytes(make([]byte, 48))...)
	require.Error(t, jose.Verify("ES256", &p384.PublicKey, c))
}

// TestVerifySignature gives Verify the right key with signatures that are
// wrong in form.
func TestVerifySignature(t *testing.T) {
	key := newEC(t, elliptic.P256())
	raw, err := jose.Sign("ES256", key, nil, []byte("payload"))
	require.NoError(t, err)
	c, err := jose.ParseCompact(raw)
	require.NoError(t, err)
	digest := sha256.Sum256(c.SigningInput)
	der, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	require.NoError(t, err)
	right := c.Signature
	n := key.Params().N.Bytes()
	for name, signature := range map[string][]byte{
		"DER":       der, // RFC 7518, section 3.4: r and s, and nothing around them
		"short":     right[1:],
		"long":      append([]byte{0}, right...),
		"zero":      make([]byte, 64), // CVE-2022-21449
		"r=n, s=n":  append(append([]byte{}, n...), n...),
		"r=0":       append(make([]byte, 32), right[32:]...),
		"s=0":       append(append([]byte{}, right[:32]...), make([]byte, 32)...),
		"s=s+n":     append(append([]byte{}, right[:32]...), new(big.Int).Add(new(big.Int).SetBytes(right[32:]), key.Params().N).Bytes()...),
		"no bytes":  {},
		"nil":       nil,
		"one bit":   append(append([]byte{}, right[:63]...), right[63]^1),
		"truncated": right[:32],
	} {
		t.Run(name, func(t *testing.T) {
			c.Signature = signature
			require.ErrorIs(t, jose.Verify("ES256", &key.PublicKey, c), jose.ErrSignature)
		})
	}

	rs := newRSA(t, 2048)
	raw, err = jose.Sign("RS256", rs, nil, []byte("payload"))
	require.NoError(t, err)
	c, err = jose.ParseCompact(raw)
	require.NoError(t, err)
	require.NoError(t, jose.Verify("RS256", &rs.PublicKey, c))
	c.Signature = append([]byte{0}, c.Signature...)
	require.ErrorIs(t, jose.Verify("RS256", &rs.PublicKey, c), jose.ErrSignature)

	// RFC 7518, section 3.5: the salt of PS256 is as long as its hash.
	raw, err = jose.Sign("PS256", rs, nil, []byte("payload"))
	require.NoError(t, err)
	c, err = jose.ParseCompact(raw)
	require.NoError(t, err)
	digest = sha256.Sum256(c.SigningInput)
	c.Signature, err = rsa.SignPSS(rand.Reader, rs, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: 20})
	require.NoError(t, err)
	require.ErrorIs(t, jose.Verify("PS256", &rs.PublicKey, c), jose.ErrSignature)
}

func TestHash(t *testing.T) {
	for alg, want := range map[string]crypto.Hash{
		"RS256": crypto.SHA256, "PS384": crypto.SHA384, "ES512": crypto.SHA512, "EdDSA": crypto.SHA512, "HS256": crypto.SHA256,
	} {
		got, ok := jose.Hash(alg)
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	for _, alg := range []string{"none", "", "HS512", "ES256K", "rs256"} {
		_, ok := jose.Hash(alg)
		require.False(t, ok, alg)
	}
}
