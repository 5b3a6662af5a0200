package signon_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
)

// bentProvider has no preset; it answers the token request with a form, and leaves
// token_type out.
func bentProvider() signon.Provider {
	return signon.Provider{
		Name:         "bent",
		ClientID:     os.Getenv("BENT_CLIENT_ID"),
		ClientSecret: signon.Secret(os.Getenv("BENT_CLIENT_SECRET")),
		Endpoint:     oauth2.Endpoint{AuthURL: "https://bent.example.com/authorize", TokenURL: "https://bent.example.com/token"},
		UserInfoURL:  "https://bent.example.com/me",
		Hooks:        hooks.Join(hooks.FormTokenResponse(), hooks.DefaultTokenType("Bearer")),
	}
}

// A provider without a preset that departs from the standards: its token response is
// form-encoded and has no token_type. Package hooks lists the fixes.
func Example_bentProvider() {
	auth, err := signon.New(signon.Config{BaseURL: "https://app.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	bent, err := auth.Register(bentProvider())
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/auth/", auth.Handler())
	http.Handle("/account", bent.RequireToken(http.HandlerFunc(account)))
}

// account greets whoever signed in, at whatever provider.
func account(w http.ResponseWriter, r *http.Request) {
	login, _ := signon.LoginFrom(r.Context())
	id, err := login.Identity()
	if err != nil {
		signon.Error(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "Hello %s, you are %s at %s.\n", id.Name, id.Subject, id.Provider)
}

// Where the userinfo does not say it all, a Profile hook asks the provider's API: here
// for the addresses of the user, of which the verified primary one counts.
func Example_profileHook() {
	profile := hooks.Hooks{Profile: func(ctx context.Context, p *hooks.Profile) error {
		var addresses []struct {
			Address  string `json:"address"`
			Primary  bool   `json:"primary"`
			Verified bool   `json:"verified"`
		}
		if err := p.Get(ctx, "me/addresses", &addresses); err != nil {
			return err
		}
		for _, a := range addresses {
			if a.Primary {
				p.SetEmail(a.Address, a.Verified)
			}
		}
		return nil
	}}
	bent := signon.Provider{
		Name: "bent", APIBaseURL: "https://api.bent.example.com/",
		Hooks: hooks.Join(hooks.Header("User-Agent", "example-app"), profile),
	}
	fmt.Println(bent.Name)
	// Output: bent
}
