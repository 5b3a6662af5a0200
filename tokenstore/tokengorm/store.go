// Package tokengorm keeps the tokens of users in a database, through GORM: SQLite,
// PostgreSQL, MariaDB or MySQL.
//
//	db, err := gorm.Open(postgres.Open(dsn), &gorm.Config{})
//	tokens, err := tokengorm.New(db)
//	err = tokens.Migrate(ctx)
//	auth, err := signon.New(signon.Config{Keys: keys, Tokens: tokens, ...})
//
// # The table
//
// Tokens are in the table signon_tokens, a row for each provider and owner, which are
// its primary key and are compared byte by byte in every database. No column is short
// enough to cut a token, and one above 4 MB is refused. Times are seconds since 1970,
// UTC. [Store.Migrate] makes the table and adds what a newer version of this package
// needs; whoever makes tables otherwise finds the statements in [Store.Schema] and calls
// [Store.Check] at start. Rows of logins that are over go by [Store.DeleteExpired],
// called by whom it suits.
//
// Each method is one statement, prepared once, and a second one to tell why the first
// changed nothing. The row's version, a number that is another one after each write, lets
// nobody overwrite what he has not read: a refresh that comes late changes nothing after
// a logout or a new login.
//
// # Secrets
//
// The store keeps the strings that it gets. It is signon that seals them, with
// signon.Config.Keys, before they come here: who uses a Store without signon has plain
// tokens in the table. The logger of the gorm.DB gets statements and never their
// parameters. A plugin of GORM that writes parameters down does so here too.
//
// # Databases
//
// SQLite (gorm.io/driver/sqlite, which needs cgo) wants a DSN like
//
//	file:app.db?_journal_mode=WAL&_busy_timeout=5000&_txlock=immediate
//
// so that one writes while others read, and a second writer waits. MySQL has to be
// 8.0.13 or newer, MariaDB 10.3. Statements are prepared, which PgBouncer in its
// transaction mode wants to be told of (max_prepared_statements); make one Store for a
// database, since it keeps them. Hand in a gorm.DB that reaches the primary: a replica
// that lags behind gives a token back that was spent. A server does a statement that has
// waited for a lock even if nobody waits for it any more: set its own bound below
// [Store.Timeout] (lock_timeout, innodb_lock_wait_timeout) where rows are locked for long.
package tokengorm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorm.io/gorm"

	"github.com/seed1a301047/signon/internal/gormdb"
	"github.com/seed1a301047/signon/tokenstore"
)

// A Store is a signon.TokenStore, a [tokenstore.Leaser] and a [tokenstore.Lister] over
// a database that many processes share. Any number of goroutines may call its methods
// at once. Make one with [New] and set its field before the first call.
//
// Each method refuses a key that [tokenstore.Key.Check] refuses. When its context is done
// it returns the context's error; a write that had begun by then is done whole, or not.
type Store struct {
	// Timeout is how long the database may take for one call, with the wait for a
	// connection and for locks. If 0, 5 seconds. Migrate takes as long as its context
	// allows. An SQLite that is not in WAL mode makes readers wait too, and for as long as
	// the DSN's _busy_timeout says.
	Timeout time.Duration

	db  *gormdb.DB
	sql statements
}

var (
	_ tokenstore.Leaser = (*Store)(nil)
	_ tokenstore.Lister = (*Store)(nil)
)

// New returns a store of the tokens in db. It does not ask the database anything.
func New(db *gorm.DB) (*Store, error) {
	seam, err := gormdb.New(db)
	if err != nil {
		return nil, fmt.Errorf("tokengorm: %w", err)
	}
	return &Store{db: seam, sql: newStatements(seam)}, nil
}

// Migrate makes the table, or adds the columns and indexes that it lacks, and changes
// nothing else. Any number of processes may call it at once, at each start. It returns
// an error for a table that is not ours, as [Store.Check] does, and leaves it alone.
func (s *Store) Migrate(ctx context.Context) error {
	return wrap("migrate", s.on().Migrate(ctx, table))
}

// Check returns an error that says what is wrong if the table is not as Migrate makes
// it: of an older version, of a newer one, another program's, or made by hand so that it
// would cut tokens or take two owners for one.
func (s *Store) Check(ctx context.Context) error { return wrap("check", s.on().Check(ctx, table)) }

// Schema returns the statements that make the table and its indexes.
func (s *Store) Schema() []string { return s.db.Schema(table) }

func (s *Store) on() *gormdb.DB { return s.db.With(s.Timeout) }

// wrap says whose error it is.
func wrap(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("tokengorm: %s: %w", name, err)
}

// wrapOutage leaves alone what a store says of a token.
func wrapOutage(name string, err error) error {
	if errors.Is(err, tokenstore.ErrNotFound) {
		return err
	}
	return wrap(name, err)
}

var errNoToken = errors.New("tokengorm: the token is nil or has no access token")
