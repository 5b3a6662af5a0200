package oauth

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

// Secrets are the values that a request carried and that no error may show.
type Secrets []string

// SecretsOf returns values, as they are and as they stand in a form or in JSON.
func SecretsOf(values ...string) Secrets {
	var all Secrets
	for _, v := range values {
		all = append(all, v, url.QueryEscape(v), inJSON(v))
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" })
}

// public are the parameters that may show.
var public = []string{
	"grant_type", "client_id", "redirect_uri", "scope", "resource", "audience",
	"token_type_hint", "client_assertion_type",
}

// secretsOf collects the secrets of r. A method of the application's own may prove who it
// is by any header field.
func secretsOf(r *request, password string) Secrets {
	values := []string{password}
	for name, sent := range r.Header {
		if name == "Accept" || name == "Content-Type" || name == "User-Agent" {
			continue
		}
		values = append(values, sent...)
	}
	if _, proof, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
		values = append(values, proof)
	}
	for name, sent := range r.Params {
		if !slices.Contains(public, name) {
			values = append(values, sent...)
		}
	}
	return SecretsOf(values...)
}

// inJSON is a value as it stands between the quotes of a JSON string.
func inJSON(v string) string {
	quoted, err := jsontext.AppendQuote(nil, v)
	if err != nil {
		return ""
	}
	return string(quoted[1 : len(quoted)-1])
}

const redacted = "[redacted]"

// clean takes the secrets out of text, makes it printable, and cuts it.
func (s Secrets) clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s.redact(text)) // not the other way round: a secret may have what does not print
	return strings.ToValidUTF8(text[:min(len(text), maxDescription)], "")
}

// redact takes out whatever is part of a secret. It looks for all of them in the text as
// it came: a short secret must not be found in what stands in the place of another.
func (s Secrets) redact(text string) string {
	var hide []bool // of each byte; nil while there is nothing to hide
	for _, secret := range s {
		for i := 0; ; i += len(secret) {
			at := strings.Index(text[i:], secret)
			if at < 0 {
				break
			}
			if hide == nil {
				hide = make([]bool, len(text))
			}
			i += at
			for k := range len(secret) {
				hide[i+k] = true
			}
		}
	}
	if hide == nil {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !hide[i]:
			b.WriteByte(text[i])
		case i == 0 || !hide[i-1]:
			b.WriteString(redacted)
		}
	}
	return b.String()
}

const (
	// minEcho is from which length on a secret is looked for inside of a word. A shorter
	// one is in many a word by chance, such as an "r" in "invalid_grant", and nobody
	// learns it from there.
	minEcho = 4

	// minPart is the same for a word that the standards have: no provider chose it.
	minPart = 8
)

// echoes reports whether a word may be an echo of a secret: whether it is one, or has one
// of at least the given length inside.
func (s Secrets) echoes(word string, least int) bool {
	return slices.ContainsFunc(s, func(secret string) bool {
		return word == secret || len(secret) >= least && strings.Contains(word, secret)
	})
}

// code returns an error code, or [unreadable] for what cannot be one or may not show. It
// is judged as it came, since what it says decides what happens.
func (s Secrets) code(text string) string {
	least := minEcho
	if standard(text) {
		least = minPart
	}
	if text == "" || len(text) > maxErrorCode || strings.Trim(text, wordChars) != "" || s.echoes(text, least) {
		return unreadable
	}
	return text
}

// standard reports an error code of RFC 6749 sections 4.1.2.1 and 5.2, of RFC 7009 section
// 2.2.1 and of OpenID Connect Core section 3.1.2.6, or one that means the same at a
// provider and that Signon acts on.
func standard(code string) bool {
	switch code {
	case "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client",
		"unsupported_grant_type", "invalid_scope", "access_denied", "unsupported_token_type",
		"unsupported_response_type", "server_error", "temporarily_unavailable", "bad_refresh_token",
		"login_required", "consent_required", "interaction_required", "account_selection_required":
		return true
	}
	return false
}

// wordChars are the characters of error codes, those registered and those in use, and of
// the names of members.
const wordChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:"

const (
	maxNames = 8  // of members, in an error
	maxNamed = 32 // bytes of one of them
)

// Names lists the names of members, in order, for an error that says what there is in
// the place of what is missing. Those that a provider may have made of what it was sent,
// or of what is somebody's own, are counted only.
func Names[V any](members map[string]V, sent Secrets) string {
	var shown []string
	for _, name := range slices.SortedFunc(maps.Keys(members), byLength) {
		plain := name != "" && (name[0] < '0' || name[0] > '9') && strings.Trim(name, wordChars) == "" && !sent.echoes(name, minEcho)
		if plain && len(shown) < maxNames {
			shown = append(shown, fmt.Sprintf("%q", name[:min(len(name), maxNamed)]))
		}
	}
	slices.Sort(shown)
	text := strings.Join(shown, ", ")
	switch rest := len(members) - len(shown); {
	case len(members) == 0:
		return "no members"
	case len(shown) == 0:
		return fmt.Sprintf("%d members", rest)
	case rest > 0:
		text += fmt.Sprintf(" and %d more", rest)
	}
	return text
}

// byLength has short names first: where there are too many, those of a key that was made
// by a machine are left out before a word is.
func byLength(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }
