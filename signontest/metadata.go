package signontest

import (
	"net/http"
	"slices"
)

// serveMetadata answers both well-known paths with the same document.
func (p *Provider) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	m := p.metadata()
	if p.fires(IssuerMismatch) {
		m["issuer"] = p.cfg.Issuer + "/"
	}
	p.edited().metadata.apply(m)
	writeJSON(w, http.StatusOK, m)
}

func (p *Provider) metadata() map[string]any {
	m := map[string]any{
		"issuer":                                         p.cfg.Issuer,
		"authorization_endpoint":                         p.URL(Authorize),
		"token_endpoint":                                 p.URL(Token),
		"userinfo_endpoint":                              p.URL(UserInfo),
		"jwks_uri":                                       p.URL(JWKS),
		"revocation_endpoint":                            p.URL(Revocation),
		"introspection_endpoint":                         p.URL(Introspection),
		"end_session_endpoint":                           p.URL(EndSession),
		"scopes_supported":                               []string{"openid", "profile", "email", "offline_access", "items", "admin"},
		"response_types_supported":                       []string{"code"},
		"response_modes_supported":                       []string{"query", "form_post"},
		"grant_types_supported":                          []string{"authorization_code", "refresh_token", "client_credentials"},
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{p.cfg.SigningAlg},
		"code_challenge_methods_supported":               []string{"S256"},
		"authorization_response_iss_parameter_supported": true,
		"backchannel_logout_supported":                   true,
		"backchannel_logout_session_supported":           !p.cfg.NoSessionID,
		"frontchannel_logout_supported":                  true,
		"frontchannel_logout_session_supported":          !p.cfg.NoSessionID,
	}
	for _, endpoint := range []string{"token", "revocation", "introspection"} {
		m[endpoint+"_endpoint_auth_methods_supported"] = p.authMethods()
		if algs := p.assertionAlgs(); algs != nil {
			m[endpoint+"_endpoint_auth_signing_alg_values_supported"] = algs
		}
	}
	for name, e := range map[string]Encryption{"id_token": p.idTokenEncryption, "userinfo": p.userInfoEncryption} {
		if e.Alg != "" {
			m[name+"_encryption_alg_values_supported"], m[name+"_encryption_enc_values_supported"] = []string{e.Alg}, []string{e.Enc}
		}
	}
	if alg := p.cfg.UserInfoSigningAlg; alg != "" {
		m["userinfo_signing_alg_values_supported"] = []string{alg}
	}
	return m
}

func (p *Provider) serveJWKS(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	keys := jwks(append(slices.Clone(p.keys.list), p.extraKey, p.otherKey))
	p.mu.Unlock()
	if p.cfg.Tenant != "" {
		for _, k := range keys { // whose tokens a key is for, as Microsoft's key sets say
			k.(map[string]any)["issuer"] = p.cfg.Issuer
		}
	}
	set := map[string]any{"keys": keys}
	p.edited().keySet.apply(set)
	writeJSON(w, http.StatusOK, set)
}
