package signon_test

import (
	"errors"
	"html/template"
	"log"
	"net/http"
	"strings"

	"github.com/seed1a301047/signon"
)

var errorTemplate = template.Must(template.New("error").Parse(`<!doctype html>
<title>Sign in</title>
<h1>{{if eq .Kind "denied"}}You were not signed in.{{else}}Signing in did not work.{{end}}</h1>
{{with .StartURL}}<p><a href="{{.}}">Start again</a></p>{{end}}
<p>If you ask us, please say {{.ID}}.</p>
`))

// errorPage is a Config.OnError. What an err says is for the log, which has it
// already; a Failure has what may be shown.
func errorPage(w http.ResponseWriter, r *http.Request, err error) {
	var failure *signon.Failure
	if !errors.As(err, &failure) || !strings.Contains(r.Header.Get("Accept"), "text/html") {
		signon.Error(w, r, err) // JSON for what is not a page
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(failure.Status)
	errorTemplate.Execute(w, failure)
}

// An error page of your own.
func ExampleConfig_onError() {
	auth, err := signon.New(signon.Config{
		BaseURL: "https://app.example.com",
		OnError: errorPage,
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/auth/", auth.Handler())
}
