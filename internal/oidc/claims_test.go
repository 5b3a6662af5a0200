package oidc_test

import (
	"encoding/json"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/oidc"
)

func TestDecodeClaims(t *testing.T) {
	const payload = `{"sub":"a","n":9007199254740993,"deep":{"list":[1.50,"x",null,true]},"email_verified":true}`

	// UI-07: numbers keep their digits.
	var m map[string]any
	require.NoError(t, oidc.DecodeClaims([]byte(payload), &m))
	require.Equal(t, map[string]any{
		"sub": "a", "n": json.Number("9007199254740993"), "email_verified": true,
		"deep": map[string]any{"list": []any{json.Number("1.50"), "x", nil, true}},
	}, m)
	var whole any
	require.NoError(t, oidc.DecodeClaims([]byte(payload), &whole))
	require.Equal(t, any(m), whole)

	var typed struct {
		Sub      string      `json:"sub"`
		Number   json.Number `json:"n"`
		Exact    int64       `json:"n2"`
		Verified bool        `json:"email_verified"`
	}
	require.NoError(t, oidc.DecodeClaims([]byte(payload), &typed))
	require.Equal(t, json.Number("9007199254740993"), typed.Number)
	require.True(t, typed.Verified)
	require.Zero(t, typed.Exact)

	// Names are exact.
	var upper struct {
		Sub string `json:"SUB"`
	}
	require.NoError(t, oidc.DecodeClaims([]byte(payload), &upper))
	require.Empty(t, upper.Sub)

	for name, payload := range map[string]string{
		"twice":         `{"sub":"a","sub":"b"}`,
		"invalid UTF-8": "{\"sub\":\"\xff\"}",
		"trailing":      `{"sub":"a"}{}`,
		"wrong type":    `{"sub":1}`,
		"number is not": `{"n":[1]}`,
	} {
		t.Run(name, func(t *testing.T) {
			require.Error(t, oidc.DecodeClaims([]byte(payload), &typed))
		})
	}
}

// ID-22: what the application decodes is what was verified.
func TestClaimsAreTheVerifiedOnes(t *testing.T) {
	op := newProvider(t, "EdDSA")
	token, err := oidc.VerifyIDToken(t.Context(), op.sign(t, op.claims()), op, op.expect())
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, token.Claims(&got))
	require.Equal(t, token.Subject, got["sub"])
	require.Equal(t, token.Issuer, got["iss"])
	require.Equal(t, json.Number(strconv.FormatInt(token.Expiry.Unix(), 10)), got["exp"])
	require.Len(t, got, len(op.claims()))
}
