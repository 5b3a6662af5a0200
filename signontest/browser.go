package signontest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A Browser keeps cookies and sends requests as a browser does, a step at a time:
// it follows no redirect and submits no form until it is told to. Every [Page] is
// a tab of its own; all share the cookies. Its methods may be called by several
// goroutines at once.
//
// It is a browser as today's: a cookie without SameSite is Lax, a redirect through
// another site makes a navigation cross-site, and a Location is read as the URL
// standard of the WHATWG says. What a browser does with script and Content Security Policy
// it does not do, and a frame it opens only when told to. Two hosts are of one site if their last two
// labels are the same; it knows no public suffix such as co.uk.
type Browser struct {
	// SecureOnlyHTTPS refuses Secure cookies from, and for, http on a loopback host,
	// as Safari does. Otherwise they are taken there, as by Chrome and Firefox.
	SecureOnlyHTTPS bool

	// UserAgent is what the browser says it is. If empty, a test's on Linux.
	UserAgent string

	t      testing.TB
	routes *inProcess
	jar    jar
}

const defaultUserAgent = "Mozilla/5.0 (X11; Linux x86_64) signontest"

// maxBody bounds what a browser reads of a page.
const maxBody = 16 << 20

// NewBrowser returns a browser without cookies. A request that gets no answer
// fails the test; only [Browser.Open] returns an error instead. If t is nil, as in
// an Example, what would fail the test panics.
func NewBrowser(t testing.TB) *Browser {
	if t == nil {
		t = noTest{}
	}
	network := &http.Transport{}
	t.Cleanup(network.CloseIdleConnections)
	return &Browser{t: t, routes: &inProcess{next: network}}
}

// noTest stands for the test where there is none.
type noTest struct{ testing.TB }

func (noTest) Helper()                   {}
func (noTest) Logf(string, ...any)       {}
func (noTest) Cleanup(func())            {}
func (noTest) Context() context.Context  { return context.Background() }
func (noTest) Fatal(args ...any)         { panic(fmt.Sprint(args...)) }
func (noTest) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }

// Serve has h answer the requests to an origin, such as "https://app.test", in
// process, where there would be a network. A [Provider] is such a handler.
func (b *Browser) Serve(baseURL string, h http.Handler) {
	b.t.Helper()
	u, err := url.Parse(baseURL)
	if err != nil || u.Host == "" {
		b.t.Fatalf("signontest: Serve: %q is not an absolute URL", baseURL)
	}
	b.routes.serve(origin(u), h)
}

// Get opens a URL as if it was typed in: from no other page.
func (b *Browser) Get(rawURL string) *Page {
	b.t.Helper()
	return b.must(b.Open(b.t.Context(), Visit{URL: rawURL}))
}

// At returns an empty page at a URL, without a request: where a link, a form or a
// fetch comes from in a test about other sites.
func (b *Browser) At(rawURL string) *Page {
	b.t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" {
		b.t.Fatalf("signontest: At: %q is not an absolute URL", rawURL)
	}
	return &Page{Status: http.StatusOK, Header: http.Header{}, URL: u, browser: b}
}

// Cookies returns the cookies that a request to the URL from the same site would
// carry, by name.
func (b *Browser) Cookies(rawURL string) map[string]string {
	b.t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		b.t.Fatalf("signontest: Cookies: %v", err)
	}
	got := map[string]string{}
	for _, c := range b.jar.matching(u, b.secure(u), sameSite) {
		got[c.Name] = c.Value
	}
	return got
}

// SetCookie takes a cookie as if a page at the URL had set it. It fails the test if
// a browser would refuse the cookie.
func (b *Browser) SetCookie(rawURL, setCookie string) {
	b.t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		b.t.Fatalf("signontest: SetCookie: %v", err)
	}
	if err := b.jar.set(u, setCookie, b.secure(u), true); err != nil {
		b.t.Fatalf("signontest: SetCookie: %v", err)
	}
}

// ClearCookies forgets all cookies.
func (b *Browser) ClearCookies() { b.jar.clear() }

// RejectedCookie is a Set-Cookie that a browser does not take.
type RejectedCookie struct {
	URL       string // whose answer it was
	SetCookie string // the field as it came
	Reason    string
}

// RejectedCookies returns the cookies that the browser has refused so far. Each was
// also written to the test's log.
func (b *Browser) RejectedCookies() []RejectedCookie { return b.jar.refusals() }

// secure tells whether Secure cookies may go to, and come from, a URL.
func (b *Browser) secure(u *url.URL) bool {
	return u.Scheme == "https" || !b.SecureOnlyHTTPS && loopback(u.Hostname())
}

// A Visit is one request of a browser.
type Visit struct {
	Method string      // if empty, GET, or POST where there is a Form
	URL    string      // absolute, or relative to From
	Form   url.Values  // is sent as a form
	Body   string      // is sent where there is no Form; Header says what it is
	Header http.Header // replaces what the browser sends by itself; Host too, and a Cookie goes beside the browser's
	From   *Page       // the page that asks. If nil, the user does
	Fetch  bool        // a request of a script, not a navigation; with credentials
	Frame  bool        // a navigation of a frame in From

	chain  []*url.URL // the URLs that redirected here, the first one first
	policy string     // the Referrer-Policy of From, or of the last redirect that had one
}

// Open sends one request and takes the answer's cookies. It is what the other
// methods are made of. The answer may be any; an error means there was none.
func (b *Browser) Open(ctx context.Context, v Visit) (*Page, error) {
	u, err := v.resolve()
	if err != nil {
		return nil, fmt.Errorf("signontest: %w", err)
	}
	if v.From != nil && v.policy == "" {
		v.policy = v.From.policy()
	}
	req, err := v.request(ctx, u, cmp.Or(b.UserAgent, defaultUserAgent))
	if err != nil {
		return nil, fmt.Errorf("signontest: %w", err)
	}
	to := v.context(u, req.Method)
	if c := b.jar.header(u, b.secure(u), to); c != "" {
		req.Header.Add("Cookie", c)
	}
	res, err := b.routes.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("signontest: %s %s: %w", req.Method, u.Redacted(), err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return nil, fmt.Errorf("signontest: %s %s: %w", req.Method, u.Redacted(), err)
	}
	for _, c := range res.Header["Set-Cookie"] {
		b.take(u, c, to == sameSite || !v.Fetch && !v.Frame)
	}
	v.Method = req.Method
	return &Page{
		Status: res.StatusCode, Header: res.Header, Body: string(body), URL: u, Request: req, browser: b, visit: v,
	}, nil
}

func (b *Browser) take(u *url.URL, setCookie string, lax bool) {
	if err := b.jar.set(u, setCookie, b.secure(u), lax); err != nil {
		b.jar.refuse(RejectedCookie{URL: u.Redacted(), SetCookie: setCookie, Reason: err.Error()})
		b.t.Logf("signontest: the browser refuses a cookie of %s: %v", u.Host, err)
	}
}

func (b *Browser) must(p *Page, err error) *Page {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

func (v *Visit) resolve() (*url.URL, error) {
	base := &url.URL{}
	if v.From != nil {
		base = v.From.URL
	}
	return ResolveURL(base, v.URL)
}

func (v *Visit) request(ctx context.Context, u *url.URL, agent string) (*http.Request, error) {
	method, body, contentType := v.Method, v.Body, ""
	if v.Form != nil {
		body, contentType = v.Form.Encode(), "application/x-www-form-urlencoded"
	}
	if method == "" {
		method = http.MethodGet
		if v.Form != nil {
			method = http.MethodPost
		}
	}
	sent := *u
	sent.Fragment, sent.RawFragment = "", ""
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, sent.String(), r)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", agent)
	v.browserHeader(req, contentType)
	for name, values := range v.Header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
		req.Header.Del("Host")
	}
	return req, nil
}

// browserHeader is what a browser says of a request by itself, the Fetch Metadata
// above all.
func (v *Visit) browserHeader(req *http.Request, contentType string) {
	h := req.Header
	h.Set("Accept-Language", "en")
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	if v.Fetch {
		h.Set("Accept", "*/*")
		h.Set("Sec-Fetch-Mode", "cors")
		h.Set("Sec-Fetch-Dest", "empty")
	} else {
		h.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
		h.Set("Sec-Fetch-Mode", "navigate")
		h.Set("Sec-Fetch-Dest", "document")
		if v.Frame {
			h.Set("Sec-Fetch-Dest", "iframe")
		} else {
			h.Set("Sec-Fetch-User", "?1")
		}
		h.Set("Upgrade-Insecure-Requests", "1")
	}
	h.Set("Sec-Fetch-Site", v.site(req.URL))
	if v.From == nil {
		return
	}
	if ref := v.refererFor(req.URL); ref != "" {
		h.Set("Referer", ref)
	}
	safe := req.Method == http.MethodGet || req.Method == http.MethodHead
	if !safe || v.Fetch && v.site(req.URL) != "same-origin" {
		h.Set("Origin", v.originHeader(req.URL))
	}
}

// site is Sec-Fetch-Site: the worst of all hops.
func (v *Visit) site(u *url.URL) string {
	if v.From == nil {
		return "none"
	}
	from, worst := v.From.URL, "same-origin"
	for _, hop := range append(v.chain[:len(v.chain):len(v.chain)], u) {
		switch {
		case siteOf(hop) != siteOf(from):
			return "cross-site"
		case origin(hop) != origin(from):
			worst = "same-site"
		}
	}
	return worst
}

// originHeader is null for a page that hides its referrer, and after a redirect
// from one foreign origin to another.
func (v *Visit) originHeader(u *url.URL) string {
	from := origin(v.From.URL)
	if v.policy == "no-referrer" && !v.Fetch {
		return "null"
	}
	last := from
	for _, hop := range append(v.chain[:len(v.chain):len(v.chain)], u) {
		if origin(hop) != last && last != from {
			return "null"
		}
		last = origin(hop)
	}
	return from
}

// refererFor follows the Referrer-Policy, of which the default is
// strict-origin-when-cross-origin.
func (v *Visit) refererFor(u *url.URL) string {
	from := v.From.URL
	short := origin(from) + "/"
	full := *from
	full.Fragment, full.RawFragment, full.User = "", "", nil
	same := origin(from) == origin(u)
	switch v.policy {
	case "no-referrer":
		return ""
	case "unsafe-url":
		return full.String()
	case "origin":
		return short
	case "same-origin":
		if !same {
			return ""
		}
	}
	if from.Scheme == "https" && u.Scheme == "http" {
		return ""
	}
	if same && v.policy != "strict-origin" {
		return full.String()
	}
	return short
}

// context is which cookies a request takes along.
func (v *Visit) context(u *url.URL, method string) crossing {
	switch site := v.site(u); {
	case site != "cross-site":
		return sameSite
	case v.Fetch || v.Frame || method != http.MethodGet && method != http.MethodHead:
		return crossSite
	}
	return crossSiteLink
}
