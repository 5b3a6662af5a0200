// Package seal keeps what Signon gives away out of other hands: cookies in a
// browser, tokens in a database. Nobody without the key reads, makes or changes
// a sealed text, or moves it to another place than it was sealed for.
//
//	ring, err := seal.New(keys, "login transaction")
//	...
//	value := ring.SealString(plaintext, []byte(cookieName))
//	plaintext, err := ring.OpenString(value, []byte(cookieName))
//
// # Format
//
//	version 1 | key id 4 | nonce 12 | ciphertext | tag 16        (bytes)
//
// AES-256-GCM with a random nonce and the full tag. The key and its id come by
// HKDF-SHA256 from one of the application's keys and the purpose, so that what
// is sealed for one purpose never opens for another. Each key seals at most 2^32
// texts safely (NIST SP 800-38D section 8.3): at a hundred a second, put a new
// key in front once a year.
package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// MinKeySize is the least length of a key, in bytes.
const MinKeySize = 32

const (
	version    = 1
	idSize     = 4
	headerSize = 1 + idSize
)

// Overhead is by how many bytes a sealed text is longer than its plaintext.
const Overhead = headerSize + 12 + 16

// ErrOpen is every failure to open: not sealed by us, changed, cut, sealed for
// something else, or with a key that the ring does not hold. Which of them it
// was would help an attacker only.
var ErrOpen = errors.New("seal: cannot open")

// A Ring seals with its first key and opens with all. It does not change, may be
// used by any number of goroutines at once, and does not print.
type Ring struct {
	keys []key
}

type key struct {
	header [headerSize]byte // version and id: what a text begins with that this key sealed
	aead   cipher.AEAD
}

// New derives a ring for purpose from the application's keys. The first seals,
// all open: a new key is put in front, and the old one removed when nothing that
// it sealed needs to be read. It is an error if there is no key, if one is
// shorter than [MinKeySize], a single repeated byte, or there twice, if two have the
// same id, or if purpose is empty. The keys are not kept.
func New(keys [][]byte, purpose string) (*Ring, error) {
	if len(keys) == 0 {
		return nil, errors.New("seal: no key: give at least one, of 32 random bytes")
	}
	if purpose == "" {
		return nil, errors.New("seal: no purpose")
	}
	r := &Ring{keys: make([]key, len(keys))}
	for i, secret := range keys {
		if err := checkKey(secret, keys[:i]); err != nil {
			return nil, fmt.Errorf("seal: key %d: %w", i, err)
		}
		k, err := derive(secret, purpose)
		if err != nil {
			return nil, fmt.Errorf("seal: key %d: %w", i, err)
		}
		r.keys[i] = k
		// One chance in four billion, and then nobody could say which of the two a
		// text needs.
		if j, _ := r.keyOf(k.header[:]); j < i {
			return nil, fmt.Errorf("seal: key %d: has by chance the id of key %d; make another", i, j)
		}
	}
	return r, nil
}

// Random returns a ring with one random key: what it seals opens in this process
// only, until it ends.
func Random(purpose string) (*Ring, error) {
	secret := make([]byte, MinKeySize)
	_, _ = rand.Read(secret) // never fails
	return New([][]byte{secret}, purpose)
}

// Seal appends to dst the sealed plaintext and returns the extended slice. The
// text opens with the same aad only: name in it everything that the text belongs
// to, such as a cookie's name. dst must not overlap the arguments.
func (r *Ring) Seal(dst, plaintext, aad []byte) []byte {
	k := &r.keys[0]
	dst = append(dst, k.header[:]...)
	return k.aead.Seal(dst, nil, plaintext, aad)
}

// Open appends to dst what was sealed with aad and returns the extended slice,
// or [ErrOpen]. dst must not overlap the arguments.
func (r *Ring) Open(dst, sealed, aad []byte) ([]byte, error) {
	if len(sealed) < Overhead {
		return nil, ErrOpen
	}
	header, body := sealed[:headerSize], sealed[headerSize:]
	for i := range r.keys {
		k := &r.keys[i]
		if !bytes.Equal(header, k.header[:]) {
			continue
		}
		plaintext, err := k.aead.Open(dst, nil, body, aad)
		if err != nil {
			return nil, ErrOpen
		}
		return plaintext, nil
	}
	return nil, ErrOpen
}

// KeyIDs returns the ids of the ring's keys, in their order: eight hexadecimal
// digits each, which say nothing about the key. They are other ones for another
// purpose.
func (r *Ring) KeyIDs() []string {
	ids := make([]string, len(r.keys))
	for i := range r.keys {
		ids[i] = hex.EncodeToString(r.keys[i].header[1:])
	}
	return ids
}

// keyOf is [Ring.KeyOf] for the header of a sealed text.
func (r *Ring) keyOf(header []byte) (index int, id string) {
	for i := range r.keys {
		if bytes.Equal(header, r.keys[i].header[:]) {
			return i, hex.EncodeToString(header[1:])
		}
	}
	return -1, hex.EncodeToString(header[1:])
}

// Format writes a fixed text, whatever the verb: %+v would print the keys.
func (*Ring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[seal.Ring]") }

func checkKey(secret []byte, before [][]byte) error {
	if len(secret) < MinKeySize {
		return fmt.Errorf("%d bytes long, want %d random bytes or more", len(secret), MinKeySize)
	}
	if bytes.Count(secret, secret[:1]) == len(secret) {
		return errors.New("one byte repeated, want random bytes")
	}
	for i, other := range before {
		if bytes.Equal(secret, other) {
			return fmt.Errorf("the same as key %d", i)
		}
	}
	return nil
}

// derive makes the AES key and its public id in one expansion: the id says
// nothing about the key.
func derive(secret []byte, purpose string) (key, error) {
	okm, err := hkdf.Key(sha256.New, secret, nil, "signon seal v1 "+purpose, 32+idSize)
	if err != nil {
		return key{}, err
	}
	block, err := aes.NewCipher(okm[:32])
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return key{}, err
	}
	k := key{aead: aead}
	k.header[0] = version
	copy(k.header[1:], okm[32:])
	return k, nil
}
