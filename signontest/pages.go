package signontest

import (
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// writeFormPost is response_mode=form_post: a page that posts itself.
func writeFormPost(w http.ResponseWriter, action string, v url.Values) {
	var b strings.Builder
	fmt.Fprintf(&b, `<form method="post" action="%s">`, html.EscapeString(action))
	writeHidden(&b, v)
	b.WriteString(`<button>Continue</button></form><script>document.forms[0].submit()</script>`)
	writePage(w, http.StatusOK, "Continue", b.String())
}

func writeHidden(b *strings.Builder, v url.Values) {
	for _, name := range slices.Sorted(maps.Keys(v)) {
		for _, value := range v[name] {
			fmt.Fprintf(b, `<input type="hidden" name="%s" value="%s">`, html.EscapeString(name), html.EscapeString(value))
		}
	}
}

// writeConfirmPage is Config.ConfirmLogout.
func (p *Provider) writeConfirmPage(w http.ResponseWriter, req *logoutRequest) {
	var b strings.Builder
	if req.raw.Has("client_id") || req.raw.Has("id_token_hint") {
		fmt.Fprintf(&b, `<p><b>%s</b> has signed you out. Do you want to sign out here too?</p>`, html.EscapeString(p.cfg.ClientID))
	} else {
		b.WriteString(`<p>Do you want to sign out here?</p>`)
	}
	fmt.Fprintf(&b, `<form id="logout" method="post" action="%s">`, html.EscapeString(p.confirmPath()))
	writeHidden(&b, url.Values{"request": {req.raw.Encode()}})
	b.WriteString(`<p><button name="decision" value="yes">Yes, sign out</button> ` +
		`<button class="second" name="decision" value="no">No, stay signed in</button></p></form>`)
	writePage(w, http.StatusOK, "Sign out", b.String())
}

// writeSignedOutPage has the frames of front-channel logout.
func writeSignedOutPage(w http.ResponseWriter, frames []string, to *url.URL) {
	var b strings.Builder
	b.WriteString(`<p>You are signed out here.</p>`)
	for _, src := range frames {
		fmt.Fprintf(&b, `<iframe hidden src="%s"></iframe>`, html.EscapeString(src))
	}
	writeContinue(&b, to)
	writePage(w, http.StatusOK, "Signed out", b.String())
}

// writeStayPage is for a user who has said no, who may go back all the same.
func writeStayPage(w http.ResponseWriter, to *url.URL) {
	var b strings.Builder
	b.WriteString(`<p>Nothing has changed here.</p>`)
	writeContinue(&b, to)
	writePage(w, http.StatusOK, "Still signed in", b.String())
}

// writeContinue is a form that leads to a URL, if there is any. It is a GET, which sends
// the query of the URL and nothing else.
func writeContinue(b *strings.Builder, to *url.URL) {
	if to == nil {
		return
	}
	action := *to
	action.RawQuery = ""
	fmt.Fprintf(b, `<form id="continue" action="%s">`, html.EscapeString(action.String()))
	writeHidden(b, to.Query())
	b.WriteString(`<button>Continue</button></form>`)
}

func writeLoginPage(w http.ResponseWriter, action string, users []User, params url.Values, problem string) {
	var b strings.Builder
	if problem != "" {
		fmt.Fprintf(&b, `<p class="problem" role="alert">%s</p>`, html.EscapeString(problem))
	}
	fmt.Fprintf(&b, `<p><b>%s</b> asks who you are.</p>`, html.EscapeString(params.Get("client_id")))
	fmt.Fprintf(&b, `<form id="login" method="post" action="%s">`, html.EscapeString(action))
	fmt.Fprintf(&b, `<input type="hidden" name="request" value="%s">`, html.EscapeString(params.Encode()))
	b.WriteString(`<label for="username">Sign in as</label><select id="username" name="username">`)
	for _, u := range users {
		selected := ""
		if u.Subject == params.Get("login_hint") {
			selected = " selected"
		}
		fmt.Fprintf(&b, `<option value="%s"%s>%s</option>`, html.EscapeString(u.Subject), selected, html.EscapeString(u.Name))
	}
	b.WriteString(`</select><p><button name="decision" value="approve">Sign in</button> ` +
		`<button class="second" name="decision" value="deny">No, go back</button></p></form>`)
	writePage(w, http.StatusOK, "Sign in", b.String())
}

const pageHead = `<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>%s</title><style>
body{font:1.05rem/1.5 system-ui,sans-serif;max-width:24rem;margin:12vh auto;padding:0 1.5rem;color:#1d2433;background:#f4f5f8}
main{background:#fff;border:1px solid #dfe3ea;border-radius:12px;padding:1.5rem 2rem}h1{font-size:1.4rem}
label{display:block;font-weight:600}select,button{font:inherit;padding:.5rem .8rem;border-radius:8px;border:1px solid #b9c1cf}
select{width:100%%;margin-top:.3rem}button{background:#3a4a9f;border-color:#3a4a9f;color:#fff;cursor:pointer}
button.second{background:#fff;color:#3a4a9f}.problem{color:#a3241f}small{color:#667}
</style></head><body><main><h1>%s</h1>
`

func writePage(w http.ResponseWriter, status int, title, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintf(w, pageHead, title, title)
	fmt.Fprintf(w, "%s\n<p><small>A provider for tests. It asks for no password.</small></p></main></body></html>\n", body)
}
