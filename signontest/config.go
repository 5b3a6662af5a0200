package signontest

import (
	"encoding/json"
	"strings"
	"time"
)

// Interaction is what the provider does with a user who has to sign in.
type Interaction string

// The interactions.
const (
	AutoApprove Interaction = ""     // signs in the user of login_hint, else the first one, and approves
	Deny        Interaction = "deny" // answers access_denied
	Form        Interaction = "form" // shows a page with one form: "username", and "decision" approve or deny
)

// Config says how a [Provider] is. The zero value is a friendly one.
type Config struct {
	// Issuer is the issuer identifier of a provider made by [NewInProcess]. If
	// empty, "https://provider.test", or with a Tenant below that "/{tenantid}/v2.0". [New]
	// and [Start] set it to their address, or with a Tenant to that path there.
	Issuer string

	// ClientID and ClientSecret are the one client's. If empty, "app" and a fixed
	// secret of 32 characters.
	ClientID, ClientSecret string

	// Public makes the client a public one, which has no secret.
	Public bool

	// ClientAuth is the only method by which a client may prove itself:
	// "client_secret_basic", "client_secret_post", "client_secret_jwt" or
	// "private_key_jwt" (OpenID Connect Core section 9). If empty, Basic or Post.
	ClientAuth string

	// RawBasic takes what Basic authentication brings as it is, where RFC 6749 section
	// 2.3.1 has it form-urlencoded.
	RawBasic bool

	// ClientKeys is the JWK Set of the client's public keys, RFC 7517, for
	// private_key_jwt; see [Provider.SetClientKeys]. If nil, one ES256 key, whose private
	// half [Provider.SignonProvider] hands out.
	ClientKeys json.RawMessage

	// Redirects are the redirect URIs of the client. If nil, any absolute http or
	// https URI.
	Redirects []string

	// PostLogoutRedirects are the post_logout_redirect_uris of the client (OpenID Connect
	// RP-Initiated Logout section 3.1). If nil, any http or https URI on the origin of one
	// of Redirects, or where those are nil any.
	PostLogoutRedirects []string

	// ConfirmLogout has the end_session endpoint ask first, by a page with the form "logout":
	// "decision" yes or no. If false, it asks nobody. After a no there is a page with the
	// form "continue" for the way back.
	ConfirmLogout bool

	// BackChannelLogoutURI is where the client wants logout tokens (OpenID Connect
	// Back-Channel Logout section 2.2); see [Provider.Serve] for a client in process. If
	// empty, it wants none.
	BackChannelLogoutURI string

	// BackChannelDelay is how long after a logout at the end_session endpoint the tokens are
	// sent. If zero, they are sent before the endpoint answers.
	BackChannelDelay time.Duration

	// FrontChannelLogoutURI is the client's page for a frame in the provider's own (OpenID
	// Connect Front-Channel Logout section 2): the end_session endpoint then shows a page
	// with the frame and the form "continue" for the way back. If empty, there is none.
	FrontChannelLogoutURI string

	// NoSessionID leaves sid out of ID tokens and logout tokens, and iss and sid out of the
	// URL of a frame: the metadata say that sessions are not supported.
	NoSessionID bool

	// Users are those who may sign in. If nil, alice and bob.
	Users []User

	// Interaction is what is done with a user who has to sign in. If empty,
	// AutoApprove.
	Interaction Interaction

	// CodeLife, TokenLife, IDTokenLife and RefreshLife are how long a code, an
	// access token, an ID token and a refresh token live. If zero, one minute, one
	// hour, one hour, one day.
	CodeLife, TokenLife, IDTokenLife, RefreshLife time.Duration

	// SigningAlg signs ID tokens: RS256, RS384, RS512, PS256, PS384, PS512, ES256,
	// ES384, ES512, EdDSA or HS256, which is keyed with the client secret. If
	// empty, RS256.
	SigningAlg string

	// IDTokenEncryption is how ID tokens are encrypted to the client after they are signed.
	// If its Alg is empty, they are not.
	IDTokenEncryption Encryption

	// UserInfoSigningAlg signs the userinfo, by any algorithm of SigningAlg, and
	// UserInfoEncryption encrypts it, after it is signed if it is (OpenID Connect Core
	// section 5.3.2). If both are empty, it is JSON.
	UserInfoSigningAlg string
	UserInfoEncryption Encryption

	// Tenant is whom the users are of where Issuer is one of many tenants, with
	// {tenantid} in it, as Microsoft's is: the metadata have that as it is, and tokens the
	// tenant in its place and as "tid". If empty, there are no tenants, or a fixed one
	// where Issuer has {tenantid}.
	Tenant string

	// LeanIDToken keeps name, e-mail and User.Claims out of the ID token, as many
	// providers do: they are in the userinfo only.
	LeanIDToken bool

	// Endpoints are the URLs of endpoints that are elsewhere than by default: absolute
	// ones, as a real provider has them, with [NewInProcess] only; or paths below the
	// issuer, with a slash in front. One may have a query, which a request must then have
	// too. [Provider.HTTPClient] reaches all of them; see [Provider.Origins] for a browser.
	Endpoints map[Endpoint]string

	// ScopeSeparator is between the scopes of a request and of an answer. If empty, a
	// space, as RFC 6749 section 3.3 says.
	ScopeSeparator string

	// JSONTokenRequest has the token endpoint take a JSON object of strings and no form.
	JSONTokenRequest bool

	// CheckSecret judges the client secret in the place of a comparison with ClientSecret,
	// for a provider that wants one made on the fly.
	CheckSecret func(secret string) error

	// NoRotation lets a refresh token live on after its use. Otherwise each use
	// replaces it, and using a replaced one revokes the whole family.
	NoRotation bool
}

// A User is somebody who can sign in at a [Provider].
type User struct {
	Subject       string         // sub; also what login_hint and the form call the user
	Name          string         // name, with the scope profile
	Email         string         // email, with the scope email
	EmailVerified bool           // email_verified, with the scope email
	ID            int64          // id in the API's /user
	Claims        map[string]any // further members of the ID token and the userinfo
}

// defaultUsers has, as alice's id, the first integer that a float64 cannot hold.
func defaultUsers() []User {
	return []User{
		{Subject: "alice", Name: "Alice Adams", Email: "alice@example.com", EmailVerified: true, ID: 9007199254740993},
		{Subject: "bob", Name: "Bob Brown", Email: "bob@example.com", ID: 12345678},
	}
}

func withDefaults(c Config) Config {
	setDefault(&c.ClientID, "app")
	setDefault(&c.ClientSecret, "secret-of-app-0123456789abcdefgh")
	setDefault(&c.SigningAlg, "RS256")
	if strings.Contains(c.Issuer, tenantTemplate) {
		setDefault(&c.Tenant, "8eaef023-2b34-4da1-9baa-8bc8c9d6a490")
	}
	setDefault(&c.CodeLife, time.Minute)
	setDefault(&c.TokenLife, time.Hour)
	setDefault(&c.IDTokenLife, time.Hour)
	setDefault(&c.RefreshLife, 24*time.Hour)
	if c.Public {
		c.ClientSecret = ""
	}
	if c.Users == nil {
		c.Users = defaultUsers()
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
