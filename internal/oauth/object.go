package oauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// decodeObject reads one JSON object, numbers as [json.Number]. A name that is there
// twice and invalid UTF-8 are errors, at any depth. The error does not quote the body.
func decodeObject(body []byte) (map[string]any, error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(body))
	v, err := decode(d)
	if err == nil {
		_, err = d.ReadToken()
	}
	object, ok := v.(map[string]any)
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return nil, invalid("a JSON object in it has the same name twice, about byte %d", d.InputOffset())
	case !errors.Is(err, io.EOF):
		return nil, invalid("it is not JSON, about byte %d", d.InputOffset())
	case !ok:
		return nil, invalid("it is not a JSON object")
	}
	return object, nil
}

// decode reads the next value of d.
func decode(d *jsontext.Decoder) (any, error) {
	t, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch t.Kind() {
	case 't', 'f':
		return t.Bool(), nil
	case '"':
		return t.String(), nil
	case '0':
		return json.Number(t.String()), nil
	case '{':
		return decodeMembers(d)
	case '[':
		return decodeElements(d)
	}
	return nil, nil
}

func decodeMembers(d *jsontext.Decoder) (any, error) {
	object := make(map[string]any)
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String()
		if object[key], err = decode(d); err != nil {
			return nil, err
		}
	}
	_, err := d.ReadToken()
	return object, err
}

func decodeElements(d *jsontext.Decoder) (any, error) {
	var array []any
	for d.PeekKind() != ']' {
		v, err := decode(d)
		if err != nil {
			return nil, err
		}
		array = append(array, v)
	}
	_, err := d.ReadToken()
	return array, err
}
