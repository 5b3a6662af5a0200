package signon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"
)

// RequireToken lets a request through if its user holds a token of this provider
// that is valid now, refreshed if need be. In next, [Client.Token] and
// [Client.HTTPClient] work with the request's context, and [LoginFrom] says who it
// is, except with Config.Owner, which does.
//
// Without one, a browser that navigates is sent to the login and comes back;
// anything else gets 401 with a WWW-Authenticate. A store or a provider that does
// not answer is 503 or 504, never "signed out", and never let in.
//
// Whether a request is protected depends on the handler that is wrapped, not on its
// path, method or headers. What next answers is marked private and not to be
// stored; next may say otherwise.
func (c *Client) RequireToken(next http.Handler) http.Handler { return c.RequireScopes(next) }

// RequireScopes is RequireToken for a token that has all the scopes of
// [Client.Scopes]. One that lacks any is 403 insufficient_scope (RFC 6750 section 3.1);
// so is one whose scopes are not known, which is all that a store leaves that does not
// keep the extra "scope".
// For a router that wants middleware, close over them:
//
//	admins := func(next http.Handler) http.Handler { return corp.RequireScopes(next, "admin") }
func (c *Client) RequireScopes(next http.Handler, scopes ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var ctx context.Context
		err := guard("RequireToken", func() (err error) {
			ctx, err = c.authenticate(r, scopes)
			return err
		})
		if err != nil {
			c.registry.turnAway(w, r, c, c.loginURL, err)
			return
		}
		private(w.Header())
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// authenticate is the check of RequireToken: the context for the next handler, or
// why there is none.
func (c *Client) authenticate(r *http.Request, scopes []string) (context.Context, error) {
	ctx, owner, err := c.identifyRequest(r)
	if err != nil {
		return nil, err
	}
	token, err := c.tokenOf(r.Context(), owner)
	if err != nil {
		return nil, err
	}
	if len(scopes) > 0 {
		return ctx, c.checkScopes(token, scopes)
	}
	return ctx, nil
}

// identifyRequest says whose token a request uses: that of the application's user,
// or of the login that the session names.
func (c *Client) identifyRequest(r *http.Request) (ctx context.Context, owner string, err error) {
	if c.registry.cfg.Owner != nil {
		owner, err = c.registry.ownerOf(r)
		return withActor(r.Context(), actor{registry: c.registry, owner: owner}), owner, err
	}
	login, err := c.registry.current(r, c.name)
	if err != nil {
		return nil, "", err
	}
	if c.openID && login.Provider == c.name && !c.p.issues(login.Issuer) {
		return nil, "", fmt.Errorf("signon: the login is of the issuer that had the name %s before: %w", c.name, ErrNoLogin)
	}
	return withLogin(r.Context(), login), login.Owner, nil
}

// Scopes are the scopes of a token, by its extra "scope": those that the provider says
// it granted, or, where it does not say, those that the login asked for (RFC 6749
// section 5.1). A list without a space is split at its commas, as GitHub writes it. It
// is nil where they are not known: without the extra, which a store may have lost, or
// where none were asked for and the provider does not say.
func (c *Client) Scopes(token *oauth2.Token) []string {
	said, ok := token.Extra("scope").(string)
	if !ok {
		return nil
	}
	if !strings.Contains(said, " ") {
		said = strings.ReplaceAll(said, ",", " ")
	}
	return strings.Fields(said)
}

// keepScope puts on record what was asked for, or granted before, where the provider
// does not say what it grants.
func keepScope(extra map[string]any, scope string) {
	if _, said := extra["scope"]; !said && scope != "" {
		extra["scope"] = scope
	}
}

func (c *Client) checkScopes(token *oauth2.Token, scopes []string) error {
	granted := c.Scopes(token)
	for _, scope := range scopes {
		if !slices.Contains(granted, scope) {
			return fmt.Errorf("signon: %s: the token lacks %q: %w", c.name, scope, ErrScope)
		}
	}
	return nil
}

// RequireLogin lets a request through if somebody is signed in, at whichever
// provider; [LoginFrom] says who. With Config.Owner, it is that function which says
// so, and LoginFrom has a login only if that user connected a provider in this
// session. Otherwise it answers as [Client.RequireToken] does.
func (g *Registry) RequireLogin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		err := guard("RequireLogin", func() (err error) {
			ctx, err = g.identify(r)
			return err
		})
		if err != nil {
			g.turnAway(w, r, nil, g.cfg.LoginURL, err)
			return
		}
		private(w.Header())
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// identify is the check of RequireLogin.
func (g *Registry) identify(r *http.Request) (context.Context, error) {
	ctx := r.Context()
	if g.cfg.Owner != nil {
		owner, err := g.ownerOf(r)
		if err != nil {
			return nil, err
		}
		ctx = withActor(ctx, actor{registry: g, owner: owner})
	}
	login, err := g.Login(r)
	if g.cfg.Owner != nil && errors.Is(err, ErrNoLogin) {
		return ctx, nil
	}
	if err != nil {
		return nil, err
	}
	return withLogin(ctx, login), nil
}

// Login is who is signed in, for a page that anybody may see: "Hello Alice" or "Sign
// in". An error wraps [ErrNoLogin] where nobody is, and [ErrUnavailable] where a
// store does not answer. What the page shows of it is private: mark it so.
//
// With Config.Owner, a login that another user has left in the session is nobody's.
func (g *Registry) Login(r *http.Request) (*Login, error) {
	login, err := g.current(r, "")
	if err != nil || g.cfg.Owner == nil {
		return login, err
	}
	owner, err := g.ownerOf(r)
	if err == nil && owner != login.Owner {
		err = fmt.Errorf("signon: the session's login is of another user: %w", ErrNoLogin)
	}
	if err != nil {
		return nil, err
	}
	return login, nil
}

// Fail answers a request that failed outside of what one provider does, such as a
// [Registry.Login] while a store is down. It is [Client.Fail] with Config.LoginURL.
func (g *Registry) Fail(w http.ResponseWriter, r *http.Request, err error) {
	g.turnAway(w, r, nil, g.cfg.LoginURL, err)
}

// Fail answers a request whose work with the provider has failed, such as a call of
// [Client.Token] or HTTPClient: with the one exit that Signon's own handlers have.
// Where signing in again helps, a navigation is sent to the login; anything else
// gets one log record and Config.OnError.
func (c *Client) Fail(w http.ResponseWriter, r *http.Request, err error) {
	c.registry.turnAway(w, r, c, c.loginURL, err)
}

// turnAway answers a request that is not let through: a navigation goes to the
// login where that helps, and comes back if a redirect can repeat it.
func (g *Registry) turnAway(w http.ResponseWriter, r *http.Request, c *Client, loginURL string, err error) {
	secureHeaders(w.Header())
	if errors.Is(err, errTwoSessions) {
		g.clearSession(w)
		g.clearTossed(w)
	}
	signInHelps := errors.Is(err, ErrNoLogin) || errors.Is(err, ErrNoToken)
	if !signInHelps || !isNavigation(r) {
		g.fail(w, r, c, err)
		return
	}
	target := g.origin.url + loginURL
	if to := g.requestPath(r); to != "" {
		target = withQuery(target, "return_to="+url.QueryEscape(to))
	}
	w.Header().Add("Vary", "Cookie")
	seeOther(w, target)
}

// isNavigation reports a browser that shows the answer to its user: by
// Sec-Fetch-Mode, which scripts cannot set, and for a browser without it by what it
// accepts. A redirect to the provider would be of no use to anything else.
func isNavigation(r *http.Request) bool {
	if isPrefetch(r) {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		dest := r.Header.Get("Sec-Fetch-Dest")
		return mode == "navigate" && (dest == "" || dest == "document")
	}
	return wantsHTML(r) && r.Header.Get("X-Requested-With") == "" && r.Header.Get("Upgrade") == "" &&
		(r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodPost)
}

// private marks what one user sees as nobody else's to cache.
func private(h http.Header) {
	h["Cache-Control"] = privateNoStore
	h.Add("Vary", "Cookie")
}

var privateNoStore = []string{"private, no-store"}
