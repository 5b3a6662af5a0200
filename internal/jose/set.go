package jose

import (
	"crypto"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

var (
	// ErrUnknownKey is returned by [Set.Find] where no key fits. The set may
	// be older than the token.
	ErrUnknownKey = errors.New("jose: no key of the set fits the token")

	// ErrAmbiguousKey is returned by [Set.Find] where several keys fit. Trying
	// them in turn would let a token choose.
	ErrAmbiguousKey = errors.New("jose: more than one key of the set fits the token")

	// ErrKeyIssuer is returned by [Set.FindOf] where a key fits, but is another issuer's.
	ErrKeyIssuer = errors.New("jose: the key that fits the token is for tokens of another issuer")
)

// Set holds the usable keys of one provider. It does not change.
type Set struct {
	keys    []*Key
	skipped []error
}

// ParseSet reads a JSON Web Key Set (RFC 7517, section 5). Each key is judged
// on its own: one that is broken, unknown, weak, private, symmetric or not for
// signatures is skipped, and the rest is used. A set may be empty.
func ParseSet(data []byte) (*Set, error) {
	var found bool
	var keys []jsontext.Value
	err := Members(data, func(name string, value Value) error {
		if name != "keys" {
			return nil
		}
		found = true
		if json.Unmarshal([]byte(value), &keys) != nil || value[0] != '[' {
			return errors.New(`jose: "keys" of the key set is not an array`)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, errors.New(`jose: expected a key set with a member "keys"`)
	}
	s := new(Set)
	for _, data := range keys {
		k, err := parseKey(data)
		if err != nil {
			s.skipped = append(s.skipped, err)
			continue
		}
		s.keys = append(s.keys, k)
	}
	return s, nil
}

// Len returns the number of usable keys.
func (s *Set) Len() int { return len(s.keys) }

// Skipped says of each unusable key why it is not used.
func (s *Set) Skipped() []error { return s.skipped }

// Find returns the one key for a signature of alg under the key id kid, by
// type, curve, alg and kid, so that keys which only share the kid are told
// apart. Without kid it returns the only key that fits (OpenID Connect Core
// 1.0, section 10.1).
func (s *Set) Find(alg, kid string) (*Key, error) {
	return s.FindOf(alg, kid, func(string) bool { return true })
}

// FindOf is [Set.Find] among the keys whose Issuer is one that of lets through.
func (s *Set) FindOf(alg, kid string, of func(issuer string) bool) (*Key, error) {
	var found *Key
	foreign := false
	for _, k := range s.keys {
		if kid != "" && k.ID != kid || !k.fits(alg) {
			continue
		}
		if !of(k.Issuer) {
			foreign = true
			continue
		}
		if found != nil && !found.equal(k) {
			return nil, fmt.Errorf("%w: algorithm %.40q, kid %.40q", ErrAmbiguousKey, alg, kid)
		}
		found = k
	}
	if found == nil && foreign {
		return nil, fmt.Errorf("%w: algorithm %.40q, kid %.40q", ErrKeyIssuer, alg, kid)
	}
	if found == nil {
		return nil, fmt.Errorf("%w: algorithm %.40q, kid %.40q", ErrUnknownKey, alg, kid)
	}
	return found, nil
}

// equal is true of a key that was published twice, as for two uses.
func (k *Key) equal(other *Key) bool {
	public, ok := k.Public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(other.Public)
}
