package clientauth

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seed1a301047/signon/internal/jose"
)

const (
	// assertionLife is short, since an assertion is made for one request.
	assertionLife = 60 * time.Second

	// assertionTyp keeps an assertion from being taken for another kind of token.
	assertionTyp = "client-authentication+jwt"

	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523 section 2.2
)

// SecretJWT is the method client_secret_jwt: a token signed with the client's secret,
// which itself is not sent. OpenID Connect Core section 9, RFC 7523.
type SecretJWT struct {
	// Alg is HS256, HS384 or HS512. If empty, HS256. The secret must be as long as the
	// hash: 32, 48 or 64 bytes, RFC 7518 section 3.2.
	Alg string

	// Audience and Type are as in [PrivateKeyJWT].
	Audience string
	Type     string
}

// Name returns "client_secret_jwt".
func (SecretJWT) Name() string { return "client_secret_jwt" }

// AssertionAlg returns Alg, or "HS256" where that is empty.
func (s SecretJWT) AssertionAlg() string { return cmp.Or(s.Alg, "HS256") }

// Check reports an unknown Alg, a secret that is too short for it, and that neither
// Audience nor the issuer says for whom the assertion is.
func (s SecretJWT) Check(_ context.Context, r *Request) error {
	if err := s.checkSecret(r); err != nil {
		return err
	}
	_, err := s.assertion(r).claims(r)
	return err
}

// Authenticate sets client_id, client_assertion_type and client_assertion.
func (s SecretJWT) Authenticate(_ context.Context, r *Request) error {
	if err := s.checkSecret(r); err != nil {
		return err
	}
	return s.assertion(r).authenticate(r)
}

func (s SecretJWT) checkSecret(r *Request) error {
	least := jose.MinHMACSecret(s.AssertionAlg())
	switch {
	case least == 0:
		return fmt.Errorf("clientauth: client_secret_jwt: Alg %.40q: expected HS256, HS384 or HS512", s.Alg)
	case len(r.Secret) < least:
		return fmt.Errorf("clientauth: client_secret_jwt: ClientSecret has %d bytes, and %s needs %d or more (RFC 7518 section 3.2): have the provider make a longer one",
			len(r.Secret), s.AssertionAlg(), least)
	}
	return nil
}

func (s SecretJWT) assertion(r *Request) assertion {
	return assertion{method: s.Name(), alg: s.AssertionAlg(), key: []byte(r.Secret), audience: s.Audience, typ: s.Type}
}

// An assertion is what SecretJWT and PrivateKeyJWT have in common.
type assertion struct {
	method   string
	alg      string
	key      any
	kid      string
	audience string
	typ      string
}

// authenticate adds a new assertion to r, RFC 7523 section 2.2. The client_id is sent
// beside it: it is optional there, and many servers look the client up by it.
func (a assertion) authenticate(r *Request) error {
	signed, err := a.sign(r)
	if err != nil {
		return err
	}
	r.Params.Set("client_id", r.ClientID)
	r.Params.Set("client_assertion_type", assertionType)
	r.Params.Set("client_assertion", signed)
	return nil
}

func (a assertion) sign(r *Request) (string, error) {
	claims, err := a.claims(r)
	if err != nil {
		return "", err
	}
	header := map[string]any{"typ": cmp.Or(a.typ, assertionTyp)}
	if a.kid != "" {
		header["kid"] = a.kid
	}
	return jose.Sign(a.alg, a.key, header, claims)
}

// claims are those of RFC 7523 section 3. The audience is one string, and for every
// endpoint the same: a server that is told of another server's endpoint must not get
// what that one would take (RFC 10070 section 3; CVE-2025-27370).
func (a assertion) claims(r *Request) ([]byte, error) {
	audience := cmp.Or(a.audience, r.Issuer)
	switch {
	case r.ClientID == "":
		return nil, fmt.Errorf("clientauth: %s: the client id is empty", a.method)
	case audience == "":
		return nil, fmt.Errorf("clientauth: %s: nothing says for whom the assertion is: set the provider's Issuer, or Audience to what the provider's documentation says", a.method)
	case strings.ContainsAny(audience, "{}"): // Signon leaves Issuer empty where it is a template, so it is Audience that has them
		return nil, fmt.Errorf("clientauth: %s: the audience has braces, as the issuer of many tenants has: set Audience to what the provider's documentation says", a.method)
	}
	now := time.Now()
	claims, err := json.Marshal(struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		ID       string `json:"jti"`
		IssuedAt int64  `json:"iat"`
		Expiry   int64  `json:"exp"`
	}{r.ClientID, r.ClientID, audience, rand.Text(), now.Unix(), now.Add(assertionLife).Unix()})
	if err != nil {
		return nil, errors.New("clientauth: the claims are not JSON")
	}
	return claims, nil
}
