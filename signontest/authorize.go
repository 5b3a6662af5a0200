package signontest

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sessionCookie is the provider's own: who has signed in at it, in this browser.
const sessionCookie = "signontest_session"

type session struct {
	user   User
	at     time.Time
	sid    string // what tokens call it; the cookie is a secret of its own
	number int    // the order of making
}

func (s session) public() Session { return Session{Subject: s.user.Subject, ID: s.sid} }

// A request is one authorization request.
type request struct {
	raw      url.Values
	redirect *url.URL
	scope    []string
	prompt   []string
}

func (p *Provider) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == p.loginPath() {
		p.serveLogin(w, r)
		return
	}
	params := r.PostForm
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		q, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			http.Error(w, "bad query", http.StatusBadRequest)
			return
		}
		params = q
	case http.MethodPost:
	default:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	req, err := p.parseRequest(params)
	if err != nil { // RFC 6749 section 4.1.2.1: not redirected
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if code, text := req.check(); code != "" {
		p.answerError(w, req, code, text)
		return
	}
	p.interact(w, r, req)
}

// parseRequest fails where there is nowhere to send an error.
func (p *Provider) parseRequest(params url.Values) (*request, error) {
	if id := params.Get("client_id"); id != p.cfg.ClientID {
		return nil, fmt.Errorf("unknown client_id %q", id)
	}
	raw := params.Get("redirect_uri")
	u, err := url.Parse(raw)
	known := p.cfg.Redirects == nil || slices.Contains(p.cfg.Redirects, raw)
	if err != nil || !known || u.Host == "" || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("redirect_uri %q is not registered", raw)
	}
	if len(params["client_id"]) != 1 || len(params["redirect_uri"]) != 1 || len(params["state"]) > 1 {
		return nil, fmt.Errorf("a parameter is there twice")
	}
	return &request{
		raw: params, redirect: u,
		scope: p.scopes(params.Get("scope")), prompt: strings.Fields(params.Get("prompt")),
	}, nil
}

// check returns the error code and text to redirect with, or "".
func (r *request) check() (code, text string) {
	for name, v := range r.raw {
		if len(v) > 1 && name != "resource" {
			return "invalid_request", "a parameter is there twice"
		}
	}
	switch mode := r.raw.Get("response_mode"); {
	case mode != "" && mode != "query" && mode != "form_post":
		return "invalid_request", "response_mode is not supported"
	case r.raw.Get("response_type") != "code":
		return "unsupported_response_type", "only code is supported"
	case r.raw.Get("code_challenge_method") != "S256" || len(r.raw.Get("code_challenge")) != 43:
		return "invalid_request", "PKCE with S256 is required"
	case slices.Contains(r.prompt, "none") && len(r.prompt) > 1:
		return "invalid_request", "prompt none goes alone"
	}
	if _, err := r.maxAge(); err != nil {
		return "invalid_request", "max_age is not a number of seconds"
	}
	return "", ""
}

// maxAge returns -1 if none was asked for.
func (r *request) maxAge() (time.Duration, error) {
	s := r.raw.Get("max_age")
	if s == "" {
		return -1, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	return time.Duration(n) * time.Second, err
}

// interact finds out who the user is, by the session if that will do.
func (p *Provider) interact(w http.ResponseWriter, r *http.Request, req *request) {
	if p.fires(ErrorResponse) {
		p.answerError(w, req, "server_error", "armed")
		return
	}
	s, ok := p.session(r, req)
	switch {
	case ok && p.cfg.Interaction != Deny:
		p.answerCode(w, req, s)
	case slices.Contains(req.prompt, "none"):
		p.answerError(w, req, "login_required", "nobody is signed in")
	case p.cfg.Interaction == Deny:
		p.answerError(w, req, "access_denied", "the user said no")
	case p.cfg.Interaction == Form:
		writeLoginPage(w, p.loginPath(), p.cfg.Users, req.raw, "")
	default:
		u, ok := p.user(req.raw.Get("login_hint"))
		if !ok {
			u = p.cfg.Users[0]
		}
		p.answerCode(w, req, p.signIn(w, r, u))
	}
}

// session finds a session that is fresh enough and, where a user is hinted at, his.
func (p *Provider) session(r *http.Request, req *request) (session, bool) {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return session{}, false
	}
	p.mu.Lock()
	s, ok := p.sessions[c.Value]
	p.mu.Unlock()
	age, _ := req.maxAge()
	hinted, known := p.user(req.raw.Get("login_hint"))
	switch {
	case !ok,
		age >= 0 && time.Since(s.at) >= age,
		slices.Contains(req.prompt, "login"), slices.Contains(req.prompt, "select_account"),
		known && hinted.Subject != s.user.Subject:
		return session{}, false
	}
	return s, true
}

// signIn gives the browser a new cookie. Whoever signs in again where they are signed in
// keeps their session, as at most providers.
func (p *Provider) signIn(w http.ResponseWriter, r *http.Request, u User) session {
	s, id := session{user: u, at: time.Now(), sid: rand.Text()}, rand.Text()
	p.mu.Lock()
	if c, err := r.Cookie(sessionCookie); err == nil {
		if old, ok := p.sessions[c.Value]; ok && old.user.Subject == u.Subject {
			s.sid = old.sid
		}
		delete(p.sessions, c.Value)
	}
	p.signIns++
	s.number = p.signIns
	p.sessions[id] = s
	p.mu.Unlock()
	http.SetCookie(w, p.cookie(id, 0))
	return s
}

func (p *Provider) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: sessionCookie, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true,
		Secure: p.base.Scheme == "https", SameSite: http.SameSiteLaxMode,
	}
}

// answerCode approves.
func (p *Provider) answerCode(w http.ResponseWriter, req *request, s session) {
	g := &grant{
		user: s.user, at: s.at, sid: s.sid, scope: req.scope, nonce: req.raw.Get("nonce"),
		redirect: req.raw.Get("redirect_uri"), challenge: req.raw.Get("code_challenge"),
	}
	if acr := strings.Fields(req.raw.Get("acr_values")); len(acr) > 0 {
		g.acr = acr[0]
	}
	p.answer(w, req, url.Values{"code": {p.newCode(g)}})
}

func (p *Provider) answerError(w http.ResponseWriter, req *request, code, text string) {
	p.answer(w, req, url.Values{"error": {code}, "error_description": {text}})
}

// answer adds iss (RFC 9207) only with openid: a client of plain OAuth 2.0 may not
// know the issuer to compare it with.
func (p *Provider) answer(w http.ResponseWriter, req *request, v url.Values) {
	if req.raw.Has("state") {
		v.Set("state", req.raw.Get("state"))
	}
	if slices.Contains(req.scope, "openid") {
		v.Set("iss", p.tokenIssuer())
	}
	if p.fires(WrongIss) {
		v.Set("iss", p.tokenIssuer()+"/other")
	}
	if p.fires(NoIss) {
		v.Del("iss")
	}
	if p.fires(WrongState) {
		v.Set("state", rand.Text()+rand.Text()[:17])
	}
	if p.fires(NoState) {
		v.Del("state")
	}
	if f := p.edited().authorize; f != nil {
		f(v)
	}
	w.Header().Set("Cache-Control", "no-store")
	if req.raw.Get("response_mode") == "form_post" {
		writeFormPost(w, req.redirect.String(), v)
		return
	}
	to := *req.redirect
	if to.RawQuery != "" {
		to.RawQuery += "&"
	}
	to.RawQuery += v.Encode()
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusSeeOther)
}

func (p *Provider) loginPath() string { return p.routes[Authorize].url.Path + loginPath }

// serveLogin takes the form of [Form]. The form is the provider's own, so it does
// not come from elsewhere.
func (p *Provider) serveLogin(w http.ResponseWriter, r *http.Request) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil || r.Method != http.MethodPost {
		http.Error(w, "this form is sent from the provider's own page", http.StatusForbidden)
		return
	}
	params, err := url.ParseQuery(r.PostForm.Get("request"))
	if err != nil {
		http.Error(w, "bad form", http.StatusBadRequest)
		return
	}
	req, err := p.parseRequest(params)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if code, text := req.check(); code != "" {
		p.answerError(w, req, code, text)
		return
	}
	u, known := p.user(r.PostForm.Get("username"))
	switch {
	case r.PostForm.Get("decision") == "deny":
		p.answerError(w, req, "access_denied", "the user said no")
	case !known:
		writeLoginPage(w, p.loginPath(), p.cfg.Users, params, "Nobody has that name here.")
	default:
		p.answerCode(w, req, p.signIn(w, r, u))
	}
}
