package clientauth

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/seed1a301047/signon/internal/jose"
)

// TLS is the methods tls_client_auth and self_signed_tls_client_auth of RFC 8705: the
// certificate of the connection proves who the client is. It does not print: fmt, JSON
// and log/slog see its name.
//
// The certificate is presented at all endpoints of the provider, and also with the
// access token at the userinfo endpoint and the API, which a token may be bound to
// (section 3). Where the metadata have mtls_endpoint_aliases (section 5), those are
// used; an endpoint that is given by hand wins over its alias. The transport of
// Config.HTTPClient, if there is one, must be an *http.Transport.
//
// A proxy that is itself spoken to by https, and asks for a certificate, is presented the
// same one: net/http has one setting for both handshakes. It then knows who the client is,
// which it could not see otherwise, and nothing that would let it act as the client. A
// proxy with an http:// URL sees neither.
type TLS struct {
	// Certificate is the client's, with its key, which any crypto.Signer may be.
	Certificate tls.Certificate

	// GetCertificate takes the place of Certificate where it changes, such as when it
	// is renewed. It is asked at registration and for each new connection; a connection
	// keeps the one it began with.
	GetCertificate func(ctx context.Context) (*tls.Certificate, error)

	// SelfSigned says that the provider knows the certificate itself, from the client's
	// key set (section 2.2), and not by its issuer and subject (section 2.1).
	SelfSigned bool
}

// Name returns "tls_client_auth" or, where SelfSigned is set,
// "self_signed_tls_client_auth".
func (t TLS) Name() string {
	if t.SelfSigned {
		return "self_signed_tls_client_auth"
	}
	return "tls_client_auth"
}

// Check reports a certificate that is missing, that has expired, or whose key is not
// its own.
func (t TLS) Check(ctx context.Context, _ *Request) error {
	if t.GetCertificate != nil && len(t.Certificate.Certificate) > 0 {
		return fmt.Errorf("clientauth: %s: Certificate and GetCertificate are both set: keep one", t.Name())
	}
	cert, err := t.ClientCertificate(ctx)
	if err != nil {
		return err
	}
	leaf, err := t.leaf(cert)
	if err != nil {
		return err
	}
	signer, _ := cert.PrivateKey.(crypto.Signer)
	public, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	switch {
	case signer == nil:
		return fmt.Errorf("clientauth: %s: the certificate has no private key that signs: set PrivateKey", t.Name())
	case !ok || !public.Equal(signer.Public()):
		return fmt.Errorf("clientauth: %s: the private key is not the certificate's: give the pair that was made together", t.Name())
	case time.Now().After(leaf.NotAfter):
		return fmt.Errorf("clientauth: %s: the certificate expired at %s: renew it", t.Name(), leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	return nil
}

// Authenticate sets client_id, which says whose certificate it is (section 2). The
// proof is the connection's, so an endpoint that is not https is an error.
func (t TLS) Authenticate(_ context.Context, r *Request) error {
	switch {
	case r.ClientID == "":
		return fmt.Errorf("clientauth: %s: the client id is empty", t.Name())
	case !strings.HasPrefix(strings.ToLower(r.Endpoint), "https://"):
		return fmt.Errorf("clientauth: %s: the endpoint is not https, where no certificate can be presented", t.Name())
	}
	r.Params.Set("client_id", r.ClientID)
	return nil
}

// ClientCertificate returns Certificate, or what GetCertificate does.
func (t TLS) ClientCertificate(ctx context.Context) (*tls.Certificate, error) {
	cert := &t.Certificate
	if t.GetCertificate != nil {
		var err error
		if cert, err = t.GetCertificate(ctx); err != nil {
			return nil, fmt.Errorf("clientauth: %s: GetCertificate: %w", t.Name(), err)
		}
	}
	if cert == nil || len(cert.Certificate) == 0 {
		return nil, fmt.Errorf("clientauth: %s: there is no certificate: set Certificate, with tls.LoadX509KeyPair, or GetCertificate", t.Name())
	}
	return cert, nil
}

// PublicKeys returns the key of a self-signed certificate with the certificate itself as
// its x5c, which is how a provider knows it (section 2.2.2); otherwise nothing.
func (t TLS) PublicKeys(ctx context.Context) ([]json.RawMessage, error) {
	if !t.SelfSigned {
		return nil, nil
	}
	cert, err := t.ClientCertificate(ctx)
	if err != nil {
		return nil, err
	}
	leaf, err := t.leaf(cert)
	if err != nil {
		return nil, err
	}
	key, err := jose.CertificateJWK(leaf)
	if err != nil {
		return nil, fmt.Errorf("clientauth: %s: %w", t.Name(), err)
	}
	return []json.RawMessage{key}, nil
}

func (t TLS) leaf(cert *tls.Certificate) (*x509.Certificate, error) {
	if cert.Leaf != nil {
		return cert.Leaf, nil
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("clientauth: %s: the certificate does not parse: give the DER of X.509, as tls.LoadX509KeyPair does", t.Name())
	}
	return leaf, nil
}

// String returns the method's name.
func (t TLS) String() string { return "clientauth.TLS{" + t.Name() + "}" }

// Format writes what [TLS.String] returns, whatever the verb.
func (t TLS) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// LogValue returns the method's name.
func (t TLS) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText returns what [TLS.String] returns.
func (t TLS) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
