package signontest_test

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

func TestIDTokenFaults(t *testing.T) {
	ago := func(p any) time.Duration { return time.Since(time.Unix(int64(p.(float64)), 0)) }
	for _, test := range []struct {
		fault  signontest.Fault
		signed bool
		check  func(t *testing.T, p *signontest.Provider, header, claims map[string]any)
	}{
		{signontest.WrongNonce, true, func(t *testing.T, _ *signontest.Provider, _, c map[string]any) {
			require.NotContains(t, []any{"the-nonce", nil}, c["nonce"])
		}},
		{signontest.MissingNonce, true, func(t *testing.T, _ *signontest.Provider, _, c map[string]any) { require.NotContains(t, c, "nonce") }},
		{signontest.WrongIssuer, true, func(t *testing.T, p *signontest.Provider, _, c map[string]any) {
			require.NotEqual(t, p.Issuer(), c["iss"])
		}},
		{signontest.WrongAudience, true, func(t *testing.T, _ *signontest.Provider, _, c map[string]any) {
			require.Equal(t, "other-client", c["aud"])
		}},
		{signontest.ExtraAudience, true, func(t *testing.T, _ *signontest.Provider, _, c map[string]any) {
			require.Equal(t, []any{"app", "other-client"}, c["aud"])
		}},
		{signontest.ForeignAZP, true, func(t *testing.T, _ *signontest.Provider, _, c map[string]any) {
			require.Equal(t, "other-client", c["azp"])
		}},
		{signontest.ExpiredIDToken, true, func(t *testing.T, _ *signontest.Provider, _, c map[string]any) {
			require.Greater(t, ago(c["exp"]), 7*time.Minute)
			require.Less(t, ago(c["iat"]), 10*time.Minute)
		}},
		{signontest.FutureIssuedAt, true, func(t *testing.T, _ *signontest.Provider, _, c map[string]any) {
			require.Less(t, ago(c["iat"]), -50*time.Minute)
		}},
		{signontest.OldIDToken, true, func(t *testing.T, _ *signontest.Provider, _, c map[string]any) {
			require.Greater(t, ago(c["iat"]), 50*time.Minute)
			require.Negative(t, ago(c["exp"]))
		}},
		{signontest.NotYetValid, true, func(t *testing.T, _ *signontest.Provider, _, c map[string]any) {
			require.Less(t, ago(c["nbf"]), -50*time.Minute)
		}},
		{signontest.OldAuthTime, true, func(t *testing.T, _ *signontest.Provider, _, c map[string]any) {
			require.Greater(t, ago(c["auth_time"]), 23*time.Hour)
		}},
		{signontest.NoAuthTime, true, func(t *testing.T, _ *signontest.Provider, _, c map[string]any) {
			require.NotContains(t, c, "auth_time")
		}},
		{signontest.WrongACR, true, func(t *testing.T, _ *signontest.Provider, _, c map[string]any) {
			require.NotContains(t, []any{"gold", nil}, c["acr"])
		}},
		{signontest.MissingSubject, true, func(t *testing.T, _ *signontest.Provider, _, c map[string]any) { require.NotContains(t, c, "sub") }},
		{signontest.AlgNone, false, func(t *testing.T, _ *signontest.Provider, h, _ map[string]any) { require.Equal(t, "none", h["alg"]) }},
		{signontest.AlgHS256, false, func(t *testing.T, _ *signontest.Provider, h, _ map[string]any) { require.Equal(t, "HS256", h["alg"]) }},
		{signontest.AlgHS256Secret, true, func(t *testing.T, _ *signontest.Provider, h, _ map[string]any) { require.Equal(t, "HS256", h["alg"]) }},
		{signontest.BadSignature, false, nil},
		{signontest.ForeignKey, false, func(t *testing.T, p *signontest.Provider, h, _ map[string]any) {
			_, set := get(t, p, p.URL(signontest.JWKS), nil)
			require.Equal(t, set["keys"].([]any)[0].(map[string]any)["kid"], h["kid"])
		}},
		{signontest.EmbeddedKey, false, func(t *testing.T, _ *signontest.Provider, h, _ map[string]any) {
			require.Equal(t, "ES256", h["alg"])
			require.NotNil(t, h["jwk"])
		}},
		{signontest.UnknownKid, false, func(t *testing.T, _ *signontest.Provider, h, _ map[string]any) {
			require.Equal(t, "no-such-key", h["kid"])
		}},
		{signontest.NoKid, false, func(t *testing.T, _ *signontest.Provider, h, _ map[string]any) { require.NotContains(t, h, "kid") }},
		{signontest.CritHeader, true, func(t *testing.T, _ *signontest.Provider, h, _ map[string]any) {
			require.Equal(t, []any{"bork"}, h["crit"])
		}},
		{signontest.WrongTyp, true, func(t *testing.T, _ *signontest.Provider, h, _ map[string]any) { require.Equal(t, "at+jwt", h["typ"]) }},
	} {
		tested[test.fault] = true
		t.Run(string(test.fault), func(t *testing.T) {
			p := signontest.NewInProcess(signontest.Config{})
			p.ArmN(test.fault, 1)
			tokens := signIn(t, p, url.Values{"acr_values": {"gold"}})
			require.Equal(t, test.signed, verifies(t, p, tokens["id_token"]))
			if test.check != nil {
				test.check(t, p, part(t, tokens["id_token"], 0), part(t, tokens["id_token"], 1))
			}
			require.Equal(t, 1, p.Fired(test.fault))
			good := signIn(t, p, nil)
			require.True(t, verifies(t, p, good["id_token"]), "a fault armed once fires once")
			require.Equal(t, "the-nonce", part(t, good["id_token"], 1)["nonce"])
		})
	}
}

func TestIDTokenFaultsOfTheRest(t *testing.T) {
	for _, f := range []signontest.Fault{signontest.NoIDToken, signontest.DuplicateClaim, signontest.WrongAtHash, signontest.RefreshOtherSubject} {
		tested[f] = true
	}
	p := signontest.NewInProcess(signontest.Config{})
	p.Arm(signontest.NoIDToken)
	require.NotContains(t, signIn(t, p, nil), "id_token")
	p.Disarm(signontest.NoIDToken)

	p.ArmN(signontest.AlgNone, 1)
	require.True(t, strings.HasSuffix(signIn(t, p, nil)["id_token"].(string), "."))

	p.Arm(signontest.DuplicateClaim)
	segments := strings.Split(signIn(t, p, nil)["id_token"].(string), ".")
	raw, err := base64.RawURLEncoding.DecodeString(segments[1])
	require.NoError(t, err)
	require.True(t, json.Valid(raw))
	require.Equal(t, 2, strings.Count(string(raw), `"sub":`))
	p.Disarm()

	p.Arm(signontest.WrongAtHash)
	tokens := signIn(t, p, nil)
	require.NotEqual(t, atHash(tokens["access_token"]), part(t, tokens["id_token"], 1)["at_hash"])
	require.Len(t, part(t, tokens["id_token"], 1)["at_hash"], 22)
	p.Disarm()

	p.Arm(signontest.RefreshOtherSubject)
	tokens = signIn(t, p, nil)
	require.Equal(t, "alice", part(t, tokens["id_token"], 1)["sub"])
	_, tokens = post(t, p, signontest.Token, refreshForm(tokens["refresh_token"]))
	require.Equal(t, "mallory", part(t, tokens["id_token"], 1)["sub"])
}
