package hooks

import (
	"context"
	"maps"
)

// ErrorMember returns Hooks for a provider that answers with an error under a name of
// its own, often with status 200: ErrorMember("errcode", "errmsg"). Where the member
// code is there and neither null, false, "", "0" nor the number 0, which mean success,
// its value becomes the error of RFC 6749 section 5.2 and that of the member description
// its error_description; description may be "". Where there is an error already, that
// stays. A number is taken with its digits.
//
// It is for token, refresh, revocation and introspection responses. [ErrorCodes] gives
// the provider's codes the names that Signon knows.
func ErrorMember(code, description string) Hooks {
	return answerFix(func(members object) (bool, error) {
		value, there := members[code]
		if !there {
			return false, nil
		}
		said, fails := failure(members, code)
		if !fails {
			delete(members, code) // a number 0 in error itself is none
			return true, nil
		}
		if _, standard := failure(members, "error"); standard && code != "error" {
			return false, nil
		}
		members["error"] = quoted(said)
		if value.Kind() == '{' || value.Kind() == '[' {
			members["error"] = value // no code at all: the checks refuse it
		}
		if text, ok := members.text(description); ok {
			members["error_description"] = quoted(text)
		}
		return true, nil
	}).refusing(checkErrorMember(code))
}

// ErrorCodes returns Hooks for a provider whose error codes are not those of RFC 6749
// section 5.2: the keys of codes become their values. The one that matters is
// "invalid_grant": by it Signon knows that a refresh token is of no use any more, so
// that its owner has to sign in again, rather than that the provider is at fault. Join
// it after [ErrorMember].
func ErrorCodes(codes map[string]string) Hooks {
	codes = maps.Clone(codes)
	return answerFix(func(members object) (bool, error) {
		said, _ := members.text("error")
		standard, ok := codes[said]
		if ok {
			members["error"] = quoted(standard)
		}
		return ok, nil
	}).refusing(checkCodes(codes))
}

// failure is what a member says of an error, and whether it says that there is one.
func failure(members object, name string) (said string, fails bool) {
	value := members[name]
	if text, ok := members.text(name); ok {
		return text, text != "" && text != "0"
	}
	switch value.Kind() {
	case 0, 'n', 'f':
		return "", false
	case '0':
		return string(value), string(value) != "0"
	}
	return string(value), true
}

// answerFix is tokenFix for all answers to a [Request].
func answerFix(change func(object) (changed bool, err error)) Hooks {
	h := tokenFix(change)
	fix := func(_ context.Context, r *Response) error { return r.change(change) }
	h.RevokeResponse, h.IntrospectResponse = fix, fix
	return h
}
