package signon

import (
	"context"
	"errors"
	"fmt"
	"html"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/seed1a301047/signon/sessionstore"
)

const maxLogoutBody = 64 << 10 // of a POST that signs out

// LogoutHandler signs out of the application and then at the provider:
// [Client.StartLogout] as a handler. It answers POST from the application's own origin,
// and GET, with a page that asks, where Config.LogoutByGET says so.
func (c *Client) LogoutHandler() http.Handler {
	return c.registry.handleLogout(c, c.StartLogout)
}

// StartLogout signs the browser out of the application, and then sends it to the
// provider to be signed out there (OpenID Connect RP-Initiated Logout section 2).
//
// # Here
//
// It ends the browser's session: all logins that it names, at whichever provider, with
// the tokens that they own; the session itself; the logins in progress. Tokens that
// belong to a user of the application (Config.OnLogin) stay, for work in the background;
// [Client.Revoke] ends them.
//
// The logins end first, and whatever comes of the provider: when StartLogout returns, no
// request that begins anywhere is let in by them, and none that is on its way gets a token
// of theirs. What such a request has in hand by then it can still use: the answer that it
// is writing, and an access token until that expires, or is revoked: see
// Provider.RevokeOnLogout. A store that does not answer is an error, and the browser's
// cookie is gone all the same.
//
// # At the provider
//
// The browser goes on to the end_session_endpoint of this provider if its login was
// among those that have ended: EndSessionURL, or the discovered one. Other
// providers of the same session are not told. With it go the login's ID token as
// id_token_hint, expired or not, the client_id, PostLogoutRedirectURL and a state; where
// no ID token was kept, or it is over 32 KiB, the rest without it. The browser comes back
// to [Client.LoggedOutHandler]; what it needs there is kept in a sealed cookie of ten
// minutes, and a user who never comes back is signed out here in any case.
//
// A request whose URL would be over 2,000 bytes is a page instead, with a form that posts
// itself. Set Provider.LogoutWithoutForm where the provider does not take that:
// oidc-provider answers it with 404 unless its enableHttpPostMethods is on, and a provider
// with a SameSite=Lax cookie does not get it with a form of another site's, and so knows
// nobody to sign out.
//
// A login that is over by Config.Lifetime, or has ended elsewhere, does not end here, and
// does not lead to the provider. Without such an endpoint or with LocalLogout, or where it
// is not found out within three seconds or cannot be used, the browser goes where it would
// have gone in the end.
//
// # The form
//
// Where that is, is return_to in the posted form, a path of the application, or else
// Config.Home. What Provider.LogoutParams names is read from the form too. All else is
// ignored, a post_logout_redirect_uri above all.
//
// Chromium holds a form to the Content-Security-Policy of its page through all redirects:
// a form-action on the page with the button must let the provider through, and whomever
// that redirects to in turn.
//
// StartLogout answers POST from the application's own origin, with a 303, and with
// Config.LogoutByGET a GET with a page that asks; that signs nobody out. Else it is
// [ErrMethod] or [ErrCrossOrigin], and nothing has happened.
func (c *Client) StartLogout(w http.ResponseWriter, r *http.Request) error {
	return leavingFailed(c.registry.logout(w, r, c))
}

// startLogout is StartLogout for whichever provider it was.
func (g *Registry) startLogout(w http.ResponseWriter, r *http.Request) error {
	return g.logout(w, r, nil)
}

// logout goes on to the provider of c, or without one to that of the session's current
// login.
func (g *Registry) logout(w http.ResponseWriter, r *http.Request, c *Client) error {
	methods := []string{http.MethodPost}
	if g.cfg.LogoutByGET {
		methods = []string{http.MethodGet, http.MethodPost}
	}
	if err := checkMethod(r, methods...); err != nil {
		return err
	}
	if r.Method == http.MethodGet {
		g.askLogout(w, r, c)
		return nil
	}
	if err := g.crossOrigin.Check(r); err != nil {
		return fmt.Errorf("%w: %w", ErrCrossOrigin, err)
	}
	ended, n, err := g.logoutHere(w, r)
	if err != nil {
		return err
	}
	secureHeaders(w.Header())
	// Only now, and whatever it is: nobody stays signed in for a body that is malformed or
	// slow.
	form, err := readForm(w, r, maxLogoutBody)
	if err != nil {
		form = nil
	}
	if next := g.leaving(c, ended); next != nil {
		next.form, next.returnTo = form, g.returnPath(form.Get("return_to"))
		if next.goOn(w, r) {
			return nil
		}
	}
	if n > 0 {
		g.note(r.Context(), "signon: signed out", "sent_to_provider", false, "logins", n)
	} else {
		g.hear(r.Context(), slog.LevelInfo, "signon: a logout; nobody was signed in")
	}
	g.redirect(w, form.Get("return_to"))
	return nil
}

// logoutHere ends the browser's session and all logins that it names, and returns those
// that this has ended, n of them, the current one first; none where the browser sent two
// sessions, since it cannot be told which of them is the user's.
func (g *Registry) logoutHere(w http.ResponseWriter, r *http.Request) (ended []*sessionstore.Record, n int, failed error) {
	// Whoever clicks and goes away is signed out all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), saveTimeout)
	defer cancel()
	g.transactions.removeAll(w, r)
	sessions, err := g.allSessions(r.WithContext(ctx))
	if err != nil {
		g.clearSession(w)
		return nil, 0, err
	}
	var named []sessionstore.Selector
	for _, s := range sessions {
		for _, n := range parseNamed(g.named(s)) {
			named = append(named, sessionstore.Selector{ID: n.id})
		}
	}
	ended, failed = g.endAll(ctx, named, LoggedOut)
	n = len(ended)
	for _, s := range sessions {
		failed = errors.Join(failed, storeFault("session store", g.sessions.Destroy(s.ctx)))
	}
	if sessions[0].own || failed != nil {
		g.clearSession(w)
	}
	if sessions[0].duplicate {
		g.clearTossed(w)
		ended = nil
	}
	return ended, n, failed
}

// askLogout shows the page that a plain link to the logout leads to: its button proves
// that the user means it, and that our own page asks.
func (g *Registry) askLogout(w http.ResponseWriter, r *http.Request, c *Client) {
	var query url.Values
	if len(r.URL.RawQuery) <= maxQuery {
		query = r.URL.Query()
	}
	var b strings.Builder
	b.WriteString("<h1>Do you want to sign out?</h1>\n" + `<form method="post" action="?">` + "\n")
	if to := g.returnPath(query.Get("return_to")); to != "" {
		hidden(&b, "return_to", to)
	}
	for name, value := range c.logoutParams(query) {
		hidden(&b, name, value)
	}
	b.WriteString("<button>Sign out</button>\n</form>\n" + `<p><a href="` + html.EscapeString(g.cfg.Home) + `">Stay signed in</a></p>` + "\n")
	secureHeaders(w.Header())
	// Browsers without Sec-Fetch-Site prove where the form was by Origin, which no-referrer
	// would make "null".
	w.Header().Set("Referrer-Policy", "same-origin")
	writePageAs(w, http.StatusOK, page{title: "Sign out", body: b.String()})
}

func hidden(b *strings.Builder, name, value string) {
	b.WriteString(`<input type="hidden" name="` + html.EscapeString(name) + `" value="` + html.EscapeString(value) + `">` + "\n")
}
