package gormdb

import (
	"context"
	"database/sql"
	"sync"

	"gorm.io/gorm"
)

// statements is a [gorm.ConnPool] that prepares each statement once. GORM has one of
// its own (PrepareStmt), which hands the error of whoever prepares a statement, as of
// one whose visitor has gone, to all who wait for it, and closes statements in use when
// they are a day old. The statements here are few and constant, and stay.
type statements struct {
	gorm.ConnPool
	deaf bool // the driver waits for a lock without an eye on the context
	mu   sync.RWMutex
	all  map[string]*sql.Stmt
}

func (s *statements) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	stmt, err := s.get(ctx, query)
	if err != nil {
		return nil, err
	}
	if s.deaf {
		return execDeaf(ctx, stmt, args)
	}
	return stmt.ExecContext(ctx, args...)
}

// execDeaf returns when ctx is done. SQLite interrupts a statement that works, but not
// one that waits for a lock, which it does for as long as its busy_timeout says; when
// that is over, so is the goroutine.
func execDeaf(ctx context.Context, stmt *sql.Stmt, args []any) (sql.Result, error) {
	type answer struct {
		result sql.Result
		err    error
	}
	done := make(chan answer, 1)
	go func() {
		result, err := stmt.ExecContext(ctx, args...)
		done <- answer{result, err}
	}()
	select {
	case a := <-done:
		return a.result, a.err
	case <-ctx.Done(): // what was done in the same moment may go unsaid, as anywhere
		return nil, ctx.Err()
	}
}

func (s *statements) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := s.get(ctx, query)
	if err != nil {
		return nil, err
	}
	return stmt.QueryContext(ctx, args...)
}

// QueryRowContext leaves it to the pool to say in a Row why the statement could not be
// prepared: with a Row of nil, GORM's Row panics.
func (s *statements) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	stmt, err := s.get(ctx, query)
	if err != nil {
		return s.ConnPool.QueryRowContext(ctx, query, args...)
	}
	return stmt.QueryRowContext(ctx, args...)
}

func (s *statements) get(ctx context.Context, query string) (*sql.Stmt, error) {
	s.mu.RLock()
	stmt := s.all[query]
	s.mu.RUnlock()
	if stmt != nil {
		return stmt, nil
	}
	mine, err := s.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if stmt = s.all[query]; stmt != nil { // somebody else was first
		_ = mine.Close()
		return stmt, nil
	}
	s.all[query] = mine
	return mine, nil
}
