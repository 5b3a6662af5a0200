package signontest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
)

// parseClientKeys reads the signature keys of a JWK Set.
func parseClientKeys(set json.RawMessage) ([]clientKey, error) {
	var parsed struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.Unmarshal(set, &parsed); err != nil {
		return nil, fmt.Errorf("signontest: a JWK Set that is no JSON: %w", err)
	}
	var keys []clientKey
	for _, jwk := range parsed.Keys {
		if jwk["use"] == "enc" {
			continue
		}
		if jwk["d"] != nil {
			return nil, fmt.Errorf("signontest: the JWK Set has a private key in it")
		}
		key, err := parseJWK(jwk)
		if err != nil {
			return nil, err
		}
		k := clientKey{key: key}
		k.id, _ = jwk["kid"].(string)
		k.alg, _ = jwk["alg"].(string)
		keys = append(keys, k)
	}
	return keys, nil
}

var curves = map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}

// parseJWK is RFC 7518 section 6 and RFC 8037 section 2.
func parseJWK(jwk map[string]any) (crypto.PublicKey, error) {
	field := func(name string) []byte {
		s, _ := jwk[name].(string)
		b, _ := unb64(s)
		return b
	}
	crv, _ := jwk["crv"].(string)
	switch kty := jwk["kty"]; {
	case kty == "RSA" && len(field("n")) > 0 && len(field("e")) > 0:
		e := new(big.Int).SetBytes(field("e"))
		return &rsa.PublicKey{N: new(big.Int).SetBytes(field("n")), E: int(e.Int64())}, nil
	case kty == "EC" && curves[crv] != nil:
		point := append([]byte{4}, append(field("x"), field("y")...)...)
		return ecdsa.ParseUncompressedPublicKey(curves[crv], point)
	case kty == "OKP" && crv == "Ed25519" && len(field("x")) == ed25519.PublicKeySize:
		return ed25519.PublicKey(field("x")), nil
	}
	return nil, fmt.Errorf("signontest: a JWK of kty %.20q and crv %.20q", jwk["kty"], crv)
}

// verifyJWS verifies with a public key, or for HS256 and its like with a []byte.
func verifyJWS(alg string, key any, j *jws) error {
	hash := hashOf(alg)
	h := hash.New()
	h.Write([]byte(j.input))
	digest := h.Sum(nil)
	ok := false
	switch k := key.(type) {
	case []byte:
		m := hmac.New(hash.New, k)
		m.Write([]byte(j.input))
		ok = hmac.Equal(m.Sum(nil), j.signature)
	case *rsa.PublicKey:
		if strings.HasPrefix(alg, "PS") {
			opts := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
			ok = rsa.VerifyPSS(k, hash, digest, j.signature, opts) == nil
			break
		}
		ok = strings.HasPrefix(alg, "RS") && rsa.VerifyPKCS1v15(k, hash, digest, j.signature) == nil
	case *ecdsa.PublicKey:
		ok = verifyECDSA(alg, k, digest, j.signature)
	case ed25519.PublicKey:
		ok = alg == "EdDSA" && ed25519.Verify(k, []byte(j.input), j.signature)
	}
	if !ok {
		return fmt.Errorf("its %s signature does not verify", alg)
	}
	return nil
}

// ecdsaCurves is which algorithm is for which curve, RFC 7518 section 3.4.
var ecdsaCurves = map[string]string{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}

func verifyECDSA(alg string, k *ecdsa.PublicKey, digest, sig []byte) bool {
	width := (k.Params().BitSize + 7) / 8
	if ecdsaCurves[alg] != k.Params().Name || len(sig) != 2*width {
		return false
	}
	return ecdsa.Verify(k, digest, new(big.Int).SetBytes(sig[:width]), new(big.Int).SetBytes(sig[width:]))
}
