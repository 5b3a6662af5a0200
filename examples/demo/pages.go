package main

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"github.com/seed1a301047/signon"
)

//go:embed pages
var files embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"clock":   func(t time.Time) string { return t.Local().Format("15:04:05") },
	"since":   func(t time.Time) string { return past(time.Since(t)) },
	"times":   times,
	"until":   func(t time.Time) string { return spoken(time.Until(t)) },
	"initial": func(name string) string { return string([]rune(name + "?")[:1]) },
}).ParseFS(files, "pages/*.html"))

type homePage struct {
	BuiltIn  bool
	Issuer   string
	Provider string // its name here

	Copy, Place string // which one answers, and where it keeps things
}

type mePage struct {
	Login         *signon.Login
	Name, Email   string
	EmailVerified bool
	Token         *tokenState
	Logins        []*signon.Login // all of this user's, the newest first

	Copy, Place string
}

type tokenPage struct {
	Token *tokenState
	Every int // seconds from one look to the next
}

// A tokenState is what a page shows of a token: never the token.
type tokenState struct {
	Scopes      []string
	Fingerprint string
	Expiry      time.Time // zero if it is not known
	Life        time.Duration
	Renewable   bool
	History     history
}

type apiPage struct {
	BuiltIn bool
	Items   []string
	Claims  []claim
}

type claim struct{ Name, Value string }

type errorPage struct {
	*signon.Failure
	Text string
}

// render writes a page, whole or not at all.
func render(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name+".html", data); err != nil {
		http.Error(w, "the page "+name+" is broken", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w)
}

func static(contentType, name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		body, err := files.ReadFile(name)
		if err != nil {
			http.Error(w, "no "+name, http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(body)
	}
}

// spoken is a duration as one says it.
func spoken(d time.Duration) string {
	switch {
	case d <= 0:
		return "now"
	case d < 2*time.Minute:
		return fmt.Sprintf("in %d s", int(d.Round(time.Second)/time.Second))
	case d < 2*time.Hour:
		return fmt.Sprintf("in %d min", int(d.Round(time.Minute)/time.Minute))
	}
	return fmt.Sprintf("in %d h", int(d.Round(time.Hour)/time.Hour))
}

// past is how long ago something was, to the minute, as a login knows when it was seen.
func past(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return "just now"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min ago", int(d/time.Minute))
	}
	return fmt.Sprintf("%d h ago", int(d/time.Hour))
}

func times(n int) string {
	switch n {
	case 0:
		return "not yet"
	case 1:
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// failureText says what happened to somebody who wants to get on.
func failureText(kind string) string {
	switch kind {
	case "bad_request":
		return "This answer belongs to no sign-in that this browser has begun. It may have expired, or have been used before."
	case "denied":
		return "The sign-in was refused, so nothing has changed here."
	case "insufficient_scope":
		return "Your token does not have the scope that this page needs."
	case "unauthenticated":
		return "You are not signed in."
	case "not_found":
		return "There is no such sign-in."
	case "op_fault":
		return "The provider answered with something that cannot be trusted."
	case "op_timeout", "unavailable":
		return "The provider cannot be reached at the moment. You are still signed in."
	}
	return "That did not work."
}
