package signontest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// A jar keeps cookies by the rules of RFC 6265bis.
type jar struct {
	mu      sync.Mutex
	cookies []cookie
	made    int
	refused []RejectedCookie
}

type cookie struct {
	http.Cookie
	hostOnly bool
	expiry   time.Time // zero: with the browser
	number   int       // the order of making
}

// crossing is where a request comes from, as SameSite sees it.
type crossing int

const (
	sameSite      crossing = iota // every cookie goes
	crossSiteLink                 // a top-level GET from another site: all but Strict
	crossSite                     // anything else from another site: only None
)

// maxCookie is the size of name and value together, RFC 6265bis section 5.6.
const maxCookie = 4096

// set takes a cookie or says why not. Secure tells whether the origin counts as
// secure, lax whether cookies with SameSite may be set in an answer like this.
func (j *jar) set(u *url.URL, setCookie string, secure, lax bool) error {
	c, err := http.ParseSetCookie(setCookie)
	if err != nil {
		return fmt.Errorf("it does not parse: %w", err)
	}
	k := cookie{Cookie: *c}
	if err := k.place(u); err != nil {
		return err
	}
	if err := k.check(secure, lax); err != nil {
		return err
	}
	k.setExpiry(time.Now())
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.put(k, secure)
}

// place resolves Domain and Path.
func (c *cookie) place(u *url.URL) error {
	host := strings.ToLower(u.Hostname())
	domain := strings.ToLower(strings.TrimPrefix(c.Domain, "."))
	switch {
	case strings.HasPrefix(strings.ToLower(c.Name), "__host-") && c.Domain != "":
		return errors.New("a __Host- cookie goes without Domain")
	case strings.HasPrefix(strings.ToLower(c.Name), "__host-") && c.Path != "/":
		return errors.New("a __Host- cookie needs Path=/")
	case domain == "":
		c.hostOnly, domain = true, host
	case domain != host && !strings.Contains(domain, "."):
		return fmt.Errorf("its Domain %q is a public suffix", domain)
	case !domainMatch(host, domain):
		return fmt.Errorf("its Domain %q is not that of %q", domain, host)
	}
	c.Domain = domain
	if !strings.HasPrefix(c.Path, "/") {
		c.Path = defaultPath(u.Path)
	}
	return nil
}

func (c *cookie) check(secure, lax bool) error {
	name := strings.ToLower(c.Name)
	switch {
	case len(c.Name)+len(c.Value) > maxCookie:
		return fmt.Errorf("name and value have more than %d bytes", maxCookie)
	case c.Secure && !secure:
		return errors.New("a Secure cookie does not come by http")
	case (strings.HasPrefix(name, "__host-") || strings.HasPrefix(name, "__secure-")) && !c.Secure:
		return errors.New("a __Host- or __Secure- cookie needs Secure")
	case c.SameSite == http.SameSiteNoneMode && !c.Secure:
		return errors.New("a cookie with SameSite=None needs Secure")
	case c.SameSite != http.SameSiteNoneMode && !lax:
		return errors.New("by its SameSite, another site's request does not set it")
	}
	return nil
}

// setExpiry lets Max-Age win over Expires.
func (c *cookie) setExpiry(now time.Time) {
	switch {
	case c.MaxAge < 0:
		c.expiry = now.Add(-time.Second)
	case c.MaxAge > 0:
		c.expiry = now.Add(time.Duration(min(c.MaxAge, 400*24*3600)) * time.Second)
	case !c.Expires.IsZero():
		c.expiry = c.Expires
	}
}

func (c *cookie) expired(now time.Time) bool { return !c.expiry.IsZero() && !c.expiry.After(now) }

// put replaces the cookie of the same name, domain and path. An insecure origin
// cannot lay a cookie over a Secure one.
func (j *jar) put(k cookie, secure bool) error {
	for _, o := range j.cookies {
		over := domainMatch(o.Domain, k.Domain) || domainMatch(k.Domain, o.Domain)
		if !secure && o.Secure && o.Name == k.Name && over && pathMatch(k.Path, o.Path) {
			return errors.New("it would lie over a Secure cookie")
		}
	}
	same := func(o cookie) bool {
		return o.Name == k.Name && o.Domain == k.Domain && o.Path == k.Path && o.hostOnly == k.hostOnly
	}
	j.made++
	k.number = j.made
	if i := slices.IndexFunc(j.cookies, same); i >= 0 {
		k.number = j.cookies[i].number
		j.cookies = slices.Delete(j.cookies, i, i+1)
	}
	if !k.expired(time.Now()) {
		j.cookies = append(j.cookies, k)
	}
	return nil
}

// matching returns the cookies that go to a URL, in the order of RFC 6265 section
// 5.4: the longer path first, then the older one.
func (j *jar) matching(u *url.URL, secure bool, from crossing) []cookie {
	j.mu.Lock()
	defer j.mu.Unlock()
	now, host, path := time.Now(), strings.ToLower(u.Hostname()), u.Path
	if path == "" {
		path = "/"
	}
	var got []cookie
	for _, c := range j.cookies {
		switch {
		case c.expired(now),
			c.hostOnly && host != c.Domain, !domainMatch(host, c.Domain),
			!pathMatch(path, c.Path),
			c.Secure && !secure,
			!crosses(c.SameSite, from):
			continue
		}
		got = append(got, c)
	}
	slices.SortFunc(got, func(a, b cookie) int {
		if len(a.Path) != len(b.Path) {
			return len(b.Path) - len(a.Path)
		}
		return a.number - b.number
	})
	return got
}

// crosses takes a cookie without SameSite for Lax, as Chrome does but for its first
// two minutes.
func crosses(s http.SameSite, from crossing) bool {
	switch s {
	case http.SameSiteNoneMode:
		return true
	case http.SameSiteStrictMode:
		return from == sameSite
	default:
		return from != crossSite
	}
}

func (j *jar) header(u *url.URL, secure bool, from crossing) string {
	var b strings.Builder
	for _, c := range j.matching(u, secure, from) {
		if b.Len() > 0 {
			b.WriteString("; ")
		}
		b.WriteString(c.Name + "=" + c.Value)
	}
	return b.String()
}

func (j *jar) clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.cookies = nil
}

func (j *jar) refuse(r RejectedCookie) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.refused = append(j.refused, r)
}

func (j *jar) refusals() []RejectedCookie {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.refused)
}

func domainMatch(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain) && net.ParseIP(host) == nil
}

func pathMatch(path, prefix string) bool {
	if !strings.HasPrefix(path, prefix) {
		return false
	}
	return len(path) == len(prefix) || strings.HasSuffix(prefix, "/") || path[len(prefix)] == '/'
}

func defaultPath(path string) string {
	i := strings.LastIndexByte(path, '/')
	if i <= 0 {
		return "/"
	}
	return path[:i]
}

// siteOf is the scheme and registrable domain of a URL.
func siteOf(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	labels := strings.Split(host, ".")
	if net.ParseIP(host) == nil && len(labels) > 2 {
		host = strings.Join(labels[len(labels)-2:], ".")
	}
	return u.Scheme + "://" + host
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}
