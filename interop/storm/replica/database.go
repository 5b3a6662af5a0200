package main

import (
	"context"
	"fmt"
	"time"

	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/sessionstore/sessiongorm"
	"github.com/seed1a301047/signon/tokenstore/tokengorm"
)

// A replica opens so many connections at most: four of them stay far below what a
// small PostgreSQL allows.
const maxConnections = 16

// useDatabase puts sessions, logins and tokens into one database, whose tables each
// replica makes sure of when it starts.
func useDatabase(cfg *signon.Config, s settings) error {
	if s.Database == "" {
		return nil
	}
	db, err := open(s)
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	tokens, err := tokengorm.New(db)
	if err != nil {
		return err
	}
	sessions, err := sessiongorm.New(db)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := tokens.Migrate(ctx); err != nil {
		return err
	}
	if err := sessions.Migrate(ctx); err != nil {
		return err
	}
	cfg.Tokens, cfg.Logins, cfg.Sessions = tokens, sessions, sessionstore.NewManager(sessions)
	return nil
}

func open(s settings) (*gorm.DB, error) {
	dialector, ok := map[string]func(string) gorm.Dialector{
		"sqlite": sqlite.Open, "postgres": postgres.Open, "mariadb": mysql.Open,
	}[s.Database]
	if !ok {
		return nil, fmt.Errorf("no database is called %q", s.Database)
	}
	db, err := gorm.Open(dialector(s.DSN), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		return nil, err
	}
	pool, err := db.DB()
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(maxConnections)
	pool.SetMaxIdleConns(maxConnections)
	return db, nil
}
