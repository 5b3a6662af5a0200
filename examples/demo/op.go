package main

import (
	"fmt"
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
	close    func()
}

// openOP starts the built-in provider, or takes the one that the environment names.
func openOP(getenv func(string) string) (*op, error) {
	if issuer := getenv("SIGNON_ISSUER"); issuer != "" {
		return &op{close: func() {}, provider: signon.Provider{
			Name:          "demo",
			Issuer:        issuer,
			ClientID:      getenv("SIGNON_CLIENT_ID"),
			ClientSecret:  signon.Secret(getenv("SIGNON_CLIENT_SECRET")),
			Scopes:        []string{"openid", "profile", "email"},
			FetchUserInfo: true, // where many providers have name and e-mail
		}}, nil
	}
	p, err := signontest.Start(signontest.Config{
		ClientID:    "Signon demo",
		Interaction: signontest.Form,
		TokenLife:   tokenLife,
	})
	if err != nil {
		return nil, err
	}
	o := &op{provider: p.SignonProvider("demo"), builtIn: true, close: p.Close}
	o.provider.Scopes = append(o.provider.Scopes, "items")
	return o, nil
}

// describe is a line for the terminal.
func (o *op) describe(base string) string {
	if o.builtIn {
		return o.provider.Issuer + ", built in; sign in as alice or bob, without a password"
	}
	return fmt.Sprintf("%s; the redirect URL to register there is %s/auth/callback/demo", o.provider.Issuer, base)
}
