package signon

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// plainProvider is Provider without its methods, so that decoding it does not
// come back here.
type plainProvider Provider

// providerJSON is a Provider in writing, as JSON or in the environment: the fields
// with a tag, and those that have another form there.
type providerJSON struct {
	*plainProvider `json:",inline"`
	writtenAuth    `json:",inline"`

	AuthURL  string `json:"auth_url,omitzero"`
	TokenURL string `json:"token_url,omitzero"`
	MaxAge   int64  `json:"max_age,omitzero"`
}

// maxMaxAge is a century of seconds, which a time.Duration holds.
const maxMaxAge = 100 * 366 * 24 * 3600

// UnmarshalJSON reads a provider from a JSON object, such as
//
//	{"name": "corp", "issuer": "https://login.example.com", "client_id": "app",
//	 "client_secret": "...", "scopes": ["openid", "email"]}
//
// A member is named as its field, in snake case; the Endpoint's two are "auth_url"
// and "token_url". One name is another: PostLogoutRedirectURL is "post_logout_url", since
// nothing may end with "redirect_url" but that. A member that does not exist, or stands there
// twice, is an error: a misspelt one would otherwise be a setting that is silently off.
//
// How the client proves itself is in these members:
//
//   - "client_auth", and "revocation_auth" and "introspection_auth" where it is another
//     at those endpoints: "client_secret_basic", "client_secret_basic_raw" for
//     [clientauth.BasicRaw], "client_secret_post", "client_secret_jwt",
//     "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth" or "none".
//   - "client_key": one or more private keys, in PEM, for private_key_jwt, where the
//     first signs, or the one of the certificate. "client_key_id" and "client_key_alg" are
//     its kid and alg, or a list of them, one for each key in order; with
//     client_secret_jwt the latter is the hash, such as "HS256".
//   - "client_certificate": the certificate for TLS, in PEM, and those that lead from it
//     to its root.
//   - "decryption_key" and "decryption_key_id": the same for DecryptionKeys.
//
// What p was before is gone. [LoadJSON] keeps what the JSON does not name.
func (p *Provider) UnmarshalJSON(data []byte) error {
	read, err := readWritten(data)
	if err != nil {
		return fmt.Errorf("signon: %w", err)
	}
	var loaded Provider
	if err := read.over(&loaded); err != nil {
		return fmt.Errorf("signon: %w", err)
	}
	*p = loaded
	return nil
}

// MarshalJSON writes what [Provider.UnmarshalJSON] reads, except that the client
// secret is redacted and that private keys and functions are left out.
func (p Provider) MarshalJSON() ([]byte, error) {
	plain := plainProvider(p)
	return json.Marshal(providerJSON{
		plainProvider: &plain,
		writtenAuth:   p.writeAuth(),
		AuthURL:       p.Endpoint.AuthURL,
		TokenURL:      p.Endpoint.TokenURL,
		MaxAge:        int64(p.MaxAge / time.Second),
	})
}

// written is what was read, and which of the members were there.
type written struct {
	providerJSON
	set map[string]bool

	// From the environment: the variable that each was in, and how all of them begin.
	variables map[string]string
	prefix    string
}

// called is what an error calls a member: the variable, for whoever wrote that.
func (w *written) called(member string) string {
	if w.prefix == "" {
		return member
	}
	return cmp.Or(w.variables[member], w.prefix+strings.ToUpper(member))
}

func newWritten() *written {
	return &written{providerJSON: providerJSON{plainProvider: &plainProvider{}}, set: map[string]bool{}}
}

func readWritten(data []byte) (*written, error) {
	w, data := newWritten(), bytes.TrimSpace(data)
	if err := json.Unmarshal(data, &w.providerJSON, json.RejectUnknownMembers(true)); err != nil {
		return nil, jsonFault(data, err)
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(data, &members); err != nil || members == nil || w.plainProvider == nil {
		return nil, fmt.Errorf("provider from JSON: it is null, expected an object")
	}
	for name := range members {
		w.set[name] = true
	}
	if isNull(w.JWKS) {
		w.JWKS = nil
	}
	return w, nil
}

// isNull tells JSON's null, which is no value, from a value that is kept as it came.
func isNull(raw []byte) bool { return string(bytes.TrimSpace(raw)) == "null" }

// over puts what is set in place of what p has, and says whose mistake an error is. It
// changes nothing that a field of p refers to.
func (w *written) over(p *Provider) error {
	if err := w.setFields(p); err != nil {
		return fmt.Errorf("%s: %w", fromJSON(p.Name), err)
	}
	return nil
}

func (w *written) setFields(p *Provider) error {
	from, to := reflect.ValueOf(w.plainProvider).Elem(), reflect.ValueOf(p).Elem()
	for name, field := range settings() {
		if w.set[name] && len(field.Index) == 2 && field.Index[0] == 0 { // of plainProvider
			to.Field(field.Index[1]).Set(from.Field(field.Index[1]))
		}
	}
	if w.set["auth_url"] {
		p.Endpoint.AuthURL = w.AuthURL
	}
	if w.set["token_url"] {
		p.Endpoint.TokenURL = w.TokenURL
	}
	if w.set["max_age"] {
		if w.MaxAge < 0 || w.MaxAge > maxMaxAge {
			return fmt.Errorf("%s is %d; expected seconds, 0 to %d", w.called("max_age"), w.MaxAge, maxMaxAge)
		}
		p.MaxAge = time.Duration(w.MaxAge) * time.Second
	}
	return w.authOver(p)
}

// settings are the members of a Provider in writing, by name. Everything that is read
// from outside goes by this list, so that no field is forgotten.
func settings() map[string]reflect.StructField {
	all := map[string]reflect.StructField{}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[providerJSON]()) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name != "" && name != "-" {
			all[name] = field
		}
	}
	return all
}

// jsonFault says which provider is wrong, and where, in words of the JSON: the types
// of Go mean nothing to who wrote it, and the value may be a secret.
func jsonFault(data []byte, err error) error {
	var named struct {
		Name string `json:"name"`
	}
	_ = json.Unmarshal(data, &named, jsontext.AllowDuplicateNames(true)) // as far as it can be read
	of := fromJSON(named.Name)
	wrong, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return fmt.Errorf("%s: not one JSON object: %w", of, err)
	}
	if errors.Is(err, json.ErrUnknownName) {
		name := wrong.JSONPointer.LastToken()
		if named.Name == "" && holdsProviders(data, name) {
			return fmt.Errorf("%s: unknown member %q; expected an array of objects, or one object, each a provider with its \"name\", and nothing around them", of, clip(name, 64))
		}
		if instead := calledOtherwise[name]; instead != "" {
			return fmt.Errorf("%s: unknown member %q; it is %q", of, name, instead)
		}
		return fmt.Errorf("%s: unknown member %q%s; members are named as the fields of Provider, in snake case, and the endpoints auth_url and token_url",
			of, clip(name, 64), orRather(nearest(name, settings())))
	}
	if wrong.JSONPointer == "" {
		return fmt.Errorf("%s: expected one JSON object", of)
	}
	return fmt.Errorf("%s: member %q must not be a %s; expected %s",
		of, clip(strings.TrimPrefix(string(wrong.JSONPointer), "/"), 64), wrong.JSONKind, jsonForm(wrong.GoType))
}

// holdsProviders reports whether an object that has no name has a list of objects in a
// member, or an object: {"providers": [...]}, or one by the provider's name.
func holdsProviders(data []byte, member string) bool {
	var members map[string]jsontext.Value
	_ = json.Unmarshal(data, &members, jsontext.AllowDuplicateNames(true)) // as far as it can be read
	var list []map[string]jsontext.Value
	var one map[string]jsontext.Value
	return json.Unmarshal(members[member], &list) == nil || json.Unmarshal(members[member], &one) == nil
}

func fromJSON(name string) string {
	if name == "" {
		return "provider from JSON"
	}
	return fmt.Sprintf("provider %q from JSON", clip(name, maxName))
}

func jsonForm(t reflect.Type) string {
	if t == nil {
		return "another type"
	}
	if t == reflect.TypeFor[oneOrMore]() {
		return "a string, or a list of them"
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
