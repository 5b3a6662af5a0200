package signon_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
)

// userAgents are headers as browsers send them, and how a person would call those.
var userAgents = []struct{ header, want string }{
	{"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"},
	{"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Windows"},
	{"Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0", "Firefox on Android"},
	{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) FxiOS/140.0 Mobile/15E148 Safari/605.1.15", "Firefox on iOS"},
	{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36", "Chrome on Windows"},
	{"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36", "Chrome on ChromeOS"},
	{"Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36", "Chrome on Android"},
	{"Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/138.0.7204.53 Mobile/15E148 Safari/604.1", "Chrome on iOS"},
	{"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/138.0.0.0 Safari/537.36", "Chrome on Linux"},
	{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15", "Safari on macOS"},
	{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1", "Safari on iOS"},
	{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36 Edg/138.0.0.0", "Edge on Windows"},
	{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/64.0.3282.140 Safari/537.36 Edge/18.17763", "Edge on Windows"},
	{"Mozilla/5.0 (Linux; Android 10; HD1913) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36 EdgA/138.0.0.0", "Edge on Android"},
	{"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 EdgiOS/138.0.0.0 Mobile/15E148 Safari/605.1.15", "Edge on iOS"},
	{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Safari/537.36 OPR/120.0.0.0", "Opera on macOS"},
	{"Opera/9.80 (X11; Linux x86_64; U; en) Presto/2.9.168 Version/12.16", "Opera on Linux"},
	{"Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36", "Samsung Internet on Android"},
	{"Mozilla/5.0 (PlayStation 5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.0 Safari/605.1.15", "Safari"},
	{"curl/8.14.1", ""},
	{"Go-http-client/2.0", ""},
	{"Mozilla/5.0 (X11; Linux x86_64)", ""},
	{"", ""},
	{"<script>alert(1)</script> Firefox/1 on\r\nLinux", "Firefox on Linux"},
	{strings.Repeat("x", 512) + " Firefox/140.0", ""},
}

func TestBrowserOf(t *testing.T) {
	for _, tt := range userAgents {
		require.Equal(t, tt.want, signon.BrowserOf(tt.header), tt.header)
	}
}

// Whatever comes, the answer is one of a few: no word of it is the sender's.
func FuzzBrowserOf(f *testing.F) {
	known := map[string]bool{"": true}
	for _, browser := range []string{"Edge", "Opera", "Samsung Internet", "Firefox", "Chrome", "Safari"} {
		known[browser] = true
		for _, system := range []string{"iOS", "Android", "ChromeOS", "Windows", "macOS", "Linux"} {
			known[browser+" on "+system] = true
		}
	}
	for _, tt := range userAgents {
		f.Add(tt.header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		require.True(t, known[signon.BrowserOf(header)])
	})
}

// What OnLogin sees of the browser is what the record keeps, and no more of the header.
func TestUserAgentOfALogin(t *testing.T) {
	var seen string
	f := newFleet(t, "memory", fleetOptions{config: func(_ int, c *signon.Config) {
		c.OnLogin = func(_ context.Context, l *signon.Login) (string, error) {
			seen = l.UserAgent
			return "user", nil
		}
	}})
	b := f.browser()
	b.UserAgent = firefoxOnLinux
	f.signInWith(b, "alice")
	rec, err := f.replicas[0].logins.Login(t.Context(), f.loginOf(b))
	require.NoError(t, err)
	require.Equal(t, []string{"Firefox on Linux", "Firefox on Linux"}, []string{seen, rec.UserAgent})
	list, err := f.replicas[1].logins.Logins(t.Context(), sessionstore.Selector{Owner: "user"})
	require.NoError(t, err)
	require.Len(t, list, 1)
}
