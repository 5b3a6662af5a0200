package oidc

import (
	"time"

	"github.com/seed1a301047/signon/internal/jose"
)

// Expect says what an ID token must be like. The zero value of an optional
// field is the strict choice.
type Expect struct {
	// Issuer is compared byte by byte. Where TenantIssuer is set, it contains
	// [Placeholder], which the token's claim tid takes the place of: one of Tenants, or
	// any if Tenants is nil.
	Issuer       string
	TenantIssuer bool
	Tenants      []string

	// Decrypter opens the tokens, which must be encrypted by its algorithm then. If nil,
	// they must not be encrypted.
	Decrypter *jose.Decrypter

	ClientID string

	// TrustedAudiences may stand in aud beside ClientID. Another audience makes
	// a token invalid.
	TrustedAudiences []string

	// AllowForeignAZP accepts an azp that is not ClientID, for providers with
	// an extension that says so.
	AllowForeignAZP bool

	// Algs are the accepted signature algorithms. HS256 takes Secret as key, if
	// it is among them.
	Algs   []string
	Secret []byte

	// Nonce is the nonce of the authentication request. It is required, unless
	// NonceIfPresent: then a token may have none.
	Nonce          string
	NonceIfPresent bool

	// AccessToken and Code came with the token. Its at_hash and c_hash, if
	// present, must be theirs. Without a Code, as at a refresh, c_hash is not
	// looked at; at_hash always is.
	AccessToken string
	Code        string

	// MaxAge is the max_age of the authentication request. If nil, auth_time is
	// not required.
	MaxAge *time.Duration

	// ACR lists the values of which acr must be one. If empty, any will do.
	ACR []string

	// Skew is how far the clocks may be apart: 60 seconds if 0, none if
	// negative, 5 minutes at most.
	Skew time.Duration

	// MaxIssuedAge is how long ago the token may have been issued: 10 minutes
	// if 0, without a bound if negative.
	MaxIssuedAge time.Duration
}

const (
	defaultSkew      = time.Minute
	maxSkew          = 5 * time.Minute
	defaultIssuedAge = 10 * time.Minute
)

func (e *Expect) skew() time.Duration {
	if e.Skew == 0 {
		return defaultSkew
	}
	return min(max(e.Skew, 0), maxSkew)
}
