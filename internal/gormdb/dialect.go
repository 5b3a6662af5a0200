package gormdb

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// A dialect is what differs between databases.
type dialect struct {
	types      map[Type]string // as in CREATE TABLE
	zero       map[Type]string // as after DEFAULT
	now        string
	onConflict func(key string) string // of an upsert
	given      string                  // in an upsert, the value of a column that was to be inserted
	insertNew  string
	doNothing  string
	deleteSome func(table, condition string) string
	options    string // after CREATE TABLE (...)
	ifMissing  string // after CREATE INDEX

	slowHint, missingHint string // in an error: what is often behind it

	layout func(ctx context.Context, db *DB, table string) (layout, error)
	same   func(want Type, found column) bool
}

// dialects go by the names that GORM has for them.
func dialects() map[string]*dialect {
	return map[string]*dialect{"sqlite": sqlite(), "postgres": postgres(), "mysql": mysql()}
}

func sqlite() *dialect {
	types := map[Type]string{Key: "TEXT", Name: "TEXT", Text: "TEXT", Bytes: "BLOB", Int: "INTEGER"}
	return &dialect{
		slowHint:    " (SQLite lets one write at a time: is the DSN ?_journal_mode=WAL&_busy_timeout=5000&_txlock=immediate?)",
		missingHint: " (a database in :memory: is another one on each connection: use a file)",
		types:       types,
		zero:        map[Type]string{Key: "''", Name: "''", Text: "''", Bytes: "x''", Int: "0"},
		now:         "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)",
		onConflict:  func(key string) string { return " ON CONFLICT (" + key + ") DO UPDATE SET " },
		given:       "excluded.%s",
		insertNew:   "INSERT",
		doNothing:   " ON CONFLICT DO NOTHING",
		deleteSome: func(table, condition string) string {
			return "DELETE FROM " + table + " WHERE rowid IN (SELECT rowid FROM " + table + " WHERE " + condition + " LIMIT ?)"
		},
		ifMissing: "IF NOT EXISTS ",
		layout:    sqliteLayout,
		same: func(want Type, found column) bool {
			return strings.EqualFold(found.kind, types[want]) && strings.EqualFold(found.collation, "BINARY")
		},
	}
}

func postgres() *dialect {
	return &dialect{
		types: map[Type]string{Key: `text COLLATE "C"`, Name: `text COLLATE "C"`, Text: "text", Bytes: "bytea", Int: "bigint"},
		zero:  map[Type]string{Key: "''", Name: "''", Text: "''", Bytes: "''", Int: "0"},
		// Not now(): that is when the statement began, before it waited for a lock.
		now:        "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)",
		onConflict: func(key string) string { return " ON CONFLICT (" + key + ") DO UPDATE SET " },
		given:      "excluded.%s",
		insertNew:  "INSERT",
		doNothing:  " ON CONFLICT DO NOTHING",
		deleteSome: func(table, condition string) string {
			// The lock holds what the condition saw; ANY(ARRAY()) makes it a scan of these rows.
			return "DELETE FROM " + table + " WHERE ctid = ANY(ARRAY(SELECT ctid FROM " + table + " WHERE " + condition +
				" LIMIT ? FOR UPDATE SKIP LOCKED))"
		},
		ifMissing: "IF NOT EXISTS ",
		layout:    postgresLayout,
		same: func(want Type, found column) bool {
			switch want {
			case Key, Name: // POSIX is C by another name
				return found.kind == "text" && (found.collation == "C" || found.collation == "POSIX")
			case Text: // "equal" is by bytes in all collations but the nondeterministic
				return found.kind == "text" && found.collation != nondeterministic
			}
			return found.kind == map[Type]string{Bytes: "bytea", Int: "bigint"}[want]
		},
	}
}

// mysql is MariaDB from 10.3 on and MySQL from 8.0.13 on. Its strings are bytes here,
// which no character set, collation or trailing space can make equal.
func mysql() *dialect {
	types := map[Type]string{
		Key: "VARBINARY(255)", Name: "VARBINARY(1024)", Text: "MEDIUMBLOB", Bytes: "MEDIUMBLOB", Int: "BIGINT",
	}
	return &dialect{
		types: types,
		zero:  map[Type]string{Key: "''", Name: "''", Text: "('')", Bytes: "('')", Int: "0"},
		// UTC, as local time is there twice in one night of the year.
		now:        "(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000)",
		onConflict: func(string) string { return " ON DUPLICATE KEY UPDATE " },
		given:      "VALUES(%s)",
		insertNew:  "INSERT IGNORE",
		deleteSome: func(table, condition string) string {
			return "DELETE FROM " + table + " WHERE " + condition + " LIMIT ?"
		},
		options: " ENGINE=InnoDB",
		layout:  mysqlLayout,
		same: func(want Type, found column) bool {
			kind, _, _ := strings.Cut(found.kind, "(20)") // bigint(20), as MariaDB says
			return strings.EqualFold(kind, types[want])
		},
	}
}

func (d *dialect) createTable(t Table) string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE IF NOT EXISTS %s (\n", t.Name)
	for _, c := range t.Columns {
		fmt.Fprintf(&b, "  %s,\n", d.column(t, c))
	}
	fmt.Fprintf(&b, "  PRIMARY KEY (%s)\n)%s", strings.Join(t.Key, ", "), d.options)
	return b.String()
}

func (d *dialect) column(t Table, c Column) string {
	text := c.Name + " " + d.types[c.Type] + " NOT NULL"
	if !slices.Contains(t.Key, c.Name) {
		text += " DEFAULT " + d.zero[c.Type]
	}
	return text
}

func (d *dialect) addColumn(t Table, c Column) string {
	return "ALTER TABLE " + t.Name + " ADD COLUMN " + d.column(t, c)
}

func (d *dialect) createIndex(t Table, columns []string) string {
	return "CREATE INDEX " + d.ifMissing + t.indexName(columns) + " ON " + t.Name + " (" + strings.Join(columns, ", ") + ")"
}
