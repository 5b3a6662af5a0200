package oidc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/seed1a301047/signon/internal/jose"
)

// ErrUserInfo is wrapped by every error about a userinfo response.
var ErrUserInfo = errors.New("oidc: the userinfo is not valid")

// ErrNoSubject is wrapped too where the member that identifies the user is not there.
var ErrNoSubject = errors.New("is missing")

// UserInfoOptions says whose userinfo is expected.
type UserInfoOptions struct {
	// Subject is the sub of the verified ID token. If empty, the provider is
	// one of plain OAuth 2.0, and whoever the token is for is the user.
	Subject string

	// Issuer is the iss of the verified ID token, where there is one: what the response
	// names must be it. If empty, what Expect says.
	Issuer string

	// Unsigned accepts claims that are encrypted and not signed too (OpenID Connect Core
	// 1.0, section 5.3.2). They are as trustworthy as plain JSON, by the connection that
	// they came over.
	Unsigned bool

	// SubjectClaim names the member that identifies the user at a provider of
	// plain OAuth 2.0. If empty, "sub". It is not used where Subject is set.
	SubjectClaim string
}

// UserInfo is what a userinfo endpoint says about a user. It does not change.
type UserInfo struct {
	Subject string

	payload []byte
}

// Claims decodes all of the response into v, as [DecodeClaims] does.
func (u *UserInfo) Claims(v any) error { return DecodeClaims(u.payload, v) }

// Payload returns the JSON object itself. The caller must not change it.
func (u *UserInfo) Payload() []byte { return u.payload }

// ParseUserInfo reads a userinfo response of type application/json. Its
// subject must be the one of the options (OpenID Connect Core 1.0, section
// 5.3.2): without that, an access token put in place of the user's would
// bring another user's claims.
func ParseUserInfo(body []byte, o UserInfoOptions) (*UserInfo, error) {
	name := "sub"
	if o.Subject == "" && o.SubjectClaim != "" {
		name = o.SubjectClaim
	}
	var subject string
	err := jose.Members(body, func(member string, value jose.Value) (err error) {
		if member == name {
			subject, err = identity(value, o)
			return err
		}
		if o.Subject == "" { // any names may stand side by side in plain OAuth 2.0
			return nil
		}
		if n, ok := jose.FoldsTo(member, registered); ok {
			return fmt.Errorf("a variant of the claim %s", n)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUserInfo, err)
	case subject == "":
		return nil, fmt.Errorf("%w: %q %w", ErrUserInfo, name, ErrNoSubject)
	case o.Subject != "" && subject != o.Subject:
		return nil, fmt.Errorf("%w: sub is not that of the ID token", ErrUserInfo)
	}
	return &UserInfo{Subject: subject, payload: body}, nil
}

// identity reads who the user is. Providers of plain OAuth 2.0 often number
// their users; the digits are kept as they are, for beyond 2^53 a float64
// makes two users one. A number written in another way could be the same one
// under two names, and is refused.
func identity(value jose.Value, o UserInfoOptions) (string, error) {
	if text, ok := value.Text(); ok && isSubject(text) {
		return text, nil
	}
	if o.Subject != "" {
		return "", errors.New("sub is not a string of 1 to 255 printable ASCII characters")
	}
	if digits, ok := value.Digits(); ok && len(digits) <= 255 && strings.Trim(digits, "0123456789") == "" {
		return digits, nil
	}
	return "", errors.New("what identifies the user is neither a string of 1 to 255 printable ASCII characters nor an integer")
}

// VerifyUserInfoJWT reads a userinfo response of type application/jwt: signed
// by the issuer, for this client, for the subject of the options, and encrypted where e
// has a decrypter. Of e it uses the issuer, the client, the algorithms, the decrypter and
// the clock tolerance. The claims iss and aud, which Core 5.3.2 asks for but does not
// require, must be right if present, and so must exp and nbf.
func VerifyUserInfoJWT(ctx context.Context, raw string, keys KeySource, e *Expect, o UserInfoOptions) (*UserInfo, error) {
	inner, err := e.open(raw, "jwt", "json")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUserInfo, err)
	}
	payload := []byte(inner)
	if unsigned := o.Unsigned && e.Decrypter != nil && strings.HasPrefix(inner, "{"); unsigned {
		t := new(IDToken)
		err = jose.Members(payload, t.set)
		err = cmp.Or(err, t.checkUserInfo(e, o, time.Now()))
	} else {
		payload, err = verifyUserInfo(ctx, inner, keys, e, o)
	}
	if _, ok := errors.AsType[*sourceError](err); ok {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUserInfo, err)
	}
	return ParseUserInfo(payload, o)
}

func verifyUserInfo(ctx context.Context, inner string, keys KeySource, e *Expect, o UserInfoOptions) ([]byte, error) {
	c, t, err := parseSigned(inner, e)
	if err != nil {
		return nil, err
	}
	if err := t.checkUserInfo(e, o, time.Now()); err != nil {
		return nil, err
	}
	return c.Payload, verifySignature(ctx, c, keys, e, cmp.Or(o.Issuer, t.Issuer))
}

func (t *IDToken) checkUserInfo(e *Expect, o UserInfoOptions, now time.Time) error {
	if err := t.checkUserInfoIssuer(e, o); err != nil {
		return err
	}
	switch {
	case t.Audience != nil && !slices.Contains(t.Audience, e.ClientID):
		return fmt.Errorf("aud does not name the client %q", e.ClientID)
	case !t.Expiry.IsZero() && !now.Before(t.Expiry.Add(e.skew())):
		return errors.New("expired")
	case t.nbf.After(now.Add(e.skew())):
		return errors.New("not valid yet")
	case t.events:
		return errors.New("a claim events, which only a logout token has")
	}
	return nil
}

// checkUserInfoIssuer: Core 5.3.2. Of many tenants, only the issuer says which one it is
// and which keys may have signed, so that there one must be known.
func (t *IDToken) checkUserInfoIssuer(e *Expect, o UserInfoOptions) error {
	switch {
	case o.Issuer != "":
		if t.Issuer != "" && t.Issuer != o.Issuer {
			return fmt.Errorf("iss is %.200q, which is not that of the ID token", t.Issuer)
		}
		return nil
	case t.Issuer == "" && !e.TenantIssuer:
		return nil
	case t.tid == "" && e.TenantIssuer:
		t.tid, _ = TenantOf(e.Issuer, t.Issuer)
	}
	return cmp.Or(t.checkIssuer(e), t.checkTenant(e))
}

// VerifiedEmail returns the claim email of a payload, and whether the provider
// has verified it: email_verified must be the JSON value true, for a string
// "false" is true in many a language. An address that mail programs and
// people could read in two ways is returned as "", false: one that is not
// local@domain in plain ASCII. It is never the identity of a user, which is
// issuer and subject (OpenID Connect Core 1.0, section 5.7).
func VerifiedEmail(payload []byte) (address string, verified bool) {
	err := jose.Members(payload, func(name string, value jose.Value) error {
		switch name {
		case "email":
			address, _ = value.Text()
		case "email_verified":
			verified = value.True()
		}
		return nil
	})
	if err != nil || !isAddress(address) {
		return "", false
	}
	return address, verified
}

func isAddress(s string) bool {
	if len(s) > 254 || !isSubject(s) { // RFC 5321, section 4.5.3.1.3, less its brackets
		return false
	}
	parsed, err := mail.ParseAddress(s)
	return err == nil && parsed.Address == s
}
