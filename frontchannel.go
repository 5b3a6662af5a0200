package signon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed1a301047/signon/sessionstore"
)

// FrontChannelLogoutHandler is a page for an invisible frame in the provider's own, by
// which it says that a user has signed out there (OpenID Connect Front-Channel Logout
// 1.0): [Client.FrontChannelLogout] as a handler. Its URL, BaseURL + Mount +
// "/frontchannel-logout/" + Name unless it is mounted elsewhere, is the
// frontchannel_logout_uri to register, with frontchannel_logout_session_required.
//
// It answers 200 with an empty page, whether anybody was signed out or not.
//
// Prefer [Client.BackChannelLogoutHandler] where the provider has both: this one works
// only while the browser is there, and anybody who knows a sid may ask.
func (c *Client) FrontChannelLogoutHandler() http.Handler {
	return c.registry.handleLogout(c, func(w http.ResponseWriter, r *http.Request) error {
		if err := c.FrontChannelLogout(w, r); err != nil {
			return err
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html>\n<title>Signed out</title>\n")
		return nil
	})
}

// FrontChannelLogout ends the logins of the issuer iss and the session sid that stand in
// the query of a GET, on every replica, with the tokens that they own. These are not
// revoked, whatever Provider.RevokeOnLogout says: nothing proves that it is the provider
// who asks. Only a pair that a refresh brings after that is, which is nobody's. Of the
// logins of this provider these two alone say which, since browsers send no cookie from a
// frame in another site's page, and none is read.
//
// Without exactly one iss, which is this provider's, and one sid nobody is signed out, and
// the error is nil: what is no logout is not a failure either. It writes headers but no
// status: the caller answers, with a page of its own, or none. They let the provider's
// pages frame that, and no others: by the origin of the issuer, and that of the
// end_session_endpoint if it is another, which is looked up only where there was a login.
// An error wraps [ErrMethod], or [ErrUnavailable] if a store does not answer.
func (c *Client) FrontChannelLogout(w http.ResponseWriter, r *http.Request) error {
	secureHeaders(w.Header())
	if err := checkMethod(r, http.MethodGet); err != nil {
		return leavingFailed(err)
	}
	found := false
	by, err := c.framedSession(r)
	if err != nil {
		c.registry.hear(r.Context(), slog.LevelInfo, "signon: a front-channel logout names no session of the provider; nobody was signed out", "provider", c.name, "error", err.Error())
	} else if found, err = c.endFramed(r.Context(), by); err != nil {
		return leavingFailed(err)
	}
	c.letFrame(r.Context(), w.Header(), found)
	return nil
}

// framedSession reads what section 2 has the provider add to the URL. There may be
// parameters beside them that were registered.
func (c *Client) framedSession(r *http.Request) (by sessionstore.Selector, err error) {
	if len(r.URL.RawQuery) > maxQuery {
		return by, fmt.Errorf("%w: front-channel logout: a query of %d bytes, expected %d at most", ErrTooLarge, len(r.URL.RawQuery), maxQuery)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return by, fmt.Errorf("%w: front-channel logout: the query does not parse", ErrRequest)
	}
	if n, m := len(query["iss"]), len(query["sid"]); n != 1 || m != 1 {
		return by, fmt.Errorf("%w: front-channel logout: %d times iss and %d times sid, expected one of each; register the application with frontchannel_logout_session_required", ErrRequest, n, m)
	}
	by = sessionstore.Selector{Provider: c.name, Issuer: query.Get("iss"), SID: query.Get("sid")}
	if !c.openID || by.Issuer == "" || !c.p.issues(by.Issuer) {
		return by, fmt.Errorf("%w: front-channel logout: iss is %q, expected %q", ErrRequest, clip(by.Issuer, 200), c.p.Issuer)
	}
	if by.Check() != nil {
		return by, fmt.Errorf("%w: front-channel logout: a sid of %d bytes, which no login can have", ErrRequest, len(by.SID))
	}
	return by, nil
}

// endFramed reads first: most of what anybody can send is nobody's. It reports whether
// there was a login.
func (c *Client) endFramed(ctx context.Context, by sessionstore.Selector) (found bool, err error) {
	g := c.registry
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	listed, err := g.logins.Logins(ctx, by)
	if err != nil {
		return false, storeFault("login store", err)
	}
	ended, err := g.endListed(ctx, listed)
	err = errors.Join(err, g.seeThrough(ctx, ended, LoggedOutFrontChannel))
	switch n := len(ended); {
	case n == 0 && err == nil:
		g.hear(ctx, slog.LevelDebug, "signon: a front-channel logout of a session that no login is of, or no more; nobody was signed out", "provider", c.name)
	case n > 0:
		g.note(ctx, "signon: a page of the provider signed a user out", "provider", c.name, "logins", n)
	}
	return len(listed) > 0, err
}

// letFrame replaces whatever policy there is, of the application too, by one for this page.
// It asks for the metadata of a provider where there was a login only: whoever has none to
// end does not have this application call others.
func (c *Client) letFrame(ctx context.Context, h http.Header, found bool) {
	const patience = 3 * time.Second // for the metadata of a provider that is down; the logout is done
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	endSession := c.p.EndSessionURL
	if found {
		if md, err := c.source.Metadata(ctx); err == nil {
			endSession = md.EndSessionEndpoint
		}
	}
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors "+ancestorsOf(c.p.Issuer, endSession)+"; base-uri 'none'; form-action 'none'")
	h.Del("X-Frame-Options")
}

func ancestorsOf(urls ...string) string {
	var list []string
	for _, u := range urls {
		if origin := originOf(u); origin != "" && !slices.Contains(list, origin) {
			list = append(list, origin)
		}
	}
	if list == nil {
		return "'none'"
	}
	return strings.Join(list, " ")
}

// originOf is the origin of a URL for a policy; "" where a policy cannot have it.
func originOf(raw string) string {
	const plain = "abcdefghijklmnopqrstuvwxyz0123456789.-:"
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	host := strings.ToLower(u.Host)
	if strings.Trim(host, plain) != "" {
		return "" // an IPv6 address, or what might end the directive
	}
	return u.Scheme + "://" + host
}
