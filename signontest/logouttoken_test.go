package signontest_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

const eventName = "http://schemas.openid.net/event/backchannel-logout"

var aboutAlice = signontest.Session{Subject: "alice", ID: "the-session"}

func TestLogoutToken(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{})
	token := p.LogoutToken(aboutAlice)
	require.True(t, verifies(t, p, token))
	require.Equal(t, "logout+jwt", part(t, token, 0)["typ"])
	claims := part(t, token, 1)
	require.Equal(t, []any{p.Issuer(), p.ClientID(), "alice", "the-session"}, []any{claims["iss"], claims["aud"], claims["sub"], claims["sid"]})
	require.Equal(t, map[string]any{eventName: map[string]any{}}, claims["events"])
	require.InDelta(t, time.Now().Unix(), claims["iat"], 2)
	require.Equal(t, 120.0, claims["exp"].(float64)-claims["iat"].(float64))
	require.NotContains(t, claims, "nonce")
	require.NotEqual(t, claims["jti"], part(t, p.LogoutToken(aboutAlice), 1)["jti"])
	require.Contains(t, p.Secrets(), token)

	require.NotContains(t, part(t, p.LogoutToken(signontest.Session{Subject: "alice"}), 1), "sid")
	require.NotContains(t, part(t, p.LogoutToken(signontest.Session{ID: "the-session"}), 1), "sub")
}

func TestLogoutTokenFaults(t *testing.T) {
	ago := func(p any) time.Duration { return time.Since(time.Unix(int64(p.(float64)), 0)) }
	absent := "absent"
	for _, test := range []struct {
		fault signontest.Fault
		claim string
		want  any // a value, absent, or a check
	}{
		{signontest.NoEvents, "events", absent},
		{signontest.NullEvents, "events", nil},
		{signontest.StringEvents, "events", eventName},
		{signontest.ArrayEvents, "events", []any{eventName}},
		{signontest.OtherEvent, "events", map[string]any{"http://schemas.openid.net/event/other": map[string]any{}}},
		{signontest.MistypedEvent, "events", map[string]any{strings.Replace(eventName, "http:", "https:", 1): map[string]any{}}},
		{signontest.EventNotObject, "events", map[string]any{eventName: true}},
		{signontest.NullEvent, "events", map[string]any{eventName: nil}},
		{signontest.MoreEvents, "events", map[string]any{
			eventName: map[string]any{}, "http://schemas.openid.net/event/other": map[string]any{}}},
		{signontest.EventWithMembers, "events", map[string]any{eventName: map[string]any{"reason": "closing time"}}},
		{signontest.LogoutNonce, "nonce", "a-nonce-that-has-no-place-here-0123456789abcd"},
		{signontest.LogoutNullNonce, "nonce", nil},
		{signontest.NoExpiry, "exp", absent},
		{signontest.NoIssuedAt, "iat", absent},
		{signontest.NoJTI, "jti", absent},
		{signontest.EmptyJTI, "jti", ""},
		{signontest.NumberJTI, "jti", 12345.0},
		{signontest.NoIssuer, "iss", absent},
		{signontest.SlashIssuer, "iss", "https://provider.test/"},
		{signontest.NoAudience, "aud", absent},
		{signontest.NoSubjectNorSession, "sub", absent},
		{signontest.NoSubjectNorSession, "sid", absent},
		{signontest.EmptySubject, "sub", ""},
		{signontest.EmptySession, "sid", ""},
		{signontest.NumberSession, "sid", 12345.0},
		{signontest.WrongIssuer, "iss", "https://provider.test/other"},
		{signontest.WrongAudience, "aud", "other-client"},
		{signontest.ExtraAudience, "aud", []any{"app", "other-client"}},
		{signontest.ForeignAZP, "azp", "other-client"},
		{signontest.MissingSubject, "sub", absent},
		{signontest.ExpiredIDToken, "exp", func(v any) bool { return ago(v) > 7*time.Minute }},
		{signontest.FutureIssuedAt, "iat", func(v any) bool { return ago(v) < -50*time.Minute }},
		{signontest.OldIDToken, "iat", func(v any) bool { return ago(v) > 50*time.Minute }},
		{signontest.NotYetValid, "nbf", func(v any) bool { return ago(v) < -50*time.Minute }},
	} {
		tested[test.fault] = true
		t.Run(string(test.fault), func(t *testing.T) {
			p := signontest.NewInProcess(signontest.Config{})
			p.ArmN(test.fault, 1)
			token := p.LogoutToken(aboutAlice)
			require.True(t, verifies(t, p, token), "the signature is good")
			require.Equal(t, 1, p.Fired(test.fault))
			got, there := part(t, token, 1)[test.claim]
			require.Equal(t, test.want != absent, there)
			switch want := test.want.(type) {
			case func(any) bool:
				require.True(t, want(got), "%v", got)
			default:
				require.True(t, !there || want == nil && got == nil || assert.ObjectsAreEqual(want, got), "%v", got)
			}
			good := part(t, p.LogoutToken(aboutAlice), 1)
			require.Equal(t, map[string]any{eventName: map[string]any{}}, good["events"], "a fault armed once fires once")
		})
	}
}

func TestLogoutTokenHeaderFaults(t *testing.T) {
	for _, test := range []struct {
		fault  signontest.Fault
		signed bool
		member string
		want   any // nil: absent
	}{
		{signontest.JWTTyp, true, "typ", "JWT"},
		{signontest.NoTyp, true, "typ", nil},
		{signontest.IDTokenTyp, true, "typ", "id_token+jwt"},
		{signontest.WrongTyp, true, "typ", "at+jwt"},
		{signontest.OtherAlg, true, "alg", "ES256"},
		{signontest.CritHeader, true, "bork", true},
		{signontest.NoKid, false, "kid", nil},
		{signontest.UnknownKid, false, "kid", "no-such-key"},
		{signontest.AlgNone, false, "alg", "none"},
		{signontest.AlgHS256, false, "alg", "HS256"},
		{signontest.AlgHS256Secret, true, "alg", "HS256"},
		{signontest.ForeignKey, false, "alg", "RS256"},
		{signontest.BadSignature, false, "alg", "RS256"},
		{signontest.EmbeddedKey, false, "alg", "ES256"},
	} {
		tested[test.fault] = true
		t.Run(string(test.fault), func(t *testing.T) {
			p := signontest.NewInProcess(signontest.Config{})
			p.ArmN(test.fault, 1)
			token := p.LogoutToken(aboutAlice)
			require.Equal(t, 1, p.Fired(test.fault))
			require.Equal(t, test.want, part(t, token, 0)[test.member])
			require.Equal(t, test.signed, verifies(t, p, token))
			require.True(t, verifies(t, p, p.LogoutToken(aboutAlice)), "a fault armed once fires once")
		})
	}
}

// TestOtherAlg has the key of another algorithm in the key set for as long as the provider
// lives, whatever the provider's own is.
func TestOtherAlg(t *testing.T) {
	for alg, other := range map[string]string{"RS256": "ES256", "ES256": "RS256"} {
		p := signontest.NewInProcess(signontest.Config{SigningAlg: alg})
		p.Arm(signontest.OtherAlg)
		for range 2 {
			token := signIn(t, p, nil)["id_token"]
			require.Equal(t, other, part(t, token, 0)["alg"])
			require.True(t, verifies(t, p, token))
		}
		_, set := get(t, p, p.URL(signontest.JWKS), nil)
		require.Len(t, set["keys"], 2)
	}
}

func TestLogoutTokenRepeats(t *testing.T) {
	tested[signontest.SameJTI] = true
	p := signontest.NewInProcess(signontest.Config{})
	p.Arm(signontest.SameJTI)
	first, second := part(t, p.LogoutToken(aboutAlice), 1)["jti"], part(t, p.LogoutToken(signontest.Session{Subject: "bob"}), 1)["jti"]
	require.NotEmpty(t, first)
	require.Equal(t, first, second)

	p.Disarm()
	p.Arm(signontest.DuplicateClaim)
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(p.LogoutToken(aboutAlice), ".")[1])
	require.NoError(t, err)
	require.True(t, json.Valid(raw))
	require.Equal(t, 2, strings.Count(string(raw), `"sub":`))
}

func TestLogoutTokenHooks(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{})
	p.LogoutTokenHeader(func(h map[string]any) { h["jku"] = "https://evil.test" })
	p.LogoutTokenClaims(func(c map[string]any) { c["iat"] = json.RawMessage("1e3") })
	p.IDTokenClaims(func(map[string]any) { t.Error("this is no ID token") })
	p.IDTokenHeader(func(map[string]any) { t.Error("this is no ID token") })
	token := p.LogoutToken(aboutAlice)
	require.Equal(t, "https://evil.test", part(t, token, 0)["jku"])
	require.Equal(t, 1000.0, part(t, token, 1)["iat"])
	p.LogoutTokenClaims(func(c map[string]any) { c["odd"] = func() {} })
	require.Contains(t, p.LogoutToken(aboutAlice), "unsupported type")

	p = signontest.NewInProcess(signontest.Config{})
	p.LogoutTokenHeader(func(map[string]any) { t.Error("this is no logout token") })
	p.LogoutTokenClaims(func(map[string]any) { t.Error("this is no logout token") })
	p.Arm(signontest.NoEvents, signontest.NoJTI, signontest.NoTyp)
	require.Equal(t, "JWT", part(t, signIn(t, p, nil)["id_token"], 0)["typ"])
	require.Zero(t, p.Fired(signontest.NoTyp), "faults of logout tokens do not happen to ID tokens")
}

// TestEncryptedLogoutToken is encrypted as ID tokens are, and wrongly by the same faults.
func TestEncryptedLogoutToken(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{IDTokenEncryption: toClient()})
	token := p.LogoutToken(aboutAlice)
	_, signed := open(t, token)
	require.Equal(t, "logout+jwt", part(t, signed, 0)["typ"])
	require.Subset(t, p.Secrets(), []string{token, signed})

	p.ArmN(signontest.PlainIDToken, 1)
	require.Equal(t, "alice", part(t, p.LogoutToken(aboutAlice), 1)["sub"])
	p.ArmN(signontest.UnsignedJWE, 1)
	_, claims := open(t, p.LogoutToken(aboutAlice))
	require.Contains(t, claims, `"sub":"alice"`)
	p = signontest.NewInProcess(signontest.Config{})
	p.Arm(signontest.EncryptedIDToken)
	require.Equal(t, 4, strings.Count(p.LogoutToken(aboutAlice), "."))
}
