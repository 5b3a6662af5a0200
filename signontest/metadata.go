package signontest

import (
	"net/http"
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
	auth := []string{"client_secret_basic", "client_secret_post"}
	switch {
	case p.cfg.Public:
		auth = []string{"none"}
	case p.cfg.ClientAuth != "":
		auth = []string{p.cfg.ClientAuth}
	}
	return map[string]any{
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
		"grant_types_supported":                          []string{"authorization_code", "refresh_token"},
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{p.cfg.SigningAlg},
		"token_endpoint_auth_methods_supported":          auth,
		"code_challenge_methods_supported":               []string{"S256"},
		"authorization_response_iss_parameter_supported": true,
	}
}

func (p *Provider) serveJWKS(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	set := map[string]any{"keys": p.keys.jwks()}
	p.mu.Unlock()
	p.edited().keySet.apply(set)
	writeJSON(w, http.StatusOK, set)
}
