package signontest

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"strings"
	"time"
)

// idTokenFor is what an ID token is minted for.
type idTokenFor struct {
	nonce   string
	refresh bool // RefreshOtherSubject is about these
}

func (p *Provider) addIDToken(answer map[string]any, g *grant, what idTokenFor) {
	if p.fires(NoIDToken) {
		return
	}
	token, err := p.mintIDToken(g, answer["access_token"].(string), what)
	if err != nil {
		token = err.Error() // a hook made what JSON cannot hold; a test sees it at once
	}
	if f := p.edited().idToken; f != nil {
		token = f(token)
	}
	p.keepIDToken(token, g.sid)
	if sent := p.encryptIDToken(token); sent != token {
		token = sent
		p.keepIDToken(token, g.sid)
	}
	answer["id_token"] = token
}

// keepIDToken knows a token again when it comes back as a hint.
func (p *Provider) keepIDToken(token, sid string) {
	p.keepSecret(token)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hints[token] = sid
}

func (p *Provider) mintIDToken(g *grant, accessToken string, what idTokenFor) (string, error) {
	p.mu.Lock()
	k := p.keys.current()
	p.mu.Unlock()
	claims := p.claims(g, what)
	claims["at_hash"] = atHash(k.alg, accessToken)
	for _, f := range claimFaults {
		if p.fires(f.fault) {
			f.edit(p, claims)
		}
	}
	if what.refresh && p.fires(RefreshOtherSubject) {
		claims["sub"] = "mallory"
	}
	p.edited().claims.apply(claims)
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("signontest: %w", err)
	}
	if p.fires(DuplicateClaim) {
		payload = append([]byte(`{"sub":"mallory",`), bytes.TrimPrefix(payload, []byte("{"))...)
	}
	return p.signJWT(k, k.header(nil), p.edited().header, payload)
}

func (p *Provider) claims(g *grant, what idTokenFor) map[string]any {
	now := time.Now()
	claims := map[string]any{
		"iss": p.tokenIssuer(), "sub": g.user.Subject, "aud": p.cfg.ClientID,
		"iat": now.Unix(), "exp": now.Add(p.cfg.IDTokenLife).Unix(), "auth_time": g.at.Unix(),
	}
	if p.cfg.Tenant != "" {
		claims["tid"] = p.cfg.Tenant
	}
	if what.nonce != "" {
		claims["nonce"] = what.nonce
	}
	if g.sid != "" && !p.cfg.NoSessionID {
		claims["sid"] = g.sid
	}
	if g.acr != "" {
		claims["acr"] = g.acr
	}
	if !p.cfg.LeanIDToken {
		maps.Copy(claims, g.profile())
	}
	return claims
}

// profile is what the scope lets the client know, besides the subject.
func (g *grant) profile() map[string]any {
	m := maps.Clone(g.user.Claims)
	if m == nil {
		m = map[string]any{}
	}
	if g.has("profile") {
		m["name"], m["preferred_username"] = g.user.Name, g.user.Subject
	}
	if g.has("email") && g.user.Email != "" {
		m["email"], m["email_verified"] = g.user.Email, g.user.EmailVerified
	}
	return m
}

func atHash(alg, accessToken string) string {
	h := hashOf(alg).New()
	h.Write([]byte(accessToken))
	sum := h.Sum(nil)
	return b64(sum[:len(sum)/2])
}

// signJWT applies the faults of header and signature, and between them what a hook makes
// of the header.
func (p *Provider) signJWT(k key, header map[string]any, hook Edit, payload []byte) (string, error) {
	for _, f := range headerFaults {
		if p.fires(f.fault) {
			f.edit(header)
		}
	}
	sign, alg := k, ""
	switch {
	case p.fires(AlgNone):
		alg = "none"
	case p.fires(AlgHS256):
		sign, alg = key{alg: "HS256", secret: publicPEM(k)}, "HS256"
	case p.fires(AlgHS256Secret):
		sign, alg = key{alg: "HS256", secret: p.cfg.ClientSecret}, "HS256"
	case p.fires(ForeignKey):
		sign.signer, sign.secret = newKey(k.alg), "another secret of 32 characters.."
	case p.fires(EmbeddedKey):
		sign.signer = newKey("ES256")
		sign.alg, alg = "ES256", "ES256"
		header["jwk"] = publicJWK(sign.signer.Public())
	case p.fires(OtherAlg):
		sign = p.keyOfOtherAlg()
		header["kid"], alg = sign.kid, sign.alg
	}
	if alg != "" {
		header["alg"] = alg
	}
	hook.apply(header)
	token, err := signJWS(sign, header, payload)
	if err != nil {
		return "", err
	}
	dot := strings.LastIndexByte(token, '.') + 1
	if alg == "none" {
		token = token[:dot]
	}
	if p.fires(BadSignature) {
		token = token[:dot] + flipped(token[dot:])
	}
	return token, nil
}

// flipped changes a character in the middle, where every bit counts.
func flipped(s string) string {
	if s == "" {
		return "AAAA"
	}
	b := []byte(s)
	i := len(b) / 2
	b[i] = map[bool]byte{true: 'B', false: 'A'}[b[i] == 'A']
	return string(b)
}

// publicPEM is what a verifier that confuses the algorithms takes for the secret.
func publicPEM(k key) string {
	if k.signer == nil {
		return k.secret
	}
	der, err := x509.MarshalPKIXPublicKey(k.signer.Public())
	if err != nil {
		panic(fmt.Sprintf("signontest: %v", err))
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// headerFaults change the header before it is signed.
var headerFaults = []struct {
	fault Fault
	edit  func(h map[string]any)
}{
	{UnknownKid, func(h map[string]any) { h["kid"] = "no-such-key" }},
	{NoKid, func(h map[string]any) { delete(h, "kid") }},
	{CritHeader, func(h map[string]any) { h["crit"], h["bork"] = []string{"bork"}, true }},
	{WrongTyp, func(h map[string]any) { h["typ"] = "at+jwt" }},
}

// claimFaults change the claims before they are signed. The times stay near
// enough that only the check they are about can refuse them.
var claimFaults = []struct {
	fault Fault
	edit  func(p *Provider, c map[string]any)
}{
	{WrongNonce, func(_ *Provider, c map[string]any) { c["nonce"] = "another-nonce-that-nobody-has-asked-for-012" }},
	{MissingNonce, func(_ *Provider, c map[string]any) { delete(c, "nonce") }},
	{WrongIssuer, func(p *Provider, c map[string]any) { c["iss"] = p.tokenIssuer() + "/other" }},
	{WrongAudience, func(_ *Provider, c map[string]any) { c["aud"] = "other-client" }},
	{ExtraAudience, func(p *Provider, c map[string]any) { c["aud"] = []string{p.cfg.ClientID, "other-client"} }},
	{ForeignAZP, func(_ *Provider, c map[string]any) { c["azp"] = "other-client" }},
	{ExpiredIDToken, func(_ *Provider, c map[string]any) { c["iat"], c["exp"] = ago(9*time.Minute), ago(8*time.Minute) }},
	{FutureIssuedAt, func(_ *Provider, c map[string]any) { c["iat"], c["exp"] = ago(-time.Hour), ago(-2*time.Hour) }},
	{OldIDToken, func(_ *Provider, c map[string]any) { c["iat"] = ago(time.Hour) }},
	{NotYetValid, func(_ *Provider, c map[string]any) { c["nbf"] = ago(-time.Hour) }},
	{OldAuthTime, func(_ *Provider, c map[string]any) { c["auth_time"] = ago(24 * time.Hour) }},
	{NoAuthTime, func(_ *Provider, c map[string]any) { delete(c, "auth_time") }},
	{WrongACR, func(_ *Provider, c map[string]any) { c["acr"] = "urn:example:none-asked-for-this" }},
	{MissingSubject, func(_ *Provider, c map[string]any) { delete(c, "sub") }},
	{WrongAtHash, func(_ *Provider, c map[string]any) { c["at_hash"] = flipped(c["at_hash"].(string)) }},
}

func ago(d time.Duration) int64 { return time.Now().Add(-d).Unix() }
