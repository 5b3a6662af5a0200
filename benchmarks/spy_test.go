package benchmarks_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"slices"
	"sync"

	"github.com/mattn/go-sqlite3"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// A statement is what the database was asked.
type statement struct {
	text     string
	args     []any
	prepared bool // before
}

// A spy stands between database/sql and SQLite's driver and sees each statement that is
// run, whoever runs it and however it was prepared, and each transaction that begins.
type spy struct {
	dsn string
	mu  sync.Mutex
	all []statement
}

// take returns what was seen since the last time.
func (s *spy) take() []statement {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.all
	s.all = nil
	return all
}

func (s *spy) saw(text string, args []driver.NamedValue, prepared bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := statement{text: text, prepared: prepared}
	for _, arg := range args {
		seen.args = append(seen.args, arg.Value)
	}
	s.all = append(s.all, seen)
}

// open returns a database whose statements the spy sees.
func (s *spy) open() (*gorm.DB, error) {
	dialector := sqlite.New(sqlite.Config{Conn: sql.OpenDB(s)})
	return gorm.Open(dialector, &gorm.Config{Logger: logger.Discard})
}

// Driver makes it a driver.Connector.
func (s *spy) Driver() driver.Driver { return new(sqlite3.SQLiteDriver) }

func (s *spy) Connect(context.Context) (driver.Conn, error) {
	conn, err := s.Driver().Open(s.dsn)
	if err != nil {
		return nil, err
	}
	return &spiedConn{conn.(*sqlite3.SQLiteConn), s}, nil
}

type spiedConn struct {
	*sqlite3.SQLiteConn
	spy *spy
}

func (c *spiedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	stmt, err := c.SQLiteConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return &spiedStmt{stmt.(*sqlite3.SQLiteStmt), query, c.spy}, nil
}

func (c *spiedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.spy.saw(query, args, false)
	return c.SQLiteConn.ExecContext(ctx, query, args)
}

func (c *spiedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.spy.saw(query, args, false)
	return c.SQLiteConn.QueryContext(ctx, query, args)
}

func (c *spiedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.spy.saw("BEGIN", nil, false)
	return c.SQLiteConn.BeginTx(ctx, opts)
}

type spiedStmt struct {
	*sqlite3.SQLiteStmt
	text string
	spy  *spy
}

func (s *spiedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.spy.saw(s.text, args, true)
	return s.SQLiteStmt.ExecContext(ctx, args)
}

func (s *spiedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.spy.saw(s.text, args, true)
	return s.SQLiteStmt.QueryContext(ctx, args)
}

// textsOf are the statements without their arguments.
func textsOf(all []statement) []string {
	return slices.Collect(func(yield func(string) bool) {
		for _, s := range all {
			if !yield(s.text) {
				return
			}
		}
	})
}
