package signon_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"os"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

// The application calls an API as itself, with nobody signed in.
func ExampleClient_ClientToken() {
	provider := signontest.NewInProcess(signontest.Config{})
	auth, err := signon.New(signon.Config{BaseURL: "https://app.example.com", HTTPClient: provider.HTTPClient(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	corp, err := auth.Register(provider.SignonProvider("corp"))
	if err != nil {
		log.Fatal(err)
	}

	token, err := corp.ClientToken(context.Background(), "items", "admin")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Type(), corp.Scopes(token))
	// Output: Bearer [admin items]
}

// Every call that works for a user works for the application too.
func ExampleWithClientToken() {
	provider := signontest.NewInProcess(signontest.Config{})
	auth, err := signon.New(signon.Config{BaseURL: "https://app.example.com", HTTPClient: provider.HTTPClient(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Fatal(err)
	}
	corp, err := auth.Register(provider.SignonProvider("corp"))
	if err != nil {
		log.Fatal(err)
	}

	ctx := signon.WithClientToken(context.Background(), "items")
	resp, err := corp.HTTPClient(ctx).Get("items")
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode == http.StatusOK)
	_, _ = io.Copy(os.Stdout, resp.Body)
	// Output:
	// true
	// {"items":["apple","pear","plum"],"owner":"app"}
}
