package signon_test

import (
	"context"
	"errors"
	"html/template"
	"log"
	"net/http"

	"github.com/seed1a301047/signon"
)

var loginsPage = template.Must(template.New("logins").Parse(`<form method="post" action="/logins/end">
{{range .}}<p>{{.Provider}}, {{or .UserAgent "a browser"}}, since {{.CreatedAt.Format "2 Jan 15:04"}}
{{if .Current}}(here){{else}}<button name="id" value="{{.ID}}">Sign out</button>{{end}}</p>
{{end}}<button>Sign out everywhere else</button>
</form>
`))

// endLogin ends one of the logins of who asks, or without an id all but the one that asks.
// An id counts only if it is in that owner's list.
func endLogin(auth *signon.Registry, r *http.Request) error {
	me, _ := signon.LoginFrom(r.Context())
	list, err := auth.Logins(r.Context(), me.Owner)
	id := r.PostFormValue("id")
	for _, login := range list {
		if id != login.ID && (id != "" || login.Current) {
			continue
		}
		ended := auth.EndLogin(r.Context(), login.ID)
		if !errors.Is(ended, signon.ErrNoLogin) { // else it has ended by itself
			err = errors.Join(err, ended)
		}
	}
	return err
}

// Where a user is signed in, with a button for each login and one for all others.
func ExampleRegistry_Logins() {
	auth, err := signon.New(signon.Config{
		BaseURL: "https://app.example.com",
		OnLogin: func(_ context.Context, login *signon.Login) (owner string, err error) {
			return login.Provider + ":" + login.Subject, nil
		},
		OnLogout: func(ctx context.Context, login *signon.Login, cause signon.LogoutCause) {
			log.Println("signed out:", login.Owner, login.UserAgent, cause)
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /logins", auth.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		me, _ := signon.LoginFrom(r.Context())
		list, err := auth.Logins(r.Context(), me.Owner)
		if err != nil {
			auth.Fail(w, r, err)
			return
		}
		_ = loginsPage.Execute(w, list)
	})))
	mux.Handle("POST /logins/end", auth.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := endLogin(auth, r); err != nil {
			auth.Fail(w, r, err)
			return
		}
		http.Redirect(w, r, "/logins", http.StatusSeeOther)
	})))
	// The buttons work on the application's own pages only.
	_ = http.NewCrossOriginProtection().Handler(mux)
}
