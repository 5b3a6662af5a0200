// Package sessiongorm keeps who is signed in, and the browser's sessions, in a
// database, through GORM: SQLite, PostgreSQL, MariaDB or MySQL.
//
//	db, err := gorm.Open(postgres.Open(dsn), &gorm.Config{})
//	sessions, err := sessiongorm.New(db)
//	err = sessions.Migrate(ctx)
//	auth, err := signon.New(signon.Config{
//		BaseURL:  "https://app.example.com",
//		Keys:     keys,
//		Sessions: sessionstore.NewManager(sessions),
//		Logins:   sessions,
//	})
//
// All replicas of an application share one database: who signs out at one has signed out
// at all, and a state that one has seen no other takes.
//
// # What is in the database
//
// Three tables: signon_logins, signon_claims and signon_sessions. A session and a claim
// are stored under a SHA-256 hash, so that a copy of the database lets nobody in. The
// IDToken and the UserInfo of a login come sealed, by the keys of signon.Config. Its
// owner, issuer, subject, sid and user agent are plain: they are searched for. The values
// of a session nobody seals: keep what is secret elsewhere, or give the session manager an
// scs.Codec that seals.
//
// Times are milliseconds since 1970, in UTC. Strings are compared byte by byte, and one
// that is too long is refused, never cut, whatever the database's settings.
//
// # What has expired
//
// It is never found, and it stays in the database until somebody calls
// [Store.DeleteExpired]: one replica or all, once an hour or so.
//
//	for range time.Tick(time.Hour) {
//		_, err := sessions.DeleteExpired(ctx)
//	}
//
// Whether something has expired each replica decides by its own clock, which should be
// right to within a minute.
package sessiongorm

import (
	"context"
	"fmt"
	"time"

	"github.com/alexedwards/scs/v2"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon/internal/gormdb"
	"github.com/seed1a301047/signon/sessionstore"
)

// A Store is a [sessionstore.Store] and a store of scs in one. Make it with [New]. Any
// number of goroutines and processes may use one database at once.
//
// No method holds a transaction, so that nothing stays locked when a process dies, and
// each returns an error, never "not found", when the database does not answer.
type Store struct {
	// Timeout bounds each statement; a method has three at most, but for DeleteExpired.
	// If 0, 5 seconds. Set it before first use.
	Timeout time.Duration

	db  *gormdb.DB
	sql statements
}

var (
	_ sessionstore.Store = (*Store)(nil)
	_ scs.CtxStore       = (*Store)(nil)
)

// New returns a store over db, which may be used for anything else too. It does not talk
// to the database: call [Store.Migrate] or [Store.Check] at start.
//
// The logger of db gets statements without their parameters. Its transactions, hooks and
// default conditions do not apply here.
func New(db *gorm.DB) (*Store, error) {
	inner, err := gormdb.New(db)
	if err != nil {
		return nil, fmt.Errorf("sessiongorm: %w", err)
	}
	return &Store{db: inner, sql: statementsOf(inner)}, nil
}

// Migrate makes the tables, columns and indexes that are missing, and then does what
// [Store.Check] does. It deletes and changes nothing. All replicas may call it at once.
func (s *Store) Migrate(ctx context.Context) error {
	return wrap("migrate", s.within().Migrate(ctx, tables()...))
}

// Check returns an error if the tables are not there, are those of an older version, or
// are not ours: for the start of an application whose schema another tool keeps.
func (s *Store) Check(ctx context.Context) error {
	return wrap("check", s.within().Check(ctx, tables()...))
}

// Schema returns the statements that make the tables, for such a tool.
func (s *Store) Schema() []string { return s.db.Schema(tables()...) }

func (s *Store) within() *gormdb.DB { return s.db.With(s.Timeout) }

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sessiongorm: %s: %w", what, err)
}
