package outbound

import (
	"net/netip"
	"slices"
)

// blockedError is an address that the policy refuses.
type blockedError struct {
	addr netip.Addr
	why  string
}

func (e *blockedError) Error() string {
	if !e.addr.IsValid() {
		return "the host " + e.why
	}
	return "the address " + e.addr.String() + " " + e.why
}

func (e *blockedError) Is(target error) bool { return target == ErrBlocked || target == ErrUnreachable }

// CheckAddr returns an error that wraps [ErrBlocked] if the policy does not
// let the address be dialled.
func (p Policy) CheckAddr(addr netip.Addr) error {
	switch kindOf(addr) {
	case public:
		return nil
	case private:
		if p.AllowPrivate || p.AllowLoopbackHTTP && inner(addr).IsLoopback() {
			return nil
		}
		return &blockedError{addr, "is private; set Provider.AllowPrivateNetwork if the provider is in a private network"}
	default:
		return &blockedError{addr, "is link-local, reserved, or a cloud's metadata service: never dialled"}
	}
}

type kind int

const (
	never kind = iota // also an address that is none
	private
	public
)

var (
	neverPrefixes = prefixes(
		"0.0.0.0/8",          // "this network": Linux connects 0.0.0.0 to loopback
		"169.254.0.0/16",     // link-local, most clouds' metadata service
		"192.0.0.0/24",       // IETF protocol assignments, Oracle's metadata service
		"168.63.129.16/32",   // Azure's wire server
		"100.100.100.200/32", // Alibaba's metadata service
		"224.0.0.0/4",        // multicast
		"240.0.0.0/4",        // reserved, broadcast
		"fe80::/10",          // link-local
		"fd00:ec2::254/128",  // Amazon's metadata service
		"fd20:ce::254/128",   // Google's metadata service
		"ff00::/8",           // multicast
		"::/128",
	)
	privatePrefixes = prefixes(
		"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", // RFC 1918
		"100.64.0.0/10", // RFC 6598: shared by carriers
		"198.18.0.0/15", // RFC 2544: benchmarks
		"127.0.0.0/8", "::1/128",
		"fc00::/7",  // RFC 4193
		"fec0::/10", // RFC 3879: the former site-local
	)

	compatible = netip.MustParsePrefix("::/96")        // RFC 4291 section 2.5.5.1, deprecated
	nat64      = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052
	sixToFour  = netip.MustParsePrefix("2002::/16")    // RFC 3056
)

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		list[i] = netip.MustParsePrefix(text)
	}
	return list
}

func kindOf(addr netip.Addr) kind {
	if !addr.IsValid() || addr.Zone() != "" {
		return never
	}
	addr = inner(addr)
	holds := func(p netip.Prefix) bool { return p.Contains(addr) }
	switch {
	case slices.ContainsFunc(neverPrefixes, holds):
		return never
	case slices.ContainsFunc(privatePrefixes, holds):
		return private
	default:
		return public
	}
}

// inner is the IPv4 address inside an IPv6 address that leads to it, so that
// ::ffff:169.254.169.254 and 64:ff9b::a9fe:a9fe are judged as what they reach.
func inner(addr netip.Addr) netip.Addr {
	addr = addr.Unmap()
	if addr.Is4() {
		return addr
	}
	b := addr.As16()
	switch {
	case nat64.Contains(addr), compatible.Contains(addr) && !addr.IsLoopback() && !addr.IsUnspecified():
		return netip.AddrFrom4([4]byte(b[12:16]))
	case sixToFour.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return addr
}
