package signon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/seed1a301047/signon/sessionstore"
)

// The browser's session holds one value of ours: which logins it names, the
// current one first, as "provider=id provider=id". It decides nothing: a login
// that has ended in the store has ended, whatever a session still names.
const sessionKey = "signon.logins"

// touchEvery is how exactly the last use of a login is recorded: finer would write
// to the store on every request.
const touchEvery = time.Minute

type namedLogin struct{ provider, id string }

func parseNamed(s string) []namedLogin {
	var list []namedLogin
	for field := range strings.FieldsSeq(s) {
		if provider, id, ok := strings.Cut(field, "="); ok && id != "" {
			list = append(list, namedLogin{provider, id})
		}
	}
	return list
}

func formatNamed(list []namedLogin) string {
	var b strings.Builder
	for i, n := range list {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(n.provider + "=" + n.id)
	}
	return b.String()
}

// pick finds the login at a provider in what the session names, or else the
// current one; without a provider, the current one. It allocates nothing.
func pick(named, provider string) string {
	var current string
	for field := range strings.FieldsSeq(named) {
		p, id, _ := strings.Cut(field, "=")
		if p == provider {
			return id
		}
		if current == "" {
			current = id
		}
	}
	return current
}

// A browserSession is the scs session of one request: the one that LoadAndSave has
// loaded, or one that is loaded and saved here.
type browserSession struct {
	ctx       context.Context // with the session's data in it
	own       bool            // nobody else saves it
	duplicate bool            // the browser sent two
}

// loadSession finds the session of a request. Two cookies of its name are none:
// one of them has been planted from a subdomain (RFC 6265 section 8.6), and which
// one cannot be told.
func (g *Registry) loadSession(r *http.Request) (browserSession, error) {
	ctx := r.Context()
	var token string
	cookies := r.CookiesNamed(g.sessions.Cookie.Name)
	if len(cookies) == 1 {
		token = cookies[0].Value
	}
	loaded, err := g.sessions.Load(ctx, token)
	if err != nil {
		return browserSession{}, storeFault("session store", err)
	}
	// scs gives back the very context that already has a session.
	return browserSession{ctx: loaded, own: loaded != ctx, duplicate: len(cookies) > 1}, nil
}

func (g *Registry) named(s browserSession) string { return g.sessions.GetString(s.ctx, sessionKey) }

// saveSession writes the session and its cookie, where no LoadAndSave does.
func (g *Registry) saveSession(w http.ResponseWriter, s browserSession) error {
	if !s.own {
		return nil
	}
	token, expiry, err := g.sessions.Commit(s.ctx)
	if err != nil {
		return storeFault("session store", err)
	}
	g.sessions.WriteSessionCookie(s.ctx, w, token, expiry)
	w.Header().Set("Cache-Control", "no-store") // scs adds a weaker one
	return nil
}

// destroySession ends the whole session, the application's values with it.
func (g *Registry) destroySession(w http.ResponseWriter, s browserSession) error {
	err := storeFault("session store", g.sessions.Destroy(s.ctx))
	if s.own || err != nil {
		g.sessions.WriteSessionCookie(s.ctx, w, "", time.Time{})
		w.Header().Set("Cache-Control", "no-store")
	}
	return err
}

// current is who is signed in: the live login of the session at the provider, or
// else the session's current one. ErrNoLogin says that there is none.
func (g *Registry) current(r *http.Request, provider string) (*Login, error) {
	s, err := g.loadSession(r)
	if err != nil {
		return nil, err
	}
	if s.duplicate {
		return nil, fmt.Errorf("signon: two session cookies, expected one: %w", ErrNoLogin)
	}
	id := pick(g.named(s), provider)
	if id == "" {
		return nil, fmt.Errorf("signon: the session names no login: %w", ErrNoLogin)
	}
	return g.liveLogin(r.Context(), id)
}

// liveLogin reads a login's record, which decides, and ends one that has idled too
// long.
func (g *Registry) liveLogin(ctx context.Context, id string) (*Login, error) {
	rec, err := g.logins.Login(ctx, id)
	switch {
	case errors.Is(err, sessionstore.ErrNotFound), err == nil && rec == nil:
		return nil, fmt.Errorf("signon: the login has ended: %w", ErrNoLogin)
	case err != nil:
		return nil, storeFault("login store", err)
	}
	idle := time.Since(rec.LastSeen)
	if g.cfg.IdleTimeout > 0 && idle > g.cfg.IdleTimeout {
		if err := g.endLogins(ctx, sessionstore.Selector{ID: id}); err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("signon: the login was idle for %v: %w", idle.Round(time.Second), ErrNoLogin)
	}
	if idle >= touchEvery {
		if err := g.touch(ctx, id); err != nil {
			return nil, err
		}
	}
	return g.loginOf(rec), nil
}

// touch records a use. One that finds the login ended meanwhile ends the request;
// a store that cannot write leaves it be: reading has just worked, and the login
// only idles out the sooner.
func (g *Registry) touch(ctx context.Context, id string) error {
	err := g.logins.TouchLogin(ctx, id, time.Now())
	if errors.Is(err, sessionstore.ErrNotFound) {
		return fmt.Errorf("signon: the login has ended: %w", ErrNoLogin)
	}
	if err != nil && ctx.Err() == nil {
		g.log.WarnContext(ctx, "signon: the use of a login was not recorded", "error", err)
	}
	return nil
}

// endLogins ends the logins that by selects and deletes the tokens that die with
// them. The record goes first: from then on nobody is signed in by it.
func (g *Registry) endLogins(ctx context.Context, by sessionstore.Selector) error {
	ended, err := g.logins.EndLogins(ctx, by)
	if err != nil {
		return storeFault("login store", err)
	}
	var failed error
	for _, rec := range ended {
		if rec.Owner != rec.ID {
			continue // the token is its owner's, not the login's
		}
		if c, ok := g.Client(rec.Provider); ok {
			failed = errors.Join(failed, c.deleteToken(ctx, rec.Owner))
		}
	}
	return failed
}

// signIn makes the session name a new login, under a new id.
func (g *Registry) signIn(ctx context.Context, w http.ResponseWriter, r *http.Request, rec *sessionstore.Record) error {
	s, err := g.loadSession(r)
	if err != nil {
		return err
	}
	keep, carry, err := g.replaceLogins(ctx, s, rec)
	if err != nil {
		return err
	}
	if s.duplicate {
		carry = carryNothing
	}
	g.carryOver(s, carry)
	if err := g.sessions.RenewToken(s.ctx); err != nil {
		return storeFault("session store", err)
	}
	g.sessions.Put(s.ctx, sessionKey, formatNamed(append([]namedLogin{{rec.Provider, rec.ID}}, keep...)))
	return g.saveSession(w, s)
}

// carry is what of the application's values in the session survives a login.
type carry int

const (
	carryKept       carry = iota // nobody was signed in: KeepOnLogin, for the rest may be planted
	carryEverything              // the same user was: it is that user's session
	carryNothing                 // another user was
)

// replaceLogins ends the session's logins that the new one replaces and returns
// the others. Where each login owns itself, another provider's stays; where
// OnLogin names owners, only the same owner's does.
func (g *Registry) replaceLogins(ctx context.Context, s browserSession, rec *sessionstore.Record) (keep []namedLogin, c carry, err error) {
	for _, n := range parseNamed(g.named(s)) {
		old, err := g.logins.Login(ctx, n.id)
		if errors.Is(err, sessionstore.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, 0, storeFault("login store", err)
		}
		stays := old.Owner == rec.Owner || old.Owner == old.ID && rec.Owner == rec.ID
		if stays && old.Provider != rec.Provider {
			keep, c = append(keep, n), max(c, carryEverything)
			continue
		}
		if same := old.Owner == rec.Owner || old.Provider == rec.Provider && old.Issuer == rec.Issuer && old.Subject == rec.Subject; same {
			c = max(c, carryEverything)
		} else {
			c = carryNothing
		}
		if err := g.endLogins(ctx, sessionstore.Selector{ID: n.id}); err != nil {
			return nil, 0, err
		}
	}
	if g.cfg.Owner != nil {
		c = carryEverything // the session is of the application's own sign-in
	}
	return keep, c, nil
}

func (g *Registry) carryOver(s browserSession, c carry) {
	if c == carryEverything {
		return
	}
	for _, key := range g.sessions.Keys(s.ctx) {
		if c == carryNothing || !slices.Contains(g.cfg.KeepOnLogin, key) {
			g.sessions.Remove(s.ctx, key)
		}
	}
}
