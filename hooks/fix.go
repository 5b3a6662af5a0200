package hooks

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/url"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// DefaultTokenType returns Hooks for a provider whose token response has no
// token_type, which RFC 6749 section 5.1 requires: Slack was one. Where the member
// is absent from a JSON object, it is set to tokenType, usually "Bearer"; where it
// is there, it stays and is checked.
func DefaultTokenType(tokenType string) Hooks {
	quoted, _ := jsontext.AppendQuote(nil, tokenType) // invalid UTF-8 becomes U+FFFD, and is refused as a type
	fix := func(_ context.Context, r *Response) error {
		var members map[string]jsontext.Value
		if json.Unmarshal(r.Body, &members) != nil || members == nil {
			return nil // not an object, or an ambiguous one: the checks say so better
		}
		if _, ok := members["token_type"]; ok {
			return nil
		}
		members["token_type"] = quoted
		return r.setJSON(members)
	}
	return Hooks{TokenResponse: fix, RefreshResponse: fix}
}

// FormTokenResponse returns Hooks for a provider that answers the token request
// with application/x-www-form-urlencoded instead of JSON, as GitHub does where it
// is not asked for JSON. It makes the same response in JSON of it, every value a
// string. A parameter that is there twice is an error.
func FormTokenResponse() Hooks {
	fix := func(_ context.Context, r *Response) error {
		if t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); t != "application/x-www-form-urlencoded" {
			return nil
		}
		form, err := url.ParseQuery(string(r.Body))
		if err != nil {
			return errors.New("hooks: the token response is not form-urlencoded, as its Content-Type says")
		}
		members := make(map[string]string, len(form))
		for name, values := range form {
			if len(values) != 1 {
				return fmt.Errorf("hooks: the form-encoded token response has %d values of %.64q", len(values), name)
			}
			members[name] = values[0]
		}
		r.Header.Set("Content-Type", "application/json")
		return r.setJSON(members)
	}
	return Hooks{TokenResponse: fix, RefreshResponse: fix}
}

// setJSON makes members the body. It leaves the Content-Type, which is checked
// afterwards: no fix makes JSON of what came as HTML.
func (r *Response) setJSON(members any) error {
	body, err := json.Marshal(members, json.Deterministic(true))
	if err != nil {
		return errors.New("hooks: the token response is not valid UTF-8")
	}
	r.Body = body
	return nil
}
