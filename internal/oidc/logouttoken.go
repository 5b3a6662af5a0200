package oidc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed1a301047/signon/internal/jose"
)

// ErrLogoutToken is wrapped by every error about a logout token or its claims, as
// opposed to one about fetching keys.
var ErrLogoutToken = errors.New("oidc: the logout token is not valid")

// LogoutEvent is the member of the claim events by which a token is a logout token
// (OpenID Connect Back-Channel Logout 1.0 section 2.4).
const LogoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutType is the typ of a logout token that says what it is (section 2.4).
const logoutType = "logout+jwt"

// maxLogoutAge is how long ago a logout token may have been issued: it is sent at once,
// and what is older somebody has kept.
const maxLogoutAge = 5 * time.Minute

// ExpectLogout says what a logout token must be like besides what [Expect] says of every
// token of the provider: of that, Nonce, AccessToken, Code, MaxAge, ACR and MaxIssuedAge
// are not used. The zero value is what the specification requires.
type ExpectLogout struct {
	// RequireType refuses a token whose typ is not logout+jwt. Otherwise it may be JWT or
	// absent too, as with providers of before the specification recommended one.
	RequireType bool

	// AllowNoExpiry accepts a token without exp, which drafts of the specification did not
	// have. Its iat bounds it.
	AllowNoExpiry bool
}

// LogoutToken is a logout token that passed every check. It does not change.
type LogoutToken struct {
	Issuer   string
	Subject  string    // "" if absent; then there is a SID
	SID      string    // "" if absent; then there is a Subject
	ID       string    // jti
	IssuedAt time.Time // to the second, and by the provider's clock
	Until    time.Time // from then on the token is refused, whoever sends it

	claims IDToken // those that it has in common with an ID token

	event, nonce bool
}

// VerifyLogoutToken checks a logout token as OpenID Connect Back-Channel Logout 1.0
// section 2.6 asks, but for whether it has been seen before and whom it is about. Every
// error about the token wraps [ErrLogoutToken]; one of the key source does not.
//
// As with an ID token, claims are checked before the signature, being cheaper, and
// nothing is returned before it.
func VerifyLogoutToken(ctx context.Context, raw string, keys KeySource, e *Expect, l ExpectLogout) (*LogoutToken, error) {
	c, t, err := parseLogoutToken(raw, e, l)
	if err != nil {
		return nil, invalidLogout(err)
	}
	if e.TenantIssuer && t.claims.tid == "" { // only an ID token says it beside iss
		t.claims.tid, _ = TenantOf(e.Issuer, t.claims.Issuer)
	}
	for _, err := range []error{
		t.claims.checkIssuer(e),   // 2.6-4
		t.claims.checkAudience(e), // 2.6-4
		t.checkIDs(),              // 2.6-5
		t.checkEvent(),            // 2.6-6, 2.6-7
		t.checkTimes(e, l),        // 2.6-4
	} {
		if err != nil {
			return nil, invalidLogout(err)
		}
	}
	if err := verifySignature(ctx, c, keys, e, t.claims.Issuer); err != nil { // 2.6-2, 2.6-3
		return nil, invalidLogout(err)
	}
	if err := t.claims.checkTenant(e); err != nil {
		return nil, invalidLogout(err)
	}
	t.Issuer, t.Subject, t.SID, t.IssuedAt = t.claims.Issuer, t.claims.Subject, t.claims.SID, t.claims.IssuedAt
	return t, nil
}

func invalidLogout(err error) error {
	if _, ok := errors.AsType[*sourceError](err); ok {
		return err
	}
	return fmt.Errorf("%w: %w", ErrLogoutToken, err)
}

// parseLogoutToken: where encryption was agreed on for ID tokens, it was for logout
// tokens (2.6-1).
func parseLogoutToken(raw string, e *Expect, l ExpectLogout) (*jose.Compact, *LogoutToken, error) {
	if raw == "" {
		return nil, nil, errors.New("it is empty")
	}
	raw, err := e.open(raw, "jwt", logoutType)
	if err != nil {
		return nil, nil, err
	}
	c, err := jose.ParseCompact(raw)
	if err != nil {
		return nil, nil, err
	}
	if err := checkLogoutHeader(c.Header, e, l); err != nil {
		return nil, nil, err
	}
	t := new(LogoutToken)
	if err := jose.Members(c.Payload, t.set); err != nil {
		return nil, nil, err
	}
	return c, t, nil
}

// checkLogoutHeader: an access token or a secevent of the same issuer is signed with the
// same keys (section 4.1; RFC 8725 section 3.11).
func checkLogoutHeader(h jose.Header, e *Expect, l ExpectLogout) error {
	if err := checkAlg(h, e); err != nil {
		return err
	}
	switch typ := mediaSubtype(h.Typ); {
	case typ == logoutType:
		return nil
	case l.RequireType:
		return fmt.Errorf("its typ is %.40q, expected %s", h.Typ, logoutType)
	case typ == "" || typ == "jwt":
		return nil
	}
	return fmt.Errorf("its typ is %.40q, expected %s, JWT or none", h.Typ, logoutType)
}

// set reads one claim of a logout token. What it does not know it ignores (section 2.4),
// unless it is a variant of what it knows.
func (t *LogoutToken) set(name string, value jose.Value) (err error) {
	switch name {
	case "iss", "sub", "sid", "aud", "azp", "exp", "iat", "nbf", "tid":
		return t.claims.set(name, value)
	case "jti":
		t.ID, err = text(value)
	case "events":
		t.event, err = isLogoutEvent(value)
	case "nonce":
		t.nonce = true // whatever it is, null too
	default:
		if n, ok := jose.FoldsTo(name, registered); ok {
			return fmt.Errorf("a variant of the claim %s", n)
		}
	}
	if err != nil {
		return fmt.Errorf("%s is not %w", name, err)
	}
	return nil
}

// isLogoutEvent looks for the member that counts, whose value may have any members. There
// may be other events beside it (RFC 8417 section 2.2).
func isLogoutEvent(events jose.Value) (found bool, err error) {
	err = jose.Members([]byte(events), func(name string, value jose.Value) error {
		switch {
		case name == LogoutEvent && value[0] != '{':
			return errors.New("of an object")
		case name == LogoutEvent:
			found = true
		}
		return nil
	})
	if err != nil {
		return false, errors.New("an object whose member for a logout is an object")
	}
	return found, nil
}

func (t *LogoutToken) checkIDs() error {
	switch {
	case t.claims.Subject == "" && t.claims.SID == "":
		return errors.New("neither sub nor sid, expected one at least")
	case t.claims.Subject != "" && !isSubject(t.claims.Subject):
		return errors.New("sub is not 1 to 255 printable ASCII characters")
	case t.ID == "":
		return errors.New("jti is missing")
	}
	return nil
}

// checkEvent is what tells a logout token from an ID token, which somebody may have got
// hold of: that has a nonce, and no events (section 4.1).
func (t *LogoutToken) checkEvent() error {
	switch {
	case t.nonce:
		return errors.New("a claim nonce, which a logout token must not have")
	case !t.event:
		return fmt.Errorf("events has no member %s", LogoutEvent)
	}
	return nil
}

func (t *LogoutToken) checkTimes(e *Expect, l ExpectLogout) error {
	refused := t.claims.IssuedAt.Add(maxLogoutAge)
	if l.AllowNoExpiry && t.claims.Expiry.IsZero() && !t.claims.IssuedAt.IsZero() {
		t.claims.Expiry = refused
	}
	fresh := *e
	fresh.MaxIssuedAge = maxLogoutAge
	if err := t.claims.checkTimes(&fresh, time.Now()); err != nil {
		return err
	}
	if t.claims.Expiry.Before(refused) {
		refused = t.claims.Expiry
	}
	t.Until = refused.Add(e.skew())
	return nil
}
