// The demo is an application that signs users in, with a provider beside it:
//
//	go run ./examples/demo
//
// It prints its address. Who is signed in, and the tokens, are in an SQLite file that it
// names, or in the database of DATABASE_URL:
//
//	DATABASE_URL=postgres://user:password@localhost/app go run ./examples/demo
//
// Run it twice: the second copy takes another port, and has the database, the keys and
// the provider in common with the first. Who signs out at one has signed out at the other.
//
// Its provider asks whether to sign out there too, and tells the application when somebody
// signs out at the provider alone, by a back channel to the first copy.
//
// Where SIGNON_ISSUER, SIGNON_CLIENT_ID and SIGNON_CLIENT_SECRET are set, it signs in at
// that OpenID Provider instead.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	defaultAddr     = "127.0.0.1:8080"
	defaultProvider = "127.0.0.1:8079"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run serves the demo until ctx ends. What it has opened first it closes last.
func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(out)
	addr := flags.String("addr", defaultAddr, "address to listen on; the default moves to a free port if it is taken")
	provider := flags.String("provider", defaultProvider, "address of the built-in provider; the first copy has it, the others use it")
	dir := flags.String("dir", "", "folder of the SQLite file and of the key (default signon-demo in the user's cache folder)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	o, err := openOP(getenv, *provider)
	if err != nil {
		return err
	}
	defer o.close()
	folder, err := openFolder(*dir)
	if err != nil {
		return err
	}
	keys, err := openKeys(getenv("SIGNON_KEYS"), folder)
	if err != nil {
		return err
	}
	db, err := openDatabase(ctx, getenv("DATABASE_URL"), folder)
	if err != nil {
		return err
	}
	defer db.close()
	// A real provider knows one redirect URL, which a free port would not match.
	l, err := listen(*addr, *addr == defaultAddr && o.builtIn)
	if err != nil {
		return err
	}
	// The provider is on 127.0.0.1. Two ports of one host would be one site; by
	// another name this is another one, as the application and its provider will be.
	base := fmt.Sprintf("http://localhost:%d", l.Addr().(*net.TCPAddr).Port)
	a, err := newApp(parts{base: base, op: o, db: db, keys: keys, logger: slog.Default()})
	if err != nil {
		_ = l.Close()
		return err
	}
	o.tellAt(base)
	fmt.Fprintf(out, "Open %s\n", base)
	fmt.Fprintf(out, "The provider is %s\n", o.describe(base))
	fmt.Fprintf(out, "Logins and tokens are in %s\n", db.place)
	fmt.Fprintln(out, "Stop with Ctrl-C")
	return a.serve(ctx, l)
}

// openFolder makes the folder, which is for nobody else.
func openFolder(dir string) (string, error) {
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no folder for the database: %w; name one with -dir", err)
		}
		dir = filepath.Join(cache, "signon-demo")
	}
	return dir, os.MkdirAll(dir, 0o700)
}

func listen(addr string, mayMove bool) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil && mayMove && errors.Is(err, syscall.EADDRINUSE) {
		return net.Listen("tcp", "127.0.0.1:0")
	}
	return l, err
}

// serve answers requests until ctx ends, then lets those in flight finish, and after
// them the refreshes that they have begun. What has expired it deletes meanwhile.
func (a *app) serve(ctx context.Context, l net.Listener) error {
	ctx, stop := context.WithCancel(ctx)
	var sweeping sync.WaitGroup
	defer sweeping.Wait()
	defer stop()
	sweeping.Go(func() { a.db.sweep(ctx, a.logger) })

	server := &http.Server{Handler: a, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(server.Shutdown(ctx), a.auth.Shutdown(ctx))
}
