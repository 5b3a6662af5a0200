package signontest

import (
	"fmt"
	"net/url"
	"strings"
)

// ResolveURL resolves a reference, such as a Location header, as browsers do: by
// the URL standard of the WHATWG and not by RFC 3986. Tabs and line ends in it do
// not count, a backslash is a slash, and any number of slashes after the scheme
// begins a host. It is the oracle for open redirects: where does this lead? The
// result is an http or https URL.
func ResolveURL(base *url.URL, ref string) (*url.URL, error) {
	ref = strings.TrimFunc(ref, func(r rune) bool { return r <= ' ' })
	ref = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(ref)
	scheme, rest, absolute := cutScheme(ref)
	if absolute && scheme != "http" && scheme != "https" {
		return nil, fmt.Errorf("a browser does not go to %.100q", ref)
	}
	rest = slashes(rest)
	switch {
	case absolute && (scheme != base.Scheme || strings.HasPrefix(rest, "//")):
		return parse(scheme, strings.TrimLeft(rest, "/"))
	case strings.HasPrefix(rest, "//"):
		return parse(base.Scheme, strings.TrimLeft(rest, "/"))
	}
	rel, err := url.Parse(escaped(rest))
	if err != nil || rel.Scheme != "" {
		rel, err = url.Parse("./" + escaped(rest)) // a colon in the first segment is none of a scheme here
	}
	if err != nil {
		return nil, fmt.Errorf("a browser does not go to %.100q: %w", ref, err)
	}
	if base.Host == "" {
		return nil, fmt.Errorf("%.100q is not absolute", ref)
	}
	return base.ResolveReference(rel), nil
}

// cutScheme finds a scheme at the start.
func cutScheme(s string) (scheme, rest string, ok bool) {
	i := strings.IndexByte(s, ':')
	if i <= 0 {
		return "", s, false
	}
	scheme = strings.ToLower(s[:i])
	for j, c := range []byte(scheme) {
		letter := 'a' <= c && c <= 'z'
		if !letter && (j == 0 || !strings.ContainsRune("0123456789+-.", rune(c))) {
			return "", s, false
		}
	}
	return scheme, s[i+1:], true
}

// slashes turns backslashes into slashes, up to the query.
func slashes(s string) string {
	i := strings.IndexAny(s, "?#")
	if i < 0 {
		i = len(s)
	}
	return strings.ReplaceAll(s[:i], `\`, "/") + s[i:]
}

// escaped escapes what net/url refuses and browsers escape.
func escaped(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c <= ' ' || c == 0x7f:
			fmt.Fprintf(&b, "%%%02X", c)
		case c == '%' && !isEscape(s[i:]):
			b.WriteString("%25")
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func isEscape(s string) bool {
	const hex = "0123456789abcdefABCDEF"
	return len(s) > 2 && strings.IndexByte(hex, s[1]) >= 0 && strings.IndexByte(hex, s[2]) >= 0
}

// parse takes what follows the slashes. The host of the userinfo trick,
// "rp@evil", is evil, also for net/url.
func parse(scheme, rest string) (*url.URL, error) {
	u, err := url.Parse(scheme + "://" + escaped(rest))
	if err != nil {
		return nil, fmt.Errorf("a browser does not go to %.100q: %w", rest, err)
	}
	if u.Host == "" {
		return nil, fmt.Errorf("%.100q has no host", rest)
	}
	return u, nil
}
