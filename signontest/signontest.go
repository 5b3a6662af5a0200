// Package signontest tests an application's sign-in: a provider that runs inside
// the test, friendly by default and hostile on request, and a browser.
//
// The smallest test of an application, without a socket:
//
//	func TestSignIn(t *testing.T) {
//		provider := signontest.NewInProcess(signontest.Config{})
//		auth, err := signon.New(signon.Config{BaseURL: "https://app.test", HTTPClient: provider.HTTPClient()})
//		require.NoError(t, err)
//		_, err = auth.Register(provider.SignonProvider("op"))
//		require.NoError(t, err)
//
//		browser := signontest.NewBrowser(t)
//		browser.Serve("https://app.test", newApplication(auth))
//		browser.Serve(provider.Issuer(), provider)
//		page := browser.Get("https://app.test/auth/login/op").FollowAll(9)
//		require.Contains(t, page.Body, "Alice")
//	}
//
// # The provider
//
// A [Provider] is an OpenID Provider and OAuth 2.0 authorization server for one
// client, with an example API behind it. [New] serves it over HTTP on 127.0.0.1
// until the test ends, [Start] until Close, and [NewInProcess] through
// [Provider.HTTPClient] alone, which also works in a bubble of testing/synctest.
// It is strict about what it is sent: PKCE with S256, client authentication,
// codes and refresh tokens that work once.
//
// # Faults
//
// [Provider.Arm] arms a [Fault] by its name; it fires each time until it is
// disarmed, or with [Provider.ArmN] a number of times. What has no name is done
// with a hook, such as [Provider.IDTokenClaims], or by taking over a whole
// endpoint with [Provider.Handle].
//
//	provider.Arm(signontest.WrongNonce)
//	provider.Arm(signontest.SlowBody.At(signontest.UserInfo))
//
// # Observations
//
// [Provider.Requests] and [Provider.Count] tell what arrived, [Provider.Stats]
// what became of codes and refresh tokens, and [Provider.Secrets] what must not
// be found in a log or a page.
//
// # The browser
//
// A [Browser] keeps cookies as a browser does, sends what a browser sends with a
// request, follows a redirect only when told to, and submits forms.
//
// This package is for tests and demonstrations. Nothing in it protects anything.
package signontest

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"sync"
	"testing"
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
	// empty, "https://provider.test". [New] and [Start] set it to their address.
	Issuer string

	// ClientID and ClientSecret are the one client's. If empty, "app" and a fixed
	// secret of 32 characters.
	ClientID, ClientSecret string

	// Public makes the client a public one, which has no secret.
	Public bool

	// ClientAuth is the only method by which a client may prove itself:
	// "client_secret_basic" or "client_secret_post". If empty, either.
	ClientAuth string

	// Redirects are the redirect URIs of the client. If nil, any absolute http or
	// https URI.
	Redirects []string

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

	// LeanIDToken keeps name, e-mail and User.Claims out of the ID token, as many
	// providers do: they are in the userinfo only.
	LeanIDToken bool

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

// A Provider is an OpenID Provider and OAuth 2.0 authorization server for tests.
// Its methods may be called at any time, by several goroutines at once. It is an
// [http.Handler], so it can be mounted wherever its issuer points to.
type Provider struct {
	cfg    Config
	issuer *url.URL
	client *http.Client
	other  string // another origin that leads here, for the redirect faults
	server *http.Server
	stop   context.Context // done when the provider is closed
	cancel context.CancelFunc
	busy   sync.WaitGroup

	mu       sync.Mutex
	closed   bool // nothing is added to busy any more
	keys     keyring
	armed    map[Fault]int // how often it still fires; negative: always
	fired    map[Fault]int
	edits    edits
	handlers map[string]http.Handler
	sessions map[string]session
	codes    map[string]*code
	access   map[string]access
	refresh  map[string]refresh
	log      []Request
	counts   map[Endpoint]int
	stats    Stats
	secrets  []string
}

// New starts a provider on a free port of 127.0.0.1 and closes it when the test
// ends. It fails the test if it cannot.
func New(t testing.TB, cfg Config) *Provider {
	t.Helper()
	p, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// Start starts a provider on a free port of 127.0.0.1, to be closed with Close.
func Start(cfg Config) (*Provider, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("signontest: %w", err)
	}
	cfg.Issuer = "http://" + l.Addr().String()
	p := newProvider(cfg)
	p.other = fmt.Sprintf("http://localhost:%d", l.Addr().(*net.TCPAddr).Port)
	p.client = &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true}}
	p.server = &http.Server{
		Handler:     p,
		BaseContext: func(net.Listener) context.Context { return p.stop },
		ErrorLog:    log.New(discard{}, "", 0),
	}
	p.busy.Go(func() { _ = p.server.Serve(l) })
	return p, nil
}

// NewInProcess returns a provider without a socket: its [Provider.HTTPClient]
// hands requests to it directly. Time in it is that of the test, so in a bubble
// of testing/synctest a provider that hangs costs nothing.
func NewInProcess(cfg Config) *Provider {
	if cfg.Issuer == "" {
		cfg.Issuer = "https://provider.test"
	}
	p := newProvider(cfg)
	p.other = "https://elsewhere.test"
	rt := &inProcess{}
	rt.serve(origin(p.issuer), p)
	rt.serve(p.other, p)
	p.client = &http.Client{Transport: rt}
	return p
}

// discard is for what net/http tells about connections that a fault has cut.
type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// newProvider panics if the configuration makes no sense: that is the test's own
// mistake.
func newProvider(cfg Config) *Provider {
	u, err := url.Parse(cfg.Issuer)
	if err != nil || u.Host == "" {
		panic(fmt.Sprintf("signontest: Config.Issuer %q is not an absolute URL", cfg.Issuer))
	}
	if a := cfg.ClientAuth; a != "" && a != "client_secret_basic" && a != "client_secret_post" {
		panic(fmt.Sprintf("signontest: Config.ClientAuth %q is neither client_secret_basic nor client_secret_post", a))
	}
	p := &Provider{
		cfg: withDefaults(cfg), issuer: u,
		armed: map[Fault]int{}, fired: map[Fault]int{}, counts: map[Endpoint]int{},
		handlers: map[string]http.Handler{}, sessions: map[string]session{},
		codes: map[string]*code{}, access: map[string]access{}, refresh: map[string]refresh{},
	}
	p.stop, p.cancel = context.WithCancel(context.Background())
	p.keys = keyring{alg: p.cfg.SigningAlg, secret: p.cfg.ClientSecret}
	p.keys.add(firstKey(p.cfg.SigningAlg))
	if !p.cfg.Public {
		p.secrets = append(p.secrets, p.cfg.ClientSecret)
	}
	return p
}

func withDefaults(c Config) Config {
	setDefault(&c.ClientID, "app")
	setDefault(&c.ClientSecret, "secret-of-app-0123456789abcdefgh")
	setDefault(&c.SigningAlg, "RS256")
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

// Close stops the provider and ends the answers that hang. It returns when the
// last one has ended.
func (p *Provider) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.cancel()
	if p.server != nil {
		_ = p.server.Close()
	}
	p.client.CloseIdleConnections()
	p.busy.Wait()
}

// Issuer returns the issuer identifier, which is also the base of every endpoint.
func (p *Provider) Issuer() string { return p.cfg.Issuer }

// HTTPClient returns the client that reaches the provider. It follows redirects,
// as any [http.Client] does, and has no cookies.
func (p *Provider) HTTPClient() *http.Client {
	c := *p.client
	return &c
}

// ClientID returns the identifier of the one client.
func (p *Provider) ClientID() string { return p.cfg.ClientID }

// ClientSecret returns the secret of the one client, or "" for a public one.
func (p *Provider) ClientSecret() string { return p.cfg.ClientSecret }

// URL returns the address of an endpoint. Of [API] it is the base, with a slash
// at its end.
func (p *Provider) URL(e Endpoint) string { return p.cfg.Issuer + e.path() }

func (p *Provider) user(subject string) (User, bool) {
	for _, u := range p.cfg.Users {
		if u.Subject == subject || u.Email != "" && u.Email == subject {
			return u, true
		}
	}
	return User{}, false
}

// tlsOf lets a handler in process see that the request came by https.
func tlsOf(u *url.URL) *tls.ConnectionState {
	if u.Scheme != "https" {
		return nil
	}
	return &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: u.Hostname()}
}
