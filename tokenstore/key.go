// Package tokenstore keeps the tokens of users at providers: [Key] says whose
// token is meant, [Memory] is a store for one process.
//
//	var tokens tokenstore.Memory
//	key := tokenstore.Key{Provider: "github", Owner: "user-42"}
//	err := tokens.SaveToken(ctx, key, token)
//	token, err = tokens.FetchToken(ctx, key)
//
// A store of your own, over a database, needs the four methods of
// signon.TokenStore; package tokentest checks it.
package tokenstore

import (
	"errors"
	"fmt"

	"golang.org/x/oauth2"
)

var (
	// ErrNotFound: no token is stored at the key.
	ErrNotFound = errors.New("tokenstore: no token stored")
	// ErrConflict: another token is stored at the key than the caller thought. Read
	// it again: somebody has refreshed it, or signed in anew.
	ErrConflict = errors.New("tokenstore: the stored token is another one")
)

// A Key says whose token, at which provider. Both strings are compared byte by
// byte. A token is found by its key alone, never by what is in it: two owners may
// hold tokens of equal strings.
type Key struct {
	Provider string // the provider's name
	Owner    string // the application's user id, or the login's id where the login owns its token
}

// Check returns an error if a part of the key is empty: an owner that nobody set
// must not become one that everybody shares. Every store refuses such a key.
func (k Key) Check() error {
	switch {
	case k.Provider == "":
		return errors.New("tokenstore: the key has no provider")
	case k.Owner == "":
		return fmt.Errorf("tokenstore: the key has no owner (provider %q)", k.Provider)
	}
	return nil
}

// Same reports whether a and b are one token: of equal access and refresh token.
// By it a store compares what it holds with the token that its caller knows. A
// nil token is no token's same.
func Same(a, b *oauth2.Token) bool {
	return a != nil && b != nil && a.AccessToken == b.AccessToken && a.RefreshToken == b.RefreshToken
}
