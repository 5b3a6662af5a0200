package signon_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/alexedwards/scs/v2"
	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/signontest"
	"github.com/seed1a301047/signon/tokenstore"
)

const siteURL = "https://app.test"

// A site is an application with a provider, as its users and its attackers see it.
// It remembers whatever it answered and logged, and holds it against the invariants
// of every sign-in: see holds.
type site struct {
	t        testing.TB
	setup    setup
	op       *signontest.Provider
	auth     *signon.Registry
	client   *signon.Client
	mux      *http.ServeMux
	app      http.Handler // mux, recorded
	sessions *scs.SessionManager
	blobs    *sessionBlobs
	logins   *sessionstore.Memory
	tokens   *tokenstore.Memory
	faults   *saboteur
	log      *logText
	hosts    *hostList

	mu       sync.Mutex
	answers  []siteAnswer
	browsers []*signontest.Browser
}

// setup says what of a site is not as usual.
type setup struct {
	op        signontest.Config
	config    func(*signon.Config)
	provider  func(*signon.Provider)
	inProcess bool // for a bubble of testing/synctest
	oauth     bool // plain OAuth 2.0 instead of OpenID Connect
	saves     bool // the application wraps all of itself in LoadAndSave
	ownErrors bool // OnError is not the default, so pages have no id
}

var siteKeys = [][]byte{sum("first"), sum("second")}

func sum(s string) []byte {
	h := sha256.Sum256([]byte(s))
	return h[:]
}

func newSite(t testing.TB, with setup) *site {
	s := &site{
		t: t, setup: with, mux: http.NewServeMux(), log: &logText{}, faults: &saboteur{},
		blobs: &sessionBlobs{}, logins: &sessionstore.Memory{}, tokens: &tokenstore.Memory{},
	}
	if with.inProcess {
		s.op = signontest.NewInProcess(with.op)
		s.hosts = &hostList{next: s.op.HTTPClient().Transport}
	} else {
		s.op = signontest.New(t, with.op)
		network := &http.Transport{}
		t.Cleanup(network.CloseIdleConnections)
		s.hosts = &hostList{next: network}
	}
	s.blobs.faults = s.faults
	s.sessions = sessionstore.NewManager(s.blobs)
	s.sessions.Codec = &sessionstore.Codec{Logger: slog.New(slog.DiscardHandler)}
	s.auth = s.registry(nil)
	s.client = s.register(s.auth, "op", nil)
	s.routes()
	s.app = s.recorded(s.mux)
	if with.saves {
		s.app = s.recorded(s.sessions.LoadAndSave(s.mux))
	}
	return s
}

// registry is another process of the same application: it shares stores and keys.
func (s *site) registry(change func(*signon.Config)) *signon.Registry {
	s.t.Helper()
	cfg := signon.Config{
		BaseURL: siteURL, Keys: siteKeys, Sessions: s.sessions,
		Logins:     faultyLogins{s.logins, s.faults},
		Tokens:     faultyTokens{s.tokens, s.faults},
		HTTPClient: &http.Client{Transport: s.hosts},
		Logger:     slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range []func(*signon.Config){s.setup.config, change} {
		if f != nil {
			f(&cfg)
		}
	}
	auth, err := signon.New(cfg)
	require.NoError(s.t, err)
	return auth
}

func (s *site) register(auth *signon.Registry, name string, change func(*signon.Provider)) *signon.Client {
	s.t.Helper()
	p := s.op.SignonProvider(name)
	if s.setup.oauth {
		p = s.op.OAuthProvider(name)
	}
	p.LoginParams = []string{"login_hint"}
	for _, f := range []func(*signon.Provider){s.setup.provider, change} {
		if f != nil {
			f(&p)
		}
	}
	c, err := auth.Register(p)
	require.NoError(s.t, err)
	return c
}

func (s *site) routes() {
	s.mux.Handle("/auth/", s.auth.Handler())
	s.mux.Handle("/me", s.auth.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		login, _ := signon.LoginFrom(r.Context())
		fmt.Fprint(w, login.Provider+":"+login.Subject)
	})))
	s.mux.Handle("/private", s.client.RequireToken(http.HandlerFunc(s.callAPI)))
	var cart http.Handler = http.HandlerFunc(s.cart)
	if !s.setup.saves {
		cart = s.sessions.LoadAndSave(cart)
	}
	s.mux.Handle("/cart", cart)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "the application") })
}

// callAPI shows whose token the request has.
func (s *site) callAPI(w http.ResponseWriter, r *http.Request) {
	resp, err := s.client.HTTPClient(r.Context()).Get("items")
	if err != nil {
		http.Error(w, "the API does not answer", http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

// cart is a value of the application's own in the session.
func (s *site) cart(w http.ResponseWriter, r *http.Request) {
	if put := r.URL.Query().Get("put"); put != "" {
		s.sessions.Put(r.Context(), "cart", put)
	}
	fmt.Fprint(w, s.sessions.GetString(r.Context(), "cart"))
}

func (s *site) browser() *signontest.Browser {
	b := signontest.NewBrowser(s.t)
	b.Serve(siteURL, s.app)
	if s.setup.inProcess {
		b.Serve(s.op.Issuer(), s.op)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.browsers = append(s.browsers, b)
	return b
}

// who is signed in, as "provider:subject", or nobody.
func (s *site) who(b *signontest.Browser) string {
	page := b.At(siteURL).Fetch(http.MethodGet, "/me")
	if page.Status == http.StatusOK {
		return page.Body
	}
	require.Equal(s.t, http.StatusUnauthorized, page.Status, page.Body)
	return nobody
}

const nobody = "nobody"

func (s *site) loginURL(user string) string {
	return siteURL + "/auth/login/op?" + url.Values{"login_hint": {user}, "return_to": {"/me"}}.Encode()
}

// signIn logs a user in through the whole flow.
func (s *site) signIn(b *signontest.Browser, user string) *signontest.Page {
	s.t.Helper()
	page := b.Get(s.loginURL(user)).FollowAll(10)
	require.Equal(s.t, http.StatusOK, page.Status, page.Body)
	require.Equal(s.t, siteURL+"/me", page.URL.String())
	return page
}

// answerURL starts a login and returns the callback URL that the provider sends the
// browser to, which has not been opened.
func (s *site) answerURL(b *signontest.Browser, loginURL string) string {
	s.t.Helper()
	page := b.Get(loginURL)
	require.Equal(s.t, http.StatusSeeOther, page.Status, page.Body)
	answer := page.Follow().Location()
	require.NotEmpty(s.t, answer)
	return answer
}

// with returns a URL with some parameters of its query replaced; nil removes one.
func with(raw string, params url.Values) string {
	u, _ := url.Parse(raw)
	q := u.Query()
	for name, values := range params {
		q[name] = values
		if values == nil {
			q.Del(name)
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// param is a parameter of a URL's query.
func param(raw, name string) string {
	u, _ := url.Parse(raw)
	return u.Query().Get(name)
}

// refused runs an attack on a browser and sees that it changed nothing: who is
// signed in (G1, G9), and how many requests the token endpoint got (G2).
func (s *site) refused(b *signontest.Browser, status, exchanges int, attack func() *signontest.Page) *signontest.Page {
	s.t.Helper()
	was, had := s.who(b), s.op.Count(signontest.Token)
	page := attack()
	require.Equal(s.t, status, page.Status, page.Body)
	require.Equal(s.t, was, s.who(b))
	require.Equal(s.t, exchanges, s.op.Count(signontest.Token)-had, "token requests")
	return page
}

// opened is refused for one URL that is opened as a link of another site.
func (s *site) opened(b *signontest.Browser, status, exchanges int, rawURL string) *signontest.Page {
	s.t.Helper()
	return s.refused(b, status, exchanges, func() *signontest.Page { return b.At("https://evil.example/").Click(rawURL) })
}

// serve has the application answer one request, unlike a browser.
func (s *site) serve(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.app.ServeHTTP(w, r)
	return w
}

// raw opens a URL to the letter, where a browser would mend it.
func (s *site) raw(b *signontest.Browser, rawURL string) *signontest.Page {
	r := cookies(httptest.NewRequest(http.MethodGet, rawURL, nil), b)
	r.Header.Set("Accept", "text/html")
	w := s.serve(r)
	return &signontest.Page{Status: w.Code, Header: w.Result().Header, Body: w.Body.String(), URL: r.URL}
}

// cookies puts a browser's cookies into a request.
func cookies(r *http.Request, b *signontest.Browser) *http.Request {
	var list []string
	for name, value := range b.Cookies(siteURL) {
		list = append(list, name+"="+value)
	}
	if len(list) > 0 {
		r.Header.Set("Cookie", strings.Join(list, "; "))
	}
	return r
}

// cookieNamed finds the browser's one cookie whose name begins so.
func (s *site) cookieNamed(b *signontest.Browser, prefix string) (name, value string) {
	s.t.Helper()
	for n, v := range b.Cookies(siteURL) {
		if strings.HasPrefix(n, prefix) {
			require.Empty(s.t, name, "more than one cookie %s", prefix)
			name, value = n, v
		}
	}
	require.NotEmpty(s.t, name, "no cookie %s", prefix)
	return name, value
}

func (s *site) pending(b *signontest.Browser) (n int) {
	for name := range b.Cookies(siteURL) {
		if strings.HasPrefix(name, "__Host-signon-") {
			n++
		}
	}
	return n
}

// logText is a log that can be read.
type logText struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func tokenKey(provider, owner string) tokenstore.Key {
	return tokenstore.Key{Provider: provider, Owner: owner}
}

type signonKey = tokenstore.Key

func selectSubject(s *site, subject string) sessionstore.Selector {
	return sessionstore.Selector{Issuer: s.op.Issuer(), Subject: subject}
}
