package signon

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/internal/oauth"
)

// jwksLife is how long a provider may keep our keys: a new one must be known to it
// before it signs.
const jwksLife = "public, max-age=900"

// JWKSHandler publishes the client's public keys as a JSON Web Key Set (RFC 7517 section
// 5): those that ClientAuth signs with and those that DecryptionKeys open. Its URL is what
// the client is registered with as its jwks_uri. [Registry.Handler] has it at
// GET {Mount}/jwks/{provider}.
//
// An answer may be kept for 15 minutes, so a new key should stand behind the old one for
// that long before it is the first. A client without keys answers with 404.
func (c *Client) JWKSHandler() http.Handler {
	return c.registry.handle(c, c.serveJWKS)
}

func (c *Client) serveJWKS(w http.ResponseWriter, r *http.Request) error {
	if err := checkMethod(r, http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	keys, err := c.publicKeys(r.Context())
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return fmt.Errorf("signon: %s has no keys to publish: its ClientAuth signs with none, and there are no DecryptionKeys: %w", c.name, ErrUnknownProvider)
	}
	body, err := json.Marshal(map[string][]json.RawMessage{"keys": keys})
	if err != nil {
		return fmt.Errorf("signon: a public key is not JSON: %w", ErrInternal)
	}
	w.Header().Set("Cache-Control", jwksLife)
	w.Header().Set("Content-Type", "application/jwk-set+json")
	_, _ = w.Write(body)
	return nil
}

// publicKeys are all keys of the client that a provider has to know, each once.
func (c *Client) publicKeys(ctx context.Context) ([]json.RawMessage, error) {
	var keys []json.RawMessage
	for _, method := range []clientauth.Method{c.p.ClientAuth, c.p.RevocationAuth, c.p.IntrospectionAuth} {
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
	some, err := c.p.publicDecryptionKeys()
	if err != nil {
		return nil, applicationFault("the public keys of "+c.name, err)
	}
	var once []json.RawMessage
	for _, key := range append(keys, some...) {
		same := func(other json.RawMessage) bool { return string(other) == string(key) }
		if !slices.ContainsFunc(once, same) {
			once = append(once, key)
		}
	}
	return once, nil
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
	keys := <-answer
	for _, key := range keys {
		if err := checkPublic(key); err != nil {
			return nil, err
		}
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
