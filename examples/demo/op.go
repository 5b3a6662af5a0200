package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

// tokenLife is short, so that one can watch a token being refreshed.
const tokenLife = 30 * time.Second

// An op is the provider that the demo signs in at.
type op struct {
	provider signon.Provider
	builtIn  bool
	shared   bool // it is another copy's
	close    func()

	// tellAt has the built-in provider tell the copy at that origin of a logout.
	tellAt func(base string)
}

// openOP starts the built-in provider at addr, or takes the one that the environment
// names.
func openOP(getenv func(string) string, addr string) (*op, error) {
	if issuer := getenv("SIGNON_ISSUER"); issuer != "" {
		return &op{close: func() {}, tellAt: func(string) {}, provider: signon.Provider{
			Name:          cmp.Or(getenv("SIGNON_NAME"), nameOf(issuer)),
			Issuer:        issuer,
			ClientID:      getenv("SIGNON_CLIENT_ID"),
			ClientSecret:  signon.Secret(getenv("SIGNON_CLIENT_SECRET")),
			Scopes:        []string{"openid", "profile", "email"},
			FetchUserInfo: true, // where many providers have name and e-mail
		}}, nil
	}
	l, err := net.Listen("tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		if o := newBuiltIn(addr); runsAt(o.provider.Issuer) {
			// It tells the other copy of a logout, which is enough: they have one database.
			o.shared, o.close, o.tellAt = true, func() {}, func(string) {}
			return o.op, nil
		}
		l, err = listen(addr, addr == defaultProvider)
	}
	if err != nil {
		return nil, fmt.Errorf("the built-in provider: %w; choose another address with -provider", err)
	}
	o := newBuiltIn(l.Addr().String())
	server := &http.Server{Handler: o.handler, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }()
	o.close = func() {
		_ = server.Close()
		o.handler.Close()
	}
	return o.op, nil
}

// A builtIn is the same in all copies. The one that serves it also knows who is signed in
// at it.
type builtIn struct {
	*op
	handler *signontest.Provider
}

func newBuiltIn(addr string) builtIn {
	p := signontest.NewInProcess(signontest.Config{
		Issuer:        "http://" + addr,
		ClientID:      "Signon demo",
		Interaction:   signontest.Form,
		ConfirmLogout: true,
		TokenLife:     tokenLife,
	})
	o := &op{provider: p.SignonProvider(nameOf(p.Issuer())), builtIn: true}
	o.provider.Scopes = append(o.provider.Scopes, "items")
	o.tellAt = func(base string) { p.SetBackChannelLogoutURI(base + "/auth/backchannel-logout/" + o.provider.Name) }
	return builtIn{o, p}
}

// nameOf makes a provider's name of its issuer, such as accounts-google-com. Tokens are
// stored under the name, and the database may still have those of the last run, which was
// perhaps at another issuer: they are not for this one.
func nameOf(issuer string) string {
	_, place, _ := strings.Cut(strings.ToLower(issuer), "://")
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, place)
	return strings.Trim(name[:min(len(name), 64)], "-")
}

// runsAt tells whether a provider of that issuer runs: another copy's.
func runsAt(issuer string) bool {
	client := &http.Client{Timeout: 3 * time.Second}
	resp, err := client.Get(issuer + "/.well-known/openid-configuration")
	if err != nil {
		return false
	}
	defer func() { _ = resp.Body.Close() }()
	var metadata struct {
		Issuer string `json:"issuer"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&metadata)
	return err == nil && metadata.Issuer == issuer
}

// formAction is where the form that signs out leads, for a Content-Security-Policy.
func (o *op) formAction() string {
	if o.builtIn {
		return o.provider.Issuer
	}
	scheme, _, _ := strings.Cut(o.provider.Issuer, "://")
	return scheme + ":"
}

// describe is a line for the terminal.
func (o *op) describe(base string) string {
	switch {
	case o.shared:
		return o.provider.Issuer + ", in the copy that runs already; sign in as alice or bob, without a password"
	case o.builtIn:
		return o.provider.Issuer + ", built in; sign in as alice or bob, without a password"
	}
	return fmt.Sprintf("%s; the URLs to register there are %[2]s/auth/callback/%[3]s for signing in and %[2]s/auth/logged-out/%[3]s for signing out",
		o.provider.Issuer, base, o.provider.Name)
}
