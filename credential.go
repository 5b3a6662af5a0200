package signon

import (
	"cmp"
	"crypto"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"

	"github.com/seed1a301047/signon/clientauth"
)

// A credential is what the methods that hold a key hold. In writing it is there once,
// whichever of them use it, and its parts may come one after the other: the kid from
// JSON, the key from a file that the environment names.
type credential struct {
	keyList
	chain         [][]byte // the certificate and those above it, DER
	audience, typ string   // of the assertions
}

// credentialMembers are where a credential is written.
var credentialMembers = []string{
	"client_key", "client_key_id", "client_key_alg", "client_certificate", "client_assertion_audience", "client_assertion_typ",
}

// authOver puts the methods and keys that are set in place of what p has.
func (w *written) authOver(p *Provider) error {
	c := credentialOf(p)
	if err := c.read(w); err != nil {
		return err
	}
	unused := slices.DeleteFunc(slices.Clone(credentialMembers), func(member string) bool { return !w.set[member] })
	changed := len(unused) > 0
	for _, stage := range []struct {
		member, name string
		method       *clientauth.Method
	}{
		{"client_auth", w.Method, &p.ClientAuth}, {"revocation_auth", w.RevocationMethod, &p.RevocationAuth},
		{"introspection_auth", w.IntrospectMethod, &p.IntrospectionAuth},
	} {
		renamed := w.set[stage.member] && stage.name != methodName(*stage.method)
		if renamed {
			method, err := methodNamed(stage.name)
			if err != nil {
				return fmt.Errorf("%s: %w", w.called(stage.member), err)
			}
			*stage.method = method
		}
		if !renamed && !changed {
			continue // with what else Go has set of it
		}
		uses, err := c.giveTo(stage.method, w)
		if err != nil {
			return fmt.Errorf("%s: %w", w.called(stage.member), err)
		}
		unused = slices.DeleteFunc(unused, func(member string) bool { return slices.Contains(uses, member) })
	}
	if len(unused) > 0 {
		return fmt.Errorf("%s is set, but no method uses it; set %s to the one that it is for, such as %s",
			w.called(unused[0]), w.called("client_auth"), methodFor(unused[0]))
	}
	return w.decryptionOver(p)
}

func methodFor(member string) string {
	if member == "client_certificate" {
		return clientauth.TLS{}.Name()
	}
	return clientauth.PrivateKeyJWT{}.Name()
}

// credentialOf is what p's methods hold already.
func credentialOf(p *Provider) *credential {
	c := &credential{}
	for _, method := range []clientauth.Method{p.ClientAuth, p.RevocationAuth, p.IntrospectionAuth} {
		switch m := valueOf(method).(type) {
		case clientauth.PrivateKeyJWT:
			if c.len() == 0 {
				c.keyList = listOf(m.Keys)
			}
			c.audience, c.typ = cmp.Or(c.audience, m.Audience), cmp.Or(c.typ, m.Type)
		case clientauth.TLS:
			if c.chain == nil {
				c.chain = m.Certificate.Certificate
			}
			if len(c.keys) == 0 && m.Certificate.PrivateKey != nil {
				c.keys = []crypto.PrivateKey{m.Certificate.PrivateKey}
			}
		case clientauth.SecretJWT:
			c.audience, c.typ = cmp.Or(c.audience, m.Audience), cmp.Or(c.typ, m.Type)
		}
	}
	return c
}

// valueOf is the method that a pointer points to.
func valueOf(m clientauth.Method) clientauth.Method {
	switch m := m.(type) {
	case *clientauth.PrivateKeyJWT:
		if m != nil {
			return *m
		}
	case *clientauth.TLS:
		if m != nil {
			return *m
		}
	case *clientauth.SecretJWT:
		if m != nil {
			return *m
		}
	}
	return m
}

// read takes what is set.
func (c *credential) read(w *written) (err error) {
	if w.set["client_certificate"] {
		if c.chain, err = parseChain(w.ClientCertificate); err != nil {
			return fmt.Errorf("%s: %w", w.called("client_certificate"), err)
		}
	}
	if w.set["client_assertion_audience"] {
		c.audience = w.AssertionAudience
	}
	if w.set["client_assertion_typ"] {
		c.typ = w.AssertionTyp
	}
	if w.set["client_key_id"] {
		c.ids = w.ClientKeyID
	}
	if w.set["client_key_alg"] {
		c.algs = w.ClientKeyAlg
	}
	if w.set["client_key"] {
		if c.keys, err = parseKeys(w.ClientKey); err != nil {
			return fmt.Errorf("%s: %w", w.called("client_key"), err)
		}
	}
	return c.check("client_key", w.called)
}

// giveTo puts the credential into a method that has one, and says which members it used.
func (c *credential) giveTo(method *clientauth.Method, w *written) (uses []string, err error) {
	switch m := valueOf(*method).(type) {
	case clientauth.PrivateKeyJWT:
		m.Keys, m.Audience, m.Type = c.clientKeys(), c.audience, c.typ
		*method = m
		return []string{"client_key", "client_key_id", "client_key_alg", "client_assertion_audience", "client_assertion_typ"}, nil
	case clientauth.SecretJWT:
		m.Audience, m.Type = c.audience, c.typ
		if w.set["client_key_alg"] {
			m.Alg = at(w.ClientKeyAlg, 0)
		}
		if len(w.ClientKeyAlg) > 1 {
			return nil, fmt.Errorf("%s has several algorithms; give the one that the secret is used with", w.called("client_key_alg"))
		}
		*method = m
		return []string{"client_key_alg", "client_assertion_audience", "client_assertion_typ"}, nil
	case clientauth.TLS:
		if len(c.keys) > 1 {
			return nil, fmt.Errorf("%s has several keys; give the one that belongs to the certificate", w.called("client_key"))
		}
		m.Certificate, m.GetCertificate = tls.Certificate{Certificate: c.chain}, nil
		if len(c.keys) == 1 {
			m.Certificate.PrivateKey = c.keys[0]
		}
		*method = m
		return []string{"client_key", "client_certificate"}, nil
	}
	return nil, nil
}

// decryptionOver does for DecryptionKeys what authOver does for the methods.
func (w *written) decryptionOver(p *Provider) (err error) {
	var l keyList
	for _, key := range p.DecryptionKeys {
		l.keys, l.ids = append(l.keys, key.Key), append(l.ids, key.ID)
	}
	l.forgetEmpty()
	if w.set["decryption_key_id"] {
		l.ids = w.DecryptionKeyID
	}
	if w.set["decryption_key"] {
		if l.keys, err = parseKeys(w.DecryptionKey); err != nil {
			return fmt.Errorf("%s: %w", w.called("decryption_key"), err)
		}
	}
	if !w.set["decryption_key"] && !w.set["decryption_key_id"] {
		return nil
	}
	p.DecryptionKeys = nil
	for i := range l.len() {
		p.DecryptionKeys = append(p.DecryptionKeys, DecryptionKey{ID: at(l.ids, i), Key: at(l.keys, i)})
	}
	return l.check("decryption_key", w.called)
}

// writeAuth is what authOver reads, without the keys.
func (p *Provider) writeAuth() writtenAuth {
	c := credentialOf(p)
	w := writtenAuth{
		Method: methodName(p.ClientAuth), RevocationMethod: methodName(p.RevocationAuth), IntrospectMethod: methodName(p.IntrospectionAuth),
		ClientKeyID: c.ids, ClientKeyAlg: c.algs, ClientCertificate: writeChain(c.chain), AssertionAudience: c.audience, AssertionTyp: c.typ,
	}
	if m, ok := valueOf(p.ClientAuth).(clientauth.SecretJWT); ok && m.Alg != "" && len(c.algs) == 0 {
		w.ClientKeyAlg = oneOrMore{m.Alg}
	}
	for _, key := range p.DecryptionKeys {
		w.DecryptionKeyID = append(w.DecryptionKeyID, key.ID)
	}
	if strings.Join(w.DecryptionKeyID, "") == "" {
		w.DecryptionKeyID = nil
	}
	return w
}

// checkKeys tells of what has been loaded by half: an ID or an algorithm whose key did not
// come after it.
func (p *Provider) checkKeys(*Registry) error {
	for _, auth := range []struct {
		field  string
		method clientauth.Method
	}{{"ClientAuth", p.ClientAuth}, {"RevocationAuth", p.RevocationAuth}, {"IntrospectionAuth", p.IntrospectionAuth}} {
		m, ok := valueOf(auth.method).(clientauth.PrivateKeyJWT)
		if !ok {
			continue
		}
		if i := slices.IndexFunc(m.Keys, func(key clientauth.Key) bool { return key.Signer == nil }); i >= 0 {
			return fmt.Errorf("%s is private_key_jwt, whose key %d of %d, with the ID %q, has no Signer; in JSON set client_key, and in the environment CLIENT_KEY",
				auth.field, i+1, len(m.Keys), clip(m.Keys[i].ID, maxName))
		}
	}
	return nil
}
