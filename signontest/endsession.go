package signontest

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
)

// serveEndSession is RP-initiated logout without asking: it signs the browser out
// and sends it to post_logout_redirect_uri if the client is named.
func (p *Provider) serveEndSession(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	maps.Copy(v, r.PostForm)
	if c, err := r.Cookie(sessionCookie); err == nil {
		p.mu.Lock()
		delete(p.sessions, c.Value)
		p.mu.Unlock()
	}
	http.SetCookie(w, p.cookie("", -1))
	w.Header().Set("Cache-Control", "no-store")
	to, err := url.Parse(v.Get("post_logout_redirect_uri"))
	named := v.Get("client_id") == p.cfg.ClientID || p.issued(v.Get("id_token_hint"))
	if err != nil || to.Host == "" || !named || !p.ownOrigin(to) {
		writePage(w, http.StatusOK, "Signed out", `<p>You are signed out here.</p>`)
		return
	}
	if v.Has("state") {
		q := to.Query()
		q.Set("state", v.Get("state"))
		to.RawQuery = q.Encode()
	}
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusSeeOther)
}

// issued tells whether an ID token, expired or not, is one of ours.
func (p *Provider) issued(token string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return token != "" && slices.Contains(p.secrets, token)
}

// ownOrigin tells whether a URL is on the origin of a registered redirect URI.
func (p *Provider) ownOrigin(to *url.URL) bool {
	if p.cfg.Redirects == nil {
		return to.Scheme == "http" || to.Scheme == "https"
	}
	return slices.ContainsFunc(p.cfg.Redirects, func(raw string) bool {
		u, err := url.Parse(raw)
		return err == nil && origin(u) == origin(to)
	})
}
