package providers_test

import (
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/providers"
)

func Example() {
	auth, err := signon.New(signon.Config{BaseURL: "https://app.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	p := providers.GitHub()
	p.ClientID, p.ClientSecret = "Iv1.8a61f9b3a7aba766", "from a secret manager"
	github, err := auth.Register(p)
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
		fmt.Fprintf(w, "%s, at %s known as %s", who.Name, who.Provider, who.Subject)
	})))
	fmt.Println(github.Name())
	// Output: github
}

// A provider of one tenant, domain or region takes that as an argument.
func ExampleMicrosoft() {
	auth, err := signon.New(signon.Config{BaseURL: "https://app.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	p := providers.Microsoft("8eaef023-2b34-4da1-9baa-8bc8c9d6a490")
	p.ClientID, p.ClientSecret = "535fb089-9ff3-47b6-9bfb-4f1264799865", "from a secret manager"
	p.Scopes = append(p.Scopes, "offline_access", "User.Read")
	staff, err := auth.Register(p)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(staff.Name(), p.Issuer)
	// Output: microsoft https://login.microsoftonline.com/8eaef023-2b34-4da1-9baa-8bc8c9d6a490/v2.0
}

// Those of several tenants are let in by their IDs; the others are not.
func ExampleMicrosoftTenants() {
	p := providers.MicrosoftTenants("8eaef023-2b34-4da1-9baa-8bc8c9d6a490", "72f988bf-86f1-41af-91ab-2d7cd011db47")
	fmt.Println(p.Issuer)
	// Output: https://login.microsoftonline.com/{tenantid}/v2.0
}

// Apple is given a key instead of a secret.
func ExampleApple() {
	auth, err := signon.New(signon.Config{BaseURL: "https://app.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	p8, err := os.ReadFile("AuthKey_ABC123DEFG.p8")
	if err != nil {
		log.Fatal(err)
	}
	p := providers.Apple(providers.AppleKey{TeamID: "DEF123GHIJ", ID: "ABC123DEFG", PEM: p8})
	p.ClientID = "com.example.web" // the Services ID
	if _, err := auth.Register(p); err != nil {
		log.Fatal(err)
	}
}

// A server of one's own is named by its address.
func ExampleKeycloak() {
	p := providers.Keycloak("https://sso.example.com", "staff")
	fmt.Println(p.Issuer)
	// Output: https://sso.example.com/realms/staff
}

// Which providers there are can be the configuration's matter.
func ExampleByName() {
	for _, name := range []string{"google", "nobody"} {
		p, ok := providers.ByName(name)
		fmt.Println(p.Issuer, ok)
	}
	// Output:
	// https://accounts.google.com true
	//  false
}
