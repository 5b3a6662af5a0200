package databases_test

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/sessionstore/sessiongorm"
	"github.com/seed1a301047/signon/tokenstore"
	"github.com/seed1a301047/signon/tokenstore/tokengorm"
)

// A replica is what one process of the application has: a pool of connections, stores
// and a registry.
type replica struct {
	pool    *gorm.DB
	tokens  *tokens
	logins  *logins
	auth    *signon.Registry
	client  *signon.Client
	handler http.Handler
}

// start makes a replica that seals with these keys.
func (w *world) start(keys [][]byte) *replica {
	w.t.Helper()
	r := &replica{}
	r.open(w)
	cfg := signon.Config{
		BaseURL: appURL, Keys: keys, Tokens: r.tokens, Logins: r.logins,
		Sessions: sessionstore.NewManager(r.logins), HTTPClient: w.op.HTTPClient(),
		Logger: slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OnLogin: func(ctx context.Context, l *signon.Login) (string, error) {
			if w.setup.byLogin {
				return l.ID, w.traps.at(ctx, "OnLogin")
			}
			return l.Subject, w.traps.at(ctx, "OnLogin")
		},
	}
	if w.setup.config != nil {
		w.setup.config(&cfg)
	}
	var err error
	r.auth, err = signon.New(cfg)
	require.NoError(w.t, err)
	p := w.op.SignonProvider("op")
	p.LoginParams = []string{"login_hint"}
	p.Hooks = hooks.Hooks{
		TokenRequest:    func(ctx context.Context, _ *hooks.Request) error { return w.traps.at(ctx, "TokenRequest") },
		TokenResponse:   func(ctx context.Context, _ *hooks.Response) error { return w.traps.at(ctx, "TokenResponse") },
		RefreshRequest:  func(ctx context.Context, _ *hooks.Request) error { return w.traps.at(ctx, "RefreshRequest") },
		RefreshResponse: func(ctx context.Context, _ *hooks.Response) error { return w.traps.at(ctx, "RefreshResponse") },
	}
	if w.setup.provider != nil {
		w.setup.provider(&p)
	}
	r.client, err = r.auth.Register(p)
	require.NoError(w.t, err)
	r.handler = r.routes()
	w.t.Cleanup(func() { // what the store has not taken until now it never will
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = r.auth.Shutdown(ctx)
	})
	return r
}

// open makes the stores and their tables, as each process does at its start.
func (r *replica) open(w *world) {
	w.t.Helper()
	r.pool = dbtest.OpenDSN(w.t, w.kind, w.dsn)
	r.pool.Logger = logger.New(w.sql, logger.Config{LogLevel: logger.Info})
	pool, err := r.pool.DB()
	require.NoError(w.t, err)
	pool.SetMaxOpenConns(4) // many worlds share one server
	tokenRows, err := tokengorm.New(r.pool)
	require.NoError(w.t, err)
	require.NoError(w.t, tokenRows.Migrate(w.t.Context()))
	loginRows, err := sessiongorm.New(r.pool)
	require.NoError(w.t, err)
	require.NoError(w.t, loginRows.Migrate(w.t.Context()))
	if w.setup.timeout > 0 {
		tokenRows.Timeout, loginRows.Timeout = w.setup.timeout, w.setup.timeout
	}
	r.tokens, r.logins = &tokens{tokenRows, w.traps}, &logins{loginRows, w.traps}
}

func (r *replica) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/auth/", r.auth.Handler())
	mux.Handle("/who", r.auth.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		login, _ := signon.LoginFrom(req.Context())
		_, _ = w.Write([]byte(login.Subject))
	})))
	mux.Handle("/items", r.client.RequireToken(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		resp, err := r.client.HTTPClient(req.Context()).Get("items")
		answer(w, resp, err)
	})))
	return mux
}

// traps are what happens at a named place on the way, in any replica.
type traps struct {
	mu sync.Mutex
	do map[string]func(context.Context) error
}

func (t *traps) set(place string, do func(context.Context) error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.do == nil {
		t.do = map[string]func(context.Context) error{}
	}
	t.do[place] = do
}

// once sets a trap that is gone when it has sprung.
func (t *traps) once(place string, do func(context.Context) error) {
	t.set(place, func(ctx context.Context) error {
		t.clear()
		return do(ctx)
	})
}

func (t *traps) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.do = nil
}

func (t *traps) at(ctx context.Context, place string) error {
	t.mu.Lock()
	do := t.do[place]
	t.mu.Unlock()
	if do == nil {
		return nil
	}
	return do(ctx)
}

// A gate holds the first who comes, until it is opened, and lets all others pass.
type gate struct {
	reached, open chan struct{}
	taken         atomic.Bool
}

func newGate() *gate { return &gate{reached: make(chan struct{}), open: make(chan struct{})} }

func (g *gate) pass(context.Context) error {
	if g.taken.CompareAndSwap(false, true) {
		close(g.reached)
		<-g.open
	}
	return nil
}

// wait fails the test if nobody comes.
func (g *gate) wait(w *world) {
	w.t.Helper()
	select {
	case <-g.reached:
	case <-time.After(10 * time.Second):
		close(g.open)
		require.FailNow(w.t, "nobody came to the gate")
	}
}

// tokens and logins are the stores with traps in front of them.
type tokens struct {
	*tokengorm.Store
	traps *traps
}

func (s *tokens) FetchToken(ctx context.Context, key tokenstore.Key) (*oauth2.Token, error) {
	if err := s.traps.at(ctx, "FetchToken"); err != nil {
		return nil, err
	}
	return s.Store.FetchToken(ctx, key)
}

func (s *tokens) SaveToken(ctx context.Context, key tokenstore.Key, token *oauth2.Token) error {
	if err := s.traps.at(ctx, "SaveToken"); err != nil {
		return err
	}
	return s.Store.SaveToken(ctx, key, token)
}

func (s *tokens) UpdateToken(ctx context.Context, key tokenstore.Key, old, token *oauth2.Token) error {
	if err := s.traps.at(ctx, "UpdateToken"); err != nil {
		return err
	}
	return s.Store.UpdateToken(ctx, key, old, token)
}

func (s *tokens) LeaseToken(ctx context.Context, key tokenstore.Key, old *oauth2.Token, lease tokenstore.Lease) error {
	if err := s.traps.at(ctx, "LeaseToken"); err != nil {
		return err
	}
	return s.Store.LeaseToken(ctx, key, old, lease)
}

type logins struct {
	*sessiongorm.Store
	traps *traps
}

func (s *logins) CreateLogin(ctx context.Context, rec *sessionstore.Record) error {
	if err := s.traps.at(ctx, "CreateLogin"); err != nil {
		return err
	}
	return s.Store.CreateLogin(ctx, rec)
}

func (s *logins) Claim(ctx context.Context, key string, until time.Time) error {
	if err := s.traps.at(ctx, "Claim"); err != nil {
		return err
	}
	return s.Store.Claim(ctx, key, until)
}

func (s *logins) CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error {
	if err := s.traps.at(ctx, "CommitCtx"); err != nil {
		return err
	}
	return s.Store.CommitCtx(ctx, token, b, expiry)
}
