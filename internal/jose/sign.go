package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"maps"

	"github.com/go-json-experiment/json"
	"github.com/lestrrat-go/jwx/v3/jwk"
)

// Sign returns payload as a JSON Web Signature in compact serialization. The
// key is a crypto.Signer of RSA, ECDSA on alg's own curve, or Ed25519, or a
// secret as []byte for HS256, HS384 or HS512. The header is sent as it is, with
// alg added; it may be nil.
func Sign(alg string, key any, header map[string]any, payload []byte) (string, error) {
	full := map[string]any{}
	maps.Copy(full, header)
	full["alg"] = alg
	head, err := json.Marshal(full, json.Deterministic(true))
	if err != nil {
		return "", fmt.Errorf("jose: header: %w", err)
	}
	buf := encoding.AppendEncode(nil, head)
	buf = append(buf, '.')
	buf = encoding.AppendEncode(buf, payload)
	signature, err := sign(alg, key, buf)
	if err != nil {
		return "", fmt.Errorf("jose: signing with %.40s: %w", alg, err)
	}
	buf = append(buf, '.')
	return string(encoding.AppendEncode(buf, signature)), nil
}

func sign(alg string, key any, input []byte) ([]byte, error) {
	switch key := key.(type) {
	case crypto.Signer:
		return signWith(alg, key, input)
	case []byte:
		return signHMAC(alg, key, input)
	}
	return nil, fmt.Errorf("jose: a key of type %T cannot sign", key)
}

// PublicJWK returns key as a JSON Web Key for signatures of alg, under the key
// id kid. Either may be "" and is then left out. A private key or a secret is
// an error.
func PublicJWK(key crypto.PublicKey, kid, alg string) ([]byte, error) {
	switch key.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return nil, fmt.Errorf("jose: expected a public key, got a %T", key)
	}
	public, err := jwk.Import(key)
	if err != nil {
		return nil, fmt.Errorf("jose: a key of type %T: %w", key, err)
	}
	members := map[string]string{jwk.KeyUsageKey: "sig", jwk.KeyIDKey: kid, jwk.AlgorithmKey: alg}
	for name, value := range members {
		if value == "" {
			continue
		}
		if err := public.Set(name, value); err != nil {
			return nil, fmt.Errorf("jose: %q of a key: %w", name, err)
		}
	}
	return json.Marshal(public)
}

// CertificateJWK returns the key of a certificate as a JSON Web Key, with the
// certificate as its only x5c (RFC 7517, section 4.7).
func CertificateJWK(cert *x509.Certificate) ([]byte, error) {
	key, err := PublicJWK(cert.PublicKey, "", "")
	if err != nil {
		return nil, err
	}
	members := map[string]any{}
	if err := json.Unmarshal(key, &members); err != nil {
		return nil, fmt.Errorf("jose: a key's own JSON: %w", err)
	}
	members["x5c"] = []string{base64.StdEncoding.EncodeToString(cert.Raw)}
	return json.Marshal(members, json.Deterministic(true))
}
