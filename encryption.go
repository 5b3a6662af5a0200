package signon

import (
	"crypto"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/seed1a301047/signon/internal/jose"
)

// A DecryptionKey opens what a provider encrypts to the application. It does not print.
type DecryptionKey struct {
	// ID is the kid by which a token names the key. If empty, the key is tried on
	// tokens that name none, or one that is not here.
	ID string

	// Key is an *rsa.PrivateKey of 2048 to 8192 bits for RSA-OAEP and RSA-OAEP-256, or
	// an *ecdsa.PrivateKey on P-256, P-384 or P-521 for the others. [Registry.Register]
	// copies it.
	Key crypto.PrivateKey
}

// Format writes the key's ID and nothing of the key, whatever the verb.
func (k DecryptionKey) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "signon.DecryptionKey(%q)", clip(k.ID, 64))
}

// LogValue shows the key's ID and nothing of the key.
func (k DecryptionKey) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", clip(k.ID, 64)), slog.String("key", redacted))
}

// MarshalJSON writes the key's ID and nothing of the key.
func (k DecryptionKey) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"id": k.ID, "key": redacted})
}

// encryptionAlgs are those of the two fields, without those that are empty.
func (p *Provider) encryptionAlgs() []string {
	algs := []string{p.IDTokenEncryptionAlg, p.UserInfoEncryptionAlg}
	return slices.DeleteFunc(algs, func(alg string) bool { return alg == "" })
}

// checkEncryption holds the keys and the algorithms against each other. Whether the keys
// work is tried by [Client.setDecrypters].
func (p *Provider) checkEncryption(*Registry) error {
	for field, alg := range map[string]string{"IDTokenEncryptionAlg": p.IDTokenEncryptionAlg, "UserInfoEncryptionAlg": p.UserInfoEncryptionAlg} {
		if alg != "" && !slices.Contains(jose.EncryptionAlgs(), alg) {
			return fmt.Errorf("%s %q; expected one of %s; register the application for it", field, clip(alg, 40), strings.Join(jose.EncryptionAlgs(), ", "))
		}
	}
	if err := p.checkUserInfoSigning(); err != nil {
		return err
	}
	if used := p.encryptionAlgs(); len(used) > 0 && !slices.Contains(p.Scopes, "openid") || p.UserInfoSigningAlg != "" && !slices.Contains(p.Scopes, "openid") {
		return fmt.Errorf("IDTokenEncryptionAlg, UserInfoSigningAlg or UserInfoEncryptionAlg is set without openid in Scopes; only an OpenID Provider signs or encrypts these; add it, or remove them")
	}
	return p.checkDecryptionKeys()
}

func (p *Provider) checkUserInfoSigning() error {
	switch alg := p.UserInfoSigningAlg; {
	case alg != "" && !slices.Contains(algorithms, alg):
		return fmt.Errorf("UserInfoSigningAlg %q; expected one of %s, or \"\" for none agreed on", clip(alg, 40), strings.Join(algorithms, ", "))
	case alg == "HS256" && len(p.ClientSecret) < jose.MinSecret:
		return fmt.Errorf("UserInfoSigningAlg is HS256, for which a ClientSecret of %d bytes is too short; expected %d or more (RFC 7518 section 3.2)", len(p.ClientSecret), jose.MinSecret)
	}
	return nil
}

func (p *Provider) checkDecryptionKeys() error {
	algs := p.encryptionAlgs()
	if len(p.DecryptionKeys) > 0 && len(algs) == 0 {
		return fmt.Errorf("DecryptionKeys is set, but nothing is to be encrypted; set IDTokenEncryptionAlg or UserInfoEncryptionAlg to what the application is registered with, or remove the keys")
	}
	seen := map[string]bool{}
	for _, k := range p.DecryptionKeys {
		if k.ID != "" && seen[k.ID] {
			return fmt.Errorf("DecryptionKeys has two keys with the ID %q; a token names one by it, so give each its own", clip(k.ID, 64))
		}
		seen[k.ID] = true
		if err := k.check(algs); err != nil {
			return err
		}
	}
	for _, alg := range algs {
		fit := 0
		for _, k := range p.DecryptionKeys {
			if ok, _ := k.internal().Fits(alg); ok {
				fit++
			}
		}
		if fit == 0 || fit > jose.MaxDecryptionKeys {
			return fmt.Errorf("DecryptionKeys has %d keys for %s; expected 1 to %d: an *rsa.PrivateKey for RSA-OAEP, an *ecdsa.PrivateKey for ECDH-ES", fit, alg, jose.MaxDecryptionKeys)
		}
	}
	return nil
}

// check refuses a key that is none, and one that nothing would use.
func (k DecryptionKey) check(algs []string) error {
	for _, alg := range algs {
		ok, err := k.internal().Fits(alg)
		if err != nil {
			return fmt.Errorf("DecryptionKeys: %w", err)
		}
		if ok {
			return nil
		}
	}
	return fmt.Errorf("DecryptionKeys has the key %q of type %T, which is for none of %s; remove it, or set the algorithm that it is for", clip(k.ID, 64), k.Key, strings.Join(algs, ", "))
}

func (k DecryptionKey) internal() jose.DecryptionKey {
	return jose.DecryptionKey{ID: k.ID, Private: k.Key}
}

// setDecrypters makes the keys ready, each of which has to open what is encrypted to it.
func (c *Client) setDecrypters() (err error) {
	var keys []jose.DecryptionKey
	for _, k := range c.p.DecryptionKeys {
		keys = append(keys, k.internal())
	}
	if alg := c.p.IDTokenEncryptionAlg; alg != "" {
		if c.idTokenDecrypter, err = jose.NewDecrypter(alg, keys); err != nil {
			return fmt.Errorf("DecryptionKeys: %w", err)
		}
	}
	if alg := c.p.UserInfoEncryptionAlg; alg != "" {
		if c.userInfoDecrypter, err = jose.NewDecrypter(alg, keys); err != nil {
			return fmt.Errorf("DecryptionKeys: %w", err)
		}
	}
	return c.setPublicKeys()
}

// setPublicKeys renders what the provider encrypts to, once: anybody may ask for it, and
// it takes the private keys, which are dropped then. The decrypters have copies of them, so
// that what becomes of the caller's is no matter here.
func (c *Client) setPublicKeys() (err error) {
	c.publishing.decryption, err = c.p.publicDecryptionKeys()
	c.p.DecryptionKeys = nil
	if err != nil {
		return err
	}
	return c.checkKeyIDs()
}

// publicDecryptionKeys are the keys that the provider encrypts to, as JSON Web Keys:
// each with use, with its kid, and with the alg that it is for where that is only one.
func (p *Provider) publicDecryptionKeys() ([]json.RawMessage, error) {
	var list []json.RawMessage
	for _, k := range p.DecryptionKeys {
		algs := slices.DeleteFunc(p.encryptionAlgs(), func(alg string) bool {
			ok, err := k.internal().Fits(alg)
			return !ok || err != nil
		})
		alg := ""
		if algs = slices.Compact(algs); len(algs) == 1 {
			alg = algs[0]
		}
		public, err := jose.PublicEncryptionJWK(k.internal(), alg)
		if err != nil {
			return nil, fmt.Errorf("DecryptionKeys: %w", err)
		}
		list = append(list, public)
	}
	return list, nil
}
