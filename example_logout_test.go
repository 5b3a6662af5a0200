package signon_test

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

// Handlers of one's own: what Client.LogoutHandler and Client.LoggedOutHandler do, with
// the application's work around it, at URLs of its choosing.
func ExampleClient_StartLogout() {
	op := signontest.NewInProcess(signontest.Config{})
	auth, err := signon.New(signon.Config{BaseURL: "https://app.example.com", HTTPClient: op.HTTPClient()})
	if err != nil {
		fmt.Println(err)
		return
	}
	provider := op.SignonProvider("corp")
	provider.PostLogoutRedirectURL = "https://app.example.com/signed-out" // as it is registered there
	corp, err := auth.Register(provider)
	if err != nil {
		fmt.Println(err)
		return
	}

	mux := http.NewServeMux()
	mux.Handle("/auth/", auth.Handler())
	mux.HandleFunc("POST /signout", func(w http.ResponseWriter, r *http.Request) {
		// First of all, since it is what refuses another site's form.
		if err := corp.StartLogout(w, r); err != nil {
			corp.Fail(w, r, err)
			return
		}
		fmt.Println("drafts are put away")
	})
	mux.HandleFunc("GET /signed-out", func(w http.ResponseWriter, r *http.Request) {
		switch err := corp.FinishLogout(w, r); {
		case err == nil: // the browser goes on to where the form said
		case errors.Is(err, signon.ErrState):
			fmt.Fprint(w, "Until next time.") // opened again, or from elsewhere
		default:
			corp.Fail(w, r, err)
		}
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<form method="post" action="/signout"><input type="hidden" name="return_to" value="/goodbye"><button>Sign out</button></form>`)
	})

	browser := signontest.NewBrowser(nil)
	browser.Serve("https://app.example.com", mux)
	browser.Serve(op.Issuer(), op)
	home := browser.Get("https://app.example.com/auth/login/corp").FollowAll(9)
	there := home.Submit("/signout", nil)
	fmt.Println(there.Location() != "" && there.URL.Path == "/signout")
	back := there.Follow()
	fmt.Println(back.Follow().Location())
	fmt.Println(browser.Get(back.Location()).Body)
	// Output:
	// drafts are put away
	// true
	// https://app.example.com/goodbye
	// Until next time.
}
