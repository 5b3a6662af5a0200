package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwe"
	"github.com/lestrrat-go/jwx/v3/jwk"
)

// Encrypt returns payload as a JSON Web Encryption in compact serialization: by alg of
// [EncryptionAlgs], to an *rsa.PublicKey or an *ecdsa.PublicKey, with an enc of RFC 7518
// section 5. The header, which may be nil, has alg, enc and what they need added.
func Encrypt(alg, enc string, key crypto.PublicKey, header map[string]any, payload []byte) (string, error) {
	by, known := jwa.LookupKeyEncryptionAlgorithm(alg)
	with, ok := jwa.LookupContentEncryptionAlgorithm(enc)
	if !known || !ok || !slices.Contains(EncryptionAlgs(), alg) {
		return "", fmt.Errorf("jose: encryption by %.40q and %.40q is not supported", alg, enc)
	}
	switch key.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey:
	default: // jwx would take a private key too
		return "", fmt.Errorf("jose: expected a public key of RSA or ECDSA, got a %T", key)
	}
	protected := jwe.NewHeaders()
	for name, value := range header {
		if err := protected.Set(name, value); err != nil {
			return "", fmt.Errorf("jose: header: %w", err)
		}
	}
	token, err := jwe.Encrypt(payload, jwe.WithKey(by, key), jwe.WithContentEncryption(with), jwe.WithProtectedHeaders(protected))
	if err != nil {
		return "", fmt.Errorf("jose: encryption by %s: %w", alg, err)
	}
	return string(token), nil
}

// PublicEncryptionJWK returns the public half of a decryption key as a JSON Web Key to
// encrypt to by alg, which may be "" and is then left out, as an empty ID is.
func PublicEncryptionJWK(k DecryptionKey, alg string) ([]byte, error) {
	own, err := newPrivateKey(k)
	if err != nil {
		return nil, err
	}
	public, err := jwk.Import(own.public)
	if err != nil {
		return nil, fmt.Errorf("jose: a key of type %T: %w", own.public, err)
	}
	members := map[string]string{jwk.KeyUsageKey: "enc", jwk.KeyIDKey: k.ID, jwk.AlgorithmKey: alg}
	for name, value := range members {
		if value == "" {
			continue
		}
		if err := public.Set(name, value); err != nil {
			return nil, errors.New("jose: the kid or alg of a decryption key is not valid")
		}
	}
	return json.Marshal(public)
}
