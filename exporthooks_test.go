package signon

import (
	"context"
	"net/url"
)

// BentRequest and BentResponse are the parameters that the hooks of c make of these.
func BentRequest(ctx context.Context, c *Client, params url.Values) (url.Values, error) {
	return c.runAuthorizeHook(ctx, params)
}

func BentResponse(ctx context.Context, c *Client, params url.Values) (url.Values, error) {
	return c.hookResponse(ctx, params)
}
