package signon_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/signontest"
	"github.com/seed1a301047/signon/tokenstore"
)

// appURL is where an app is, for the browser in process.
const appURL = "https://app.test"

// An app is an application with one provider, "op", and a browser, all in process:
// what it needs of time is that of the test's bubble.
type app struct {
	t       *testing.T
	op      *signontest.Provider
	auth    *signon.Registry
	client  *signon.Client
	browser *signontest.Browser
	tokens  *watchedTokens
	vault   vault
	logins  *watchedLogins
	log     *logBuffer

	mu       sync.Mutex
	failures []*signon.Failure
}

// appOptions says how an app differs from the plain one.
type appOptions struct {
	op       signontest.Config
	oauth    bool // plain OAuth 2.0 instead of OpenID Connect
	owned    bool // the token is the user's, by the subject, not the login's
	provider func(*signon.Provider)
	config   func(*signon.Config)
}

func newApp(t *testing.T, o appOptions) *app {
	t.Helper()
	a := &app{
		t: t, op: signontest.NewInProcess(o.op), browser: signontest.NewBrowser(t),
		tokens: &watchedTokens{}, logins: &watchedLogins{}, log: &logBuffer{},
	}
	cfg := signon.Config{
		BaseURL: appURL, Keys: [][]byte{[]byte("0123456789abcdef0123456789abcdef")},
		Tokens: a.tokens, Logins: a.logins, Logger: a.log.logger(), HTTPClient: a.op.HTTPClient(),
		OnError: a.onError,
	}
	if o.owned {
		cfg.OnLogin = func(_ context.Context, l *signon.Login) (string, error) { return l.Subject, nil }
	}
	if o.config != nil {
		o.config(&cfg)
	}
	var err error
	a.auth, err = signon.New(cfg)
	require.NoError(t, err)
	a.vault = newVault(t, &a.tokens.Memory, cfg)
	t.Cleanup(func() { // what a store has not taken until now it never will
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = a.auth.Shutdown(ctx)
	})
	p := a.op.SignonProvider("op")
	if o.oauth {
		p = a.op.OAuthProvider("op")
	}
	if o.provider != nil {
		o.provider(&p)
	}
	a.client, err = a.auth.Register(p)
	require.NoError(t, err)
	a.browser.Serve(appURL, a.handler())
	a.browser.Serve(a.op.Issuer(), a.op)
	return a
}

func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/auth/", a.auth.Handler())
	mux.Handle("/who", a.auth.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		login, _ := signon.LoginFrom(r.Context())
		_, _ = io.WriteString(w, "signed in: "+login.Subject)
	})))
	mux.Handle("/items", a.client.RequireToken(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, err := a.client.HTTPClient(r.Context()).Get("items")
		if err != nil {
			http.Error(w, "no items", http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	})))
	return mux
}

func (a *app) onError(w http.ResponseWriter, r *http.Request, err error) {
	if f, ok := err.(*signon.Failure); ok {
		a.mu.Lock()
		a.failures = append(a.failures, f)
		a.mu.Unlock()
	}
	signon.Error(w, r, err)
}

// lastFailure is what the last failed request came to.
func (a *app) lastFailure() *signon.Failure {
	a.t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	require.NotEmpty(a.t, a.failures)
	return a.failures[len(a.failures)-1]
}

// signIn signs in, as far as it gets.
func (a *app) signIn() *signontest.Page {
	a.t.Helper()
	return a.browser.Get(appURL + "/auth/login/op?return_to=/who").FollowAll(10)
}

func (a *app) requireSignedIn(subject string) {
	a.t.Helper()
	page := a.browser.Get(appURL + "/who")
	require.Equal(a.t, http.StatusOK, page.Status, "not signed in; log:\n%s", a.log)
	require.Equal(a.t, "signed in: "+subject, page.Body)
}

// requireNobody: no browser is signed in, no token, no login was ever stored. // G1
func (a *app) requireNobody() {
	a.t.Helper()
	require.Equal(a.t, http.StatusSeeOther, a.browser.Get(appURL+"/who").Status)
	require.Zero(a.t, a.tokens.saves.Load(), "a token was stored")
	require.Zero(a.t, a.logins.creates.Load(), "a login was stored")
}

// requireQuiet: no secret in the log or the page. // G3, G11
func (a *app) requireQuiet(pages ...*signontest.Page) {
	a.t.Helper()
	texts := []string{a.log.String()}
	for _, p := range pages {
		var head strings.Builder
		_ = p.Header.Write(&head)
		texts = append(texts, p.Body, head.String())
	}
	for _, secret := range a.op.Secrets() {
		for _, text := range texts {
			require.NotContains(a.t, text, secret)
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(texts[0]), "\n") {
		require.True(a.t, strings.HasPrefix(line, `{"time":`) || line == "", "a forged line: %q", line)
	}
}

// as is a context of the owner, for work in the background.
func (a *app) as(owner string) context.Context { return signon.WithOwner(a.t.Context(), owner) }

// stored is what the store has, behind the back of whatever watches it.
func (a *app) stored(owner string) *oauth2.Token {
	a.t.Helper()
	token, err := a.vault.FetchToken(a.t.Context(), tokenstore.Key{Provider: "op", Owner: owner})
	require.NoError(a.t, err)
	return token
}

// store changes what the store has in the same way.
func (a *app) store(owner string, change func(*oauth2.Token)) {
	a.t.Helper()
	token := a.stored(owner)
	change(token)
	require.NoError(a.t, a.vault.SaveToken(a.t.Context(), tokenstore.Key{Provider: "op", Owner: owner}, token))
}

// expire makes the stored token one that has just expired.
func (a *app) expire(owner string) {
	a.t.Helper()
	a.store(owner, func(t *oauth2.Token) { t.Expiry = time.Now().Add(-time.Second) })
}

// forgetIDToken makes of the owner's token one of a store that keeps no ID token: a
// refresh then asks the logins for it.
func (a *app) forgetIDToken(owner string) {
	a.t.Helper()
	a.store(owner, func(t *oauth2.Token) {
		extra := tokenstore.ExtraOf(t)
		extra.IDToken = ""
		*t = *extra.Put(t)
	})
}

// refreshes is how many refresh requests have reached the provider.
func (a *app) refreshes() int {
	n := 0
	for _, r := range a.op.Requests(signontest.Token) {
		if r.Form.Get("grant_type") == "refresh_token" {
			n++
		}
	}
	return n
}

// A vault opens what a registry keeps in a memory store.
type vault interface {
	signon.TokenStore
	tokenstore.Leaser
	tokenstore.Lister
}

// unwatched is a memory store that is sealed, which Memory itself is not.
type unwatched struct{ *tokenstore.Memory }

func newVault(tb testing.TB, rows *tokenstore.Memory, cfg signon.Config) vault {
	tb.Helper()
	cfg.Tokens, cfg.Logger = unwatched{rows}, slog.New(slog.DiscardHandler)
	auth, err := signon.New(cfg)
	require.NoError(tb, err)
	v, ok := signon.TokensOf(auth).(vault)
	require.True(tb, ok)
	return v
}

// watchedTokens is a memory store that a test can look at and break.
type watchedTokens struct {
	tokenstore.Memory
	fetches, saves, updates, deletes        atomic.Int32
	onFetch, onUpdate, onDelete, afterFetch trap
	onKey                                   atomic.Pointer[func(tokenstore.Key) error]
	owner                                   atomic.Pointer[string] // of the last login
}

func (s *watchedTokens) FetchToken(ctx context.Context, key tokenstore.Key) (*oauth2.Token, error) {
	s.fetches.Add(1)
	if err := s.onFetch.spring(ctx); err != nil {
		return nil, err
	}
	token, err := s.Memory.FetchToken(ctx, key)
	if broken := s.afterFetch.spring(ctx); broken != nil {
		return nil, broken
	}
	return token, err
}

func (s *watchedTokens) SaveToken(ctx context.Context, key tokenstore.Key, token *oauth2.Token) error {
	s.saves.Add(1)
	s.owner.Store(&key.Owner)
	return s.Memory.SaveToken(ctx, key, token)
}

func (s *watchedTokens) UpdateToken(ctx context.Context, key tokenstore.Key, old, token *oauth2.Token) error {
	s.updates.Add(1)
	if err := s.onUpdate.spring(ctx); err != nil {
		return err
	}
	if fn := s.onKey.Load(); fn != nil {
		if err := (*fn)(key); err != nil {
			return err
		}
	}
	return s.Memory.UpdateToken(ctx, key, old, token)
}

func (s *watchedTokens) DeleteToken(ctx context.Context, key tokenstore.Key, old *oauth2.Token) error {
	s.deletes.Add(1)
	if err := s.onDelete.spring(ctx); err != nil {
		return err
	}
	return s.Memory.DeleteToken(ctx, key, old)
}

// watchedLogins is the same for logins.
type watchedLogins struct {
	sessionstore.Memory
	creates        atomic.Int32
	onLogins, late trap // before and after
}

func (s *watchedLogins) CreateLogin(ctx context.Context, rec *sessionstore.Record) error {
	s.creates.Add(1)
	return s.Memory.CreateLogin(ctx, rec)
}

func (s *watchedLogins) Logins(ctx context.Context, by sessionstore.Selector) ([]*sessionstore.Record, error) {
	if err := s.onLogins.spring(ctx); err != nil {
		return nil, err
	}
	list, err := s.Memory.Logins(ctx, by)
	return list, errors.Join(err, s.late.spring(ctx))
}

// A trap is a function that a test sets into the way of a call.
type trap struct {
	fn atomic.Pointer[func(context.Context) error]
}

func (t *trap) set(fn func(context.Context) error) { t.fn.Store(&fn) }
func (t *trap) clear()                             { t.fn.Store(nil) }
func (t *trap) spring(ctx context.Context) error {
	if fn := t.fn.Load(); fn != nil {
		return (*fn)(ctx)
	}
	return nil
}

// A gate holds whoever comes first until it is opened; the others pass.
type gate struct {
	held          atomic.Bool
	reached, open chan struct{}
}

func newGate() *gate { return &gate{reached: make(chan struct{}), open: make(chan struct{})} }

func (g *gate) pass(context.Context) error {
	if g.held.CompareAndSwap(false, true) {
		close(g.reached)
		<-g.open
	}
	return nil
}

// logBuffer keeps what is logged, at debug level.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// roundTrip is a transport inside the process.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// answered is an answer without a network.
func answered(r *http.Request, status int, header http.Header, body string) *http.Response {
	rec := httptest.NewRecorder()
	for name, values := range header {
		rec.Header()[name] = values
	}
	rec.WriteHeader(status)
	_, _ = rec.Body.WriteString(body)
	resp := rec.Result()
	resp.Request = r
	return resp
}

// newLeaver is the context of a caller who leaves.
func newLeaver(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

// keepLogin is an OnLogin that keeps the login and has it own its token.
func keepLogin(kept **signon.Login) func(context.Context, *signon.Login) (string, error) {
	return func(_ context.Context, l *signon.Login) (string, error) {
		*kept = l
		return l.Subject, nil
	}
}
