package signon

import (
	"errors"
	"reflect"

	"github.com/go-json-experiment/json"

	"github.com/seed1a301047/signon/clientauth"
)

// writtenAuth is in writing what a Provider holds as methods and keys.
type writtenAuth struct {
	Method           string `json:"client_auth,omitzero"`
	RevocationMethod string `json:"revocation_auth,omitzero"`
	IntrospectMethod string `json:"introspection_auth,omitzero"`

	ClientKey         Secret    `json:"client_key,omitzero"`
	ClientKeyID       oneOrMore `json:"client_key_id,omitzero"`
	ClientKeyAlg      oneOrMore `json:"client_key_alg,omitzero"`
	ClientCertificate string    `json:"client_certificate,omitzero"`
	AssertionAudience string    `json:"client_assertion_audience,omitzero"`
	AssertionTyp      string    `json:"client_assertion_typ,omitzero"`

	DecryptionKey   Secret    `json:"decryption_key,omitzero"`
	DecryptionKeyID oneOrMore `json:"decryption_key_id,omitzero"`
}

// oneOrMore is a list that is written as a string where it is one.
type oneOrMore []string

// UnmarshalJSON reads a string, or a list of strings.
func (l *oneOrMore) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		*l = make(oneOrMore, 1)
		return json.Unmarshal(data, &(*l)[0])
	}
	return json.Unmarshal(data, (*[]string)(l))
}

// MarshalJSON writes what UnmarshalJSON reads.
func (l oneOrMore) MarshalJSON() ([]byte, error) {
	if len(l) == 1 {
		return json.Marshal(l[0])
	}
	return json.Marshal([]string(l))
}

// rawBasic is the one method whose registered name is another's: two servers may mean
// different things by client_secret_basic.
const rawBasic = "client_secret_basic_raw"

func methodNamed(name string) (clientauth.Method, error) {
	switch name {
	case "":
		return nil, nil
	case rawBasic:
		return clientauth.BasicRaw{}, nil
	case clientauth.PrivateKeyJWT{}.Name():
		return clientauth.PrivateKeyJWT{}, nil
	case clientauth.TLS{}.Name():
		return clientauth.TLS{}, nil
	case clientauth.TLS{SelfSigned: true}.Name():
		return clientauth.TLS{SelfSigned: true}, nil
	}
	method, err := clientauth.ByName(name)
	if err != nil { // which has the name in it, and somebody may have mistaken it for the secret's
		return nil, errors.New("no such method; use client_secret_basic, client_secret_basic_raw, client_secret_post, client_secret_jwt, private_key_jwt, tls_client_auth, self_signed_tls_client_auth or none")
	}
	return method, nil
}

// methodName is "" for a nil pointer too, which Register refuses: asking it would panic.
func methodName(m clientauth.Method) string {
	if v := reflect.ValueOf(m); m == nil || v.Kind() == reflect.Pointer && v.IsNil() {
		return ""
	}
	switch m.(type) {
	case clientauth.BasicRaw, *clientauth.BasicRaw:
		return rawBasic
	}
	return m.Name()
}
