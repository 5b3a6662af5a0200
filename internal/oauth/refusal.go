package oauth

import (
	"net/http"
	"strconv"

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
func retrieveError(members map[string]any, status int, sent Secrets) error {
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
