package signon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/internal/oauth"
	"github.com/seed1a301047/signon/tokenstore"
)

// HTTPClient returns a client that calls the provider's API as the user of ctx, or
// as the owner of [WithOwner]:
//
//	resp, err := github.HTTPClient(r.Context()).Get("user/repos")
//
// A relative URL is resolved against Provider.APIBaseURL. The token goes to that
// origin, below that path, and nowhere else: a request elsewhere fails before
// anything is sent, with an error that wraps [ErrAPIURL], and a redirect elsewhere
// is not followed, so that the caller gets the 3xx. The token replaces an
// Authorization header that the caller has set. There is no cookie jar.
//
// The token is refreshed before it expires. An answer of 401 leads to one refresh
// and one retry, if the request has no body or a GetBody; 403 and 5xx never do.
//
// The client has no time-out of its own: give the request a context. Responses are
// not limited. It may be used by many goroutines, for as long as the owner of ctx
// is meant, also after ctx has ended.
func (c *Client) HTTPClient(ctx context.Context) *http.Client {
	owner, err := c.owner(ctx)
	t := &apiTransport{c: c, owner: owner, err: err}
	return &http.Client{Transport: t, CheckRedirect: t.checkRedirect}
}

// apiBase is where an API is: the origin and the path below which the token may go.
type apiBase struct{ url *url.URL }

func parseAPIBase(raw string) (*apiBase, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("APIBaseURL does not parse: %w", err)
	}
	if u.RawQuery != "" {
		return nil, fmt.Errorf("APIBaseURL has a query; put fixed parameters into Hooks.APIRequest")
	}
	if !strings.HasSuffix(u.Path, "/") {
		u.Path += "/"
		u.RawPath = ""
	}
	return &apiBase{url: u}, nil
}

// resolve gives the absolute URL of a request, or an error if the token must not go
// there. It judges the URL that will be sent, not the text it came from.
func (b *apiBase) resolve(ref *url.URL) (*url.URL, error) {
	u := b.url.ResolveReference(ref)
	switch {
	case ref.Opaque != "" || u.User != nil || u.Scheme != b.url.Scheme || !strings.EqualFold(hostPort(u), hostPort(b.url)):
		return nil, fmt.Errorf("signon: a request to %s://%s, but the token is for %s only: %w", u.Scheme, u.Host, b.url, ErrAPIURL)
	case strings.Contains(u.Path, `\`) || !strings.HasPrefix(cleanPath(u.Path), b.url.Path):
		return nil, fmt.Errorf("signon: a request to path %q, but the token is for those below %s only; a relative URL has no slash in front: %w", clip(u.Path, 200), b.url, ErrAPIURL)
	}
	u.Fragment = ""
	return u, nil
}

// cleanPath resolves dot segments in the decoded path, as some servers do, and
// keeps a slash at the end.
func cleanPath(p string) string {
	clean := path.Clean(p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return clean
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	return u.Hostname() + ":" + port
}

// An apiTransport adds the owner's token to each request.
type apiTransport struct {
	c     *Client
	owner string
	err   error // there is no owner
}

// checkRedirect follows a redirect within the API and hands any other to the
// caller.
func (t *apiTransport) checkRedirect(req *http.Request, via []*http.Request) error {
	if t.c.api == nil || len(via) >= 10 {
		return http.ErrUseLastResponse
	}
	if _, err := t.c.api.resolve(req.URL); err != nil {
		return http.ErrUseLastResponse
	}
	return nil
}

// RoundTrip sends one request, and once more with a refreshed token after a 401.
func (t *apiTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	target, err := t.resolve(req)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	token, err := t.c.tokenOf(req.Context(), t.owner)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	resp, err := t.send(req, target, token)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || !replayable(req) {
		return resp, err
	}
	key := tokenstore.Key{Provider: t.c.name, Owner: t.owner}
	renewed, err := t.c.refresh(req.Context(), key, token, true)
	if err != nil || sameToken(renewed, token) {
		return resp, nil // the API's own answer says more than our failure to better it
	}
	again, err := rewind(req)
	if err != nil {
		return resp, nil
	}
	discard(resp)
	return t.send(again, target, renewed)
}

func (t *apiTransport) resolve(req *http.Request) (*url.URL, error) {
	switch {
	case t.err != nil:
		return nil, t.err
	case t.c.api == nil:
		return nil, fmt.Errorf("signon: provider %s has no APIBaseURL, so there is nowhere the token may go; set it: %w", t.c.name, ErrAPIURL)
	}
	return t.c.api.resolve(req.URL)
}

func (t *apiTransport) send(req *http.Request, target *url.URL, token *oauth2.Token) (*http.Response, error) {
	ctx := req.Context()
	out := req.Clone(ctx)
	out.URL, out.Host = target, ""
	if err := t.place(out, token); err != nil {
		closeBody(req)
		return nil, err
	}
	if err := t.hookRequest(ctx, out); err != nil {
		closeBody(req)
		return nil, err
	}
	resp, err := t.c.apiVia.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	resp.Request = req // what the caller sent: without the token, relative as it was
	if hook := t.c.p.Hooks.APIResponse; hook != nil {
		if err := oauth.Hook(ctx, "APIResponse", hook, resp); err != nil {
			discard(resp)
			return nil, providerFault(t.c.name, err)
		}
	}
	return resp, nil
}

// hookRequest lets the hook bend the request, but not where it goes.
func (t *apiTransport) hookRequest(ctx context.Context, out *http.Request) error {
	hook := t.c.p.Hooks.APIRequest
	if hook == nil {
		return nil
	}
	if err := oauth.Hook(ctx, "APIRequest", hook, out); err != nil {
		return providerFault(t.c.name, err)
	}
	if out.URL == nil || out.Host != "" && !strings.EqualFold(out.Host, out.URL.Host) {
		return fmt.Errorf("signon: hook APIRequest changed the host: %w", ErrAPIURL)
	}
	target, err := t.c.api.resolve(out.URL)
	if err != nil {
		return err
	}
	out.URL = target
	return nil
}

// place puts the token where the API wants it (RFC 6750 section 2), and only there.
func (t *apiTransport) place(out *http.Request, token *oauth2.Token) error {
	out.Header.Del("Authorization")
	switch t.c.p.TokenPlacement {
	case TokenInQuery:
		q := out.URL.Query()
		q.Set("access_token", token.AccessToken)
		u := *out.URL
		u.RawQuery = q.Encode()
		out.URL = &u
	case TokenInBody:
		return placeInBody(out, token.AccessToken)
	default:
		out.Header.Set("Authorization", "Bearer "+token.AccessToken)
	}
	return nil
}

const maxFormBody = 1 << 20

// placeInBody is RFC 6750 section 2.2: a form, and no GET.
func placeInBody(out *http.Request, token string) error {
	if !slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch}, out.Method) || !isForm(out.Header.Get("Content-Type")) {
		return fmt.Errorf("signon: TokenPlacement is body, which a %s of %q cannot have; expected a POST, PUT or PATCH of a form (RFC 6750 section 2.2)",
			out.Method, clip(out.Header.Get("Content-Type"), 64))
	}
	var body []byte
	if out.Body != nil {
		var err error
		body, err = io.ReadAll(io.LimitReader(out.Body, maxFormBody+1))
		_ = out.Body.Close()
		if err != nil || len(body) > maxFormBody {
			return fmt.Errorf("signon: a form of over %d bytes, or one that cannot be read: %w", maxFormBody, errors.Join(ErrTooLarge, err))
		}
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return fmt.Errorf("signon: the form does not parse: %w", ErrRequest)
	}
	form.Set("access_token", token)
	encoded := []byte(form.Encode())
	out.ContentLength = int64(len(encoded))
	out.Body = io.NopCloser(bytes.NewReader(encoded))
	out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(encoded)), nil }
	return nil
}

func replayable(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}

// rewind returns the request with its body from the start.
func rewind(req *http.Request) (*http.Request, error) {
	if req.GetBody == nil {
		return req, nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, err
	}
	again := req.Clone(req.Context())
	again.Body = body
	return again, nil
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// discard reads a little of a body, so that the connection can be used again, and
// closes it.
func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	_ = resp.Body.Close()
}
