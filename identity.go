package signon

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed1a301047/signon/internal/jose"
	"github.com/seed1a301047/signon/internal/oidc"
)

// An Identity is who signed in, in the same words for every provider.
//
// Name, Email and Picture come from the standard claims (OpenID Connect Core section
// 5.1) of the ID token and, where it does not say, of the userinfo that was fetched at
// login; Hooks.Profile may correct them. Where both say something else, the ID token's
// counts, and [Login.Claims] and [Login.UserInfo] still show both. They are the user's
// own words: escape them in a page.
type Identity struct {
	Provider string // the name of the provider
	Issuer   string // of an OpenID Provider; "" for an OAuth 2.0 server

	// Subject is the user at that issuer or, where there is none, at that provider: its
	// digits as they came. Only both together identify somebody.
	Subject string

	// Name is for people to read: name, else given_name and family_name, else
	// preferred_username, else nickname. At most 256 bytes, without control characters.
	Name string

	// Email is a plain address, local@domain in ASCII, or "". Never identify somebody by
	// it (OpenID Connect Core section 5.7).
	Email string

	// Picture is an http or https URL that Signon never fetches, or "".
	Picture string

	// EmailVerified is true only if the provider says so, by the JSON value true of
	// email_verified beside that very address or by what its documentation gives as the
	// equal of it.
	EmailVerified bool

	// Claims are those of the verified ID token or, at an OAuth 2.0 server, the userinfo,
	// as they came: a JSON object.
	Claims json.RawMessage
}

// Format writes the provider and no claim, whatever the verb.
func (i Identity) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "signon.Identity("+i.Provider+")")
}

// LogValue shows the provider and no claim.
func (i Identity) LogValue() slog.Value {
	return slog.GroupValue(slog.String("provider", i.Provider))
}

// Identity is who signed in, normalised: see [Identity]. Of a login that is read back
// from the store it opens the sealed copy: an error wraps ErrNoLogin if no key of
// Config.Keys opens it.
func (l *Login) Identity() (*Identity, error) {
	kept, err := l.keptProfile()
	if err != nil {
		return nil, err
	}
	payload, err := l.claims()
	if err != nil {
		return nil, err
	}
	return &Identity{
		Provider: l.Provider, Issuer: l.Issuer, Subject: l.Subject,
		Name: kept.name, Email: kept.email, Picture: kept.picture, EmailVerified: kept.verified,
		Claims: bytes.Clone(payload),
	}, nil
}

// Email is that of [Login.Identity], and whether it has been verified; "" where there is
// none. Never identify somebody by it: that is Issuer and Subject.
func (l *Login) Email() (addr string, verified bool) {
	kept, err := l.keptProfile()
	if err != nil {
		return "", false
	}
	return kept.email, kept.verified
}

// UserInfo decodes the userinfo that was fetched at login into v. It is an error
// that wraps [errors.ErrUnsupported] where none was: see Provider.FetchUserInfo.
func (l *Login) UserInfo(v any) error {
	kept, err := l.keptProfile()
	if err != nil {
		return err
	}
	if kept.userinfo == nil {
		return fmt.Errorf("signon: no userinfo was fetched at this login; set Provider.FetchUserInfo: %w", errors.ErrUnsupported)
	}
	return oidc.DecodeClaims(kept.userinfo, v)
}

// A profile is what a login keeps of its user beside the ID token. It does not change.
type profile struct {
	name, email, picture string
	verified             bool
	userinfo             []byte // as it came; nil: none was fetched
}

// keptProfile is the profile of a fresh login or of the login's record.
func (l *Login) keptProfile() (*profile, error) {
	if l.profile != nil {
		return l.profile, nil
	}
	if l.record == nil {
		return &profile{}, nil
	}
	plain, err := l.registry.open(l.record.UserInfo, "profile", l.record)
	if err != nil {
		return nil, err
	}
	return parseProfile(plain)
}

// append writes the profile in a compact form of its own, in which the userinfo stays the
// bytes that came.
func (p *profile) append(b []byte) []byte {
	b = append(b, boolByte(p.verified), boolByte(p.userinfo != nil))
	for _, s := range [...]string{p.name, p.email, p.picture} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return append(b, p.userinfo...)
}

// parseProfile reads what append wrote. Only sealed bytes get here; a mismatch means
// another version of Signon.
func parseProfile(b []byte) (*profile, error) {
	mismatch := fmt.Errorf("signon: the profile of a login does not decode; sign in again: %w", ErrNoLogin)
	if len(b) < 2 || b[0] > 1 || b[1] > 1 {
		return nil, mismatch
	}
	p := &profile{verified: b[0] == 1}
	fetched := b[1] == 1
	b = b[2:]
	for _, s := range [...]*string{&p.name, &p.email, &p.picture} {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > uint64(len(b)-n) {
			return nil, mismatch
		}
		*s, b = string(b[n:n+int(v)]), b[n+int(v):]
	}
	switch {
	case fetched:
		p.userinfo = b
	case len(b) > 0:
		return nil, mismatch
	}
	return p, nil
}

// standardClaims are those that an identity is made of. One that is not of the type it
// should be is as good as absent, but for the two whose presence decides.
type standardClaims struct {
	name, givenName, familyName, username, nickname, picture, email string

	hasEmail    bool // in whatever form
	hasVerified bool
	verified    bool // by the JSON value true
}

// standardProfile is what the standard claims say. A claim that the ID token has is not
// overridden by the userinfo: that came over the connection only, with no signature and
// perhaps later (UI-04).
func standardProfile(idToken, userinfo []byte) *profile {
	said, also := readStandard(idToken), readStandard(userinfo)
	given, family := cmp.Or(said.givenName, also.givenName), cmp.Or(said.familyName, also.familyName)
	p := &profile{userinfo: userinfo, picture: cmp.Or(said.picture, also.picture)}
	p.name = cmp.Or(said.name, also.name, strings.TrimSpace(given+" "+family),
		said.username, also.username, said.nickname, also.nickname)
	// Whether an address is verified is said of the one beside it, and of no other.
	from := said
	if !said.hasEmail {
		from = also
	}
	p.email = from.email
	p.verified = from.verified && (!said.hasVerified || said.verified)
	return p.cleaned()
}

// readStandard reads them in one pass, since it is done at each login.
func readStandard(payload []byte) (c standardClaims) {
	if payload == nil {
		return c
	}
	err := jose.Members(payload, func(name string, value jose.Value) error {
		if value == "null" {
			return nil
		}
		switch name {
		case "name":
			c.name, _ = value.Text()
		case "given_name":
			c.givenName, _ = value.Text()
		case "family_name":
			c.familyName, _ = value.Text()
		case "preferred_username":
			c.username, _ = value.Text()
		case "nickname":
			c.nickname, _ = value.Text()
		case "picture":
			c.picture, _ = value.Text()
		case "email":
			c.email, _ = value.Text()
			c.hasEmail = true
		case "email_verified":
			c.hasVerified, c.verified = true, value.True()
		}
		return nil
	})
	if err != nil {
		return standardClaims{}
	}
	return c
}

const (
	maxDisplayName = 256
	maxPicture     = 2048
)

// cleaned holds for what a hook wrote too: what leaves here can be shown, stored and
// written to.
func (p *profile) cleaned() *profile {
	p.name = cleanName(p.name)
	if !oidc.IsAddress(p.email) {
		p.email = ""
	}
	p.verified = p.verified && p.email != ""
	if !isPicture(p.picture) {
		p.picture = ""
	}
	return p
}

// cleanName takes out what a name has no use for and a log, a header or a page might
// obey: control characters, and those that turn the direction of text around.
func cleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, unicode.Is(unicode.Bidi_Control, r):
			return -1
		case unicode.IsControl(r), unicode.IsSpace(r):
			return ' '
		}
		return r
	}, name)
	name = strings.TrimSpace(name)
	if len(name) <= maxDisplayName {
		return name
	}
	end := maxDisplayName
	for !utf8.RuneStart(name[end]) {
		end--
	}
	return strings.TrimSpace(name[:end])
}

// isPicture keeps out what a page would run or fill itself with: javascript:, data:.
func isPicture(raw string) bool {
	if raw == "" || len(raw) > maxPicture || strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return false
	}
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.User == nil
}
