// Package signon signs the users of a web application in with OAuth 2.0 and OpenID
// Connect, and calls their provider's API as them, with ordinary [net/http] handlers:
//
//	auth, err := signon.New(signon.Config{BaseURL: "https://app.example.com"})
//	...
//	corp, err := auth.Register(signon.Provider{
//		Name: "corp", Issuer: "https://login.example.com",
//		ClientID: "app", ClientSecret: secret, Scopes: []string{"openid", "email"},
//		APIBaseURL: "https://api.example.com/",
//	})
//	...
//	mux.Handle("/auth/", auth.Handler())
//	mux.Handle("/repos", corp.RequireToken(http.HandlerFunc(repos)))
//
// where repos calls corp.HTTPClient(r.Context()).Get("repos").
//
// # The parts
//
// A [Config] is what an application's providers share, and a [Provider] is what one of
// them is: plain data. [New] makes a [Registry] of the one, [Registry.Register] makes a
// [Client] of the other, and neither touches the network. A Client has the handlers
// ([Client.LoginHandler], [Client.CallbackHandler], [Client.LogoutHandler], and
// [Client.LoggedOutHandler] for the way back; for the provider's own logouts
// [Client.BackChannelLogoutHandler] and [Client.FrontChannelLogoutHandler]; all mounted by
// [Registry.Handler]), the middleware ([Client.RequireToken],
// [Registry.RequireLogin]) and the API ([Client.HTTPClient], [Client.Token]).
//
// Package providers has a Provider for each well-known one, [LoadJSON] and [LoadEnv] read
// what is configured from outside, package clientauth has the ways in which a client proves
// itself, and package hooks what mends a provider that keeps to no standard.
//
// # Who signed in, and whose token it is
//
// A [Login] is one verified sign-in, and ends at a logout: here ([Client.StartLogout]), at
// the provider ([Client.BackChannelLogout]), or by the application's word
// ([Registry.EndLogins]). By itself it owns its token.
// Where Config.OnLogin names a user of the application, or Config.Owner does, the token
// is that user's and outlives the session.
//
// # Safety
//
// Nothing has to be switched on: PKCE, state, nonce, RFC 9207, an allow-list of
// algorithms, safe cookies and a renewed session id are always there. A logout ends the login in every
// process before it goes on to the provider; it is done by POST from the application's own
// pages, and a logout token is good once. What weakens
// something is a field whose name begins with Insecure. A store or a provider that does
// not answer is an error of its own kind: it signs nobody in and nobody out.
package signon

import (
	"encoding/json"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// A Provider is what one OAuth 2.0 authorization server or OpenID Provider is to
// the application: plain data, which [Registry.Register] copies and checks. All
// but the function fields loads from JSON, under the name of the field in snake
// case, and from the environment, where an unknown name is an error; see
// [Provider.UnmarshalJSON], [LoadJSON] and [LoadEnv].
//
// The smallest OpenID Provider is a Name, an Issuer, a ClientID, a ClientSecret
// and Scopes with "openid". The smallest OAuth 2.0 server is a Name, an Endpoint,
// a ClientID, a ClientSecret and, to know who signed in, a UserInfoURL.
type Provider struct {
	// Name is the provider's name in the application: in its URLs, its log, the
	// key of its tokens. 1 to 64 of a-z, 0-9, '-' and '_', starting with a letter
	// or a digit. Required.
	Name string `json:"name"`

	// ClientID is the client identifier, RFC 6749 section 2.2. Required.
	ClientID string `json:"client_id"`

	// ClientSecret is the client's password. If empty, the client is public, or proves
	// itself by a key or a certificate.
	ClientSecret Secret `json:"client_secret,omitzero"`

	// ClientAuth is how the application proves itself at the token, revocation and
	// introspection endpoints, with RFC 6749 section 2.3. If nil, [clientauth.Basic]
	// where there is a ClientSecret and [clientauth.None] where there is none. Where the
	// provider's metadata list methods without this one, logins and calls fail with
	// ErrInternal before anything is sent; no other method is tried. In JSON it is the
	// method's registered name, such as "client_secret_post".
	ClientAuth clientauth.Method `json:"-"`

	// RevocationAuth and IntrospectionAuth take the place of ClientAuth at those two
	// endpoints, for a provider that wants another method there. If nil, ClientAuth.
	RevocationAuth    clientauth.Method `json:"-"`
	IntrospectionAuth clientauth.Method `json:"-"`

	// RedirectURL is the redirect_uri registered with the provider, on the origin
	// of Config.BaseURL. If empty, BaseURL + Mount + "/callback/" + Name.
	RedirectURL string `json:"redirect_url,omitzero"`

	// Issuer is the provider's issuer identifier, to the letter. If set, what is
	// not given below is discovered, by OpenID Connect Discovery 1.0 and then RFC
	// 8414, when it is first needed. An https URL; http only on a loopback host.
	Issuer string `json:"issuer,omitzero"`

	// Tenants are those whose users may sign in where Issuer is one of many tenants, with
	// {tenantid} in it as a segment of its path, as Microsoft's is: GUIDs, in either case.
	// The ID token's tid must be one of them, else it is [ErrDenied], and its iss that
	// tenant's, which is then Login.Issuer; a key of the provider's that names an issuer
	// signs for that one only. MetadataURL says there where the metadata of all tenants
	// are. Required there unless AnyTenant is set, and an error elsewhere.
	Tenants []string `json:"tenants,omitzero"`

	// AnyTenant lets in the users of every tenant, for an application that is made for
	// all of them, and tells them apart by issuer and subject: whoever runs a tenant
	// decides alone what its users are called.
	AnyTenant bool `json:"any_tenant,omitzero"`

	// MetadataURL is where the metadata is, if not at the issuer's well-known URL.
	// Its issuer must still be Issuer.
	MetadataURL string `json:"metadata_url,omitzero"`

	// Endpoint gives the authorization and the token endpoint by hand. What is
	// given wins over what is discovered. Its AuthStyle must be zero: ClientAuth
	// says how the client proves itself. In JSON: "auth_url" and "token_url".
	Endpoint oauth2.Endpoint `json:"-"`

	// The other endpoints, given by hand; each wins over the discovered one.
	UserInfoURL      string `json:"userinfo_url,omitzero"`
	RevocationURL    string `json:"revocation_url,omitzero"`
	IntrospectionURL string `json:"introspection_url,omitzero"`
	EndSessionURL    string `json:"end_session_url,omitzero"`
	JWKSURL          string `json:"jwks_url,omitzero"`

	// JWKS is the provider's key set, RFC 7517, given by hand instead of JWKSURL.
	JWKS json.RawMessage `json:"jwks,omitzero"`

	// APIBaseURL is where the provider's API is. [Client.HTTPClient] resolves
	// relative URLs against it and sends the token to its origin, below its path,
	// and nowhere else. If empty, HTTPClient refuses every request.
	APIBaseURL string `json:"api_base_url,omitzero"`

	// Scopes are asked for at each login. With "openid" an ID token is required
	// and verified.
	Scopes []string `json:"scopes,omitzero"`

	// AuthorizeParams, TokenParams and ClientCredentialsParams are sent besides the protocol's
	// own in each authorization request, each code exchange, and each request of
	// [Client.ClientToken]. They cannot replace a parameter that Signon sets.
	AuthorizeParams         url.Values `json:"authorize_params,omitzero"`
	TokenParams             url.Values `json:"token_params,omitzero"`
	ClientCredentialsParams url.Values `json:"client_credentials_params,omitzero"`

	// LoginParams names the parameters that a link to the login URL may set for
	// one login, such as "login_hint", "prompt" or "ui_locales". If nil, none:
	// anybody can write such a link. A value is at most 512 bytes.
	LoginParams []string `json:"login_params,omitzero"`

	// TokenPlacement is where HTTPClient puts the access token. If empty,
	// [TokenInHeader].
	TokenPlacement TokenPlacement `json:"token_placement,omitzero"`

	// InsecureTokenInQuery permits [TokenInQuery], for an API that takes the token
	// in no other way: it lands in the logs of every server on the way, which is
	// why RFC 9700 section 4.3.2 forbids it.
	InsecureTokenInQuery bool `json:"insecure_token_in_query,omitzero"`

	// SigningAlgs are the algorithms an ID token may be signed with, of RS256,
	// RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA and HS256. If
	// nil, RS256, or where the metadata does not offer that, what it offers of the
	// PS and ES algorithms and EdDSA. HS256 only by naming it here: whoever holds the secret
	// can then mint identities.
	SigningAlgs []string `json:"signing_algs,omitzero"`

	// IDTokenEncryptionAlg is the id_token_encrypted_response_alg that the application is
	// registered with: RSA-OAEP, RSA-OAEP-256, ECDH-ES, ECDH-ES+A128KW, ECDH-ES+A192KW or
	// ECDH-ES+A256KW. If set, an ID token must come encrypted by it to one of
	// DecryptionKeys, and signed inside, which is what [Login.IDToken] returns (OpenID
	// Connect Core section 10.2); if empty, an encrypted one is refused. The content may be
	// encrypted by AES-GCM or AES-CBC with HMAC, and not be compressed.
	IDTokenEncryptionAlg string `json:"id_token_encryption_alg,omitzero"`

	// UserInfoSigningAlg and UserInfoEncryptionAlg are the userinfo_signed_response_alg
	// and the userinfo_encrypted_response_alg that the application is registered with. If
	// set, a userinfo that is not so is refused. If UserInfoSigningAlg is empty, a signed
	// one is taken too, by the algorithms of SigningAlgs, and one that is encrypted and
	// not signed (OpenID Connect Core section 5.3.2) is trusted as plain JSON is, for the
	// connection that it came over.
	UserInfoSigningAlg    string `json:"userinfo_signing_alg,omitzero"`
	UserInfoEncryptionAlg string `json:"userinfo_encryption_alg,omitzero"`

	// DecryptionKeys open what the provider encrypts to the application. While keys roll
	// over there are several, at most four for one algorithm; [Client.JWKSHandler]
	// publishes the public ones.
	DecryptionKeys []DecryptionKey `json:"-"`

	// ResponseMode is how the authorization response comes back: "" for the query
	// or "form_post", where the browser posts it, from the provider's site: an
	// application behind [http.CrossOriginProtection] has to let
	// "POST /auth/callback/{provider}" through.
	ResponseMode string `json:"response_mode,omitzero"`

	// MaxAge is how long ago the user may have authenticated at the provider,
	// OpenID Connect Core section 3.1.2.1; whole seconds. It is sent as max_age and
	// auth_time is checked against it. If zero, it is neither. In JSON: a number of
	// seconds.
	MaxAge time.Duration `json:"-"`

	// ACRValues are sent as acr_values, most wanted first. The ID token's acr must
	// be one of them.
	ACRValues []string `json:"acr_values,omitzero"`

	// FetchUserInfo has each login of an OpenID Provider fetch the userinfo too,
	// and fail if that fails. Without "openid" in Scopes it is always fetched where
	// there is a UserInfoURL: nothing else says who signed in.
	FetchUserInfo bool `json:"fetch_userinfo,omitzero"`

	// SubjectClaim is the member of the userinfo that identifies the user of an
	// OAuth 2.0 server, and an error where there is none. If empty, "sub", or else "id".
	SubjectClaim string `json:"subject_claim,omitzero"`

	// TrustedAudiences are audiences that an ID token may name besides ClientID.
	TrustedAudiences []string `json:"trusted_audiences,omitzero"`

	// InsecureForeignAZP accepts an ID token whose azp is another client: for a
	// provider that gives azp a meaning of its own.
	InsecureForeignAZP bool `json:"insecure_foreign_azp,omitzero"`

	// InsecureOldIDToken accepts, at login, an ID token issued more than ten
	// minutes ago: for a provider that hands out a stored one. The nonce still
	// binds it to the login.
	InsecureOldIDToken bool `json:"insecure_old_id_token,omitzero"`

	// AllowPrivateNetwork permits connections to private addresses (RFC 1918,
	// loopback, unique local), for a provider inside one's own network. Where the
	// configured URLs themselves name such an address it need not be set.
	// Link-local addresses, where clouds keep their metadata, are never
	// connected to.
	AllowPrivateNetwork bool `json:"allow_private_network,omitzero"`

	// EndpointHosts lists the hosts, with the port where there is one, that the
	// discovered endpoints may be on. If nil, any: OpenID Connect lets them be
	// elsewhere than the issuer, and the log says so.
	EndpointHosts []string `json:"endpoint_hosts,omitzero"`

	// LoginURL is where [Client.RequireToken] sends a browser. If empty, Mount +
	// "/login/" + Name.
	LoginURL string `json:"login_url,omitzero"`

	// PostLogoutRedirectURL is where the browser comes back to from a logout at the provider:
	// the post_logout_redirect_uri that is registered there (OpenID Connect RP-Initiated
	// Logout section 3.1), on the origin of Config.BaseURL. [Client.LoggedOutHandler]
	// answers there; another page may, which then leaves the state and return_to be. If
	// empty, BaseURL + Mount + "/logged-out/" + Name. It is never taken from a request. It is
	// sent to whichever provider has an end_session_endpoint, and one where it is not
	// registered shows an error: register it, or set LocalLogout. Below Config.Mount nothing
	// but the default answers. In JSON: "post_logout_url".
	PostLogoutRedirectURL string `json:"post_logout_url,omitzero"`

	// EndSessionParams are sent besides the protocol's own in each logout request. They
	// cannot replace a parameter that Signon sets, nor be named submit, since the request may
	// be a form.
	EndSessionParams url.Values `json:"end_session_params,omitzero"`

	// LogoutParams names the parameters that a logout form of the application may set for
	// one logout: "logout_hint" and "ui_locales", or others that the provider has. A value
	// in the form wins over that of EndSessionParams; one that is empty or longer than 512
	// bytes is dropped, and of a parameter that stands there twice all but the first. If
	// nil, none.
	LogoutParams []string `json:"logout_params,omitzero"`

	// LocalLogout has a logout end at the application, and not go on to the provider's
	// end_session_endpoint: whoever signs in again is then asked for nothing there.
	LocalLogout bool `json:"local_logout,omitzero"`

	// LogoutWithoutForm leaves the id_token_hint out of a logout request whose URL would be
	// over 2,000 bytes with it, instead of sending the request as a form that the browser
	// posts: for a provider that takes no POST there, or whose cookies are SameSite=Lax, so
	// that none comes with it. What is left says no more than who the application is; the
	// provider may then ask its user.
	LogoutWithoutForm bool `json:"logout_without_form,omitzero"`

	// RevokeOnLogout has the token that a login owns revoked at the provider when that
	// login ends (RFC 7009), the refresh token first: once, in the background, and a failure
	// is logged; [Registry.Shutdown] waits for it. If false, it is deleted only. A token that
	// belongs to a user of the application (Config.OnLogin) stays, and so does one that
	// FetchToken keeps where that is no [TokenStore]. A front-channel logout, which anybody
	// can make who knows a session's id, revokes nothing.
	//
	// Whatever it says, and whatever has ended a login, a pair that a refresh brings after
	// that is revoked: it is nobody's, and nothing that anybody has stops working.
	RevokeOnLogout bool `json:"revoke_on_logout,omitzero"`

	// RequireLogoutType refuses a logout token whose header typ is not logout+jwt (OpenID
	// Connect Back-Channel Logout section 2.4). If false, JWT and none are accepted too,
	// which is what providers send that are older than this type.
	RequireLogoutType bool `json:"require_logout_type,omitzero"`

	// InsecureEndlessLogoutToken accepts a logout token without exp, for a provider by a
	// draft of the specification that did not ask for one. It is refused all the same when
	// it is more than five minutes old.
	InsecureEndlessLogoutToken bool `json:"insecure_endless_logout_token,omitzero"`

	// Hooks bend what the provider bends; see package hooks.
	Hooks hooks.Hooks `json:"-"`

	// FetchToken and UpdateToken replace Config.Tokens for this provider. If
	// FetchToken is set, Signon itself saves and deletes nothing: the application
	// does, in Config.OnLogin, and gets and keeps the tokens unsealed. UpdateToken alone is
	// an error.
	FetchToken  FetchToken  `json:"-"`
	UpdateToken UpdateToken `json:"-"`
}

// TokenPlacement is where an API request carries the access token.
type TokenPlacement string

// The placements of RFC 6750 section 2.
const (
	TokenInHeader TokenPlacement = "header" // Authorization: Bearer, section 2.1; the default
	TokenInBody   TokenPlacement = "body"   // a form parameter of POST, PUT and PATCH, section 2.2
	TokenInQuery  TokenPlacement = "query"  // section 2.3; needs InsecureTokenInQuery
)
