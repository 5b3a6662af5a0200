package oauth

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// maxToken bounds an access or refresh token.
const maxToken = 64 << 10

// ParseToken reads a successful token response, RFC 6749 section 5.1, in one pass: one
// JSON object, names exact and without duplicates, valid UTF-8.
//
// AccessToken is fit for a header. TokenType is "Bearer". Expiry is zero where the
// response has no expires_in, and not after now where that is zero or negative;
// ExpiresIn is the life it had at now, in whole seconds. All other members
// are the token's extras, numbers as [json.Number]; id_token and scope are strings
// there, if they are there at all.
//
// An error member makes it an [*oauth2.RetrieveError], whatever else there is; anything
// else that is wrong is an [ErrResponse].
func ParseToken(body []byte, now time.Time) (*oauth2.Token, error) {
	token, _, err := parseToken(body, now, nil)
	return token, err
}

// parseToken also returns the token's extras, which its first owner may still take
// from.
func parseToken(body []byte, now time.Time, sent Secrets) (token *oauth2.Token, extras map[string]any, err error) {
	members, err := decodeObject(body)
	if err != nil {
		return nil, nil, err
	}
	if err := retrieveError(members, 200, sent); err != nil {
		return nil, nil, err
	}
	if token, err = readToken(members, now, sent); err != nil {
		return nil, nil, err
	}
	return token.WithExtra(members), members, nil
}

// readToken reads the members that RFC 6749 names, and leaves the rest.
func readToken(members map[string]any, now time.Time, sent Secrets) (*oauth2.Token, error) {
	var err error
	token := &oauth2.Token{TokenType: "Bearer"}
	if token.AccessToken, err = accessToken(members, sent); err != nil {
		return nil, err
	}
	if err := checkTokenType(members["token_type"], sent); err != nil {
		return nil, err
	}
	if token.Expiry, err = expiry(members["expires_in"], now); err != nil {
		return nil, err
	}
	if !token.Expiry.IsZero() {
		token.ExpiresIn = int64(token.Expiry.Sub(now.Round(0)) / time.Second)
	}
	if token.RefreshToken, err = refreshToken(members["refresh_token"]); err != nil {
		return nil, err
	}
	return token, fixExtras(members)
}

// accessToken is a string of 1 to maxToken visible ASCII characters. RFC 6750 section
// 2.1 allows fewer of them, and providers use the others; none of them ends a header.
func accessToken(members map[string]any, sent Secrets) (string, error) {
	s, ok := members["access_token"].(string)
	switch {
	case !ok || s == "":
		return "", invalid("it has no access_token, which must be a string, but %s%s", Names(members, sent), tokenHint(members, sent))
	case len(s) > maxToken:
		return "", invalid("its access_token has %d bytes, more than %d", len(s), maxToken)
	case !within(s, '!'):
		return "", invalid("its access_token has a character that cannot stand in a header")
	}
	return s, nil
}

// tokenHint says which fix is for a response without an access token.
func tokenHint(members map[string]any, sent Secrets) string {
	nested := make(map[string]any)
	for name, value := range members {
		inner, _ := value.(map[string]any)
		if _, ok := inner["access_token"].(string); ok {
			nested[name] = inner
		}
	}
	if len(nested) > 0 {
		return fmt.Sprintf(": there is one inside of %s; if it is the user's, use hooks.NestedTokenResponse", Names(nested, sent))
	}
	if _, there := members["access_token"]; there {
		return ""
	}
	return ": if one of these is an error, use hooks.ErrorMember; if one is the token, hooks.RenameTokenMember"
}

// refreshToken is as accessToken, and may have spaces, RFC 6749 appendix A.17. One that
// is null or empty is absent.
func refreshToken(v any) (string, error) {
	if v == nil {
		return "", nil
	}
	s, ok := v.(string)
	if !ok || len(s) > maxToken || !within(s, ' ') {
		return "", invalid("its refresh_token is not a string of at most %d printable ASCII characters", maxToken)
	}
	return s, nil
}

// checkTokenType refuses any but a bearer token: with another type, the token alone is
// not what the API accepts, RFC 6749 section 7.1.
func checkTokenType(v any, sent Secrets) error {
	s, ok := v.(string)
	switch {
	case v == nil:
		return invalid("it has no token_type, which RFC 6749 section 5.1 requires: if this provider never sends it, use hooks.DefaultTokenType")
	case !ok:
		return invalid("its token_type is not a string")
	case !strings.EqualFold(s, "bearer"):
		return invalid("its token_type is %.64q, and only Bearer is supported%s", sent.clean(s), typeHint(s))
	}
	return nil
}

// typeHint says which fix is for a token_type that is no type at all. It is for no type
// that asks for a proof beside the token.
func typeHint(tokenType string) string {
	for _, other := range []string{"DPoP", "PoP", "MAC", "N_A"} { // RFC 9449, 9200, 8693 section 2.2.1
		if strings.EqualFold(tokenType, other) {
			return ""
		}
	}
	return ": if this provider documents it as a bearer token, use hooks.OddTokenType"
}

// fixExtras leaves in members what the token's fields do not hold, with a scope and an
// ID token of one shape.
func fixExtras(members map[string]any) error {
	for _, name := range []string{"access_token", "token_type", "expires_in", "refresh_token", "error"} {
		delete(members, name)
	}
	for _, name := range []string{"scope", "id_token"} {
		if members[name] == nil {
			delete(members, name)
		}
	}
	if _, ok := members["id_token"].(string); !ok && members["id_token"] != nil {
		return invalid("its id_token is not a string")
	}
	switch scope := members["scope"].(type) {
	case nil, string:
	case []any: // against RFC 6749 section 3.3, and common
		list := make([]string, len(scope))
		for i, v := range scope {
			s, ok := v.(string)
			if !ok {
				return invalid("its scope is a list of other things than strings")
			}
			list[i] = s
		}
		members["scope"] = strings.Join(list, " ")
	default:
		return invalid("its scope is not a string")
	}
	if scope, _ := members["scope"].(string); strings.ContainsRune(scope, 0) {
		return invalid("its scope has a NUL, which no store would take")
	}
	return nil
}

// within reports whether s has only ASCII characters from first to the tilde.
func within(s string, first byte) bool {
	for i := range len(s) {
		if s[i] < first || s[i] > '~' {
			return false
		}
	}
	return true
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrResponse}, args...)...)
}
