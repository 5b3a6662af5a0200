package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/internal/outbound"
)

const (
	typeForm = "application/x-www-form-urlencoded"
	typeJSON = "application/json"
)

// A request is what goes out: complete, with the client's proof.
type request hooks.Request

// request makes the request of a stage: the form, then what the hook makes of it, then
// the client's authentication. It is a form unless the hook says that it is JSON.
func (c *Client) request(ctx context.Context, stage Stage, endpoint string, params url.Values) (*request, error) {
	form := &hooks.Request{Provider: c.Provider, URL: endpoint, Header: http.Header{"Accept": {"application/json"}}, Params: params}
	if hook := c.requestHook(stage); hook != nil {
		form = own(form)
		if err := Hook(ctx, string(stage)+" request", hook, form); err != nil {
			return nil, err
		}
	}
	form = own(form)
	if !sameOrigin(endpoint, form.URL) {
		return nil, fmt.Errorf("%w: %s request: the URL left the origin of the endpoint", ErrHook, stage)
	}
	contentType := typeForm
	if outbound.MediaType(form.Header) == typeJSON {
		contentType = typeJSON
	}
	auth := &clientauth.Request{
		ClientID: c.ClientID, Secret: c.Secret, Issuer: c.Issuer, Endpoint: form.URL,
		Header: form.Header, Params: form.Params,
	}
	method := c.Method(stage)
	if err := authenticate(ctx, method, auth); err != nil {
		return nil, err
	}
	form.Header, form.Params = auth.Header, auth.Params
	form.Header.Set("Content-Type", contentType)
	r := (*request)(form)
	return r, r.check(method, endpoint)
}

// authenticate adds the client's proof. A method of the application's, or with a signer
// of its own, is watched as a hook is, and may have kept what it was given; the others
// are not worth a goroutine.
func authenticate(ctx context.Context, method clientauth.Method, r *clientauth.Request) error {
	const name = "client authentication"
	switch method.(type) {
	case clientauth.Basic, clientauth.BasicRaw, clientauth.Post, clientauth.None, clientauth.SecretJWT, clientauth.TLS:
		if err := method.Authenticate(ctx, r); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrHook, name, err)
		}
		return nil
	}
	if err := Hook(ctx, name, method.Authenticate, r); err != nil {
		return err
	}
	kept := own(&hooks.Request{Header: r.Header, Params: r.Params})
	r.Header, r.Params = kept.Header, kept.Params
	return nil
}

// own returns a deep copy of r, for a hook to keep or of what a hook may have kept, with
// maps that can be written to.
func own(r *hooks.Request) *hooks.Request {
	c := r.Clone()
	if c.Header == nil {
		c.Header = http.Header{}
	}
	if c.Params == nil {
		c.Params = url.Values{}
	}
	return c
}

// check refuses a request that says something twice, or cannot be sent. It is ours, not
// the provider's, unless the endpoint is from its metadata and has such a query.
func (r *request) check(method clientauth.Method, endpoint string) error {
	if err := checkHeaders(r.Header); err != nil {
		return fmt.Errorf("%w: %w", ErrRequest, err)
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return errors.New("the endpoint is not a URL")
	}
	query := u.Query()
	for name, values := range r.Params {
		if len(values) > 1 && name != "resource" && name != "audience" { // RFC 8707 section 2, RFC 8693 section 2.1
			return fmt.Errorf("%w: the parameter %.64q has %d values, and RFC 6749 section 3.2 allows one: a hook replaces with Set, it does not Add", ErrRequest, name, len(values))
		}
		if query.Has(name) && r.URL != endpoint {
			return fmt.Errorf("%w: the parameter %.64q is both in the form and in the query that a hook has made: leave it out of the query", ErrRequest, name)
		}
		if query.Has(name) {
			return fmt.Errorf("the parameter %.64q is both in the form and in the endpoint's query", name)
		}
	}
	if n := r.proofs(query, method); n > 1 { // RFC 6749 section 2.3
		return fmt.Errorf("%w: it carries %d proofs of the client, and RFC 6749 section 2.3 allows one: keep that of %s, and take the other out of the hooks or the endpoint's query", ErrRequest, n, method.Name())
	}
	return nil
}

// proofs counts the ways in which r says who the client is.
func (r *request) proofs(query url.Values, method clientauth.Method) int {
	n := 0
	if _, byConnection := method.(clientauth.TLS); byConnection {
		n++
	}
	if r.Header.Get("Authorization") != "" {
		n++
	}
	for _, name := range []string{"client_secret", "client_assertion"} {
		if r.Params.Has(name) || query.Has(name) {
			n++
		}
	}
	return n
}

// http returns r as a POST. outbound.Do takes care that no transport sends it twice.
func (r *request) http(ctx context.Context) (*http.Request, error) {
	body, err := r.body()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, strings.NewReader(body))
	if err != nil {
		return nil, errors.New("the endpoint is not a URL")
	}
	req.Header = r.Header
	return req, nil
}

// body is the parameters as the Content-Type says.
func (r *request) body() (string, error) {
	if r.Header.Get("Content-Type") != typeJSON {
		return r.Params.Encode(), nil
	}
	object := make(map[string]string, len(r.Params))
	for name, values := range r.Params {
		if len(values) > 1 {
			return "", fmt.Errorf("%w: the parameter %.64q has %d values, which a JSON object of strings cannot have", ErrRequest, name, len(values))
		}
		object[name] = r.Params.Get(name)
	}
	body, err := json.Marshal(object, json.Deterministic(true))
	if err != nil { // not shown: it could quote a value
		return "", fmt.Errorf("%w: a parameter is not valid UTF-8, which JSON has to be", ErrRequest)
	}
	return string(body), nil
}

// checkHeaders refuses a header field with two values, one in another spelling, and one
// that cannot be sent.
func checkHeaders(h http.Header) error {
	for name, values := range h {
		canonical := http.CanonicalHeaderKey(name)
		if name != canonical { // on the wire it counts, and here nobody would find it
			return fmt.Errorf("the header field %.64q is spelt otherwise than %.64q: a hook sets it with Set", name, canonical)
		}
		if len(values) > 1 {
			return fmt.Errorf("the header field %.64q has two values: a hook replaces with Set, it does not Add", canonical)
		}
	}
	return outbound.CheckFields(h)
}

// sameOrigin reports whether changed, the URL that a hook left, is at the origin of
// the endpoint. User information would become a second proof of the client.
func sameOrigin(endpoint, changed string) bool {
	if endpoint == changed {
		return true
	}
	a, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	b, err := url.Parse(changed)
	return err == nil && a.Scheme == b.Scheme && a.Host == b.Host && b.User == nil
}
