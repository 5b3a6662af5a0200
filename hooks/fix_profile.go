package hooks

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/seed1a301047/signon/internal/outbound"
)

// NestedProfile returns Hooks for a provider whose userinfo stands inside another object
// or array: NestedProfile("data", "0") at Twitch, NestedProfile("items", "0") at Stack
// Exchange. The object at path, whose steps are the names of members or the indexes of
// elements, takes the place of the whole. Where there is none, the login fails: what is
// outside of it may be about somebody else.
func NestedProfile(path ...string) Hooks {
	path = slices.Clone(path)
	fix := func(_ context.Context, r *Response) error {
		if r.Status != http.StatusOK {
			return nil // an error, which says so
		}
		value, ok := descend(r.Body, path)
		if !ok || value.Kind() != '{' {
			return &outbound.AnswerError{Text: fmt.Sprintf("hooks: NestedProfile: the userinfo has no object at %.200q", strings.Join(path, "."))}
		}
		r.Body = value
		return nil
	}
	return Hooks{UserInfoResponse: fix}.refusing(checkPath("NestedProfile", path))
}

// FirstFormPostUser returns Hooks for a provider that says a user's name in the
// authorization response and nowhere else, at the first login only: Apple, in the
// parameter user, with ResponseMode "form_post". Keep what the first login gave.
//
// The browser brought it, so its user may have written it: of what it holds only the
// name is taken, and only where the provider itself gives none. The e-mail address is in
// the ID token. One that does not parse is left.
func FirstFormPostUser() Hooks {
	return Hooks{Profile: func(_ context.Context, p *Profile) error {
		if p.Name != "" || p.Answer.Get("user") == "" {
			return nil
		}
		var user struct {
			Name struct {
				First string `json:"firstName"`
				Last  string `json:"lastName"`
			} `json:"name"`
		}
		if decode("user", []byte(p.Answer.Get("user")), &user) == nil {
			p.Name = strings.TrimSpace(user.Name.First + " " + user.Name.Last)
		}
		return nil
	}}
}

// descend follows path into objects and arrays.
func descend(value jsontext.Value, path []string) (jsontext.Value, bool) {
	for _, step := range path {
		switch value.Kind() {
		case '{':
			var members object
			if json.Unmarshal(value, &members) != nil {
				return nil, false
			}
			value = members[step]
		case '[':
			var elements []jsontext.Value
			i, err := strconv.Atoi(step)
			if json.Unmarshal(value, &elements) != nil || err != nil || i < 0 || i >= len(elements) {
				return nil, false
			}
			value = elements[i]
		default:
			return nil, false
		}
	}
	return value, value != nil && value.IsValid()
}
