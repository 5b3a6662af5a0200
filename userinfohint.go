package signon

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/internal/oauth"
	"github.com/seed1a301047/signon/internal/oidc"
	"github.com/seed1a301047/signon/internal/outbound"
)

// A userInfoAnswer is what the userinfo endpoint said, and what was sent for it and must
// not show in an error.
type userInfoAnswer struct {
	*hooks.Response
	sent oauth.Secrets
}

// sentInUserInfo are the values of a request that the answer may echo.
func sentInUserInfo(req *http.Request, accessToken string) oauth.Secrets {
	values := []string{accessToken}
	for _, from := range []map[string][]string{req.Header, req.URL.Query()} {
		for _, list := range from {
			values = append(values, list...)
		}
	}
	return oauth.SecretsOf(values...)
}

// refused is an answer with another status than 200, with the endpoint, which may be one
// that the operator has never seen, and what such a status often means.
func (a *userInfoAnswer) refused(c *Client) error {
	hint := ""
	if a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden {
		hint = "; if this provider wants a header field such as User-Agent in each request, use hooks.Header"
		if c.p.Issuer != "" && !c.openID {
			hint = "; openid is not in Scopes, without which an OpenID Provider gives no userinfo (OpenID Connect Core section 5.3): add it"
		}
	}
	return fmt.Errorf("userinfo endpoint %s: %w%s", withoutQuery(a.URL), outbound.NewStatusError(a.Status, a.Header), hint)
}

// typeHint says which fix is for JSON under another media type.
func (a *userInfoAnswer) typeHint() string {
	if bytes.HasPrefix(bytes.TrimSpace(a.Body), []byte("{")) {
		return "; if this provider sends its JSON so, use hooks.JSONType with that type"
	}
	return ""
}

// withoutQuery is a URL for a log: a query may have a key in it.
func withoutQuery(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "[not a URL]"
	}
	plain := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return clip(plain.String(), 200)
}

// explained is err with the names of what the userinfo has, where one that is needed is
// not among them, and with the remedy.
func (a *userInfoAnswer) explained(c *Client, err error, subject string) error {
	_, unfit := errors.AsType[*outbound.AnswerError](err)
	missing := errors.Is(err, oidc.ErrNoSubject)
	var members map[string]any
	if !unfit && !missing || oidc.DecodeClaims(a.Body, &members) != nil {
		return err
	}
	err = fmt.Errorf("%w; it has %s", err, oauth.Names(members, a.sent))
	path, inner := nestedProfile(members, subject)
	_, there := inner[subject]
	if missing && !c.openID && !there {
		err = fmt.Errorf("%w: if one of these identifies the user, set SubjectClaim to it", err)
	}
	if missing && inner != nil {
		err = fmt.Errorf("%w; inside of %s it has %s: if that is the profile, use hooks.NestedProfile", err,
			oauth.Names(map[string]any{path: nil}, a.sent), oauth.Names(inner, a.sent))
	}
	return err
}

// nestedProfile finds the object in which the subject may be meant to stand: the first
// one that has it, else the first of all.
func nestedProfile(members map[string]any, subject string) (path string, inner map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		value := members[name]
		if list, ok := value.([]any); ok && len(list) > 0 {
			value = list[0]
		}
		object, ok := value.(map[string]any)
		if !ok {
			continue
		}
		if _, has := object[subject]; has {
			return name, object
		}
		if inner == nil {
			path, inner = name, object
		}
	}
	return path, inner
}
