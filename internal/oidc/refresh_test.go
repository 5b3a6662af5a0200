package oidc_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/jose"
	"github.com/seed1a301047/signon/internal/oidc"
)

// RF-12
func TestVerifyRefreshed(t *testing.T) {
	op := newProvider(t, "EdDSA")
	other := newProvider(t, "EdDSA")
	now := time.Now().Unix()
	original := func(t *testing.T, c claims) *oidc.IDToken {
		t.Helper()
		token, err := oidc.Restore(op.sign(t, c))
		require.NoError(t, err)
		return token
	}
	old := op.claims().with("iat", now-300).with("exp", now-10)
	refreshed := op.claims().with("nonce", nothing)
	trusting := func(e *oidc.Expect) { e.TrustedAudiences = []string{"api"} }

	tests := []struct {
		name     string
		original claims
		raw      string
		expect   func(*oidc.Expect)
		want     error
	}{
		{"right", old, op.sign(t, refreshed), nil, nil},
		{"the same nonce", old, op.sign(t, refreshed.with("nonce", nonce)), nil, nil},
		{"another nonce", old, op.sign(t, refreshed.with("nonce", "x")), nil, oidc.ErrIDToken},
		{"a nonce where there was none", old.with("nonce", nothing), op.sign(t, refreshed.with("nonce", "")), nil, oidc.ErrIDToken},
		{"another sub", old, op.sign(t, refreshed.with("sub", "mallory")), nil, oidc.ErrSubjectChanged},
		{"sub in other case", old.with("sub", "ab"), op.sign(t, refreshed.with("sub", "AB")), nil, oidc.ErrSubjectChanged},
		{"another iss", old, op.sign(t, refreshed.with("iss", "https://evil.example")), nil, oidc.ErrIDToken},
		{"the issuer changed", old.with("iss", "https://old.example.com"), op.sign(t, refreshed), nil, oidc.ErrIDToken},
		{"another aud", old, op.sign(t, refreshed.with("aud", "other")), nil, oidc.ErrIDToken},
		{"fewer aud", old.with("aud", []string{clientID, "api"}), op.sign(t, refreshed), trusting, oidc.ErrIDToken},
		{"as many aud", old.with("aud", []string{clientID, "api"}), op.sign(t, refreshed.with("aud", []string{"api", clientID})), trusting, nil},
		{"azp appears", old, op.sign(t, refreshed.with("azp", clientID)), nil, oidc.ErrIDToken},
		{"azp goes", old.with("azp", clientID), op.sign(t, refreshed), nil, oidc.ErrIDToken},
		{"older iat", old, op.sign(t, refreshed.with("iat", now-400)), nil, oidc.ErrIDToken},
		{"iat within the tolerance", old, op.sign(t, refreshed.with("iat", now-330)), nil, nil},
		{"expired", old, op.sign(t, refreshed.with("exp", now-300)), nil, oidc.ErrIDToken},
		{"bad signature", old, flip(op.sign(t, refreshed), len(op.sign(t, refreshed))-20), nil, oidc.ErrIDToken},
		{"key of somebody else", old, other.sign(t, refreshed), nil, oidc.ErrIDToken},
		{"none", old, b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(refreshed.json(t))) + ".", nil, oidc.ErrIDToken},
		{"at_hash of another token", old, op.sign(t, refreshed.with("at_hash", halfHash("EdDSA", "x"))), nil, oidc.ErrIDToken},
		{"max_age and acr were of the login", old, op.sign(t, refreshed.with("acr", nothing).with("auth_time", 5)), func(e *oidc.Expect) {
			e.MaxAge, e.ACR = new(time.Duration), []string{"gold"}
		}, nil},
		{"c_hash without a code", old, op.sign(t, refreshed.with("c_hash", "x")), func(e *oidc.Expect) { e.Code = "" }, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := op.expect()
			if test.expect != nil {
				test.expect(e)
			}
			_, err := oidc.VerifyRefreshed(t.Context(), test.raw, op, e, original(t, test.original))
			if test.want == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, oidc.ErrIDToken)
			require.Equal(t, test.want == oidc.ErrSubjectChanged, errors.Is(err, oidc.ErrSubjectChanged))
		})
	}

	// Only a token of the provider's can end a login.
	_, err := oidc.VerifyRefreshed(t.Context(), other.sign(t, refreshed.with("sub", "mallory")), op, op.expect(), original(t, old))
	require.ErrorIs(t, err, jose.ErrSignature)
	require.NotErrorIs(t, err, oidc.ErrSubjectChanged)
}
