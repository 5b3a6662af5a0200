package signon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/internal/oauth"
	"github.com/seed1a301047/signon/internal/outbound"
	"github.com/seed1a301047/signon/tokenstore"
)

// HTTPClient returns a client that calls the provider's API as the user of ctx, as the
// owner of [WithOwner], or as the application itself with [WithClientToken]:
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
// and one retry, if the request has no body or a GetBody; 403 and 5xx never do. Where
// the provider refuses that refresh, the error wraps [ErrNoToken]: the user must sign
// in again. A 401 that stays is the caller's to see.
//
// A request without a context of its own, as Get makes it, ends with ctx. There is no
// other time-out, and responses are not limited. The client may be used by many
// goroutines.
func (c *Client) HTTPClient(ctx context.Context) *http.Client {
	t := &apiTransport{c: c, ctx: ctx, inProgress: c.inProgress(ctx)}
	if t.scopes, t.application = c.application(ctx); !t.application && t.inProgress == nil {
		t.owner, t.err = c.owner(ctx)
	}
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
		u = u.JoinPath("/")
	}
	if clean := cleanPath(u.Path); clean != u.Path {
		return nil, fmt.Errorf("APIBaseURL has the path %q; expected a clean one such as %q", clip(u.Path, 200), clip(clean, 200))
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
	case !b.holds(u):
		return nil, fmt.Errorf("signon: a request to path %q, but the token is for those below %s only; a relative URL has no slash in front: %w", clip(u.Path, 200), b.url, ErrAPIURL)
	}
	u.Fragment = ""
	return u, nil
}

// holds reports whether a path is below the base however a server reads it: as it
// is written or decoded. Its dot segments have been resolved; those that are left
// are encoded, and only some servers resolve them: none is sent.
func (b *apiBase) holds(u *url.URL) bool {
	if !strings.HasPrefix(u.EscapedPath(), b.url.EscapedPath()) || !strings.HasPrefix(u.Path, b.url.Path) || strings.Contains(u.Path, `\`) {
		return false
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if name, _, _ := strings.Cut(segment, ";"); name == ".." {
			return false
		}
	}
	return true
}

// cleanPath is path.Clean, and keeps a slash at the end.
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

	application bool     // in the place of an owner
	scopes      []string // of its token

	ctx context.Context // of those requests that have none

	inProgress *oauth2.Token // of a login that OnLogin is deciding on, in no store yet
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
	if req.Context().Done() == nil {
		req = req.WithContext(t.ctx)
	}
	target, err := t.resolve(req)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	token, err := t.token(req.Context())
	if err != nil {
		closeBody(req)
		return nil, err
	}
	resp, err := t.send(req, target, token)
	if err != nil || resp.StatusCode != http.StatusUnauthorized || !replayable(req) || t.inProgress != nil {
		return resp, err
	}
	renewed, err := t.renewed(req.Context(), token)
	if errors.Is(err, ErrNoToken) && !errors.Is(err, errNotRefreshable) {
		discard(resp)
		return nil, err
	}
	if err != nil || tokenstore.Same(renewed, token) {
		return resp, nil // the API's own answer says more than our failure to better it
	}
	again, err := rewind(req)
	if err != nil {
		return resp, nil
	}
	discard(resp)
	return t.send(again, target, renewed)
}

func (t *apiTransport) token(ctx context.Context) (*oauth2.Token, error) {
	if t.inProgress != nil {
		return t.inProgress, nil
	}
	if t.application {
		return t.c.ClientToken(ctx, t.scopes...)
	}
	return t.c.tokenOf(ctx, t.owner)
}

// renewed is another token than the one that the API has refused.
func (t *apiTransport) renewed(ctx context.Context, refused *oauth2.Token) (*oauth2.Token, error) {
	if t.application {
		return t.c.renewClientToken(ctx, t.scopes, refused)
	}
	return t.c.refresh(ctx, tokenstore.Key{Provider: t.c.name, Owner: t.owner}, refused, true)
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
	out, err := t.hookRequest(ctx, out)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	resp, err := t.c.apiVia.RoundTrip(out)
	if err != nil {
		return nil, t.c.apiFault(ctx, err)
	}
	resp.Request = req // what the caller sent: without the token, relative as it was
	if to := resp.Header.Get("Location"); to != "" {
		// http.Client would resolve it against the URL that the caller wrote.
		if u, err := target.Parse(to); err == nil {
			resp.Header.Set("Location", t.withoutToken(u).String())
		}
	}
	return t.hookResponse(ctx, resp)
}

// withoutToken takes the token out of a redirect that repeats our query: it is added
// where it may go, and errors quote URLs.
func (t *apiTransport) withoutToken(u *url.URL) *url.URL {
	if q := u.Query(); t.c.p.TokenPlacement == TokenInQuery && q.Has("access_token") {
		q.Del("access_token")
		u.RawQuery = q.Encode()
	}
	return u
}

// hookResponse gives the hook a response of its own, since one that is late may
// still be at it.
func (t *apiTransport) hookResponse(ctx context.Context, resp *http.Response) (*http.Response, error) {
	hook := t.c.p.Hooks.APIResponse
	if hook == nil {
		return resp, nil
	}
	given := *resp
	given.Header = resp.Header.Clone()
	if err := oauth.Hook(ctx, "APIResponse", hook, &given); err != nil {
		_ = resp.Body.Close()
		return nil, providerFault(t.c.name, err)
	}
	own := given
	own.Header = given.Header.Clone()
	if own.Header == nil {
		own.Header = http.Header{}
	}
	if own.Body == nil {
		own.Body = http.NoBody
	}
	return &own, nil
}

// apiFault says of an API that cannot be reached that the fault is there.
func (c *Client) apiFault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return err // the caller has left
	}
	kind := ErrProvider
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		kind = ErrProviderTimeout
	}
	return fmt.Errorf("signon: the API of %s: %w: %w", c.name, kind, err)
}

// hookRequest lets the hook bend the request, but not where it goes.
func (t *apiTransport) hookRequest(ctx context.Context, given *http.Request) (*http.Request, error) {
	hook := t.c.p.Hooks.APIRequest
	if hook == nil {
		return given, nil
	}
	if err := oauth.Hook(ctx, "APIRequest", hook, given); err != nil {
		return nil, providerFault(t.c.name, err)
	}
	if given.URL == nil || given.Host != "" && !strings.EqualFold(given.Host, given.URL.Host) {
		return nil, fmt.Errorf("signon: hook APIRequest changed the host: %w", ErrAPIURL)
	}
	if err := outbound.CheckFields(given.Header); err != nil {
		return nil, fmt.Errorf("signon: hook APIRequest: %w: %w", ErrInternal, err)
	}
	target, err := t.c.api.resolve(given.URL)
	if err != nil {
		return nil, err
	}
	out := given.Clone(ctx) // the hook may have kept its own
	out.URL = target
	return out, nil
}

// place puts the token where the API wants it (RFC 6750 section 2), and only there.
func (t *apiTransport) place(out *http.Request, token *oauth2.Token) error {
	if out.Header == nil {
		out.Header = http.Header{}
	}
	for name := range out.Header {
		if strings.EqualFold(name, "Authorization") {
			delete(out.Header, name)
		}
	}
	switch t.c.p.TokenPlacement {
	case TokenInQuery:
		q, err := url.ParseQuery(out.URL.RawQuery)
		if err != nil {
			return fmt.Errorf("signon: the query of an API request does not parse: %w", ErrRequest)
		}
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
