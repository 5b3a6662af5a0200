package oidc

import (
	encodingjson "encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/seed1a301047/signon/internal/jose"
)

// DecodeClaims decodes a JSON object into v by the rules of this package:
// exact names, no name twice, valid UTF-8. Numbers keep their digits: where v
// is of type any, they are a [encodingjson.Number].
func DecodeClaims(payload []byte, v any) error {
	if err := json.Unmarshal(payload, v, json.WithUnmarshalers(exactNumbers)); err != nil {
		return fmt.Errorf("oidc: claims: %s", wordOf(err))
	}
	return nil
}

// wordOf says which claim does not decode, and why not, but not what it says: this error
// goes to a log.
func wordOf(err error) string {
	semantic, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return "not one JSON object with distinct names in UTF-8"
	}
	return fmt.Sprintf("%.200q is a %s and does not fit into a Go %v", semantic.JSONPointer, semantic.JSONKind, semantic.GoType)
}

var exactNumbers = json.JoinUnmarshalers(
	json.UnmarshalFromFunc(func(dec *jsontext.Decoder, v *any) error {
		if dec.PeekKind() != '0' {
			return errors.ErrUnsupported // decode as usual
		}
		value, err := dec.ReadValue()
		*v = encodingjson.Number(value)
		return err
	}),
	json.UnmarshalFromFunc(func(dec *jsontext.Decoder, v *encodingjson.Number) error {
		if dec.PeekKind() != '0' {
			return errors.ErrUnsupported
		}
		value, err := dec.ReadValue()
		*v = encodingjson.Number(value)
		return err
	}),
)

// registered are the claims that something here, or an application that asks
// who somebody is, decides by. A variant of one is refused: somewhere, a
// library that folds case takes it for the claim.
var registered = []string{
	"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "azp", "nonce", "auth_time", "acr", "amr",
	"at_hash", "c_hash", "s_hash", "sid", "events", "email", "email_verified",
}

// set reads one claim. There is no coercion: a wrong type is a wrong token, and
// so is an empty string. An absent claim stays empty, or the zero time.
func (t *IDToken) set(name string, value jose.Value) (err error) {
	switch name {
	case "iss":
		t.Issuer, err = text(value)
	case "sub":
		t.Subject, err = text(value)
	case "azp":
		t.AZP, err = text(value)
	case "nonce":
		t.Nonce, err = text(value)
	case "acr":
		t.ACR, err = text(value)
	case "sid":
		t.SID, err = sessionID(value)
	case "tid":
		t.tid, _ = value.Text() // Microsoft's; another provider may mean anything by it
	case "at_hash":
		t.atHash, err = text(value)
	case "c_hash":
		t.cHash, err = text(value)
	case "aud":
		t.Audience, err = texts(value)
	case "amr":
		t.AMR, err = texts(value)
	case "exp":
		t.Expiry, err = date(value)
	case "iat":
		t.IssuedAt, err = date(value)
	case "nbf":
		t.nbf, err = date(value)
	case "auth_time":
		t.AuthTime, err = date(value)
	case "events":
		t.events = true
	default:
		if n, ok := jose.FoldsTo(name, registered); ok {
			return fmt.Errorf("a variant of the claim %s", n)
		}
	}
	if err != nil {
		return fmt.Errorf("%s is not %w", name, err)
	}
	return nil
}

// maxSessionID is as much as every database can index.
const maxSessionID = 1024

// sessionID reads a sid (OpenID Connect Front-Channel Logout 1.0 section 3), by which a
// login will be looked up.
func sessionID(v jose.Value) (string, error) {
	sid, err := text(v)
	if err == nil && (len(sid) > maxSessionID || strings.ContainsRune(sid, 0)) {
		return "", fmt.Errorf("is %d bytes long or has a NUL, want at most %d bytes", len(sid), maxSessionID)
	}
	return sid, err
}

func text(value jose.Value) (string, error) {
	s, ok := value.Text()
	if !ok || s == "" {
		return "", errors.New("a non-empty string")
	}
	return s, nil
}

// texts reads one string or an array of them (RFC 7519, section 4.1.3).
func texts(value jose.Value) ([]string, error) {
	if s, ok := value.Text(); ok && s != "" {
		return []string{s}, nil
	}
	list, ok := value.Texts()
	if !ok || slices.Contains(list, "") { // null decodes to ""
		return nil, errors.New("a non-empty string or an array of such")
	}
	return list, nil
}

// maxDate is the last second of the year 9999: far enough for any token, and
// near enough for time.Time to add to and to print.
const maxDate = 253402300799

// date reads a NumericDate (RFC 7519, section 2), to the second. What is too
// large is as large as can be, and never wraps around.
func date(value jose.Value) (time.Time, error) {
	digits, ok := value.Digits()
	if !ok {
		return time.Time{}, errors.New("a number of seconds, zero or more")
	}
	if seconds, err := strconv.ParseInt(digits, 10, 64); err == nil {
		return time.Unix(min(seconds, maxDate), 0), nil
	}
	// A fraction, an exponent, or beyond int64, in which case it is +Inf at worst.
	seconds, _ := strconv.ParseFloat(digits, 64)
	return time.Unix(int64(min(seconds, maxDate)), 0), nil
}
