// Package tokenstore keeps the tokens of users at providers: [Key] says whose
// token is meant, [Memory] is a store for one process.
//
//	var tokens tokenstore.Memory
//	key := tokenstore.Key{Provider: "github", Owner: "user-42"}
//	err := tokens.SaveToken(ctx, key, token)
//	token, err = tokens.FetchToken(ctx, key)
//
// Package tokengorm is a store for many processes, over a database. A store of your
// own needs the four methods of signon.TokenStore, and is better a [Leaser] and a
// [Lister] too; package tokentest checks it.
package tokenstore

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

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

// MaxKeySize is the greatest length of each part of a [Key], in bytes: as much as
// every database can index.
const MaxKeySize = 255

// Check returns an error if a part of the key is empty, longer than [MaxKeySize], no
// UTF-8, or has a NUL, which not every database stores: an owner that nobody set must
// not become one that everybody shares, nor one that is cut become another. Every
// store refuses such a key.
func (k Key) Check() error {
	if err := checkPart("provider", k.Provider); err != nil {
		return err
	}
	return checkPart("owner", k.Owner)
}

func checkPart(name, value string) error {
	switch {
	case value == "":
		return fmt.Errorf("tokenstore: the %s is empty", name)
	case len(value) > MaxKeySize:
		return fmt.Errorf("tokenstore: the %s is %d bytes long, want %d at most", name, len(value), MaxKeySize)
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		return fmt.Errorf("tokenstore: the %s %q is no UTF-8 or has a NUL", name, value)
	}
	return nil
}

// Same reports whether a and b are one token: of equal access and refresh token.
// By it a store compares what it holds with the token that its caller knows. A
// nil token is no token's same.
func Same(a, b *oauth2.Token) bool {
	return a != nil && b != nil && a.AccessToken == b.AccessToken && a.RefreshToken == b.RefreshToken
}
