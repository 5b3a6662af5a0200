package signontest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // the hashes that hashOf names
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
)

// RotateKeys makes a new signing key and forgets the old ones: the next ID token
// has a kid that nobody has seen.
//
// The first RSA key of every provider in one process is the same one, because
// making one is slow. A test about two providers' keys rotates one of them.
func (p *Provider) RotateKeys() {
	k := newKey(p.cfg.SigningAlg)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys.list = nil
	p.keys.add(k)
}

// AddKey makes a new signing key and keeps publishing the old ones.
func (p *Provider) AddKey() {
	k := newKey(p.cfg.SigningAlg)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys.add(k)
}

// Sign signs claims with the provider's current key, as a compact JWS. The header
// has "alg" and "kid" of that key and what is given, which wins; a nil value
// removes a member. The signature is the key's own whatever "alg" says.
func (p *Provider) Sign(header, claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("signontest: %w", err)
	}
	p.mu.Lock()
	k := p.keys.current()
	p.mu.Unlock()
	return signJWS(k, k.header(header), payload)
}

// keyOfOtherAlg is a key that the key set has from now on, of an algorithm that is not the
// provider's.
func (p *Provider) keyOfOtherAlg() key {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.otherKey.signer == nil {
		alg := "ES256"
		if p.cfg.SigningAlg == alg {
			alg = "RS256"
		}
		p.otherKey = key{kid: "other-" + rand.Text()[:6], alg: alg, signer: firstKey(alg)}
	}
	return p.otherKey
}

// keyring holds the provider's keys, the newest last. HS256 has none.
type keyring struct {
	alg, secret string
	list        []key
	made        int
}

// A key signs with alg; its signer is nil for HS256, which takes secret.
type key struct {
	kid, alg string
	signer   crypto.Signer
	secret   string
}

func (r *keyring) add(s crypto.Signer) {
	r.made++
	r.list = append(r.list, key{kid: fmt.Sprintf("key-%d-%s", r.made, rand.Text()[:6]), alg: r.alg, signer: s, secret: r.secret})
}

func (r *keyring) current() key { return r.list[len(r.list)-1] }

func jwks(list []key) []any {
	keys := []any{}
	for _, k := range list {
		if k.signer == nil {
			continue
		}
		jwk := publicJWK(k.signer.Public())
		jwk["kid"], jwk["alg"], jwk["use"] = k.kid, k.alg, "sig"
		keys = append(keys, jwk)
	}
	return keys
}

func (k key) header(with map[string]any) map[string]any {
	h := map[string]any{"alg": k.alg, "kid": k.kid, "typ": "JWT"}
	for name, v := range with {
		h[name] = v
		if v == nil {
			delete(h, name)
		}
	}
	return h
}

var rsaAlgs = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}

var sharedRSA = sync.OnceValue(func() crypto.Signer { return newKey("RS256") })

func firstKey(alg string) crypto.Signer {
	if slices.Contains(rsaAlgs, alg) {
		return sharedRSA()
	}
	return newKey(alg)
}

// newKey panics for an algorithm that it does not know: the test's own mistake.
func newKey(alg string) crypto.Signer {
	var k crypto.Signer
	var err error
	switch {
	case slices.Contains(rsaAlgs, alg):
		k, err = rsa.GenerateKey(rand.Reader, 2048)
	case alg == "ES256":
		k, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case alg == "ES384":
		k, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case alg == "ES512":
		k, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case alg == "EdDSA":
		_, k, err = ed25519.GenerateKey(rand.Reader)
	case alg == "HS256":
		return nil
	default:
		panic(fmt.Sprintf("signontest: unknown Config.SigningAlg %q", alg))
	}
	if err != nil {
		panic(fmt.Sprintf("signontest: %v", err))
	}
	return k
}

func publicJWK(pub crypto.PublicKey) map[string]any {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		return map[string]any{"kty": "RSA", "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())}
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			panic(fmt.Sprintf("signontest: %v", err))
		}
		xy := point[1:] // after the 4 that says uncompressed
		return map[string]any{"kty": "EC", "crv": k.Params().Name, "x": b64(xy[:len(xy)/2]), "y": b64(xy[len(xy)/2:])}
	case ed25519.PublicKey:
		return map[string]any{"kty": "OKP", "crv": "Ed25519", "x": b64(k)}
	}
	panic(fmt.Sprintf("signontest: no JWK for %T", pub))
}

// signJWS writes the header as it is given, so that hostile ones can be made, and
// signs with the key's own algorithm.
func signJWS(k key, header map[string]any, payload []byte) (string, error) {
	h, err := json.Marshal(header)
	if err != nil {
		return "", fmt.Errorf("signontest: %w", err)
	}
	input := b64(h) + "." + b64(payload)
	sig, err := k.sign([]byte(input))
	if err != nil {
		return "", fmt.Errorf("signontest: %w", err)
	}
	return input + "." + b64(sig), nil
}

func (k key) sign(input []byte) ([]byte, error) {
	hash := hashOf(k.alg)
	h := hash.New()
	h.Write(input)
	digest := h.Sum(nil)
	switch s := k.signer.(type) {
	case nil:
		m := hmac.New(hash.New, []byte(k.secret))
		m.Write(input)
		return m.Sum(nil), nil
	case *rsa.PrivateKey:
		if strings.HasPrefix(k.alg, "PS") {
			return s.Sign(rand.Reader, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash})
		}
		return s.Sign(rand.Reader, digest, hash)
	case *ecdsa.PrivateKey:
		return signECDSA(s, digest)
	default:
		return s.Sign(rand.Reader, input, crypto.Hash(0))
	}
}

// signECDSA gives r and s at the fixed width of RFC 7518 section 3.4.
func signECDSA(k *ecdsa.PrivateKey, digest []byte) ([]byte, error) {
	r, s, err := ecdsa.Sign(rand.Reader, k, digest)
	if err != nil {
		return nil, err
	}
	width := (k.Params().BitSize + 7) / 8
	sig := make([]byte, 2*width)
	r.FillBytes(sig[:width])
	s.FillBytes(sig[width:])
	return sig, nil
}

// hashOf gives SHA-512 for EdDSA, which is what its at_hash takes for Ed25519.
func hashOf(alg string) crypto.Hash {
	switch {
	case strings.HasSuffix(alg, "256"):
		return crypto.SHA256
	case strings.HasSuffix(alg, "384"):
		return crypto.SHA384
	}
	return crypto.SHA512
}

func unb64(s string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(s) }

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
