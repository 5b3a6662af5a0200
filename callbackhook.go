package signon

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/internal/oauth"
)

// maxAnswer bounds what Hooks.Profile gets of an authorization response: anybody can
// write one, and it may have to fit into a cookie.
const maxAnswer = 1 << 10

// hookResponse lets the hook bend the authorization response, but not what protects the
// login: what is read of it afterwards is checked as if the browser had brought it.
func (c *Client) hookResponse(ctx context.Context, params url.Values) (url.Values, error) {
	hook := c.p.Hooks.AuthorizeResponse
	if hook == nil {
		return params, nil
	}
	a := &hooks.AuthorizeResponse{Provider: c.name, Params: cloneValues(params)}
	if err := oauth.Hook(ctx, "AuthorizeResponse", hook, a); err != nil {
		return nil, providerFault(c.name, err)
	}
	bent := cloneValues(a.Params) // the hook may have kept its own, and what is checked must be what is read
	for _, name := range []string{"state", "iss"} {
		if !slices.Equal(bent[name], params[name]) {
			return nil, fmt.Errorf("signon: hook AuthorizeResponse changed %q, which protects the login; leave it: %w", name, ErrInternal)
		}
	}
	return bent, checkResponse(bent)
}

// otherParams are the parameters that the protocol does not know, and whether some were
// left out: one that is there twice, or all where they are too long.
func otherParams(params url.Values) (answer url.Values, dropped bool) {
	size := 0
	for name, values := range params {
		switch {
		case slices.Contains(responseParams, name) || name == answerParam:
		case len(values) != 1:
			dropped = true
		default:
			size += len(name) + len(values[0])
			answer = setParam(answer, name, values[0])
		}
	}
	if size > maxAnswer {
		return nil, true
	}
	return answer, dropped
}

func setParam(params url.Values, name, value string) url.Values {
	if params == nil {
		params = url.Values{}
	}
	params.Set(name, value)
	return params
}
