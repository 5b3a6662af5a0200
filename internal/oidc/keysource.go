// Package oidc checks what an OpenID Provider says about a user: ID tokens,
// refreshed ID tokens, userinfo, and logout tokens. It does no I/O of its own; keys
// come from a [KeySource].
//
//	token, err := oidc.VerifyIDToken(ctx, raw, keys, &oidc.Expect{
//		Issuer:   "https://id.example.com",
//		ClientID: "app",
//		Algs:     []string{"RS256"},
//		Nonce:    nonce,
//	})
//	err = token.Claims(&profile)
//
// # One parse
//
// The claims that were checked and those that [IDToken.Claims] hands out are
// of the same bytes, read by the same rules: exact names, no name twice, valid
// UTF-8. An application never sees a claim that the checks did not see.
package oidc

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed1a301047/signon/internal/jose"
)

// KeySource holds the keys of one issuer. Its methods may be called at once
// from many goroutines.
type KeySource interface {
	// Keys returns the current key set.
	Keys(ctx context.Context) (*jose.Set, error)

	// Refresh fetches the key set again, because a token names a key that is
	// not in it. Where it has been asked too often it returns the current set.
	Refresh(ctx context.Context) (*jose.Set, error)
}

// verifySignature checks the signature of c with the issuer's keys, or with
// the client's secret for HS256. It asks for other keys at most once. What
// fails at the source is returned as such: that is no fault of the token.
//
// The issuer is that of the token: a key set of many tenants has keys of single ones.
func verifySignature(ctx context.Context, c *jose.Compact, keys KeySource, e *Expect, issuer string) error {
	alg := c.Header.Alg
	if alg == "HS256" {
		return jose.Verify(alg, e.Secret, c)
	}
	set, err := keys.Keys(ctx)
	if err != nil {
		return &sourceError{err}
	}
	of := e.signsFor(issuer)
	err = verifyWith(set, c, of)
	// Without a kid, a signature that does not verify is how a new key shows.
	rotated := c.Header.Kid == "" && errors.Is(err, jose.ErrSignature)
	if !rotated && !errors.Is(err, jose.ErrUnknownKey) {
		return err
	}
	fresh, err2 := keys.Refresh(ctx)
	if err2 != nil {
		return &sourceError{err2}
	}
	if fresh == set {
		return err
	}
	return verifyWith(fresh, c, of)
}

func verifyWith(set *jose.Set, c *jose.Compact, of func(issuer string) bool) error {
	key, err := set.FindOf(c.Header.Alg, c.Header.Kid, of)
	if err != nil {
		return err
	}
	return jose.Verify(c.Header.Alg, key.Public, c)
}

// sourceError marks an error of a [KeySource].
type sourceError struct{ err error }

func (e *sourceError) Error() string { return fmt.Sprintf("oidc: keys of the issuer: %v", e.err) }
func (e *sourceError) Unwrap() error { return e.err }
