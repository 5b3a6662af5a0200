package jose

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Value is one JSON value, valid and as it was written.
type Value string

// Members calls f for each member of the JSON object that data is, in order,
// with its name as it reads after unescaping. The first error of f ends the
// walk.
//
// Anything but exactly one object is an error, and so are, at any depth, a
// member name that occurs twice, invalid UTF-8 and half a surrogate pair:
// two readers could see two different things in them (RFC 7515, section 4;
// RFC 8259, section 8.1). The error never shows a value.
func Members(data []byte, f func(name string, value Value) error) error {
	w := walk{text: string(data), member: f}
	err := json.Unmarshal(data, &w)
	switch {
	case w.err != nil:
		return w.err
	case errors.Is(err, jsontext.ErrDuplicateName):
		return errors.New("jose: a member name occurs twice in a JSON object")
	case err != nil:
		return errors.New("jose: expected one JSON object in valid UTF-8")
	}
	return nil
}

// walk is unmarshaled to borrow a decoder from json's own pool. Names and
// values are parts of text, which is the one copy that is made of them.
type walk struct {
	text   string
	member func(name string, value Value) error
	err    error
}

func (w *walk) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if kind := dec.PeekKind(); kind != '{' {
		return fmt.Errorf("expected an object, got %v", kind)
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		quoted, err := w.value(dec)
		if err != nil {
			return err
		}
		value, err := w.value(dec)
		if err != nil {
			return err
		}
		name, _ := quoted.Text()
		if w.err = w.member(name, value); w.err != nil {
			return w.err
		}
	}
	_, err := dec.ReadToken()
	return err
}

func (w *walk) value(dec *jsontext.Decoder) (Value, error) {
	value, err := dec.ReadValue()
	if err != nil {
		return "", err
	}
	end := int(dec.InputOffset())
	return Value(w.text[end-len(value) : end]), nil
}

// Text returns the string that v is. Null and every other type are none.
func (v Value) Text() (string, bool) {
	if v[0] != '"' {
		return "", false
	}
	if strings.IndexByte(string(v), '\\') < 0 {
		return string(v[1 : len(v)-1]), true
	}
	text, err := jsontext.AppendUnquote(nil, string(v))
	return string(text), err == nil
}

// Texts returns the strings of the array that v is, if it is one of strings.
func (v Value) Texts() ([]string, bool) {
	if v[0] != '[' {
		return nil, false
	}
	var list []string
	err := json.Unmarshal([]byte(v), &list)
	return list, err == nil
}

// Digits returns the number that v is, if it is not below zero.
func (v Value) Digits() (string, bool) {
	return string(v), '0' <= v[0] && v[0] <= '9'
}

// True reports whether v is the JSON value true.
func (v Value) True() bool { return v == "true" }

// FoldsTo returns the one of names that name is a variant of: not equal to
// it, but equal when case is folded as Unicode does, so that U+017F is an s.
// A library that folds case would take the variant for the name itself.
func FoldsTo(name string, names []string) (string, bool) {
	if !mayFold(name) {
		return "", false
	}
	for _, n := range names {
		if name != n && strings.EqualFold(name, n) {
			return n, true
		}
	}
	return "", false
}

// mayFold is false for nearly every member name there is, and cheap.
func mayFold(name string) bool {
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' || c >= 0x80 {
			return true
		}
	}
	return false
}
