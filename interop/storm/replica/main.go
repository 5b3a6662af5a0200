// Command replica is one process of the application that the tests run in many: a
// sign-in, a page for its user, and one that calls the provider's API as its user. It is written as a
// user of Signon would write it.
//
// Its settings are the JSON in SIGNON_REPLICA. It prints "READY ADDRESS" once it
// serves, and stops when its standard input ends: whoever started it cannot leave
// it behind.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/seed1a301047/signon"
)

// settings are what all replicas share, but for TokenURL: by its path the test
// knows which of them asks.
type settings struct {
	BaseURL, Issuer, TokenURL, APIBaseURL string
	ClientID, ClientSecret                string
	Key                                   []byte
	Database, DSN                         string // "" for memory
}

// drain is how long a replica takes to stop at most: a refresh in flight ends first.
const drain = 20 * time.Second

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "replica:", err)
		os.Exit(1)
	}
}

func run() error {
	var s settings
	if err := json.Unmarshal([]byte(os.Getenv("SIGNON_REPLICA")), &s); err != nil {
		return fmt.Errorf("SIGNON_REPLICA: %w", err)
	}
	auth, handler, err := newApp(s)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	fmt.Println("READY", listener.Addr())

	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, os.Stdin)
	}()
	select {
	case err := <-failed:
		return err
	case <-ended:
	}
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	return errors.Join(server.Shutdown(ctx), auth.Shutdown(ctx))
}

// newApp makes the application.
func newApp(s settings) (*signon.Registry, http.Handler, error) {
	cfg := signon.Config{BaseURL: s.BaseURL, Keys: [][]byte{s.Key}, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	if err := useDatabase(&cfg, s); err != nil {
		return nil, nil, err
	}
	auth, err := signon.New(cfg)
	if err != nil {
		return nil, nil, err
	}
	provider := signon.Provider{
		Name: "op", Issuer: s.Issuer, ClientID: s.ClientID, ClientSecret: signon.Secret(s.ClientSecret),
		APIBaseURL: s.APIBaseURL, Scopes: []string{"openid"}, LoginParams: []string{"login_hint"},
	}
	provider.Endpoint.TokenURL = s.TokenURL
	op, err := auth.Register(provider)
	if err != nil {
		return nil, nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/", auth.Handler())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "welcome") })
	mux.Handle("GET /me", auth.RequireLogin(http.HandlerFunc(me)))
	mux.Handle("GET /whoami", op.RequireToken(whoAmI(op)))
	return auth, mux, nil
}

// me says who is signed in, and asks nobody else.
func me(w http.ResponseWriter, r *http.Request) {
	login, _ := signon.LoginFrom(r.Context())
	_, _ = io.WriteString(w, login.Subject)
}

// whoAmI asks the provider's API whose token this is, and says so beside what the
// session says.
func whoAmI(op *signon.Client) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, err := op.HTTPClient(r.Context()).Get("whoami")
		if err != nil {
			op.Fail(w, r, err)
			return
		}
		defer func() { _ = resp.Body.Close() }()
		var answer struct {
			User  string `json:"user"`  // whose token the API got
			Token string `json:"token"` // a hash of it
			Login string `json:"login"` // who is signed in here
		}
		err = json.NewDecoder(io.LimitReader(resp.Body, 1<<10)).Decode(&answer)
		if resp.StatusCode != http.StatusOK || err != nil {
			http.Error(w, "the API answers "+resp.Status, http.StatusBadGateway)
			return
		}
		if login, ok := signon.LoginFrom(r.Context()); ok {
			answer.Login = login.Subject
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	})
}
