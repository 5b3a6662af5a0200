package sessiongorm_test

import (
	"crypto/rand"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/sessionstore/sessiongorm"
	"github.com/seed1a301047/signon/sessionstore/sessiontest"
)

// open returns a store over db whose tables are there.
func open(t testing.TB, db *gorm.DB) *sessiongorm.Store {
	t.Helper()
	store, err := sessiongorm.New(db)
	require.NoError(t, err)
	require.NoError(t, store.Migrate(t.Context()))
	return store
}

func record() *sessionstore.Record {
	now := time.Now().Truncate(time.Millisecond).UTC()
	return &sessionstore.Record{
		ID: "login-" + rand.Text(), Provider: "github", Owner: "owner-" + rand.Text(),
		Issuer: "https://op.example/" + rand.Text(), Subject: "subject-" + rand.Text(), SID: "sid-" + rand.Text(),
		IDToken: []byte("\x00\xffsealed"), UserInfo: []byte{}, UserAgent: "Browser/1.0",
		CreatedAt: now, LastSeen: now, ExpiresAt: now.Add(8 * time.Hour),
	}
}

// exec runs what the stores do not.
func exec(t testing.TB, db *gorm.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		require.NoError(t, db.Exec(s).Error, s)
	}
}

// AR-06, ST-05, ST-06, ST-11, ST-12, SE-03, LO-21 and LO-37 in sessiontest, on one
// database for all checks.
func TestContract(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store := open(t, db)
		sessiontest.Run(t, func(*testing.T) sessionstore.Store { return store })
	})
}

type setting struct{ name, kind, set string }

// settings are what an application may have set on its own database, and what another
// store would stumble over.
func settings() []setting {
	return []setting{
		{"read committed", dbtest.Postgres, "default_transaction_isolation=read committed"},
		{"repeatable read", dbtest.Postgres, "default_transaction_isolation=repeatable read"},
		{"serializable", dbtest.Postgres, "default_transaction_isolation=serializable"},
		{"no prepared statements", dbtest.Postgres, "default_query_exec_mode=exec"},
		{"read committed", dbtest.MariaDB, "tx_isolation='READ-COMMITTED'"},
		{"serializable", dbtest.MariaDB, "tx_isolation='SERIALIZABLE'"},
		{"matched rows are changed rows", dbtest.MariaDB, "clientFoundRows=true"},
		{"parameters in the text", dbtest.MariaDB, "interpolateParams=true"},
		{"cuts what is too long", dbtest.MariaDB, "sql_mode=''"}, // ST-06
		{"latin1", dbtest.MariaDB, "charset=latin1"},
		{"times in a zone", dbtest.MariaDB, "time_zone='-09:00'"},
	}
}

// openSet is a fresh database with a setting.
func openSet(t testing.TB, kind, set string) *gorm.DB {
	t.Helper()
	return dbtest.OpenDSN(t, kind, withSetting(dbtest.DSN(t, kind), set))
}

func withSetting(dsn, set string) string {
	name, value, _ := strings.Cut(set, "=")
	separator := "?"
	if strings.Contains(dsn, "?") {
		separator = "&"
	}
	return dsn + separator + name + "=" + strings.ReplaceAll(url.QueryEscape(value), "+", "%20")
}

func TestContractUnderSettings(t *testing.T) {
	for _, s := range settings() {
		t.Run(s.kind+" "+s.name, func(t *testing.T) {
			store := open(t, openSet(t, s.kind, s.set))
			sessiontest.Run(t, func(*testing.T) sessionstore.Store { return store })
		})
	}
}

func TestNewRefuses(t *testing.T) {
	_, err := sessiongorm.New(nil)
	require.Error(t, err)
	db := dbtest.Open(t, dbtest.SQLite)
	dry := db.Session(&gorm.Session{DryRun: true})
	_, err = sessiongorm.New(dry)
	require.Error(t, err)
}

// A spy sees every statement of a database, and its parameters.
type spy struct {
	mu   sync.Mutex
	seen []statement
}

type statement struct {
	sql  string
	vars []any
}

func watch(t testing.TB, db *gorm.DB) *spy {
	t.Helper()
	s := new(spy)
	see := func(tx *gorm.DB) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.seen = append(s.seen, statement{tx.Statement.SQL.String(), append([]any(nil), tx.Statement.Vars...)})
	}
	require.NoError(t, db.Callback().Row().Before("gorm:row").Register("test:spy", see))
	require.NoError(t, db.Callback().Raw().Before("gorm:raw").Register("test:spy", see))
	return s
}

// take returns what was seen since the last call.
func (s *spy) take() []statement {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := s.seen
	s.seen = nil
	return seen
}
