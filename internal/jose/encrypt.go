package jose

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/lestrrat-go/jwx/v3/jwk"
)

// Encrypt returns payload as a JSON Web Encryption in compact serialization: by alg of
// [EncryptionAlgs], to an *rsa.PublicKey or an *ecdsa.PublicKey, with an enc of RFC 7518
// section 5. The header is sent as it is, with alg, enc and what they need added; it may
// be nil.
func Encrypt(alg, enc string, key crypto.PublicKey, header map[string]any, payload []byte) (string, error) {
	size, ok := lookupContent(enc)
	if !ok || !slices.Contains(EncryptionAlgs(), alg) {
		return "", fmt.Errorf("jose: encryption by %.40q and %.40q is not supported", alg, enc)
	}
	full := map[string]any{}
	maps.Copy(full, header)
	full["alg"], full["enc"] = alg, enc
	contentKey := randomBytes(size.key)
	e := &encrypted{alg: alg, enc: enc, iv: randomBytes(size.iv)}
	var err error
	switch key := key.(type) {
	case *rsa.PublicKey:
		if !strings.HasPrefix(alg, "RSA") {
			return "", fmt.Errorf("jose: a key of type %T does not fit the algorithm %s", key, alg)
		}
		e.key, err = rsa.EncryptOAEP(oaepHash(alg), rand.Reader, key, contentKey, nil)
	case *ecdsa.PublicKey:
		contentKey, err = e.agree(key, contentKey, full)
	default:
		err = fmt.Errorf("jose: expected a public key of RSA or ECDSA, got a %T", key)
	}
	if err != nil {
		return "", err
	}
	head, err := json.Marshal(full, json.Deterministic(true))
	if err != nil {
		return "", fmt.Errorf("jose: header: %w", err)
	}
	e.aad = encoding.AppendEncode(nil, head)
	if err := sealContent(enc, contentKey, payload, e); err != nil {
		return "", err
	}
	return e.compact(), nil
}

func (e *encrypted) compact() string {
	parts := []string{string(e.aad)}
	for _, segment := range [][]byte{e.key, e.iv, e.ciphertext, e.tag} {
		parts = append(parts, encoding.EncodeToString(segment))
	}
	return strings.Join(parts, ".")
}

// agree returns the key of the content, wrapped in e or derived, and puts what the
// other side needs for it into the header.
func (e *encrypted) agree(to *ecdsa.PublicKey, contentKey []byte, header map[string]any) ([]byte, error) {
	theirs, err := to.ECDH()
	if err != nil || !strings.HasPrefix(e.alg, "ECDH") {
		return nil, fmt.Errorf("jose: a key of type %T does not fit the algorithm %s", to, e.alg)
	}
	own, err := theirs.Curve().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	shared, err := own.ECDH(theirs)
	if err != nil {
		return nil, err
	}
	header["epk"] = ephemeralJWK(own.PublicKey(), to.Curve.Params().Name)
	if wrapping := wrapSize(e.alg); wrapping > 0 {
		e.key, err = wrapKey(concatKDF(shared, e.alg, nil, nil, wrapping), contentKey)
		return contentKey, err
	}
	return concatKDF(shared, e.enc, nil, nil, len(contentKey)), nil
}

func ephemeralJWK(key *ecdh.PublicKey, crv string) map[string]any {
	point := key.Bytes()[1:] // uncompressed: x and y
	half := len(point) / 2
	return map[string]any{
		"kty": "EC", "crv": crv,
		"x": encoding.EncodeToString(point[:half]), "y": encoding.EncodeToString(point[half:]),
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
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
