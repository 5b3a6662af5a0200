package signon

import (
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/internal/oauth"
)

// Handler serves the sign-in of all providers, for
//
//	mux.Handle("/auth/", auth.Handler())
//
// where "/auth" is Config.Mount: login/{provider}, callback/{provider},
// logout/{provider}, logged-out/{provider} for the way back from there, and for the
// provider itself jwks/{provider}, backchannel-logout/{provider} and
// frontchannel-logout/{provider}; login alone goes to the only provider, or lets the user
// choose. logout alone signs out of whatever the session names, as logout/{provider} does,
// and goes on to the provider of the session's current login, which is the last that was
// made in it. It takes in providers that are registered later. Mount it as it is, without
// http.StripPrefix.
func (g *Registry) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(g.cfg.Mount+"/login", g.handle(nil, g.chooseLogin))
	mux.Handle(g.cfg.Mount+"/logout", g.handleLogout(nil, g.startLogout))
	routes := map[string]func(*Client) http.Handler{
		"/login/":    func(c *Client) http.Handler { return c.LoginHandler() },
		"/callback/": func(c *Client) http.Handler { return c.CallbackHandler(nil) },
		"/logout/":   (*Client).LogoutHandler,
		"/jwks/":     (*Client).JWKSHandler,

		"/logged-out/":          func(c *Client) http.Handler { return c.LoggedOutHandler(nil) },
		"/backchannel-logout/":  (*Client).BackChannelLogoutHandler,
		"/frontchannel-logout/": (*Client).FrontChannelLogoutHandler,
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
	return g.handleAs(c, serve, func(err error) error { return err })
}

// handleLogout is handle for what signs out, or comes after that.
func (g *Registry) handleLogout(c *Client, serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	return g.handleAs(c, serve, leavingFailed)
}

func (g *Registry) handleAs(c *Client, serve func(http.ResponseWriter, *http.Request) error, failed func(error) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secureHeaders(w.Header())
		if isPrefetch(r) {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if err := guard("the handler", func() error { return serve(w, r) }); err != nil {
			g.fail(w, r, c, failed(err))
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
