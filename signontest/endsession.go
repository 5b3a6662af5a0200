package signontest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// A logoutRequest is one request for RP-initiated logout.
type logoutRequest struct {
	raw url.Values
	to  *url.URL // nil: nowhere
}

// serveEndSession is RP-initiated logout, OpenID Connect RP-Initiated Logout section 2.
// What is wrong with a request it shows on a page, and then nobody is signed out.
func (p *Provider) serveEndSession(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.URL.Path == p.confirmPath() {
		p.serveConfirm(w, r)
		return
	}
	params, err := logoutParams(r)
	if err != nil {
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	req, err := p.parseLogout(params)
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	case p.cfg.ConfirmLogout:
		p.writeConfirmPage(w, req)
	default:
		p.signOut(w, r, req)
	}
}

func logoutParams(r *http.Request) (url.Values, error) {
	switch r.Method {
	case http.MethodGet:
		return r.URL.Query(), nil
	case http.MethodPost: // with the query that the endpoint itself may have
		v := r.URL.Query()
		for name, values := range r.PostForm {
			v[name] = append(v[name], values...)
		}
		return v, nil
	}
	return nil, fmt.Errorf("%s is not allowed", r.Method)
}

// parseLogout takes an ID token that has expired, as section 2 says.
func (p *Provider) parseLogout(params url.Values) (*logoutRequest, error) {
	for name, v := range params {
		if len(v) > 1 {
			return nil, fmt.Errorf("%q is there twice", name)
		}
	}
	hint, client, back := params.Get("id_token_hint"), params.Get("client_id"), params.Get("post_logout_redirect_uri")
	switch {
	case hint != "" && !p.issued(hint):
		return nil, fmt.Errorf("id_token_hint is no ID token of this provider's")
	case params.Has("client_id") && client != p.cfg.ClientID:
		return nil, fmt.Errorf("unknown client_id %q", client)
	case back == "":
		return &logoutRequest{raw: params}, nil
	case hint == "" && client == "":
		return nil, fmt.Errorf("post_logout_redirect_uri needs id_token_hint or client_id")
	}
	to, err := url.Parse(back)
	if err != nil || !p.returnsTo(back, to) {
		return nil, fmt.Errorf("post_logout_redirect_uri %q is not registered", back)
	}
	if params.Has("state") {
		addQuery(to, url.Values{"state": {params.Get("state")}})
	}
	return &logoutRequest{raw: params, to: to}, nil
}

// signOut ends the browser's session, or where its cookie does not come along, as with a
// form from another site, the one of the hint.
func (p *Provider) signOut(w http.ResponseWriter, r *http.Request, req *logoutRequest) {
	ended := p.endSessions(r, req)
	http.SetCookie(w, p.cookie("", -1))
	// A client that does not answer keeps nobody from signing out; LogoutAnswers tells.
	_ = p.tellOf(r.Context(), ended)
	var frames []string
	for _, s := range ended {
		if u := p.FrontChannelLogoutURL(s); u != "" {
			frames = append(frames, u)
		}
	}
	if len(frames) > 0 || req.to == nil {
		writeSignedOutPage(w, frames, req.to)
		return
	}
	w.Header().Set("Location", req.to.String())
	w.WriteHeader(http.StatusSeeOther)
}

func (p *Provider) endSessions(r *http.Request, req *logoutRequest) []Session {
	cookie := ""
	if c, err := r.Cookie(sessionCookie); err == nil {
		cookie = c.Value
	}
	sid := p.sidOf(req.raw.Get("id_token_hint"))
	p.mu.Lock()
	defer p.mu.Unlock()
	_, found := p.sessions[cookie]
	var ended []Session
	for id, s := range p.sessions {
		if id == cookie || !found && sid != "" && s.sid == sid {
			ended = append(ended, s.public())
			delete(p.sessions, id)
		}
	}
	return ended
}

func (p *Provider) confirmPath() string { return p.routes[EndSession].url.Path + confirmPath }

// serveConfirm takes the form of Config.ConfirmLogout. The form is the provider's own, so
// it does not come from elsewhere.
func (p *Provider) serveConfirm(w http.ResponseWriter, r *http.Request) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil || r.Method != http.MethodPost {
		http.Error(w, "this form is sent from the provider's own page", http.StatusForbidden)
		return
	}
	params, err := url.ParseQuery(r.PostForm.Get("request"))
	if err != nil {
		http.Error(w, "bad form", http.StatusBadRequest)
		return
	}
	req, err := p.parseLogout(params)
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	case r.PostForm.Get("decision") == "yes":
		p.signOut(w, r, req)
	default:
		writeStayPage(w, req.to)
	}
}

// issued tells whether an ID token, expired or not, is one of ours.
func (p *Provider) issued(token string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.hints[token]
	return ok
}

// sidOf is the session that an ID token of ours is of.
func (p *Provider) sidOf(token string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hints[token]
}

// returnsTo tells whether a post_logout_redirect_uri is registered.
func (p *Provider) returnsTo(raw string, to *url.URL) bool {
	switch {
	case to.Host == "" || to.Scheme != "http" && to.Scheme != "https":
		return false
	case p.cfg.PostLogoutRedirects != nil:
		return slices.Contains(p.cfg.PostLogoutRedirects, raw)
	case p.cfg.Redirects == nil:
		return true
	}
	return slices.ContainsFunc(p.cfg.Redirects, func(raw string) bool {
		u, err := url.Parse(raw)
		return err == nil && origin(u) == origin(to)
	})
}
