package gormdb

import (
	"fmt"
	"slices"
	"strings"
)

// A Table says what a table is made of. Names are constants of the program and no
// words that a database keeps for itself: they go into SQL as they are.
type Table struct {
	Name    string
	Columns []Column
	Key     []string   // the columns of the primary key
	Indexes [][]string // the columns of each other index
}

// A Column is never NULL. One that is no part of the key has the zero of its type as
// the default, so that it can be added to a table with rows.
type Column struct {
	Name string
	Type Type
}

// A Type is what a column holds. All are compared byte by byte.
type Type string

const (
	Key   Type = "key"   // a string of 255 bytes at most
	Name  Type = "name"  // a string of 1024 bytes at most
	Text  Type = "text"  // a string of 16 MB at most
	Bytes Type = "bytes" // bytes, 16 MB at most
	Int   Type = "int"   // an int64
)

// Names returns the names of the columns.
func (t Table) Names() []string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return names
}

func (t Table) indexName(columns []string) string {
	return t.Name + "_" + strings.Join(columns, "_")
}

// Schema returns the statements that make the tables, for whoever has a tool for that.
func (db *DB) Schema(tables ...Table) (all []string) {
	for _, t := range tables {
		all = append(all, db.dialect.createTable(t))
		for _, columns := range t.Indexes {
			all = append(all, db.dialect.createIndex(t, columns))
		}
	}
	return all
}

// Upsert is the statement that inserts a row with a value for each column of t, in
// their order, or puts them in the place of what is in the row of that key, but for
// the columns to keep.
func (db *DB) Upsert(t Table, keep ...string) string {
	var sets []string
	for _, name := range t.Names() {
		if !slices.Contains(t.Key, name) && !slices.Contains(keep, name) {
			sets = append(sets, name+" = "+fmt.Sprintf(db.dialect.given, name))
		}
	}
	return insert(t, "INSERT") + db.dialect.onConflict(strings.Join(t.Key, ", ")) + strings.Join(sets, ", ")
}

// InsertNew is the statement that inserts a row with a value for each column of t, in
// their order, if there is none of that key: it changes one row, or none.
//
// On MySQL it cuts what is too long: check the lengths before.
func (db *DB) InsertNew(t Table) string {
	return insert(t, db.dialect.insertNew) + db.dialect.doNothing
}

// DeleteSome is the statement that deletes rows of t for which the condition holds, as
// many as the last parameter says; before it come the condition's parameters.
func (db *DB) DeleteSome(t Table, condition string) string {
	return db.dialect.deleteSome(t.Name, condition)
}

func insert(t Table, verb string) string {
	names := t.Names()
	marks := strings.Repeat(", ?", len(names))[2:]
	return verb + " INTO " + t.Name + " (" + strings.Join(names, ", ") + ") VALUES (" + marks + ")"
}

// Now is an expression: the database's clock, in milliseconds since 1970. Deadlines that
// processes share are by it, so that their own clocks do not matter.
func (db *DB) Now() string { return db.dialect.now }
