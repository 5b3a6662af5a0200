// Package chromium drives a real browser for the tests that only a real browser
// can decide: which cookies come back from another site, what a Referer says, what
// is left in the address bar and the history.
package chromium

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"

	"github.com/seed1a301047/signon/interop/need"
)

// stepTimeout bounds one call of [Browser.Do], page loads included.
const stepTimeout = 30 * time.Second

// A Browser is one tab of a browser process with an empty profile of its own.
type Browser struct {
	t   testing.TB
	ctx context.Context

	mu      sync.Mutex
	visits  []Visit
	loading map[network.RequestID]string // documents
	refused []string
}

// A Visit is one request for a document in the tab or in a frame of its page, each hop
// of a redirect on its own, in the order in which the browser made them.
type Visit struct {
	Method  string
	URL     string
	Referer string
}

// Start runs a browser until the test ends. It reaches loopback and nothing else,
// and takes the certificates of test servers for good.
func Start(t testing.TB) *Browser {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(find(t)),
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, // tests run as root in a container
		chromedp.DisableGPU,
		chromedp.IgnoreCertErrors,
		chromedp.WindowSize(1200, 900),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"),
	)
	// Not t.Context(): that ends before the cleanup that closes the browser.
	ctx, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(stop)
	b := &Browser{t: t}
	b.ctx, stop = chromedp.NewContext(ctx, chromedp.WithListener(b.observe))
	t.Cleanup(stop)
	if err := chromedp.Do(b.ctx); err != nil { // starts it, and must have no deadline
		t.Fatalf("chromium: start: %v", err)
	}
	return b
}

// Tab opens another tab of the same browser, with the same cookies.
func (b *Browser) Tab() *Browser {
	b.t.Helper()
	tab := &Browser{t: b.t}
	ctx, stop := chromedp.NewContext(b.ctx, chromedp.WithListener(tab.observe))
	b.t.Cleanup(stop)
	tab.ctx = ctx
	if err := chromedp.Do(tab.ctx); err != nil {
		b.t.Fatalf("chromium: new tab: %v", err)
	}
	return tab
}

// find is where the browser is.
func find(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	need.Missing(t, "Chromium", "install the package chromium")
	return ""
}

// Do runs the steps in the tab and fails the test at the first that fails.
func (b *Browser) Do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := b.do(steps...); err != nil {
		b.t.Fatalf("chromium: at %s: %v", b.location(), err)
	}
}

func (b *Browser) do(steps ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(b.ctx, stepTimeout)
	defer cancel()
	return chromedp.Do(ctx, steps...)
}

// Go opens a page and waits until it has loaded, redirects included.
func (b *Browser) Go(url string) { b.t.Helper(); b.Do(chromedp.Navigate(url)) }

// Click clicks what the CSS selector finds first. If that is of a page that is just being
// replaced, nothing has been clicked, and it is looked for again.
func (b *Browser) Click(css chromedp.CSS) {
	b.t.Helper()
	err := b.do(chromedp.Click(css))
	for range 3 {
		if replaced := (*cdproto.Error)(nil); !errors.As(err, &replaced) || replaced.Message != "Could not find node with given id" {
			break
		}
		err = b.do(chromedp.Click(css))
	}
	if err != nil {
		b.t.Fatalf("chromium: at %s: click %s: %v", b.location(), css, err)
	}
}

// Type types text into what the CSS selector finds first.
func (b *Browser) Type(css chromedp.CSS, text string) {
	b.t.Helper()
	b.Do(chromedp.SendKeys(css, text))
}

// Await waits until the page shows what the CSS selector finds: on the next page,
// if a click leads there.
func (b *Browser) Await(css chromedp.CSS) { b.t.Helper(); b.Do(chromedp.WaitVisible(css)) }

// Text is the visible text of what the CSS selector finds first.
func (b *Browser) Text(css chromedp.CSS) string {
	b.t.Helper()
	return value(b, chromedp.Text(css))
}

// Location is what the address bar shows.
func (b *Browser) Location() string { b.t.Helper(); return value(b, chromedp.Location()) }

// Eval evaluates a JavaScript expression in the page.
func (b *Browser) Eval(expression string) any {
	b.t.Helper()
	return value(b, chromedp.Evaluate[any](expression, chromedp.EvalAwaitPromise))
}

// History are the URLs of the tab's history, oldest first: what the back button
// brings back.
func (b *Browser) History() []string {
	b.t.Helper()
	result := value(b, chromedp.NavigationEntries())
	urls := make([]string, len(result.Entries))
	for i, entry := range result.Entries {
		urls[i] = entry.URL
	}
	return urls
}

// BackTo goes back in the tab's history to the last page with that URL, as whoever
// holds the back button down and chooses it.
func (b *Browser) BackTo(url string) {
	b.t.Helper()
	entries := value(b, chromedp.NavigationEntries()).Entries
	for _, entry := range slices.Backward(entries) {
		if entry.URL == url {
			b.Do(chromedp.NavigateToHistoryEntry(entry.ID))
			return
		}
	}
	b.t.Fatalf("chromium: no page of the history is %s", url)
}

// Refused are the documents that came and were not shown, as the Content-Security-Policy
// of a document says that is not to be framed by this page.
func (b *Browser) Refused() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.refused)
}

// Cookies are all cookies of the profile, with their attributes.
func (b *Browser) Cookies() []*network.Cookie {
	b.t.Helper()
	all := func(ctx context.Context, t *chromedp.Target) ([]*network.Cookie, error) {
		result, err := cdp.Call(ctx, t, storage.GetCookies, storage.GetCookiesParams{})
		return result.Cookies, err
	}
	return value(b, chromedp.Action[[]*network.Cookie](all))
}

// Cookie is the only cookie of that name; nil if there is none.
func (b *Browser) Cookie(name string) *network.Cookie {
	b.t.Helper()
	var found *network.Cookie
	for _, c := range b.Cookies() {
		if c.Name != name {
			continue
		}
		if found != nil {
			b.t.Fatalf("chromium: two cookies are named %q", name)
		}
		found = c
	}
	return found
}

// SetCookie puts a cookie into the profile, as an attacker on a sibling host might.
func (b *Browser) SetCookie(c network.SetCookieParams) {
	b.t.Helper()
	b.Do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, network.SetCookie, c)
		return err
	}))
}

// Shot saves a picture of the whole page as NAME.png in the folder that
// SIGNON_SHOTS names. If that is empty, it does nothing.
func (b *Browser) Shot(name string) {
	b.t.Helper()
	dir := os.Getenv("SIGNON_SHOTS")
	if dir == "" {
		return
	}
	png := value(b, chromedp.FullScreenshot(100))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatalf("chromium: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		b.t.Fatalf("chromium: %v", err)
	}
}

// Visits are the documents that the tab has asked for.
func (b *Browser) Visits() []Visit {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]Visit(nil), b.visits...)
}

// observe records the requests for documents, and what becomes of them; the browser
// waits for it.
func (b *Browser) observe(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if e.Type == network.ResourceTypeDocument {
			b.visit(e)
		}
	case *network.EventLoadingFailed:
		if url, ok := b.loading[e.RequestID]; ok && e.ErrorText == "net::ERR_BLOCKED_BY_RESPONSE" {
			b.refused = append(b.refused, url)
		}
	}
}

// visit records one request; b.mu is held.
func (b *Browser) visit(sent *network.EventRequestWillBeSent) {
	visit := Visit{Method: sent.Request.Method, URL: sent.Request.URL}
	for name, v := range sent.Request.Headers {
		if strings.EqualFold(name, "Referer") {
			visit.Referer, _ = v.(string)
		}
	}
	b.visits = append(b.visits, visit)
	if b.loading == nil {
		b.loading = map[network.RequestID]string{}
	}
	b.loading[sent.RequestID] = visit.URL
}

// location is the address for an error message, as far as there is one.
func (b *Browser) location() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	url, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil {
		return "an unknown page"
	}
	url, _, _ = strings.Cut(url, "?") // the rest may be a code
	return url
}

// value runs one action that has a result.
func value[T any](b *Browser, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, stepTimeout)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatalf("chromium: at %s: %v", b.location(), err)
	}
	return v
}
