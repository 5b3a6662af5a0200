package signon

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/internal/outbound"
	"github.com/seed1a301047/signon/sessionstore"
)

// protocolParams are what Signon sets itself in an authorization request or a code
// exchange: neither the configuration nor a link sets them.
var protocolParams = []string{
	"client_id", "client_secret", "client_assertion", "client_assertion_type", "redirect_uri",
	"response_type", "response_mode", "scope", "state", "nonce", "code", "code_verifier",
	"code_challenge", "code_challenge_method", "grant_type", "refresh_token", "request", "request_uri",
}

// algorithms are those an ID token may be signed with.
var algorithms = []string{
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256",
}

const maxName = 64

func validName(name string) bool {
	if name == "" || len(name) > maxName || name[0] == '-' || name[0] == '_' {
		return false
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// validate fills in the defaults and checks what needs no network. Each error
// names the field and the remedy.
func (p *Provider) validate(g *Registry) error {
	for _, check := range []func(*Registry) error{
		p.checkIdentity, p.checkKeys, p.checkClientAuth, p.checkSecretText, p.checkEndpoints, p.checkLocalURLs,
		p.checkScopes, p.checkParams, p.checkIDToken, p.checkTokens,
		p.checkEncryption, p.checkTenants, p.checkHooks,
	} {
		err := check(g)
		if argument, ok := errors.AsType[presetArgument](err); ok {
			return argument
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// presetArgument is what is wrong with the argument of a preset of package providers. It
// comes by the ClientAuth, and is not that one's fault.
type presetArgument interface {
	error
	PresetArgument()
}

func (p *Provider) checkIdentity(*Registry) error {
	switch {
	case !validName(p.Name):
		return fmt.Errorf("Name %q; expected 1 to %d of a-z, 0-9, '-' and '_', starting with a letter or a digit", clip(p.Name, maxName), maxName)
	case p.ClientID == "":
		return fmt.Errorf("ClientID is empty; set what the provider gave when the application was registered there")
	case strings.TrimSpace(p.ClientID) != p.ClientID:
		return fmt.Errorf("ClientID has space around it; remove it")
	}
	return nil
}

// checkSecretText comes after checkClientAuth, which knows a secret of bytes by what it is.
func (p *Provider) checkSecretText(*Registry) error {
	if strings.ContainsFunc(string(p.ClientSecret), unicode.IsControl) {
		return fmt.Errorf("ClientSecret has a control character in it, such as the line feed between two lines of a file; set the secret alone")
	}
	return nil
}

func (p *Provider) checkEndpoints(g *Registry) error {
	byHand := p.Endpoint.AuthURL != "" && p.Endpoint.TokenURL != ""
	switch {
	case p.Issuer == "" && !byHand:
		return fmt.Errorf("field Issuer is empty and Endpoint lacks AuthURL or TokenURL; set Issuer to discover them, or both by hand; a well-known provider's are in package providers")
	case p.MetadataURL != "" && p.Issuer == "":
		return fmt.Errorf("MetadataURL is set without Issuer; set the issuer that the metadata must name")
	case p.Endpoint.AuthStyle != oauth2.AuthStyleAutoDetect:
		return fmt.Errorf("Endpoint.AuthStyle is set; leave it zero and say with ClientAuth how the client proves itself")
	case p.JWKSURL != "" && len(p.JWKS) > 0:
		return fmt.Errorf("JWKSURL and JWKS are both set; keep one")
	case len(p.Issuer) > sessionstore.MaxNameSize:
		return fmt.Errorf("field Issuer is %d bytes long, want at most %d", len(p.Issuer), sessionstore.MaxNameSize)
	case strings.Contains(p.Issuer, "/.well-known/"):
		return fmt.Errorf("field Issuer %q is the URL of the metadata; set Issuer to the part before /.well-known/, or MetadataURL to it", p.Issuer)
	case g.cfg.OnLogin != nil && g.cfg.Owner == nil && p.Issuer == "" && p.UserInfoURL == "":
		return fmt.Errorf("UserInfoURL is empty and Scopes lacks openid, so nothing tells Config.OnLogin who signed in; set UserInfoURL")
	case p.SubjectClaim != "" && p.Issuer == "" && p.UserInfoURL == "":
		return fmt.Errorf("SubjectClaim is set without UserInfoURL, so there is no userinfo that could have it; set UserInfoURL, or remove it")
	case slices.Contains(p.Scopes, "openid") && p.Issuer == "":
		return fmt.Errorf("field Issuer is empty, but Scopes has openid: the ID token's iss is checked against it; set Issuer")
	}
	if name := protocolParam(p.Endpoint.AuthURL, protocolParams); name != "" {
		return fmt.Errorf("Endpoint.AuthURL has %q in its query, which Signon sets itself; remove it", name)
	}
	if name := protocolParam(p.EndSessionURL, protocolLogoutParams); name != "" {
		return fmt.Errorf("EndSessionURL has %q in its query, which Signon sets itself; remove it", name)
	}
	return nil
}

// protocolParam is a parameter in the query of an endpoint that would then be sent
// twice, which RFC 6749 section 3.1 forbids, or "".
func protocolParam(endpoint string, protocol []string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.RawQuery == "" {
		return ""
	}
	for name := range u.Query() {
		if slices.Contains(protocol, name) {
			return name
		}
	}
	return ""
}

// discovers reports whether anything is left to discover: not where both endpoints
// and, if they are needed, the keys are given by hand.
func (p *Provider) discovers() bool {
	byHand := p.Endpoint.AuthURL != "" && p.Endpoint.TokenURL != ""
	keys := p.JWKSURL != "" || len(p.JWKS) > 0 || !slices.Contains(p.Scopes, "openid")
	return p.Issuer != "" && (p.MetadataURL != "" || !byHand || !keys)
}

// identity is who the provider is, whatever else of its configuration changes.
func (p *Provider) identity() string {
	if p.Issuer != "" {
		return p.Issuer
	}
	return p.Endpoint.TokenURL
}

// checkLocalURLs checks the URLs of the application.
func (p *Provider) checkLocalURLs(g *Registry) error {
	if p.RedirectURL == "" {
		p.RedirectURL = g.origin.url + g.cfg.Mount + "/callback/" + p.Name
	}
	if p.LoginURL == "" {
		p.LoginURL = g.cfg.Mount + "/login/" + p.Name
	}
	if p.PostLogoutRedirectURL == "" {
		p.PostLogoutRedirectURL = g.origin.url + g.cfg.Mount + "/logged-out/" + p.Name
	}
	for _, f := range [...]struct{ field, url string }{{"RedirectURL", p.RedirectURL}, {"PostLogoutRedirectURL", p.PostLogoutRedirectURL}} {
		rest, ok := strings.CutPrefix(f.url, g.origin.url+"/")
		if !ok || strings.ContainsFunc(rest, notURL) {
			return fmt.Errorf("%s %q is not on the origin of Config.BaseURL; expected one that begins with %s/", f.field, f.url, g.origin.url)
		}
		if strings.Contains(rest, "#") { // RFC 6749 section 3.1.2
			return fmt.Errorf("%s %q has a fragment, which no server sees; expected none, remove what begins with '#'", f.field, f.url)
		}
	}
	if err := p.checkWayBack(g); err != nil {
		return err
	}
	return localPath("LoginURL", p.LoginURL)
}

// checkWayBack finds a PostLogoutRedirectURL that nothing answers, or the wrong handler:
// whoever has signed out would end there.
func (p *Provider) checkWayBack(g *Registry) error {
	back, mount := g.cfg.Mount+"/logged-out/"+p.Name, g.cfg.Mount+"/"
	u, err := url.Parse(p.PostLogoutRedirectURL)
	if err != nil {
		return fmt.Errorf("PostLogoutRedirectURL is no URL; expected one such as %s", g.origin.url+back)
	}
	if u.Path != back && strings.HasPrefix(path.Clean(u.Path)+"/", mount) {
		return fmt.Errorf("PostLogoutRedirectURL %q is below Config.Mount, where the way back from a logout is %s alone; leave it empty for that, or choose a page outside of %s", p.PostLogoutRedirectURL, g.origin.url+back, g.cfg.Mount)
	}
	return nil
}

func (p *Provider) checkScopes(*Registry) error {
	for _, s := range p.Scopes {
		if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }) {
			return fmt.Errorf("Scopes has %q; expected one scope in each element, without spaces (RFC 6749 section 3.3)", s)
		}
	}
	return nil
}

func (p *Provider) checkParams(*Registry) error {
	for field, params := range map[string]url.Values{"AuthorizeParams": p.AuthorizeParams, "TokenParams": p.TokenParams, "ClientCredentialsParams": p.ClientCredentialsParams} {
		for name, values := range params {
			if slices.Contains(protocolParams, name) {
				return fmt.Errorf("%s has %q, which Signon sets itself; remove it, or use a field of Provider for it", field, name)
			}
			if len(values) != 1 && name != "resource" && name != "audience" {
				return fmt.Errorf("%s has %d values of %q; expected one (RFC 6749 section 3.1)", field, len(values), name)
			}
		}
	}
	if p.AuthorizeParams.Has("max_age") || p.AuthorizeParams.Has("acr_values") {
		return fmt.Errorf("AuthorizeParams has max_age or acr_values; use MaxAge or ACRValues, which are checked in the answer too")
	}
	for _, name := range p.LoginParams {
		if slices.Contains(protocolParams, name) || name == "return_to" || name == "max_age" || name == "acr_values" {
			return fmt.Errorf("LoginParams has %q, which no link may set; remove it", name)
		}
	}
	return p.checkLogoutParams()
}

// checkLogoutParams holds RP-Initiated Logout section 2: what decides where the browser
// goes, and whose logout it is, is not a form's to say. A field named submit would take the
// place of the method by which the page of a long request sends itself off.
func (p *Provider) checkLogoutParams() error {
	for name, values := range p.EndSessionParams {
		if slices.Contains(protocolLogoutParams, name) {
			return fmt.Errorf("EndSessionParams has %q, which Signon sets itself; remove it, or use a field of Provider for it", name)
		}
		if name == "submit" {
			return errors.New("EndSessionParams has \"submit\", with which no script can send a form; remove it, or put it into the query of EndSessionURL")
		}
		if len(values) != 1 {
			return fmt.Errorf("EndSessionParams has %d values of %q; expected one (RFC 6749 section 3.1)", len(values), name)
		}
	}
	for _, name := range p.LogoutParams {
		if name == "" || slices.Contains(protocolLogoutParams, name) || name == "return_to" || name == "submit" {
			return fmt.Errorf("LogoutParams has %q, which no form may set; remove it", name)
		}
	}
	return nil
}

func (p *Provider) checkIDToken(*Registry) error {
	for _, alg := range p.SigningAlgs {
		if !slices.Contains(algorithms, alg) {
			return fmt.Errorf("SigningAlgs has %q; expected some of %s", alg, strings.Join(algorithms, ", "))
		}
		if alg == "HS256" && len(p.ClientSecret) < 32 {
			return fmt.Errorf("SigningAlgs has HS256, for which a ClientSecret of %d bytes is too short; expected 32 or more (RFC 7518 section 3.2)", len(p.ClientSecret))
		}
	}
	if p.SigningAlgs != nil && len(p.SigningAlgs) == 0 {
		return fmt.Errorf("SigningAlgs is empty but not nil: no ID token could pass; name some, or leave it nil")
	}
	if p.ResponseMode != "" && p.ResponseMode != "form_post" {
		return fmt.Errorf("ResponseMode %q; expected \"\" or \"form_post\"", p.ResponseMode)
	}
	if p.MaxAge < 0 || p.MaxAge%time.Second != 0 {
		return fmt.Errorf("MaxAge %v; expected whole seconds, or 0 for none", p.MaxAge)
	}
	if (p.MaxAge > 0 || len(p.ACRValues) > 0) && !slices.Contains(p.Scopes, "openid") {
		return fmt.Errorf("MaxAge or ACRValues is set without openid in Scopes; only an ID token can answer them")
	}
	return nil
}

func (p *Provider) checkTokens(*Registry) error {
	switch p.TokenPlacement {
	case "":
		p.TokenPlacement = TokenInHeader
	case TokenInHeader, TokenInBody:
	case TokenInQuery:
		if !p.InsecureTokenInQuery {
			return fmt.Errorf("TokenPlacement is query, which puts tokens into logs (RFC 9700 section 4.3.2); use header, or set InsecureTokenInQuery")
		}
	default:
		return fmt.Errorf("TokenPlacement %q; expected header, body or query", p.TokenPlacement)
	}
	if p.UpdateToken != nil && p.FetchToken == nil {
		return fmt.Errorf("UpdateToken is set without FetchToken; set both")
	}
	return nil
}

// checkHooks finds a wrong argument of a ready-made fix before the first user does.
func (p *Provider) checkHooks(*Registry) error {
	if err := p.Hooks.Check(); err != nil {
		return fmt.Errorf("field Hooks: %w", err)
	}
	return nil
}

// providerURLs are the URLs that the configuration itself names.
func (p *Provider) providerURLs() map[string]string {
	return map[string]string{
		"Issuer": p.Issuer, "MetadataURL": p.MetadataURL,
		"Endpoint.AuthURL": p.Endpoint.AuthURL, "Endpoint.TokenURL": p.Endpoint.TokenURL,
		"UserInfoURL": p.UserInfoURL, "RevocationURL": p.RevocationURL,
		"IntrospectionURL": p.IntrospectionURL, "EndSessionURL": p.EndSessionURL, "JWKSURL": p.JWKSURL, "APIBaseURL": p.APIBaseURL,
	}
}

// checkURLs judges each by itself: whoever names a loopback host here means it.
func (p *Provider) checkURLs() error {
	for field, raw := range p.providerURLs() {
		if raw == "" {
			continue
		}
		if _, err := outbound.CheckURL(raw, p.policyOf(raw)); err != nil {
			return fmt.Errorf("%s: %w", field, err)
		}
	}
	return nil
}

// providerPolicy says where the provider's endpoints may be. Where they are discovered,
// it is the issuer that opens the door to loopback and private addresses, by being at
// one itself: the operator has named it. Metadata alone never do.
func (p *Provider) providerPolicy() outbound.Policy {
	if p.discovers() {
		return p.policyOf(p.Issuer, p.MetadataURL)
	}
	return p.policyOf(p.Issuer, p.Endpoint.AuthURL, p.Endpoint.TokenURL, p.UserInfoURL, p.RevocationURL, p.IntrospectionURL, p.EndSessionURL, p.JWKSURL)
}

func (p *Provider) policyOf(urls ...string) outbound.Policy {
	policy := outbound.Policy{AllowPrivate: p.AllowPrivateNetwork}
	for _, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" {
			continue
		}
		addr, err := netip.ParseAddr(u.Hostname())
		local := loopback(u.Hostname())
		policy.AllowLoopbackHTTP = policy.AllowLoopbackHTTP || local
		policy.AllowPrivate = policy.AllowPrivate || local || err == nil && addr.Unmap().IsPrivate()
	}
	return policy
}
