package signon_test

import (
	"context"
	"log"
	"net/http"

	"github.com/seed1a301047/signon"
)

// An audit log, and a page's button that signs its user out everywhere.
func Example_signOutEverywhere() {
	auth, err := signon.New(signon.Config{
		BaseURL: "https://app.example.com",
		OnLogin: func(_ context.Context, login *signon.Login) (owner string, err error) {
			return login.Provider + ":" + login.Subject, nil
		},
		OnLogout: func(_ context.Context, login *signon.Login, cause signon.LogoutCause) {
			log.Println("signed out:", login.Owner, login.UserAgent, cause)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/", auth.Handler())
	mux.Handle("POST /logins/end", auth.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		me, _ := signon.LoginFrom(r.Context())
		if _, err := auth.EndLogins(r.Context(), me.Owner); err != nil {
			auth.Fail(w, r, err)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})))
	log.Fatal(http.ListenAndServe(":8080", http.NewCrossOriginProtection().Handler(mux)))
}
