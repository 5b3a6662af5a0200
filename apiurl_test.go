package signon_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed1a301047/signon"
)

// requireInside is the property of every API request: it is for the API's origin and
// below its path, however a server reads the path.
func requireInside(tb testing.TB, ref, base string, r *http.Request) {
	tb.Helper()
	b, err := url.Parse(base)
	if err != nil {
		tb.Fatal(err)
	}
	decoded, err := url.PathUnescape(r.URL.EscapedPath())
	if err != nil {
		tb.Fatalf("%q: a path that does not decode: %q", ref, r.URL.EscapedPath())
	}
	port := r.URL.Port()
	if port == "" {
		port = "443"
	}
	switch {
	case r.URL.Scheme != b.Scheme || !strings.EqualFold(r.URL.Hostname(), b.Hostname()) || port != "443" || r.URL.User != nil || r.URL.Opaque != "":
		tb.Fatalf("%q went to %q", ref, r.URL)
	case r.Host != "" && r.Host != r.URL.Host:
		tb.Fatalf("%q went to the host %q", ref, r.Host)
	case !strings.HasPrefix(r.URL.EscapedPath(), b.Path) || !strings.HasPrefix(decoded, b.Path):
		tb.Fatalf("%q left the path: %q", ref, r.URL)
	}
	depth := 0
	for _, segment := range strings.FieldsFunc(strings.TrimPrefix(decoded, b.Path), func(c rune) bool { return c == '/' || c == '\\' }) {
		switch {
		case segment == "..":
			depth--
		case segment != ".":
			depth++
		}
		if depth < 0 {
			tb.Fatalf("%q climbs out of the path: %q", ref, r.URL)
		}
	}
}

// AP-02, AP-03: every combination of hostile parts: either an error that says so and
// nothing sent, or a request that stays inside.
func TestAPIURLProperty(t *testing.T) {
	a := newAPI(t, apiURL, nil, nil)
	starts := []string{"", "/", "//", "///", `\`, `\\`, `/\`, "https:", "https:/", "https://", "HTTPS://", "http://", "javascript:", "@", "?", "#", ";", "."}
	hosts := []string{"", "evil.test", "api.test", "api.test:443", "api.test:80", "api.test@evil.test", "evil.test:443@api.test", "api.test.", "[::1]", "v1"}
	paths := []string{"", "/", "/v1/", "/v1", "/v1/x", "/v2/x", "..", "../", "/..", "/v1/../v2", "%2e%2e/", "..%2f", "%2f..%2f", `..\`, "%5c..%5c", "/v1/..;/v2", "/v1/%2e%2e%2fv2", "%252e%252e/", "%00", "/v1/./../v1/ok"}
	sent := 0
	for _, start := range starts {
		for _, host := range hosts {
			for _, one := range paths {
				for _, two := range paths {
					sent += send(t, a, start+host+one+two)
				}
			}
		}
	}
	if sent < 1000 {
		t.Fatalf("only %d URLs were sent: the property holds nothing", sent)
	}
}

// send asks for a URL and returns how many requests came of it.
func send(tb testing.TB, a *api, ref string) int {
	tb.Helper()
	a.mu.Lock()
	a.got = nil
	a.mu.Unlock()
	_, err := a.http().Get(ref)
	got := a.requests()
	if err != nil {
		if len(got) > 0 {
			tb.Fatalf("%q: an error, and a request to %q", ref, got[0].URL)
		}
		if !errors.Is(err, signon.ErrAPIURL) {
			if _, parses := url.Parse(ref); parses == nil {
				tb.Fatalf("%q: %v", ref, err)
			}
		}
		return 0
	}
	for _, r := range got {
		requireInside(tb, ref, apiURL, r)
	}
	return len(got)
}

// AP-01: the same of what an API answers as its Location.
func TestAPILocationProperty(t *testing.T) {
	var location string
	a := newAPI(t, apiURL, func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/start") {
			return answered(r, http.StatusTemporaryRedirect, http.Header{"Location": {location}}, ""), nil
		}
		return answered(r, http.StatusOK, nil, ""), nil
	}, nil)
	for _, start := range []string{"", "/", "//", `\\`, "https://", "http://", "https:"} {
		for _, host := range []string{"", "evil.test", "api.test", "api.test:8443", "api.test@evil.test"} {
			for _, path := range []string{"", "/v1/x", "/v2/x", "/../x", "/v1/%2e%2e/x", "..%2fx", `/v1/..\x`} {
				location = start + host + path
				a.mu.Lock()
				a.got = nil
				a.mu.Unlock()
				_, _ = a.http().Get("start")
				for _, r := range a.requests() {
					requireInside(t, location, apiURL, r)
				}
			}
		}
	}
}

// FuzzAPIURL: whatever the caller asks for, the token stays inside.
func FuzzAPIURL(f *testing.F) {
	for _, seed := range []string{
		"user/repos", "//evil.test/x", `\\evil.test`, "..%2f..", "https://api.test/v1/x", "https:evil.test", "@evil.test", "/v1/%2e%2e/v2",
		"us\ter", "?a=b#c", "/x%2f..%2fv1/y", "..;/x",
	} {
		f.Add(seed)
	}
	a := newAPI(f, apiURL, nil, nil)
	f.Fuzz(func(t *testing.T, ref string) { send(t, a, ref) })
}
