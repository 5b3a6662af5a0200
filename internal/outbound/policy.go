package outbound

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Policy says where a provider may be. The zero value is the safe one: https
// to public addresses only.
//
// Whatever the policy, no request goes to a link-local, multicast, unspecified
// or reserved address, nor to the metadata service of a cloud.
type Policy struct {
	// AllowLoopbackHTTP is for development: it lets http URLs through whose
	// host is localhost, in 127.0.0.0/8, or ::1, and lets loopback be dialled.
	AllowLoopbackHTTP bool

	// AllowPrivate is for providers inside a private network: it lets private
	// (RFC 1918, RFC 4193, RFC 6598) and loopback addresses be dialled.
	AllowPrivate bool
}

// CheckURL parses a URL to which a request or a browser is to be sent. It must
// be absolute and https (or http to a loopback host, where the policy lets it),
// with a host, without userinfo and without a fragment (RFC 6749 section 3.1).
// The error says which of these it is not; it does not repeat the URL.
func CheckURL(raw string, p Policy) (*url.URL, error) {
	if raw == "" {
		return nil, fmt.Errorf("the URL is empty")
	}
	if i := strings.IndexFunc(raw, notURLRune); i >= 0 {
		return nil, fmt.Errorf("the URL has a character at byte %d that must be percent-encoded", i)
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil: // its text repeats the URL, with any password in it
		return nil, fmt.Errorf("the URL is malformed")
	case u.Opaque != "" || u.Host == "" || u.Hostname() == "":
		return nil, fmt.Errorf("the URL is not absolute: want https://host/path")
	case u.User != nil:
		return nil, fmt.Errorf("the URL has a user or password before its host")
	case strings.Contains(raw, "#"):
		return nil, fmt.Errorf("the URL has a fragment")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return nil, fmt.Errorf("the URL's scheme is %q: want https, or for development http on a loopback host such as localhost", cut(u.Scheme))
	case u.Scheme == "http" && !p.AllowLoopbackHTTP:
		return nil, fmt.Errorf("the URL is http: loopback over http is for development and not allowed here")
	}
	if err := checkPort(u); err != nil {
		return nil, err
	}
	if err := p.checkHost(u.Hostname()); err != nil {
		return nil, err
	}
	return u, nil
}

// notURLRune refuses what RFC 3986 does not have, before two parsers can
// disagree on it: a browser reads a backslash as a slash and drops tabs.
func notURLRune(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }

func checkPort(u *url.URL) error {
	if strings.HasSuffix(u.Host, ":") {
		return fmt.Errorf("the URL has a colon but no port")
	}
	if u.Port() == "" {
		return nil
	}
	if n, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || n == 0 {
		return fmt.Errorf("the URL's port is not in 1..65535")
	}
	return nil
}

// checkHost refuses a host that is written as an address the policy refuses.
// Names are checked when they are dialled, once it is known where they lead.
func (p Policy) checkHost(host string) error {
	if addr, err := netip.ParseAddr(host); err == nil {
		return p.CheckAddr(addr)
	}
	if isLoopback(host) {
		return p.CheckAddr(netip.IPv6Loopback())
	}
	if endsInNumber(host) {
		return &blockedError{why: "is written in an unusual form: want a name, or an IPv4 address of four decimal numbers"}
	}
	return nil
}

// isLoopback judges the parsed host, so that localhost.evil.example and
// 127.0.0.1@evil.example are what they are.
func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback() || strings.EqualFold(strings.TrimSuffix(host, "."), "localhost")
}

// endsInNumber finds what a resolver or a browser may take for an IPv4 address
// though Go does not: 2852039166, 0xa9fea9fe, 0251.0376.169.254, 127.1.
// https://url.spec.whatwg.org/#ends-in-a-number-checker
func endsInNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if hex, ok := strings.CutPrefix(strings.ToLower(last), "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}
