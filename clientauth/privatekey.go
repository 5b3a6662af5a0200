package clientauth

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"

	"github.com/seed1a301047/signon/internal/jose"
)

// PrivateKeyJWT is the method private_key_jwt: a token signed with a key that the
// provider knows the public half of. OpenID Connect Core section 9, RFC 7523.
//
// Each request has a token of its own: with a new jti, valid for 60 seconds, for one
// audience, and with the type client-authentication+jwt. The client_id is sent beside.
type PrivateKeyJWT struct {
	// Keys are the client's. The first one signs; the others are published too, so
	// that keys can roll over: add the new key behind the old one, wait until the
	// provider has fetched it, move it to the front, and take the old one away later.
	// At least one.
	Keys []Key

	// Audience is whom the assertion is for: its aud, one string. If empty, the
	// provider's issuer identifier. It is the same at every endpoint. Some providers
	// want the URL of their token endpoint: write that URL here. It is not taken from
	// the metadata, by which a hostile provider could ask for an assertion that another
	// provider would take.
	Audience string

	// Type is the typ of the assertion's header. If empty, "client-authentication+jwt";
	// "JWT" for a provider that refuses that.
	Type string
}

// A Key signs assertions. It does not print: fmt, JSON and log/slog see its ID and Alg.
type Key struct {
	// ID is the key's id, which is sent as kid and published with it. It may be empty
	// where there is one key only, and the provider asks for none.
	ID string

	// Alg is RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 or EdDSA. If
	// empty, RS256 for RSA, and the only one that fits for the others.
	Alg string

	// Signer is an *rsa.PrivateKey of 2048 bits or more, an *ecdsa.PrivateKey on P-256,
	// P-384 or P-521, an ed25519.PrivateKey, or anything else that signs as those do,
	// such as a client of a key management service. It must be ready for many
	// goroutines at once; if it does not return within 10 seconds, the request fails.
	Signer crypto.Signer
}

// Name returns "private_key_jwt".
func (PrivateKeyJWT) Name() string { return "private_key_jwt" }

// AssertionAlg returns the algorithm of the first key, or "" where there is none.
func (p PrivateKeyJWT) AssertionAlg() string {
	if len(p.Keys) == 0 {
		return ""
	}
	alg, _ := p.Keys[0].alg()
	return alg
}

// Check signs with every key, and verifies that. It reports keys without a Signer, of a
// type, curve or size that does not fit their Alg, IDs that cannot tell the keys apart,
// and that neither Audience nor the issuer says for whom the assertion is.
func (p PrivateKeyJWT) Check(_ context.Context, r *Request) error {
	if len(p.Keys) == 0 {
		return errors.New("clientauth: private_key_jwt: no key: give one in Keys")
	}
	for i, k := range p.Keys {
		sameID := func(other Key) bool { return other.ID == k.ID }
		switch {
		case k.ID == "" && len(p.Keys) > 1:
			return fmt.Errorf("clientauth: private_key_jwt: key %d of %d has no ID: where there are several, each needs one", i+1, len(p.Keys))
		case slices.ContainsFunc(p.Keys[:i], sameID):
			return fmt.Errorf("clientauth: private_key_jwt: two keys have the ID %.64q: give each one of its own", k.ID)
		}
		if err := p.try(k, r); err != nil {
			return fmt.Errorf("clientauth: private_key_jwt: %s: %w", k.label(i), err)
		}
	}
	return nil
}

// try signs once and verifies.
func (p PrivateKeyJWT) try(k Key, r *Request) error {
	if k.Signer == nil {
		return errors.New("its Signer is nil")
	}
	alg, err := k.alg()
	if err != nil {
		return err
	}
	public := k.Signer.Public()
	if err := jose.CheckSigner(alg, public); err != nil {
		return err
	}
	signed, err := p.assertion(k, alg).sign(r)
	if err != nil {
		return err
	}
	compact, err := jose.ParseCompact(signed)
	if err == nil {
		err = jose.Verify(alg, public, compact)
	}
	if err != nil {
		return fmt.Errorf("what it signs does not verify with its own public key: %w", err)
	}
	return nil
}

// Authenticate sets client_id, client_assertion_type and client_assertion.
func (p PrivateKeyJWT) Authenticate(_ context.Context, r *Request) error {
	if len(p.Keys) == 0 || p.Keys[0].Signer == nil {
		return errors.New("clientauth: private_key_jwt: no key, or one without a Signer: give one in Keys")
	}
	alg, err := p.Keys[0].alg()
	if err != nil {
		return err
	}
	return p.assertion(p.Keys[0], alg).authenticate(r)
}

func (p PrivateKeyJWT) assertion(k Key, alg string) assertion {
	return assertion{method: p.Name(), alg: alg, key: k.Signer, kid: k.ID, audience: p.Audience, typ: p.Type}
}

// PublicKeys returns the public half of every key, with use, kid and alg.
func (p PrivateKeyJWT) PublicKeys(context.Context) ([]json.RawMessage, error) {
	var public []json.RawMessage
	for i, k := range p.Keys {
		if k.Signer == nil {
			return nil, fmt.Errorf("clientauth: private_key_jwt: %s: its Signer is nil", k.label(i))
		}
		alg, err := k.alg()
		if err != nil {
			return nil, err
		}
		key, err := jose.PublicJWK(k.Signer.Public(), k.ID, alg)
		if err != nil {
			return nil, fmt.Errorf("clientauth: private_key_jwt: %s: %w", k.label(i), err)
		}
		public = append(public, key)
	}
	return public, nil
}

func (k Key) alg() (string, error) {
	if k.Alg != "" || k.Signer == nil {
		return k.Alg, nil
	}
	return jose.AlgOf(k.Signer.Public())
}

// label names a key in an error.
func (k Key) label(i int) string {
	name := strconv.Itoa(i + 1)
	if k.ID != "" {
		name = fmt.Sprintf("%.64q", k.ID)
	}
	if k.Alg != "" {
		return "key " + name + fmt.Sprintf(" for %.40q", k.Alg)
	}
	return "key " + name
}

// String returns the key's ID and Alg.
func (k Key) String() string { return fmt.Sprintf("clientauth.Key{ID: %q, Alg: %q}", k.ID, k.Alg) }

// Format writes what [Key.String] returns, whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue returns the key's ID and Alg.
func (k Key) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", k.ID), slog.String("alg", k.Alg))
}

// MarshalText returns what [Key.String] returns.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
