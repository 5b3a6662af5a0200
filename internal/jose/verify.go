package jose

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"

	"github.com/lestrrat-go/jwx/v3/jws/jwsbb"
)

// ErrSignature is returned by [Verify] for a signature that is not right.
var ErrSignature = errors.New("jose: the signature does not verify")

// MinSecret is the shortest secret in bytes for HS256 (RFC 7518, section 3.2).
const MinSecret = 32

// Verify checks the signature of c, which must be one of alg by key: an
// *rsa.PublicKey, an *ecdsa.PublicKey on alg's own curve, an
// ed25519.PublicKey, or a secret as []byte for HS256. The bytes are verified
// as they came.
func Verify(alg string, key any, c *Compact) error {
	if c.Header.Alg != alg {
		return fmt.Errorf("jose: the token is signed with %.40q, expected %q", c.Header.Alg, alg)
	}
	if err := checkKey(alg, key); err != nil {
		return err
	}
	if jwsbb.Verify(key, alg, c.SigningInput, c.Signature) != nil {
		return ErrSignature
	}
	return nil
}

// checkKey keeps a public key from being used as a secret, and an EC key from
// being used with the hash of another curve.
func checkKey(alg string, key any) error {
	a, ok := lookup(alg)
	if !ok {
		return fmt.Errorf("jose: the algorithm %.40q is not supported", alg)
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		ok = a.kty == "RSA"
	case *ecdsa.PublicKey:
		ok = a.kty == "EC" && a.curve == key.Curve.Params().Name
	case ed25519.PublicKey:
		ok = a.kty == "OKP" && len(key) == ed25519.PublicKeySize
	case []byte:
		if a.kty == "oct" && len(key) < MinSecret {
			return fmt.Errorf("jose: the secret has %d bytes, %s needs %d or more", len(key), alg, MinSecret)
		}
		ok = a.kty == "oct"
	default:
		ok = false
	}
	if !ok {
		return fmt.Errorf("jose: %s does not fit the algorithm %s; expected %s", kindOf(key), alg, algsOf(key))
	}
	return nil
}

// kindOf names what decides about the algorithm of a key, and nothing of the key.
func kindOf(key any) string {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return "an RSA key"
	case *ecdsa.PublicKey:
		return "an EC key on " + key.Curve.Params().Name
	case ed25519.PublicKey:
		return fmt.Sprintf("an Ed25519 key of %d bytes", len(key))
	case []byte:
		return "a secret"
	}
	return fmt.Sprintf("a key of type %T", key)
}

// algsOf says what a key fits.
func algsOf(key any) string {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return "RS256, RS384, RS512, PS256, PS384 or PS512"
	case *ecdsa.PublicKey:
		for _, alg := range []string{"ES256", "ES384", "ES512"} {
			if a, _ := lookup(alg); a.curve == key.Curve.Params().Name {
				return alg
			}
		}
		return "a key on P-256, P-384 or P-521"
	case ed25519.PublicKey:
		return "EdDSA"
	case []byte:
		return "HS256"
	}
	return "a key of RSA, EC or Ed25519"
}
