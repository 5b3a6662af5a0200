package interop_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/signontest"
)

// copies are two processes of one application over one database. It is their load
// balancer: each request goes to the other one than the last, and the back channel,
// which has an address of its own, too.
type copies struct {
	t         *testing.T
	kind, dsn string
	db        *gorm.DB
	client    string
	back      *httptest.Server
	targets   []*url.URL
	turn      atomic.Uint64
	held      map[*user][]*http.Cookie // what each browser had when it was signed in

	mu   sync.Mutex
	told []*http.Response // the answers to logout tokens
}

// newCopies makes what there is before the processes run: the provider has to know the
// back channel.
func newCopies(t *testing.T, kind, client string) *copies {
	t.Helper()
	c := &copies{kind: kind, dsn: dbtest.DSN(t, kind), client: client, held: map[*user][]*http.Cookie{}}
	c.db = dbtest.OpenDSN(t, kind, c.dsn)
	c.back = httptest.NewServer(c)
	t.Cleanup(c.back.Close)
	return c
}

func (c *copies) backChannel() string { return c.back.URL + backChannelPath }

const backChannelPath = "/auth/backchannel-logout/op"

// buildReplica compiles the program that the processes run.
func buildReplica(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "replica")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./storm/replica").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// start runs both processes until the test ends.
func (c *copies) start(t *testing.T, program, issuer string) {
	t.Helper()
	c.t = t
	key := sha256.Sum256([]byte(c.client))
	settings, err := json.Marshal(map[string]any{
		"BaseURL": origin, "Issuer": issuer, "ClientID": c.client, "ClientSecret": clientSecret,
		"Key": key[:], "Database": c.kind, "DSN": c.dsn,
	})
	require.NoError(t, err)
	for range 2 {
		c.targets = append(c.targets, startReplica(t, program, string(settings)))
	}
}

// startReplica starts one process, which hangs on its standard input.
func startReplica(t *testing.T, program, settings string) *url.URL {
	t.Helper()
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), "SIGNON_REPLICA="+settings)
	cmd.Stderr = t.Output()
	cmd.WaitDelay = 5 * time.Second
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	t.Cleanup(func() {
		_ = stdin.Close()
		for lines.Scan() { // to the end, which Wait must not come before
		}
		require.NoError(t, cmd.Wait(), "it stops when it is asked to")
	})
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "READY "); ok {
			return &url.URL{Scheme: "http", Host: address}
		}
	}
	require.FailNow(t, "the process ended before it was ready")
	return nil
}

// ServeHTTP passes a request on to the next process.
func (c *copies) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := c.targets[c.turn.Add(1)%uint64(len(c.targets))]
	proxy := httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.SetURL(target)
			pr.Out.Host = pr.In.Host
		},
		ModifyResponse: func(resp *http.Response) error {
			if r.URL.Path == backChannelPath {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.told = append(c.told, resp)
			}
			return nil
		},
	}
	proxy.ServeHTTP(w, r)
}

// signIn is a browser of its own in which a user has signed in.
func (c *copies) signIn(name string) *user {
	c.t.Helper()
	u := &user{t: c.t, b: signontest.NewBrowser(c.t)}
	u.b.Serve(origin, c)
	page := u.get("/auth/login/op?" + url.Values{"login_hint": {name}, "return_to": {"/me"}}.Encode())
	require.Equal(c.t, http.StatusOK, page.Status, page.Body)
	require.Equal(c.t, name, page.Body)
	c.held[u] = u.cookies()
	c.requireIn(u)
	return u
}

// requireIn: each browser is signed in at both processes.
func (c *copies) requireIn(users ...*user) {
	c.t.Helper()
	for i, u := range users {
		require.Equal(c.t, []int{http.StatusOK, http.StatusOK}, c.statuses(u), "browser %d", i)
	}
}

// requireOut: no browser is signed in at either process.
func (c *copies) requireOut(users ...*user) {
	c.t.Helper()
	for i, u := range users {
		require.Equal(c.t, []int{http.StatusUnauthorized, http.StatusUnauthorized}, c.statuses(u), "browser %d", i)
	}
}

// statuses are what each process answers to the cookies of a browser, also when that has
// been told to forget them.
func (c *copies) statuses(u *user) (list []int) {
	c.t.Helper()
	for _, target := range c.targets {
		r, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, target.String()+"/me", nil)
		require.NoError(c.t, err)
		r.Host = strings.TrimPrefix(origin, "https://")
		for _, cookie := range c.held[u] {
			r.AddCookie(cookie)
		}
		resp, err := http.DefaultClient.Do(r)
		require.NoError(c.t, err)
		require.NoError(c.t, resp.Body.Close())
		list = append(list, resp.StatusCode)
	}
	return list
}

// requireRows: so many logins are left, each with its token.
func (c *copies) requireRows(n int) {
	c.t.Helper()
	for _, table := range []string{"signon_logins", "signon_tokens"} {
		var rows int
		require.NoError(c.t, c.db.Raw("SELECT COUNT(*) FROM "+table).Row().Scan(&rows))
		require.Equal(c.t, n, rows, table)
	}
}

// requireTold: the provider has sent that many logout tokens until now, and each was
// answered as OpenID Connect Back-Channel Logout section 2.8 says.
func (c *copies) requireTold(n int) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Len(c.t, c.told, n)
	for _, resp := range c.told {
		require.Equal(c.t, http.StatusOK, resp.StatusCode)
		require.Contains(c.t, resp.Header.Get("Cache-Control"), "no-store")
	}
}
