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
// client, with an example API behind it, and gives that client tokens of its own too. [New] serves it over HTTP on 127.0.0.1
// until the test ends, [Start] until Close, and [NewInProcess] through
// [Provider.HTTPClient] alone, which also works in a bubble of testing/synctest.
// It is strict about what it is sent: PKCE with S256, client authentication,
// codes and refresh tokens that work once.
//
// Config.Endpoints has it answer at the URLs of a real provider, in process, and hooks
// such as [Provider.TokenResponse] and [Provider.UserInfo] give its answers their shape,
// so that a test signs in with a provider's own settings.
//
// # Signing out
//
// [Provider.Logout] ends a user's sessions as an operator of the provider would, and tells
// the application by a logout token at Config.BackChannelLogoutURI, of a shape that the
// armed faults and the hooks give it; [Provider.SendLogoutToken] and
// [Provider.PostLogoutToken] send one anywhere. The end_session endpoint asks first with
// Config.ConfirmLogout, sends logout tokens too, and with Config.FrontChannelLogoutURI
// shows a page with a frame, which [Page.Frames] opens.
//
//	provider.Serve("https://app.test", newApplication(auth)) // what has no socket
//	err := provider.Logout(t.Context(), signontest.Session{Subject: "alice"})
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
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A Provider is an OpenID Provider and OAuth 2.0 authorization server for tests.
// Its methods may be called at any time, by several goroutines at once. It is an
// [http.Handler], so it can be mounted wherever its issuer points to.
type Provider struct {
	cfg                                   Config
	base                                  *url.URL // what the default endpoints are below: the issuer
	routes                                map[Endpoint]route
	idTokenEncryption, userInfoEncryption Encryption // those of cfg, with what they leave out
	extraKey                              key        // signs the userinfo where that has another algorithm

	ownKey crypto.Signer // the client's private key, where the provider has made it
	client *http.Client
	other  string // another origin that leads here, for the redirect faults
	server *http.Server
	stop   context.Context // done when the provider is closed
	cancel context.CancelFunc
	busy   sync.WaitGroup

	mu         sync.Mutex
	closed     bool // nothing is added to busy any more
	keys       keyring
	armed      map[Fault]int // how often it still fires; negative: always
	fired      map[Fault]int
	edits      edits
	handlers   map[string]http.Handler
	sessions   map[string]session
	codes      map[string]*code
	access     map[string]access
	refresh    map[string]refresh
	decryption []decryptionKey
	apps       []clientKey // the public keys of the client
	jtis       map[string]bool
	otherKey   key // made by OtherAlg
	signIns    int
	log        []Request
	counts     map[Endpoint]int
	stats      Stats
	secrets    []string
	hints      map[string]string // the ID tokens, each with its sid

	outbound       *inProcess // reaches the client
	backChannelURI string
	lastJTI        string
	logoutAnswers  []LogoutAnswer
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
	for e, raw := range cfg.Endpoints {
		if !strings.HasPrefix(raw, "/") {
			return nil, fmt.Errorf("signontest: Config.Endpoints[%q] is %q; on a socket it must be a path", e, raw)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("signontest: %w", err)
	}
	cfg.Issuer = "http://" + l.Addr().String()
	if cfg.Tenant != "" {
		cfg.Issuer += tenantPath
	}
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
		if cfg.Tenant != "" {
			cfg.Issuer += tenantPath
		}
	}
	p := newProvider(cfg)
	p.other = "https://elsewhere.test"
	rt := &inProcess{}
	for _, at := range append(p.Origins(), p.other) {
		rt.serve(at, p)
	}
	p.client = &http.Client{Transport: rt}
	return p
}

const tenantPath = "/" + tenantTemplate + "/v2.0"

// discard is for what net/http tells about connections that a fault has cut.
type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// newProvider panics if the configuration makes no sense: that is the test's own
// mistake.
func newProvider(cfg Config) *Provider {
	u, err := url.Parse(strings.Replace(cfg.Issuer, tenantTemplate, commonTenant, 1))
	if err != nil || u.Host == "" {
		panic(fmt.Sprintf("signontest: Config.Issuer %q is not an absolute URL", cfg.Issuer))
	}
	if a := cfg.ClientAuth; a != "" && !slices.Contains(authMethods, a) {
		panic(fmt.Sprintf("signontest: Config.ClientAuth is %q; expected one of %q", a, authMethods))
	}
	p := &Provider{
		cfg: withDefaults(cfg), base: u, routes: routesOf(u, cfg.Endpoints),
		armed: map[Fault]int{}, fired: map[Fault]int{}, counts: map[Endpoint]int{},
		handlers: map[string]http.Handler{}, sessions: map[string]session{},
		codes: map[string]*code{}, access: map[string]access{}, refresh: map[string]refresh{},
		jtis: map[string]bool{}, hints: map[string]string{}, outbound: &inProcess{next: &http.Transport{}}, backChannelURI: cfg.BackChannelLogoutURI,
	}
	p.stop, p.cancel = context.WithCancel(context.Background())
	p.keys = keyring{alg: p.cfg.SigningAlg, secret: p.cfg.ClientSecret}
	p.keys.add(firstKey(p.cfg.SigningAlg))
	if alg := p.cfg.UserInfoSigningAlg; alg != "" && alg != p.cfg.SigningAlg {
		p.extraKey = key{kid: "userinfo-" + rand.Text()[:6], alg: alg, signer: newKey(alg), secret: p.cfg.ClientSecret}
	}
	p.idTokenEncryption = p.withOwnKey(p.cfg.IDTokenEncryption)
	p.userInfoEncryption = p.withOwnKey(p.cfg.UserInfoEncryption)
	p.registerClientKeys()
	if !p.cfg.Public {
		p.secrets = append(p.secrets, p.cfg.ClientSecret)
	}
	return p
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
	p.outbound.CloseIdleConnections()
	p.busy.Wait()
}

// Issuer returns the issuer identifier, as the metadata have it: below it, or with a
// Tenant below its "common" one, is each endpoint that Config.Endpoints does not move.
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
