package signon_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/providers"
	"github.com/seed1a301047/signon/signontest"
	"github.com/seed1a301047/signon/tokenstore"
)

// The README's code is what stands here; readme_test.go holds the two together.

// A whole application: it signs users in with Google and shows what Google says of
// them.
func Example() {
	auth, err := signon.New(signon.Config{BaseURL: "http://localhost:8080"})
	if err != nil {
		log.Fatal(err)
	}
	settings := providers.Google()
	if err := signon.LoadEnv("", &settings); err != nil { // GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET
		log.Fatal(err)
	}
	google, err := auth.Register(settings)
	if err != nil {
		log.Fatal(err)
	}

	http.Handle("/auth/", auth.Handler())
	http.Handle("/", google.RequireToken(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, err := google.HTTPClient(r.Context()).Get("oauth2/v3/userinfo")
		if err != nil {
			google.Fail(w, r, err)
			return
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(resp.StatusCode)
		io.Copy(w, resp.Body)
	})))
	log.Fatal(http.ListenAndServe("localhost:8080", nil))
}

// An OpenID Provider needs an issuer; the rest is discovered when it is first needed.
func Example_openID() {
	auth, err := signon.New(signon.Config{BaseURL: "https://app.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	corp, err := auth.Register(signon.Provider{
		Name:          "corp",
		Issuer:        "https://login.example.com",
		ClientID:      "app",
		ClientSecret:  signon.Secret(os.Getenv("CORP_CLIENT_SECRET")),
		Scopes:        []string{"openid", "email", "profile"},
		FetchUserInfo: true, // many providers say there who it is, beyond the subject
	})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.Handle("/auth/", auth.Handler())
	mux.Handle("/me", corp.RequireToken(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		login, _ := signon.LoginFrom(r.Context())
		var profile struct {
			Name   string   `json:"name"`
			Groups []string `json:"groups"`
		}
		if err := login.UserInfo(&profile); err != nil {
			corp.Fail(w, r, err)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "%s, at %s known as %s", profile.Name, login.Issuer, login.Subject)
	})))
	// Output:
}

// An OAuth 2.0 server without OpenID Connect: the endpoints, and who says whose token it is.
func Example_oauth2() {
	auth, err := signon.New(signon.Config{BaseURL: "https://app.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	shop, err := auth.Register(signon.Provider{
		Name:         "shop",
		ClientID:     "app",
		ClientSecret: "from a secret manager",
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://shop.example.net/oauth/authorize",
			TokenURL: "https://shop.example.net/oauth/token",
		},
		UserInfoURL:  "https://api.shop.example.net/me",
		SubjectClaim: "customer_number",
		APIBaseURL:   "https://api.shop.example.net/",
		Scopes:       []string{"orders:read"},
	})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.Handle("/auth/", auth.Handler())
	mux.Handle("/orders", shop.RequireToken(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, err := shop.HTTPClient(r.Context()).Get("orders")
		if err != nil {
			shop.Fail(w, r, err)
			return
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(resp.StatusCode)
		io.Copy(w, resp.Body)
	})))
	// Output:
}

// Routes of the application's own, instead of Registry.Handler.
func ExampleClient_LoginHandler() {
	auth, err := signon.New(signon.Config{BaseURL: "https://app.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	corp, err := auth.Register(signon.Provider{
		Name:        "corp",
		Issuer:      "https://login.example.com",
		ClientID:    "app",
		Scopes:      []string{"openid"},
		LoginURL:    "/signin",
		RedirectURL: "https://app.example.com/signed-in",
	})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.Handle("GET /signin", corp.LoginHandler())
	mux.Handle("GET /signin/again", corp.LoginHandler(oauth2.SetAuthURLParam("prompt", "login")))
	mux.Handle("GET /signed-in", corp.CallbackHandler(nil)) // with form_post also POST
	mux.Handle("POST /signout", corp.LogoutHandler())
	// Output:
}

// Your own users: OnLogin finds or creates one, or refuses.
func ExampleConfig_onLogin() {
	auth, err := signon.New(signon.Config{
		BaseURL: "https://app.example.com",
		OnLogin: func(ctx context.Context, login *signon.Login) (owner string, err error) {
			email, verified := login.Email()
			if !verified || !strings.HasSuffix(email, "@example.com") {
				return "", fmt.Errorf("not one of us: %w", signon.ErrDenied)
			}
			return findOrCreateUser(ctx, login.Issuer, login.Subject, email)
		},
	})
	if err != nil {
		log.Fatal(err)
	}

	mux := http.NewServeMux()
	mux.Handle("/auth/", auth.Handler())
	mux.Handle("/me", auth.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		login, _ := signon.LoginFrom(r.Context())
		fmt.Fprintf(w, "user %s of ours", login.Owner)
	})))
	// Output:
}

func findOrCreateUser(_ context.Context, issuer, subject, _ string) (id string, err error) {
	return issuer + "#" + subject, nil
}

// An application with a sign-in of its own connects providers to its users.
func ExampleConfig_owner() {
	auth, err := signon.New(signon.Config{
		BaseURL: "https://app.example.com",
		Owner:   func(r *http.Request) (string, error) { return currentUser(r), nil },
	})
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
	mux.Handle("/auth/", auth.Handler()) // a form on your page posts to /auth/login/github
	mux.HandleFunc("POST /disconnect", func(w http.ResponseWriter, r *http.Request) {
		ctx := signon.WithOwner(r.Context(), currentUser(r))
		if err := github.Revoke(ctx); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			github.Fail(w, r, err)
			return
		}
		http.Redirect(w, r, "/settings", http.StatusSeeOther)
	})
	// Output:
}

func currentUser(*http.Request) string {
	return "user-42"
}

// countRepos calls the API as whoever ctx is for: the user of a request that
// RequireToken let through, or the owner that WithOwner names.
func countRepos(ctx context.Context, github *signon.Client) (int, error) {
	resp, err := github.HTTPClient(ctx).Get("user/repos")
	if err != nil {
		return 0, err // errors.Is(err, signon.ErrNoToken): the user must sign in again
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("GitHub answered %s", resp.Status)
	}
	var repos []json.RawMessage
	err = json.NewDecoder(resp.Body).Decode(&repos)
	return len(repos), err
}

// In the background, for a user who may be asleep.
func ExampleWithOwner() {
	var github *signon.Client // what Register returned
	nightly := func(ctx context.Context, users []string) {
		for _, user := range users {
			n, err := countRepos(signon.WithOwner(ctx, user), github)
			log.Println(user, n, err)
		}
	}
	nightly(context.Background(), nil)
	// Output:
}

// Or two functions for one provider: the application then saves and deletes the
// tokens itself.
func ExampleFetchTokenFunc() {
	table := &tokenTable{}
	auth, err := signon.New(signon.Config{
		BaseURL: "https://app.example.com",
		OnLogin: func(ctx context.Context, login *signon.Login) (owner string, err error) {
			key := tokenstore.Key{Provider: login.Provider, Owner: login.Subject}
			return key.Owner, table.SaveToken(ctx, key, login.Token())
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	corp, err := auth.Register(signon.Provider{
		Name:     "corp",
		Issuer:   "https://login.example.com",
		ClientID: "app",
		Scopes:   []string{"openid", "offline_access"},
		FetchToken: signon.FetchTokenFunc(func(ctx context.Context, key tokenstore.Key) (*oauth2.Token, error) {
			return table.FetchToken(ctx, key)
		}),
		UpdateToken: signon.UpdateTokenFunc(func(ctx context.Context, key tokenstore.Key, old, token *oauth2.Token) error {
			return table.UpdateToken(ctx, key, old, token)
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(corp.Name(), "is ready")
	// Output: corp is ready
}

// A provider that wants an audience, and leaves token_type out of its answers.
func ExampleProvider_hooks() {
	audience := hooks.Hooks{
		Authorize: func(_ context.Context, a *hooks.Authorize) error {
			a.Params.Set("audience", "https://api.example.com")
			return nil
		},
	}
	bent := signon.Provider{
		Name:     "bent",
		ClientID: "app",
		Endpoint: oauth2.Endpoint{
			AuthURL:  "https://bent.example.com/authorize",
			TokenURL: "https://bent.example.com/token",
		},
		Hooks: hooks.Join(audience, hooks.DefaultTokenType("Bearer")),
	}
	fmt.Println(bent.Name)
	// Output: bent
}

// Middleware as every router takes it; with chi these are r.Use(signedIn) and
// r.With(admins).Get("/admin", page).
func ExampleClient_RequireToken() {
	auth, err := signon.New(signon.Config{BaseURL: "https://app.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	corp, err := auth.Register(signon.Provider{
		Name:     "corp",
		Issuer:   "https://login.example.com",
		ClientID: "app",
		Scopes:   []string{"openid", "items"},
	})
	if err != nil {
		log.Fatal(err)
	}

	var signedIn func(http.Handler) http.Handler = auth.RequireLogin
	var withToken func(http.Handler) http.Handler = corp.RequireToken
	admins := func(next http.Handler) http.Handler { return corp.RequireScopes(next, "admin") }

	page := http.NotFoundHandler()
	mux := http.NewServeMux()
	mux.Handle("/auth/", auth.Handler())
	mux.Handle("/home", signedIn(page))
	mux.Handle("/items", withToken(page))
	mux.Handle("/admin", admins(page))
	// Output:
}

// A link to the login says where to come back to.
func ExampleClient_LoginURL() {
	auth, err := signon.New(signon.Config{BaseURL: "https://app.example.com"})
	if err != nil {
		log.Fatal(err)
	}
	corp, err := auth.Register(signon.Provider{Name: "corp", Issuer: "https://login.example.com", ClientID: "app"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(corp.LoginURL() + "?return_to=" + url.QueryEscape("/items?page=2"))
	// Output: /auth/login/corp?return_to=%2Fitems%3Fpage%3D2
}

// newApplication is what the test below tests.
func newApplication(auth *signon.Registry, corp *signon.Client) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/auth/", auth.Handler())
	mux.Handle("/items", corp.RequireToken(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, err := corp.HTTPClient(r.Context()).Get("items")
		if err != nil {
			corp.Fail(w, r, err)
			return
		}
		defer resp.Body.Close()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(resp.StatusCode)
		io.Copy(w, resp.Body)
	})))
	return mux
}

func TestSignIn(t *testing.T) {
	provider := signontest.NewInProcess(signontest.Config{})
	auth, err := signon.New(signon.Config{BaseURL: "https://app.test", HTTPClient: provider.HTTPClient()})
	require.NoError(t, err)
	corp, err := auth.Register(provider.SignonProvider("corp"))
	require.NoError(t, err)

	browser := signontest.NewBrowser(t)
	browser.Serve("https://app.test", newApplication(auth, corp))
	browser.Serve(provider.Issuer(), provider)

	page := browser.Get("https://app.test/items").FollowAll(9) // to the provider and back
	require.Contains(t, page.Body, "apple")

	provider.Arm(signontest.WrongNonce)
	page = page.Click("/auth/login/corp").FollowAll(9)
	require.Equal(t, http.StatusBadRequest, page.Status)
}

// A provider from a configuration file. A misspelt member is an error.
func ExampleProvider_UnmarshalJSON() {
	var corp signon.Provider
	err := json.Unmarshal([]byte(`{
		"name": "corp",
		"issuer": "https://login.example.com",
		"client_id": "app",
		"client_secret": "from a secret manager",
		"client_auth": "client_secret_post",
		"scopes": ["openid", "email"]
	}`), &corp)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(corp.Name, corp.ClientAuth.Name(), corp.Scopes, corp.ClientSecret)
	// Output: corp client_secret_post [openid email] [redacted]
}

// A secret does not print, whatever prints it.
func ExampleSecret() {
	secret := signon.Secret("s3cret")
	fmt.Println(secret)
	fmt.Printf("%q %x %+v\n", secret, secret, struct{ Password signon.Secret }{secret})
	inJSON, err := json.Marshal(map[string]any{"secret": secret})
	fmt.Println(string(inJSON), err)
	// Output:
	// [redacted]
	// [redacted] [redacted] {Password:[redacted]}
	// {"secret":"[redacted]"} <nil>
}
