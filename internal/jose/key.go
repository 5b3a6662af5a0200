package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/lestrrat-go/jwx/v3/jwk"
)

// ErrUse is wrapped where a key is skipped that is right, but for something else than
// signatures: most providers publish one to encrypt with.
var ErrUse = errors.New("not for signatures")

// Key is one public key of a provider, ready to verify with.
type Key struct {
	ID     string           // kid; "" if absent
	Alg    string           // the only algorithm that it may be used with; "": any that fits
	Kty    string           // RSA, EC or OKP
	Public crypto.PublicKey // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey

	// Issuer is the member "issuer", which Microsoft's key sets have: the only issuer
	// whose tokens the key signs, or a template with {tenantid}. "" if absent; what is
	// not a string is as it was written, which is no issuer's.
	Issuer string

	curve string
}

// Bounds of RSA keys. The lower ones are of RFC 7518, section 3.3, and RFC
// 8017; the upper ones keep one signature from costing milliseconds.
const (
	minRSABits     = 2048
	maxRSABits     = 8192
	minRSAExponent = 3
	maxRSAExponent = 1<<31 - 1
)

// members are those of a JSON Web Key (RFC 7517, section 4; RFC 7518, section
// 6) that decide whether it may verify.
type members struct {
	Kty    string   `json:"kty"`
	Kid    string   `json:"kid"`
	Alg    string   `json:"alg"`
	Use    string   `json:"use"`
	KeyOps []string `json:"key_ops"`
	Crv    string   `json:"crv"`
	X      string   `json:"x"`
	Y      string   `json:"y"`

	Issuer jsontext.Value `json:"issuer"`

	// Present in private and symmetric keys only.
	D jsontext.Value `json:"d"`
	K jsontext.Value `json:"k"`
	P jsontext.Value `json:"p"`
	Q jsontext.Value `json:"q"`
}

// parseKey returns an error for every key that must not or cannot verify.
func parseKey(data jsontext.Value) (*Key, error) {
	var m members
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, errors.New("jose: not a JSON Web Key") // json's error could show a part of a secret
	}
	switch {
	case m.D != nil, m.K != nil, m.P != nil, m.Q != nil:
		// Whoever reads the set could sign with this key.
		return nil, fmt.Errorf("jose: the key %.40q is private or symmetric, and was published", m.Kid)
	case m.Use != "" && m.Use != "sig":
		return nil, fmt.Errorf("jose: the key %.40q: %w: use is %.40q", m.Kid, ErrUse, m.Use)
	case m.KeyOps != nil && !slices.Contains(m.KeyOps, "verify"):
		return nil, fmt.Errorf("jose: the key %.40q is not for the operation verify", m.Kid)
	}
	public, err := m.public(data)
	if err != nil {
		return nil, err
	}
	k := &Key{ID: m.Kid, Alg: m.Alg, Kty: m.Kty, Public: public, Issuer: issuerOf(m.Issuer), curve: m.Crv}
	if k.Alg != "" && !k.fits(k.Alg) {
		return nil, fmt.Errorf("jose: the key %.40q of type %.40q is for algorithm %.40q", m.Kid, m.Kty, m.Alg)
	}
	return k, nil
}

func issuerOf(member jsontext.Value) string {
	if member == nil {
		return ""
	}
	if text, ok := Value(member).Text(); ok && text != "" {
		return text
	}
	return string(member)
}

// public leaves the arithmetic to jwx, which refuses points off the curve and
// exponents below three, and adds what it lets pass.
func (m *members) public(data []byte) (crypto.PublicKey, error) {
	var raw any
	parsed, err := jwk.ParseKey(data)
	if err == nil {
		err = jwk.Export(parsed, &raw)
	}
	if err != nil {
		return nil, fmt.Errorf("jose: the key %.40q of type %.40q is malformed or unknown", m.Kid, m.Kty)
	}
	switch key := raw.(type) {
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		if m.Kty == "RSA" && minRSABits <= bits && bits <= maxRSABits &&
			minRSAExponent <= key.E && key.E <= maxRSAExponent {
			return key, nil
		}
		return nil, fmt.Errorf("jose: the RSA key %.40q has %d bits and the exponent %d", m.Kid, bits, key.E)
	case *ecdsa.PublicKey:
		size := (key.Curve.Params().BitSize + 7) / 8
		if m.Kty == "EC" && m.Crv == key.Curve.Params().Name && octets(m.X) == size && octets(m.Y) == size {
			return key, nil
		}
		// RFC 7518, section 6.2.1.2: exactly as long as the curve asks.
		return nil, fmt.Errorf("jose: the EC key %.40q has coordinates of the wrong length", m.Kid)
	case ed25519.PublicKey:
		if m.Kty == "OKP" && m.Crv == "Ed25519" && len(key) == ed25519.PublicKeySize {
			return key, nil
		}
	}
	return nil, fmt.Errorf("jose: the key %.40q of type %.40q cannot verify", m.Kid, m.Kty)
}

// octets returns the length of what s encodes, or -1.
func octets(s string) int {
	b, err := encoding.DecodeString(s)
	if err != nil {
		return -1
	}
	return len(b)
}

// fits reports whether the key may verify signatures of alg.
func (k *Key) fits(alg string) bool {
	a, ok := lookup(alg)
	if !ok || a.kty != k.Kty || a.curve != "" && a.curve != k.curve {
		return false
	}
	// EdDSA and Ed25519 are one algorithm under two names.
	return k.Alg == "" || k.Alg == alg || a.kty == "OKP"
}
