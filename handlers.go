package signon

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/internal/oauth"
	"github.com/seed1a301047/signon/sessionstore"
)

// Handler serves the sign-in of all providers, for
//
//	mux.Handle("/auth/", auth.Handler())
//
// where "/auth" is Config.Mount: login/{provider}, callback/{provider},
// logout/{provider} and, for the provider itself, jwks/{provider}; login alone goes
// to the only provider, or lets the user choose, and logout alone signs out of
// whatever the session names. It takes in providers that are registered later. Mount
// it as it is, without http.StripPrefix.
func (g *Registry) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(g.cfg.Mount+"/login", g.handle(nil, g.chooseLogin))
	mux.Handle(g.cfg.Mount+"/logout", g.handle(nil, g.startLogout))
	routes := map[string]func(*Client) http.Handler{
		"/login/":    func(c *Client) http.Handler { return c.LoginHandler() },
		"/callback/": func(c *Client) http.Handler { return c.CallbackHandler(nil) },
		"/logout/":   (*Client).LogoutHandler,
		"/jwks/":     (*Client).JWKSHandler,
	}
	for route, handler := range routes {
		mux.HandleFunc(g.cfg.Mount+route+"{provider}", func(w http.ResponseWriter, r *http.Request) {
			c, ok := g.Client(r.PathValue("provider"))
			if !ok {
				g.unknown(w, r)
				return
			}
			handler(c).ServeHTTP(w, r)
		})
	}
	mux.HandleFunc("/", g.unknown)
	return mux
}

func (g *Registry) unknown(w http.ResponseWriter, r *http.Request) {
	secureHeaders(w.Header())
	hint := ""
	if !strings.HasPrefix(r.URL.Path, g.cfg.Mount+"/") {
		hint = ", and not below Config.Mount " + g.cfg.Mount + ": mount Handler as it is, without http.StripPrefix"
	}
	g.fail(w, r, nil, fmt.Errorf("signon: no such path: %s%s: %w", clip(r.URL.Path, 64), hint, ErrUnknownProvider))
}

// LoginHandler begins a login: [Client.StartLogin] as a handler. opts are added to
// each authorization request.
func (c *Client) LoginHandler(opts ...oauth2.AuthCodeOption) http.Handler {
	extra, err := c.loginOptions(opts)
	return c.registry.handle(c, func(w http.ResponseWriter, r *http.Request) error {
		if err != nil {
			return err
		}
		return c.startLogin(w, r, extra)
	})
}

// CallbackHandler completes a login: [Client.FinishLogin] as a handler. If next is
// nil, the browser goes back to where it came from, or to Config.Home. Otherwise
// next answers, with the login in its context ([LoginFrom], Login.ReturnTo); it
// should redirect, so that the code does not stay in the address bar.
func (c *Client) CallbackHandler(next http.Handler) http.Handler {
	return c.registry.handle(c, func(w http.ResponseWriter, r *http.Request) error {
		login, err := c.FinishLogin(w, r)
		if errors.Is(err, ErrAnswered) {
			return nil
		}
		if err != nil {
			return err
		}
		if next == nil {
			c.registry.redirect(w, login.ReturnTo)
			return nil
		}
		return c.serveNext(next, w, r.WithContext(withLogin(r.Context(), login)))
	})
}

// serveNext runs the application's handler of a login. If that panics when it has
// begun to answer, the log says so, and no page of ours follows half of another.
func (c *Client) serveNext(next http.Handler, w http.ResponseWriter, r *http.Request) error {
	seen := &begunWriter{ResponseWriter: w}
	err := guard("the handler", func() error {
		next.ServeHTTP(seen, r)
		return nil
	})
	if err == nil || !seen.begun {
		return err
	}
	f := newFailure(err)
	f.Provider = c.name
	_ = guard("Config.Logger", func() error {
		c.registry.log.failure(r.Context(), f)
		return nil
	})
	return nil
}

// LogoutHandler signs out of the application: [Client.StartLogout] as a handler. It
// answers POST from the application's own origin, with a redirect to Config.Home. The
// provider still remembers its user, and may sign them in again without a question.
func (c *Client) LogoutHandler() http.Handler {
	return c.registry.handle(c, c.StartLogout)
}

// StartLogout ends the browser's session: all logins that it names, whatever the
// provider, with the tokens that they own; the session itself; the logins in
// progress. Tokens that belong to a user of the application (Config.OnLogin) stay,
// for work in the background; [Client.Revoke] ends them.
//
// The logins end first: from then on no request, in flight or elsewhere, is signed
// in by them. A store that does not answer is an error, and the browser's cookie is
// gone all the same.
func (c *Client) StartLogout(w http.ResponseWriter, r *http.Request) error {
	return c.registry.startLogout(w, r)
}

func (g *Registry) startLogout(w http.ResponseWriter, r *http.Request) error {
	if err := checkMethod(r, http.MethodPost); err != nil {
		return err
	}
	if err := g.crossOrigin.Check(r); err != nil {
		return fmt.Errorf("%w: %w", ErrCrossOrigin, err)
	}
	// Whoever clicks and goes away is signed out all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), saveTimeout)
	defer cancel()
	g.transactions.removeAll(w, r)
	sessions, err := g.allSessions(r.WithContext(ctx))
	if err != nil {
		g.clearSession(w)
		return err
	}
	var failed error
	for _, s := range sessions {
		for _, n := range parseNamed(g.named(s)) {
			failed = errors.Join(failed, g.endLogins(ctx, sessionstore.Selector{ID: n.id}))
		}
		failed = errors.Join(failed, storeFault("session store", g.sessions.Destroy(s.ctx)))
	}
	if sessions[0].own || failed != nil {
		g.clearSession(w)
	}
	if sessions[0].duplicate {
		g.clearTossed(w)
	}
	if failed != nil {
		return failed
	}
	g.note(ctx, "signon: signed out")
	seeOther(w, g.origin.url+g.cfg.Home)
	return nil
}

// chooseLogin goes to the only provider, or shows a list.
func (g *Registry) chooseLogin(w http.ResponseWriter, r *http.Request) error {
	if err := checkMethod(r, http.MethodGet); err != nil {
		return err
	}
	suffix := ""
	if to := g.returnPath(r.URL.Query().Get("return_to")); to != "" {
		suffix = "?return_to=" + url.QueryEscape(to)
	}
	var list strings.Builder
	var only string
	count := 0
	for name, c := range g.All() {
		only, count = c.loginURL, count+1
		list.WriteString(`<li><a class="button" href="` + html.EscapeString(c.loginURL+suffix) + `">` + html.EscapeString(name) + "</a></li>\n")
	}
	switch count {
	case 0:
		return fmt.Errorf("signon: no provider is registered: %w", ErrUnknownProvider)
	case 1:
		seeOther(w, g.origin.url+only+suffix)
		return nil
	}
	writePage(w, http.StatusOK, "<h1>Sign in with</h1>\n<ul class=\"list\">\n"+list.String()+"</ul>\n")
	return nil
}

// handle makes a handler of a method that returns an error: the headers of every
// answer, no work for a prefetch, one exit for failure.
func (g *Registry) handle(c *Client, serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secureHeaders(w.Header())
		if isPrefetch(r) {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if err := guard("the handler", func() error { return serve(w, r) }); err != nil {
			g.fail(w, r, c, err)
		}
	})
}

// isPrefetch reports a request that no user has made yet: it must begin nothing,
// spend nothing and sign nobody out.
func isPrefetch(r *http.Request) bool {
	for _, name := range [...]string{"Sec-Purpose", "Purpose", "X-Moz"} {
		if v := r.Header.Get(name); v != "" && strings.Contains(strings.ToLower(v), "prefetch") {
			return true
		}
	}
	return false
}

// guard turns a panic into an error that says where, and not what: the value may
// hold a secret.
func guard(what string, fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			err = fmt.Errorf("signon: %s panicked with a %T at %s: %w", what, p, oauth.PanicLine(), ErrInternal)
		}
	}()
	return fn()
}

// applicationFault keeps what the application's function says of itself, if it
// wraps a sentinel; anything else is a fault of its own.
func applicationFault(what string, err error) error {
	for _, said := range []error{ErrDenied, ErrUnavailable, ErrNoLogin, ErrInternal} {
		if errors.Is(err, said) {
			return fmt.Errorf("signon: %s: %w", what, err)
		}
	}
	return fmt.Errorf("signon: %s: %w: %w", what, ErrInternal, err)
}
