package signon_test

import (
	"fmt"
	"log"
	"os"

	"github.com/seed1a301047/signon"
)

// One file configures many providers. What is known in Go, such as a preset with its
// hooks, goes in and is changed; what is new comes out beside it.
func ExampleLoadJSON() {
	corp := signon.Provider{Name: "corp", Issuer: "https://login.example.com", Scopes: []string{"openid", "email"}}
	all, err := signon.LoadJSON([]byte(`[
		{"name": "corp", "client_id": "app", "client_secret": "from a secret manager"},
		{"name": "partner", "issuer": "https://id.partner.example", "client_id": "app", "scopes": ["openid"]}
	]`), &corp)
	if err != nil {
		log.Fatal(err)
	}
	auth, err := signon.New(signon.Config{BaseURL: "http://localhost:8080"})
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range all {
		if _, err := auth.Register(*p); err != nil {
			log.Fatal(err)
		}
		fmt.Println(p.Name, p.Issuer, p.ClientID, p.Scopes)
	}
	// Output:
	// corp https://login.example.com app [openid email]
	// partner https://id.partner.example app [openid]
}

// The environment has the last word, and a secret stays in its file:
// SHOP_CORP_CLIENT_SECRET_FILE=/run/secrets/corp.
func ExampleLoadEnv() {
	os.Setenv("SHOP_CORP_CLIENT_ID", "app") // usually by what starts the program
	os.Setenv("SHOP_CORP_SCOPES", "openid email")

	corp := signon.Provider{Name: "corp", Issuer: "https://login.example.com", Scopes: []string{"openid"}}
	if err := signon.LoadEnv("SHOP_", &corp); err != nil {
		log.Fatal(err)
	}
	fmt.Println(corp.Issuer, corp.ClientID, corp.Scopes)
	// Output: https://login.example.com app [openid email]
}
