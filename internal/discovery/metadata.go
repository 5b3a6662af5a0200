package discovery

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/seed1a301047/signon/internal/outbound"
)

// ErrMetadata is wrapped by every error about what the provider's metadata say,
// as opposed to how they were fetched.
var ErrMetadata = errors.New("the provider's metadata are not valid")

// Metadata is what Signon reads of a provider's metadata (OpenID Connect
// Discovery 1.0 section 3, RFC 8414 section 2). What is not named here has no
// influence.
type Metadata struct {
	Issuer                             string `json:"issuer"`
	AuthorizationEndpoint              string `json:"authorization_endpoint"`
	TokenEndpoint                      string `json:"token_endpoint"`
	UserInfoEndpoint                   string `json:"userinfo_endpoint"`
	JWKSURI                            string `json:"jwks_uri"`
	EndSessionEndpoint                 string `json:"end_session_endpoint"`
	RevocationEndpoint                 string `json:"revocation_endpoint"`
	IntrospectionEndpoint              string `json:"introspection_endpoint"`
	PushedAuthorizationRequestEndpoint string `json:"pushed_authorization_request_endpoint"`

	// What the provider can do. It informs; the application's configuration decides.
	IDTokenSigningAlgs   []string `json:"id_token_signing_alg_values_supported"`
	CodeChallengeMethods []string `json:"code_challenge_methods_supported"`
	ResponseModes        []string `json:"response_modes_supported"`
	ScopesSupported      []string `json:"scopes_supported"`

	// How clients may prove themselves: see [Metadata.TokenAuth] and its peers.
	TokenAuthMethods         []string `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgs            []string `json:"token_endpoint_auth_signing_alg_values_supported,omitzero"`
	RevocationAuthMethods    []string `json:"revocation_endpoint_auth_methods_supported,omitzero"`
	RevocationAuthAlgs       []string `json:"revocation_endpoint_auth_signing_alg_values_supported,omitzero"`
	IntrospectionAuthMethods []string `json:"introspection_endpoint_auth_methods_supported,omitzero"`
	IntrospectionAuthAlgs    []string `json:"introspection_endpoint_auth_signing_alg_values_supported,omitzero"`

	// Aliases are the endpoints for clients that present a certificate (RFC 8705
	// section 5). They are read for those alone: see [Config].
	Aliases jsontext.Value `json:"mtls_endpoint_aliases,omitzero"`

	// IssInResponse: every authorization response names the issuer (RFC 9207).
	IssInResponse             bool `json:"authorization_response_iss_parameter_supported"`
	RequirePAR                bool `json:"require_pushed_authorization_requests"` // RFC 9126
	BackChannelLogout         bool `json:"backchannel_logout_supported"`
	BackChannelLogoutSession  bool `json:"backchannel_logout_session_supported"`
	FrontChannelLogout        bool `json:"frontchannel_logout_supported"`
	FrontChannelLogoutSession bool `json:"frontchannel_logout_session_supported"`

	algs []string // of SigningAlgs
}

// Parse reads the metadata of an issuer. They must name exactly that issuer
// (Discovery 4.3, RFC 8414 section 3.3), and every endpoint must be a URL that
// [outbound.CheckURL] lets through. Whether an endpoint is there is for its
// user to ask: some may be given by hand.
func Parse(body []byte, issuer string, p outbound.Policy) (*Metadata, error) {
	if err := checkIssuer(issuer, p); err != nil {
		return nil, fmt.Errorf("oidc: issuer %q: %w", issuer, err)
	}
	m := new(Metadata)
	if err := json.Unmarshal(body, m); err != nil {
		return nil, invalid(issuer, wordOf(err))
	}
	if m.Issuer == "" {
		return nil, invalid(issuer, "they name no issuer")
	}
	if m.Issuer != issuer { // a string comparison: no slash, case or port is forgiven
		return nil, invalid(issuer, fmt.Sprintf("they are of the issuer %.200q; if that is the provider, set Issuer to it, to the letter", m.Issuer))
	}
	if err := m.check(p); err != nil {
		return nil, invalid(issuer, err.Error())
	}
	m.chooseAlgs()
	return m, nil
}

func invalid(issuer, why string) error {
	return fmt.Errorf("oidc: issuer %q: %w: %s", issuer, ErrMetadata, why)
}

// wordOf says where the JSON is wrong, but not what it says there.
func wordOf(err error) string {
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok && semantic.JSONPointer != "" {
		return fmt.Sprintf("member %.200q is of the wrong type", semantic.JSONPointer)
	}
	return "not one JSON object with distinct names in UTF-8"
}

// SigningAlgs returns the algorithms to accept for ID tokens: those pinned, if
// any. Otherwise RS256, and where the provider says that it does not have that,
// whatever it has of RSA-PSS, ECDSA and EdDSA. The provider can never bring
// "none" or an HMAC in. The caller must not change the result.
func (m *Metadata) SigningAlgs(pinned []string) []string {
	if len(pinned) > 0 {
		return pinned
	}
	return m.algs
}

var (
	defaultAlgs = []string{"RS256"}
	strongAlgs  = []string{"PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)

func (m *Metadata) chooseAlgs() {
	m.algs = defaultAlgs
	if len(m.IDTokenSigningAlgs) == 0 || slices.Contains(m.IDTokenSigningAlgs, "RS256") {
		return
	}
	m.algs = nil
	for _, alg := range strongAlgs {
		if slices.Contains(m.IDTokenSigningAlgs, alg) {
			m.algs = append(m.algs, alg)
		}
	}
	if m.algs == nil {
		m.algs = defaultAlgs
	}
}

// Auth is how clients may prove themselves at one endpoint. An empty list says nothing.
type Auth struct {
	Endpoint string   // the member that names it, such as "token_endpoint"
	Methods  []string // RFC 8414 section 2
	Algs     []string // for the methods that sign
}

// TokenAuth is for the token endpoint.
func (m *Metadata) TokenAuth() Auth {
	return Auth{"token_endpoint", m.TokenAuthMethods, m.TokenAuthAlgs}
}

// RevocationAuth is for the revocation endpoint, if the metadata say anything of it.
func (m *Metadata) RevocationAuth() Auth {
	return Auth{"revocation_endpoint", m.RevocationAuthMethods, m.RevocationAuthAlgs}
}

// IntrospectionAuth is for the introspection endpoint, if the metadata say anything of it.
func (m *Metadata) IntrospectionAuth() Auth {
	return Auth{"introspection_endpoint", m.IntrospectionAuthMethods, m.IntrospectionAuthAlgs}
}

// useAliases puts the endpoints for clients that present a certificate in the place of
// the others. One that is not valid is an error, not a reason to use the endpoint where
// the certificate would not count (RFC 8705 section 5).
func (m *Metadata) useAliases(p outbound.Policy) error {
	if m.Aliases == nil || m.Aliases.Kind() == 'n' {
		return nil
	}
	var aliases struct {
		Token         *string `json:"token_endpoint"`
		UserInfo      *string `json:"userinfo_endpoint"`
		Revocation    *string `json:"revocation_endpoint"`
		Introspection *string `json:"introspection_endpoint"`
		PAR           *string `json:"pushed_authorization_request_endpoint"`
	}
	if err := json.Unmarshal(m.Aliases, &aliases); err != nil {
		return invalid(m.Issuer, "mtls_endpoint_aliases: "+wordOf(err))
	}
	for _, a := range []struct {
		endpoint
		alias *string
	}{
		{endpoint{"token_endpoint", &m.TokenEndpoint}, aliases.Token},
		{endpoint{"userinfo_endpoint", &m.UserInfoEndpoint}, aliases.UserInfo},
		{endpoint{"revocation_endpoint", &m.RevocationEndpoint}, aliases.Revocation},
		{endpoint{"introspection_endpoint", &m.IntrospectionEndpoint}, aliases.Introspection},
		{endpoint{"pushed_authorization_request_endpoint", &m.PushedAuthorizationRequestEndpoint}, aliases.PAR},
	} {
		if a.alias == nil {
			continue
		}
		if err := checkEndpoint(*a.alias, p); err != nil {
			return invalid(m.Issuer, fmt.Sprintf("mtls_endpoint_aliases: %s: %v", a.name, err))
		}
		*a.url = *a.alias
	}
	return nil
}

// endpoints pairs the member names with where their values are.
func (m *Metadata) endpoints() []endpoint {
	return []endpoint{
		{"authorization_endpoint", &m.AuthorizationEndpoint},
		{"token_endpoint", &m.TokenEndpoint},
		{"userinfo_endpoint", &m.UserInfoEndpoint},
		{"jwks_uri", &m.JWKSURI},
		{"end_session_endpoint", &m.EndSessionEndpoint},
		{"revocation_endpoint", &m.RevocationEndpoint},
		{"introspection_endpoint", &m.IntrospectionEndpoint},
		{"pushed_authorization_request_endpoint", &m.PushedAuthorizationRequestEndpoint},
	}
}

type endpoint struct {
	name string
	url  *string
}

// check looks at every endpoint that is there.
func (m *Metadata) check(p outbound.Policy) error {
	for _, e := range m.endpoints() {
		if *e.url == "" {
			continue
		}
		if err := checkEndpoint(*e.url, p); err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return nil
}

func checkEndpoint(raw string, p outbound.Policy) error {
	u, err := outbound.CheckURL(raw, p)
	if err != nil {
		return err
	}
	// A query is kept and added to (RFC 6749 section 3.1), so it has to be one.
	if _, err := url.ParseQuery(u.RawQuery); err != nil {
		return errors.New("the URL's query is malformed")
	}
	return nil
}

// checkIssuer holds RFC 8414 section 2: a URL without query or fragment.
func checkIssuer(issuer string, p outbound.Policy) error {
	if _, err := outbound.CheckURL(issuer, p); err != nil {
		return err
	}
	if strings.Contains(issuer, "?") {
		return errors.New("the URL has a query")
	}
	return nil
}

// merge lets what is not zero in given win.
func (m *Metadata) merge(given *Metadata) {
	mine := m.endpoints()
	for i, e := range given.endpoints() {
		if *e.url != "" {
			*mine[i].url = *e.url
		}
	}
	for _, list := range []struct{ mine, given *[]string }{
		{&m.IDTokenSigningAlgs, &given.IDTokenSigningAlgs},
		{&m.CodeChallengeMethods, &given.CodeChallengeMethods},
		{&m.ResponseModes, &given.ResponseModes},
		{&m.ScopesSupported, &given.ScopesSupported},
	} {
		if *list.given != nil {
			*list.mine = *list.given
		}
	}
	m.IssInResponse = m.IssInResponse || given.IssInResponse
	m.RequirePAR = m.RequirePAR || given.RequirePAR
	m.BackChannelLogout = m.BackChannelLogout || given.BackChannelLogout
	m.BackChannelLogoutSession = m.BackChannelLogoutSession || given.BackChannelLogoutSession
	m.FrontChannelLogout = m.FrontChannelLogout || given.FrontChannelLogout
	m.FrontChannelLogoutSession = m.FrontChannelLogoutSession || given.FrontChannelLogoutSession
	m.chooseAlgs()
}
