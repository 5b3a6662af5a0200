package signon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed1a301047/signon/internal/oauth"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/tokenstore"
)

// A LogoutCause is why a login has ended; see Config.OnLogout.
type LogoutCause string

// The causes.
const (
	LoggedOut             LogoutCause = "logged_out"      // its user signed out, by LogoutHandler
	LoggedOutBackChannel  LogoutCause = "back_channel"    // the provider said so, by BackChannelLogoutHandler
	LoggedOutFrontChannel LogoutCause = "front_channel"   // a page of the provider's said so, by FrontChannelLogoutHandler
	LoginEnded            LogoutCause = "ended"           // the application said so, by EndLogin, EndLogins or EndLoginsOf
	LoginReplaced         LogoutCause = "replaced"        // another login took its place in the same session
	LoginIdle             LogoutCause = "idle"            // it was not used for Config.IdleTimeout
	RefreshRefused        LogoutCause = "refresh_refused" // the provider refuses to refresh its token, or did so for another user
)

// EndLogin ends the login of that id, wherever its browser is: from then on no request,
// on this replica or another, is signed in by it. A token that it owns is deleted, and
// revoked with Provider.RevokeOnLogout; one that belongs to a user of the application
// stays. Cookies are left where they are: they name a login that is no more.
//
// Whoever knows an id may end its login as far as Signon is concerned: take it from
// [Registry.Logins] of the very owner who asks, and from nowhere else. An error wraps
// [ErrNoLogin] where there is no such login, also because it has just ended, and
// [ErrUnavailable] where a store does not answer. Where it is the token store, the login
// has ended all the same.
func (g *Registry) EndLogin(ctx context.Context, id string) error {
	by := sessionstore.Selector{ID: id}
	if id == "" || by.Check() != nil {
		return fmt.Errorf("signon: EndLogin: an id of %d bytes, which no login can have; take it from Logins: %w", len(id), ErrNoLogin)
	}
	n, err := g.endByApplication(ctx, by)
	if err == nil && n == 0 {
		err = fmt.Errorf("signon: EndLogin: there is no such login, or no more: %w", ErrNoLogin)
	}
	return err
}

// EndLogins signs an owner out everywhere, and returns how many logins it has ended: all
// that live when it is called, at every provider, that of the request which asks
// included. To keep that one, end the others by [Registry.EndLogin]:
//
//	logins, err := auth.Logins(ctx, owner)
//	for _, login := range logins {
//		if !login.Current {
//			err = errors.Join(err, auth.EndLogin(ctx, login.ID))
//		}
//	}
//
// The owner is what Config.OnLogin or Config.Owner has named. Without them each login owns
// itself, and [Registry.EndLoginsOf] is what ends all of a user's. Tokens that belong to
// the owner stay, for work in the background; [Client.Revoke] ends them. With Config.Owner
// the sign-in of the application's own goes on.
//
// Who may ask for whom is the application's to decide. An error wraps [ErrUnavailable]
// where a store does not answer, and n counts what has ended in spite of it; [ErrInternal]
// where the owner is "" or none that can be stored.
func (g *Registry) EndLogins(ctx context.Context, owner string) (n int, err error) {
	if err := checkOwner("EndLogins has", owner); err != nil {
		return 0, err
	}
	return g.endByApplication(ctx, sessionstore.Selector{Owner: owner})
}

// EndLoginsOf ends all logins of the user who is subject at an issuer, whichever owner
// they have: for operators, and for an application that hears of a user who has left. It
// is [Registry.EndLogins] in all else. Logins at a server that speaks plain OAuth 2.0 have
// no issuer; those it does not find.
func (g *Registry) EndLoginsOf(ctx context.Context, issuer, subject string) (n int, err error) {
	by := sessionstore.Selector{Issuer: issuer, Subject: subject}
	if issuer == "" || subject == "" || by.Check() != nil {
		return 0, fmt.Errorf("signon: EndLoginsOf: an issuer of %d bytes and a subject of %d; give both, as Login has them: %w", len(issuer), len(subject), ErrInternal)
	}
	return g.endByApplication(ctx, by)
}

func (g *Registry) endByApplication(ctx context.Context, by sessionstore.Selector) (n int, err error) {
	ended, err := g.end(ctx, by, LoginEnded)
	if len(ended) > 0 {
		g.note(ctx, "signon: the application ended logins", "logins", len(ended), "owner", ended[0].Owner)
	}
	return len(ended), err
}

// end is endAll for one selector.
func (g *Registry) end(ctx context.Context, by sessionstore.Selector, cause LogoutCause) ([]*sessionstore.Record, error) {
	return g.endAll(ctx, []sessionstore.Selector{by}, cause)
}

// endAll is how every login ends, and says why. First the records go, which is the logout:
// from then on nobody is signed in by them, on whichever replica. Then the tokens that they
// own, and last whoever is told. The store gives each record to one caller only, so that
// of many causes at once one is the cause, and all of this happens once.
//
// It returns the records that have ended, by selector and then the newest first, also
// beside an error: what has ended has ended, and is seen through though the caller leaves.
func (g *Registry) endAll(ctx context.Context, selectors []sessionstore.Selector, cause LogoutCause) (ended []*sessionstore.Record, failed error) {
	for _, by := range selectors {
		err := contain("a store", func() error {
			recs, err := g.logins.EndLogins(ctx, by)
			ended = append(ended, recs...)
			return storeFault("login store", err)
		})
		if err != nil {
			failed = errors.Join(failed, err)
		}
	}
	if err := g.seeThrough(ctx, ended, cause); err != nil {
		failed = errors.Join(failed, err)
	}
	return ended, failed
}

// seeThrough does what is left to do when records have gone: the tokens that they own, and
// then whoever is told.
func (g *Registry) seeThrough(ctx context.Context, ended []*sessionstore.Record, cause LogoutCause) error {
	if len(ended) == 0 {
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	err := g.endTokens(ctx, ended, cause)
	g.tellEnded(ctx, ended, cause)
	return err
}

// endTokens deletes what the ended logins own. A token that stays, since its store does
// not answer, is in nobody's reach any more, and its row is old one day.
func (g *Registry) endTokens(ctx context.Context, ended []*sessionstore.Record, cause LogoutCause) error {
	var first error
	failed := 0
	for i, rec := range ended {
		if rec.Owner != rec.ID {
			continue // the token is its owner's, not the login's
		}
		err := contain("a token store", func() error { return g.endToken(ctx, rec, cause) })
		if err == nil {
			continue
		}
		if failed++; first == nil {
			first = err
		}
		if errors.Is(err, context.DeadlineExceeded) {
			failed += len(ended) - i - 1
			break // the store hangs, and would do so for each
		}
	}
	if first != nil {
		return fmt.Errorf("signon: the logins have ended, but of the tokens of %d up to %d were not deleted: %w", len(ended), failed, first)
	}
	return nil
}

func (g *Registry) endToken(ctx context.Context, rec *sessionstore.Record, cause LogoutCause) error {
	deleting, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	c, ok := g.Client(rec.Provider)
	if !ok { // of a provider that has been removed
		err := g.tokens.DeleteToken(deleting, tokenstore.Key{Provider: rec.Provider, Owner: rec.Owner}, nil)
		if errors.Is(err, tokenstore.ErrNotFound) {
			return nil
		}
		return storeFault("token store", err)
	}
	if c.revokes(rec, cause) {
		// Only what was deleted is revoked: a refresh may be replacing it.
		if token, err := c.take(deleting, rec.Owner); err == nil {
			c.revokeLater(ctx, token)
			return nil
		}
	}
	return c.deleteToken(deleting, rec.Owner)
}

const (
	// tellTimeout is how long a logout waits for Config.OnLogout, and how long each call of
	// it has.
	tellTimeout = 5 * time.Second

	// maxTelling is how many calls of it may not have returned, whatever their context says.
	maxTelling = 1_000
)

// tellEnded calls Config.OnLogout for each login that has ended. What is left of it after
// a while goes on without the caller, until a Shutdown is given up.
func (g *Registry) tellEnded(ctx context.Context, ended []*sessionstore.Record, cause LogoutCause) {
	if g.cfg.OnLogout == nil {
		return
	}
	for range ended {
		g.going.begin()
	}
	told := make(chan struct{})
	go func() {
		defer close(told)
		untold := 0
		for _, rec := range ended {
			if g.going.lost() == nil {
				g.tell(ctx, rec, cause)
			} else {
				untold++
			}
			g.going.end()
		}
		if untold > 0 {
			g.warn(ctx, "signon: OnLogout is not told of logins that have ended: Shutdown was given up", "logins", untold, "cause", string(cause))
		}
	}()
	late := time.NewTimer(tellTimeout)
	defer late.Stop()
	select {
	case <-told:
	case <-late.C:
	}
}

// tell leaves a call that hangs behind, so that the next login's is made, and a process can
// end. What becomes of it nobody hears, as Config.OnLogout says.
func (g *Registry) tell(ctx context.Context, rec *sessionstore.Record, cause LogoutCause) {
	if err := g.checkRecord(rec); err != nil {
		// Nobody was signed in by it, and what it says of anybody may be a lie.
		g.warn(ctx, "signon: OnLogout is not told of a login that was changed in its store", "provider", rec.Provider, "error", err)
		return
	}
	select {
	case g.telling <- struct{}{}:
	default:
		g.warn(ctx, "signon: OnLogout is not told of a login that has ended: too many calls of it have not returned", "provider", rec.Provider, "owner", rec.Owner, "cause", string(cause), "calls", maxTelling)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	login := g.loginOf(rec)
	err := oauth.Watch(withLogin(ctx, login), func(ctx context.Context, login *Login) error {
		defer func() { <-g.telling }()
		g.cfg.OnLogout(ctx, login, cause)
		return nil
	}, login)
	if err != nil {
		g.warn(ctx, "signon: OnLogout failed; the login has ended all the same", "provider", rec.Provider, "owner", rec.Owner, "cause", string(cause), "error", err)
	}
}

// warn logs what went wrong beside what was asked for.
func (g *Registry) warn(ctx context.Context, msg string, args ...any) {
	_ = guard("Config.Logger", func() error {
		g.log.WarnContext(ctx, msg, args...)
		return nil
	})
}
