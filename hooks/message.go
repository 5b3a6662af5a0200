package hooks

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Authorize is an authorization request, RFC 6749 section 4.1.1, before it becomes
// a URL.
type Authorize struct {
	Provider string     // the provider's name, read only
	Params   url.Values // all parameters, also the protocol's own
}

// Request is a form POST to the token, revocation or introspection endpoint,
// before the client's authentication is added to it.
type Request struct {
	Provider string // the provider's name, read only
	URL      string // where it goes; a hook may change the path and the query, not the origin
	Header   http.Header
	Params   url.Values // the form
}

// Response is an answer to a [Request], or of the userinfo endpoint. Its body has
// been read, within the size limit, and what a hook puts in its place is what gets
// checked.
type Response struct {
	Provider string // the provider's name, read only
	URL      string // where it came from, read only
	Status   int
	Header   http.Header
	Body     []byte
}

// Clone returns a deep copy.
func (a *Authorize) Clone() *Authorize {
	return &Authorize{Provider: a.Provider, Params: url.Values(http.Header(a.Params).Clone())}
}

// Clone returns a deep copy.
func (a *AuthorizeResponse) Clone() *AuthorizeResponse {
	return &AuthorizeResponse{Provider: a.Provider, Params: url.Values(http.Header(a.Params).Clone())}
}

// Clone returns a deep copy.
func (r *Request) Clone() *Request {
	c := *r
	c.Header = r.Header.Clone()
	c.Params = url.Values(http.Header(r.Params).Clone())
	return &c
}

// Clone returns a deep copy.
func (r *Response) Clone() *Response {
	c := *r
	c.Header = r.Header.Clone()
	c.Body = bytes.Clone(r.Body)
	return &c
}

// String returns the provider and the names of the parameters.
func (a Authorize) String() string {
	return fmt.Sprintf("hooks.Authorize{Provider: %q, Params: %s}", a.Provider, names(a.Params))
}

// String returns the provider and the names of the parameters.
func (a AuthorizeResponse) String() string {
	return fmt.Sprintf("hooks.AuthorizeResponse{Provider: %q, Params: %s}", a.Provider, names(a.Params))
}

// String returns the provider: all else is somebody's own.
func (p Profile) String() string { return fmt.Sprintf("hooks.Profile{Provider: %q}", p.Provider) }

// String returns the provider, the URL without its query, and the names of the
// header fields and parameters.
func (r Request) String() string {
	return fmt.Sprintf("hooks.Request{Provider: %q, URL: %q, Header: %s, Params: %s}",
		r.Provider, bare(r.URL), names(r.Header), names(r.Params))
}

// String returns the provider, the URL without its query, the status, the names of
// the header fields and the size of the body.
func (r Response) String() string {
	return fmt.Sprintf("hooks.Response{Provider: %q, URL: %q, Status: %d, Header: %s, Body: %d bytes}",
		r.Provider, bare(r.URL), r.Status, names(r.Header), len(r.Body))
}

// Format writes what [Authorize.String] returns, whatever the verb.
func (a Authorize) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, a.String()) }

// Format writes what [AuthorizeResponse.String] returns, whatever the verb.
func (a AuthorizeResponse) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, a.String()) }

// Format writes what [Profile.String] returns, whatever the verb.
func (p Profile) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.String()) }

// Format writes what [Request.String] returns, whatever the verb.
func (r Request) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// Format writes what [Response.String] returns, whatever the verb.
func (r Response) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// LogValue returns what [Authorize.String] returns.
func (a Authorize) LogValue() slog.Value { return slog.StringValue(a.String()) }

// LogValue returns what [AuthorizeResponse.String] returns.
func (a AuthorizeResponse) LogValue() slog.Value { return slog.StringValue(a.String()) }

// LogValue returns what [Profile.String] returns.
func (p Profile) LogValue() slog.Value { return slog.StringValue(p.String()) }

// LogValue returns what [Request.String] returns.
func (r Request) LogValue() slog.Value { return slog.StringValue(r.String()) }

// LogValue returns what [Response.String] returns.
func (r Response) LogValue() slog.Value { return slog.StringValue(r.String()) }

// MarshalText returns what [Authorize.String] returns.
func (a Authorize) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// MarshalText returns what [AuthorizeResponse.String] returns.
func (a AuthorizeResponse) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// MarshalText returns what [Profile.String] returns.
func (p Profile) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// MarshalText returns what [Request.String] returns.
func (r Request) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// MarshalText returns what [Response.String] returns.
func (r Response) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// names lists the keys of m: its values may be secret.
func names(m map[string][]string) string {
	return fmt.Sprintf("%q", slices.Sorted(maps.Keys(m)))
}

// bare is a URL without user information, query and fragment.
func bare(raw string) string {
	raw, _, _ = strings.Cut(raw, "#")
	raw, _, _ = strings.Cut(raw, "?")
	u, err := url.Parse(raw)
	if err != nil {
		return "[not a URL]"
	}
	u.User = nil
	return u.String()
}

// setHeader sets a header field also where there is no header yet.
func (r *Response) setHeader(name, value string) {
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set(name, value)
}
