package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed1a301047/signon/sessionstore/sessiongorm"
	"github.com/seed1a301047/signon/tokenstore/tokengorm"
)

// A database keeps the browser sessions, who is signed in, and the tokens.
type database struct {
	place    string // where that is, without a password
	sessions *sessiongorm.Store
	tokens   *tokengorm.Store
	close    func()
}

// openDatabase opens the database that a DATABASE_URL names, or else an SQLite file in
// the folder, and makes the tables. Copies that start at once do not disturb each other.
func openDatabase(ctx context.Context, rawURL, folder string) (*database, error) {
	if rawURL == "" {
		rawURL = "sqlite:" + filepath.Join(folder, "demo.db")
	}
	dialector, place, err := parseDatabaseURL(rawURL)
	if err != nil {
		return nil, err
	}
	// GORM's own log is left out: the stores return each error.
	db, err := gorm.Open(dialector, &gorm.Config{Logger: logger.Discard})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	pool, err := db.DB()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	d := &database{place: place, close: func() { _ = pool.Close() }}
	if err := d.openStores(ctx, db); err != nil {
		d.close()
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	return d, nil
}

func (d *database) openStores(ctx context.Context, db *gorm.DB) (err error) {
	if d.sessions, err = sessiongorm.New(db); err != nil {
		return err
	}
	if d.tokens, err = tokengorm.New(db); err != nil {
		return err
	}
	return errors.Join(d.sessions.Migrate(ctx), d.tokens.Migrate(ctx))
}

// parseDatabaseURL returns what GORM opens, and how to name it on a page. An error says
// nothing of the URL but its scheme: there may be a password in it.
func parseDatabaseURL(raw string) (d gorm.Dialector, place string, err error) {
	scheme, rest, _ := strings.Cut(raw, ":")
	if scheme == "sqlite" {
		dsn, path, err := sqliteDSN(rest)
		return sqlite.Open(dsn), "SQLite, " + path, err
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil && (scheme == "postgres" || scheme == "postgresql" || scheme == "mysql" || scheme == "mariadb"):
		return nil, "", errors.New("DATABASE_URL is not a URL; in a user or a password write %40 for @, %2F for /, %3A for :, %23 for #, %25 for %")
	case err == nil && u.Query().Has("password"):
		return nil, "", errors.New("DATABASE_URL: the password belongs between the user and the host, as in postgres://USER:PASSWORD@HOST/DATABASE")
	case scheme == "postgres" || scheme == "postgresql":
		return postgres.Open(raw), "PostgreSQL, " + u.Host + u.Path, nil
	case (scheme == "mysql" || scheme == "mariadb") && u.Host != "" && strings.Trim(u.Path, "/") != "":
		return mysql.Open(mysqlDSN(u)), "MariaDB, " + u.Host + u.Path, nil
	}
	return nil, "", errors.New("DATABASE_URL: expected postgres://USER:PASSWORD@HOST/DATABASE, mysql://USER:PASSWORD@HOST/DATABASE or sqlite:FILE")
}

// sqliteDSN has one write while others read, and a second writer wait.
func sqliteDSN(path string) (dsn, absolute string, err error) {
	if path == "" || strings.HasPrefix(path, "//") || strings.Contains(path, "?") {
		return "", "", errors.New("DATABASE_URL: expected sqlite:FILE, with a path such as sqlite:demo.db or sqlite:/var/lib/demo.db")
	}
	if absolute, err = filepath.Abs(path); err != nil {
		return "", "", err
	}
	file := url.URL{Path: filepath.ToSlash(absolute)} // SQLite reads %3F as a question mark
	return "file:" + file.EscapedPath() + "?_journal_mode=WAL&_busy_timeout=5000&_txlock=immediate", absolute, nil
}

// mysqlDSN writes a URL as the driver wants it: USER:PASSWORD@tcp(HOST)/DATABASE?SETTINGS,
// where the last slash is the one before the database.
func mysqlDSN(u *url.URL) string {
	password, _ := u.User.Password()
	dsn := fmt.Sprintf("%s:%s@tcp(%s)/%s", u.User.Username(), password, u.Host, url.PathEscape(strings.Trim(u.Path, "/")))
	if u.RawQuery != "" {
		dsn += "?" + strings.ReplaceAll(u.RawQuery, "/", "%2F")
	}
	return dsn
}

// sweep deletes what has expired, now and then, until ctx ends. Each copy does it; the
// database lets them.
func (d *database) sweep(ctx context.Context, log *slog.Logger) {
	every := time.NewTicker(10 * time.Minute)
	defer every.Stop()
	for {
		_, failed := d.sessions.DeleteExpired(ctx)
		_, err := d.tokens.DeleteExpired(ctx)
		if err := errors.Join(failed, err); err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "what has expired was not deleted", "error", err)
		}
		select {
		case <-every.C:
		case <-ctx.Done():
			return
		}
	}
}
