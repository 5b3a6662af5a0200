package oidc_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/jose"
	"github.com/seed1a301047/signon/internal/oidc"
)

// TestKeys verifies one right token against many key sets.
func TestKeys(t *testing.T) {
	op, other := newProvider(t, "EdDSA"), newProvider(t, "EdDSA")
	ec := newSigner(t, "ES256")
	key := func(kid string) string { return publicJWK(t, op.signer, kid, "EdDSA") }
	foreign := func(kid string) string { return publicJWK(t, other.signer, kid, "EdDSA") }
	with := func(jwk, member string) string { return jwk[:len(jwk)-1] + "," + member + "}" }
	enc := func(jwk string) string { return strings.Replace(jwk, `"use":"sig"`, `"use":"enc"`, 1) }
	bare := func(kid string) string { return publicJWK(t, op.signer, kid, "") }

	tests := []struct {
		name      string
		kid       string
		set       []string // what there is
		fresh     []string // what Refresh brings; nil: the same
		refreshes int32
		ok        bool
	}{
		// ID-06
		{"no kid, one key", "", []string{key("k1")}, nil, 0, true},
		{"no kid, one key without", "", []string{bare("")}, nil, 0, true},
		{"no kid, two keys of one type", "", []string{key("k1"), foreign("k2")}, nil, 0, false},
		{"no kid, two keys of two types", "", []string{key("k1"), publicJWK(t, ec, "k2", "")}, nil, 0, true},
		{"no kid, one key twice", "", []string{key("k1"), key("k2")}, nil, 0, true},
		{"no kid, rotated", "", []string{foreign("k1")}, []string{key("k2")}, 1, true},
		// ID-07
		{"unknown kid", "k2", []string{key("k1")}, nil, 1, false},
		{"unknown kid, in vain", "k2", []string{key("k1")}, []string{key("k3")}, 1, false},
		{"key without kid", "k1", []string{bare("")}, nil, 1, false},
		// DI-10
		{"rotated, a new key", "k2", []string{foreign("k1")}, []string{foreign("k1"), key("k2")}, 1, true},
		{"rotated, the old key removed", "k1", []string{key("k1")}, []string{foreign("k2")}, 0, true},
		// DI-11
		{"no keys", "k1", []string{}, nil, 1, false},
		// ID-08
		{"decoy of another type", "k1", []string{publicJWK(t, ec, "k1", ""), key("k1")}, nil, 0, true},
		{"decoy for encryption", "k1", []string{enc(foreign("k1")), key("k1")}, nil, 0, true},
		{"decoy of the same type", "k1", []string{foreign("k1"), key("k1")}, nil, 0, false},
		// ID-10
		{"for encryption", "k1", []string{enc(key("k1"))}, nil, 1, false},
		{"not to verify with", "k1", []string{with(key("k1"), `"key_ops":["encrypt","wrapKey"]`)}, nil, 1, false},
		{"to verify with", "k1", []string{with(key("k1"), `"key_ops":["verify"]`)}, nil, 0, true},
		{"for another algorithm", "k1", []string{with(bare("k1"), `"alg":"ES256"`)}, nil, 1, false},
		// ID-44: the set is the issuer's own, and another issuer's key is not in it.
		{"key of another provider", "k1", []string{foreign("k1")}, nil, 0, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			keys := &provider{set: looseSet(t, test.set)}
			if test.fresh != nil {
				keys.fresh = looseSet(t, test.fresh)
			}
			header := map[string]any{}
			if test.kid != "" {
				header["kid"] = test.kid
			}
			raw := op.signAs(t, header, op.claims().json(t))
			requireVerdict(t, raw, keys, op.expect(), test.ok)
			require.Equal(t, test.refreshes, keys.refreshes.Load())
		})
	}
}

// TestKeySourceFails tells a fault of the network from one of the token.
func TestKeySourceFails(t *testing.T) {
	down := errors.New("down")
	op := newProvider(t, "EdDSA")
	raw := op.sign(t, op.claims())
	unknown := op.signAs(t, map[string]any{"kid": "k2"}, op.claims().json(t))
	for name, test := range map[string]struct {
		raw  string
		keys *provider
	}{
		"keys":    {raw, &provider{set: op.set, keysErr: down}},
		"refresh": {unknown, &provider{set: op.set, freshErr: down}},
		"gone":    {raw, &provider{set: op.set, keysErr: context.Canceled}},
	} {
		t.Run(name, func(t *testing.T) {
			want := test.keys.keysErr
			if want == nil {
				want = test.keys.freshErr
			}
			_, err := oidc.VerifyIDToken(t.Context(), test.raw, test.keys, op.expect())
			require.ErrorIs(t, err, want)
			require.NotErrorIs(t, err, oidc.ErrIDToken)
			require.ErrorContains(t, err, want.Error())
			_, err = oidc.VerifyUserInfoJWT(t.Context(), test.raw, test.keys, op.expect(), oidc.UserInfoOptions{Subject: subject})
			require.ErrorIs(t, err, want)
			require.NotErrorIs(t, err, oidc.ErrUserInfo)
		})
	}

	// A token that is wrong by its claims costs no request for keys.
	_, err := oidc.VerifyIDToken(t.Context(), op.signAs(t, map[string]any{"kid": "k2"}, op.claims().with("iss", "x").json(t)), op, op.expect())
	require.ErrorIs(t, err, oidc.ErrIDToken)
	require.Zero(t, op.refreshes.Load())
}

// looseSet makes a set of which keys may be unusable.
func looseSet(t *testing.T, keys []string) *jose.Set {
	t.Helper()
	set, err := jose.ParseSet([]byte(`{"keys":[` + strings.Join(keys, ",") + `]}`))
	require.NoError(t, err)
	return set
}
