package signon_test

import (
	"encoding/base64"
	"log"
	"net/http"
	"os"

	"github.com/alexedwards/scs/v2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
)

// newShared makes the registry of one of many processes.
func newShared(sessions scs.Store, logins sessionstore.Store, tokens signon.TokenStore) (*signon.Registry, error) {
	key, err := base64.StdEncoding.DecodeString(os.Getenv("SIGNON_KEY")) // openssl rand -base64 32
	if err != nil {
		return nil, err
	}
	return signon.New(signon.Config{
		BaseURL:  "https://app.example.com",
		Keys:     [][]byte{key},
		Sessions: sessionstore.NewManager(sessions),
		Logins:   logins,
		Tokens:   tokens,
	})
}

// One of many processes, with the stores that all of them share.
func ExampleConfig() {
	var sessions scs.Store        // such as scs's redisstore
	var logins sessionstore.Store // yours
	var tokens signon.TokenStore  // yours
	auth, err := newShared(sessions, logins, tokens)
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/auth/", auth.Handler())
}
