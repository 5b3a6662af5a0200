package signon_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

// A siteAnswer is one answer of the application.
type siteAnswer struct {
	method, path, query string
	cookieBytes         int // of the request
	status              int
	header              http.Header
	body                string
}

func (a siteAnswer) auth() bool { return strings.HasPrefix(a.path, "/auth/") }

func (s *site) recorded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		a := siteAnswer{method: r.Method, path: r.URL.Path, query: r.URL.RawQuery, cookieBytes: len(r.Header.Get("Cookie"))}
		h.ServeHTTP(rec, r)
		res := rec.Result()
		a.status, a.header, a.body = res.StatusCode, res.Header, rec.Body.String()
		s.mu.Lock()
		s.answers = append(s.answers, a)
		s.mu.Unlock()
		maps.Copy(w.Header(), res.Header)
		w.WriteHeader(res.StatusCode)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

// holds ends a test: every browser in play can still log in (G10), and whatever the
// application did until now kept the other invariants of security-sensitive
// answers.
func (s *site) holds() {
	if s.t.Failed() {
		return
	}
	s.faults.end()
	s.op.Disarm()
	s.op.AuthorizeResponse(nil)
	s.mu.Lock()
	browsers := slices.Clone(s.browsers)
	s.mu.Unlock()
	for _, b := range browsers {
		s.signIn(b, "bob")
	}
	for _, a := range s.answers {
		s.checkHeaders(a)
		s.checkLocation(a)
		s.checkCookies(a)
	}
	s.checkSecrets()
	s.checkLog()
	require.LessOrEqual(s.t, s.op.Stats().MaxPerCode, 1, "G2: a code went to the token endpoint twice")
	op, _ := url.Parse(s.op.Issuer())
	for _, host := range s.hosts.list() {
		require.Equal(s.t, op.Host, host, "G8: an unnamed host was connected to")
	}
}

// checkHeaders is G4, and LI-16: nothing of it may be framed.
func (s *site) checkHeaders(a siteAnswer) {
	if len(a.header["Set-Cookie"]) > 0 { // SE-12
		require.Contains(s.t, strings.Join(a.header["Cache-Control"], ","), "no-", "%s %s", a.method, a.path)
	}
	if a.path == "/me" && a.status == http.StatusOK { // SE-12
		require.Equal(s.t, "private, no-store", a.header.Get("Cache-Control"))
		require.Contains(s.t, a.header["Vary"], "Cookie")
	}
	if !a.auth() {
		return
	}
	require.Contains(s.t, strings.Join(a.header["Cache-Control"], ","), "no-store", "%s %s", a.method, a.path)
	require.Equal(s.t, "no-referrer", a.header.Get("Referrer-Policy"), "%s %s", a.method, a.path)
	require.Equal(s.t, "nosniff", a.header.Get("X-Content-Type-Options"), "%s %s", a.method, a.path)
	csp := a.header.Get("Content-Security-Policy")
	require.Contains(s.t, csp, "frame-ancestors 'none'")
	if strings.Contains(a.header.Get("Content-Type"), "html") {
		require.Contains(s.t, csp, "default-src 'none'")
	}
	require.NotContains(s.t, csp, "script-src")
	for _, active := range []string{"<script", "<iframe", "<img", " src=", "javascript:"} {
		require.NotContains(s.t, strings.ToLower(a.body), active)
	}
}

// checkLocation is G5: every redirect leads to the application or the provider.
func (s *site) checkLocation(a siteAnswer) {
	location := a.header.Get("Location")
	if location == "" {
		return
	}
	base, _ := url.Parse(siteURL + "/auth/callback/op")
	to, err := signontest.ResolveURL(base, location)
	require.NoError(s.t, err, "G5: %q", location)
	op, _ := url.Parse(s.op.Issuer())
	if a.auth() && to.Host == op.Host {
		require.Equal(s.t, op.Scheme+"://"+op.Host, to.Scheme+"://"+to.Host)
		return
	}
	require.Equal(s.t, siteURL, to.Scheme+"://"+to.Host, "G5: %q", location)
}

// checkCookies is G6.
func (s *site) checkCookies(a siteAnswer) {
	require.Less(s.t, a.cookieBytes, 8<<10, "G6: the cookies of a request")
	for _, line := range a.header["Set-Cookie"] {
		ck, err := http.ParseSetCookie(line)
		require.NoError(s.t, err, line)
		require.True(s.t, strings.HasPrefix(ck.Name, "__Host-"), line)
		require.True(s.t, ck.Secure && ck.HttpOnly && ck.Path == "/" && ck.Domain == "", line)
		want := http.SameSiteLaxMode
		if strings.HasPrefix(ck.Name, "__Host-signon-post-") {
			want = http.SameSiteNoneMode
		}
		require.Equal(s.t, want, ck.SameSite, line)
	}
}

// checkSecrets is G3 and RQ-09: no secret in a body, a header or the log. A state stands in
// the one redirect to the provider, and an ID token in the one that signs out there.
func (s *site) checkSecrets() {
	secrets := s.op.Secrets()
	for _, key := range siteKeys {
		secrets = append(secrets, string(key), hex.EncodeToString(key), base64.StdEncoding.EncodeToString(key))
	}
	var states []string
	for _, a := range s.answers {
		if state := param(a.header.Get("Location"), "state"); state != "" {
			states = append(states, state)
		}
	}
	text := s.log.String()
	for _, a := range s.answers {
		shown := a.body
		for name, values := range a.header {
			if name != "Location" || !strings.Contains(values[0], "code_challenge=") && !strings.Contains(values[0], "&post_logout_redirect_uri=") {
				shown += "\n" + strings.Join(values, "\n")
			}
		}
		text += "\n" + shown
	}
	for _, secret := range append(secrets, states...) {
		if len(secret) > 7 {
			require.NotContains(s.t, text, secret, "G3: a secret is shown or logged")
		}
	}
}

var failureID = regexp.MustCompile(`\b[A-Z2-7]{26}\b`)

// checkLog is G11: each failure that was shown is in the log, once, with a kind and
// an id. The log writes at most fifty a second of them.
func (s *site) checkLog() {
	logged := map[string]int{}
	for line := range strings.Lines(s.log.String()) {
		var record map[string]any
		require.NoError(s.t, json.Unmarshal([]byte(line), &record), line)
		if id, _ := record["error_id"].(string); id != "" && record["msg"] == "signon: request failed" {
			logged[id]++
			require.NotEmpty(s.t, record["kind"])
		}
	}
	for id, n := range logged {
		require.Equal(s.t, 1, n, id)
	}
	if s.setup.ownErrors || len(logged) >= 45 {
		return
	}
	for _, a := range s.answers {
		if a.auth() && a.status >= 400 && a.method != http.MethodHead {
			id := failureID.FindString(a.body)
			require.Equal(s.t, 1, logged[id], "G11: %s %s shows %q, which is not in the log", a.method, a.path, a.body)
		}
	}
}

// hostList notes which hosts are connected to.
type hostList struct {
	next  http.RoundTripper
	mu    sync.Mutex
	hosts map[string]bool
}

func (l *hostList) RoundTrip(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	if l.hosts == nil {
		l.hosts = map[string]bool{}
	}
	l.hosts[r.URL.Host] = true
	l.mu.Unlock()
	return l.next.RoundTrip(r)
}

func (l *hostList) list() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.hosts))
}
