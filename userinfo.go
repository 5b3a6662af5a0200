package signon

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/internal/discovery"
	"github.com/seed1a301047/signon/internal/oauth"
	"github.com/seed1a301047/signon/internal/oidc"
	"github.com/seed1a301047/signon/internal/outbound"
)

const maxUserInfo = 1 << 20

// A UserInfo is what a provider says about a user. It does not change.
type UserInfo struct {
	// Subject is the user at this provider, its digits as they came: OpenID's sub,
	// or the claim that Provider.SubjectClaim names.
	Subject string

	info *oidc.UserInfo
}

// Claims decodes all of it into v. Names are matched exactly; numbers in an any
// keep their digits as json.Number.
func (u *UserInfo) Claims(v any) error { return u.info.Claims(v) }

// Email is the e-mail address, and whether the provider says, by the JSON value true
// of email_verified, that it has been verified.
func (u *UserInfo) Email() (addr string, verified bool) { return oidc.VerifiedEmail(u.info.Payload()) }

// Format writes no claim, whatever the verb.
func (u UserInfo) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "signon.UserInfo") }

// LogValue shows no claim.
func (u UserInfo) LogValue() slog.Value { return slog.StringValue("signon.UserInfo") }

// UserInfo asks the userinfo endpoint (OpenID Connect Core section 5.3) whom a token
// is for. If ctx has a login at this provider, the answer must be about its subject;
// without one the caller compares Subject with whom it expects.
func (c *Client) UserInfo(ctx context.Context, token *oauth2.Token) (*UserInfo, error) {
	if token == nil || token.AccessToken == "" {
		return nil, fmt.Errorf("signon: %s: UserInfo without a token: %w", c.name, ErrNoToken)
	}
	md, err := c.source.Metadata(ctx)
	if err != nil {
		return nil, providerFault(c.name, err)
	}
	if md.UserInfoEndpoint == "" {
		return nil, fmt.Errorf("signon: provider %s has no userinfo endpoint; set UserInfoURL: %w", c.name, ErrProvider)
	}
	var of Login
	if a := c.actor(ctx); c.openID && a != nil && a.login != nil && a.login.Provider == c.name {
		of = *a.login
	}
	info, err := c.fetchUserInfo(ctx, md, token, &of)
	if err != nil {
		return nil, err
	}
	return &UserInfo{Subject: info.Subject, info: info}, nil
}

// fetchUserInfo asks about whoever the login is of: its Issuer and Subject are "" where
// they are not known.
func (c *Client) fetchUserInfo(ctx context.Context, md *discovery.Metadata, token *oauth2.Token, of *Login) (*oidc.UserInfo, error) {
	resp, err := c.getUserInfo(ctx, md.UserInfoEndpoint, token)
	if err != nil {
		return nil, providerFault(c.name, err)
	}
	claim := c.subjectClaim(resp.Body)
	options := oidc.UserInfoOptions{Issuer: of.Issuer, Subject: of.Subject, SubjectClaim: claim}
	switch mediaType := outbound.MediaType(resp.Header); {
	case mediaType == "application/jwt" && c.openID:
		return c.verifyUserInfo(ctx, string(resp.Body), options)
	case c.p.UserInfoSigningAlg != "" || c.p.UserInfoEncryptionAlg != "":
		return nil, fmt.Errorf("provider %s: %w: userinfo of type %q, expected application/jwt; "+
			"compare UserInfoSigningAlg and UserInfoEncryptionAlg with what the application is registered with (OpenID Connect Core section 5.3.2)",
			c.name, ErrProvider, clip(mediaType, 64))
	case mediaType == "application/json", !c.openID && mediaType == "application/vnd.github+json":
		info, err := oidc.ParseUserInfo(resp.Body, options)
		return info, providerFault(c.name, resp.explained(c, err, cmp.Or(claim, "sub")))
	default:
		return nil, fmt.Errorf("provider %s: %w: userinfo of type %q, expected application/json%s", c.name, ErrProvider, clip(mediaType, 64), resp.typeHint())
	}
}

// verifyUserInfo reads a userinfo that is a JWT: signed by what was agreed on, or as an
// ID token is where nothing was, and inside of what was encrypted where that was agreed.
func (c *Client) verifyUserInfo(ctx context.Context, raw string, options oidc.UserInfoOptions) (*oidc.UserInfo, error) {
	expect, err := c.expect(ctx)
	if err != nil {
		return nil, err
	}
	expect.Decrypter = c.userInfoDecrypter
	if alg := c.p.UserInfoSigningAlg; alg != "" {
		expect.Algs = []string{alg}
	}
	options.Unsigned = c.p.UserInfoSigningAlg == "" // then encryption was all that was agreed on
	info, err := oidc.VerifyUserInfoJWT(ctx, raw, c.source, expect, options)
	return info, providerFault(c.name, err)
}

// subjectClaim is the member that identifies the user of an OAuth 2.0 server: the
// configured one, else "sub", or where that is not there at all, "id".
func (c *Client) subjectClaim(body []byte) string {
	if c.openID || c.p.SubjectClaim != "" {
		return c.p.SubjectClaim
	}
	var said struct {
		Subject any `json:"sub"`
		ID      any `json:"id"`
	}
	if err := oidc.DecodeClaims(body, &said); err == nil && said.Subject == nil && said.ID != nil {
		return "id"
	}
	return "sub"
}

// getUserInfo sends the token to the userinfo endpoint and nowhere else: a redirect
// is an error.
func (c *Client) getUserInfo(ctx context.Context, endpoint string, token *oauth2.Token) (*userInfoAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, oauth.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token.AccessToken)
	req.Header.Set("Accept", c.userInfoType())
	if req, err = c.hookUserInfoRequest(ctx, req); err != nil {
		return nil, err
	}
	got, err := outbound.Do(ctx, c.http, req, maxUserInfo)
	if err != nil {
		return nil, err
	}
	resp := &hooks.Response{Provider: c.name, URL: endpoint, Status: got.Status, Header: got.Header, Body: got.Body}
	a := &userInfoAnswer{Response: resp, sent: sentInUserInfo(req, token.AccessToken)}
	if hook := c.p.Hooks.UserInfoResponse; hook != nil {
		given := resp.Clone()
		if err := oauth.Hook(ctx, "UserInfoResponse", hook, given); err != nil {
			return nil, a.explained(c, err, "")
		}
		a.Response = given.Clone() // the hook may have kept its own
	}
	if a.Status != http.StatusOK {
		return nil, a.refused(c)
	}
	return a, nil
}

// userInfoType is the type to ask for: that which is agreed on.
func (c *Client) userInfoType() string {
	if c.p.UserInfoSigningAlg != "" || c.p.UserInfoEncryptionAlg != "" {
		return "application/jwt"
	}
	return "application/json"
}

// hookUserInfoRequest lets the hook bend the request, but not where it goes.
func (c *Client) hookUserInfoRequest(ctx context.Context, req *http.Request) (*http.Request, error) {
	hook := c.p.Hooks.UserInfoRequest
	if hook == nil {
		return req, nil
	}
	given := req.Clone(ctx)
	if err := oauth.Hook(ctx, "UserInfoRequest", hook, given); err != nil {
		return nil, err
	}
	if given.URL == nil || given.URL.Scheme != req.URL.Scheme || given.URL.Host != req.URL.Host || given.URL.User != nil || given.Host != req.Host {
		return nil, fmt.Errorf("%w: UserInfoRequest changed the host", oauth.ErrHook)
	}
	if err := outbound.CheckFields(given.Header); err != nil {
		return nil, fmt.Errorf("%w: UserInfoRequest: %w", oauth.ErrHook, err)
	}
	return given.Clone(ctx), nil // the hook may have kept its own
}
