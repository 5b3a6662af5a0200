package oidc

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed1a301047/signon/internal/jose"
)

var (
	// ErrIDToken is wrapped by every error about a token or its claims, as
	// opposed to one about fetching keys.
	ErrIDToken = errors.New("oidc: the ID token is not valid")

	// ErrNonce is wrapped, with [ErrIDToken], where the token is of another login: a
	// code that was put in place of the user's brings one such.
	ErrNonce = errors.New("nonce is not the one of this login")

	// ErrReauthenticate is wrapped, with [ErrIDToken], where the token is right
	// but the user signed in longer ago than Expect.MaxAge.
	ErrReauthenticate = errors.New("the user must sign in again")
)

// IDToken is an ID token that passed every check. It does not change.
type IDToken struct {
	Issuer   string
	Subject  string
	Audience []string
	AZP      string
	SID      string
	Nonce    string
	ACR      string
	AMR      []string
	Expiry   time.Time
	IssuedAt time.Time
	AuthTime time.Time // zero if absent
	Raw      string    // the signed token, also where it came encrypted; not for logs

	payload []byte

	// Claims that only the checks look at.
	tid, atHash, cHash string
	nbf                time.Time
	events             bool
}

// Claims decodes the claims that were verified into v, as [DecodeClaims] does.
func (t *IDToken) Claims(v any) error { return DecodeClaims(t.payload, v) }

// Payload returns the JSON object that was verified. The caller must not change
// it.
func (t *IDToken) Payload() []byte { return t.payload }

// VerifyIDToken checks an ID token as OpenID Connect Core 1.0, section
// 3.1.3.7, asks, and RFC 8725 where that is stricter. Every error about the
// token wraps [ErrIDToken]; one of the key source does not.
//
// Claims are checked before the signature, being cheaper: a token that could
// not be accepted costs neither arithmetic nor a request for keys. No claim is
// returned, and no verdict that makes a caller act, before the signature.
func VerifyIDToken(ctx context.Context, raw string, keys KeySource, e *Expect) (*IDToken, error) {
	now := time.Now()
	c, t, err := parseIDToken(raw, e)
	if err != nil {
		return nil, invalid(err)
	}
	for _, err := range []error{
		t.checkIssuer(e),
		t.checkAudience(e),
		t.checkSubject(),
		t.checkTimes(e, now),
		t.checkNonce(e),
		t.checkHashes(e, c.Header.Alg),
	} {
		if err != nil {
			return nil, invalid(err)
		}
	}
	if err := verifySignature(ctx, c, keys, e, t.Issuer); err != nil { // Core 3.1.3.7-6 to 8
		return nil, invalid(err)
	}
	if err := t.checkTenant(e); err != nil {
		return nil, invalid(err)
	}
	if err := t.checkAuthentication(e, now); err != nil { // Core 3.1.3.7-12 and 13
		return nil, invalid(err)
	}
	return t, nil
}

// Restore reads a token that [VerifyIDToken] accepted before, and that was
// kept where nobody could change it. It checks nothing: the token may have
// expired since.
func Restore(raw string) (*IDToken, error) {
	c, err := jose.ParseCompact(raw)
	if err != nil {
		return nil, invalid(err)
	}
	t := &IDToken{Raw: raw, payload: c.Payload}
	if err := jose.Members(c.Payload, t.set); err != nil {
		return nil, invalid(err)
	}
	return t, nil
}

// invalid makes err one about the token, unless it is one of the key source.
func invalid(err error) error {
	if _, ok := errors.AsType[*sourceError](err); ok {
		return err
	}
	return fmt.Errorf("%w: %w", ErrIDToken, err)
}

func parseIDToken(raw string, e *Expect) (*jose.Compact, *IDToken, error) {
	if raw == "" {
		return nil, nil, errors.New("there is none")
	}
	raw, err := e.open(raw, "jwt") // Core 3.1.3.7-1
	if err != nil {
		return nil, nil, err
	}
	return parseSigned(raw, e)
}

// parseSigned reads a token that is signed and nothing else: of the kind that an
// encrypted one must have inside (Core 10.2).
func parseSigned(raw string, e *Expect) (*jose.Compact, *IDToken, error) {
	if strings.HasPrefix(raw, "{") { // a word of its own, for a likely mistake
		return nil, nil, errors.New("it is JSON that nobody has signed, expected a signed token")
	}
	c, err := jose.ParseCompact(raw)
	if err != nil {
		return nil, nil, err
	}
	if err := checkHeader(c.Header, e); err != nil {
		return nil, nil, err
	}
	t := &IDToken{Raw: raw, payload: c.Payload}
	if err := jose.Members(c.Payload, t.set); err != nil {
		return nil, nil, err
	}
	return c, t, nil
}

// checkHeader pins the algorithm (RFC 8725, section 3.1) and the kind of token
// (section 3.11): a logout token or an access token of the same issuer is
// signed with the same keys.
func checkHeader(h jose.Header, e *Expect) error {
	if err := checkAlg(h, e); err != nil {
		return err
	}
	typ := mediaSubtype(h.Typ)
	if typ != "" && typ != "jwt" {
		return fmt.Errorf("its typ is %.40q, expected JWT or none", h.Typ)
	}
	return nil
}

func checkAlg(h jose.Header, e *Expect) error {
	if !slices.Contains(e.Algs, h.Alg) {
		return fmt.Errorf("signed with %.40q, expected one of %q", h.Alg, e.Algs)
	}
	return nil
}

// checkIssuer: Core 3.1.3.7-2.
func (t *IDToken) checkIssuer(e *Expect) error {
	want := e.Issuer
	if e.TenantIssuer {
		if !IsTenant(t.tid) {
			return fmt.Errorf("tid is %.40q, expected a GUID in lower case", t.tid)
		}
		want = strings.ReplaceAll(want, Placeholder, t.tid)
	}
	if t.Issuer == "" || t.Issuer != want {
		return fmt.Errorf("iss is %.200q, expected %q", t.Issuer, want)
	}
	return nil
}

// checkAudience: Core 3.1.3.7-3 to 5.
func (t *IDToken) checkAudience(e *Expect) error {
	if e.ClientID == "" || !slices.Contains(t.Audience, e.ClientID) {
		return fmt.Errorf("aud does not name the client %q", e.ClientID)
	}
	for _, aud := range t.Audience {
		if aud != e.ClientID && !slices.Contains(e.TrustedAudiences, aud) {
			return fmt.Errorf("aud names %.200q, which is not trusted", aud)
		}
	}
	if t.AZP != "" && t.AZP != e.ClientID && !e.AllowForeignAZP {
		return fmt.Errorf("azp is %.200q, expected %q", t.AZP, e.ClientID)
	}
	return nil
}

// checkSubject: Core 2. A logout token has a subject too (Back-Channel Logout
// 1.0, section 2.4), but also events.
func (t *IDToken) checkSubject() error {
	if !isSubject(t.Subject) {
		return errors.New("sub is not 1 to 255 printable ASCII characters")
	}
	if t.events {
		return errors.New("a claim events, which only a logout token has")
	}
	return nil
}

func isSubject(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return s != "" && len(s) <= 255
}

// checkTimes: Core 3.1.3.7-9 and 10; RFC 7519, section 4.1.5.
func (t *IDToken) checkTimes(e *Expect, now time.Time) error {
	skew := e.skew()
	issuedAge := e.MaxIssuedAge
	if issuedAge == 0 {
		issuedAge = defaultIssuedAge
	}
	switch {
	case t.Expiry.IsZero():
		return errors.New("exp is missing")
	case !now.Before(t.Expiry.Add(skew)):
		return fmt.Errorf("expired %v ago", now.Sub(t.Expiry).Round(time.Second))
	case t.IssuedAt.IsZero():
		return errors.New("iat is missing")
	case t.IssuedAt.After(now.Add(skew)):
		return fmt.Errorf("issued %v in the future: compare the clocks", t.IssuedAt.Sub(now).Round(time.Second))
	case issuedAge > 0 && now.After(t.IssuedAt.Add(issuedAge+skew)):
		return fmt.Errorf("issued %v ago, expected at most %v", now.Sub(t.IssuedAt).Round(time.Second), issuedAge)
	case t.nbf.After(now.Add(skew)):
		return fmt.Errorf("not valid for another %v: compare the clocks", t.nbf.Sub(now).Round(time.Second))
	}
	return nil
}

// checkNonce: Core 3.1.3.7-11. No claim of the token can turn it off.
func (t *IDToken) checkNonce(e *Expect) error {
	if t.Nonce == "" && e.NonceIfPresent {
		return nil
	}
	if t.Nonce == "" {
		return errors.New("nonce is missing")
	}
	if e.Nonce == "" || subtle.ConstantTimeCompare([]byte(t.Nonce), []byte(e.Nonce)) != 1 {
		return ErrNonce
	}
	return nil
}

// checkHashes: Core 3.1.3.8 and 3.3.2.11. A hash that cannot be checked is wrong.
func (t *IDToken) checkHashes(e *Expect, alg string) error {
	if t.atHash != "" && !isHalfHash(t.atHash, e.AccessToken, alg) {
		return errors.New("at_hash is not that of the access token")
	}
	if t.cHash != "" && e.Code != "" && !isHalfHash(t.cHash, e.Code, alg) {
		return errors.New("c_hash is not that of the code")
	}
	return nil
}

// isHalfHash reports whether claim is the left half of the hash of value.
func isHalfHash(claim, value, alg string) bool {
	var sum [sha512.Size]byte
	hash, _ := jose.Hash(alg)
	switch hash {
	case crypto.SHA256:
		*(*[sha256.Size]byte)(sum[:]) = sha256.Sum256([]byte(value))
	case crypto.SHA384:
		*(*[sha512.Size384]byte)(sum[:]) = sha512.Sum384([]byte(value))
	case crypto.SHA512:
		sum = sha512.Sum512([]byte(value))
	default:
		return false
	}
	var want [sha512.Size]byte
	n := base64.RawURLEncoding.EncodedLen(hash.Size() / 2)
	base64.RawURLEncoding.Encode(want[:], sum[:hash.Size()/2])
	return value != "" && subtle.ConstantTimeCompare([]byte(claim), want[:n]) == 1
}

// checkAuthentication comes after the signature, for its verdict makes the
// caller send the user to the provider again.
func (t *IDToken) checkAuthentication(e *Expect, now time.Time) error {
	if len(e.ACR) > 0 && !slices.Contains(e.ACR, t.ACR) {
		return fmt.Errorf("acr is %.200q, expected one of %q", t.ACR, e.ACR)
	}
	if e.MaxAge == nil {
		return nil
	}
	switch {
	case t.AuthTime.IsZero():
		return errors.New("auth_time is missing, and max_age was asked for")
	case t.AuthTime.After(now.Add(e.skew())):
		return errors.New("auth_time is in the future: compare the clocks")
	case now.After(t.AuthTime.Add(*e.MaxAge + e.skew())):
		return fmt.Errorf("%w: last time was %v ago", ErrReauthenticate, now.Sub(t.AuthTime).Round(time.Second))
	}
	return nil
}
