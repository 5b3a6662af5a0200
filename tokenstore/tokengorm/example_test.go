package tokengorm_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/oauth2"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon/tokenstore"
	"github.com/seed1a301047/signon/tokenstore/tokengorm"
)

func Example() {
	dir, _ := os.MkdirTemp("", "tokengorm")
	defer os.RemoveAll(dir)
	dsn := "file:" + filepath.Join(dir, "app.db") + "?_journal_mode=WAL&_busy_timeout=5000&_txlock=immediate"
	db, err := gorm.Open(sqlite.Open(dsn), &gorm.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	tokens, err := tokengorm.New(db) // signon.Config{Tokens: tokens, Keys: ...}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(tokens.Migrate(ctx))

	key := tokenstore.Key{Provider: "example", Owner: "user-42"}
	first := &oauth2.Token{AccessToken: "first", RefreshToken: "refresh-1"}
	fmt.Println(tokens.SaveToken(ctx, key, first))

	// Two processes want to refresh it: one gets the lease.
	read, _ := tokens.FetchToken(ctx, key)
	fmt.Println(tokens.LeaseToken(ctx, key, read, tokenstore.Lease{Holder: "process 1", TTL: time.Minute}))
	fmt.Println(tokens.LeaseToken(ctx, key, read, tokenstore.Lease{Holder: "process 2", TTL: time.Minute}))

	// A refresh that comes after the logout changes nothing.
	fmt.Println(tokens.DeleteToken(ctx, key, nil))
	fmt.Println(tokens.UpdateToken(ctx, key, read, &oauth2.Token{AccessToken: "second"}))
	// Output:
	// <nil>
	// <nil>
	// <nil>
	// tokenstore: another process is refreshing the token
	// <nil>
	// tokenstore: no token stored
}
