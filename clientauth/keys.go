package clientauth

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
)

// maxPEM bounds a file of keys.
const maxPEM = 64 << 10

// ParseKeys reads the private keys of a PEM file, in their order: PKCS #8 ("PRIVATE
// KEY"), PKCS #1 ("RSA PRIVATE KEY") and SEC 1 ("EC PRIVATE KEY"), not encrypted. Each
// is an *rsa.PrivateKey, an *ecdsa.PrivateKey or an ed25519.PrivateKey. Text around them
// is ignored, as are the "EC PARAMETERS" that openssl writes.
//
// It is an error if there is none, or if any block is something else. An error says
// which block it is about, and shows nothing of a key.
func ParseKeys(data []byte) ([]crypto.Signer, error) {
	if len(data) > maxPEM {
		return nil, fmt.Errorf("clientauth: a PEM file of %d bytes: expected %d at most", len(data), maxPEM)
	}
	var keys []crypto.Signer
	blocks := 0
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		blocks++
		if block.Type == "EC PARAMETERS" {
			continue
		}
		key, err := parseKey(block)
		if err != nil {
			return nil, fmt.Errorf("clientauth: block %d of the PEM file: %w", blocks, err)
		}
		keys = append(keys, key)
	}
	switch begun := bytes.Count(data, []byte("-----BEGIN ")); {
	case begun != blocks: // pem.Decode passes over what it cannot read
		return nil, fmt.Errorf("clientauth: the PEM file begins %d blocks, and %d of them can be read: is one cut, or are its line breaks lost?", begun, blocks)
	case len(keys) == 0:
		return nil, errors.New(`clientauth: no private key in PEM: expected "-----BEGIN PRIVATE KEY-----" and the lines that follow it`)
	}
	return keys, nil
}

func parseKey(block *pem.Block) (crypto.Signer, error) {
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return nil, errEncrypted
	default:
		return nil, fmt.Errorf("it is a %.40q: expected a private key", block.Type)
	}
	if block.Headers["DEK-Info"] != "" {
		return nil, errEncrypted
	}
	if curve := otherCurve(block); err != nil && curve != "" {
		return nil, fmt.Errorf("it is a key on the curve %s, which is not supported: expected P-256, P-384 or P-521", curve)
	}
	if err != nil { // not shown: it is about the bytes of a key
		return nil, fmt.Errorf("it is not a valid %q", block.Type)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("it is a %T, which cannot sign: expected an RSA, EC or Ed25519 key", key)
	}
	return signer, nil
}

// otherCurve names the curve of an EC key that crypto/x509 does not know, or returns "":
// such a key is well-formed, and its owner looks for another mistake. The name of a curve
// is no secret.
func otherCurve(block *pem.Block) string {
	var ec struct {
		Version int
		Private []byte
		Curve   asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
		Public  asn1.BitString        `asn1:"optional,explicit,tag:1"`
	} // RFC 5915 section 3
	var wrapped struct {
		Version int
		Algo    struct{ Algorithm, Curve asn1.ObjectIdentifier }
		Private []byte
	} // RFC 5208 section 5, RFC 5480 section 2.1.1
	curve := asn1.ObjectIdentifier(nil)
	if rest, err := asn1.Unmarshal(block.Bytes, &ec); err == nil && len(rest) == 0 {
		curve = ec.Curve
	} else if _, err := asn1.Unmarshal(block.Bytes, &wrapped); err == nil && wrapped.Algo.Algorithm.String() == "1.2.840.10045.2.1" {
		curve = wrapped.Algo.Curve
	}
	switch id := curve.String(); id {
	case "1.2.840.10045.3.1.7", "1.3.132.0.33", "1.3.132.0.34", "1.3.132.0.35": // P-256, P-224, P-384, P-521
		return ""
	case "1.3.132.0.10":
		return "secp256k1"
	default:
		return id
	}
}

var errEncrypted = errors.New("it is encrypted: decrypt it first, as openssl pkcs8 does, and keep it where secrets are kept")
