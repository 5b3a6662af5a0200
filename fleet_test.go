package signon_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/sessionstore/sessiongorm"
	"github.com/seed1a301047/signon/signontest"
	"github.com/seed1a301047/signon/tokenstore"
	"github.com/seed1a301047/signon/tokenstore/tokengorm"
)

// storeKinds are where a fleet may keep its rows.
var storeKinds = []string{"memory", dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB}

// A fleet is one application on two replicas: two registries over one set of stores,
// each with connections of its own to the database, where there is one.
type fleet struct {
	t        *testing.T
	op       *signontest.Provider
	replicas [2]*replicaOf
	at       atomic.Int32 // which of them the browsers get
	log      *logBuffer

	mu   sync.Mutex
	told []ending
}

// A replicaOf is a process of a fleet.
type replicaOf struct {
	auth     *signon.Registry
	client   *signon.Client
	sessions *scs.SessionManager
	logins   sessionstore.Store
	tokens   signon.TokenStore
	mux      *http.ServeMux
}

// An ending is what Config.OnLogout was told.
type ending struct {
	replica int
	id, who string // by its owner
	cause   signon.LogoutCause
}

// fleetOptions says how a fleet differs from the plain one.
type fleetOptions struct {
	op       signontest.Config
	owned    bool // tokens are the users', "user-" and the subject, not the logins'
	config   func(replica int, c *signon.Config)
	provider func(replica int, p *signon.Provider)
}

// eachStore runs a test on two replicas over each kind of stores.
func eachStore(t *testing.T, o fleetOptions, test func(t *testing.T, f *fleet)) {
	t.Helper()
	for _, kind := range storeKinds {
		t.Run(kind, func(t *testing.T) { test(t, newFleet(t, kind, o)) })
	}
}

func newFleet(t *testing.T, kind string, o fleetOptions) *fleet {
	t.Helper()
	f := &fleet{t: t, op: signontest.NewInProcess(o.op), log: &logBuffer{}}
	stores := newStores(t, kind)
	for i := range f.replicas {
		r := stores()
		cfg := signon.Config{
			BaseURL: siteURL, Keys: siteKeys, Sessions: r.sessions, Logins: r.logins, Tokens: r.tokens,
			HTTPClient: f.op.HTTPClient(), Logger: f.log.logger(), OnLogout: f.onLogout(i),
		}
		if o.owned {
			cfg.OnLogin = func(_ context.Context, l *signon.Login) (string, error) { return "user-" + l.Subject, nil }
		}
		if o.config != nil {
			o.config(i, &cfg)
		}
		var err error
		r.auth, err = signon.New(cfg)
		require.NoError(t, err)
		p := f.op.SignonProvider("op")
		p.LoginParams = []string{"login_hint"}
		if o.provider != nil {
			o.provider(i, &p)
		}
		r.client, err = r.auth.Register(p)
		require.NoError(t, err)
		r.serve()
		f.replicas[i] = r
	}
	return f
}

// newStores makes what the replicas share.
func newStores(t *testing.T, kind string) func() *replicaOf {
	t.Helper()
	if kind == "memory" {
		shared := replicaOf{sessions: sessionstore.NewManager(nil), logins: &sessionstore.Memory{}, tokens: &tokenstore.Memory{}}
		return func() *replicaOf { return new(shared) }
	}
	dsn := dbtest.DSN(t, kind)
	return func() *replicaOf {
		db := dbtest.OpenDSN(t, kind, dsn)
		sessions, err := sessiongorm.New(db)
		require.NoError(t, err)
		require.NoError(t, sessions.Migrate(t.Context()))
		tokens, err := tokengorm.New(db)
		require.NoError(t, err)
		require.NoError(t, tokens.Migrate(t.Context()))
		return &replicaOf{sessions: sessionstore.NewManager(sessions), logins: sessions, tokens: tokens}
	}
}

func (r *replicaOf) serve() {
	r.mux = http.NewServeMux()
	r.mux.Handle("/auth/", r.auth.Handler())
	r.mux.Handle("/me", r.auth.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		login, _ := signon.LoginFrom(r.Context())
		fmt.Fprint(w, login.Subject)
	})))
	r.mux.Handle("/token", r.client.RequireToken(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "a token")
	})))
	r.mux.Handle("/logins", r.auth.RequireLogin(http.HandlerFunc(r.listLogins)))
}

// listLogins is the page that shows an owner's logins.
func (r *replicaOf) listLogins(w http.ResponseWriter, req *http.Request) {
	login, _ := signon.LoginFrom(req.Context())
	list, err := r.auth.Logins(req.Context(), login.Owner)
	if err != nil {
		r.auth.Fail(w, req, err)
		return
	}
	for _, l := range list {
		fmt.Fprintf(w, "%s %q %t\n", l.Provider, l.UserAgent, l.Current)
	}
}

func (f *fleet) onLogout(replica int) func(context.Context, *signon.Login, signon.LogoutCause) {
	return func(_ context.Context, l *signon.Login, cause signon.LogoutCause) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.told = append(f.told, ending{replica, l.ID, l.Owner, cause})
	}
}

// endings are those that were told since the last call.
func (f *fleet) endings() []ending {
	f.mu.Lock()
	defer f.mu.Unlock()
	told := f.told
	f.told = nil
	return told
}

// ServeHTTP answers as the replica whose turn it is.
func (f *fleet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.replicas[f.at.Load()].mux.ServeHTTP(w, r)
}

func (f *fleet) browser() *signontest.Browser {
	b := signontest.NewBrowser(f.t)
	b.Serve(siteURL, f)
	b.Serve(f.op.Issuer(), f.op)
	return b
}

// signIn signs a user in, in a browser of their own.
func (f *fleet) signIn(user string) *signontest.Browser {
	f.t.Helper()
	b := f.browser()
	f.signInWith(b, user)
	return b
}

func (f *fleet) signInWith(b *signontest.Browser, user string) {
	f.t.Helper()
	page := b.Get(siteURL + "/auth/login/op?" + url.Values{"login_hint": {user}, "return_to": {"/me"}}.Encode()).FollowAll(10)
	require.Equal(f.t, http.StatusOK, page.Status, "%s\n%s", page.Body, f.log)
	require.Equal(f.t, user, page.Body)
}

// who is signed in, at both replicas alike.
func (f *fleet) who(b *signontest.Browser) string {
	f.t.Helper()
	var said []string
	for i := range f.replicas {
		f.at.Store(int32(i))
		for _, path := range []string{"/me", "/token"} {
			page := b.At(siteURL).Fetch(http.MethodGet, path)
			if page.Status != http.StatusOK {
				require.Equal(f.t, http.StatusUnauthorized, page.Status, page.Body)
				said = append(said, nobody)
			} else if path == "/me" {
				said = append(said, page.Body)
			}
		}
	}
	said = slices.Compact(said)
	if len(said) == 2 && said[1] == nobody {
		return "a login without a token"
	}
	require.Len(f.t, said, 1, "the replicas do not agree")
	return said[0]
}

// loginOf is the id that a browser's session names.
func (f *fleet) loginOf(b *signontest.Browser) string {
	f.t.Helper()
	sm := f.replicas[0].sessions
	ctx, err := sm.Load(context.Background(), sessionID(b))
	require.NoError(f.t, err)
	_, id, _ := strings.Cut(sm.GetString(ctx, "signon.logins"), "=")
	require.NotEmpty(f.t, id)
	return id
}

// requireTokens: the owners' tokens are there or not.
func (f *fleet) requireTokens(there bool, owners ...string) {
	f.t.Helper()
	for _, owner := range owners {
		_, err := signon.TokensOf(f.replicas[1].auth).FetchToken(f.t.Context(), tokenKey("op", owner))
		if there {
			require.NoError(f.t, err)
		} else {
			require.ErrorIs(f.t, err, tokenstore.ErrNotFound)
		}
	}
}

// shutdown waits for what goes on in the background.
func (f *fleet) shutdown() {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for _, r := range f.replicas {
		require.NoError(f.t, r.auth.Shutdown(ctx))
	}
}
