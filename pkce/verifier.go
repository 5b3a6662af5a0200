// Package pkce makes and reads the secrets of Proof Key for Code Exchange, RFC
// 7636: a code that somebody else has intercepted is worthless without the
// verifier that only the client knows.
//
// The smallest use:
//
//	v := pkce.NewVerifier()
//	// to the authorization endpoint: code_challenge=v.Challenge(), code_challenge_method=pkce.Method
//	// to the token endpoint:         code_verifier=string(v)
//
// Only the method S256 is here. "plain" sends the secret through the browser that
// PKCE does not trust, and RFC 9700 section 2.1.1 has no use for it.
package pkce

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Method is the code_challenge_method of [Verifier.Challenge], RFC 7636 section
// 4.3.
const Method = "S256"

// The bounds of RFC 7636 section 4.1.
const (
	minLength = 43
	maxLength = 128
)

// A Verifier is a code_verifier, RFC 7636 section 4.1: 43 to 128 unreserved
// characters. It is a secret and does not print, through fmt with any verb, as
// JSON or in a log/slog record; string(v) is its value, for the token request.
type Verifier string

// NewVerifier returns a verifier of 256 bits from crypto/rand, 43 characters
// long.
func NewVerifier() Verifier {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: it crashes the program instead
	return FromRandom(b)
}

// FromRandom returns the verifier of 32 bytes, as RFC 7636 section 4.1 recommends
// to make one. The bytes must be from a cryptographic random generator; it is for
// callers who draw the randomness of several values at once.
func FromRandom(b [32]byte) Verifier {
	return Verifier(base64.RawURLEncoding.EncodeToString(b[:]))
}

// ParseVerifier returns s as a Verifier, or an error if it has not 43 to 128
// characters or has one other than A-Z, a-z, 0-9, '-', '.', '_' and '~'. The
// error does not quote s.
func ParseVerifier(s string) (Verifier, error) {
	if len(s) < minLength || len(s) > maxLength {
		return "", fmt.Errorf("pkce: a verifier has %d to %d characters, not %d", minLength, maxLength, len(s))
	}
	for i := range len(s) {
		if !unreserved(s[i]) {
			return "", errors.New("pkce: a verifier has only the characters A-Z, a-z, 0-9, '-', '.', '_' and '~'")
		}
	}
	return Verifier(s), nil
}

// Challenge returns the code_challenge of v with the method S256, RFC 7636
// section 4.2: 43 characters, safe in a URL, and no secret.
func (v Verifier) Challenge() string {
	sum := sha256.Sum256([]byte(v))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

const redacted = "[redacted]"

// String returns a fixed text.
func (Verifier) String() string { return redacted }

// Format writes a fixed text, whatever the verb.
func (Verifier) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns a fixed text.
func (Verifier) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns a fixed text.
func (Verifier) MarshalText() ([]byte, error) { return []byte(redacted), nil }

func unreserved(c byte) bool {
	switch {
	case 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		return true
	}
	return c == '-' || c == '.' || c == '_' || c == '~'
}
