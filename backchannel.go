package signon

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/seed1a301047/signon/internal/oidc"
	"github.com/seed1a301047/signon/sessionstore"
)

// BackChannelLogoutHandler is where the provider says that a user has signed out there
// (OpenID Connect Back-Channel Logout 1.0): [Client.BackChannelLogout] as a handler. Its
// URL, BaseURL + Mount + "/backchannel-logout/" + Name unless it is mounted elsewhere, is
// the backchannel_logout_uri to register; the provider calls it, not the browser, so it
// must be reachable from there. Register it with backchannel_logout_session_required: a
// token that names no session of the provider's ends all logins of its user, in every
// browser. The log says by which of the two it was, "sid" or "sub".
//
// It answers a POST with 200 once the logins have ended, also where there were none, or
// with a JSON object of error, error_description and error_id: 400 for a token that is not
// valid, and 5xx where a store or the provider's keys are not to be had, after which the
// provider may send the same token again. Config.OnError is not asked: no user sees this.
func (c *Client) BackChannelLogoutHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := guard("the handler", func() error { return c.BackChannelLogout(w, r) }); err != nil {
			c.refuseLogout(w, r, err)
			return
		}
		w.WriteHeader(http.StatusOK)
	})
}

// BackChannelLogout reads a logout token from the form of a POST, checks it (OpenID Connect
// Back-Channel Logout 1.0 section 2.6), and ends the logins that it is about, on every
// replica, with the tokens that they own: by sid the one login of that session of the
// provider's, by sub all of that user, and by both the one if it is that user's. It writes
// headers but no status, so that the caller answers: 200 if the error is nil.
//
// The token is checked as an ID token is, by the same keys, algorithms and encryption, and
// has to have iss, aud, exp, iat, jti, the event of a logout, no nonce, and sub or sid or
// both. It may be five minutes old. No cookie is read, nor must a browser's request be the
// application's own: the signature is what counts.
//
// A token is good for one logout. One that has done its work does nothing when it comes
// again, and the error is nil: the user may have signed in again meanwhile. One whose
// logout has failed may come again, and is then as good as new.
//
// An error wraps [ErrRequest] if the token or the form is not valid, [ErrMethod] or
// [ErrTooLarge]; [ErrUnavailable], [ErrProvider] or [ErrProviderTimeout] if a store or the
// provider's keys are not to be had. Where a store fails half-way, the logins that have
// ended have ended.
//
// Only logins of this provider end, by its name too: another that is registered with the
// same issuer has keys and tokens of its own. Nor does a login that was made more than a
// minute after the token was issued, by the provider's clock: a token that comes again
// after a failure does not sign out whoever has signed in since. A provider whose clock
// is late by more than that keeps users signed in who have signed in just now.
//
// Nor does it end a login that is on its way: one whose user has been back from the
// provider for a moment, and whose record is not written yet when the logins are listed.
// Such a login lives on although its session there is over, until the provider refuses to
// refresh its token or its time is up (Config.Lifetime, Config.IdleTimeout).
func (c *Client) BackChannelLogout(w http.ResponseWriter, r *http.Request) error {
	return leavingFailed(c.backChannelLogout(w, r))
}

func (c *Client) backChannelLogout(w http.ResponseWriter, r *http.Request) error {
	secureHeaders(w.Header())
	raw, err := readLogoutToken(w, r)
	if err != nil {
		return err
	}
	// A provider that does not wait has signed its user out all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), saveTimeout)
	defer cancel()
	token, err := c.verifyLogoutToken(ctx, raw)
	if err != nil {
		return err
	}
	by := "sub"
	if token.SID != "" {
		by = "sid"
	}
	n, err := c.logOutOnce(ctx, token)
	switch {
	case errors.Is(err, errRepeated):
		c.registry.note(ctx, "signon: a logout token came again, and did nothing", "provider", c.name, "by", by)
	case err != nil:
		return err
	case n == 0:
		c.registry.note(ctx, "signon: a logout token; no login was left", "provider", c.name, "by", by)
	default:
		c.registry.note(ctx, "signon: the provider signed a user out", "provider", c.name, "by", by, "logins", n)
	}
	return nil
}

// readLogoutToken: section 2.5. Other parameters are ignored.
func readLogoutToken(w http.ResponseWriter, r *http.Request) (string, error) {
	const param, limit = "logout_token", 64 << 10
	if err := checkMethod(r, http.MethodPost); err != nil {
		return "", err
	}
	form, err := readForm(w, r, limit)
	if err != nil {
		return "", err
	}
	if n := len(form[param]); n != 1 || r.URL.Query().Has(param) {
		return "", fmt.Errorf("%w: %d times %s in the form, expected once, and not in the query", ErrRequest, n, param)
	}
	return form.Get(param), nil
}

func (c *Client) verifyLogoutToken(ctx context.Context, raw string) (*oidc.LogoutToken, error) {
	if !c.openID {
		return nil, fmt.Errorf("provider %s: %w: a logout token, though Scopes lacks openid: nobody is known here as the provider knows them", c.name, ErrRequest)
	}
	expect, err := c.expect(ctx)
	if err != nil {
		return nil, err
	}
	token, err := oidc.VerifyLogoutToken(ctx, raw, c.source, expect, oidc.ExpectLogout{
		RequireType: c.p.RequireLogoutType, AllowNoExpiry: c.p.InsecureEndlessLogoutToken,
	})
	if errors.Is(err, oidc.ErrLogoutToken) {
		return nil, fmt.Errorf("provider %s: %w: %w", c.name, ErrRequest, err)
	}
	return token, providerFault(c.name, err)
}

// errRepeated: the token has done its work before.
var errRepeated = errors.New("the logout token has been used")

// logOutOnce ends the logins that a token is about, unless the token has done so before,
// here or on another replica.
//
// What has been done is remembered as soon as the logins have ended, so that a failure on
// the way leaves the token good, and before the tokens go and OnLogout is told, which may
// take their time: a user signs in again meanwhile. Several may then be at it at once,
// which ends nobody twice; but a user who signs in again must not be signed out by one that
// is late. Hence the order: first the logins are listed, then it is asked whether the token
// is used, and then those that were listed are ended, and no others. Whoever signed in
// after the first was done is not in a list that was made before it was. One that comes
// after a failure finds nothing remembered: hence the bound by the token's age.
//
// A claim that has passed when it is made takes nothing, and only tells whether another
// holds the key (see sessionstore.Store). It fails closed: without the store nobody knows
// whether the token is used, and then the provider hears so.
func (c *Client) logOutOnce(ctx context.Context, t *oidc.LogoutToken) (n int, err error) {
	g := c.registry
	by := sessionstore.Selector{Provider: c.name, Issuer: t.Issuer, Subject: t.Subject, SID: t.SID}
	listed, err := g.logins.Logins(ctx, by)
	if err != nil {
		return 0, storeFault("login store", err)
	}
	sum := sha256.Sum256([]byte(c.name + "\x00" + t.Issuer + "\x00" + t.ID))
	key := "logout:" + base64.RawURLEncoding.EncodeToString(sum[:])
	if err := g.logins.Claim(ctx, key, time.Unix(1, 0)); err != nil {
		return 0, repeatedOr(err)
	}
	later := t.IssuedAt.Add(logoutSkew)
	listed = slices.DeleteFunc(listed, func(rec *sessionstore.Record) bool { return rec.CreatedAt.After(later) })
	ended, err := g.endListed(ctx, listed)
	if err == nil {
		err = contain("a store", func() error { return g.remember(ctx, key, t.Until) })
	}
	return len(ended), errors.Join(err, g.seeThrough(ctx, ended, LoggedOutBackChannel))
}

// logoutSkew is by how much the clocks of a provider and of the replicas may differ.
const logoutSkew = time.Minute

// remember claims the key of a token that has done its work, until after the last replica
// refuses it.
func (g *Registry) remember(ctx context.Context, key string, until time.Time) error {
	err := g.logins.Claim(ctx, key, until.Add(logoutSkew))
	if errors.Is(err, sessionstore.ErrClaimed) { // another has done the same at the same time
		return nil
	}
	return storeFault("login store", err)
}

func repeatedOr(err error) error {
	if errors.Is(err, sessionstore.ErrClaimed) {
		return errRepeated
	}
	return storeFault("login store", err)
}

// endListed ends the records of logins that were listed before, those that still live, and
// returns them in their order. It is the first half of endAll: neither the token of one nor
// its OnLogout, which may take their time, keeps another alive; see seeThrough. One that
// cannot be ended does not hold up the others.
func (g *Registry) endListed(ctx context.Context, listed []*sessionstore.Record) ([]*sessionstore.Record, error) {
	const atOnce = 16
	var group errgroup.Group
	group.SetLimit(atOnce)
	ended := make([][]*sessionstore.Record, len(listed))
	for i, rec := range listed {
		group.Go(func() error {
			return contain("a store", func() (err error) {
				ended[i], err = g.logins.EndLogins(ctx, sessionstore.Selector{ID: rec.ID})
				return storeFault("login store", err)
			})
		})
	}
	err := group.Wait()
	return slices.Concat(ended...), err
}

// refuseLogout is the one exit for failure of a handler that a provider calls (section
// 2.8). What it says is of the kind only: anybody may be asking.
func (c *Client) refuseLogout(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%w: cancelled: %w", ErrUnavailable, opaque{err})
	}
	f := newFailure(err)
	f.Provider = c.name
	_ = guard("Config.Logger", func() error {
		c.registry.log.failure(r.Context(), f)
		return nil
	})
	h := w.Header()
	f.setHeader(h)
	h.Set("Content-Type", "application/json")
	w.WriteHeader(f.Status)
	_ = json.NewEncoder(w).Encode(map[string]string{
		"error": f.oauthCode(), "error_description": f.toProvider(), "error_id": f.ID,
	})
}

// oauthCode is the code of RFC 6749 section 4.1.2.1 or 5.2 that comes nearest.
func (f *Failure) oauthCode() string {
	switch {
	case f.Status == http.StatusServiceUnavailable:
		return "temporarily_unavailable"
	case f.Status >= 500:
		return "server_error"
	}
	return "invalid_request"
}

func (f *Failure) toProvider() string {
	switch {
	case f.Status >= 500:
		return "The logout could not be completed. Please send it again."
	case errors.Is(f.Err, oidc.ErrLogoutToken):
		return "The logout token is not valid."
	}
	return "Expected a POST of a form with one logout_token, of 64 KiB at most."
}
