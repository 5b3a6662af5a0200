package gormdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrSchema is what [DB.Check] returns, wrapped.
var ErrSchema = errors.New("the database's schema is another one")

// migrations is how often Migrate looks again when somebody else has been migrating at
// the same time, which makes its own statement fail.
const migrations = 8

// Migrate makes the tables, columns and indexes that are missing and changes nothing
// else; then it does what Check does. Any number of processes may call it at once.
// A table that Check would not call ours is left as it is. A statement of it may take as
// long as ctx allows: an index over many rows takes its time.
func (db *DB) Migrate(ctx context.Context, tables ...Table) error {
	var err error
	for range migrations {
		var missing []string
		if missing, err = db.missing(ctx, tables); err != nil {
			return err
		}
		if err = db.make(ctx, missing); err == nil {
			return db.Check(ctx, tables...)
		}
		if !pause(ctx) {
			break
		}
	}
	return err
}

func (db *DB) make(ctx context.Context, statements []string) error {
	for _, s := range statements {
		if err := db.plain.WithContext(ctx).Exec(s).Error; err != nil {
			return db.explain(ctx, ctx, err)
		}
	}
	return nil
}

// missing returns the statements that make what is missing.
func (db *DB) missing(ctx context.Context, tables []Table) (all []string, err error) {
	for _, t := range tables {
		found, err := db.dialect.layout(ctx, db, t.Name)
		if err != nil {
			return nil, err
		}
		if len(found.columns) == 0 {
			all = append(all, db.Schema(t)...)
			continue
		}
		if err := db.compare(t, found); err != nil {
			return nil, err
		}
		for _, c := range lacking(t, found) {
			all = append(all, db.dialect.addColumn(t, c))
		}
		for _, columns := range t.Indexes {
			if !slices.Contains(found.indexes, t.indexName(columns)) {
				all = append(all, db.dialect.createIndex(t, columns))
			}
		}
	}
	return all, nil
}

// Check returns an error, which wraps [ErrSchema], if a table is not as Migrate makes
// it: for the start of a program. A missing index is slow and no error.
func (db *DB) Check(ctx context.Context, tables ...Table) error {
	for _, t := range tables {
		found, err := db.dialect.layout(ctx, db, t.Name)
		if err != nil {
			return err
		}
		if len(found.columns) == 0 {
			return fmt.Errorf("%w: there is no table %s: call Migrate, or make it as Schema says", ErrSchema, t.Name)
		}
		if err := db.compare(t, found); err != nil {
			return err
		}
		if l := lacking(t, found); len(l) > 0 {
			return fmt.Errorf("%w: the table %s has no column %s, as one of an older version: call Migrate, or add it as %s",
				ErrSchema, t.Name, l[0].Name, db.dialect.column(t, l[0]))
		}
	}
	return nil
}

// compare returns an error if a table is none that Migrate made, in any version.
func (db *DB) compare(t Table, found layout) error {
	for _, c := range found.columns {
		i := slices.IndexFunc(t.Columns, func(want Column) bool { return strings.EqualFold(want.Name, c.name) })
		if i < 0 {
			return fmt.Errorf("%w: the table %s has a column %s that this version does not know: it is another program's, or of a newer version: use another database, or update",
				ErrSchema, t.Name, c.name)
		}
		if want := t.Columns[i]; c.nullable || !db.dialect.same(want.Type, c) {
			return fmt.Errorf("%w: column %s of the table %s is %q, want %q: it could cut a value or take two for one, or it is a view: make the table as Schema says",
				ErrSchema, c.name, t.Name, c, db.dialect.types[want.Type]+" NOT NULL")
		}
	}
	if !sameNames(t.Key, found.key) {
		return fmt.Errorf("%w: the primary key of the table %s is (%s), want (%s): make the table as Schema says",
			ErrSchema, t.Name, strings.Join(found.key, ", "), strings.Join(t.Key, ", "))
	}
	return nil
}

func (c column) String() string {
	text := strings.TrimSpace(c.kind)
	if c.collation != "" {
		text += " COLLATE " + c.collation
	}
	if !c.nullable {
		text += " NOT NULL"
	}
	return text
}

func lacking(t Table, found layout) (all []Column) {
	for _, c := range t.Columns {
		if !slices.ContainsFunc(found.columns, func(have column) bool { return strings.EqualFold(have.name, c.Name) }) {
			all = append(all, c)
		}
	}
	return all
}

func sameNames(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.EqualFunc(a, b, strings.EqualFold)
}
