package signon

import (
	"encoding/json"
	"html"
	"io"
	"net/http"
	"slices"
	"strings"
)

// Error answers a failed request: with a page, or with JSON where the request
// accepts JSON and not HTML. It says the kind of the failure, the id under which
// the log has the rest, and a way to start again; nothing that a provider or the
// browser sent. It is what happens if Config.OnError is nil, and what an OnError
// may fall back to.
//
// An err that is not a [*Failure] is classified first, and not logged.
func Error(w http.ResponseWriter, r *http.Request, err error) {
	f := newFailure(err)
	h := w.Header()
	f.setHeader(h)
	if wantsHTML(r) {
		p := page{title: "Sign in", body: failurePage(f)}
		if f.ofLogout() {
			p.title = "Sign out"
		}
		writePageAs(w, f.Status, p)
		return
	}
	h.Set("Content-Type", "application/json")
	w.WriteHeader(f.Status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": f.Kind, "error_id": f.ID})
}

// setHeader sets what belongs to the status, whoever writes the page.
func (f *Failure) setHeader(h http.Header) {
	secureHeaders(h)
	switch f.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Bearer") // RFC 6750 section 3; RFC 9110 section 15.5.2 wants one
	case http.StatusForbidden:
		if f.Kind == "insufficient_scope" {
			h.Set("WWW-Authenticate", `Bearer error="insufficient_scope"`)
		}
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", retryAfterSeconds(f.RetryAfter))
	case http.StatusMethodNotAllowed:
		h.Set("Allow", f.Allow)
	}
}

// wantsHTML reports whether a page is welcome: a browser's navigation says
// text/html, its fetch says */* or JSON.
func wantsHTML(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

var explanations = map[string]string{
	"bad_request":        "This sign-in has expired, was already used, or was started in another browser.",
	"denied":             "The sign-in was refused.",
	"unauthenticated":    "You are not signed in.",
	"insufficient_scope": "You have not granted what this page needs.",
	"method":             "This address does not answer that kind of request.",
	"too_large":          "The request is too large.",
	"not_found":          "There is no such sign-in.",
	"op_fault":           "The sign-in service answered with something that cannot be trusted.",
	"op_timeout":         "The sign-in service did not answer in time.",
	"unavailable":        "Sign-in is not available at the moment. Please try again shortly.",
	"internal":           "Something went wrong on our side.",
}

// logoutExplanations are in place of those for a logout.
var logoutExplanations = map[string]string{
	"bad_request": "This sign-out is complete, has expired, or was started in another browser.",
	"denied":      "Another site has asked to sign you out. Nothing has changed here.",
	"unavailable": "Signing out could not be completed. Please try again shortly.",
}

func failurePage(f *Failure) string {
	var b strings.Builder
	b.WriteString("<h1>" + html.EscapeString(f.Message()) + "</h1>\n")
	if f.StartURL != "" && f.Status != http.StatusMethodNotAllowed {
		writeStart(&b, f)
	}
	b.WriteString(`<p class="id">` + html.EscapeString(f.Kind) + " &middot; " + html.EscapeString(f.ID) + "</p>\n")
	return b.String()
}

// writeStart offers to start again: by a POST where only that proves that it is
// our own page which asks.
func writeStart(b *strings.Builder, f *Failure) {
	url := html.EscapeString(f.StartURL)
	if f.Kind == "denied" {
		b.WriteString(`<form method="post" action="` + url + `"><button>Continue</button></form>` + "\n")
		return
	}
	b.WriteString(`<p><a class="button" href="` + url + `">Start again</a></p>` + "\n")
}

func writePage(w http.ResponseWriter, status int, body string) {
	writePageAs(w, status, page{title: "Sign in", body: body})
}

// A page is one that is not about a sign-in, or that has to do more than be read.
type page struct {
	title, body string
	policy      string // what its Content-Security-Policy permits besides, or ""
}

func writePageAs(w http.ResponseWriter, status int, p page) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"+p.policy)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, pageTop+html.EscapeString(p.title)+pageHead+p.body+pageFoot)
}

const pageTop = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>`

const pageHead = `</title>
<style>
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 15vh auto 0; padding: 0 1.5rem; }
h1 { font-size: 1.35rem; font-weight: 600; line-height: 1.35; }
.button, button { display: inline-block; font: inherit; padding: .55rem 1.1rem; border: 0; border-radius: .45rem; background: #1f5fbf; color: #fff; text-decoration: none; cursor: pointer; }
.list { list-style: none; padding: 0; } .list li { margin: .6rem 0; }
.id { color: #767676; font-size: .85rem; }
</style>
</head>
<body>
<main>
`

const pageFoot = `</main>
</body>
</html>
`

// secureHeaders go on every answer of a sign-in handler: it is nobody's to cache,
// to frame, to sniff, and its URL nobody's to learn by Referer. A policy that the
// application has set for its own pages stays, and is joined by ours, since a
// browser keeps to all of them: OnError may show a page of the application.
func secureHeaders(h http.Header) {
	h["Cache-Control"] = noStore
	h["Referrer-Policy"] = noReferrer
	h["X-Content-Type-Options"] = noSniff
	if policies := h["Content-Security-Policy"]; !slices.Contains(policies, noFrame[0]) {
		h["Content-Security-Policy"] = append(policies, noFrame...)
	}
}

// Shared by all answers; a later Set or Add makes a slice of its own, since these
// have no room to append to.
var (
	noStore    = []string{"no-store"}
	noReferrer = []string{"no-referrer"}
	noSniff    = []string{"nosniff"}
	noFrame    = []string{"frame-ancestors 'none'"}
)
