package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/seed1a301047/signon/internal/outbound"
)

// DefaultTokenType returns Hooks for a provider whose token response has no
// token_type, which RFC 6749 section 5.1 requires: Slack was one. Where the member
// is absent, it is set to tokenType, which must be "Bearer", the one type that Signon can
// send; where it is there, it stays and is checked.
func DefaultTokenType(tokenType string) Hooks {
	return tokenFix(func(members object) (bool, error) {
		if _, ok := members["token_type"]; ok {
			return false, nil
		}
		members["token_type"] = quoted(tokenType)
		return true, nil
	}).refusing(checkTokenType(tokenType))
}

// OddTokenType returns Hooks for a provider that calls its bearer tokens something
// else than "Bearer": Slack says "user" and "bot". A token_type that is one of odd, in
// whatever case, becomes "Bearer"; any other stays and is checked, RFC 6749 section 7.1.
// Name only what the provider documents as a token for the header "Authorization:
// Bearer".
func OddTokenType(odd ...string) Hooks {
	odd = slices.Clone(odd)
	return tokenFix(func(members object) (bool, error) {
		said, ok := members.text("token_type")
		if !ok || !slices.ContainsFunc(odd, func(s string) bool { return strings.EqualFold(s, said) }) {
			return false, nil
		}
		members["token_type"] = quoted("Bearer")
		return true, nil
	}).refusing(checkOddTypes(odd))
}

// RenameTokenMember returns Hooks for a provider whose token response has a member of
// RFC 6749 section 5.1 under a name of its own: RenameTokenMember("expires", "expires_in").
// Where to is there too, neither is changed. It need not be used for an expires_in that
// is a string.
func RenameTokenMember(from, to string) Hooks {
	return tokenFix(func(members object) (bool, error) {
		value, there := members[from]
		if _, taken := members[to]; taken || !there {
			return false, nil
		}
		members[to] = value
		delete(members, from)
		return true, nil
	}).refusing(checkRename(from, to))
}

// aboutToken are the members that belong to one token: of two tokens in one response
// they must not be mixed.
func aboutToken() []string {
	return []string{"access_token", "token_type", "expires_in", "refresh_token", "id_token", "scope"}
}

// NestedTokenResponse returns Hooks for a provider whose token response stands inside
// another object: under "data" at TikTok, under "authed_user" where Slack gives the user's
// token beside the application's. The members of the object at path take the place of
// the outer ones. Outer members that belong to a token go, also where there is nothing
// at path, so that the one token is never taken for the other; the rest stays, such as
// an error.
//
// Where the answer to a refresh is not nested, set RefreshResponse of the result to nil.
func NestedTokenResponse(path ...string) Hooks {
	path = slices.Clone(path)
	return tokenFix(func(members object) (bool, error) {
		if len(path) == 0 {
			return false, errors.New("hooks: NestedTokenResponse has no path")
		}
		value, _ := descend(members[path[0]], path[1:])
		var inner object
		_ = json.Unmarshal(value, &inner) // what is no object has no members
		delete(members, path[0])
		for _, name := range aboutToken() {
			delete(members, name)
		}
		for name, value := range inner {
			members[name] = value
		}
		return true, nil
	}).refusing(checkPath("NestedTokenResponse", path))
}

// FormTokenResponse returns Hooks for a provider that answers the token request
// with application/x-www-form-urlencoded instead of JSON, as GitHub does where it
// is not asked for JSON. It makes the same response in JSON of it, every value a
// string. A parameter that is there twice is an error.
//
// Where a form comes under another media type, mediaTypes names it:
// FormTokenResponse("text/plain"). "" names a response without a Content-Type. What comes
// under such a type and begins with a brace is no form and is left, for [JSONType].
//
// Join it before hooks of your own, which then see JSON, and before the other fixes, which
// would not take what comes under another media type for a form.
func FormTokenResponse(mediaTypes ...string) Hooks {
	mediaTypes = lower(mediaTypes)
	fix := func(_ context.Context, r *Response) error {
		also := slices.Contains(mediaTypes, r.mediaType()) && !bytes.HasPrefix(bytes.TrimSpace(r.Body), []byte("{"))
		if !also && !r.isForm() {
			return nil
		}
		form, err := url.ParseQuery(string(r.Body))
		if err != nil {
			return &outbound.AnswerError{Text: "hooks: FormTokenResponse: the token response is not form-urlencoded"}
		}
		members := make(map[string]string, len(form))
		for name, values := range form {
			if len(values) != 1 {
				return &outbound.AnswerError{Text: fmt.Sprintf("hooks: FormTokenResponse: the token response has %d values of %.64q, expected one", len(values), name)}
			}
			members[name] = values[0]
		}
		r.setHeader("Content-Type", "application/json")
		return r.setJSON(members)
	}
	return Hooks{TokenResponse: fix, RefreshResponse: fix}.refusing(checkTypes("FormTokenResponse", mediaTypes))
}

// JSONType returns Hooks for a provider that sends the JSON of its token and userinfo
// responses under another media type than application/json: JSONType("text/plain"). ""
// names a response without a Content-Type. The body is checked as any other.
func JSONType(mediaTypes ...string) Hooks {
	mediaTypes = lower(mediaTypes)
	fix := func(_ context.Context, r *Response) error {
		if slices.Contains(mediaTypes, r.mediaType()) {
			r.setHeader("Content-Type", "application/json")
		}
		return nil
	}
	h := Hooks{TokenResponse: fix, RefreshResponse: fix, IntrospectResponse: fix, UserInfoResponse: fix}
	if len(mediaTypes) == 0 {
		return h.refusing(errors.New("hooks: JSONType has no media type; name those that the provider uses, such as \"text/plain\""))
	}
	return h.refusing(checkTypes("JSONType", mediaTypes))
}

// lower is a copy in lower case, as a Content-Type is compared.
func lower(mediaTypes []string) []string {
	mediaTypes = slices.Clone(mediaTypes)
	for i, mediaType := range mediaTypes {
		mediaTypes[i] = strings.ToLower(mediaType)
	}
	return mediaTypes
}

// tokenFix returns Hooks that change the members of a token response, which may still
// be a form, if its Content-Type says so: then it does not matter on which side of
// FormTokenResponse they are joined.
// What is no object, or an ambiguous one, is left: the checks say so better.
func tokenFix(change func(object) (changed bool, err error)) Hooks {
	fix := func(_ context.Context, r *Response) error {
		if r.isForm() {
			return r.changeForm(change)
		}
		return r.change(change)
	}
	return Hooks{TokenResponse: fix, RefreshResponse: fix}
}

// change changes the members of a body that is a JSON object.
func (r *Response) change(change func(object) (bool, error)) error {
	var members object
	if json.Unmarshal(r.Body, &members) != nil || members == nil {
		return nil
	}
	if changed, err := change(members); err != nil || !changed {
		return err
	}
	return r.setJSON(members)
}

// changeForm changes the parameters of a form, each of which is a string.
func (r *Response) changeForm(change func(object) (bool, error)) error {
	form, err := url.ParseQuery(string(r.Body))
	if err != nil {
		return nil
	}
	members := make(object, len(form))
	for name, values := range form {
		if len(values) != 1 {
			return nil
		}
		members[name] = quoted(values[0])
	}
	if changed, err := change(members); err != nil || !changed {
		return err
	}
	form = make(url.Values, len(members))
	for name, value := range members {
		text, ok := members.text(name)
		if !ok {
			text = string(value)
		}
		form.Set(name, text)
	}
	r.Body = []byte(form.Encode())
	return nil
}

func (r *Response) mediaType() string {
	t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return t
}

func (r *Response) isForm() bool { return r.mediaType() == "application/x-www-form-urlencoded" }

func isJSON(mediaType string) bool {
	return mediaType == "application/json" || strings.HasPrefix(mediaType, "application/") && strings.HasSuffix(mediaType, "+json")
}

// setJSON makes members the body. It leaves the Content-Type, which is checked
// afterwards: no fix makes JSON of what came as HTML.
func (r *Response) setJSON(members any) error {
	body, err := json.Marshal(members, json.Deterministic(true))
	if err != nil {
		return &outbound.AnswerError{Text: "hooks: the response is not valid UTF-8"}
	}
	r.Body = body
	return nil
}

// object are the members of a JSON object, each as it came: a number keeps its digits.
type object map[string]jsontext.Value

// text is a member that is a string.
func (o object) text(name string) (string, bool) {
	var s string
	if o[name].Kind() != '"' || json.Unmarshal(o[name], &s) != nil {
		return "", false
	}
	return s, true
}

// quoted is a JSON string. Invalid UTF-8 becomes U+FFFD, and is refused by the checks
// where it matters.
func quoted(s string) jsontext.Value {
	b, _ := jsontext.AppendQuote(nil, s)
	return b
}
