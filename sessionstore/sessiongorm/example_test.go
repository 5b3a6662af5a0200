package sessiongorm_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/sessionstore/sessiongorm"
)

// Two replicas share a file. Who signs out at one is signed out at the other.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	replica := func() *sessiongorm.Store {
		db, err := gorm.Open(sqlite.Open("file:"+filepath.Join(dir, "app.db")+"?_journal_mode=WAL&_busy_timeout=5000&_txlock=immediate"), &gorm.Config{})
		if err != nil {
			panic(err)
		}
		sessions, err := sessiongorm.New(db)
		if err != nil {
			panic(err)
		}
		if err := sessions.Migrate(ctx); err != nil { // safe at all of them at once
			panic(err)
		}
		return sessions
	}
	one, other := replica(), replica()

	err = one.CreateLogin(ctx, &sessionstore.Record{
		ID: "login-laptop", Provider: "github", Owner: "user-42", ExpiresAt: time.Now().Add(8 * time.Hour),
	})
	fmt.Println("signed in:", err)
	login, err := other.Login(ctx, "login-laptop")
	fmt.Println("at the other:", login.Owner, err)

	ended, err := other.EndLogins(ctx, sessionstore.Selector{Owner: "user-42"})
	fmt.Println("signed out:", len(ended), err)
	_, err = one.Login(ctx, "login-laptop")
	fmt.Println("at the one:", err)
	// Output:
	// signed in: <nil>
	// at the other: user-42 <nil>
	// signed out: 1 <nil>
	// at the one: sessionstore: no such login
}

// The browser's sessions are in the database too.
func ExampleStore_FindCtx() {
	db, err := gorm.Open(sqlite.Open("file::memory:?cache=shared"), &gorm.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	store, err := sessiongorm.New(db)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if err := store.Migrate(ctx); err != nil {
		fmt.Println(err)
		return
	}
	sessions := sessionstore.NewManager(store) // *scs.SessionManager

	visit, _ := sessions.Load(ctx, "") // in an application: sessions.LoadAndSave(handler)
	sessions.Put(visit, "language", "eo")
	token, _, err := sessions.Commit(visit)
	fmt.Println(err)

	again, err := sessions.Load(ctx, token)
	fmt.Println(sessions.GetString(again, "language"), err)
	// Output:
	// <nil>
	// eo <nil>
}
