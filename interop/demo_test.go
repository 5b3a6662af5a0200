package interop_test

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/interop/chromium"
	"github.com/seed1a301047/signon/interop/op"
)

// startDemo builds and runs examples/demo until the test ends, and gives the
// address that it prints.
func startDemo(t *testing.T, addr string, env ...string) (base string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "demo")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./examples/demo")
	build.Dir = ".."
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	ctx, cancel := context.WithCancel(context.Background())
	demo := exec.CommandContext(ctx, program, "-addr", addr, "-provider", "127.0.0.1:0", "-dir", t.TempDir())
	demo.Env = append(os.Environ(), env...)
	demo.Cancel = func() error { return demo.Process.Signal(os.Interrupt) }
	demo.WaitDelay = 5 * time.Second
	stdout, err := demo.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, demo.Start())
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, demo.Wait(), context.Canceled, "it stops when it is asked to")
	})

	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if url, ok := strings.CutPrefix(lines.Text(), "Open "); ok {
			return strings.TrimSuffix(url, "/")
		}
	}
	require.FailNow(t, "the demo printed no address")
	return ""
}

// dressed tells whether a page of the demo has the stylesheet and the picture that
// it names.
const dressed = `[...document.images].every(i => i.naturalWidth > 0) &&
	getComputedStyle(document.querySelector("section")).borderRadius !== "0px"`

// The demo, with the provider inside it, as somebody sees it who tries it out.
func TestChromiumDemo(t *testing.T) {
	base := startDemo(t, "127.0.0.1:0")
	b := chromium.Start(t)
	show := func(name string) {
		t.Helper()
		b.Shot(name)
		require.Equal(t, true, b.Eval(dressed), "%s: the page's own policy blocks its stylesheet or its picture", name)
	}
	b.Go(base)
	show("demo-home")

	b.Click("#signin")
	b.Await("button[value=deny]")
	b.Shot("demo-provider")
	b.Click("button[value=deny]")
	b.Await("section.problem h1")
	show("demo-denied")
	b.Click("section.problem a.button")
	b.Await("button[value=approve]")
	b.Click("button[value=approve]")
	b.Await("nav")
	requireNoCode(t, b.Location())

	b.Go(base + "/me")
	require.Contains(t, b.Text("#who"), "Alice")
	show("demo-me")
	b.Go(base + "/api")
	b.Await("ul.items li")
	show("demo-api")
	b.Go(base + "/token")
	b.Await("#expires")
	show("demo-token")
	b.Go(base + "/admin")
	b.Await("section.problem h1")
	show("demo-scope")
	b.Go(base)
	b.Click("a[href*=made-up]")
	b.Await("section.problem h1")
	show("demo-unasked")

	b.Go(base + "/me")
	b.Click("#signout")
	b.Await("button[value=yes]")
	b.Shot("demo-confirm")
	b.Click("button[value=yes]")
	b.Await("#signin")
	b.Do(chromedp.EmulateViewport(390, 844))
	show("demo-home-narrow")
	b.BackTo(base + "/me")
	b.Await("button[value=approve]") // the page is not shown again, and the provider has forgotten who it was
	b.Click("button[value=approve]")
	b.Await("#who")
	require.Contains(t, b.Text("#logins"), "Chrome on Linux")
	require.Contains(t, b.Text("#logins"), "this one")
	show("demo-me-narrow")

	// By the back channel: the provider tells the demo.
	b.Go(base)
	issuer := b.Eval(`document.querySelector("a[href$=end_session]").href`).(string)
	b.Go(issuer)
	b.Click("button[value=yes]")
	b.Do(chromedp.WaitNotPresent("button[value=yes]"))
	b.Go(base + "/me")
	b.Await("button[value=approve]")
	b.Click("button[value=approve]")
	b.Await("#everywhere")
	b.Click("#everywhere")
	b.Await("#signin")
}

// The demo at a real provider, whose tokens live for seconds.
func TestChromiumDemoAtRealProvider(t *testing.T) {
	addr := freeAddr(t)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	issuer := op.Start(t, op.Config{
		Interaction: "dev",
		TTL:         map[string]int{"AccessToken": 4},
		Clients: []op.Client{{
			ID: "demo", Secret: "a secret of the demo, 32 bytes ..",
			RedirectURIs: []string{"http://localhost:" + port + "/auth/callback/demo"},
		}},
	}).Issuer
	base := startDemo(t, addr, "SIGNON_ISSUER="+issuer, "SIGNON_NAME=demo", "SIGNON_CLIENT_ID=demo", "SIGNON_CLIENT_SECRET=a secret of the demo, 32 bytes ..")

	b := chromium.Start(t)
	b.Go(base)
	b.Click("#signin")
	signIn(b, "alice")
	b.Await("nav")
	b.Go(base + "/me")
	b.Shot("demo-real-me")
	b.Go(base + "/token")
	refreshes := func() any { return b.Eval(`document.querySelectorAll("ol.log li").length`) }
	for end := time.Now().Add(20 * time.Second); refreshes() == 0.0; b.Go(base + "/token") {
		require.True(t, time.Now().Before(end), "a token of four seconds was not refreshed")
	}
	b.Shot("demo-real-token")
}

// freeAddr is an address that was free a moment ago: a real provider has to know
// the redirect URL before the application listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return l.Addr().String()
}
