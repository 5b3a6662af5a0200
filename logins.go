package signon

import (
	"context"
	"time"

	"github.com/seed1a301047/signon/sessionstore"
)

// Logins are the logins of an owner that live now, the newest first, which says where a user
// is signed in only where Config.OnLogin or Config.Owner names users: when and with which
// browser, for a page that shows it with a button for each.
// Behind [Registry.RequireLogin] or [Client.RequireToken], with the request's context, the
// one that has let the request through is Current.
//
// Without both of them a login owns itself, and is all that it finds. A login that has idled for longer than
// Config.IdleTimeout, or that was changed in its store, lets nobody in, and is left out.
//
// Who may ask for whom is the application's to decide: the owner is LoginFrom's, not a
// form's. An error wraps [ErrUnavailable] where the store does not answer, and
// [ErrInternal] where the owner is "" or none that can be stored.
func (g *Registry) Logins(ctx context.Context, owner string) ([]*Login, error) {
	if err := checkOwner("Logins has", owner); err != nil {
		return nil, err
	}
	var recs []*sessionstore.Record
	err := guard("a store", func() (err error) {
		recs, err = g.logins.Logins(ctx, sessionstore.Selector{Owner: owner})
		return storeFault("login store", err)
	})
	if err != nil {
		return nil, err
	}
	list := make([]*Login, 0, len(recs))
	changed := 0
	for _, rec := range recs {
		if rec == nil || rec.Owner != owner || g.over(rec) {
			continue
		}
		if g.checkRecord(rec) != nil {
			changed++
			continue
		}
		login := g.loginOf(rec)
		login.Current = g.letsIn(ctx, rec.ID)
		list = append(list, login)
	}
	if changed > 0 {
		g.warn(ctx, "signon: logins were changed in their store, or their key is not in Config.Keys any more; they let nobody in", "logins", changed, "owner", owner)
	}
	return list, nil
}

// over reports that a login would end at its next use.
func (g *Registry) over(rec *sessionstore.Record) bool {
	now := time.Now()
	return !now.Before(rec.ExpiresAt) || g.cfg.IdleTimeout > 0 && now.Sub(rec.LastSeen) > g.cfg.IdleTimeout
}

// letsIn reports that it is by this login that a request works in this context.
func (g *Registry) letsIn(ctx context.Context, id string) bool {
	for a := actorFrom(ctx); a != nil; a = a.parent {
		if a.registry == g && a.login != nil && a.login.ID == id {
			return true
		}
	}
	return false
}
