package signontest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"fmt"
	"strings"
	"sync"

	"github.com/seed1a301047/signon"
)

// A decryptionKey is a key of the client's that the provider has made for it.
type decryptionKey struct {
	id  string
	key crypto.Signer
}

var sharedDecryptionRSA = sync.OnceValue(func() crypto.Signer { return newKey("RS256") })

// withOwnKey fills in what an [Encryption] leaves out. It panics for what makes no
// sense: that is the test's own mistake.
func (p *Provider) withOwnKey(e Encryption) Encryption {
	if e.Alg == "" {
		return e
	}
	setDefault(&e.Enc, "A128CBC-HS256")
	if e.Key == nil {
		own := p.decryptionKey(e.Alg)
		e.Key, e.KeyID = own.key.Public(), own.id
	}
	_, isRSA := e.Key.(*rsa.PublicKey)
	_, isEC := e.Key.(*ecdsa.PublicKey)
	_, agrees := wrapSizes[e.Alg]
	wraps := e.Alg == "RSA-OAEP" || e.Alg == "RSA-OAEP-256"
	if keySizes[e.Enc] == 0 || !(isRSA && wraps || isEC && agrees) {
		panic(fmt.Sprintf("signontest: no encryption by %q and %q to a key of %T", e.Alg, e.Enc, e.Key))
	}
	return e
}

// decryptionKey makes the client's key for an algorithm, once.
func (p *Provider) decryptionKey(alg string) decryptionKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	id, generate := "app-enc-ec", func() crypto.Signer { return newKey("ES256") }
	if strings.HasPrefix(alg, "RSA") {
		id, generate = "app-enc-rsa", sharedDecryptionRSA
	}
	for _, k := range p.decryption {
		if k.id == id {
			return k
		}
	}
	k := decryptionKey{id: id, key: generate()}
	p.decryption = append(p.decryption, k)
	return k
}

// clientDecryptionKeys are those that the provider has made for what it is configured
// to encrypt.
func (p *Provider) clientDecryptionKeys() []signon.DecryptionKey {
	var keys []signon.DecryptionKey
	seen := map[string]bool{}
	for _, e := range []Encryption{p.cfg.IDTokenEncryption, p.cfg.UserInfoEncryption} {
		if e.Alg == "" || e.Key != nil {
			continue
		}
		if own := p.decryptionKey(e.Alg); !seen[own.id] {
			seen[own.id] = true
			keys = append(keys, signon.DecryptionKey{ID: own.id, Key: own.key})
		}
	}
	return keys
}

// encryptIDToken encrypts a signed ID token as it is configured, or wrongly as a fault
// says.
func (p *Provider) encryptIDToken(signed string) string {
	header := map[string]any{"cty": "JWT"} // RFC 7519 section 5.2: nested
	payload := []byte(signed)
	switch {
	case p.fires(PlainIDToken), p.idTokenEncryption.Alg == "" && !p.fires(EncryptedIDToken):
		return signed
	case p.fires(UnsignedJWE):
		header, payload = nil, claimsOf(signed)
	case p.fires(NestedJWE):
		payload = []byte(p.encrypted(header, payload))
	}
	return p.encrypted(header, payload)
}

// encrypted is Encrypt where a failure is seen by the test at once.
func (p *Provider) encrypted(header map[string]any, payload []byte) string {
	token, err := p.Encrypt(header, payload)
	if err != nil {
		return err.Error()
	}
	return token
}

// claimsOf is the payload of a JWS, or the whole of what is none.
func claimsOf(token string) []byte {
	if parts := strings.Split(token, "."); len(parts) == 3 {
		if raw, err := unb64(parts[1]); err == nil {
			return raw
		}
	}
	return []byte(token)
}
