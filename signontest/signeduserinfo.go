package signontest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// userInfoFaults change the claims that only a signed userinfo has.
var userInfoFaults = []struct {
	fault Fault
	edit  func(p *Provider, c map[string]any)
}{
	{WrongIssuerUserInfo, func(p *Provider, c map[string]any) { c["iss"] = p.tokenIssuer() + "/other" }},
	{WrongAudienceUserInfo, func(_ *Provider, c map[string]any) { c["aud"] = "other-client" }},
}

// writeUserInfo answers with JSON, or where it is configured with a JWT (OpenID Connect
// Core section 5.3.2).
func (p *Provider) writeUserInfo(w http.ResponseWriter, claims map[string]any) {
	signs, encrypts := p.cfg.UserInfoSigningAlg != "", p.userInfoEncryption.Alg != ""
	switch {
	case p.fires(PlainUserInfo), !signs && !encrypts && !p.isArmed(EncryptedUserInfo):
		writeJSON(w, http.StatusOK, claims)
		return
	case p.fires(JSONAsJWTUserInfo):
		body, _ := json.Marshal(claims)
		writeJWT(w, string(body))
		return
	}
	body, err := p.userInfoBody(claims, signs)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeJWT(w, body)
}

func (p *Provider) userInfoBody(claims map[string]any, signs bool) (string, error) {
	if signs {
		claims["iss"], claims["aud"] = p.tokenIssuer(), p.cfg.ClientID
		for _, f := range userInfoFaults {
			if p.fires(f.fault) {
				f.edit(p, claims)
			}
		}
	}
	raw, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("signontest: a hook made what JSON cannot hold: %w", err)
	}
	header, body := map[string]any(nil), string(raw)
	if signs && !p.fires(UnsignedUserInfo) {
		header = map[string]any{"cty": "JWT"}
		if body, err = p.signUserInfo(raw); err != nil {
			return "", err
		}
	}
	encryption := p.userInfoEncryption
	if p.fires(EncryptedUserInfo) {
		encryption = p.withOwnKey(Encryption{Alg: "RSA-OAEP-256"})
	}
	if encryption.Alg == "" {
		return body, nil
	}
	return encryption.encrypt(header, []byte(body))
}

func (p *Provider) signUserInfo(payload []byte) (string, error) {
	k := p.userInfoKey()
	header := k.header(nil)
	unsigned := p.fires(AlgNoneUserInfo)
	if unsigned {
		header["alg"] = "none"
	}
	if p.fires(ForeignKeyUserInfo) {
		k.signer, k.secret = newKey(k.alg), "another secret of 32 characters.."
	}
	token, err := signJWS(k, header, payload)
	if err != nil {
		return "", err
	}
	dot := strings.LastIndexByte(token, '.') + 1
	switch {
	case unsigned:
		token = token[:dot]
	case p.fires(BadSignatureUserInfo):
		token = token[:dot] + flipped(token[dot:])
	}
	return token, nil
}

// userInfoKey is the key that signs ID tokens, or one of its own where the algorithm is
// another.
func (p *Provider) userInfoKey() key {
	p.mu.Lock()
	defer p.mu.Unlock()
	if alg := p.cfg.UserInfoSigningAlg; alg != p.cfg.SigningAlg {
		return p.extraKey
	}
	return p.keys.current()
}

func writeJWT(w http.ResponseWriter, token string) {
	w.Header().Set("Content-Type", "application/jwt")
	_, _ = w.Write([]byte(token))
}
