package signon

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/clientauth"
)

// plainProvider is Provider without its methods, so that decoding it does not
// come back here.
type plainProvider Provider

// providerJSON is a Provider as JSON: the fields with a tag, and those that have
// another form there.
type providerJSON struct {
	*plainProvider `json:",inline"`

	ClientAuth string `json:"client_auth,omitzero"`
	AuthURL    string `json:"auth_url,omitzero"`
	TokenURL   string `json:"token_url,omitzero"`
	MaxAge     int64  `json:"max_age,omitzero"`
}

// maxMaxAge is a century of seconds, which a time.Duration holds.
const maxMaxAge = 100 * 366 * 24 * 3600

// UnmarshalJSON reads a provider from a JSON object, such as
//
//	{"name": "corp", "issuer": "https://login.example.com", "client_id": "app",
//	 "client_secret": "...", "scopes": ["openid", "email"]}
//
// A member is named as its field, in snake case; the Endpoint's two are "auth_url"
// and "token_url". A member that does not exist, or stands there twice, is an error:
// a misspelt one would otherwise be a setting that is silently off.
func (p *Provider) UnmarshalJSON(data []byte) error {
	read := providerJSON{plainProvider: &plainProvider{}}
	if err := json.Unmarshal(bytes.TrimSpace(data), &read, json.RejectUnknownMembers(true)); err != nil {
		return jsonFault(data, err)
	}
	if read.plainProvider == nil {
		return fmt.Errorf("signon: provider from JSON: it is null, expected an object")
	}
	loaded := Provider(*read.plainProvider)
	loaded.Endpoint = oauth2.Endpoint{AuthURL: read.AuthURL, TokenURL: read.TokenURL}
	if read.MaxAge < 0 || read.MaxAge > maxMaxAge {
		return fmt.Errorf("signon: provider from JSON: max_age is %d; expected seconds, 0 to %d", read.MaxAge, maxMaxAge)
	}
	loaded.MaxAge = time.Duration(read.MaxAge) * time.Second
	if read.ClientAuth != "" {
		method, err := clientauth.ByName(read.ClientAuth)
		if err != nil {
			return fmt.Errorf("signon: provider from JSON: client_auth: %w", err)
		}
		loaded.ClientAuth = method
	}
	*p = loaded
	return nil
}

// jsonFault says which provider is wrong, and where, in words of the JSON: the types
// of Go mean nothing to who wrote it, and the value may be a secret.
func jsonFault(data []byte, err error) error {
	of := "provider from JSON"
	var named struct {
		Name string `json:"name"`
	}
	if json.Unmarshal(data, &named) == nil && named.Name != "" {
		of = fmt.Sprintf("provider %q from JSON", clip(named.Name, maxName))
	}
	wrong, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return fmt.Errorf("signon: %s: not one JSON object: %w", of, err)
	}
	if errors.Is(err, json.ErrUnknownName) {
		return fmt.Errorf("signon: %s: unknown member %q; members are named as the fields of Provider, in snake case, and the endpoints auth_url and token_url",
			of, clip(wrong.JSONPointer.LastToken(), 64))
	}
	if wrong.JSONPointer == "" {
		return fmt.Errorf("signon: %s: expected one JSON object", of)
	}
	return fmt.Errorf("signon: %s: member %q must not be a %s; expected %s",
		of, clip(strings.TrimPrefix(string(wrong.JSONPointer), "/"), 64), wrong.JSONKind, jsonForm(wrong.GoType))
}

func jsonForm(t reflect.Type) string {
	if t == nil {
		return "another type"
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int64:
		return "a whole number, of seconds"
	case reflect.Slice:
		return "a list"
	case reflect.Map, reflect.Struct, reflect.Pointer:
		return "an object"
	}
	return "another type"
}

// MarshalJSON writes what [Provider.UnmarshalJSON] reads, except that the client
// secret is redacted and that functions are left out.
func (p Provider) MarshalJSON() ([]byte, error) {
	plain := plainProvider(p)
	written := providerJSON{
		plainProvider: &plain,
		AuthURL:       p.Endpoint.AuthURL,
		TokenURL:      p.Endpoint.TokenURL,
		MaxAge:        int64(p.MaxAge / time.Second),
	}
	if p.ClientAuth != nil {
		written.ClientAuth = p.ClientAuth.Name()
	}
	return json.Marshal(written)
}
