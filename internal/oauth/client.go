// Package oauth posts to the endpoints of an authorization server that take a form
// and a proof of the client: token, revocation, introspection. One function does it
// for every grant, so that limits, hooks, authentication and errors are the same for
// all of them.
//
//	c := &oauth.Client{HTTP: outbound.NewClient(nil, policy), Provider: "github", ClientID: id, Secret: secret, Auth: clientauth.Basic{}}
//	token, err := c.Token(ctx, oauth.Token, endpoint, url.Values{"grant_type": {"authorization_code"}, "code": {code}})
//
// A request is sent once, whatever happens: a code that was sent counts as spent, RFC
// 6749 section 4.1.2. There is no redirect, no replay by the transport, and no second
// try with another authentication method.
package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/internal/outbound"
)

const (
	// Timeout bounds one request with its hooks and its authentication.
	Timeout = 10 * time.Second

	// maxBody bounds an answer.
	maxBody = 256 << 10
)

// ErrResponse is wrapped by the error of an answer that is not what the protocol
// says: the provider's fault.
var ErrResponse = errors.New("the provider's answer is not valid")

// ErrConfig is wrapped by the error of a configuration that does not fit what the
// provider says of itself: the operator's fault, not the provider's.
var ErrConfig = errors.New("the configuration does not fit the provider")

// ErrRequest is wrapped by the error of a request that may not be sent: a hook, the
// client authentication or the configuration has made it so, and not the provider.
var ErrRequest = errors.New("the request is not one to send")

// A Stage says which request it is: it selects the hooks, and names the endpoint in
// errors.
type Stage string

// The stages.
const (
	Token      Stage = "token"
	Refresh    Stage = "refresh"
	Revoke     Stage = "revoke"
	Introspect Stage = "introspect"
)

// A Client is the application at one provider. It may be used by many goroutines at
// once and does not change.
type Client struct {
	HTTP     *http.Client // from outbound.NewClient
	Provider string       // the name that hooks see
	ClientID string
	Secret   string
	Issuer   string // the audience of client assertions; may be empty
	Auth     clientauth.Method
	Hooks    hooks.Hooks

	// RevocationAuth and IntrospectionAuth are for those two stages. If nil, Auth.
	RevocationAuth    clientauth.Method
	IntrospectionAuth clientauth.Method

	// Fits says whether the method of a stage is one that the provider takes. It is
	// asked before anything of a request is made. If nil, it is not asked.
	Fits func(ctx context.Context, stage Stage) error
}

// Method is how the client authenticates in a request of the stage.
func (c *Client) Method(stage Stage) clientauth.Method {
	switch {
	case stage == Revoke && c.RevocationAuth != nil:
		return c.RevocationAuth
	case stage == Introspect && c.IntrospectionAuth != nil:
		return c.IntrospectionAuth
	}
	return c.Auth
}

// Format writes the provider and the client id, whatever the verb: the secret does
// not print.
func (c Client) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "oauth.Client{Provider: %q, ClientID: %q}", c.Provider, c.ClientID)
}

// Token asks for a token: [Client.Post], and then [ParseToken] on an answer in
// application/json. Expiry counts from before the request, so it is early rather than
// late.
func (c *Client) Token(ctx context.Context, stage Stage, endpoint string, params url.Values) (*oauth2.Token, error) {
	token, _, err := c.Exchange(ctx, stage, endpoint, params)
	return token, err
}

// Exchange is [Client.Token] with the token's extras, from which the caller may still
// take what it does not trust, before it hands the token on.
func (c *Client) Exchange(ctx context.Context, stage Stage, endpoint string, params url.Values) (token *oauth2.Token, extras map[string]any, err error) {
	start := time.Now()
	answer, err := c.post(ctx, stage, endpoint, params)
	if err != nil {
		return nil, nil, err
	}
	if token, extras, err = answer.token(start); err != nil {
		return nil, nil, fmt.Errorf("oauth: %s: %w", stage, err)
	}
	return token, extras, nil
}

// Post sends params, once, as a form or, if a hook of the stage has set the Content-Type
// to application/json, as a JSON object of strings, and returns an answer with status 200; a
// revocation may also be answered with 204. It runs the hooks of the stage and adds
// the client's authentication. params is not changed.
//
// Errors: an answer with another status is an [*oauth2.RetrieveError] where it is an
// OAuth error, RFC 6749 section 5.2, joined with an [*outbound.StatusError] where the
// status is 429 or 5xx; else the StatusError alone. What Fits returns is wrapped. [ErrHook] is a hook or an
// authentication that failed. What comes from the transport is an error of outbound.
// No error has a secret in its text, not even one that the provider echoes.
func (c *Client) Post(ctx context.Context, stage Stage, endpoint string, params url.Values) (*hooks.Response, error) {
	answer, err := c.post(ctx, stage, endpoint, params)
	if err != nil {
		return nil, err
	}
	return answer.Response, nil
}

func (c *Client) post(ctx context.Context, stage Stage, endpoint string, params url.Values) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if c.Fits != nil {
		if err := c.Fits(ctx, stage); err != nil {
			return nil, fmt.Errorf("oauth: %s: %w", stage, err)
		}
	}
	r, err := c.request(ctx, stage, endpoint, params)
	if err != nil {
		return nil, fmt.Errorf("oauth: %s: %w", stage, err)
	}
	req, err := r.http(ctx)
	if err != nil {
		return nil, fmt.Errorf("oauth: %s: %w", stage, err)
	}
	got, err := outbound.Do(ctx, c.HTTP, req, maxBody)
	if err != nil {
		return nil, fmt.Errorf("oauth: %s: %w", stage, err)
	}
	answer, err := c.answer(ctx, stage, r, got)
	if err != nil {
		return nil, fmt.Errorf("oauth: %s: %w", stage, err)
	}
	return answer, nil
}

// requestHook is the hook before a request of the stage.
func (c *Client) requestHook(s Stage) func(context.Context, *hooks.Request) error {
	switch s {
	case Refresh:
		return c.Hooks.RefreshRequest
	case Revoke:
		return c.Hooks.RevokeRequest
	case Introspect:
		return c.Hooks.IntrospectRequest
	}
	return c.Hooks.TokenRequest
}

// responseHook is the hook after a request of the stage.
func (c *Client) responseHook(s Stage) func(context.Context, *hooks.Response) error {
	switch s {
	case Refresh:
		return c.Hooks.RefreshResponse
	case Revoke:
		return c.Hooks.RevokeResponse
	case Introspect:
		return c.Hooks.IntrospectResponse
	}
	return c.Hooks.TokenResponse
}
