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
		return fmt.Errorf("jose: a key of type %T does not fit the algorithm %s", key, alg)
	}
	return nil
}
