package interop_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed1a301047/signon/interop/zitadel"
	"github.com/seed1a301047/signon/signontest"
)

// A user has a browser, and signs in wherever a provider asks for it.
type user struct {
	t testing.TB
	b *signontest.Browser

	callback string // the URL of the last authorization response that came in a query
	hold     bool   // stop there, without going on

	asked int    // how often oidc-provider has asked whether to sign out there too
	hint  string // the id_token_hint that it was asked with last
	stay  bool   // answer no
	back  string // the URL of the last way back from a logout at the provider
}

func newUser(t testing.TB, a *app) *user {
	b := signontest.NewBrowser(t)
	b.Serve(origin, a)
	return &user{t: t, b: b}
}

// get opens a page of the application and does what it takes to see it.
func (u *user) get(path string) *signontest.Page {
	u.t.Helper()
	return u.resume(u.b.Get(origin + path))
}

// post posts an empty form from a page of the application.
func (u *user) post(path string) *signontest.Page {
	u.t.Helper()
	return u.resume(u.b.Get(origin+"/").Post(path, nil))
}

// begin opens a page of the application that leads to a provider, and stops at the
// redirect that goes there.
func (u *user) begin(path string) *signontest.Page {
	u.t.Helper()
	p := u.b.Get(origin + path)
	for range 5 {
		if to := p.Location(); to != "" && !strings.HasPrefix(to, origin+"/") {
			return p
		}
		p = p.Follow()
	}
	u.t.Fatalf("%s does not lead to a provider", path)
	return nil
}

// resume goes on from a page: over redirects, over the provider's login form, over
// a form that posts itself, until there is something to read.
func (u *user) resume(p *signontest.Page) *signontest.Page {
	u.t.Helper()
	for range 20 {
		to := p.Location()
		switch {
		case strings.HasPrefix(to, callback+"?"):
			u.callback = to
			if u.hold {
				return p
			}
			p = p.Follow()
		case strings.HasPrefix(to, loggedOut):
			u.back = to
			p = p.Follow()
		case to != "":
			p = p.Follow()
		case strings.Contains(p.Body, logoutForm):
			p = u.confirm(p)
		case p.Status == http.StatusOK && strings.Contains(p.Body, `name="username"`):
			p = p.Submit("", url.Values{"username": {zitadel.Username}, "password": {zitadel.Password}})
		case strings.Contains(p.Body, ".submit()"): // oidc-provider posts an error with status 400
			p = p.Submit("", nil)
		default:
			return p
		}
	}
	u.t.Fatalf("more than 20 steps to %s", p.URL.Redacted())
	return nil
}

// logoutForm is the form in which oidc-provider asks whether to sign out there too.
const logoutForm = "op.logoutForm"

// confirm answers that form.
func (u *user) confirm(p *signontest.Page) *signontest.Page {
	u.asked++
	u.hint = p.URL.Query().Get("id_token_hint")
	if u.stay {
		return p.Submit(logoutForm, nil)
	}
	return p.Submit(logoutForm, url.Values{"logout": {"yes"}})
}

// cookies are what the browser would send to the application.
func (u *user) cookies() []*http.Cookie {
	u.t.Helper()
	var list []*http.Cookie
	for name, value := range u.b.Cookies(origin + "/") {
		list = append(list, &http.Cookie{Name: name, Value: value})
	}
	return list
}
