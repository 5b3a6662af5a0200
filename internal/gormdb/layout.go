package gormdb

import (
	"context"
	"database/sql"
	"regexp"
	"strings"
)

// A layout is what a table is made of, as the database tells. One without columns is
// not there.
type layout struct {
	columns []column
	key     []string // names of columns
	indexes []string // names of indexes
}

type column struct {
	name, kind, collation string
	nullable              bool
}

// nondeterministic stands for any collation by which different strings are equal.
const nondeterministic = "nondeterministic"

func sqliteLayout(ctx context.Context, db *DB, table string) (l layout, err error) {
	definition, err := db.names(ctx, "SELECT coalesce(sql, '') FROM sqlite_master WHERE name = ?", table)
	if err != nil {
		return l, err
	}
	if l.columns, err = db.columns(ctx, `SELECT name, type, '', "notnull" = 0 FROM pragma_table_info(?)`, table); err != nil {
		return l, err
	}
	for i := range l.columns {
		l.columns[i].collation = sqliteCollation(strings.Join(definition, ""), l.columns[i].name)
	}
	if l.key, err = db.names(ctx, "SELECT name FROM pragma_table_info(?) WHERE pk > 0", table); err != nil {
		return l, err
	}
	l.indexes, err = db.names(ctx, "SELECT name FROM pragma_index_list(?)", table)
	return l, err
}

// sqliteCollation reads the definition of a table: SQLite has no other way to ask.
func sqliteCollation(definition, name string) string {
	found := regexp.MustCompile(`(?i)\b` + regexp.QuoteMeta(name) + `\b[^,]*?\bCOLLATE\s+\W?(\w+)`).FindStringSubmatch(definition)
	if found == nil {
		return "BINARY"
	}
	return strings.ToUpper(found[1])
}

func postgresLayout(ctx context.Context, db *DB, table string) (l layout, err error) {
	l.columns, err = db.columns(ctx, `
		SELECT a.attname, format_type(a.atttypid, a.atttypmod),
			CASE WHEN NOT coalesce(c.collisdeterministic, true) THEN '`+nondeterministic+`' ELSE coalesce(c.collname, '') END,
			NOT a.attnotnull
		FROM pg_attribute a LEFT JOIN pg_collation c ON c.oid = a.attcollation
		WHERE a.attrelid = to_regclass(CAST(? AS text)) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`, table)
	if err != nil {
		return l, err
	}
	l.key, err = db.names(ctx, `
		SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
		WHERE i.indrelid = to_regclass(CAST(? AS text)) AND i.indisprimary`, table)
	if err != nil {
		return l, err
	}
	l.indexes, err = db.names(ctx, `
		SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
		WHERE i.indrelid = to_regclass(CAST(? AS text)) AND i.indisvalid`, table)
	return l, err
}

func mysqlLayout(ctx context.Context, db *DB, table string) (l layout, err error) {
	l.columns, err = db.columns(ctx, `
		SELECT column_name, column_type, coalesce(collation_name, ''), is_nullable = 'YES'
		FROM information_schema.columns
		WHERE table_schema = DATABASE() AND table_name = ? ORDER BY ordinal_position`, table)
	if err != nil {
		return l, err
	}
	// A key of the first bytes of a column alone takes two rows for one.
	l.key, err = db.names(ctx, `
		SELECT column_name FROM information_schema.statistics
		WHERE table_schema = DATABASE() AND table_name = ? AND index_name = 'PRIMARY' AND sub_part IS NULL`, table)
	if err != nil {
		return l, err
	}
	l.indexes, err = db.names(ctx, `
		SELECT DISTINCT index_name FROM information_schema.statistics
		WHERE table_schema = DATABASE() AND table_name = ?`, table)
	return l, err
}

func (db *DB) columns(ctx context.Context, query, table string) ([]column, error) {
	return queryIn(ctx, db, db.plain, query, Args{table}, func(rows *sql.Rows) (c column, err error) {
		return c, rows.Scan(&c.name, &c.kind, &c.collation, &c.nullable)
	})
}

func (db *DB) names(ctx context.Context, query, table string) ([]string, error) {
	return queryIn(ctx, db, db.plain, query, Args{table}, func(rows *sql.Rows) (name string, err error) {
		return name, rows.Scan(&name)
	})
}
