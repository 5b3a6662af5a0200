package signon

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// maxReturnTo bounds a return_to: it travels in the login's cookie.
const maxReturnTo = 512

// returnPath judges a URL to return to and gives the path and query of it that lie
// within the application, or "" where there are none: the caller then uses its
// default. It reports no error, since nobody gains by one.
//
// What it gives begins with exactly one slash, has no byte that a browser would
// strip or take for a slash, and is none of the sign-in's own URLs. It is always
// sent behind the application's origin, so that even a mistake here would stay on
// it (RFC 9700 section 4.11).
func (g *Registry) returnPath(raw string) string {
	if len(raw) > maxReturnTo || strings.ContainsFunc(raw, notURL) {
		return ""
	}
	local := raw
	if rest, ok := strings.CutPrefix(raw, g.origin.url); ok {
		local = rest
	}
	escaped, _, _ := strings.Cut(local, "?")
	if !strings.HasPrefix(local, "/") || strings.Contains(escaped, "//") || strings.Contains(local, "#") {
		return ""
	}
	// Decoded exactly once, as the application's router will see it.
	decoded, err := url.PathUnescape(escaped)
	if err != nil || strings.ContainsFunc(decoded, isControl) || hasDots(decoded) {
		return ""
	}
	if strings.HasPrefix(decoded, "//") || strings.HasPrefix(decoded, "/\\") {
		return "" // a router that redirects to a tidier path might send the browser off
	}
	if g.ownPath(path.Clean(decoded)) {
		return "" // a login that leads to a logout, or to itself
	}
	return local
}

// ownPath reports a path at which the sign-in itself answers.
func (g *Registry) ownPath(clean string) bool {
	if clean == g.cfg.Mount || strings.HasPrefix(clean, g.cfg.Mount+"/") {
		return true
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.paths[clean] > 0
}

// ownPaths are those of a provider that need not be below Config.Mount: its login
// and its callback.
func (c *Client) ownPaths() [2]string {
	callback := strings.TrimPrefix(c.p.RedirectURL, c.registry.origin.url)
	return [2]string{servedPath(c.loginURL), servedPath(callback)}
}

func servedPath(local string) string {
	escaped, _, _ := strings.Cut(local, "?")
	decoded, err := url.PathUnescape(escaped)
	if err != nil {
		return path.Clean(escaped)
	}
	return path.Clean(decoded)
}

// notURL reports a byte that may not stand in a URL, or that browsers read as
// another one. Anything beyond ASCII comes percent-encoded.
func notURL(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// hasDots reports a dot segment, which browsers resolve and routers may not.
func hasDots(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// requestPath is where a browser is, to return to after a login: only for a
// request that a redirect can repeat.
func (g *Registry) requestPath(r *http.Request) string {
	if r.Method != http.MethodGet {
		return ""
	}
	// RequestURI is what the browser asked for; URL may have lost a prefix to
	// http.StripPrefix on the way here.
	uri := r.RequestURI
	if !strings.HasPrefix(uri, "/") {
		uri = r.URL.RequestURI()
	}
	return g.returnPath(uri)
}

// redirect sends the browser to a path of the application.
func (g *Registry) redirect(w http.ResponseWriter, local string) {
	if local = g.returnPath(local); local == "" {
		local = g.cfg.Home
	}
	seeOther(w, g.origin.url+local)
}

// seeOther is a 303 without the body and the path cleaning of [http.Redirect]: the
// URL is already the one that is meant.
func seeOther(w http.ResponseWriter, url string) {
	w.Header()["Location"] = []string{url}
	w.WriteHeader(http.StatusSeeOther)
}
