package jose

import (
	"crypto/ecdh"
	"errors"
	"fmt"
	"strings"
)

// encrypted is a JSON Web Encryption in compact serialization, taken apart.
type encrypted struct {
	alg, enc, kid, cty string

	epk      *ecdh.PublicKey // for the ECDH algorithms
	crv      string          // its curve
	apu, apv []byte

	aad, key, iv, ciphertext, tag []byte
}

// IsEncrypted reports whether token has the five segments of an encrypted token. It
// says nothing about whether they are right.
func IsEncrypted(token string) bool {
	return len(token) <= MaxCompact && strings.Count(token, ".") == 4
}

// parseEncrypted takes token apart (RFC 7516 section 7.1). Like [ParseCompact] it takes
// one spelling only: five segments of base64url, at most [MaxCompact] bytes in all.
// Only the second may be empty.
func parseEncrypted(token string) (*encrypted, error) {
	if len(token) > MaxCompact { // before anything grows with it
		return nil, fmt.Errorf("jose: the token has %d bytes, expected at most %d", len(token), MaxCompact)
	}
	parts := strings.SplitN(token, ".", 6)
	if len(parts) != 5 {
		return nil, errors.New("jose: expected an encrypted token of five segments")
	}
	if strings.ContainsAny(token, "\r\n") {
		return nil, errBase64
	}
	var segments [5][]byte
	for i, part := range parts {
		var err error
		if segments[i], err = encoding.DecodeString(part); err != nil {
			return nil, errBase64
		}
		if part == "" && i != 1 {
			return nil, errors.New("jose: expected an encrypted token without empty segments but the second")
		}
	}
	e := &encrypted{
		aad: []byte(parts[0]), // as it came: RFC 7516 section 5.2, step 14
		key: segments[1], iv: segments[2], ciphertext: segments[3], tag: segments[4],
	}
	if err := e.parseHeader(segments[0]); err != nil {
		return nil, err
	}
	return e, e.checkSizes()
}

// checkSizes keeps bytes from moving between the segments: each length is fixed.
func (e *encrypted) checkSizes() error {
	iv, tag, ok := contentSizes(e.enc)
	switch {
	case !ok:
		return fmt.Errorf("jose: the content is encrypted with %.40q, which is not supported", e.enc)
	case len(e.iv) != iv || len(e.tag) != tag:
		return fmt.Errorf("jose: the initialization vector or the tag has not the length that %s has", e.enc)
	}
	return nil
}

// contentSizes is what RFC 7518 section 5 says about an enc: how many bytes the
// initialization vector and the tag have.
func contentSizes(enc string) (iv, tag int, ok bool) {
	switch enc {
	case "A128GCM", "A192GCM", "A256GCM":
		return 12, 16, true
	case "A128CBC-HS256":
		return 16, 16, true
	case "A192CBC-HS384":
		return 16, 24, true
	case "A256CBC-HS512":
		return 16, 32, true
	}
	return 0, 0, false
}

var encryptedNames = []string{
	"alg", "enc", "kid", "cty", "epk", "apu", "apv",
	"zip", "crit", "b64", "p2c", "p2s", "iv", "tag",
}

// parseHeader reads what opens the token. Whatever else stands there is not looked at:
// the header is protected by a key that everybody has.
func (e *encrypted) parseHeader(data []byte) error {
	return Members(data, func(name string, value Value) (err error) {
		switch name {
		case "alg":
			e.alg, err = headerText(name, value)
		case "enc":
			e.enc, err = headerText(name, value)
		case "kid":
			e.kid, err = headerText(name, value)
		case "cty":
			e.cty, err = headerText(name, value)
		case "apu":
			e.apu, err = headerBytes(name, value)
		case "apv":
			e.apv, err = headerBytes(name, value)
		case "epk":
			e.epk, e.crv, err = parseEphemeral([]byte(value))
		case "zip": // a small token would become a large one
			err = errors.New("jose: the token is compressed, expected one without zip")
		case "crit", "b64", "p2c", "p2s", "iv", "tag": // of extensions, and of algorithms that are not here
			err = fmt.Errorf("jose: the header of the encrypted token has %q, expected none", name)
		default:
			if n, ok := FoldsTo(name, encryptedNames); ok {
				err = fmt.Errorf("jose: the header has a variant of %q", n)
			}
		}
		return err
	})
}

func headerText(name string, value Value) (string, error) {
	text, ok := value.Text()
	if !ok {
		return "", fmt.Errorf("jose: the header's %q is not a string", name)
	}
	return text, nil
}

func headerBytes(name string, value Value) ([]byte, error) {
	text, _ := value.Text()
	b, ok := decodeText(text)
	if !ok {
		return nil, fmt.Errorf("jose: the header's %q is not a string of base64url", name)
	}
	return b, nil
}

func decodeText(text string) ([]byte, bool) {
	b, err := encoding.DecodeString(text)
	return b, err == nil && text != "" && !strings.ContainsAny(text, "\r\n")
}

// parseEphemeral reads the sender's half of a key agreement (RFC 7518 section 4.6.1.1).
// A point that is not on the curve would tell the sender about our key, and is an error.
func parseEphemeral(data []byte) (*ecdh.PublicKey, string, error) {
	member := map[string]string{}
	err := Members(data, func(name string, value Value) (err error) {
		switch name {
		case "kty", "crv", "x", "y":
			member[name], err = headerText(name, value)
		case "d":
			err = errors.New("jose: the header's epk is a private key")
		}
		return err
	})
	if err != nil {
		return nil, "", err
	}
	curve, size := ecdhCurve(member["crv"])
	x, okX := decodeText(member["x"])
	y, okY := decodeText(member["y"])
	if member["kty"] != "EC" || curve == nil || !okX || !okY || len(x) != size || len(y) != size {
		return nil, "", errors.New("jose: the header's epk is not an EC key on P-256, P-384 or P-521")
	}
	key, err := curve.NewPublicKey(append(append([]byte{4}, x...), y...))
	if err != nil {
		return nil, "", errors.New("jose: the header's epk is not a point on its curve")
	}
	return key, member["crv"], nil
}

func ecdhCurve(name string) (curve ecdh.Curve, size int) {
	switch name {
	case "P-256":
		return ecdh.P256(), 32
	case "P-384":
		return ecdh.P384(), 48
	case "P-521":
		return ecdh.P521(), 66
	}
	return nil, 0
}
