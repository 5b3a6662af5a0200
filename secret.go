package signon

import (
	"fmt"
	"io"
	"log/slog"
)

// A Secret is a string that does not print: not through fmt with any verb, not
// as JSON, not in a log/slog record. string(s) gives its value to the one place
// that needs it.
//
// Space around a secret is not removed, but [Registry.Register] refuses it: a
// line feed at the end of a secret file is the usual cause of an invalid_client
// that nobody understands. Only where [LoadEnv] reads the file, one line feed at
// its end is no part of the secret.
type Secret string

const redacted = "[redacted]"

// String returns a fixed text.
func (Secret) String() string { return redacted }

// GoString returns a fixed text.
func (Secret) GoString() string { return redacted }

// Format writes a fixed text, whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns a fixed text.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON returns a fixed text; a Secret is read from JSON as an ordinary
// string.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
