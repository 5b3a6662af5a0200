package signon

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/seed1a301047/signon/internal/oauth"
	"github.com/seed1a301047/signon/internal/oidc"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/tokenstore"
)

const (
	maxFormPost = 64 << 10
	maxState    = 256
	maxCode     = 4096
	saveTimeout = 10 * time.Second
)

// callback is what the browser brought: the authorization response (RFC 6749
// section 4.1.2, RFC 9207).
type callback struct {
	state, code, iss, err, description string

	// answer are the other parameters, for Hooks.Profile: nil without one.
	answer  url.Values
	dropped bool // there were more of them than are taken

	formPost bool   // the provider posted it
	kept     string // by continueFormPost, in a cookie: which one
}

// FinishLogin completes a login: it checks the provider's answer, exchanges the
// code, verifies the ID token, asks OnLogin, and saves the token, the login and a
// renewed session. It writes cookies but no status, so the caller redirects, to
// login.ReturnTo or elsewhere: the URL of this request must not stay in the address
// bar.
//
// It answers GET. With form_post it answers the provider's POST too, with a redirect to
// the same URL, with which the browser brings the cookies that it keeps from another
// site's POST; it then returns [ErrAnswered], and the caller is done.
//
// On an error nobody's login has changed. It wraps one of the sentinels; a refusal
// of the provider is a [*ProviderError].
func (c *Client) FinishLogin(w http.ResponseWriter, r *http.Request) (*Login, error) {
	secureHeaders(w.Header())
	cb, err := c.parseCallback(w, r)
	if err != nil {
		return nil, err
	}
	t, err := c.openTransaction(w, r, cb)
	if err != nil {
		return nil, err
	}
	if cb.dropped {
		c.registry.log.WarnContext(r.Context(), "signon: parameters of an authorization response are not handed to Hooks.Profile: one stands there twice, or all are too long", "provider", c.name, "limit", maxAnswer)
	}
	if c.continueFormPost(w, r, cb) {
		return nil, ErrAnswered
	}
	login, err := c.completeLogin(w, r, cb, t)
	if err != nil {
		return nil, startAgain(err, t.returnTo)
	}
	return login, nil
}

// completeLogin is all that follows once the login in progress is known.
func (c *Client) completeLogin(w http.ResponseWriter, r *http.Request, cb *callback, t *transaction) (*Login, error) {
	if err := c.checkIssuer(r.Context(), cb.iss); err != nil {
		return nil, err
	}
	owner, err := c.checkOwner(r, t)
	if err != nil {
		return nil, err
	}
	if err := c.claimState(r.Context(), cb.state, t); err != nil {
		return nil, err
	}
	c.registry.transactions.remove(w, r, c.name, cb.state, cb.formPost)
	if cb.kept != "" {
		c.registry.transactions.removeAnswer(w, cb.kept)
	}
	if cb.err != "" {
		return nil, &ProviderError{Provider: c.name, Code: clip(cb.err, 64), Description: clip(cb.description, 256)}
	}
	login, err := c.exchange(r.Context(), cb, t)
	if err != nil {
		return nil, err
	}
	login.Owner, login.UserAgent = owner, browserOf(r.UserAgent())
	if login.ReturnTo = c.registry.returnPath(t.returnTo); login.ReturnTo == "" {
		login.ReturnTo = c.registry.cfg.Home
	}
	if err := c.registry.decideOwner(r.Context(), login); err != nil {
		return nil, err
	}
	if err := c.save(w, r, login); err != nil {
		return nil, err
	}
	return login, nil
}

// 1: parse

// parseCallback reads each parameter at most once, from the channel of the method.
// Whatever belongs to another flow was not asked for, and might be a token that
// somebody wants to inject (RFC 9700 section 4.6).
func (c *Client) parseCallback(w http.ResponseWriter, r *http.Request) (*callback, error) {
	if err := checkMethod(r, http.MethodGet, http.MethodPost); err != nil {
		return nil, err
	}
	if len(r.URL.RawQuery) > maxQuery {
		return nil, fmt.Errorf("%w: a query of %d bytes, expected %d at most", ErrTooLarge, len(r.URL.RawQuery), maxQuery)
	}
	params, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("%w: the query does not parse", ErrRequest)
	}
	if kept, err := c.continued(w, r, params); kept != nil || err != nil {
		return kept, err
	}
	if r.Method == http.MethodPost {
		for _, name := range responseParams {
			if params.Has(name) {
				return nil, fmt.Errorf("%w: %q stands in the query of a POST; expected it in the body", ErrRequest, name)
			}
		}
		if !isForm(r.Header.Get("Content-Type")) {
			return nil, fmt.Errorf("%w: Content-Type %q, expected application/x-www-form-urlencoded", ErrRequest, clip(r.Header.Get("Content-Type"), 64))
		}
		if params, err = readForm(w, r, maxFormPost); err != nil {
			return nil, err
		}
	}
	if err := checkResponse(params); err != nil {
		return nil, err
	}
	if params, err = c.hookResponse(r.Context(), params); err != nil {
		return nil, err
	}
	cb, err := readCallback(params, r.Method == http.MethodPost)
	if err == nil && c.p.Hooks.Profile != nil {
		cb.answer, cb.dropped = otherParams(params)
	}
	return cb, err
}

// responseParams are the parameters of an authorization response; the last row are
// those of flows that Signon does not use.
var responseParams = []string{
	"state", "code", "iss", "error", "error_description", "error_uri",
	"access_token", "id_token", "token_type", "response",
}

// checkResponse refuses what no response may be, before a hook and after it.
func checkResponse(params url.Values) error {
	for _, name := range responseParams {
		if n := len(params[name]); n > 1 {
			return fmt.Errorf("%w: %d times %q, expected once (RFC 6749 section 3.1)", ErrRequest, n, name)
		}
	}
	for _, name := range responseParams[6:] {
		if params.Has(name) {
			return fmt.Errorf("%w: %q in a response that was asked for a code (RFC 9700 section 4.6)", ErrRequest, name)
		}
	}
	return nil
}

func readCallback(params url.Values, formPost bool) (*callback, error) {
	cb := &callback{
		state: params.Get("state"), code: params.Get("code"), iss: params.Get("iss"),
		err: params.Get("error"), description: params.Get("error_description"), formPost: formPost,
	}
	switch {
	case strings.TrimSpace(cb.state) == "" || len(cb.state) > maxState:
		return nil, fmt.Errorf("%w: state has %d bytes, expected the state of a login", ErrState, len(cb.state))
	case params.Has("error") && cb.err == "":
		return nil, fmt.Errorf("%w: error is empty", ErrRequest)
	case cb.err == "" && !validCode(cb.code):
		return nil, fmt.Errorf("%w: code has %d bytes, expected 1 to %d visible characters", ErrRequest, len(cb.code), maxCode)
	}
	return cb, nil
}

// validCode is VSCHAR of RFC 6749 appendix A.11, within a bound.
func validCode(code string) bool {
	return code != "" && len(code) <= maxCode && !strings.ContainsFunc(code, func(r rune) bool { return r < ' ' || r > '~' })
}

// 2: open

// openTransaction finds the login in progress. A cookie that is of no use any more
// is deleted; the login of another browser is not touched.
func (c *Client) openTransaction(w http.ResponseWriter, r *http.Request, cb *callback) (*transaction, error) {
	ts := c.registry.transactions
	wantPost := c.p.ResponseMode == "form_post"
	if cb.formPost != wantPost {
		return nil, fmt.Errorf("%w: the answer came by %s, but response_mode is %q", ErrState, r.Method, c.p.ResponseMode)
	}
	t, err := ts.load(r, c.name, cb.state, cb.formPost)
	if err == nil && (t.fingerprint != c.fingerprint || t.formPost != cb.formPost) {
		err = fmt.Errorf("%w: the provider's configuration has changed since the login began", ErrState)
	}
	if err != nil {
		ts.remove(w, r, c.name, cb.state, cb.formPost)
		return nil, err
	}
	return t, nil
}

// 3: iss

// checkIssuer is RFC 9207 section 2.4: an iss that is there, or that the metadata
// promise, is compared with the issuer, character by character. A provider of many
// tenants may name itself, as its metadata do, or one of them. It stands before
// anything is consumed: a response from elsewhere must not end a login here.
func (c *Client) checkIssuer(ctx context.Context, iss string) error {
	if iss != "" {
		if c.p.Issuer != "" && !c.p.names(iss) {
			return fmt.Errorf("%w: iss is %q, expected %q; the answer is of another provider (RFC 9207)", ErrState, clip(iss, 200), c.p.Issuer)
		}
		return nil
	}
	md, err := c.source.Metadata(ctx)
	if err != nil {
		return providerFault(c.name, err)
	}
	if md.IssInResponse {
		return fmt.Errorf("%w: iss is missing, though the provider's metadata promise it (RFC 9207)", ErrState)
	}
	return nil
}

// checkOwner: who connects a provider must still be who began to.
func (c *Client) checkOwner(r *http.Request, t *transaction) (owner string, err error) {
	if c.registry.cfg.Owner == nil {
		return "", nil
	}
	owner, err = c.registry.ownerOf(r)
	if err != nil {
		return "", err
	}
	if hashOwner(owner) != t.owner {
		return "", fmt.Errorf("%w: another user began to connect this provider", ErrDenied)
	}
	return owner, nil
}

// ownerOf asks the application who makes the request.
func (g *Registry) ownerOf(r *http.Request) (owner string, err error) {
	err = guard("Config.Owner", func() error {
		owner, err = g.cfg.Owner(r)
		return err
	})
	if err != nil {
		return "", applicationFault("Config.Owner", err)
	}
	if owner == "" {
		return "", fmt.Errorf("signon: Config.Owner names nobody: %w", ErrNoLogin)
	}
	return owner, checkOwner("Config.Owner returned", owner)
}

// checkOwner refuses an owner that no store would keep a token for, before anything is
// begun for it.
func checkOwner(who, owner string) error {
	key := tokenstore.Key{Provider: "any", Owner: owner}
	if err := key.Check(); err != nil {
		return fmt.Errorf("signon: %s an owner that cannot be stored: %w: %w", who, ErrInternal, err)
	}
	return nil
}

// 4: claim

// claimState consumes the state, once, on whichever replica is first. A store that
// does not answer leaves the code unspent and the cookie in place: the same URL can
// be tried again.
func (c *Client) claimState(ctx context.Context, state string, t *transaction) error {
	sum := sha256.Sum256([]byte(c.name + "\x00" + state))
	key := "state:" + base64.RawURLEncoding.EncodeToString(sum[:])
	err := c.registry.logins.Claim(ctx, key, time.Unix(t.deadline, 0))
	if errors.Is(err, sessionstore.ErrClaimed) {
		return fmt.Errorf("%w: this answer has been used already", ErrState)
	}
	return storeFault("login store", err)
}

// 6: exchange, 7: verify

// exchange spends the code and verifies what comes back. Nothing of the answer is
// used before it has all been checked.
func (c *Client) exchange(ctx context.Context, cb *callback, t *transaction) (*Login, error) {
	params := cloneValues(c.p.TokenParams)
	if params == nil {
		params = url.Values{}
	}
	params.Set("grant_type", "authorization_code")
	params.Set("code", cb.code)
	params.Set("redirect_uri", c.p.RedirectURL)
	params.Set("code_verifier", t.verifier)
	token, extra, err := c.oauth.Exchange(ctx, oauth.Token, t.tokenURL, params)
	if err != nil {
		return nil, providerFault(c.name, err)
	}
	now := time.Now()
	login := &Login{
		ID: newID(), Provider: c.name, registry: c.registry,
		CreatedAt: now, LastSeen: now, ExpiresAt: now.Add(c.registry.cfg.Lifetime), token: token,
	}
	keepScope(extra, cmp.Or(t.scope, strings.Join(c.p.Scopes, " "))) // RFC 6749 section 5.1: what was asked for
	if !alive(token) && token.RefreshToken == "" {
		return nil, fmt.Errorf("provider %s: %w: the token had expired when it came, and cannot be refreshed", c.name, ErrProvider)
	}
	if c.openID {
		err = c.verifyLogin(ctx, login, cb, t)
		extra["id_token"] = login.rawID // the signed one, also where it came encrypted
	} else {
		delete(extra, "id_token") // not asked for, not verified
	}
	if err == nil {
		err = c.identify(ctx, login)
	}
	if err == nil {
		err = c.describe(ctx, login, extra, cb.answer)
	}
	if err != nil {
		return nil, err
	}
	return login, nil
}

func (c *Client) verifyLogin(ctx context.Context, login *Login, cb *callback, t *transaction) error {
	raw, _ := login.token.Extra("id_token").(string)
	if raw == "" {
		return fmt.Errorf("provider %s: %w: no id_token, though openid was asked for", c.name, ErrProvider)
	}
	expect, err := c.expect(ctx)
	if err != nil {
		return err
	}
	expect.Nonce, expect.AccessToken, expect.Code = t.nonce, login.token.AccessToken, cb.code
	if t.maxAge >= 0 {
		age := time.Duration(t.maxAge) * time.Second
		expect.MaxAge = &age
	}
	expect.ACR = strings.Fields(t.acr)
	verified, err := oidc.VerifyIDToken(ctx, raw, c.source, expect)
	if err != nil {
		return providerFault(c.name, err)
	}
	login.Issuer, login.Subject, login.SID = verified.Issuer, verified.Subject, verified.SID
	if c.p.manyTenants() && cb.iss != "" && cb.iss != c.p.Issuer && cb.iss != verified.Issuer {
		return fmt.Errorf("provider %s: %w: the ID token is of another tenant than the answer that brought it (RFC 9207)", c.name, ErrState)
	}
	login.rawID, login.payload = verified.Raw, verified.Payload()
	return nil
}

// expect is what every ID token of this provider must be like.
func (c *Client) expect(ctx context.Context) (*oidc.Expect, error) {
	md, err := c.source.Metadata(ctx)
	if err != nil {
		return nil, providerFault(c.name, err)
	}
	e := &oidc.Expect{
		Issuer: c.p.Issuer, ClientID: c.p.ClientID, Algs: md.SigningAlgs(c.p.SigningAlgs),
		TenantIssuer: c.p.manyTenants(), Tenants: c.p.Tenants, Decrypter: c.idTokenDecrypter,
		TrustedAudiences: c.p.TrustedAudiences, AllowForeignAZP: c.p.InsecureForeignAZP,
		Secret: []byte(c.p.ClientSecret),
	}
	if c.p.InsecureOldIDToken {
		e.MaxIssuedAge = -1
	}
	return e, nil
}

// identify fetches the userinfo where it is wanted, or where nothing else says who
// signed in.
func (c *Client) identify(ctx context.Context, login *Login) error {
	md, err := c.source.Metadata(ctx)
	if err != nil {
		return providerFault(c.name, err)
	}
	if md.UserInfoEndpoint == "" || c.openID && !c.p.FetchUserInfo {
		if c.p.FetchUserInfo {
			return fmt.Errorf("provider %s: %w: no userinfo endpoint, which FetchUserInfo needs; set UserInfoURL", c.name, ErrProvider)
		}
		return nil
	}
	info, err := c.fetchUserInfo(ctx, md, login.token, login)
	if err != nil {
		return err
	}
	if !c.openID {
		login.Subject, login.payload = info.Subject, info.Payload()
	}
	login.profile = &profile{userinfo: info.Payload()}
	return nil
}

// 8: OnLogin

// decideOwner is the application's only say.
func (g *Registry) decideOwner(ctx context.Context, login *Login) error {
	if g.cfg.OnLogin == nil {
		if login.Owner == "" {
			login.Owner = login.ID
		}
		return nil
	}
	if login.Subject == "" && g.cfg.Owner == nil {
		return fmt.Errorf("provider %s: %w: nothing says who signed in; add openid to Scopes, or set UserInfoURL", login.Provider, ErrProvider)
	}
	var owner string
	asked := *login // the application's own, to keep
	asked.pending = true
	err := guard("Config.OnLogin", func() (err error) {
		owner, err = g.cfg.OnLogin(withLogin(ctx, &asked), &asked)
		return err
	})
	if err != nil {
		return applicationFault("Config.OnLogin", err)
	}
	if owner == "" {
		return fmt.Errorf("signon: Config.OnLogin returned no owner and no error; return the id of the user, or an error that wraps ErrDenied: %w", ErrInternal)
	}
	if g.cfg.Owner != nil && owner != login.Owner {
		return fmt.Errorf("signon: Config.OnLogin returned another owner than Config.Owner; with both, return login.Owner, or an error that wraps ErrDenied: %w", ErrInternal)
	}
	login.Owner = owner
	return checkOwner("Config.OnLogin returned", owner)
}
