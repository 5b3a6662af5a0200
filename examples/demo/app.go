package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/tokenstore"
)

// An app is one copy of the demo application.
type app struct {
	http.Handler
	parts
	auth   *signon.Registry
	client *signon.Client
	watch  watch
}

// The parts are what an app is made of.
type parts struct {
	base   string // the origin of this copy
	op     *op
	db     *database
	keys   [][]byte
	logger *slog.Logger
}

// newApp makes an application. All copies have the keys and the database in common.
func newApp(p parts) (a *app, err error) {
	a = &app{parts: p}
	sessions := sessionstore.NewManager(p.db.sessions)
	// Without TLS, on localhost only. The port is no part of a cookie, so a browser
	// shows all copies on this host the same one.
	sessions.Cookie.Name, sessions.Cookie.Secure = "session", false
	a.auth, err = signon.New(signon.Config{
		BaseURL:  p.base,
		Keys:     p.keys,
		Sessions: sessions,
		Logins:   p.db.sessions,
		Tokens:   p.db.tokens,
		OnLogin:  userID,
		OnLogout: a.ended,
		OnError:  a.onError,
		Logger:   p.logger,
	})
	if err != nil {
		return nil, err
	}
	if a.client, err = a.auth.Register(p.op.provider); err != nil {
		return nil, err
	}
	a.Handler, err = a.oneOrigin(a.routes())
	return a, err
}

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/auth/", a.auth.Handler())
	mux.Handle("GET /switch", a.client.LoginHandler(oauth2.SetAuthURLParam("prompt", "login")))
	mux.HandleFunc("GET /{$}", a.home)
	mux.Handle("GET /me", a.client.RequireToken(http.HandlerFunc(a.me)))
	own := http.NewCrossOriginProtection()
	mux.Handle("POST /logins/end", own.Handler(a.auth.RequireLogin(http.HandlerFunc(a.endLogin))))
	mux.Handle("POST /logins/end-all", own.Handler(a.auth.RequireLogin(http.HandlerFunc(a.endLogins))))
	mux.Handle("GET /token", a.client.RequireToken(http.HandlerFunc(a.token)))
	mux.Handle("GET /api", a.client.RequireToken(http.HandlerFunc(a.callAPI)))
	mux.Handle("GET /admin", a.client.RequireScopes(http.HandlerFunc(a.me), "admin"))
	mux.HandleFunc("GET /style.css", static("text/css; charset=utf-8", "pages/style.css"))
	mux.HandleFunc("GET /icon.svg", static("image/svg+xml", "pages/icon.svg"))
	return mux
}

// oneOrigin sends whoever comes by another name of this host to the one that the
// cookies are for, and says what the pages may load: no script, nothing of others.
func (a *app) oneOrigin(next http.Handler) (http.Handler, error) {
	u, err := url.Parse(a.base)
	// The form that signs out leads on to the provider, which a browser holds against
	// form-action too. Where another provider's endpoint is, is not known here.
	policy := "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' " + a.op.formAction() +
		"; base-uri 'none'; frame-ancestors 'none'"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != u.Host && r.Method == http.MethodGet {
			http.Redirect(w, r, a.base+r.URL.RequestURI(), http.StatusSeeOther)
			return
		}
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	}), err
}

// home is for everybody.
func (a *app) home(w http.ResponseWriter, r *http.Request) {
	render(w, http.StatusOK, "home", homePage{
		BuiltIn: a.op.builtIn, Issuer: a.op.provider.Issuer, Provider: a.op.provider.Name, Copy: a.base, Place: a.db.place,
	})
}

// me shows who is signed in and what the token may do.
func (a *app) me(w http.ResponseWriter, r *http.Request) {
	login, _ := signon.LoginFrom(r.Context())
	state, err := a.tokenState(r)
	if err != nil {
		a.client.Fail(w, r, err)
		return
	}
	var claims struct {
		Name string `json:"name"`
	}
	if err := login.Claims(&claims); err != nil {
		a.client.Fail(w, r, err)
		return
	}
	if claims.Name == "" {
		_ = login.UserInfo(&claims) // where many providers have it; without one there is none
	}
	p := mePage{Login: login, Name: claims.Name, Token: state, Copy: a.base, Place: a.db.place}
	if p.Logins, err = a.auth.Logins(r.Context(), login.Owner); err != nil {
		a.client.Fail(w, r, err)
		return
	}
	p.Email, p.EmailVerified = login.Email()
	if p.Name == "" {
		p.Name = login.Subject
	}
	render(w, http.StatusOK, "me", p)
}

// token is the page to watch.
func (a *app) token(w http.ResponseWriter, r *http.Request) {
	state, err := a.tokenState(r)
	if err != nil {
		a.client.Fail(w, r, err)
		return
	}
	p := tokenPage{Token: state, Every: 3}
	if state.Life > 2*time.Minute {
		p.Every = 30
	}
	render(w, http.StatusOK, "token", p)
}

// tokenState is what may be told of the token.
func (a *app) tokenState(r *http.Request) (*tokenState, error) {
	token, err := a.client.Token(r.Context())
	if err != nil {
		return nil, err
	}
	login, _ := signon.LoginFrom(r.Context())
	s := &tokenState{
		Scopes:      a.client.Scopes(token),
		Fingerprint: fingerprint(token),
		Expiry:      token.Expiry,
		Life:        time.Duration(token.ExpiresIn) * time.Second,
		Renewable:   token.RefreshToken != "",
		History:     a.watch.see(tokenstore.Key{Provider: login.Provider, Owner: login.ID}, token),
	}
	return s, nil
}

// callAPI calls the provider's API as the user: the example API of the built-in
// provider, or the userinfo endpoint that every OpenID Provider has.
func (a *app) callAPI(w http.ResponseWriter, r *http.Request) {
	p := apiPage{BuiltIn: a.op.builtIn}
	var err error
	if a.op.builtIn {
		p.Items, err = a.items(r)
	} else {
		p.Claims, err = a.userInfo(r)
	}
	if err != nil {
		a.client.Fail(w, r, err)
		return
	}
	render(w, http.StatusOK, "api", p)
}

func (a *app) items(r *http.Request) ([]string, error) {
	resp, err := a.client.HTTPClient(r.Context()).Get("items")
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the API answered %s: %w", resp.Status, signon.ErrProvider)
	}
	var answer struct {
		Items []string `json:"items"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&answer)
	return answer.Items, err
}

func (a *app) userInfo(r *http.Request) ([]claim, error) {
	token, err := a.client.Token(r.Context())
	if err != nil {
		return nil, err
	}
	info, err := a.client.UserInfo(r.Context(), token)
	if err != nil {
		return nil, err
	}
	var all map[string]any
	if err := info.Claims(&all); err != nil {
		return nil, err
	}
	var claims []claim
	for name, value := range all {
		claims = append(claims, claim{name, fmt.Sprint(value)})
	}
	slices.SortFunc(claims, func(a, b claim) int { return strings.Compare(a.Name, b.Name) })
	return claims, nil
}

// onError is the demo's own error page. What is no page it leaves to Signon.
func (a *app) onError(w http.ResponseWriter, r *http.Request, err error) {
	var f *signon.Failure
	if !errors.As(err, &f) || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		signon.Error(w, r, err)
		return
	}
	render(w, f.Status, "error", errorPage{Failure: f, Text: failureText(f.Kind)})
}
