// Package outbound is the one way out of Signon to a provider.
//
//	client := outbound.NewClient(nil, outbound.Policy{})
//	res, err := outbound.Get(ctx, client, "https://op.example/keys", "application/json", 256<<10)
//
// A request made here follows no redirect, is never sent twice, ends within
// ten seconds, and its answer is read through a limit. Its errors are sorted
// into a few kinds and carry no query string and nothing that the provider wrote.
//
// # Addresses
//
// A provider's metadata names hosts, and a hostile provider may name ours:
// the cloud's metadata service, a database in the private network. The
// transport of this package looks at every address after it was resolved and
// before it is dialled, see [Policy], so that a name which changes its address
// between check and use gains nothing.
//
// An application that brings an [http.Client] with a transport of its own
// takes the dialling over, and this check with it: only addresses written as
// such in a URL are still refused, by [CheckURL].
//
// # Proxies
//
// The transport of this package goes through the proxy that HTTPS_PROXY and
// NO_PROXY name. Requests to a provider are https, so a proxy sees the host
// and port, never a token; plain http exists on loopback only, where no proxy
// is asked. Behind a proxy it is the proxy that resolves names, so there the
// check of addresses is the proxy's; the address of the proxy itself is the
// operator's word and always allowed.
package outbound

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

const (
	totalTimeout     = 10 * time.Second // one request, from dialling to the last byte
	connectTimeout   = 3 * time.Second
	handshakeTimeout = 5 * time.Second
	idleTimeout      = 90 * time.Second
	maxHeaderBytes   = 64 << 10
	maxConnsPerHost  = 128 // what a slow provider can hold of ours
	maxIdlePerHost   = 16
)

// NewClient returns the client for one provider.
//
// If base is nil, or has no Transport, the client has a transport of its own
// that holds the policy for every address it dials. Otherwise base's Transport
// is used as it is: certificates, proxies and the check of addresses are then
// the application's.
//
// Base's Timeout is kept; zero means 10 seconds. A cookie jar is dropped and
// redirects are never followed: a provider's cookie or redirect must not carry
// one user's request to another's. Base itself is not changed.
func NewClient(base *http.Client, p Policy) *http.Client {
	client := &http.Client{Timeout: totalTimeout}
	if base != nil {
		client.Transport = base.Transport
		if base.Timeout > 0 {
			client.Timeout = base.Timeout
		}
	}
	if client.Transport == nil {
		client.Transport = newTransport(p)
	}
	client.CheckRedirect = stay
	return client
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func newTransport(p Policy) *http.Transport {
	direct := &net.Dialer{Timeout: connectTimeout}
	checked := &net.Dialer{Timeout: connectTimeout, Control: p.control}
	proxy := proxyAddr()
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if proxy != "" && addr == proxy {
				return direct.DialContext(ctx, network, addr)
			}
			return checked.DialContext(ctx, network, addr)
		},
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    handshakeTimeout,
		ResponseHeaderTimeout:  totalTimeout,
		IdleConnTimeout:        idleTimeout,
		MaxIdleConns:           4 * maxIdlePerHost,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		MaxConnsPerHost:        maxConnsPerHost,
		MaxResponseHeaderBytes: maxHeaderBytes,
		ForceAttemptHTTP2:      true, // a transport with its own dialer and TLS settings has to ask
	}
}

// control runs after a name was resolved and before its address is dialled.
func (p Policy) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return &blockedError{why: "is not an address"}
	}
	return p.CheckAddr(ap.Addr())
}

// proxyAddr is the host and port of the environment's proxy for https, as the
// transport dials it, or empty.
func proxyAddr() string {
	probe := &http.Request{URL: &url.URL{Scheme: "https", Host: "provider.invalid"}}
	proxy, err := http.ProxyFromEnvironment(probe)
	if err != nil || proxy == nil {
		return ""
	}
	port := proxy.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[proxy.Scheme]
	}
	return net.JoinHostPort(proxy.Hostname(), port)
}
