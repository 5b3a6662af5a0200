package signon

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/internal/discovery"
	"github.com/seed1a301047/signon/internal/oauth"
	"github.com/seed1a301047/signon/internal/outbound"
	"github.com/seed1a301047/signon/pkce"
)

const (
	maxLoginBody  = 64 << 10 // of a POST that starts a login
	maxLoginParam = 512      // bytes of a value that a link may set
	maxQuery      = 16 << 10 // of a sign-in URL
)

// StartLogin sends the browser to the provider (RFC 6749 section 4.1.1, OpenID
// Connect Core section 3.1.2.1), with PKCE S256, a state and, for OpenID, a nonce.
// Where to return to is the parameter return_to of the request; the login itself is
// kept in a sealed cookie of ten minutes. A login that the provider begins (OpenID
// Connect Core section 4) says target_link_uri instead, and in iss who it is.
//
// opts add parameters for this login, such as
// oauth2.SetAuthURLParam("prompt", "consent"). A max_age or acr_values among them is
// checked in the answer; a scope replaces Provider.Scopes, to ask for more when it is
// needed. They cannot set anything else that Signon sets.
//
// StartLogin answers GET and POST; a POST only from the application's own origin.
// On an error nothing has been written.
func (c *Client) StartLogin(w http.ResponseWriter, r *http.Request, opts ...oauth2.AuthCodeOption) error {
	extra, err := c.loginOptions(opts)
	if err != nil {
		return err
	}
	return c.startLogin(w, r, extra)
}

func (c *Client) startLogin(w http.ResponseWriter, r *http.Request, extra url.Values) error {
	if err := checkMethod(r, http.MethodGet, http.MethodPost); err != nil {
		return err
	}
	query, err := c.loginQuery(w, r)
	if err != nil {
		return err
	}
	returnTo := c.registry.returnPath(cmp.Or(query.Get("return_to"), query.Get("target_link_uri")))
	owner, err := c.linkOwner(r)
	if err != nil {
		return startAgain(err, returnTo)
	}
	md, err := c.loginMetadata(r.Context())
	if err != nil {
		return startAgain(err, returnTo)
	}
	state, t := c.newTransaction(md)
	t.returnTo, t.owner = returnTo, owner
	target, err := c.authorizationURL(r.Context(), md, state, t, c.requested(query, extra))
	if err != nil {
		return err
	}
	if err := c.registry.transactions.save(w, r, c.name, state, t); err != nil {
		return err
	}
	secureHeaders(w.Header())
	seeOther(w, target)
	return nil
}

// loginMetadata are the provider's, without which no login can begin: one that
// cannot be reached is a fault that will pass.
func (c *Client) loginMetadata(ctx context.Context) (*discovery.Metadata, error) {
	md, err := c.source.Metadata(ctx)
	if errors.Is(err, outbound.ErrUnreachable) {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, providerFault(c.name, err))
	}
	if err == nil {
		err = c.fitsMetadata(oauth.Token, md) // before the user has done anything for a login that cannot end well
	}
	return md, providerFault(c.name, err)
}

// loginOptions turns options into parameters, and refuses those that Signon sets.
func (c *Client) loginOptions(opts []oauth2.AuthCodeOption) (url.Values, error) {
	if len(opts) == 0 {
		return nil, nil
	}
	// An option can only be read through the URL that it makes.
	const none = "https://x.invalid/"
	bare := (&oauth2.Config{Endpoint: oauth2.Endpoint{AuthURL: none}}).AuthCodeURL("")
	made := (&oauth2.Config{Endpoint: oauth2.Endpoint{AuthURL: none}}).AuthCodeURL("", opts...)
	before, errBefore := url.Parse(bare)
	after, err := url.Parse(made)
	if err := errors.Join(errBefore, err); err != nil {
		return nil, fmt.Errorf("signon: login options: %w: %w", ErrInternal, err)
	}
	params, was := after.Query(), before.Query()
	for name := range params {
		if slices.Equal(params[name], was[name]) {
			delete(params, name)
		} else if slices.Contains(protocolParams, name) && name != "scope" {
			return nil, fmt.Errorf("signon: a login option sets %q, which Signon sets itself; remove it: %w", name, ErrInternal)
		}
	}
	if !c.openID && (params.Has("max_age") || params.Has("acr_values")) {
		return nil, fmt.Errorf("signon: a login option sets max_age or acr_values, which only an ID token can answer; add openid to Scopes: %w", ErrInternal)
	}
	if scope := params.Get("scope"); scope != "" && c.openID != slices.Contains(strings.Fields(scope), "openid") {
		return nil, fmt.Errorf("signon: a login option sets scope to %q, but Provider.Scopes decides about openid; name it in both or in neither: %w", clip(scope, 200), ErrInternal)
	}
	return params, nil
}

// loginQuery reads the request's parameters from the channel of its method.
func (c *Client) loginQuery(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.Method == http.MethodPost {
		if err := c.registry.crossOrigin.Check(r); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCrossOrigin, err)
		}
		return c.loginForm(w, r)
	}
	if r.URL.RawQuery == "" || len(r.URL.RawQuery) > maxQuery {
		return nil, nil // nothing that a link may set is that long
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("%w: the query does not parse", ErrRequest)
	}
	// A login that the provider has begun says whose it is, OpenID Connect Core
	// section 4.
	if iss := query.Get("iss"); iss != "" && c.p.Issuer != "" && !c.p.names(iss) {
		return nil, fmt.Errorf("%w: iss is %q, expected %q", ErrRequest, clip(iss, 200), c.p.Issuer)
	}
	return query, nil
}

// loginForm reads the parameters of a POST. Where to return to may stand in its URL
// too, as in Failure.StartURL.
func (c *Client) loginForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	form, err := readForm(w, r, maxLoginBody)
	if err != nil || form.Has("return_to") {
		return form, err
	}
	if to := r.URL.Query().Get("return_to"); to != "" {
		form = cloneValues(form)
		if form == nil {
			form = url.Values{}
		}
		form.Set("return_to", to)
	}
	return form, nil
}

// readForm reads an urlencoded body and nothing else of the request.
func readForm(w http.ResponseWriter, r *http.Request, limit int64) (url.Values, error) {
	if r.ContentLength > limit {
		return nil, fmt.Errorf("%w: a body of %d bytes, expected %d at most", ErrTooLarge, r.ContentLength, limit)
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	if r.PostForm == nil && r.ContentLength != 0 && !isForm(r.Header.Get("Content-Type")) {
		return nil, fmt.Errorf("%w: Content-Type %q, expected application/x-www-form-urlencoded", ErrRequest, clip(r.Header.Get("Content-Type"), 64))
	}
	err := r.ParseForm()
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return nil, fmt.Errorf("%w: a body of over %d bytes", ErrTooLarge, limit)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the form does not parse", ErrRequest)
	}
	return r.PostForm, nil
}

func isForm(contentType string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(mediaType), "application/x-www-form-urlencoded")
}

// linkOwner is a hash of who connects a provider, where the application has a
// sign-in of its own. Another site must not be able to start that: it would connect
// an account of its choosing to the user's.
func (c *Client) linkOwner(r *http.Request) (hash [ownerLen]byte, err error) {
	if c.registry.cfg.Owner == nil {
		return hash, nil
	}
	if site := r.Header.Get("Sec-Fetch-Site"); r.Method != http.MethodPost && site != "same-origin" {
		return hash, fmt.Errorf("%w: connecting a provider must start on the application's own pages; Sec-Fetch-Site is %q, expected same-origin, or a POST", ErrCrossOrigin, clip(site, 16))
	}
	owner, err := c.registry.ownerOf(r)
	if err != nil {
		return hash, err
	}
	return hashOwner(owner), nil
}

func hashOwner(owner string) (hash [ownerLen]byte) {
	sum := sha256.Sum256([]byte(owner))
	copy(hash[:], sum[:])
	return hash
}

// newTransaction draws what must be unguessable: 256 bits each, in one read.
func (c *Client) newTransaction(md *discovery.Metadata) (state string, t *transaction) {
	const size = 43 // characters of 32 bytes
	var random [3 * 32]byte
	var text [3 * size]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand
	for i := range 3 {
		base64.RawURLEncoding.Encode(text[i*size:], random[i*32:i*32+32])
	}
	drawn := string(text[:]) // one allocation for the three
	t = &transaction{
		nonce: drawn[size : 2*size], verifier: drawn[2*size:],
		tokenURL: md.TokenEndpoint, fingerprint: c.fingerprint,
		maxAge: -1, formPost: c.p.ResponseMode == "form_post",
		deadline: time.Now().Add(transactionLife).Unix(),
	}
	if c.p.MaxAge > 0 {
		t.maxAge = int64(c.p.MaxAge / time.Second)
	}
	t.acr = strings.Join(c.p.ACRValues, " ")
	return drawn[:size], t
}

// requested are the parameters of this one login: those a link may set, then the
// options, which win.
func (c *Client) requested(query, extra url.Values) url.Values {
	var params url.Values
	for _, name := range c.p.LoginParams {
		if v := query.Get(name); v != "" && len(v) <= maxLoginParam {
			if params == nil {
				params = url.Values{}
			}
			params.Set(name, v)
		}
	}
	if params == nil {
		return extra
	}
	for name, values := range extra {
		params[name] = values
	}
	return params
}

// authURL is an authorization URL but for what each login draws: made once for each
// version of the metadata.
type authURL struct {
	md     *discovery.Metadata
	prefix string // ends where "state=" begins
}

// authorizationURL is where the browser is sent.
func (c *Client) authorizationURL(ctx context.Context, md *discovery.Metadata, state string, t *transaction, params url.Values) (string, error) {
	prefix, err := c.authPrefix(md)
	if err != nil {
		return "", err
	}
	challenge := pkce.Verifier(t.verifier).Challenge()
	if params == nil && c.p.Hooks.Authorize == nil {
		if !c.openID {
			return prefix + "state=" + state + "&code_challenge=" + challenge, nil
		}
		return prefix + "state=" + state + "&code_challenge=" + challenge + "&nonce=" + t.nonce, nil
	}
	all := c.staticParams()
	for name, values := range params {
		all[name] = values
	}
	if err := t.expect(params); err != nil {
		return "", err
	}
	all.Set("state", state)
	all.Set("code_challenge", challenge)
	if c.openID {
		all.Set("nonce", t.nonce)
	}
	asked := all.Get("scope")
	if all, err = c.runAuthorizeHook(ctx, all); err != nil {
		return "", err
	}
	if c.p.Hooks.Authorize != nil {
		if err := t.expect(all); err != nil { // what the hook asks for is checked too
			return "", err
		}
		t.scope = plainScope(asked, t.scope)
	}
	return withQuery(md.AuthorizationEndpoint, all.Encode()), nil
}

// expect notes what this login's own parameters ask for, to be checked in the
// answer.
func (t *transaction) expect(params url.Values) error {
	if v := params.Get("max_age"); v != "" {
		seconds, err := strconv.ParseInt(v, 10, 32)
		if err != nil || seconds < 0 {
			return fmt.Errorf("signon: a login option or hook sets max_age to %q; expected whole seconds: %w", clip(v, 16), ErrInternal)
		}
		t.maxAge = seconds
	}
	if v := params.Get("acr_values"); v != "" {
		t.acr = v
	}
	t.scope = params.Get("scope")
	return nil
}

// plainScope is the scope that a hook left, as RFC 6749 section 3.3 writes it: where it
// only put something else than a space between the scopes, what was asked for. That is
// what a token has whose response does not say.
func plainScope(asked, left string) string {
	scopes := strings.Fields(asked)
	if len(scopes) < 2 || strings.Contains(left, " ") {
		return left
	}
	between, ok := strings.CutPrefix(left, scopes[0])
	between, _, found := strings.Cut(between, scopes[1])
	if ok && found && left == strings.Join(scopes, between) {
		return asked
	}
	return left
}

// runAuthorizeHook lets the hook bend the request, but not what protects it.
func (c *Client) runAuthorizeHook(ctx context.Context, all url.Values) (url.Values, error) {
	if c.p.Hooks.Authorize == nil {
		return all, nil
	}
	a := &hooks.Authorize{Provider: c.name, Params: cloneValues(all)}
	if err := oauth.Hook(ctx, "Authorize", c.p.Hooks.Authorize, a); err != nil {
		return nil, providerFault(c.name, err)
	}
	bent := cloneValues(a.Params) // the hook may have kept its own, and what is checked must be what is sent
	for _, name := range []string{"state", "nonce", "code_challenge", "code_challenge_method", "response_type", "response_mode", "redirect_uri"} {
		if !slices.Equal(bent[name], all[name]) {
			return nil, fmt.Errorf("signon: hook Authorize changed %q, which protects the login; leave it: %w", name, ErrInternal)
		}
	}
	for name, values := range bent {
		if len(values) > 1 && name != "resource" && name != "audience" {
			return nil, fmt.Errorf("signon: hook Authorize gave %q %d values; expected one (RFC 6749 section 3.1): %w", name, len(values), ErrInternal)
		}
	}
	return bent, nil
}

// staticParams are the same for every login.
func (c *Client) staticParams() url.Values {
	params := cloneValues(c.p.AuthorizeParams)
	if params == nil {
		params = url.Values{}
	}
	params.Set("response_type", "code")
	params.Set("client_id", c.p.ClientID)
	params.Set("redirect_uri", c.p.RedirectURL)
	params.Set("code_challenge_method", "S256")
	if len(c.p.Scopes) > 0 {
		params.Set("scope", strings.Join(c.p.Scopes, " "))
	}
	if c.p.ResponseMode != "" {
		params.Set("response_mode", c.p.ResponseMode)
	}
	if c.p.MaxAge > 0 {
		params.Set("max_age", strconv.FormatInt(int64(c.p.MaxAge/time.Second), 10))
	}
	if len(c.p.ACRValues) > 0 {
		params.Set("acr_values", strings.Join(c.p.ACRValues, " "))
	}
	return params
}

func (c *Client) authPrefix(md *discovery.Metadata) (string, error) {
	if made := c.authURL.Load(); made != nil && made.md == md {
		return made.prefix, nil
	}
	if name := protocolParam(md.AuthorizationEndpoint, protocolParams); name != "" {
		return "", fmt.Errorf("provider %s: %w: the authorization endpoint has %q in its query, which Signon sets itself", c.name, ErrProvider, name)
	}
	made := &authURL{md: md, prefix: withQuery(md.AuthorizationEndpoint, c.staticParams().Encode()) + "&"}
	c.authURL.Store(made)
	return made.prefix, nil
}

// withQuery adds to a query that the endpoint may already have, which must be
// kept (RFC 6749 section 3.1).
func withQuery(endpoint, query string) string {
	base, had, _ := strings.Cut(endpoint, "?")
	if had = strings.Trim(had, "&"); had != "" {
		return base + "?" + had + "&" + query
	}
	return base + "?" + query
}
