package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.Hash.New
	_ "crypto/sha512"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
)

// AlgOf returns the algorithm to sign with where only the key is known: RS256, ES256,
// ES384, ES512 or EdDSA.
func AlgOf(public crypto.PublicKey) (string, error) {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return "RS256", nil
	case ed25519.PublicKey:
		return "EdDSA", nil
	case *ecdsa.PublicKey:
		for _, alg := range []string{"ES256", "ES384", "ES512"} {
			if checkKey(alg, key) == nil {
				return alg, nil
			}
		}
		return "", fmt.Errorf("jose: an EC key on %s: expected P-256, P-384 or P-521", key.Curve.Params().Name)
	}
	return "", fmt.Errorf("jose: a key of type %T: expected RSA, EC or Ed25519", public)
}

// CheckSigner reports whether a key may sign by alg: its type and curve are alg's own,
// and an RSA key has 2048 bits or more (RFC 7518, section 3.3).
func CheckSigner(alg string, public crypto.PublicKey) error {
	if _, secret := public.([]byte); secret {
		return errors.New("jose: expected a public key, got a secret")
	}
	if err := checkKey(alg, public); err != nil {
		return err
	}
	if key, ok := public.(*rsa.PublicKey); ok && key.N.BitLen() < minRSABits {
		return fmt.Errorf("jose: an RSA key of %d bits: expected %d or more", key.N.BitLen(), minRSABits)
	}
	return nil
}

// MinHMACSecret returns the least length in bytes of a secret for alg, which is the size
// of its hash (RFC 7518, section 3.2), or 0 where alg is not HS256, HS384 or HS512.
func MinHMACSecret(alg string) int {
	if hash := hmacHash(alg); hash != 0 {
		return hash.Size()
	}
	return 0
}

// hmacHash is apart from lookup: Verify takes HS256 alone, and Sign all three.
func hmacHash(alg string) crypto.Hash {
	switch alg {
	case "HS256":
		return crypto.SHA256
	case "HS384":
		return crypto.SHA384
	case "HS512":
		return crypto.SHA512
	}
	return 0
}

// signHMAC is RFC 7518, section 3.2.
func signHMAC(alg string, secret, input []byte) ([]byte, error) {
	hash := hmacHash(alg)
	if hash == 0 {
		return nil, fmt.Errorf("jose: a secret does not fit the algorithm %.40q", alg)
	}
	if least := hash.Size(); len(secret) < least {
		return nil, fmt.Errorf("jose: the secret has %d bytes, %s needs %d or more", len(secret), alg, least)
	}
	mac := hmac.New(hash.New, secret)
	mac.Write(input)
	return mac.Sum(nil), nil
}

// signWith asks any crypto.Signer, which may be far away, for a signature as JWS has it.
func signWith(alg string, signer crypto.Signer, input []byte) ([]byte, error) {
	public := signer.Public()
	if err := checkKey(alg, public); err != nil {
		return nil, err
	}
	a, _ := lookup(alg)
	if a.kty == "OKP" { // RFC 8037, section 3.1: over the message itself
		return signer.Sign(rand.Reader, input, crypto.Hash(0))
	}
	sum := a.hash.New()
	sum.Write(input)
	digest := sum.Sum(nil)
	var opts crypto.SignerOpts = a.hash
	if alg[0] == 'P' { // RFC 7518, section 3.5: a salt as long as the hash
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: a.hash}
	}
	signature, err := signer.Sign(rand.Reader, digest, opts)
	if key, ok := public.(*ecdsa.PublicKey); ok && err == nil {
		return fixedSize(signature, (key.Curve.Params().BitSize+7)/8)
	}
	return signature, err
}

// fixedSize turns the ASN.1 of an ECDSA signature into two numbers of size octets each
// (RFC 7518, section 3.4).
func fixedSize(der []byte, size int) ([]byte, error) {
	var pair struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(der, &pair)
	if err != nil || len(rest) > 0 {
		return nil, errors.New("jose: the signer's answer is not the ASN.1 of an ECDSA signature")
	}
	for _, n := range []*big.Int{pair.R, pair.S} {
		if n.Sign() <= 0 || n.BitLen() > 8*size {
			return nil, errors.New("jose: the signer's answer has a number that is out of its curve's range")
		}
	}
	fixed := make([]byte, 2*size)
	pair.R.FillBytes(fixed[:size])
	pair.S.FillBytes(fixed[size:])
	return fixed, nil
}
