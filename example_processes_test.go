package signon_test

import (
	"context"
	"encoding/base64"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/sessionstore/sessiongorm"
	"github.com/seed1a301047/signon/tokenstore/tokengorm"
)

// newReplica makes the registry of one of many processes that share a database.
func newReplica(ctx context.Context, db *gorm.DB) (*signon.Registry, error) {
	key, err := base64.StdEncoding.DecodeString(os.Getenv("SIGNON_KEY")) // openssl rand -base64 32
	if err != nil {
		return nil, err
	}
	tokens, err := tokengorm.New(db)
	if err != nil {
		return nil, err
	}
	sessions, err := sessiongorm.New(db)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(tokens.Migrate(ctx), sessions.Migrate(ctx)); err != nil {
		return nil, err
	}
	go sweep(ctx, tokens, sessions)
	return signon.New(signon.Config{
		BaseURL:  "https://app.example.com",
		Keys:     [][]byte{key},
		Sessions: sessionstore.NewManager(sessions),
		Logins:   sessions,
		Tokens:   tokens,
	})
}

// sweep deletes what has expired, once an hour. Any number of processes may do it.
func sweep(ctx context.Context, tokens *tokengorm.Store, sessions *sessiongorm.Store) {
	for tick := time.Tick(time.Hour); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
		_, tokensErr := tokens.DeleteExpired(ctx)
		_, sessionsErr := sessions.DeleteExpired(ctx)
		if err := errors.Join(tokensErr, sessionsErr); err != nil {
			log.Println("sweep:", err)
		}
	}
}

// One of many processes, with the database that all of them share.
func ExampleConfig_replicas() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	db, err := gorm.Open(postgres.Open(os.Getenv("DATABASE_URL")))
	if err != nil {
		log.Fatal(err)
	}
	pool, err := db.DB()
	if err != nil {
		log.Fatal(err)
	}
	pool.SetMaxOpenConns(20) // all processes together stay below what the database allows
	pool.SetMaxIdleConns(20)
	auth, err := newReplica(ctx, db)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/", auth.Handler())
	server := &http.Server{Addr: ":8080", Handler: mux}
	go func() {
		log.Println(server.ListenAndServe())
		stop()
	}()

	<-ctx.Done()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	err = server.Shutdown(ctx)
	err = errors.Join(err, auth.Shutdown(ctx)) // stores what refreshes bring meanwhile
	if err != nil {
		log.Println(err)
	}
}

// After a new key has been put in front of Config.Keys, the tokens move to it, in a
// program of its own or in one of the processes. No provider need be registered.
func ExampleRegistry_Reseal() {
	var auth *signon.Registry // with Keys: {new, old}
	report, err := auth.Reseal(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for _, key := range report.Keys { // Index -1: a key that Config.Keys does not have
		log.Printf("key %d (%s) seals %d tokens", key.Index, key.ID, key.Rows)
	}
	if report.Busy > 0 {
		log.Printf("%d tokens were being refreshed: call it again in a minute", report.Busy)
	}
}
