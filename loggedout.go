package signon

import (
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
)

// LoggedOutHandler is where the browser comes back to from the provider, at
// Provider.PostLogoutRedirectURL (OpenID Connect RP-Initiated Logout section 3):
// [Client.FinishLogout] as a handler.
//
// If next is nil, a logout that this browser has started leads on to where its return_to
// said, or to Config.Home. Whatever else comes, a state that is missing, wrong, used
// before or another browser's, gets a page with status 200, which says whether somebody is
// signed in, and leads nowhere by itself. Otherwise next answers, in either case.
//
// Nobody is signed in or out here: the login has ended before the browser went, and
// whoever has signed in since then stays so.
func (c *Client) LoggedOutHandler(next http.Handler) http.Handler {
	g := c.registry
	return g.handleLogout(c, func(w http.ResponseWriter, r *http.Request) error {
		returnTo, err := c.takeLogout(w, r)
		switch {
		case err != nil && !errors.Is(err, ErrState):
			return err
		case next != nil:
			return c.serveNext(next, w, r)
		case err != nil:
			g.loggedOutPage(w, r)
			return nil
		}
		g.redirect(w, returnTo)
		return nil
	})
}

// FinishLogout sends a browser that comes back from the provider on to where the logout
// was to lead. It answers GET.
//
// That the browser has come back says nothing of the provider: some send it back also when
// their user has said no to the logout there. Do not tell the user that they are signed
// out there.
//
// An error that wraps [ErrState] says that this browser has no such logout in progress,
// which is nothing to worry about: it may have come late, or twice. Nothing is written
// then but, at most, a cookie that is deleted, and what is in order is a page that does
// not depend on the request. The state is no proof of anything else, and the session is
// not looked at.
func (c *Client) FinishLogout(w http.ResponseWriter, r *http.Request) error {
	returnTo, err := c.takeLogout(w, r)
	if err != nil {
		return leavingFailed(err)
	}
	secureHeaders(w.Header())
	c.registry.redirect(w, returnTo)
	return nil
}

// takeLogout ends the logout in progress that a request is about, and says where it
// leads.
func (c *Client) takeLogout(w http.ResponseWriter, r *http.Request) (returnTo string, err error) {
	if err := checkMethod(r, http.MethodGet); err != nil {
		return "", err
	}
	if len(r.URL.RawQuery) > maxQuery {
		return "", fmt.Errorf("%w: a query of %d bytes, expected %d at most", ErrState, len(r.URL.RawQuery), maxQuery)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(query["state"]) != 1 {
		return "", fmt.Errorf("%w: %d states in the query, expected one", ErrState, len(query["state"]))
	}
	return c.registry.transactions.takeLogout(w, r, c.name, query.Get("state"))
}

// loggedOutPage says what is so, not what the URL would have it say: anybody can make a
// link to it, and at a computer that others use it matters.
func (g *Registry) loggedOutPage(w http.ResponseWriter, r *http.Request) {
	heading := "You are signed out"
	_, err := g.current(r, "")
	switch {
	case err == nil:
		heading = "You are signed in"
	case g.cfg.Owner != nil || !errors.Is(err, ErrNoLogin):
		heading = "Signing out" // it cannot be told here
	}
	writePageAs(w, http.StatusOK, page{title: heading, body: "<h1>" + heading + "</h1>\n" +
		`<p><a class="button" href="` + html.EscapeString(g.cfg.Home) + `">Continue</a></p>` + "\n"})
}
