package signon

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/internal/outbound"
)

// connections are those to the provider's own endpoints and those to its API. Where the
// client proves itself by a certificate, both present it: a token may be bound to it
// (RFC 8705 section 3).
func (p *Provider) connections(given *http.Client) (provider *http.Client, api http.RoundTripper, err error) {
	provider = outbound.NewClient(given, p.providerPolicy())
	api = outbound.NewClient(given, p.policyOf(p.APIBaseURL)).Transport
	if presenter, ok := p.ClientAuth.(clientauth.Presenter); ok {
		if provider.Transport, err = presenting(provider.Transport, presenter); err != nil {
			return nil, nil, err
		}
		if api, err = presenting(api, presenter); err != nil {
			return nil, nil, err
		}
	}
	return provider, patient(api, given), nil
}

// patient is the transport for API calls: an API may take longer to answer than a
// sign-in may, and the caller's context says how long.
func patient(own http.RoundTripper, given *http.Client) http.RoundTripper {
	t, ok := own.(*http.Transport)
	if !ok || given != nil && given.Transport != nil {
		return own
	}
	t = t.Clone()
	t.ResponseHeaderTimeout = 0
	return t
}

// presenting is a transport that presents the client's certificate wherever a server
// asks for one, on connections of its own: none of another client's is used, and none of
// its TLS sessions resumed, in which nobody asks.
func presenting(via http.RoundTripper, p clientauth.Presenter) (http.RoundTripper, error) {
	given, ok := via.(*http.Transport)
	switch {
	case !ok:
		return nil, fmt.Errorf("ClientAuth presents a certificate, which a Transport of type %T in Config.HTTPClient cannot be told; use an *http.Transport, or leave it nil", via)
	//lint:ignore SA1019 both replace the handshake
	case given.DialTLSContext != nil || given.DialTLS != nil:
		return nil, errors.New("ClientAuth presents a certificate, but the Transport of Config.HTTPClient has a DialTLSContext, which makes connections without it; remove that")
	}
	t := given.Clone()
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	t.TLSClientConfig.Certificates = nil
	t.TLSClientConfig.ClientSessionCache = nil
	t.TLSClientConfig.GetClientCertificate = func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return certificateOf(asked.Context(), p)
	}
	if _, h2 := t.TLSNextProto["h2"]; h2 { // that of the given one, with its connections
		t.TLSNextProto = nil
	}
	if t.TLSNextProto == nil && slices.Contains(t.TLSClientConfig.NextProtos, "h2") {
		t.ForceAttemptHTTP2 = true
	}
	return t, nil
}

// certificateOf asks for the certificate. It runs in a goroutine of net/http, where a
// panic would end the program, and so does the signature of its key.
func certificateOf(ctx context.Context, p clientauth.Presenter) (cert *tls.Certificate, err error) {
	err = guard("the client's certificate", func() error {
		presented, err := p.ClientCertificate(ctx)
		if err != nil {
			return err
		}
		if presented == nil || len(presented.Certificate) == 0 {
			return errors.New("signon: there is no client certificate")
		}
		signer, ok := presented.PrivateKey.(crypto.Signer)
		if !ok {
			return errors.New("signon: the client's certificate has no private key that signs")
		}
		own := *presented
		own.PrivateKey = guardedSigner{signer: signer, public: signer.Public()}
		cert = &own
		return nil
	})
	return cert, err
}

// guardedSigner is a signer whose panic is an error.
type guardedSigner struct {
	signer crypto.Signer
	public crypto.PublicKey
}

func (s guardedSigner) Public() crypto.PublicKey { return s.public }

func (s guardedSigner) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) (signature []byte, err error) {
	err = guard("the key of the client's certificate", func() error {
		signature, err = s.signer.Sign(rand, digest, opts)
		return err
	})
	return signature, err
}
