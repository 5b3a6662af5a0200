package signon

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/internal/discovery"
	"github.com/seed1a301047/signon/internal/oauth"
)

// checkClientAuth sees to it that the client can prove itself in the way that is
// configured, before anybody begins to sign in.
func (p *Provider) checkClientAuth(g *Registry) error {
	if err := p.checkSecret(g); err != nil {
		return err
	}
	if p.ClientAuth == nil {
		p.ClientAuth = clientauth.None{}
		if p.ClientSecret != "" {
			p.ClientAuth = clientauth.Basic{}
		}
	}
	for _, auth := range []struct {
		field  string
		method *clientauth.Method
	}{
		{"ClientAuth", &p.ClientAuth}, {"RevocationAuth", &p.RevocationAuth}, {"IntrospectionAuth", &p.IntrospectionAuth},
	} {
		if *auth.method == nil {
			continue
		}
		*auth.method = ownMethod(*auth.method)
		if err := p.checkAuth(*auth.method); err != nil {
			return fmt.Errorf("%s: %w", auth.field, err)
		}
		if _, presents := (*auth.method).(clientauth.Presenter); presents && auth.field != "ClientAuth" {
			return fmt.Errorf("%s presents a certificate, which all connections to the provider share; make it the ClientAuth", auth.field)
		}
	}
	if _, public := p.ClientAuth.(clientauth.None); public && p.ClientSecret != "" {
		return fmt.Errorf("ClientSecret is set, which ClientAuth none never sends; remove one of them")
	}
	if _, keyed := p.ClientAuth.(clientauth.PrivateKeyJWT); keyed && p.ClientSecret != "" && !p.needsSecret() {
		return fmt.Errorf("ClientSecret is set, which ClientAuth private_key_jwt never sends; remove one of them")
	}
	return nil
}

// needsSecret reports whether the secret is of use beside a ClientAuth that does not send
// it: to verify a signature, or at another endpoint.
func (p *Provider) needsSecret() bool {
	for _, method := range []clientauth.Method{p.RevocationAuth, p.IntrospectionAuth} {
		switch method.(type) {
		case nil, clientauth.None, clientauth.PrivateKeyJWT, clientauth.TLS:
		default:
			return true // it sends the secret, or is the application's own
		}
	}
	return p.UserInfoSigningAlg == "HS256" || slices.Contains(p.SigningAlgs, "HS256")
}

func (p *Provider) checkSecret(g *Registry) error {
	secret := string(p.ClientSecret)
	if slices.Contains(g.keySums, sha256.Sum256([]byte(secret))) {
		return fmt.Errorf("ClientSecret is one of Config.Keys too, so the provider could seal login cookies; make a key of 32 random bytes")
	}
	if secret == redacted {
		return fmt.Errorf("ClientSecret is %q: it comes from a Provider that was written out, which never shows it; set it from where secrets are kept", redacted)
	}
	if strings.TrimSpace(secret) != secret {
		return fmt.Errorf("ClientSecret has space around it, perhaps the line feed of a file; remove it")
	}
	return nil
}

// checkAuth lets a method check itself. It is watched as a hook is: a signer may be
// anywhere, and a nil pointer panics.
func (p *Provider) checkAuth(m clientauth.Method) error {
	client := &clientauth.Request{ClientID: p.ClientID, Secret: string(p.ClientSecret), Issuer: p.oneIssuer()}
	return oauth.Watch(context.Background(), func(ctx context.Context, r *clientauth.Request) error {
		if m.Name() == "" {
			return fmt.Errorf("a %T has no Name; expected one of RFC 7591 section 2, or one of its own", m)
		}
		if asserter, ok := m.(clientauth.Asserter); ok {
			_ = asserter.AssertionAlg() // here a panic refuses the registration, and later it would break a login
		}
		if checker, ok := m.(clientauth.Checker); ok {
			return checker.Check(ctx, r)
		}
		return nil
	}, client)
}

// ownMethod is m as a value, without anything that its maker could still change but the
// signers, which may be far away, and what the application's own methods hold.
func ownMethod(m clientauth.Method) clientauth.Method {
	switch given := m.(type) {
	case *clientauth.None:
		if given != nil {
			return *given
		}
	case *clientauth.SecretJWT:
		if given != nil {
			return *given
		}
	case *clientauth.TLS:
		if given != nil {
			return ownMethod(*given)
		}
	case clientauth.TLS:
		given.Certificate = ownCertificate(given.Certificate)
		return given
	case *clientauth.PrivateKeyJWT:
		if given != nil {
			return ownMethod(*given)
		}
	case clientauth.PrivateKeyJWT:
		given.Keys = slices.Clone(given.Keys)
		return given
	}
	return m
}

// ownCertificate is a copy of cert, whose leaf is that of its bytes.
func ownCertificate(cert tls.Certificate) tls.Certificate {
	own := tls.Certificate{PrivateKey: cert.PrivateKey, SupportedSignatureAlgorithms: slices.Clone(cert.SupportedSignatureAlgorithms)}
	for _, der := range cert.Certificate {
		own.Certificate = append(own.Certificate, slices.Clone(der))
	}
	if len(own.Certificate) > 0 {
		own.Leaf, _ = x509.ParseCertificate(own.Certificate[0]) // else nil, which Check says
	}
	return own
}

// fits refuses to ask the provider for anything in a way that its metadata do not name:
// it would fail, and what is sent to find that out is spent. It never chooses another
// way: that would be a weaker one, at the word of whoever wrote the metadata.
func (c *Client) fits(ctx context.Context, stage oauth.Stage) error {
	if _, public := c.oauth.Method(stage).(clientauth.None); public {
		return nil
	}
	md, err := c.source.Metadata(ctx)
	if err != nil {
		return err
	}
	return c.fitsMetadata(stage, md)
}

// fitsMetadata is fits where the metadata are at hand. Absent lists say nothing. A
// public client proves nothing, and many providers that have public clients do not list
// none; there is nothing weaker that it could be led to.
func (c *Client) fitsMetadata(stage oauth.Stage, md *discovery.Metadata) error {
	method := c.oauth.Method(stage)
	if _, public := method.(clientauth.None); public {
		return nil
	}
	lists := md.TokenAuth()
	switch stage {
	case oauth.Revoke:
		lists = md.RevocationAuth()
	case oauth.Introspect:
		lists = md.IntrospectionAuth()
	}
	if name := method.Name(); len(lists.Methods) > 0 && !slices.Contains(lists.Methods, name) {
		return c.unfit(stage, lists.Endpoint+"_auth_methods_supported", name, lists.Methods)
	}
	asserter, ok := method.(clientauth.Asserter)
	if !ok || len(lists.Algs) == 0 {
		return nil
	}
	alg := asserter.AssertionAlg()
	same := func(listed string) bool { return listed == alg || edwards(listed) && edwards(alg) }
	if !slices.ContainsFunc(lists.Algs, same) {
		return c.unfit(stage, lists.Endpoint+"_auth_signing_alg_values_supported", alg, lists.Algs)
	}
	return nil
}

// edwards reports one of the two names of one algorithm, RFC 9864.
func edwards(alg string) bool { return alg == "EdDSA" || alg == "Ed25519" }

func (c *Client) unfit(stage oauth.Stage, member, ours string, theirs []string) error {
	field := "ClientAuth"
	switch {
	case stage == oauth.Revoke && c.p.RevocationAuth != nil:
		field = "RevocationAuth"
	case stage == oauth.Introspect && c.p.IntrospectionAuth != nil:
		field = "IntrospectionAuth"
	}
	return fmt.Errorf("%w: %s is [%s], and the provider's %s are [%s]; set %s to one of these that the client is registered for, or register it for another",
		oauth.ErrConfig, field, clip(ours, 64), member, clip(strings.Join(theirs, " "), 400), field)
}
