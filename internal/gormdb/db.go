// Package gormdb is the seam between the stores of signon and GORM: constant SQL with
// parameters, on SQLite, PostgreSQL and MariaDB or MySQL.
//
//	db, err := gormdb.New(gormDB)
//	err = db.Migrate(ctx, table)
//	n, err := db.Exec(ctx, "UPDATE things SET count = count + 1 WHERE id = ?", id)
//
// Each statement stands alone: there are no transactions, so that nothing is held when
// a process dies. What has to be decided between processes one statement decides.
package gormdb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
)

// DefaultTimeout bounds a statement where nothing else is said.
const DefaultTimeout = 5 * time.Second

// A DB runs statements. Any number of goroutines may use it at once.
type DB struct {
	prepared *gorm.DB  // prepares each statement once
	plain    *gorm.DB  // for what runs once
	texts    *sync.Map // of queries, with the parameters as the database writes them
	dialect  *dialect
	timeout  time.Duration
}

// Args are the parameters of a statement.
type Args []any

// New returns a DB over db, which stays as it is: its logger gets statements without
// their parameters, and its transactions, conditions and hooks do not apply.
func New(db *gorm.DB) (*DB, error) {
	switch {
	case db == nil || db.Config == nil || db.Dialector == nil || db.Statement == nil:
		return nil, errors.New("no database: open one with gorm.Open")
	case db.Error != nil:
		return nil, fmt.Errorf("the database handed in has an error: %w", db.Error)
	case db.DryRun:
		return nil, errors.New("the database handed in is in GORM's dry-run mode and would store nothing")
	}
	if _, ok := db.Statement.ConnPool.(gorm.TxCommitter); ok {
		return nil, errors.New("the database handed in is a transaction, which will end: hand in what gorm.Open returned")
	}
	name := db.Name()
	d, ok := dialects()[name]
	if !ok {
		return nil, fmt.Errorf("no support for a database of GORM's dialect %q: want sqlite, postgres or mysql", name)
	}
	plain := session(db)
	prepared := session(db)
	prepared.Statement.ConnPool = &statements{ConnPool: prepared.Statement.ConnPool, deaf: name == "sqlite", all: map[string]*sql.Stmt{}}
	return &DB{prepared: prepared, plain: plain, texts: new(sync.Map), dialect: d, timeout: DefaultTimeout}, nil
}

func session(db *gorm.DB) *gorm.DB {
	s := db.Session(&gorm.Session{
		NewDB:                  true,
		Context:                context.Background(), // it makes a Statement of its own, too
		SkipDefaultTransaction: true,
		Logger:                 quiet{db.Logger},
	})
	s.TranslateError = false // the driver's errors say more
	return s
}

// quiet is the application's logger, which gets no parameters: they are tokens. ST-14
type quiet struct{ logger.Interface }

// ParamsFilter is asked by GORM before it writes a statement out for a logger.
func (quiet) ParamsFilter(_ context.Context, sql string, _ ...any) (string, []any) {
	return sql, nil
}

// With returns a DB whose statements end after timeout. If 0, [DefaultTimeout].
func (db *DB) With(timeout time.Duration) *DB {
	c := *db
	if c.timeout = timeout; timeout <= 0 {
		c.timeout = DefaultTimeout
	}
	return &c
}

// Exec runs a statement and returns how many rows it changed; MySQL does not count a
// row that it leaves as it was. It is one statement on its own: done or not done.
//
// When ctx ends while it runs, nobody knows which.
func (db *DB) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	return db.exec(ctx, db.prepared, query, args)
}

func (db *DB) exec(ctx context.Context, session *gorm.DB, query string, args Args) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	bounded, cancel := context.WithTimeout(ctx, db.timeout)
	defer cancel()
	for try := 0; ; try++ {
		result := db.statement(bounded, session, query, args)
		result = result.Callback().Raw().Execute(result)
		if result.Error == nil {
			return result.RowsAffected, nil
		}
		if try >= retries(result.Error) || !pause(bounded) {
			return 0, db.explain(ctx, bounded, result.Error)
		}
	}
}

// Row reads the first row of a query into dest, or returns [sql.ErrNoRows].
func (db *DB) Row(ctx context.Context, query string, args Args, dest ...any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, db.timeout)
	defer cancel()
	result := db.statement(bounded, db.prepared, query, args)
	result = result.Callback().Row().Execute(result)
	if result.Error != nil {
		return db.explain(ctx, bounded, result.Error)
	}
	row, ok := result.Statement.Dest.(*sql.Row)
	if !ok {
		return errKept
	}
	err := row.Scan(dest...)
	if err == nil || errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return db.explain(ctx, bounded, err)
}

var errKept = errors.New("a plugin of GORM has kept a query from the database")

// Query reads all rows of a query. It bounds nothing: the query has a LIMIT.
func Query[T any](ctx context.Context, db *DB, query string, args Args, scan func(*sql.Rows) (T, error)) ([]T, error) {
	return queryIn(ctx, db, db.prepared, query, args, scan)
}

func queryIn[T any](ctx context.Context, db *DB, session *gorm.DB, query string, args Args, scan func(*sql.Rows) (T, error)) (all []T, err error) {
	err = db.each(ctx, session, query, args, func(rows *sql.Rows) error {
		one, err := scan(rows)
		all = append(all, one)
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

func (db *DB) each(ctx context.Context, session *gorm.DB, query string, args Args, row func(*sql.Rows) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, db.timeout)
	defer cancel()
	result := db.statement(bounded, session, query, args)
	result.Statement.Settings.Store("rows", true) // and not one row
	result = result.Callback().Row().Execute(result)
	if result.Error != nil {
		return db.explain(ctx, bounded, result.Error)
	}
	rows, ok := result.Statement.Dest.(*sql.Rows)
	if !ok {
		return errKept
	}
	var err error
	for err == nil && rows.Next() {
		err = row(rows)
	}
	if err := errors.Join(err, rows.Err(), rows.Close()); err != nil {
		return db.explain(ctx, bounded, err)
	}
	return nil
}

// statement is what Raw and Exec of GORM make of a query, for GORM's callbacks to run:
// plugins see it as any other. Raw and Exec would put it together anew each time, which
// takes a good part of the time in which SQLite answers.
func (db *DB) statement(ctx context.Context, session *gorm.DB, query string, args Args) *gorm.DB {
	text, ok := db.texts.Load(query)
	if !ok {
		text = session.Raw(query, args...).Statement.SQL.String()
		db.texts.Store(query, text)
	}
	tx := new(struct {
		db        gorm.DB
		statement gorm.Statement
	})
	tx.db.Config, tx.db.Statement = session.Config, &tx.statement
	tx.statement.DB, tx.statement.ConnPool, tx.statement.Context = &tx.db, session.Statement.ConnPool, ctx
	tx.statement.Clauses, tx.statement.Vars = map[string]clause.Clause{}, args
	tx.statement.SQL.WriteString(text.(string))
	return &tx.db
}

// pause waits a moment, of another length for each, or returns false when ctx is done.
func pause(ctx context.Context) bool {
	timer := time.NewTimer(10*time.Millisecond + rand.N(40*time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
