package outbound_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/seed1a301047/signon/internal/outbound"
)

var (
	strict = outbound.Policy{}
	dev    = outbound.Policy{AllowLoopbackHTTP: true}
	inside = outbound.Policy{AllowPrivate: true}
)

// DI-02, LI-12: an endpoint is https, or http to loopback where that is allowed,
// and carries neither userinfo nor fragment.
func TestCheckURL(t *testing.T) {
	for _, tt := range []struct {
		name, url string
		policy    outbound.Policy
		ok        bool
	}{
		{"https", "https://op.example/authorize", strict, true},
		{"port", "https://op.example:8443/", strict, true},
		{"query is kept", "https://op.example/authorize?tenant=1", strict, true}, // LI-12
		{"template braces", "https://op.example/{tenantid}/v2.0", strict, true},
		{"public address", "https://93.184.215.14/", strict, true},
		{"public IPv6 address", "https://[2606:2800:21f::1]/", strict, true},
		{"loopback http in development", "http://127.0.0.1:8080/a", dev, true},
		{"loopback http, any of 127/8", "http://127.8.8.8/a", dev, true},
		{"loopback http, IPv6", "http://[::1]:8080/a", dev, true},
		{"loopback http, localhost", "http://LocalHost:8080/a", dev, true},
		{"private https inside", "https://10.0.0.7/", inside, true},

		{"empty", "", strict, false},
		{"http", "http://op.example/", dev, false},
		{"http to a private address", "http://10.0.0.7/", outbound.Policy{AllowLoopbackHTTP: true, AllowPrivate: true}, false},
		{"loopback http without the flag", "http://127.0.0.1/", inside, false},
		{"loopback https without the flag", "https://127.0.0.1/", strict, false},
		{"localhost https without the flag", "https://localhost/", strict, false},
		{"loopback judged on the parsed host: suffix", "http://localhost.evil.example/", dev, false},
		{"loopback judged on the parsed host: userinfo", "http://localhost@evil.example/", dev, false},
		{"loopback judged on the parsed host: query", "http://evil.example/?localhost", dev, false},
		{"subdomain of localhost is whatever DNS says", "http://a.localhost/", dev, false},
		{"userinfo", "https://op@evil.example/", strict, false},
		{"empty userinfo", "https://@evil.example/", strict, false},
		{"password", "https://a:b@evil.example/", strict, false},
		{"fragment", "https://op.example/#a", strict, false},
		{"empty fragment", "https://op.example/#", strict, false},
		{"file", "file:///etc/passwd", strict, false},
		{"javascript", "javascript:alert(1)", strict, false},
		{"javascript with a host", "javascript://op.example/%0aalert(1)", strict, false},
		{"ftp", "ftp://op.example/", strict, false},
		{"relative", "/authorize", strict, false},
		{"no scheme", "//op.example/", strict, false},
		{"opaque", "https:op.example", strict, false},
		{"no host", "https:///authorize", strict, false},
		{"only a port", "https://:443/", strict, false},
		{"colon without a port", "https://op.example:/", strict, false},
		{"port 0", "https://op.example:0/", strict, false},
		{"port 65536", "https://op.example:65536/", strict, false},
		{"backslash", `https://op.example\@evil.example/`, strict, false},
		{"space", "https://op.example/ a", strict, false},
		{"newline", "https://op.example/\n", strict, false},
		{"look-alike host", "https://оp.example/", strict, false},
		{"bad escape", "https://op.example/%zz", strict, false},
		{"zone", "https://[fe80::1%25eth0]/", inside, false},

		// DI-04: addresses that are written as such.
		{"metadata service", "https://169.254.169.254/", inside, false},
		{"metadata service, decimal", "https://2852039166/", inside, false},
		{"metadata service, hexadecimal", "https://0xA9FEA9FE/", inside, false},
		{"metadata service, octal", "https://0251.0376.0251.0376/", inside, false},
		{"metadata service, hexadecimal part", "https://169.254.169.0xfe/", inside, false},
		{"metadata service, mapped", "https://[::ffff:169.254.169.254]/", inside, false},
		{"short loopback", "https://127.1/", inside, false},
		{"short loopback, dot", "https://127.1./", inside, false},
		{"private", "https://192.168.1.1/", strict, false},
		{"loopback IPv6", "https://[::1]/", strict, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u, err := outbound.CheckURL(tt.url, tt.policy)
			if (err == nil) != tt.ok {
				t.Fatalf("CheckURL(%q): got error %v, want ok %v", tt.url, err, tt.ok)
			}
			if err != nil && len(tt.url) > 12 && strings.Contains(err.Error(), tt.url) {
				t.Errorf("the error repeats the URL: %v", err)
			}
			if err == nil && !strings.EqualFold("https://"+u.Host+u.RequestURI(), strings.Replace(escaped(tt.url), "http:", "https:", 1)) {
				t.Errorf("got %q, want %q", u, tt.url)
			}
		})
	}
}

func escaped(url string) string { return strings.NewReplacer("{", "%7B", "}", "%7D").Replace(url) }

// DI-04: what no policy lets through, what only a private one does, and what all do.
func TestCheckAddr(t *testing.T) {
	const never, private, public = 0, 1, 2
	for addr, want := range map[string]int{
		"169.254.169.254": never, "169.254.0.1": never, "fe80::1": never, "fd00:ec2::254": never,
		"fd20:ce::254": never, "168.63.129.16": never, "100.100.100.200": never, "192.0.0.192": never,
		"0.0.0.0": never, "0.1.2.3": never, "::": never, "255.255.255.255": never, "240.0.0.1": never,
		"224.0.0.1": never, "ff02::1": never, "fe80::1%eth0": never,
		"::ffff:169.254.169.254": never, "::169.254.169.254": never,
		"64:ff9b::a9fe:a9fe": never, "2002:a9fe:a9fe::1": never,

		"10.0.0.1": private, "172.16.0.1": private, "172.31.255.255": private, "192.168.0.1": private,
		"127.0.0.1": private, "127.255.0.1": private, "::1": private, "fd12::1": private, "fc00::1": private,
		"fec0::1": private, "100.64.0.1": private, "198.18.0.1": private,
		"::ffff:10.0.0.1": private, "64:ff9b::a00:1": private, "2002:a00:1::1": private,

		"8.8.8.8": public, "172.32.0.1": public, "192.169.0.1": public, "100.128.0.1": public,
		"2001:4860:4860::8888": public, "::ffff:8.8.8.8": public, "64:ff9b::808:808": public,
	} {
		addr := netip.MustParseAddr(addr)
		for _, tt := range []struct {
			policy outbound.Policy
			ok     bool
		}{
			{strict, want == public},
			{inside, want >= private},
			{dev, want == public || addr.Unmap().IsLoopback()},
		} {
			err := tt.policy.CheckAddr(addr)
			if (err == nil) != tt.ok {
				t.Errorf("%+v.CheckAddr(%s): got %v, want ok %v", tt.policy, addr, err, tt.ok)
			}
			if err != nil && !(errors.Is(err, outbound.ErrBlocked) && errors.Is(err, outbound.ErrUnreachable)) {
				t.Errorf("CheckAddr(%s): %v is not an ErrBlocked and ErrUnreachable", addr, err)
			}
		}
	}
	if strict.CheckAddr(netip.Addr{}) == nil {
		t.Error("the zero address is let through")
	}
}

// What CheckURL lets through can be read in one way only.
func FuzzCheckURL(f *testing.F) {
	for _, seed := range []string{
		"https://op.example/a?b=c", "http://127.0.0.1:80/", "https://[::1]/", "https://op@evil", "https://0x7f.1/",
		"https://2130706433/", "javascript:1", "https://a#", `https://a\b`, "https://[::ffff:1.2.3.4]:1/", "https://a%2fb/",
	} {
		f.Add(seed, false, false)
		f.Add(seed, true, true)
	}
	f.Fuzz(func(t *testing.T, raw string, http, private bool) {
		policy := outbound.Policy{AllowLoopbackHTTP: http, AllowPrivate: private}
		u, err := outbound.CheckURL(raw, policy)
		if err != nil {
			return
		}
		addr, addrErr := netip.ParseAddr(u.Hostname())
		loopback := addrErr == nil && addr.Unmap().IsLoopback() || strings.EqualFold(strings.TrimSuffix(u.Hostname(), "."), "localhost")
		switch {
		case u.Scheme != "https" && !(u.Scheme == "http" && http && loopback):
			t.Fatalf("%q: scheme %q of host %q", raw, u.Scheme, u.Hostname())
		case u.User != nil || u.Fragment != "" || u.Host == "" || u.Opaque != "" || strings.ContainsAny(raw, "#\\ \t\r\n"):
			t.Fatalf("%q was let through as %#v", raw, u)
		case addrErr == nil && policy.CheckAddr(addr) != nil:
			t.Fatalf("%q: the address is refused, the URL is not", raw)
		case loopback && !http && !private:
			t.Fatalf("%q: loopback was let through", raw)
		}
		again, err := outbound.CheckURL(u.String(), policy)
		if err != nil || again.String() != u.String() {
			t.Fatalf("%q: reads as %q the second time, %v", raw, again, err)
		}
	})
}
