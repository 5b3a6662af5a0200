package jose

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// MaxCompact is the size in bytes above which [ParseCompact] does not look at
// a token.
const MaxCompact = 64 << 10

// Header is what a verifier needs of a JOSE header (RFC 7515, section 4).
type Header struct {
	Alg string
	Kid string // "" if absent
	Typ string // "" if absent
}

// Compact is a JSON Web Signature in compact serialization, taken apart. It
// says what the token claims; only [Verify] says whether that is so.
type Compact struct {
	Header       Header
	Payload      []byte
	Signature    []byte
	SigningInput []byte // the first two segments, as they came
}

// encoding refuses padding, the standard alphabet and stray trailing bits; it
// skips line breaks, so those are refused by hand.
var encoding = base64.RawURLEncoding.Strict()

// ParseCompact takes a signed token apart. It accepts three non-empty segments of
// base64url, at most [MaxCompact] bytes in all, and nothing else: no JSON
// serialization, no encryption, no detached or unencoded payload, and no
// header with critical extensions, of which Signon knows none.
func ParseCompact(token string) (*Compact, error) {
	if len(token) > MaxCompact { // before anything grows with it
		return nil, fmt.Errorf("jose: the token has %d bytes, expected at most %d", len(token), MaxCompact)
	}
	header, rest, _ := strings.Cut(token, ".")
	payload, signature, ok := strings.Cut(rest, ".")
	if !ok || strings.Contains(signature, ".") {
		return nil, errors.New("jose: expected a signed token, of three segments; encrypted tokens have five")
	}
	if header == "" || payload == "" || signature == "" {
		return nil, errors.New("jose: expected a token without empty segments")
	}
	if strings.IndexByte(token, '\n') >= 0 || strings.IndexByte(token, '\r') >= 0 {
		return nil, errBase64
	}

	// One buffer holds the bytes that were signed, and behind them what the
	// segments decode to, which is three quarters as much.
	buf := make([]byte, len(token), len(token)*7/4)
	copy(buf, token)
	var err error
	decode := func(segment []byte) []byte {
		n := len(buf)
		if err == nil {
			buf, err = encoding.AppendDecode(buf, segment)
		}
		return buf[n:len(buf):len(buf)]
	}
	signed := len(header) + 1 + len(payload)
	head := decode(buf[:len(header)])
	c := &Compact{
		SigningInput: buf[:signed:signed],
		Payload:      decode(buf[len(header)+1 : signed]),
		Signature:    decode(buf[signed+1 : len(token)]),
	}
	if err != nil {
		return nil, errBase64
	}
	if c.Header, err = parseHeader(head); err != nil {
		return nil, err
	}
	return c, nil
}

var errBase64 = errors.New("jose: a segment of the token is not base64url without padding")

var headerNames = []string{"alg", "kid", "typ", "crit", "b64"}

func parseHeader(data []byte) (h Header, err error) {
	err = Members(data, func(name string, value Value) error {
		var dst *string
		switch name {
		case "alg":
			dst = &h.Alg
		case "kid":
			dst = &h.Kid
		case "typ":
			dst = &h.Typ
		case "crit", "b64": // RFC 7515, section 4.1.11: not understood means not valid; RFC 7797
			return fmt.Errorf("jose: the header asks for an extension by %q, expected none", name)
		default:
			if n, ok := FoldsTo(name, headerNames); ok {
				return fmt.Errorf("jose: the header has a variant of %q", n)
			}
			return nil
		}
		text, ok := value.Text()
		if !ok {
			return fmt.Errorf("jose: the header's %q is not a string", name)
		}
		*dst = text
		return nil
	})
	return h, err
}
