package signon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/internal/oauth"
)

// jwksLife is how long a provider may keep our keys: a new one must be known to it
// before it signs.
const jwksLife = "public, max-age=900"

// keySetLife is for how long the methods are not asked for their keys again.
const keySetLife = 5 * time.Second

// JWKSHandler publishes the client's public keys as a JSON Web Key Set (RFC 7517 section
// 5): those that ClientAuth signs with and those that DecryptionKeys open. Its URL is what
// the client is registered with as its jwks_uri. [Registry.Handler] has it at
// GET {Mount}/jwks/{provider}.
//
// An answer may be kept for 15 minutes, so a new key should stand behind the old one for
// that long before it is the first. What ClientAuth says is asked for once in five seconds
// at most. A client without keys answers with 404.
func (c *Client) JWKSHandler() http.Handler {
	return c.registry.handle(c, c.serveJWKS)
}

func (c *Client) serveJWKS(w http.ResponseWriter, r *http.Request) error {
	if err := checkMethod(r, http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	body, err := c.keySet(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", jwksLife)
	w.Header().Set("Content-Type", "application/jwk-set+json")
	_, _ = w.Write(body)
	return nil
}

// publishing is what a client's key set is made of.
type publishing struct {
	decryption []json.RawMessage // the public halves of DecryptionKeys; it does not change
	flights    singleflight.Group
	last       atomic.Pointer[keySet]
}

// A keySet is the answer to whoever asks for the keys, for a while. It does not change.
type keySet struct {
	body  []byte
	err   error
	until time.Time
}

// keySet is the client's key set, or why there is none. Anybody may ask for it, and a
// method may have its keys far away, where each question costs: so it is asked once for
// all, and again after [keySetLife], whatever the answer was. No caller's context ends it.
func (c *Client) keySet(ctx context.Context) ([]byte, error) {
	if last := c.publishing.last.Load(); last != nil && time.Now().Before(last.until) {
		return last.body, last.err
	}
	flight := c.publishing.flights.DoChan("", func() (any, error) {
		if last := c.publishing.last.Load(); last != nil && time.Now().Before(last.until) {
			return last, nil // a caller who came as the last flight ended
		}
		ctx, cancel := context.WithTimeout(context.Background(), oauth.Timeout)
		defer cancel()
		set := new(keySet)
		set.body, set.err = c.makeKeySet(ctx)
		set.until = time.Now().Add(keySetLife)
		c.publishing.last.Store(set)
		return set, nil
	})
	select {
	case result := <-flight:
		set, _ := result.Val.(*keySet)
		return set.body, set.err
	case <-ctx.Done():
		return nil, callerLeft(ctx)
	}
}

func (c *Client) makeKeySet(ctx context.Context) ([]byte, error) {
	var keys []json.RawMessage
	for _, method := range c.authMethods() {
		publisher, ok := method.(clientauth.Publisher)
		if !ok {
			continue
		}
		some, err := published(ctx, publisher)
		if err != nil {
			return nil, applicationFault("the public keys of "+c.name, err)
		}
		keys = append(keys, some...)
	}
	keys = append(keys, c.publishing.decryption...)
	if len(keys) == 0 {
		return nil, fmt.Errorf("signon: %s has no keys to publish: its ClientAuth signs with none, and there are no DecryptionKeys: %w", c.name, ErrUnknownProvider)
	}
	if err := distinctIDs(keys); err != nil {
		return nil, fmt.Errorf("signon: %s: %w: %w", c.name, err, ErrInternal)
	}
	var once []json.RawMessage
	for _, key := range keys {
		same := func(other json.RawMessage) bool { return string(other) == string(key) }
		if !slices.ContainsFunc(once, same) {
			once = append(once, key)
		}
	}
	body, err := json.Marshal(map[string][]json.RawMessage{"keys": once})
	if err != nil {
		return nil, fmt.Errorf("signon: a public key is not JSON: %w", ErrInternal)
	}
	return body, nil
}

func (c *Client) authMethods() []clientauth.Method {
	return []clientauth.Method{c.p.ClientAuth, c.p.RevocationAuth, c.p.IntrospectionAuth}
}

// checkKeyIDs looks over the keys that the client has at registration, for each field has
// been checked by itself only. A method of the application's own is asked when its keys
// are: it need not have them yet.
func (c *Client) checkKeyIDs() error {
	keys := c.publishing.decryption
	for _, method := range c.authMethods() {
		own, ok := method.(clientauth.PrivateKeyJWT)
		if !ok {
			continue
		}
		some, err := published(context.Background(), own)
		if err != nil {
			return err
		}
		keys = slices.Concat(keys, some)
	}
	return distinctIDs(keys)
}

// distinctIDs refuses one kid for two keys: a provider would encrypt to the one that signs,
// or verify with the wrong one (RFC 7517 section 4.5). For two uses of one key it is fine.
func distinctIDs(keys []json.RawMessage) error {
	type material struct{ Kty, Crv, X, Y, N, E, Pub string }
	seen := map[string]material{}
	for _, key := range keys {
		var members map[string]any
		if err := json.Unmarshal(key, &members); err != nil {
			return errors.New("a public key is not JSON")
		}
		text := func(name string) string { s, _ := members[name].(string); return s }
		m := material{text("kty"), text("crv"), text("x"), text("y"), text("n"), text("e"), text("pub")}
		kid := text("kid")
		if other, taken := seen[kid]; taken && kid != "" && other != m {
			return fmt.Errorf("two different keys have the ID %q, among those of DecryptionKeys, ClientAuth, RevocationAuth and IntrospectionAuth, which are published together; give each its own", clip(kid, 64))
		}
		seen[kid] = m
	}
	return nil
}

// published asks a method for its keys. It is watched as a hook is: they may be far away.
func published(ctx context.Context, p clientauth.Publisher) ([]json.RawMessage, error) {
	answer := make(chan []json.RawMessage, 1)
	err := oauth.Watch(ctx, func(ctx context.Context, answer chan []json.RawMessage) error {
		keys, err := p.PublicKeys(ctx)
		answer <- keys
		return err
	}, answer)
	if err != nil {
		return nil, err
	}
	var keys []json.RawMessage
	for _, key := range <-answer {
		key = slices.Clone(key) // what is checked must be what is published
		if err := checkPublic(key); err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// checkPublic refuses what is not the public half of a key: a method of the
// application's may have mistaken it.
func checkPublic(key json.RawMessage) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(key, &members); err != nil || members["kty"] == nil {
		return fmt.Errorf("PublicKeys returned something else than a JSON Web Key: %w", ErrInternal)
	}
	for _, private := range []string{"d", "k", "p", "q", "dp", "dq", "qi", "oth", "priv"} {
		if members[private] != nil {
			return fmt.Errorf("PublicKeys returned a private key, by its member %q; return its public half: %w", private, ErrInternal)
		}
	}
	return nil
}
