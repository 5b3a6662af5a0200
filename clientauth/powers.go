package clientauth

import (
	"context"
	"crypto/tls"
	"encoding/json"
)

// A Checker is a [Method] that can tell before the first request whether it will work.
type Checker interface {
	// Check is called once, when the provider is registered, with a request that has
	// no Endpoint, Header or Params: the provider need not be up. An error refuses
	// the registration. It says what to change, and shows no secret.
	Check(ctx context.Context, client *Request) error
}

// An Asserter is a [Method] that signs a JSON Web Token.
type Asserter interface {
	// AssertionAlg is the algorithm it signs by, RFC 7518 section 3.1. It is compared
	// with the provider's token_endpoint_auth_signing_alg_values_supported, RFC 8414
	// section 2.
	AssertionAlg() string
}

// A Publisher is a [Method] whose public keys the provider has to know, as its jwks_uri
// of the client's registration, RFC 7591 section 2.
type Publisher interface {
	// PublicKeys returns them as JSON Web Keys, RFC 7517 section 4, without any
	// private member. Anybody may ask for them: so a client calls it once for all who do,
	// keeps its answer, or its error, for five seconds, and gives it a ctx without the
	// values of a request. Where several clients have the method, it is called at once.
	PublicKeys(ctx context.Context) ([]json.RawMessage, error)
}

// A Presenter is a [Method] that proves itself by the connection: by a certificate that
// is presented at the provider's endpoints and at its API, RFC 8705.
type Presenter interface {
	// ClientCertificate returns the certificate for a new connection. A connection
	// that is in use keeps the one it began with. Many goroutines call it at once.
	ClientCertificate(ctx context.Context) (*tls.Certificate, error)
}
