package signontest

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"slices"
	"time"
)

// logoutTokenLife is what OpenID Connect Back-Channel Logout section 4 recommends.
const logoutTokenLife = 2 * time.Minute

// A Session is one of a user's at the provider, in one browser, and what a logout token
// names: one session by its ID, or without an ID all of a Subject.
type Session struct {
	Subject string // sub. If empty, it is left out
	ID      string // sid, as the ID tokens of the session have it. If empty, it is left out
}

// Sessions returns who is signed in at the provider, in how many browsers: the session
// that is oldest first.
func (p *Provider) Sessions() []Session {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []session
	for _, s := range p.sessions {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b session) int { return cmp.Compare(a.number, b.number) })
	list := make([]Session, len(all))
	for i, s := range all {
		list[i] = s.public()
	}
	return list
}

// LogoutTokenHeader has f change the header of each logout token before it is signed. If f
// is nil, nothing does. The algorithm that signs stays the provider's.
func (p *Provider) LogoutTokenHeader(f Edit) { p.edit(func(e *edits) { e.logoutHeader = f }) }

// LogoutTokenClaims has f change the claims of each logout token before it is signed. A
// [json.RawMessage] is written as it is. If f is nil, nothing does.
func (p *Provider) LogoutTokenClaims(f Edit) { p.edit(func(e *edits) { e.logoutClaims = f }) }

// LogoutToken mints a logout token (OpenID Connect Back-Channel Logout section 2.4) about
// a session, with the faults that are armed and what the hooks make of it, and sends it
// nowhere. It is encrypted where ID tokens are. The session need not exist.
func (p *Provider) LogoutToken(about Session) string {
	token, err := p.mintLogoutToken(about)
	if err != nil {
		return err.Error() // a hook made what JSON cannot hold; a test sees it at once
	}
	p.keepSecret(token)
	if sent := p.encryptIDToken(token); sent != token {
		token = sent
		p.keepSecret(token)
	}
	return token
}

func (p *Provider) mintLogoutToken(about Session) (string, error) {
	now := time.Now()
	claims := map[string]any{
		"iss": p.tokenIssuer(), "aud": p.cfg.ClientID, "iat": now.Unix(), "exp": now.Add(logoutTokenLife).Unix(),
		"jti": p.logoutJTI(), "events": event(backChannelEvent),
	}
	if about.Subject != "" {
		claims["sub"] = about.Subject
	}
	if about.ID != "" {
		claims["sid"] = about.ID
	}
	p.applyLogoutFaults(claims)
	p.edited().logoutClaims.apply(claims)
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	if p.fires(DuplicateClaim) {
		payload = append([]byte(`{"sub":"mallory",`), bytes.TrimPrefix(payload, []byte("{"))...)
	}
	p.mu.Lock()
	k := p.keys.current()
	p.mu.Unlock()
	header := k.header(map[string]any{"typ": "logout+jwt"})
	for _, f := range logoutHeaderFaults {
		if p.fires(f.fault) {
			f.edit(header)
		}
	}
	return p.signJWT(k, header, p.edited().logoutHeader, payload)
}

// logoutJTI is a new jti, or once more the last one.
func (p *Provider) logoutJTI() string {
	same := p.fires(SameJTI)
	p.mu.Lock()
	defer p.mu.Unlock()
	if !same || p.lastJTI == "" {
		p.lastJTI = rand.Text()
	}
	return p.lastJTI
}
