package signon

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/internal/oidc"
	"github.com/seed1a301047/signon/sessionstore"
)

// A Login is one verified sign-in. It does not change, and may be used by many
// goroutines at once.
type Login struct {
	ID       string // names the login; 43 characters, unguessable, but no secret to its user
	Provider string // the name of the provider
	Owner    string // who owns the token: OnLogin's answer, or ID. "" while OnLogin runs without Config.Owner

	// Issuer and Subject identify the user at an OpenID Provider: only both
	// together do. For an OAuth 2.0 server Issuer is "", and Provider takes its
	// place; Subject is "" where it has no userinfo either, which OnLogin never sees.
	Issuer, Subject string
	SID             string // the provider's session, if it names one

	CreatedAt time.Time
	LastSeen  time.Time // to the minute
	ExpiresAt time.Time

	// UserAgent is the browser that signed in, as a person would call it: "Firefox on
	// Linux". It is "" where that cannot be told, and what the browser says of itself.
	UserAgent string
	// Current is set by [Registry.Logins], in the login that has let the request through
	// whose context it is asked with.
	Current bool

	// ReturnTo is the path that the user came from, or Config.Home. It is set in
	// what FinishLogin returns and in the handler after the callback.
	ReturnTo string

	token    *oauth2.Token
	pending  bool     // the token is not in the store yet
	payload  []byte   // of the ID token, else the userinfo, where this login has just been verified
	profile  *profile // of a login that has just been verified
	rawID    string
	record   *sessionstore.Record // where it comes from the store
	registry *Registry
}

// Format writes no token and no claim, whatever the verb.
func (l Login) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "signon.Login("+l.Provider+")")
}

// LogValue shows no token and no claim.
func (l Login) LogValue() slog.Value {
	return slog.GroupValue(slog.String("provider", l.Provider), slog.String("owner", l.Owner))
}

// Token is the token of a login that has just been made: in OnLogin, in what
// FinishLogin returns, and in the handler after the callback. Later it is nil; use
// [Client.Token], which refreshes.
func (l *Login) Token() *oauth2.Token {
	if l.token == nil {
		return nil
	}
	t := *l.token
	return &t
}

// Claims decodes the claims of the verified ID token, the very bytes that were
// verified, or for an OAuth 2.0 server the userinfo, into v. Names are matched
// exactly; numbers in an any keep their digits as json.Number. Many providers put
// name and e-mail into the userinfo alone: see Provider.FetchUserInfo and
// [Login.UserInfo]. Of a login that is
// read back from the store it opens the sealed copy: an error wraps ErrNoLogin
// if no key of Config.Keys opens it.
func (l *Login) Claims(v any) error {
	payload, err := l.claims()
	if err != nil {
		return err
	}
	return oidc.DecodeClaims(payload, v)
}

// IDToken is the signed ID token as it came, or as it was inside of an encrypted one, for
// a logout URL of one's own (OpenID Connect RP-Initiated Logout section 2); "" where there
// is none.
func (l *Login) IDToken() (string, error) {
	if l.rawID != "" || l.record == nil || len(l.record.IDToken) == 0 {
		return l.rawID, nil
	}
	raw, err := l.registry.open(l.record.IDToken, "id_token", l.record)
	return string(raw), err
}

func (l *Login) claims() ([]byte, error) {
	if l.payload != nil {
		return l.payload, nil
	}
	raw, err := l.IDToken()
	switch {
	case err != nil:
		return nil, err
	case raw != "":
		restored, err := oidc.Restore(raw)
		if err != nil {
			return nil, fmt.Errorf("signon: the stored ID token: %w: %w", ErrNoLogin, err)
		}
		return restored.Payload(), nil
	}
	kept, err := l.keptProfile()
	if err != nil || kept.userinfo == nil {
		return []byte("{}"), err
	}
	return kept.userinfo, nil
}

// seal is how a login's tokens and claims are kept in its record: only the same column
// of the same record opens them.
func (g *Registry) seal(plain []byte, column string, rec *sessionstore.Record) []byte {
	return g.atRest.Seal(nil, plain, recordAAD(column, rec))
}

func (g *Registry) open(sealed []byte, column string, rec *sessionstore.Record) ([]byte, error) {
	plain, err := g.atRest.Open(nil, sealed, recordAAD(column, rec))
	if err != nil {
		return nil, fmt.Errorf("signon: the %s of a login does not open with Config.Keys; sign in again: %w: %w", column, ErrNoLogin, err)
	}
	return plain, nil
}

// checkRecord refuses a record that is not as it was written: whoever can write to the
// login store must not make of their own login one of somebody else's, nor of one that
// has expired one that has not. The sealed ID token is bound to all that says so, and is
// there where the provider gave none, too. It fails closed: the login has ended.
func (g *Registry) checkRecord(rec *sessionstore.Record) error {
	if _, err := g.open(rec.IDToken, "id_token", rec); err != nil {
		return fmt.Errorf("signon: a login was changed in its store, or its key is not in Config.Keys any more: %w", err)
	}
	return nil
}

// recordAAD is all of a record that decides something, each string with its length in
// front, and the times as exact as every store keeps them.
func recordAAD(column string, rec *sessionstore.Record) []byte {
	b := make([]byte, 0, 256)
	for _, s := range [...]string{"signon_logins", column, rec.ID, rec.Provider, rec.Owner, rec.Issuer, rec.Subject, rec.SID} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(rec.CreatedAt.UnixMilli()))
	return binary.BigEndian.AppendUint64(b, uint64(rec.ExpiresAt.UnixMilli()))
}

// loginOf is the public form of a record.
func (g *Registry) loginOf(rec *sessionstore.Record) *Login {
	return &Login{
		ID: rec.ID, Provider: rec.Provider, Owner: rec.Owner,
		Issuer: rec.Issuer, Subject: rec.Subject, SID: rec.SID,
		CreatedAt: rec.CreatedAt, LastSeen: rec.LastSeen, ExpiresAt: rec.ExpiresAt,
		UserAgent: rec.UserAgent, record: rec, registry: g,
	}
}

// An actor is for whom the code below it in a context works: a login that a
// middleware let through, an owner who is named, or the application itself. The
// innermost counts.
type actor struct {
	registry *Registry // whose middleware it was; nil: named by WithOwner, for all
	login    *Login    // or nil
	owner    string    // where there is no login
	parent   *actor

	application bool     // named by WithClientToken
	scopes      []string // of its token
}

type actorKey struct{}

func actorFrom(ctx context.Context) *actor {
	a, _ := ctx.Value(actorKey{}).(*actor)
	return a
}

func withActor(ctx context.Context, a actor) context.Context {
	a.parent = actorFrom(ctx)
	return context.WithValue(ctx, actorKey{}, &a)
}

// LoginFrom returns the login of the request that [Client.RequireToken] or
// [Registry.RequireLogin] let through, the innermost where they are nested.
func LoginFrom(ctx context.Context) (*Login, bool) {
	for a := actorFrom(ctx); a != nil; a = a.parent {
		if a.login != nil {
			return a.login, true
		}
	}
	return nil, false
}

// WithOwner returns a context in which [Client.Token] and all that uses it work for
// the owner, whoever is signed in: for work in the background, whose owner the
// application knows. A middleware further in names another.
func WithOwner(ctx context.Context, owner string) context.Context {
	return withActor(ctx, actor{owner: owner})
}

func withLogin(ctx context.Context, l *Login) context.Context {
	return withActor(ctx, actor{registry: l.registry, login: l})
}

// actor is for whom this client works in a context: the login at its own provider
// among those of its registry, or else the innermost, whose owner may have connected
// this provider too. An owner who is named ends the search.
func (c *Client) actor(ctx context.Context) *actor {
	var innermost *actor
	for a := actorFrom(ctx); a != nil; a = a.parent {
		switch {
		case a.registry != nil && a.registry != c.registry:
			continue // of another registry, whose owners may have the same names
		case a.login == nil && innermost != nil:
			return innermost
		case a.login == nil || a.login.Provider == c.name:
			return a
		case innermost == nil:
			innermost = a
		}
	}
	return innermost
}

// inProgress is the token of a login that OnLogin is deciding on: it is in no store
// yet.
func (c *Client) inProgress(ctx context.Context) *oauth2.Token {
	if a := c.actor(ctx); a != nil && a.login != nil && a.login.pending && a.login.Provider == c.name {
		return a.login.Token()
	}
	return nil
}

// owner is whose token a call in this context uses.
func (c *Client) owner(ctx context.Context) (string, error) {
	a := c.actor(ctx)
	switch {
	case a != nil && a.login != nil && a.login.Owner != "":
		return a.login.Owner, nil
	case a != nil && a.application:
		return "", fmt.Errorf("signon: the context is of WithClientToken, and this is for users only: %w", ErrInternal)
	case a != nil && a.owner != "":
		return a.owner, checkOwner("the context has", a.owner)
	}
	return "", fmt.Errorf("signon: the context has no login and no owner; wrap the handler in RequireToken, or use WithOwner: %w", ErrNoLogin)
}
