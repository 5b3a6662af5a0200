package outbound

import (
	"fmt"
	"net/http"
	"strings"
)

// CheckFields is [CheckField] for a whole header.
func CheckFields(h http.Header) error {
	for name, values := range h {
		for _, value := range values {
			if err := CheckField(name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// CheckField reports a header field that net/http would not send, RFC 9110 section 5: it
// says so only when a request is on its way, as if nobody had answered. The error does
// not show the value, which may be a secret.
func CheckField(name, value string) error {
	const token = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	if name == "" || strings.Trim(name, token) != "" {
		return fmt.Errorf("the header field %.64q is not a name; expected letters, digits and hyphens (RFC 9110 section 5.1)", name)
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' && c != '\t' || c == 0x7f {
			return fmt.Errorf("the value of the header field %.64q has a control character at byte %d, perhaps the line feed of a file; remove it (RFC 9110 section 5.5)", name, i)
		}
	}
	return nil
}
