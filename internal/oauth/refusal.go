package oauth

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/oauth2"
)

const (
	maxErrorCode   = 64  // bytes of an error code
	maxDescription = 200 // bytes of an error description

	// unreadable is the ErrorCode of an error member that is not a code.
	unreadable = "unreadable_error"
)

// retrieveError is the OAuth error in a response's members, RFC 6749 section 5.2, or
// nil if there is none. What the provider wrote is not trusted to be printable, short,
// or free of what was sent to it: the error_uri and the body are dropped.
func retrieveError(members map[string]any, status int, sent secrets) error {
	code := ""
	switch v := members["error"].(type) {
	case nil:
		return nil
	case string:
		if v == "" {
			return nil
		}
		code = v
	}
	description, _ := members["error_description"].(string)
	return &oauth2.RetrieveError{
		Response: &http.Response{
			Status:     strconv.Itoa(status) + " " + http.StatusText(status),
			StatusCode: status,
			Header:     http.Header{},
			Body:       http.NoBody,
		},
		ErrorCode:        sent.code(code),
		ErrorDescription: sent.clean(description),
	}
}

// secrets are the values that a request carried and that no error may show.
type secrets []string

// public are the parameters that may show.
var public = []string{
	"grant_type", "client_id", "redirect_uri", "scope", "resource", "audience",
	"token_type_hint", "client_assertion_type",
}

// secretsOf collects the secrets of r, the longest first, as they are and as they stand
// in a form or in JSON.
func secretsOf(r *request, password string) secrets {
	all := secrets{password, url.QueryEscape(password)}
	if _, proof, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
		all = append(all, proof)
	}
	for name, values := range r.Params {
		if slices.Contains(public, name) {
			continue
		}
		for _, v := range values {
			all = append(all, v, url.QueryEscape(v), inJSON(v))
		}
	}
	all = slices.DeleteFunc(all, func(s string) bool { return s == "" })
	slices.SortFunc(all, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return all
}

// inJSON is a value as it stands between the quotes of a JSON string.
func inJSON(v string) string {
	quoted, err := jsontext.AppendQuote(nil, v)
	if err != nil {
		return ""
	}
	return string(quoted[1 : len(quoted)-1])
}

// clean makes text printable, takes the secrets out of it, and cuts it.
func (s secrets) clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
	for _, secret := range s {
		text = strings.ReplaceAll(text, secret, "[redacted]")
	}
	if len(text) <= maxDescription {
		return text
	}
	text = text[:maxDescription]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text
}

// code returns an error code, or [unreadable] for what cannot be one.
func (s secrets) code(text string) string {
	if text == "" || len(text) > maxErrorCode || s.clean(text) != text || strings.Trim(text, codeChars) != "" {
		return unreadable
	}
	return text
}

// codeChars are the characters of the registered error codes, and of those in use.
const codeChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:"
