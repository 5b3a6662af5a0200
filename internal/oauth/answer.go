package oauth

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/internal/outbound"
)

// An answer is what came back, after the hook, and what was sent for it and must not
// show in an error.
type answer struct {
	*hooks.Response
	sent Secrets
}

// answer runs the stage's hook on what came back and checks its status.
func (c *Client) answer(ctx context.Context, stage Stage, r *request, got *outbound.Response) (*answer, error) {
	resp := &hooks.Response{Provider: c.Provider, URL: r.URL, Status: got.Status, Header: got.Header, Body: got.Body}
	if hook := c.responseHook(stage); hook != nil {
		resp = resp.Clone()
		if err := Hook(ctx, string(stage)+" response", hook, resp); err != nil {
			return nil, err
		}
		resp = resp.Clone() // the hook may have kept its own
	}
	a := &answer{Response: resp, sent: secretsOf(r, c.Secret)}
	if resp.Status == http.StatusOK || stage == Revoke && resp.Status == http.StatusNoContent {
		return a, nil
	}
	return nil, a.refusal()
}

// token reads an answer with status 200.
func (a *answer) token(now time.Time) (*oauth2.Token, map[string]any, error) {
	switch outbound.MediaType(a.Header) {
	case "application/json":
		return parseToken(a.Body, now, a.sent)
	case "application/x-www-form-urlencoded":
		if err := a.oauthError(); err != nil {
			return nil, nil, err
		}
		return nil, nil, fmt.Errorf("%w: it is form-encoded, and RFC 6749 section 5.1 asks for JSON: if this provider does so, use hooks.FormTokenResponse", ErrResponse)
	}
	mediaType := a.sent.clean(outbound.MediaType(a.Header))
	return nil, nil, fmt.Errorf("%w: its Content-Type is %.64q, not application/json%s", ErrResponse, mediaType, a.typeHint())
}

// typeHint says which fix is for a body under another media type than its own. A page of
// HTML, which a provider that is down may send, is for none.
func (a *answer) typeHint() string {
	body := bytes.TrimSpace(a.Body)
	if len(body) > 0 && body[0] == '{' {
		return ": if this provider sends its JSON so, use hooks.JSONType with that type"
	}
	if form, err := url.ParseQuery(string(body)); err == nil && (form.Has("access_token") || form.Has("error")) {
		return ": if this provider sends a form so, use hooks.FormTokenResponse with that type"
	}
	return ""
}

// refusal is the error of an answer with another status than 200.
func (a *answer) refusal() error {
	status := outbound.NewStatusError(a.Status, a.Header)
	refused := a.oauthError()
	switch {
	case refused == nil:
		return status
	case a.Status == http.StatusTooManyRequests || a.Status >= 500:
		return fmt.Errorf("%w: %w", status, refused)
	}
	return refused
}

// oauthError is the OAuth error in the answer, RFC 6749 section 5.2, or nil.
func (a *answer) oauthError() error {
	switch outbound.MediaType(a.Header) {
	case "application/json":
		members, err := decodeObject(a.Body)
		if err != nil {
			return nil
		}
		return retrieveError(members, a.Status, a.sent)
	case "application/x-www-form-urlencoded":
		form, err := url.ParseQuery(string(a.Body))
		if err != nil || !form.Has("error") {
			return nil
		}
		return retrieveError(map[string]any{"error": form.Get("error"), "error_description": form.Get("error_description")}, a.Status, a.sent)
	}
	return nil
}
