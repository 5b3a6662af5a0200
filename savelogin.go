package signon

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/seed1a301047/signon/internal/oidc"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/tokenstore"
	"golang.org/x/oauth2"
)

// save writes the token, then the record, then the session: whichever fails, nobody
// is signed in by half. It no longer ends with the request, whose code is spent.
func (c *Client) save(w http.ResponseWriter, r *http.Request, login *Login) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), saveTimeout)
	defer cancel()
	g := c.registry
	key := tokenstore.Key{Provider: c.name, Owner: login.Owner}
	if c.keeper != nil {
		if err := c.saveToken(ctx, key, login); err != nil {
			return storeFault("token store", err)
		}
	}
	rec := g.recordOf(login)
	err := guard("a store", func() error { // one that panics must not leave half a login either
		if err := g.logins.CreateLogin(ctx, rec); err != nil {
			return storeFault("login store", err)
		}
		return g.signIn(w, r.WithContext(ctx), rec)
	})
	if err != nil {
		_, undone := g.logins.EndLogins(ctx, sessionstore.Selector{ID: login.ID})
		if login.Owner == login.ID {
			undone = errors.Join(undone, c.deleteToken(ctx, login.Owner))
		}
		if undone != nil {
			g.log.ErrorContext(ctx, "signon: a failed login left something behind", "provider", c.name, "error", undone)
		}
		return err
	}
	login.record = rec
	g.note(ctx, "signon: signed in", "provider", c.name, "owner", login.Owner)
	return nil
}

// saveToken stores the token of a login, with what belongs to it.
func (c *Client) saveToken(ctx context.Context, key tokenstore.Key, login *Login) error {
	extra := tokenstore.ExtraOf(login.token)
	extra.IDToken, extra.Version = login.rawID, 0
	if login.Owner == login.ID {
		extra.Until = login.ExpiresAt
	}
	token := extra.Put(login.token)
	if token.RefreshToken != "" || login.Owner == login.ID || login.rawID == "" {
		return c.keeper.SaveToken(ctx, key, token)
	}
	return c.saveBesideRefreshToken(ctx, key, login, token)
}

// saveBesideRefreshToken keeps the stored refresh token where a login brought none and
// the same subject has one: Google, for one, gives it with the first consent only, and
// it stays good. By compare-and-swap: a refresh may be rotating it, which then puts the
// new one beside this login's access token (see update).
func (c *Client) saveBesideRefreshToken(ctx context.Context, key tokenstore.Key, login *Login, token *oauth2.Token) error {
	for range takeTries {
		stored, err := c.fetch(ctx, key)
		if err != nil && !errors.Is(err, ErrNoToken) {
			return err
		}
		if err != nil || !c.ofSubject(stored, login) {
			break
		}
		token.RefreshToken = stored.RefreshToken
		owed := c.outcomes.owed(key.Owner, stored)
		if owed != nil { // the stored one is spent
			token.RefreshToken = owed.RefreshToken
		}
		err = c.keeper.UpdateToken(ctx, key, stored, token)
		if errors.Is(err, tokenstore.ErrConflict) || errors.Is(err, tokenstore.ErrNotFound) {
			continue
		}
		if err == nil && owed != nil {
			c.outcomes.settled(key.Owner, owed)
		}
		return err
	}
	token.RefreshToken = ""
	return c.keeper.SaveToken(ctx, key, token)
}

// ofSubject reports that a stored token came with an ID token of the same user.
func (c *Client) ofSubject(stored *oauth2.Token, login *Login) bool {
	id, err := oidc.Restore(tokenstore.ExtraOf(stored).IDToken)
	return err == nil && id.Issuer == login.Issuer && id.Subject == login.Subject
}

func (g *Registry) recordOf(login *Login) *sessionstore.Record {
	rec := &sessionstore.Record{
		ID: login.ID, Provider: login.Provider, Owner: login.Owner,
		Issuer: login.Issuer, Subject: login.Subject, SID: login.SID,
		UserAgent: login.UserAgent,
		CreatedAt: login.CreatedAt, LastSeen: login.LastSeen, ExpiresAt: login.ExpiresAt,
	}
	rec.IDToken = g.seal([]byte(login.rawID), "id_token", rec)
	rec.UserInfo = g.seal(login.profile.append(nil), "profile", rec)
	return rec
}

// newID is 256 bits, as a state is.
func newID() string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand
	return base64.RawURLEncoding.EncodeToString(random[:])
}
