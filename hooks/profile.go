package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/seed1a301047/signon/internal/outbound"
)

// AuthorizeResponse is an authorization response, RFC 6749 section 4.1.2, before it is
// read. A hook may mend what it says, but for state and iss, which protect the login.
type AuthorizeResponse struct {
	Provider string     // the provider's name, read only
	Params   url.Values // all parameters
}

// Profile is what is known of a user who signs in. The last fields are the answer: they
// are filled in from the standard claims of OpenID Connect Core section 5.1, and a hook
// corrects them. Who it is, issuer and subject, is settled by then.
//
// What a hook leaves in them is cleaned: an e-mail address that is not plain ASCII
// local@domain and a picture that is not an http or https URL are dropped, and a name is
// cut to 256 bytes.
type Profile struct {
	Provider string // the provider's name, read only
	Subject  string // the user at that provider, read only

	// Claims are those of the verified ID token, and UserInfo what the userinfo endpoint
	// answered, after its own hook: JSON objects, or nil where there is none.
	Claims, UserInfo []byte

	// Extra are the members of the token response that RFC 6749 and OpenID Connect do not
	// name, verified by nobody but the connection that they came over; numbers are a
	// [json.Number].
	Extra map[string]any

	// Answer are the parameters of the authorization response beside the protocol's own.
	// The browser brought them, so its user may have written them.
	Answer url.Values

	// Client calls the provider's API with the user's new token, below
	// Provider.APIBaseURL and nowhere else, through the API hooks. It works until the hook
	// is over, for eight seconds a call, and reads 1 MiB of an answer at most. See
	// [Profile.Get].
	Client *http.Client

	Name, Email, Picture string

	// EmailVerified is said of Email, and of no other address: where a hook puts another
	// one in the place of a verified one and leaves EmailVerified as it was, that counts
	// as not verified. [Profile.SetEmail] says both. It may become true only by what the
	// provider's documentation says is proof: many an account has been taken over by an
	// address that nobody had verified.
	EmailVerified bool

	proven string // the address that SetEmail has called verified
}

// SetEmail sets Email together with what the provider says of that very address.
func (p *Profile) SetEmail(address string, verified bool) {
	p.Email, p.EmailVerified, p.proven = address, verified, ""
	if verified {
		p.proven = address
	}
}

// Verdict reports whether Email counts as verified after a hook, before which Email and
// EmailVerified were these. Of two that are true it cannot be seen whether the hook has
// set the second one, so another address needs [Profile.SetEmail] then.
func (p *Profile) Verdict(email string, verified bool) bool {
	return p.EmailVerified && (p.Email == email || !verified || p.Email == p.proven)
}

// DecodeUserInfo decodes UserInfo into v: names match exactly, none is there twice, and
// numbers in an any keep their digits, as a [json.Number]. It is an error where there is
// no userinfo.
func (p *Profile) DecodeUserInfo(v any) error { return decode("userinfo", p.UserInfo, v) }

// DecodeClaims decodes Claims into v, as [Profile.DecodeUserInfo] does. It is an error
// where there was no ID token.
func (p *Profile) DecodeClaims(v any) error { return decode("ID token", p.Claims, v) }

// Get asks the provider's API for more: it sends a GET to a URL relative to
// Provider.APIBaseURL and decodes the JSON of the answer into v, as
// [Profile.DecodeUserInfo] does. Another status than 200 and another type than JSON are
// errors. A hook that returns one, or wraps it, fails the login as the provider's fault and
// not as its own.
func (p *Profile) Get(ctx context.Context, ref string, v any) error {
	if p.Client == nil {
		return errors.New("hooks: the Profile has no Client; Signon sets it at a login")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, ref, nil)
	if err != nil {
		return errors.New("hooks: the reference of Profile.Get is not a URL")
	}
	req.Header.Set("Accept", "application/json")
	resp, err := p.Client.Do(req)
	if err != nil {
		return fmt.Errorf("hooks: %w", err)
	}
	defer resp.Body.Close()
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("hooks: the API's answer to %.64q: %w", req.URL.Path, outbound.NewStatusError(resp.StatusCode, resp.Header))
	case !isJSON(mediaType):
		return &outbound.AnswerError{Text: fmt.Sprintf("hooks: the API answered %.64q with %.64q, expected application/json", req.URL.Path, mediaType)}
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("hooks: the API's answer to %.64q: %w", req.URL.Path, err)
	}
	return decode("the API's answer", body, v)
}

// decode reads JSON as the checks of an ID token do. The error quotes no value.
func decode(what string, body []byte, v any) error {
	if body == nil {
		return fmt.Errorf("hooks: %s: there is none at this login", what)
	}
	err := jsonv2.Unmarshal(body, v, jsonv2.WithUnmarshalers(exactNumbers()))
	if semantic, ok := errors.AsType[*jsonv2.SemanticError](err); ok {
		return fmt.Errorf("hooks: %s: %.200q is a %s and does not fit into a Go %v", what, semantic.JSONPointer, semantic.JSONKind, semantic.GoType)
	}
	if err != nil {
		return fmt.Errorf("hooks: %s: not one JSON value with distinct names in UTF-8", what)
	}
	return nil
}

// exactNumbers keeps the digits of a number: beyond 2^53 a float64 makes two users one.
func exactNumbers() *jsonv2.Unmarshalers {
	digits := func(d *jsontext.Decoder) (json.Number, error) {
		if d.PeekKind() != '0' {
			return "", errors.ErrUnsupported // decode as usual
		}
		value, err := d.ReadValue()
		return json.Number(value), err
	}
	return jsonv2.JoinUnmarshalers(
		jsonv2.UnmarshalFromFunc(func(d *jsontext.Decoder, v *any) error {
			n, err := digits(d)
			if err == nil {
				*v = n
			}
			return err
		}),
		jsonv2.UnmarshalFromFunc(func(d *jsontext.Decoder, v *json.Number) (err error) {
			n, err := digits(d)
			if err == nil {
				*v = n
			}
			return err
		}),
	)
}
