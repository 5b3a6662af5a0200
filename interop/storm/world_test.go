package storm_test

import (
	"crypto/rand"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/interop/op"
)

const (
	clientID     = "storm"
	clientSecret = "of this test, and of no use elsewhere"
)

// databases are those that the replicas share in turn.
var databases = []string{"postgres", "mariadb", "sqlite"}

// A world is a provider, the line to it, and the replicas of one application on one
// database.
type world struct {
	ledger *ledger
	line   *line
	fleet  *fleet
	dsn    string
}

// TestMain has the provider load storage.mjs.
func TestMain(m *testing.M) {
	storage, err := filepath.Abs("storage.mjs")
	if err != nil {
		panic(err)
	}
	load := url.URL{Scheme: "file", Path: filepath.ToSlash(storage)}
	if err := os.Setenv("NODE_OPTIONS", "--import="+load.String()); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// newWorld starts everything. Access tokens live for life.
func newWorld(t testing.TB, program, database string, replicas int, life time.Duration) *world {
	t.Helper()
	w := &world{ledger: newLedger()}
	if database != "" {
		w.dsn = dbtest.DSN(t, database)
	}
	provider := startProvider(t, life)
	w.line = newLine(t, provider.Issuer, w.ledger)
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails: crypto/rand
	w.fleet = &fleet{
		t: t, program: program, ledger: w.ledger, output: new(tail),
		tokenURL: w.line.URL + "/token/",
		settings: settings{
			BaseURL: origin, Issuer: provider.Issuer, APIBaseURL: w.line.URL + "/api/",
			ClientID: clientID, ClientSecret: clientSecret, Key: key,
			Database: database, DSN: w.dsn,
		},
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("what the replicas logged last:\n%s", w.fleet.output)
		}
	})
	w.fleet.start(replicas)
	return w
}

// startProvider starts an oidc-provider that rotates refresh tokens, ends a family
// at the second use of one, and forgets nothing.
func startProvider(t testing.TB, life time.Duration) *op.Provider {
	t.Helper()
	return op.Start(t, op.Config{
		Signing: []string{"RS256"},
		TTL:     map[string]int{"AccessToken": int(life / time.Second)},
		Clients: []op.Client{{ID: clientID, Secret: clientSecret, RedirectURIs: []string{origin + "/auth/callback/op"}}},
	})
}
