package providers

import (
	"context"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/seed1a301047/signon/hooks"
)

// facts are the members of a userinfo, by their exact names. What a provider sends as
// another type than it documents reads as absent: it costs a name, not the login.
type facts map[string]any

func factsOf(p *hooks.Profile) (f facts, err error) {
	err = p.DecodeUserInfo(&f)
	return f, err
}

// at is the member at the end of path, or nil.
func (f facts) at(path ...string) any {
	var v any = map[string]any(f)
	for _, name := range path {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return v
}

// text is the string at the end of path, or "".
func (f facts) text(path ...string) string {
	s, _ := f.at(path...).(string)
	return s
}

// fullName joins what is there of a given and a family name.
func fullName(given, family string) string {
	return strings.TrimSpace(strings.TrimSpace(given) + " " + strings.TrimSpace(family))
}

// spentGrant returns the hook of a token or refresh response for a provider that refuses
// a code or a refresh token in words of its own: where spent says of the answer that it
// does, the error becomes the invalid_grant of RFC 6749 section 5.2. By that Signon knows
// that the user has to sign in again, and that nothing is wrong with the provider.
func spentGrant(spent func(answer facts) bool) func(ctx context.Context, r *hooks.Response) error {
	return func(_ context.Context, r *hooks.Response) error {
		var answer facts
		if json.Unmarshal(r.Body, &answer) != nil || answer.at("access_token") != nil {
			return nil // the checks say better what is wrong with it
		}
		if spent(answer) {
			r.Body = []byte(`{"error":"invalid_grant"}`)
		}
		return nil
	}
}
