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

// allSessions are those that a logout ends: the one, or whatever the browser has
// sent, for one of them is the user's. The first is that of LoadAndSave, if it runs.
func (g *Registry) allSessions(r *http.Request) ([]browserSession, error) {
	s, err := g.loadSession(r)
	if err != nil || !s.duplicate {
		return []browserSession{s}, err
	}
	// scs loads nothing where a session is in the context: hence one without values.
	ctx, cancel := context.WithTimeout(context.Background(), saveTimeout)
	context.AfterFunc(r.Context(), cancel)
	const most = 32 // store reads; more cookies of one name are no browser's
	list, seen := []browserSession{s}, []string{g.sessions.Token(s.ctx)}
	for _, ck := range r.CookiesNamed(g.sessions.Cookie.Name) {
		if slices.Contains(seen, ck.Value) || len(seen) > most {
			continue
		}
		loaded, err := g.sessions.Load(ctx, ck.Value)
		if err != nil {
			return nil, storeFault("session store", err)
		}
		list, seen = append(list, browserSession{ctx: loaded, own: true}), append(seen, ck.Value)
	}
	return list, nil
}

// errTwoSessions: one of them has been planted from a subdomain, and which one
// cannot be told.
var errTwoSessions = fmt.Errorf("signon: two session cookies, expected one: %w", ErrNoLogin)

// clearSession deletes the session cookie that is ours.
func (g *Registry) clearSession(w http.ResponseWriter) {
	g.sessions.WriteSessionCookie(context.Background(), w, "", time.Time{})
	w.Header().Set("Cache-Control", "no-store") // scs adds a weaker one
}

// clearTossed deletes session cookies that another host has set for all its
// relatives. Those named __Host- cannot be: browsers refuse them a Domain.
func (g *Registry) clearTossed(w http.ResponseWriter) {
	name := g.sessions.Cookie.Name
	if strings.HasPrefix(name, "__Host-") {
		return
	}
	host := strings.TrimPrefix(strings.TrimPrefix(g.origin.url, "https://"), "http://")
	host, _, _ = strings.Cut(host, ":")
	for strings.Contains(host, ".") && strings.Trim(host, "0123456789.") != "" {
		http.SetCookie(w, &http.Cookie{
			Name: name, Domain: host, Path: "/", MaxAge: -1,
			HttpOnly: true, Secure: g.origin.secure, SameSite: http.SameSiteLaxMode,
		})
		_, host, _ = strings.Cut(host, ".")
	}
}

// current is who is signed in: the live login of the session at the provider, or
// else the session's current one; without a provider, the first that lives.
// ErrNoLogin says that there is none.
func (g *Registry) current(r *http.Request, provider string) (*Login, error) {
	s, err := g.loadSession(r)
	if err != nil {
		return nil, err
	}
	if s.duplicate {
		return nil, errTwoSessions
	}
	named := g.named(s)
	id := pick(named, provider)
	if id == "" {
		return nil, fmt.Errorf("signon: the session names no login: %w", ErrNoLogin)
	}
	login, err := g.liveLogin(r.Context(), id)
	if provider == "" && errors.Is(err, ErrNoLogin) {
		return g.nextLogin(r.Context(), parseNamed(named)[1:], err)
	}
	return login, err
}

// nextLogin is the first live one of the others that a session names, or else ended,
// which is why the current one is none.
func (g *Registry) nextLogin(ctx context.Context, others []namedLogin, ended error) (*Login, error) {
	const most = 8 // store reads
	for _, n := range others[:min(len(others), most)] {
		if login, err := g.liveLogin(ctx, n.id); !errors.Is(err, ErrNoLogin) {
			return login, err
		}
	}
	return nil, ended
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
	// What a store should not hand out lets nobody in.
	now := time.Now()
	if rec.ID != id || rec.Owner == "" || !now.Before(rec.ExpiresAt) {
		return nil, fmt.Errorf("signon: the login has ended: %w", ErrNoLogin)
	}
	if err := g.checkRecord(rec); err != nil {
		return nil, err
	}
	idle := now.Sub(rec.LastSeen)
	if g.cfg.IdleTimeout > 0 && idle > g.cfg.IdleTimeout {
		if _, err := g.end(ctx, sessionstore.Selector{ID: id}, LoginIdle); err != nil {
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

// signIn makes the session name a new login, under a new id.
func (g *Registry) signIn(w http.ResponseWriter, r *http.Request, rec *sessionstore.Record) error {
	s, err := g.loadSession(r)
	if err != nil {
		return err
	}
	keep, replaced, carry, err := g.replaceLogins(r.Context(), s, rec)
	if err != nil {
		return err
	}
	if s.duplicate { // LoadAndSave has loaded either
		keep, carry = nil, carryNothing
		g.clearTossed(w)
	}
	named := formatNamed(append([]namedLogin{{rec.Provider, rec.ID}}, keep...))
	if s.own {
		err = g.replaceSession(w, r, s, named, carry)
	} else {
		err = g.renewSession(s, named, carry)
	}
	if err != nil {
		return err
	}
	// Last: a session store that does not answer leaves who was signed in so.
	g.endReplaced(r.Context(), replaced)
	return nil
}

// endReplaced ends logins that no session names any more. One that cannot be ended
// idles out: the new login, whose session the browser has, stands.
func (g *Registry) endReplaced(ctx context.Context, ids []string) {
	var replaced []sessionstore.Selector
	for _, id := range ids {
		replaced = append(replaced, sessionstore.Selector{ID: id})
	}
	if _, err := g.endAll(ctx, replaced, LoginReplaced); err != nil {
		_ = guard("Config.Logger", func() error {
			g.log.ErrorContext(ctx, "signon: a login that another has replaced did not end", "error", err)
			return nil
		})
	}
}

// renewSession gives the session that LoadAndSave will save a new id.
func (g *Registry) renewSession(s browserSession, named string, c carry) error {
	if err := g.sessions.RenewToken(s.ctx); err != nil {
		return storeFault("session store", err)
	}
	for _, key := range g.sessions.Keys(s.ctx) {
		if !g.carries(c, key) {
			g.sessions.Remove(s.ctx, key)
		}
	}
	g.sessions.Put(s.ctx, sessionKey, named)
	return nil
}

// replaceSession saves a session of another id and then ends the former one. Unlike
// RenewToken it leaves the former one be where the new one cannot be saved.
func (g *Registry) replaceSession(w http.ResponseWriter, r *http.Request, s browserSession, named string, c carry) error {
	ctx, err := g.sessions.Load(r.Context(), "")
	if err != nil {
		return storeFault("session store", err)
	}
	for _, key := range g.sessions.Keys(s.ctx) {
		if g.carries(c, key) {
			g.sessions.Put(ctx, key, g.sessions.Get(s.ctx, key))
		}
	}
	g.sessions.Put(ctx, sessionKey, named)
	token, expiry, err := g.sessions.Commit(ctx)
	if err != nil {
		return storeFault("session store", err)
	}
	if g.sessions.Token(s.ctx) != "" {
		if err := g.sessions.Destroy(s.ctx); err != nil {
			_ = g.sessions.Destroy(ctx) // names a login that is about to be undone
			return storeFault("session store", err)
		}
	}
	g.sessions.WriteSessionCookie(ctx, w, token, expiry)
	w.Header().Set("Cache-Control", "no-store") // scs adds a weaker one
	return nil
}

// carry is what of the application's values in the session survives a login.
type carry int

const (
	carryKept       carry = iota // nobody was signed in: KeepOnLogin, for the rest may be planted
	carryEverything              // the same user was: it is that user's session
	carryNothing                 // another user was, or nothing says that it was the same
)

// replaceLogins tells the session's logins that the new one replaces from those
// that stay. Where each login owns itself, another provider's stays, though nothing
// says that it is of the same user; where OnLogin names owners, only the same
// owner's does.
func (g *Registry) replaceLogins(ctx context.Context, s browserSession, rec *sessionstore.Record) (keep []namedLogin, replaced []string, c carry, err error) {
	var same, unlike bool // users of the session, to the new one
	for _, n := range parseNamed(g.named(s)) {
		old, err := g.logins.Login(ctx, n.id)
		if errors.Is(err, sessionstore.ErrNotFound) || err == nil && old == nil {
			continue
		}
		if err != nil {
			return nil, nil, 0, storeFault("login store", err)
		}
		switch known := sameUser(old, rec); {
		case old.Provider != rec.Provider && (known || old.Owner == old.ID && rec.Owner == rec.ID):
			keep = append(keep, n)
			same, unlike = same || known, unlike || !known
		case known:
			same, replaced = true, append(replaced, n.id)
		default: // somebody leaves
			c, replaced = carryNothing, append(replaced, n.id)
		}
	}
	switch {
	case g.cfg.Owner != nil:
		c = carryEverything // the session is of the application's own sign-in
	case c == carryNothing:
	case same: // who shares the session did before
		c = carryEverything
	case unlike:
		c = carryNothing
	}
	return keep, replaced, c, nil
}

// sameUser wants evidence: the owner that OnLogin has named, or the subject at one
// provider. Plain OAuth without a userinfo endpoint knows no subject.
func sameUser(old, rec *sessionstore.Record) bool {
	return old.Owner == rec.Owner ||
		rec.Subject != "" && old.Provider == rec.Provider && old.Issuer == rec.Issuer && old.Subject == rec.Subject
}

func (g *Registry) carries(c carry, key string) bool {
	return c == carryEverything || c == carryKept && slices.Contains(g.cfg.KeepOnLogin, key)
}
