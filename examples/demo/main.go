// The demo is an application that signs users in, with a provider inside it:
//
//	go run ./examples/demo
//
// It prints its address. Where SIGNON_ISSUER, SIGNON_CLIENT_ID and
// SIGNON_CLIENT_SECRET are set, it signs in at that OpenID Provider instead.
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
	"syscall"
	"time"
)

const defaultAddr = "127.0.0.1:8080"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run serves the demo until ctx ends.
func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer) error {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(out)
	addr := flags.String("addr", defaultAddr, "address to listen on; the default moves to a free port if it is taken")
	if err := flags.Parse(args); err != nil {
		return err
	}
	o, err := openOP(getenv)
	if err != nil {
		return err
	}
	defer o.close()
	// A real provider knows one redirect URL, which a free port would not match.
	l, err := listen(*addr, *addr == defaultAddr && o.builtIn)
	if err != nil {
		return err
	}
	// The provider is on 127.0.0.1. Two ports of one host would be one site; by
	// another name this is another one, as the application and its provider will be.
	base := fmt.Sprintf("http://localhost:%d", l.Addr().(*net.TCPAddr).Port)
	a, err := newApp(base, o, slog.Default())
	if err != nil {
		_ = l.Close()
		return err
	}
	fmt.Fprintf(out, "Open %s\n", base)
	fmt.Fprintf(out, "The provider is %s\n", o.describe(base))
	fmt.Fprintln(out, "Stop with Ctrl-C")
	return serve(ctx, l, a)
}

func listen(addr string, mayMove bool) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil && mayMove && errors.Is(err, syscall.EADDRINUSE) {
		return net.Listen("tcp", "127.0.0.1:0")
	}
	return l, err
}

// serve answers requests until ctx ends, then lets those in flight finish.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return server.Shutdown(ctx)
}
