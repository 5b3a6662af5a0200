package oidc

import (
	"context"
	"errors"
	"slices"
	"time"
)

// ErrSubjectChanged is wrapped, with [ErrIDToken], where a refresh brought a
// rightly signed ID token for another user. The refreshed tokens are somebody
// else's: drop them, and end the login.
var ErrSubjectChanged = errors.New("the refreshed token is for another subject")

// VerifyRefreshed checks an ID token that came with a refresh, as
// [VerifyIDToken] does, and against the original one (OpenID Connect Core 1.0,
// section 12.2). Of e it does not use Nonce, MaxAge and ACR: a refreshed token
// needs no nonce, and the user did not sign in again.
func VerifyRefreshed(ctx context.Context, raw string, keys KeySource, e *Expect, original *IDToken) (*IDToken, error) {
	refreshed := *e
	refreshed.Nonce, refreshed.NonceIfPresent = original.Nonce, true
	refreshed.MaxAge, refreshed.ACR = nil, nil
	token, err := VerifyIDToken(ctx, raw, keys, &refreshed)
	if err != nil {
		return nil, err
	}
	if err := token.checkSuccession(original, e.skew()); err != nil {
		return nil, invalid(err)
	}
	return token, nil
}

func (t *IDToken) checkSuccession(original *IDToken, skew time.Duration) error {
	switch {
	case t.Issuer != original.Issuer:
		return errors.New("iss is not that of the original token")
	case t.Subject != original.Subject:
		return ErrSubjectChanged
	case t.AZP != original.AZP:
		return errors.New("azp is not that of the original token")
	case t.IssuedAt.Before(original.IssuedAt.Add(-skew)):
		return errors.New("iat is before that of the original token")
	}
	for _, aud := range original.Audience {
		if !slices.Contains(t.Audience, aud) {
			return errors.New("aud lacks a value of the original token")
		}
	}
	return nil
}
