package jose

import (
	"crypto"
	"crypto/aes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v3/jwe/jwebb"
)

// ErrDecrypt is returned for every token that does not decrypt, whatever the reason:
// which step has failed would help somebody to guess (RFC 7516 section 11.5). It is wrapped
// where the header is for no key that is here, and no step was taken.
var ErrDecrypt = errors.New("jose: the token does not decrypt with any of the keys that fit it")

// MaxDecryptionKeys is how many keys of one algorithm a [Decrypter] may have, and so how
// many it tries where the token names none.
const MaxDecryptionKeys = 4

// EncryptionAlgs are the algorithms of [NewDecrypter]: those of RFC 7518 section 4 whose
// key is not shared with the sender. RSA1_5 is not one of them, for its padding can be
// guessed, nor is what takes its key from a password.
func EncryptionAlgs() []string {
	return []string{"RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW"}
}

// A DecryptionKey opens tokens: an *rsa.PrivateKey for RSA-OAEP, an *ecdsa.PrivateKey
// on P-256, P-384 or P-521 for ECDH-ES.
type DecryptionKey struct {
	ID      string // kid; "": it opens whatever names no key that is here
	Private crypto.PrivateKey
}

// Fits reports whether the key is one for an algorithm, or why it is one for none.
func (k DecryptionKey) Fits(alg string) (bool, error) {
	own, err := newPrivateKey(k)
	if err != nil {
		return false, err
	}
	return own.fits(alg), nil
}

// A Decrypter opens JSON Web Encryptions (RFC 7516) of one algorithm. It does not change.
type Decrypter struct {
	alg  string
	keys []*privateKey
}

// NewDecrypter takes the keys that fit alg, copies them, and tries each. At least one
// has to fit, and at most [MaxDecryptionKeys].
func NewDecrypter(alg string, keys []DecryptionKey) (*Decrypter, error) {
	if !slices.Contains(EncryptionAlgs(), alg) {
		return nil, fmt.Errorf("jose: the algorithm %.40q does not encrypt keys; expected one of %s", alg, strings.Join(EncryptionAlgs(), ", "))
	}
	d := &Decrypter{alg: alg}
	for _, k := range keys {
		own, err := newPrivateKey(k)
		if err != nil {
			return nil, err
		}
		if own.fits(alg) {
			d.keys = append(d.keys, own)
		}
	}
	if n := len(d.keys); n == 0 || n > MaxDecryptionKeys {
		return nil, fmt.Errorf("jose: %d of the keys fit %s, expected 1 to %d", n, alg, MaxDecryptionKeys)
	}
	return d, d.try()
}

// try has each key open what was encrypted to it.
func (d *Decrypter) try() error {
	for _, k := range d.keys {
		token, err := Encrypt(d.alg, "A256GCM", k.public, nil, []byte("a test"))
		if err != nil {
			return err
		}
		one := &Decrypter{alg: d.alg, keys: []*privateKey{k}}
		if got, _, err := one.Decrypt(token); err != nil || string(got) != "a test" {
			return fmt.Errorf("jose: the decryption key %.40q does not open what is encrypted to it by %s", k.id, d.alg)
		}
	}
	return nil
}

// Alg is the algorithm.
func (d *Decrypter) Alg() string { return d.alg }

// Decrypt opens token, and returns what is inside with its content type, the header's
// cty. The header must name the decrypter's algorithm, and an AES encryption of the
// content; it must not be compressed, and have no extension.
//
// A kid chooses the key. Without one, or where none has that name but some have none,
// each of those is tried.
//
// Everybody can encrypt: what is inside is as little to be trusted as the token was.
func (d *Decrypter) Decrypt(token string) (plain []byte, cty string, err error) {
	e, err := parseEncrypted(token)
	if err != nil {
		return nil, "", err
	}
	if e.alg != d.alg {
		return nil, "", fmt.Errorf("jose: the token is encrypted by %.40q, expected %q", e.alg, d.alg)
	}
	if strings.HasPrefix(d.alg, "ECDH") && e.epk == nil {
		return nil, "", errors.New("jose: the header of the encrypted token has no epk")
	}
	if direct := d.alg == "ECDH-ES"; direct != (len(e.key) == 0) { // RFC 7516 section 5.2, step 10
		return nil, "", fmt.Errorf("jose: the encrypted key has %d bytes, which %s cannot have", len(e.key), d.alg)
	}
	keys := d.choose(e)
	for _, k := range keys {
		if plain, ok := k.open(e); ok {
			return plain, e.cty, nil
		}
	}
	if len(keys) == 0 {
		return nil, "", d.unknownKey(e)
	}
	return nil, "", ErrDecrypt
}

// unknownKey says which keys there are where none was tried: the header, which anybody can
// read, has said so much already.
func (d *Decrypter) unknownKey(e *encrypted) error {
	label := func(kid, crv string) string {
		if crv != "" {
			return fmt.Sprintf("%.40q on %s", kid, crv)
		}
		return fmt.Sprintf("%.40q", kid)
	}
	var ours []string
	for _, k := range d.keys {
		ours = append(ours, label(k.id, k.crv))
	}
	return fmt.Errorf("%w: it is for the kid %s, and the keys for %s here are %s; give one the ID by which the provider knows it, or register it there",
		ErrDecrypt, label(e.kid, e.crv), d.alg, strings.Join(ours, ", "))
}

func (d *Decrypter) choose(e *encrypted) []*privateKey {
	var named, nameless []*privateKey
	for _, k := range d.keys {
		switch {
		case e.epk != nil && k.crv != e.crv:
		case e.kid == "" || k.id == e.kid:
			named = append(named, k)
		case k.id == "":
			nameless = append(nameless, k)
		}
	}
	if named != nil {
		return named
	}
	return nameless
}

type privateKey struct {
	id     string
	public crypto.PublicKey
	rsa    *rsa.PrivateKey
	ecdh   *ecdh.PrivateKey
	crv    string
}

// newPrivateKey makes a copy of its own, which nobody else can change.
func newPrivateKey(k DecryptionKey) (*privateKey, error) {
	own := &privateKey{id: k.ID}
	switch key := k.Private.(type) {
	case *rsa.PrivateKey:
		if key == nil || key.N == nil {
			break
		}
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return nil, fmt.Errorf("jose: the decryption key %.40q is of RSA with %d bits, expected %d to %d", k.ID, bits, minRSABits, maxRSABits)
		}
		own.rsa, _ = copyKey(key)
		if own.rsa != nil {
			own.public = &own.rsa.PublicKey
			return own, nil
		}
		return nil, fmt.Errorf("jose: the decryption key %.40q is no valid key of RSA", k.ID)
	case *ecdsa.PrivateKey:
		if key == nil || key.Curve == nil {
			break
		}
		copied, ok := copyKey(key)
		// The copy's public half is that of its private one, which the given key's need not be.
		if curve, _ := ecdhCurve(key.Curve.Params().Name); !ok || curve == nil || !copied.PublicKey.Equal(&key.PublicKey) {
			return nil, fmt.Errorf("jose: the decryption key %.40q is no valid key on P-256, P-384 or P-521", k.ID)
		}
		own.ecdh, _ = copied.ECDH()
		own.public, own.crv = &copied.PublicKey, key.Curve.Params().Name
		return own, nil
	}
	return nil, fmt.Errorf("jose: the decryption key %.40q is a %T, expected an *rsa.PrivateKey or an *ecdsa.PrivateKey", k.ID, k.Private)
}

// copyKey also refuses a key whose parts do not belong together.
func copyKey[K any](key K) (own K, ok bool) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return own, false
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return own, false
	}
	own, ok = parsed.(K)
	return own, ok
}

func (k *privateKey) fits(alg string) bool {
	return (k.rsa != nil) == strings.HasPrefix(alg, "RSA-OAEP")
}

// open goes on with a random key where there is none, so that the way to the failure is
// the same, whatever was wrong (RFC 7516 section 11.5).
func (k *privateKey) open(e *encrypted) (plain []byte, ok bool) {
	cipher, err := jwebb.CreateContentCipher(e.enc)
	if err != nil {
		return nil, false
	}
	random := make([]byte, cipher.KeySize())
	_, _ = rand.Read(random) // never fails
	key, err := k.contentKey(e, len(random))
	if err != nil || len(key) != len(random) {
		key = random
	}
	plain, err = cipher.Decrypt(key, e.iv, e.ciphertext, e.tag, e.aad)
	return plain, err == nil && len(plain) > 0 && e.padded(len(plain))
}

// padded reports whether the padding has a length of RFC 7518 section 5.2.2.1, for jwx
// takes none, or 255 bytes.
func (e *encrypted) padded(plain int) bool {
	padding := len(e.ciphertext) - plain
	return !strings.Contains(e.enc, "CBC") || 1 <= padding && padding <= aes.BlockSize
}

// wrapOverhead is by how many bytes a key grows that is wrapped (RFC 3394 section 2.2.1).
const wrapOverhead = 8

func (k *privateKey) contentKey(e *encrypted, size int) ([]byte, error) {
	if k.rsa != nil {
		return jwebb.KeyDecryptRSAOAEP(nil, e.key, e.alg, k.rsa)
	}
	id, bytes, wraps, err := jwebb.KeyEncryptionECDHESKeySize(e.alg, e.enc)
	if err != nil {
		return nil, err
	}
	if !wraps {
		return jwebb.DeriveECDHES(id, e.apu, e.apv, k.ecdh, e.epk, bytes)
	}
	if len(e.key) != size+wrapOverhead { // jwx unwraps what is as long as the token
		return nil, ErrDecrypt
	}
	return jwebb.KeyDecryptECDHESKeyWrap(nil, e.key, id, e.apu, e.apv, k.ecdh, e.epk, bytes)
}
