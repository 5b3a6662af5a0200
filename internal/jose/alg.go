// Package jose is the seam between Signon and its JOSE library: it reads
// compact JSON Web Signatures, JSON Web Encryptions and JSON Web Key Sets strictly, and
// signs, verifies and decrypts with keys that are made ready once.
//
//	set, err := jose.ParseSet(jwks)
//	c, err := jose.ParseCompact(token)
//	key, err := set.Find(c.Header.Alg, c.Header.Kid)
//	err = jose.Verify("RS256", key.Public, c)
//
// # What is trusted
//
// The algorithm comes from the caller and never from the token. A header that
// names, carries or points to a key (jwk, jku, x5u, x5c) is not looked at.
// There is no "none". What has been decrypted is as little to be trusted as the
// token that it came in: anybody can encrypt to a public key.
package jose

import "crypto"

// algorithm is what RFC 7518, section 3.1, and RFC 8037 say about a name.
type algorithm struct {
	kty   string      // the type of the keys that it takes
	hash  crypto.Hash // also that of at_hash and c_hash
	curve string      // of EC and OKP keys
}

// lookup is a switch and not a map so that nothing can add to it.
func lookup(alg string) (algorithm, bool) {
	switch alg {
	case "RS256", "PS256":
		return algorithm{kty: "RSA", hash: crypto.SHA256}, true
	case "RS384", "PS384":
		return algorithm{kty: "RSA", hash: crypto.SHA384}, true
	case "RS512", "PS512":
		return algorithm{kty: "RSA", hash: crypto.SHA512}, true
	case "ES256":
		return algorithm{kty: "EC", hash: crypto.SHA256, curve: "P-256"}, true
	case "ES384":
		return algorithm{kty: "EC", hash: crypto.SHA384, curve: "P-384"}, true
	case "ES512":
		return algorithm{kty: "EC", hash: crypto.SHA512, curve: "P-521"}, true
	case "EdDSA", "Ed25519": // RFC 9864 renames the first, which is what providers still send
		return algorithm{kty: "OKP", hash: crypto.SHA512, curve: "Ed25519"}, true
	case "HS256":
		return algorithm{kty: "oct", hash: crypto.SHA256}, true
	}
	return algorithm{}, false
}

// Hash returns the hash function inside alg, and whether alg is an algorithm
// that [Verify] knows.
func Hash(alg string) (crypto.Hash, bool) {
	a, ok := lookup(alg)
	return a.hash, ok
}
