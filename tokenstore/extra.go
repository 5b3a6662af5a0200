package tokenstore

import (
	"time"

	"golang.org/x/oauth2"
)

// An Extra is what a store keeps of a token beside the exported fields of
// [oauth2.Token], which forgets it on its way through JSON or a row.
//
//	extra := tokenstore.ExtraOf(token)          // on the way in
//	token = extra.Put(&oauth2.Token{...})       // on the way out
type Extra struct {
	// Scope is what was granted, with spaces between (RFC 6749 section 3.3).
	// signon's RequireScopes lets nobody in without it.
	Scope string

	// IDToken is the ID token that came with the token, or the newest since
	// (OpenID Connect Core section 2): a refresh is compared with it.
	IDToken string

	// Version says which writing of the row this is: a random number, another at
	// each write. It is part of what a sealed token is bound to.
	Version int64

	// Until is when the login ends that owns the token, to the second, and nobody
	// needs it any more. Zero: the token is a user's, and stays until it is revoked.
	Until time.Time
}

// The names of an Extra's parts, as [oauth2.Token.Extra] knows them.
const (
	extraScope   = "scope"
	extraIDToken = "id_token"
	extraVersion = "signon_version"
	extraUntil   = "signon_until"
)

// ExtraOf returns what a store keeps of token beside its fields. What is not there,
// or of another type, is zero.
func ExtraOf(token *oauth2.Token) (e Extra) {
	if token == nil {
		return e
	}
	e.Scope, _ = token.Extra(extraScope).(string)
	e.IDToken, _ = token.Extra(extraIDToken).(string)
	e.Version, _ = token.Extra(extraVersion).(int64)
	if until, _ := token.Extra(extraUntil).(int64); until != 0 {
		e.Until = time.Unix(until, 0).UTC()
	}
	return e
}

// Put returns a copy of token with e as its extras, and no others.
func (e Extra) Put(token *oauth2.Token) *oauth2.Token {
	return token.WithExtra(e.members())
}

func (e Extra) members() map[string]any {
	m := make(map[string]any, 4)
	if e.Scope != "" {
		m[extraScope] = e.Scope
	}
	if e.IDToken != "" {
		m[extraIDToken] = e.IDToken
	}
	if e.Version != 0 {
		m[extraVersion] = e.Version
	}
	if !e.Until.IsZero() {
		m[extraUntil] = e.Until.Unix()
	}
	return m
}
