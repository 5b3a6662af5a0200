package hooks

import (
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/seed1a301047/signon/internal/outbound"
)

// Check returns the first error among the arguments that ready-made fixes were given, or
// nil. Registry.Register asks it, so that a mistake is not found by the first user who
// signs in. It keeps to Hooks that come from a constructor or from [Join]: functions that
// were taken out of them one by one have left it behind.
func (h Hooks) Check() error {
	if len(h.misuse) == 0 {
		return nil
	}
	return h.misuse[0]
}

// refusing returns h with what is wrong with the arguments that it was made of.
func (h Hooks) refusing(why error) Hooks {
	if why != nil {
		h.misuse = append(slices.Clone(h.misuse), why)
	}
	return h
}

// misuses are those of all hs, in order.
func misuses(hs []Hooks) (all []error) {
	for _, h := range hs {
		all = append(all, h.misuse...)
	}
	return all
}

// checkField refuses a header field that could not be sent, and those that are not for a
// fix to set. It does not show the value, which may be a key.
func checkField(name, value string) error {
	reserved := []string{"Authorization", "Content-Type", "Content-Length", "Host"}
	if slices.Contains(reserved, http.CanonicalHeaderKey(name)) {
		return fmt.Errorf("hooks: Header cannot set %s, which Signon sets itself; remove it", http.CanonicalHeaderKey(name))
	}
	if err := outbound.CheckField(name, value); err != nil {
		return fmt.Errorf("hooks: Header: %w", err)
	}
	return nil
}

// checkParam refuses what belongs into the form or the header: a query lands in logs.
func checkParam(name string) error {
	switch name {
	case "":
		return fmt.Errorf("hooks: QueryParam has an empty name; expected that of a parameter")
	case "access_token":
		return fmt.Errorf("hooks: QueryParam has %q, which is each user's own; use InsecureTokenInQuery, or Provider.TokenPlacement for the API", name)
	case "client_secret", "client_assertion", "code", "code_verifier", "refresh_token", "grant_type":
		return fmt.Errorf("hooks: QueryParam has %q, which Signon sets itself, and not in a query; remove it", name)
	}
	return nil
}

// checkTokenType: a fix does not make Signon speak another type, RFC 6749 section 7.1.
func checkTokenType(tokenType string) error {
	if !strings.EqualFold(tokenType, "Bearer") {
		return fmt.Errorf("hooks: DefaultTokenType has %.64q; expected \"Bearer\", the only type that Signon can send", tokenType)
	}
	return nil
}

func checkOddTypes(odd []string) error {
	if len(odd) == 0 {
		return fmt.Errorf("hooks: OddTokenType has no type; name those that the provider uses, such as \"user\"")
	}
	return nil
}

func checkRename(from, to string) error {
	switch {
	case from == "" || from == to:
		return fmt.Errorf("hooks: RenameTokenMember renames %.64q to %.64q; expected the provider's own name, and then that of RFC 6749", from, to)
	case !slices.Contains(aboutToken(), to):
		return fmt.Errorf("hooks: RenameTokenMember renames to %.64q, which nothing reads; expected one of %s", to, strings.Join(aboutToken(), ", "))
	}
	return nil
}

// checkPath is for the fixes that look into an object.
func checkPath(fix string, path []string) error {
	if len(path) == 0 || slices.Contains(path, "") {
		return fmt.Errorf("hooks: %s has the path %.64q; expected the name of at least one member, such as \"data\"", fix, path)
	}
	return nil
}

// checkTypes refuses a media type that no Content-Type would equal. "" is that of a
// response without one.
func checkTypes(fix string, mediaTypes []string) error {
	for _, mediaType := range mediaTypes {
		bare, _, err := mime.ParseMediaType(mediaType)
		if mediaType != "" && (err != nil || bare != strings.ToLower(mediaType) || !strings.Contains(bare, "/")) {
			return fmt.Errorf("hooks: %s has %.64q; expected a media type without parameters, such as \"text/plain\"", fix, mediaType)
		}
	}
	return nil
}

func checkErrorMember(code string) error {
	if code == "" {
		return fmt.Errorf("hooks: ErrorMember has an empty code; expected the name of the member that has the provider's error code, such as \"errcode\"")
	}
	return nil
}

// codeChars are the characters of error codes: those that are registered, and those in use.
const codeChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:"

func checkCodes(codes map[string]string) error {
	for _, own := range slices.Sorted(maps.Keys(codes)) {
		standard := codes[own]
		switch {
		case own == "":
			return fmt.Errorf("hooks: ErrorCodes has an empty code, which is that of each answer without an error; remove it")
		case standard == "" || len(standard) > 64 || strings.Trim(standard, codeChars) != "":
			return fmt.Errorf("hooks: ErrorCodes makes %.64q of %.64q; expected a code of RFC 6749 section 5.2, such as \"invalid_grant\"", standard, own)
		}
	}
	if len(codes) == 0 {
		return fmt.Errorf("hooks: ErrorCodes has no code; name those that the provider uses")
	}
	return nil
}

// checkSeparator refuses what can stand in the name of a scope, such as the "%2C" that a
// comma becomes in a URL.
func checkSeparator(separator string) error {
	if separator == "" || strings.ContainsAny(separator, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") {
		return fmt.Errorf("hooks: ScopeSeparator has %.64q; expected what stands between two scopes, such as \",\"", separator)
	}
	return nil
}
