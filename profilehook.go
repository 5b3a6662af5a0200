package signon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/internal/oauth"
	"github.com/seed1a301047/signon/internal/outbound"
)

const (
	maxProfileAnswer = 1 << 20         // of one API call of a Profile hook
	profileTimeout   = 8 * time.Second // for it, so that the hook hears of it
)

// describe says who a login is of, when all of it has been verified: by the standard
// claims, and then by Hooks.Profile, whose word is cleaned as theirs is. The verdict on an
// address is not handed on to another one that the hook puts in its place (UI-04).
func (c *Client) describe(ctx context.Context, login *Login, extra map[string]any, answer url.Values) error {
	var idToken, userinfo []byte
	if login.profile != nil {
		userinfo = login.profile.userinfo
	}
	if login.rawID != "" {
		idToken = login.payload
	}
	standard := standardProfile(idToken, userinfo)
	login.profile = standard
	hook := c.p.Hooks.Profile
	if hook == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, oauth.Timeout)
	defer cancel() // which also ends what the hook's Client still does
	given := &hooks.Profile{
		Provider: c.name, Subject: login.Subject,
		Claims: bytes.Clone(idToken), UserInfo: bytes.Clone(userinfo),
		Extra: extraOf(extra), Answer: cloneValues(answer), Client: c.profileClient(ctx, login),
		Name: standard.name, Email: standard.email, Picture: standard.picture,
		EmailVerified: standard.verified,
	}
	if err := oauth.Hook(ctx, "Profile", hook, given); err != nil {
		return c.profileFault(err)
	}
	said := &profile{
		name: given.Name, email: given.Email, picture: given.Picture,
		verified: given.Verdict(standard.email, standard.verified), userinfo: userinfo,
	}
	login.profile = said.cleaned()
	return nil
}

// profileFault tells an API that failed from a hook that did.
func (c *Client) profileFault(err error) error {
	status, refused := errors.AsType[*outbound.StatusError](err)
	kind := ErrProvider
	switch {
	case refused && retryable(status.Status):
		kind = ErrUnavailable
	case errors.Is(err, ErrProviderTimeout):
		kind = ErrProviderTimeout
	case !refused && !errors.Is(err, ErrProvider):
		return providerFault(c.name, err)
	}
	return fmt.Errorf("provider %s: %w: %w", c.name, kind, err)
}

// extraOf is a copy of what a token response says beside the standards' own members.
func extraOf(extra map[string]any) map[string]any {
	c, _ := copyJSON(extra).(map[string]any)
	delete(c, "id_token")
	delete(c, "scope")
	return c
}

// copyJSON copies a decoded JSON value, all of it.
func copyJSON(v any) any {
	switch v := v.(type) {
	case map[string]any:
		c := make(map[string]any, len(v))
		for name, value := range v {
			c[name] = copyJSON(value)
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, value := range v {
			c[i] = copyJSON(value)
		}
		return c
	}
	return v
}

// profileClient calls the provider's API with the token of a login that is not over yet,
// as [Client.HTTPClient] does in OnLogin, but for a shorter time and with less to read.
func (c *Client) profileClient(ctx context.Context, login *Login) *http.Client {
	api := &apiTransport{c: c, ctx: ctx, inProgress: login.Token()}
	return &http.Client{Transport: &profileTransport{api: api, ctx: ctx}, CheckRedirect: api.checkRedirect}
}

// A profileTransport works until its context ends, whatever the request's own says.
type profileTransport struct {
	api *apiTransport
	ctx context.Context
}

func (t *profileTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.ctx.Err() != nil {
		closeBody(req)
		return nil, errors.New("signon: the Client of a Profile hook was used when the hook was over; use Client.HTTPClient")
	}
	ctx, cancel := context.WithTimeout(req.Context(), profileTimeout)
	stop := context.AfterFunc(t.ctx, cancel)
	b := &boundedBody{ctx: ctx, left: maxProfileAnswer, end: func() {
		stop()
		cancel()
	}}
	resp, err := t.api.RoundTrip(req.WithContext(ctx))
	if err != nil {
		err = b.fault(err)
		b.end()
		return nil, err
	}
	b.body, resp.Body = resp.Body, b
	return resp, nil
}

// A boundedBody fails when more comes than may be read, or too slowly.
type boundedBody struct {
	ctx  context.Context // of the call
	body io.ReadCloser
	left int64
	end  func()
}

// fault says of a call that took too long that the fault is the API's.
func (b *boundedBody) fault(err error) error {
	if err != nil && errors.Is(b.ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("signon: the API did not answer the Profile hook within %v: %w: %w", profileTimeout, ErrProviderTimeout, err)
	}
	return err
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 { // one more, to see that there is more
		p = p[:b.left+1]
	}
	n, err := b.body.Read(p)
	if b.left -= int64(n); b.left < 0 {
		b.left = 0
		return 0, fmt.Errorf("signon: the API answered the Profile hook with more than %d bytes: %w: %w", maxProfileAnswer, ErrProvider, outbound.ErrTooLarge)
	}
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	return n, b.fault(err)
}

func (b *boundedBody) Close() error {
	defer b.end()
	return b.body.Close()
}
