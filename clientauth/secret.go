package clientauth

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
)

// Basic is the method client_secret_basic: id and secret in the Authorization
// header, each form-urlencoded before they are joined, RFC 6749 section 2.3.1. All
// servers that issue secrets must take it.
type Basic struct{}

// Name returns "client_secret_basic".
func (Basic) Name() string { return "client_secret_basic" }

// Check reports an empty secret.
func (b Basic) Check(_ context.Context, r *Request) error { return ready(b, r) }

// Authenticate sets the Authorization header. It is an error if the id or the
// secret is empty.
func (b Basic) Authenticate(_ context.Context, r *Request) error {
	if err := ready(b, r); err != nil {
		return err
	}
	setBasic(r, url.QueryEscape(r.ClientID), url.QueryEscape(r.Secret))
	return nil
}

// BasicRaw is [Basic] without the form-urlencoding that the RFC asks for. It is for a
// provider that does not decode id and secret, which shows as invalid_client as soon
// as one of them contains a character other than A-Z, a-z, 0-9, '-', '.' and '_'.
// Without such a character both are the same.
type BasicRaw struct{}

// Name returns "client_secret_basic", which is what the provider calls it.
func (BasicRaw) Name() string { return "client_secret_basic" }

// Check reports what [BasicRaw.Authenticate] would.
func (b BasicRaw) Check(_ context.Context, r *Request) error {
	if err := ready(b, r); err != nil {
		return err
	}
	if strings.Contains(r.ClientID, ":") {
		return errors.New("clientauth: client_secret_basic: a client id with a colon cannot be sent unencoded: use Basic{} or Post{}")
	}
	return nil
}

// Authenticate sets the Authorization header. It is an error if the id or the secret
// is empty, or if the id has a colon, which would move the border between the two.
func (b BasicRaw) Authenticate(ctx context.Context, r *Request) error {
	if err := b.Check(ctx, r); err != nil {
		return err
	}
	setBasic(r, r.ClientID, r.Secret)
	return nil
}

func setBasic(r *Request, id, secret string) {
	r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(id+":"+secret)))
}

// Post is the method client_secret_post: id and secret as parameters of the form,
// RFC 6749 section 2.3.1, which recommends it only where Basic is not possible.
type Post struct{}

// Name returns "client_secret_post".
func (Post) Name() string { return "client_secret_post" }

// Check reports an empty secret.
func (p Post) Check(_ context.Context, r *Request) error { return ready(p, r) }

// Authenticate sets client_id and client_secret. It is an error if one of them is
// empty.
func (p Post) Authenticate(_ context.Context, r *Request) error {
	if err := ready(p, r); err != nil {
		return err
	}
	r.Params.Set("client_id", r.ClientID)
	r.Params.Set("client_secret", r.Secret)
	return nil
}

// None is the method none, of a public client: it says who it is, and proves
// nothing, RFC 6749 section 3.2.1. PKCE then binds the code to it.
type None struct{}

// Name returns "none".
func (None) Name() string { return "none" }

// Authenticate sets client_id. It is an error if that is empty.
func (None) Authenticate(_ context.Context, r *Request) error {
	if r.ClientID == "" {
		return errors.New("clientauth: none: the client id is empty")
	}
	r.Params.Set("client_id", r.ClientID)
	return nil
}

// ready reports whether r has what m is about to send.
func ready(m Method, r *Request) error {
	switch {
	case r.ClientID == "":
		return errors.New("clientauth: " + m.Name() + ": the client id is empty")
	case r.Secret == "":
		return errors.New("clientauth: " + m.Name() + ": the client secret is empty: set ClientSecret, or use None for a public client")
	}
	return nil
}
