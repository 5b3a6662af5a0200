package signontest

import (
	"net/http"
	"net/url"
	"strings"
)

// A Page is an answer that a [Browser] got, and the place from which it goes on.
type Page struct {
	Status  int
	Header  http.Header
	Body    string
	URL     *url.URL      // where the page is
	Request *http.Request // what was sent for it; nil for a page of [Browser.At]

	browser *Browser
	visit   Visit
}

// Location returns the absolute URL that a browser would go to for the Location
// header, or "" if there is no header or no such URL.
func (p *Page) Location() string {
	l := p.Header.Get("Location")
	if l == "" {
		return ""
	}
	u, err := ResolveURL(p.URL, l)
	if err != nil {
		return ""
	}
	return u.String()
}

// Follow follows one redirect as a browser does, and fails the test if the page is
// none. A POST becomes a GET except with 307 and 308. The page that asked first
// stays the one that the request comes from.
func (p *Page) Follow() *Page {
	p.browser.t.Helper()
	if !p.redirects() {
		p.browser.t.Fatalf("signontest: %s answered %d with Location %q: no redirect to follow\n%.500s",
			p.URL.Redacted(), p.Status, p.Header.Get("Location"), p.Body)
	}
	next := p.visit
	next.URL, next.chain = p.Location(), append(p.visit.chain[:len(p.visit.chain):len(p.visit.chain)], p.URL)
	if policy := p.policy(); policy != "" {
		next.policy = policy
	}
	keeps := p.Status == http.StatusTemporaryRedirect || p.Status == http.StatusPermanentRedirect
	posted := p.visit.Method == http.MethodPost
	if !keeps && (posted || p.Status == http.StatusSeeOther && p.visit.Method != http.MethodHead) {
		next.Method, next.Form, next.Body = http.MethodGet, nil, ""
	}
	return p.browser.must(p.browser.Open(p.browser.t.Context(), next))
}

// FollowAll follows redirects, and pages that post their form by themselves as
// response_mode=form_post does, until there is none, and fails the test after
// limit of them.
func (p *Page) FollowAll(limit int) *Page {
	p.browser.t.Helper()
	for range limit {
		switch {
		case p.redirects():
			p = p.Follow()
		case p.posts():
			p = p.Submit("", nil)
		default:
			return p
		}
	}
	if p.redirects() || p.posts() {
		p.browser.t.Fatalf("signontest: %s: more than %d redirects", p.URL.Redacted(), limit)
	}
	return p
}

func (p *Page) redirects() bool {
	switch p.Status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return p.Location() != ""
	}
	return false
}

// posts tells a page whose script submits its form.
func (p *Page) posts() bool {
	return strings.Contains(p.Body, ".submit()") && len(p.Forms()) > 0
}

// Click opens a link on the page, which may be relative.
func (p *Page) Click(href string) *Page {
	p.browser.t.Helper()
	return p.open(Visit{URL: href})
}

// Post posts a form from the page that need not be on it.
func (p *Page) Post(action string, values url.Values) *Page {
	p.browser.t.Helper()
	if values == nil {
		values = url.Values{}
	}
	return p.open(Visit{Method: http.MethodPost, URL: action, Form: values})
}

// Fetch sends a request as a script of the page does, with credentials. It does
// not ask by CORS whether the page may.
func (p *Page) Fetch(method, href string) *Page {
	p.browser.t.Helper()
	return p.open(Visit{Method: method, URL: href, Fetch: true})
}

// Frames opens the frames of the page as a browser does, one after another: each from
// this page, and without the cookies that another site's frame does not get. Whether the
// answer lets itself be framed here they do not look at.
func (p *Page) Frames() []*Page {
	p.browser.t.Helper()
	var got []*Page
	for _, m := range frameTag.FindAllStringSubmatch(p.Body, -1) {
		if src := attributes(m[1])["src"]; src != "" {
			got = append(got, p.Frame(src))
		}
	}
	return got
}

// Frame opens a URL in a frame of the page, which need not be on it.
func (p *Page) Frame(src string) *Page {
	p.browser.t.Helper()
	return p.open(Visit{URL: src, Frame: true})
}

// Submit submits a form of the page with the values it has and those given, which
// win. The form is named by its id, name or action, or by its number from "0"; ""
// is the first one. A button goes along only if it is among the values.
func (p *Page) Submit(form string, values url.Values) *Page {
	p.browser.t.Helper()
	f, ok := p.form(form)
	if !ok {
		p.browser.t.Fatalf("signontest: %s has no form %q\n%.500s", p.URL.Redacted(), form, p.Body)
	}
	sent := url.Values{}
	for _, field := range f.Fields {
		sent[field.Name] = append(sent[field.Name], field.Value)
	}
	for name, v := range values {
		sent[name] = v
	}
	if f.Method == http.MethodPost {
		return p.open(Visit{Method: http.MethodPost, URL: f.Action, Form: sent})
	}
	action, _, _ := strings.Cut(f.Action, "#")
	action, _, _ = strings.Cut(action, "?")
	return p.open(Visit{URL: action + "?" + sent.Encode()})
}

func (p *Page) open(v Visit) *Page {
	p.browser.t.Helper()
	v.From = p
	return p.browser.must(p.browser.Open(p.browser.t.Context(), v))
}

// policy is the last word of Referrer-Policy that is not empty.
func (p *Page) policy() string {
	words := strings.Split(p.Header.Get("Referrer-Policy"), ",")
	return strings.ToLower(strings.TrimSpace(words[len(words)-1]))
}
