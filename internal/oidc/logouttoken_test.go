package oidc_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/jose"
	"github.com/seed1a301047/signon/internal/oidc"
)

const (
	sid   = "08a5019c-17e1-4977-8f42-65a12843ea02"
	event = "http://schemas.openid.net/event/backchannel-logout"
)

// logoutClaims are those of a logout token that is right in every way: the example of
// section 2.4.
func logoutClaims() claims {
	now := time.Now().Unix()
	return claims{
		"iss": issuer, "sub": subject, "aud": clientID, "iat": now, "exp": now + 120,
		"jti": "bWJq", "sid": sid, "events": map[string]any{event: map[string]any{}},
	}
}

func (p *provider) expectLogout() *oidc.Expect {
	return &oidc.Expect{Issuer: issuer, ClientID: clientID, Algs: []string{p.alg}}
}

// requireLogout verifies raw and demands acceptance, or an error about the token.
func requireLogout(t *testing.T, raw string, keys oidc.KeySource, e *oidc.Expect, l oidc.ExpectLogout, ok bool) *oidc.LogoutToken {
	t.Helper()
	token, err := oidc.VerifyLogoutToken(t.Context(), raw, keys, e, l)
	if ok {
		require.NoError(t, err)
		require.Equal(t, issuer, token.Issuer)
		return token
	}
	require.ErrorIs(t, err, oidc.ErrLogoutToken)
	require.NotErrorIs(t, err, oidc.ErrIDToken)
	require.Nil(t, token)
	if raw != "" {
		require.NotContains(t, err.Error(), raw, "an error shows the token")
	}
	return nil
}

func TestVerifyLogoutToken(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			op := newProvider(t, alg)
			want := logoutClaims()
			raw := op.sign(t, want)
			got := requireLogout(t, raw, op, op.expectLogout(), oidc.ExpectLogout{}, true)
			require.Equal(t, []string{subject, sid, "bWJq"}, []string{got.Subject, got.SID, got.ID})
			require.Equal(t, want["exp"].(int64)+60, got.Until.Unix())

			// LO-25: one bit of the signature, of what is signed, and nothing of either.
			dot := strings.LastIndexByte(raw, '.')
			requireLogout(t, flip(raw, dot+10), op, op.expectLogout(), oidc.ExpectLogout{}, false)
			requireLogout(t, raw[:dot+1], op, op.expectLogout(), oidc.ExpectLogout{}, false)
			other := op.sign(t, want.with("sub", "mallory"))
			requireLogout(t, other[:strings.LastIndexByte(other, '.')]+raw[dot:], op, op.expectLogout(), oidc.ExpectLogout{}, false)
			require.Zero(t, op.refreshes.Load(), "a bad signature under a known kid is no reason to fetch keys")
		})
	}
}

// TestLogoutClaims changes one claim of a right token.
func TestLogoutClaims(t *testing.T) {
	object := map[string]any{}
	now := time.Now().Unix()
	for _, test := range []struct {
		name  string
		claim string
		value any
		ok    bool
	}{
		// LO-22, LO-20, LO-21: whom it is about.
		{"sub only", "sid", nothing, true},
		{"sid only", "sub", nothing, true},
		{"sub empty", "sub", "", false},
		{"sub null", "sub", nil, false},
		{"sub number", "sub", 5, false},
		{"sub not ASCII", "sub", "jänis", false},
		{"sub of 256", "sub", strings.Repeat("a", 256), false},
		{"sid empty", "sid", "", false},
		{"sid null", "sid", nil, false},
		{"sid array", "sid", []string{sid}, false},
		{"sid of 1025", "sid", strings.Repeat("a", 1025), false},
		{"sid with NUL", "sid", "a\x00b", false},

		// LO-23
		{"events missing", "events", nothing, false},
		{"events null", "events", nil, false},
		{"events string", "events", event, false},
		{"events array", "events", []string{event}, false},
		{"events empty", "events", object, false},
		{"another event", "events", claims{"http://schemas.openid.net/secevent/risc/event-type/sessions-revoked": object}, false},
		{"event with a typo", "events", claims{"http://schemas.openid.net/event/backchannel-logoot": object}, false},
		{"event with a slash", "events", claims{event + "/": object}, false},
		{"event of https", "events", claims{strings.Replace(event, "http", "https", 1): object}, false},
		{"event in other case", "events", claims{strings.ToUpper(event): object}, false},
		{"event null", "events", claims{event: nil}, false},
		{"event string", "events", claims{event: "{}"}, false},
		{"event array", "events", claims{event: []any{}}, false},
		{"event true", "events", claims{event: true}, false},
		{"event with members", "events", claims{event: claims{"reason": "timeout"}}, true},
		{"event beside another", "events", claims{event: object, "https://example.com/event": 1}, true},
		{"events nested", "events", claims{"events": claims{event: object}}, false},

		// LO-24
		{"nonce", "nonce", nonce, false},
		{"nonce empty", "nonce", "", false},
		{"nonce null", "nonce", nil, false},
		{"nonce object", "nonce", object, false},
		{"nonce in other case", "Nonce", nonce, false},

		// LO-26
		{"iss missing", "iss", nothing, false},
		{"iss null", "iss", nil, false},
		{"iss with a slash", "iss", issuer + "/", false},
		{"iss of another provider", "iss", "https://other.example.com", false},
		{"iss in other case", "iss", "https://ID.example.com", false},

		// LO-27
		{"aud missing", "aud", nothing, false},
		{"aud of another client", "aud", "other", false},
		{"aud array", "aud", []string{clientID}, true},
		{"aud foreign too", "aud", []string{clientID, "other"}, false},
		{"aud trusted too", "aud", []string{clientID, "trusted"}, true},
		{"azp foreign", "azp", "other", false},

		// LO-28
		{"exp missing", "exp", nothing, false},
		{"exp null", "exp", nil, false},
		{"exp string", "exp", "4000000000", false},
		{"exp past", "exp", now - 61, false},
		{"exp past within the tolerance", "exp", now - 50, true},
		{"iat missing", "iat", nothing, false},
		{"iat old", "iat", now - 365, false},
		{"iat old within the tolerance", "iat", now - 350, true},
		{"iat in the future", "iat", now + 65, false},
		{"iat ahead within the tolerance", "iat", now + 55, true},
		{"nbf in the future", "nbf", now + 65, false},
		{"jti missing", "jti", nothing, false},
		{"jti empty", "jti", "", false},
		{"jti number", "jti", 5, false},

		// Section 2.4: what is not understood is ignored.
		{"unknown claim", "toe", "x", true},
		{"acr that is none", "acr", 5, true},
		{"a variant of events", "EVENTS", object, false},
		{"a variant of sub", "\u017fub", "mallory", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			op := newProvider(t, "EdDSA")
			e := op.expectLogout()
			e.TrustedAudiences = []string{"trusted"}
			requireLogout(t, op.sign(t, logoutClaims().with(test.claim, test.value)), op, e, oidc.ExpectLogout{}, test.ok)
		})
	}
	t.Run("neither sub nor sid", func(t *testing.T) { // LO-22
		op := newProvider(t, "EdDSA")
		requireLogout(t, op.sign(t, logoutClaims().with("sub", nothing).with("sid", nothing)), op, op.expectLogout(), oidc.ExpectLogout{}, false)
	})
	t.Run("a claim twice", func(t *testing.T) {
		op := newProvider(t, "EdDSA")
		twice := strings.Replace(logoutClaims().json(t), "{", `{"sub":"mallory",`, 1)
		requireLogout(t, op.signAs(t, nil, twice), op, op.expectLogout(), oidc.ExpectLogout{}, false)
		twice = strings.Replace(logoutClaims().json(t), `"events":{`, `"events":{"`+event+`":{},`, 1)
		requireLogout(t, op.signAs(t, nil, twice), op, op.expectLogout(), oidc.ExpectLogout{}, false)
	})
}

// LO-31: a token of the same issuer, rightly signed, that is something else.
func TestLogoutTokenIsNoOther(t *testing.T) {
	op := newProvider(t, "EdDSA")
	requireLogout(t, op.sign(t, op.claims()), op, op.expectLogout(), oidc.ExpectLogout{}, false)
	requireLogout(t, op.sign(t, op.claims().with("nonce", nothing).with("jti", "x")), op, op.expectLogout(), oidc.ExpectLogout{}, false)
	requireVerdict(t, op.sign(t, logoutClaims().with("nonce", nonce)), op, op.expect(), false)
	requireVerdict(t, op.signAs(t, map[string]any{"typ": "logout+jwt"}, op.claims().json(t)), op, op.expect(), false)
}

// LO-25, LO-32
func TestLogoutHeader(t *testing.T) {
	op, attacker, ec := newProvider(t, "RS256"), newProvider(t, "RS256"), newProvider(t, "ES256")
	payload := logoutClaims().json(t)
	secret := []byte(strings.Repeat("s", 32))
	typed := func(typ any) string { return op.signAs(t, map[string]any{"kid": "k1", "typ": typ}, payload) }
	hmac, err := jose.Sign("HS256", secret, map[string]any{"typ": "logout+jwt"}, []byte(payload))
	require.NoError(t, err)
	for _, test := range []struct {
		name       string
		raw        string
		ok, strict bool // strict: with RequireType
	}{
		{"typ absent", op.signAs(t, map[string]any{"kid": "k1"}, payload), true, false},
		{"typ empty", typed(""), true, false},
		{"typ JWT", typed("JWT"), true, false},
		{"typ jwt", typed("jwt"), true, false},
		{"typ", typed("logout+jwt"), true, true},
		{"typ in other case", typed("Logout+JWT"), true, true},
		{"typ in full", typed("application/logout+jwt"), true, true},
		{"typ of an access token", typed("at+jwt"), false, false},
		{"typ of a security event", typed("secevent+jwt"), false, false},
		{"typ longer", typed("logout+jwt2"), false, false},
		{"typ number", typed(5), false, false},
		{"crit", op.signAs(t, map[string]any{"kid": "k1", "typ": "logout+jwt", "crit": []string{"exp"}}, payload), false, false},
		{"none", b64([]byte(`{"alg":"none","typ":"logout+jwt"}`)) + "." + b64([]byte(payload)) + ".", false, false},
		{"none with a signature", b64([]byte(`{"alg":"none"}`)) + "." + b64([]byte(payload)) + ".AA", false, false},
		{"HS256", hmac, false, false},
		{"another algorithm", ec.signAs(t, map[string]any{"kid": "k1"}, payload), false, false},
		{"of an attacker", attacker.signAs(t, map[string]any{"kid": "k1"}, payload), false, false},
		{"of an attacker's own kid", attacker.signAs(t, map[string]any{"kid": "evil"}, payload), false, false},
		{"empty", "", false, false},
		{"JSON", payload, false, false},
		{"two segments", "e30.e30", false, false},
		{"longer than 64 KiB", typed("logout+jwt") + strings.Repeat("A", 64<<10), false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := op.expectLogout()
			e.Secret = secret
			requireLogout(t, test.raw, op, e, oidc.ExpectLogout{}, test.ok)
			requireLogout(t, test.raw, op, e, oidc.ExpectLogout{RequireType: true}, test.strict)
		})
	}
}

// LO-28: how long a token is taken, and that Until says so to the second.
func TestLogoutTokenUntil(t *testing.T) {
	for _, test := range []struct {
		name  string
		exp   any // seconds from iat
		quirk bool
		until time.Duration
	}{
		{"by exp", 120, false, 3 * time.Minute},
		{"by iat", 3600, false, 6 * time.Minute},
		{"by iat, for ever", raw("1e300"), false, 6 * time.Minute},
		{"without exp", nothing, true, 6 * time.Minute},
		{"with exp all the same", 60, true, 2 * time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				op := newProvider(t, "EdDSA")
				issued := time.Now()
				c := logoutClaims().with("exp", test.exp)
				if n, ok := test.exp.(int); ok {
					c = c.with("exp", issued.Unix()+int64(n))
				}
				raw, l := op.sign(t, c), oidc.ExpectLogout{AllowNoExpiry: test.quirk}
				token := requireLogout(t, raw, op, op.expectLogout(), l, true)
				require.Equal(t, test.until, token.Until.Sub(issued))
				time.Sleep(test.until - time.Second)
				requireLogout(t, raw, op, op.expectLogout(), l, true)
				time.Sleep(2 * time.Second)
				requireLogout(t, raw, op, op.expectLogout(), l, false)
			})
		})
	}
	t.Run("neither exp nor iat", func(t *testing.T) {
		op := newProvider(t, "EdDSA")
		raw := op.sign(t, logoutClaims().with("exp", nothing).with("iat", nothing))
		requireLogout(t, raw, op, op.expectLogout(), oidc.ExpectLogout{AllowNoExpiry: true}, false)
	})
}

// Section 2.6-1: as ID tokens are, or not at all.
func TestEncryptedLogoutToken(t *testing.T) {
	op, r := newProvider(t, "EdDSA"), newRecipient(t)
	signed := op.sign(t, logoutClaims())
	for _, test := range []struct {
		name   string
		raw    string
		agreed bool
		ok     bool
	}{
		{"as agreed", r.encrypt(t, map[string]any{"cty": "JWT"}, signed), true, true},
		{"without a cty", r.encrypt(t, nil, signed), true, true},
		{"a cty that says what it is", r.encrypt(t, map[string]any{"cty": "logout+jwt"}, signed), true, true},
		{"another cty", r.encrypt(t, map[string]any{"cty": "at+jwt"}, signed), true, false},
		{"not agreed", r.encrypt(t, nil, signed), false, false},
		{"plain though agreed", signed, true, false},
		{"without a signature", r.encrypt(t, nil, logoutClaims().json(t)), true, false},
		{"an ID token", r.encrypt(t, nil, op.sign(t, op.claims())), true, false},
		{"twice", r.encrypt(t, nil, r.encrypt(t, nil, signed)), true, false},
		{"to another", newRecipient(t).encrypt(t, nil, signed), true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := op.expectLogout()
			if test.agreed {
				e.Decrypter = r.decrypter
			}
			requireLogout(t, test.raw, op, e, oidc.ExpectLogout{}, test.ok)
		})
	}
}

// LO-26: of many tenants, the one that the token names.
func TestLogoutTokenOfATenant(t *testing.T) {
	op, other := newProvider(t, "EdDSA"), newProvider(t, "EdDSA")
	right := logoutClaims().with("iss", ofTenant)
	for _, test := range []struct {
		name    string
		raw     string
		tenants []string
		ok      bool
	}{
		{"any", op.sign(t, right), nil, true},
		{"with tid", op.sign(t, right.with("tid", tenant)), nil, true},
		{"listed", op.sign(t, right), []string{tenant2, tenant}, true},
		{"not listed", op.sign(t, right), []string{tenant2}, false},
		{"tid of another", op.sign(t, right.with("tid", tenant2)), nil, false},
		{"the template itself", op.sign(t, right.with("iss", template)), nil, false},
		{"another issuer", op.sign(t, right.with("iss", issuer)), nil, false},
		{"of an attacker", other.sign(t, right), nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := op.expectLogout()
			e.Issuer, e.TenantIssuer, e.Tenants = template, true, test.tenants
			token, err := oidc.VerifyLogoutToken(t.Context(), test.raw, op, e, oidc.ExpectLogout{})
			if !test.ok {
				require.ErrorIs(t, err, oidc.ErrLogoutToken)
				return
			}
			require.NoError(t, err)
			require.Equal(t, ofTenant, token.Issuer)
		})
	}
}

// LO-35, LO-36: what fails at the source of the keys is no fault of the token, and what
// could not be accepted costs no request for keys.
func TestLogoutTokenKeys(t *testing.T) {
	op, down := newProvider(t, "EdDSA"), errors.New("down")
	unknown := func(c claims) string { return op.signAs(t, map[string]any{"kid": "k2"}, c.json(t)) }
	for i, wrong := range []claims{
		op.claims(), logoutClaims().with("aud", "other"), logoutClaims().with("exp", 1),
		logoutClaims().with("events", nothing), logoutClaims().with("jti", nothing),
	} {
		requireLogout(t, unknown(wrong), op, op.expectLogout(), oidc.ExpectLogout{}, false)
		require.Zero(t, op.refreshes.Load(), fmt.Sprint(i))
	}
	requireLogout(t, unknown(logoutClaims()), op, op.expectLogout(), oidc.ExpectLogout{}, false)
	require.EqualValues(t, 1, op.refreshes.Load())

	op.freshErr = down
	_, err := oidc.VerifyLogoutToken(t.Context(), unknown(logoutClaims()), op, op.expectLogout(), oidc.ExpectLogout{})
	require.ErrorIs(t, err, down)
	require.NotErrorIs(t, err, oidc.ErrLogoutToken)
	op.keysErr = context.DeadlineExceeded
	_, err = oidc.VerifyLogoutToken(t.Context(), op.sign(t, logoutClaims()), op, op.expectLogout(), oidc.ExpectLogout{})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NotErrorIs(t, err, oidc.ErrLogoutToken)
}
