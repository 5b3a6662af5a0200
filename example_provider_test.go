package signon_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/providers"
)

// GitHub's bends are in its preset.
func Example_preset() {
	auth, err := signon.New(signon.Config{BaseURL: "https://app.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	preset := providers.GitHub()
	preset.ClientID, preset.ClientSecret = "Iv1.8a61f9b3a7aba766", "from a secret manager"
	github, err := auth.Register(preset)
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.Handle("/auth/", auth.Handler())
	mux.Handle("/me", github.RequireToken(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		login, _ := signon.LoginFrom(r.Context())
		who, err := login.Identity()
		if err != nil {
			github.Fail(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "%s <%s> (verified: %t), at %s known as %s", who.Name, who.Email, who.EmailVerified, who.Provider, who.Subject)
	})))
	// Output:
}

// The key is in a file here; any crypto.Signer will do, such as one of a KMS.
func Example_privateKeyJWT() {
	auth, err := signon.New(signon.Config{BaseURL: "https://app.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	pem, err := os.ReadFile("/run/secrets/client-key.pem")
	if err != nil {
		log.Fatal(err)
	}
	signers, err := clientauth.ParseKeys(pem)
	if err != nil {
		log.Fatal(err)
	}
	_, err = auth.Register(signon.Provider{
		Name:       "bank",
		Issuer:     "https://login.bank.example",
		ClientID:   "app",
		ClientAuth: clientauth.PrivateKeyJWT{Keys: []clientauth.Key{{ID: "2026-11", Signer: signers[0]}}},
		Scopes:     []string{"openid"},
	})
	if err != nil {
		log.Fatal(err)
	}
}

// A page that anybody may see, with what the API gives to the application itself.
func Example_clientCredentials() {
	var shop *signon.Client // what Register returned
	http.HandleFunc("GET /stock", func(w http.ResponseWriter, r *http.Request) {
		ctx := signon.WithClientToken(r.Context(), "stock:read")
		resp, err := shop.HTTPClient(ctx).Get("stock")
		if err != nil {
			shop.Fail(w, r, err)
			return
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Type", "application/json")
		io.Copy(w, resp.Body)
	})
	// Output:
}
