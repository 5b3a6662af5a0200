// Package dbtest gives tests a database: a fresh one of each kind, gone at the end.
//
//	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
//		store, err := tokengorm.New(db)
//		...
//	})
//
// SQLite is always there. PostgreSQL is where SIGNON_TEST_POSTGRES says, a URL; MariaDB
// where SIGNON_TEST_MARIADB says, a DSN of its Go driver without a database's name. A
// test without them is skipped, and fails with SIGNON_CI=1.
package dbtest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// The kinds of databases.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
	MariaDB  = "mariadb"
)

// Each runs test on a fresh database of each kind, in a subtest of its name.
func Each(t *testing.T, test func(t *testing.T, db *gorm.DB)) {
	t.Helper()
	for _, kind := range []string{SQLite, Postgres, MariaDB} {
		t.Run(kind, func(t *testing.T) { test(t, Open(t, kind)) })
	}
}

// Open returns a fresh database. It logs nothing.
func Open(t testing.TB, kind string) *gorm.DB {
	t.Helper()
	return OpenDSN(t, kind, DSN(t, kind))
}

// OpenDSN returns the database of a DSN that DSN returned: another pool of
// connections, as another process has it.
func OpenDSN(t testing.TB, kind, dsn string) *gorm.DB {
	t.Helper()
	db, err := gorm.Open(Dialector(kind, dsn), &gorm.Config{Logger: logger.Discard})
	require.NoError(t, err)
	pool, err := db.DB()
	require.NoError(t, err)
	pool.SetMaxOpenConns(16)
	pool.SetMaxIdleConns(16)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	return db
}

// Dialector returns what gorm.Open wants.
func Dialector(kind, dsn string) gorm.Dialector {
	switch kind {
	case Postgres:
		return postgres.Open(dsn)
	case MariaDB:
		return mysql.Open(dsn)
	}
	return sqlite.Open(dsn)
}

// DSN makes a fresh database and returns its DSN, for other processes too.
func DSN(t testing.TB, kind string) string {
	t.Helper()
	name := "signon_" + strings.ToLower(rand.Text()[:12])
	switch kind {
	case SQLite:
		return "file:" + filepath.Join(t.TempDir(), name+".db") + "?_journal_mode=WAL&_busy_timeout=5000&_txlock=immediate"
	case Postgres:
		server := server(t, "SIGNON_TEST_POSTGRES")
		// A schema is a database to whoever looks at nothing else, and made in no time.
		create(t, kind, server, "CREATE SCHEMA "+name, "DROP SCHEMA "+name+" CASCADE")
		u, err := url.Parse(server)
		require.NoError(t, err)
		q := u.Query()
		q.Set("search_path", name)
		u.RawQuery = q.Encode()
		return u.String()
	case MariaDB:
		server := server(t, "SIGNON_TEST_MARIADB")
		// Of the server's character set, which may well be another one than UTF-8.
		create(t, kind, server, "CREATE DATABASE "+name, "DROP DATABASE "+name)
		return server + name
	}
	require.FailNow(t, "no such kind of database", kind)
	return ""
}

func server(t testing.TB, variable string) string {
	t.Helper()
	dsn := os.Getenv(variable)
	if dsn == "" && os.Getenv("SIGNON_CI") == "1" {
		require.FailNow(t, variable+" is not set, and SIGNON_CI=1 wants no test skipped")
	}
	if dsn == "" {
		t.Skip(variable + " is not set: no database of this kind to test on")
	}
	return dsn
}

// create runs one statement now and the other at the end of the test.
func create(t testing.TB, kind, server, now, atEnd string) {
	t.Helper()
	run := func(statement string) {
		db, err := gorm.Open(Dialector(kind, server), &gorm.Config{Logger: logger.Discard})
		require.NoError(t, err)
		pool, err := db.DB()
		require.NoError(t, err)
		defer func(pool *sql.DB) { _ = pool.Close() }(pool)
		// A transaction that a test has left open would hold the end up for ever.
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		require.NoError(t, db.WithContext(ctx).Exec(statement).Error, statement)
	}
	run(now)
	t.Cleanup(func() { run(atEnd) })
}
