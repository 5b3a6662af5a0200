package signontest

import (
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"time"
)

// A grant is what a user approved: one code, and all tokens that came of it.
type grant struct {
	user                User
	at                  time.Time // when the user authenticated
	scope               []string
	nonce, acr, sid     string
	redirect, challenge string
	generation          int  // how often it was refreshed
	client              bool // the client's own, of no user
	ended               bool
}

type code struct {
	grant  *grant
	expiry time.Time
	tries  int
}

type access struct {
	grant  *grant
	expiry time.Time
}

type refresh struct {
	grant    *grant
	expiry   time.Time
	replaced bool
}

// EndGrants ends what every user has approved: no code, access token or refresh
// token that was issued before is good any more.
func (p *Provider) EndGrants() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.codes {
		c.grant.ended = true
	}
}

// ExpireAccessTokens ends every access token that was issued before, whatever
// expires_in had promised. Refresh tokens stay good.
func (p *Provider) ExpireAccessTokens() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.access)
}

// SignOut ends the provider's own sessions, in every browser.
func (p *Provider) SignOut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.sessions)
}

func (p *Provider) newCode(g *grant) string {
	c := "code-" + rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.codes[c] = &code{grant: g, expiry: time.Now().Add(p.cfg.CodeLife)}
	p.stats.CodesIssued++
	p.secrets = append(p.secrets, c)
	return c
}

// spendCode returns the grant of a code that is presented for the first time.
// Twice ends the grant, RFC 6749 section 4.1.2.
func (p *Provider) spendCode(value, redirect, verifier string) (*grant, *tokenError) {
	ignorePKCE := p.fires(IgnorePKCE)
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.codes[value]
	if !ok {
		return nil, invalidGrant("no such code")
	}
	c.tries++
	p.stats.MaxPerCode = max(p.stats.MaxPerCode, c.tries)
	sum := sha256.Sum256([]byte(verifier))
	switch {
	case c.tries > 1:
		p.end(c.grant)
		return nil, invalidGrant("the code was used before")
	case c.grant.ended, time.Now().After(c.expiry):
		return nil, invalidGrant("the code has expired")
	case redirect != c.grant.redirect:
		return nil, invalidGrant("redirect_uri is not that of the authorization request")
	case !ignorePKCE && b64(sum[:]) != c.grant.challenge:
		return nil, invalidGrant("code_verifier does not fit the code_challenge")
	}
	p.stats.CodesSpent++
	return c.grant, nil
}

// end revokes a family; the caller holds p.mu.
func (p *Provider) end(g *grant) {
	if !g.ended {
		g.ended = true
		p.stats.FamiliesRevoked++
	}
}

// useRefresh returns the grant of a refresh token, which it marks as replaced if
// rotate says so. One that was replaced before ends the grant, RFC 9700 section
// 4.14.2.
func (p *Provider) useRefresh(value string, rotate bool) (*grant, *tokenError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.refresh[value]
	switch {
	case !ok:
		return nil, invalidGrant("no such refresh token")
	case r.replaced:
		p.stats.RefreshReused++
		p.end(r.grant)
		return nil, invalidGrant("the refresh token was used before")
	case r.grant.ended, time.Now().After(r.expiry):
		return nil, invalidGrant("the refresh token has expired")
	}
	r.replaced = rotate
	p.refresh[value] = r
	r.grant.generation++
	p.stats.Refreshes++
	p.stats.Generation = max(p.stats.Generation, r.grant.generation)
	return r.grant, nil
}

func (p *Provider) newAccess(g *grant) string {
	t := "access-" + rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.access[t] = access{grant: g, expiry: time.Now().Add(p.cfg.TokenLife)}
	p.secrets = append(p.secrets, t)
	return t
}

func (p *Provider) newRefresh(g *grant) string {
	t := "refresh-" + rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refresh[t] = refresh{grant: g, expiry: time.Now().Add(p.cfg.RefreshLife)}
	p.secrets = append(p.secrets, t)
	return t
}

// bearer returns the grant of an access token that is good.
func (p *Provider) bearer(token string) (*grant, time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.access[token]
	if !ok || a.grant.ended || time.Now().After(a.expiry) {
		return nil, time.Time{}, false
	}
	return a.grant, a.expiry, true
}

// revoke ends an access token, or a refresh token with its whole grant.
func (p *Provider) revoke(token string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.access[token]; ok {
		delete(p.access, token)
		p.stats.Revoked++
		return
	}
	if r, ok := p.refresh[token]; ok {
		r.grant.ended = true
		p.stats.Revoked++
	}
}

func (g *grant) has(scope string) bool { return slices.Contains(g.scope, scope) }

func (p *Provider) liveRefresh(token string) (*grant, time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.refresh[token]
	if !ok || r.replaced || r.grant.ended || time.Now().After(r.expiry) {
		return nil, time.Time{}, false
	}
	return r.grant, r.expiry, true
}
