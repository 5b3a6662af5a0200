package signontest

import (
	"io"
	"net/http"
	"strings"
)

func (p *Provider) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	g, _, ok := p.authorized(w, r)
	if !ok {
		return
	}
	if g.client { // there is nobody it could be about
		w.Header().Set("WWW-Authenticate", `Bearer realm="provider", error="insufficient_scope", scope="openid"`)
		writeJSON(w, http.StatusForbidden, map[string]any{"error": "insufficient_scope"})
		return
	}
	m := g.profile()
	m["sub"] = g.user.Subject
	if p.fires(WrongSubjectUserInfo) {
		m["sub"] = "mallory"
	}
	p.edited().userInfo.apply(m)
	p.writeUserInfo(w, m)
}

// authorized finds the grant of a request with an access token, which may come in
// any of the ways of RFC 6750 section 2; it also returns in which.
func (p *Provider) authorized(w http.ResponseWriter, r *http.Request) (*grant, string, bool) {
	token, placement := bearerToken(r)
	g, _, ok := p.bearer(token)
	if ok {
		return g, placement, true
	}
	challenge := `Bearer realm="provider"`
	if token != "" {
		challenge += `, error="invalid_token"`
	}
	unauthorized(w, challenge)
	return nil, "", false
}

func bearerToken(r *http.Request) (token, placement string) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return token, "header"
	case r.PostForm.Has("access_token"):
		return r.PostForm.Get("access_token"), "body"
	case r.URL.Query().Has("access_token"):
		return r.URL.Query().Get("access_token"), "query"
	}
	return "", ""
}

func unauthorized(w http.ResponseWriter, challenge string) {
	w.Header().Set("WWW-Authenticate", challenge)
	writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
}

// serveAPI is a small API that knows whose token it is given.
func (p *Provider) serveAPI(w http.ResponseWriter, r *http.Request) {
	if p.fires(API401Once) || p.fires(API401Always) {
		unauthorized(w, `Bearer realm="provider", error="invalid_token"`)
		return
	}
	g, placement, ok := p.authorized(w, r)
	if !ok {
		return
	}
	switch path := strings.TrimPrefix(r.URL.Path, p.routes[API].url.Path); path {
	case "user":
		m := map[string]any{"id": g.user.ID, "login": g.user.Subject, "name": g.user.Name}
		p.edited().userInfo.apply(m)
		writeJSON(w, http.StatusOK, m)
	case "items":
		writeJSON(w, http.StatusOK, map[string]any{"owner": g.user.Subject, "items": []string{"apple", "pear", "plum"}})
	case "admin":
		p.serveAdmin(w, g)
	default:
		body, _ := io.ReadAll(io.LimitReader(r.Body, maxForm))
		writeJSON(w, http.StatusOK, map[string]any{
			"sub": g.user.Subject, "scope": p.joined(g.scope), "method": r.Method, "path": r.URL.Path,
			"placement": placement, "body": string(body),
		})
	}
}

// serveAdmin needs a scope of its own.
func (p *Provider) serveAdmin(w http.ResponseWriter, g *grant) {
	if !g.has("admin") {
		w.Header().Set("WWW-Authenticate", `Bearer realm="provider", error="insufficient_scope", scope="admin"`)
		writeJSON(w, http.StatusForbidden, map[string]any{"error": "insufficient_scope"})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"admin": g.user.Subject})
}
