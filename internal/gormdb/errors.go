package gormdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// explain says why a statement failed. What it returns is the context's error where
// the context is done, whatever the driver made of it.
func (db *DB) explain(ctx, bounded context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return join(ctx.Err(), err)
	case bounded.Err() != nil:
		return fmt.Errorf("no answer from the database within %v%s: %w", db.timeout, db.dialect.slowHint, join(bounded.Err(), err))
	case isSchema(err):
		return fmt.Errorf("the table is not there, or of another version: call Migrate at start%s: %w", db.dialect.missingHint, err)
	}
	return err
}

func join(done, err error) error {
	if errors.Is(err, done) {
		return err
	}
	return fmt.Errorf("%w: %w", done, err)
}

// retries is how often a statement may be tried again that failed so. Where the database
// gave it up because of others it has changed nothing: ST-08. One that waited for a lock
// in vain has waited long enough by then. One that met another at once, in a deadlock or
// where transactions are serializable, takes a few rounds with many at it.
func retries(err error) int {
	switch {
	case has(err, []string{"40001", "40P01"}, "Error 1213"): // serialization failure, deadlock
		return 8
	case has(err, nil, "Error 1205", "database is locked", "database table is locked"): // MySQL, SQLite
		return 2
	}
	return 0
}

func isSchema(err error) bool {
	return has(err, []string{"42P01", "42703"},
		"Error 1146", "Error 1054",
		"no such table", "no such column", "has no column named")
}

// has looks for PostgreSQL's codes, or in the text of the others' errors: their types
// belong to drivers, which are the application's to choose.
func has(err error, states []string, texts ...string) bool {
	var postgres interface{ SQLState() string }
	if errors.As(err, &postgres) {
		return slices.Contains(states, postgres.SQLState())
	}
	text := err.Error()
	return slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(text, s) })
}
