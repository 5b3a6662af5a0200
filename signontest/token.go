package signontest

import (
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// A tokenError is an error response of RFC 6749 section 5.2.
type tokenError struct {
	status     int
	code, text string
}

func invalidGrant(text string) *tokenError {
	return &tokenError{http.StatusBadRequest, "invalid_grant", text}
}

func invalidRequest(text string) *tokenError {
	return &tokenError{http.StatusBadRequest, "invalid_request", text}
}

func (e *tokenError) write(w http.ResponseWriter) {
	if e.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="provider"`)
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, e.status, map[string]any{"error": e.code, "error_description": e.text})
}

func (p *Provider) serveToken(w http.ResponseWriter, r *http.Request) {
	if err := p.authenticate(Token, r); err != nil {
		err.write(w)
		return
	}
	if v := r.PostForm.Get("code_verifier"); v != "" {
		p.keepSecret(v)
	}
	if p.writeTokenFault(w, r) {
		return
	}
	var answer map[string]any
	var err *tokenError
	switch grantType := r.PostForm.Get("grant_type"); grantType {
	case "authorization_code":
		answer, err = p.exchange(r.PostForm)
	case "refresh_token":
		answer, err = p.refreshed(r.PostForm)
	case "client_credentials":
		answer, err = p.clientToken(r.PostForm)
	default:
		err = &tokenError{http.StatusBadRequest, "unsupported_grant_type", fmt.Sprintf("grant_type %.50q", grantType)}
	}
	if err != nil {
		err.write(w)
		return
	}
	p.writeToken(w, answer)
}

func (p *Provider) exchange(form url.Values) (map[string]any, *tokenError) {
	if n := len(form.Get("code_verifier")); (n < 43 || n > 128) && !p.isArmed(IgnorePKCE) {
		return nil, invalidRequest("code_verifier must have 43 to 128 characters")
	}
	g, err := p.spendCode(form.Get("code"), form.Get("redirect_uri"), form.Get("code_verifier"))
	if err != nil {
		return nil, err
	}
	answer := p.tokens(g, "")
	answer["refresh_token"] = p.newRefresh(g)
	if g.has("openid") {
		p.addIDToken(answer, g, idTokenFor{nonce: g.nonce})
	}
	return answer, nil
}

func (p *Provider) refreshed(form url.Values) (map[string]any, *tokenError) {
	old := form.Get("refresh_token")
	rotate := !p.cfg.NoRotation && !p.isArmed(RefreshNoRefreshToken)
	g, err := p.useRefresh(old, rotate)
	if err != nil {
		return nil, err
	}
	scope := form.Get("scope")
	for _, s := range p.scopes(scope) {
		if !g.has(s) {
			return nil, &tokenError{http.StatusBadRequest, "invalid_scope", "the scope is wider than what was granted"}
		}
	}
	answer := p.tokens(g, scope)
	switch {
	case rotate:
		answer["refresh_token"] = p.newRefresh(g)
	case !p.fires(RefreshNoRefreshToken):
		answer["refresh_token"] = old
	}
	if g.has("openid") {
		p.addIDToken(answer, g, idTokenFor{refresh: true})
	}
	return answer, nil
}

// clientToken is for the client itself, RFC 6749 section 4.4: without a user, and so
// without a refresh token and an ID token.
func (p *Provider) clientToken(form url.Values) (map[string]any, *tokenError) {
	if p.cfg.Public {
		return nil, &tokenError{http.StatusBadRequest, "unauthorized_client", "a public client proves nothing (RFC 6749 section 4.4)"}
	}
	g := &grant{user: User{Subject: p.cfg.ClientID}, at: time.Now(), scope: p.scopes(form.Get("scope")), client: true}
	p.mu.Lock()
	p.stats.ClientTokens++
	p.mu.Unlock()
	return p.tokens(g, ""), nil
}

func (p *Provider) tokens(g *grant, scope string) map[string]any {
	if scope == "" {
		scope = p.joined(g.scope)
	}
	return map[string]any{
		"access_token": p.newAccess(g),
		"token_type":   "Bearer",
		"expires_in":   int64(p.cfg.TokenLife / time.Second),
		"scope":        scope,
	}
}

// writeToken applies the faults of a good answer.
func (p *Provider) writeToken(w http.ResponseWriter, answer map[string]any) {
	for _, f := range tokenFaults {
		if p.fires(f.fault) {
			f.edit(answer)
		}
	}
	p.edited().token.apply(answer)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	if !p.fires(FormToken) {
		writeJSON(w, http.StatusOK, answer)
		return
	}
	v := url.Values{}
	for name, value := range answer {
		v.Set(name, fmt.Sprint(value))
	}
	w.Header().Set("Content-Type", "application/x-www-form-urlencoded")
	_, _ = w.Write([]byte(v.Encode()))
}

// serveRevocation says 200 to whatever it does not know, RFC 7009 section 2.2.
func (p *Provider) serveRevocation(w http.ResponseWriter, r *http.Request) {
	if err := p.authenticate(Revocation, r); err != nil {
		err.write(w)
		return
	}
	p.revoke(r.PostForm.Get("token"))
	w.WriteHeader(http.StatusOK)
}

func (p *Provider) serveIntrospection(w http.ResponseWriter, r *http.Request) {
	if err := p.authenticate(Introspection, r); err != nil {
		err.write(w)
		return
	}
	token := r.PostForm.Get("token")
	g, expiry, ok := p.bearer(token)
	tokenType := "Bearer"
	if !ok {
		g, expiry, ok = p.liveRefresh(token)
		tokenType = "refresh_token"
	}
	if !ok {
		writeJSON(w, http.StatusOK, map[string]any{"active": false})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"active": true, "sub": g.user.Subject, "scope": p.joined(g.scope), "client_id": p.cfg.ClientID,
		"exp": expiry.Unix(), "iss": p.tokenIssuer(), "token_type": tokenType,
	})
}
