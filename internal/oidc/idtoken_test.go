package oidc_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/oidc"
)

// requireVerdict verifies raw and demands acceptance, or an error about the token.
func requireVerdict(t *testing.T, raw string, keys oidc.KeySource, e *oidc.Expect, ok bool) {
	t.Helper()
	token, err := oidc.VerifyIDToken(t.Context(), raw, keys, e)
	if ok {
		require.NoError(t, err)
		require.Equal(t, raw, token.Raw)
		return
	}
	require.ErrorIs(t, err, oidc.ErrIDToken)
	require.Nil(t, token)
	if raw != "" {
		require.NotContains(t, err.Error(), raw, "an error shows the token")
	}
}

func TestVerifyIDToken(t *testing.T) {
	for _, alg := range []string{
		"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
	} {
		t.Run(alg, func(t *testing.T) {
			op := newProvider(t, alg)
			want := op.claims().with("amr", []string{"pwd", "otp"}).with("acr", "silver").with("azp", clientID)
			raw := op.sign(t, want)
			got, err := oidc.VerifyIDToken(t.Context(), raw, op, op.expect())
			require.NoError(t, err)
			require.Equal(t, issuer, got.Issuer)
			require.Equal(t, subject, got.Subject)
			require.Equal(t, []string{clientID}, got.Audience)
			require.Equal(t, clientID, got.AZP)
			require.Equal(t, want["sid"], got.SID)
			require.Equal(t, nonce, got.Nonce)
			require.Equal(t, "silver", got.ACR)
			require.Equal(t, []string{"pwd", "otp"}, got.AMR)
			require.Equal(t, want["exp"], got.Expiry.Unix())
			require.Equal(t, want["iat"], got.IssuedAt.Unix())
			require.Equal(t, want["auth_time"], got.AuthTime.Unix())
			require.JSONEq(t, want.json(t), string(got.Payload()))

			// One bit of the signature, of what is signed, and nothing of either.
			dot := strings.LastIndexByte(raw, '.')
			requireVerdict(t, flip(raw, dot+10), op, op.expect(), false)
			requireVerdict(t, raw[:dot+1], op, op.expect(), false) // ID-01: empty signature
			other := op.sign(t, want.with("name", "Eve"))
			requireVerdict(t, other[:strings.LastIndexByte(other, '.')]+raw[dot:], op, op.expect(), false)
			require.Zero(t, op.refreshes.Load(), "a bad signature under a known kid is no reason to fetch keys")
		})
	}
}

// flip changes one character of a base64url string to another one.
func flip(s string, i int) string {
	c := byte('A')
	if s[i] == c {
		c = 'B'
	}
	return s[:i] + string(c) + s[i+1:]
}

// TestClaims changes one claim of a right token.
func TestClaims(t *testing.T) {
	long := strings.Repeat("a", 255)
	tests := []struct {
		name   string
		claim  string
		value  any
		expect func(*oidc.Expect)
		ok     bool
	}{
		// ID-16
		{"logout token", "events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": nothing}, nil, false},

		// ID-23
		{"sub of 255", "sub", long, nil, true},
		{"sub of 256", "sub", long + "a", nil, false},
		{"sub missing", "sub", nothing, nil, false},
		{"sub empty", "sub", "", nil, false},
		{"sub null", "sub", nil, nil, false},
		{"sub number", "sub", 248289761001, nil, false},
		{"sub bool", "sub", true, nil, false},
		{"sub object", "sub", map[string]any{"id": subject}, nil, false},
		{"sub array", "sub", []string{subject}, nil, false},
		{"sub not ASCII", "sub", "jänis", nil, false},
		{"sub with NUL", "sub", "a\x00b", nil, false},
		{"sub with a line break", "sub", "a\nb", nil, false},
		{"sub with DEL", "sub", "a\x7fb", nil, false},

		// ID-25
		{"iss with a slash", "iss", issuer + "/", nil, false},
		{"iss without its slash", "iss", issuer, func(e *oidc.Expect) { e.Issuer += "/" }, false},
		{"iss in other case", "iss", "https://ID.example.com", nil, false},
		{"iss of http", "iss", "http://id.example.com", nil, false},
		{"iss of another tenant", "iss", issuer + "/b", func(e *oidc.Expect) { e.Issuer += "/a" }, false},
		{"iss missing", "iss", nothing, nil, false},
		{"iss missing and none expected", "iss", nothing, func(e *oidc.Expect) { e.Issuer = "" }, false},
		{"iss empty", "iss", "", func(e *oidc.Expect) { e.Issuer = "" }, false},
		{"iss null", "iss", nil, nil, false},
		{"iss array", "iss", []string{issuer}, nil, false},

		// ID-27
		{"aud string", "aud", clientID, nil, true},
		{"aud array", "aud", []string{clientID}, nil, true},
		{"aud missing", "aud", nothing, nil, false},
		{"aud null", "aud", nil, nil, false},
		{"aud empty", "aud", "", nil, false},
		{"aud empty array", "aud", []string{}, nil, false},
		{"aud with a number", "aud", []any{clientID, 5}, nil, false},
		{"aud with null", "aud", []any{clientID, nil}, nil, false},
		{"aud with an empty string", "aud", []any{clientID, ""}, nil, false},
		{"aud nested", "aud", []any{[]any{clientID}}, nil, false},
		{"aud object", "aud", map[string]any{clientID: clientID}, nil, false},
		{"aud longer", "aud", clientID + "2", nil, false},
		{"aud shorter", "aud", clientID[:1], nil, false},
		{"aud joined", "aud", clientID + " other", nil, false},
		{"aud in other case", "aud", strings.ToUpper(clientID), nil, false},
		{"aud and client empty", "aud", nothing, func(e *oidc.Expect) { e.ClientID = "" }, false},

		// ID-28
		{"aud foreign too", "aud", []string{clientID, "other"}, nil, false},
		{"aud trusted too", "aud", []string{clientID, "other"}, trust("other"), true},
		{"aud trusted and foreign", "aud", []string{clientID, "other", "third"}, trust("other"), false},
		{"aud only trusted", "aud", []string{"other"}, trust("other"), false},

		// ID-29
		{"azp", "azp", clientID, nil, true},
		{"azp foreign", "azp", "other", nil, false},
		{"azp foreign, trusted as audience", "azp", "other", trust("other"), false},
		{"azp foreign, allowed", "azp", "other", func(e *oidc.Expect) { e.AllowForeignAZP = true }, true},
		{"azp number", "azp", 5, nil, false},

		// ID-33
		{"nonce missing", "nonce", nothing, nil, false},
		{"nonce empty", "nonce", "", nil, false},
		{"nonce different", "nonce", nonce[1:], nil, false},
		{"nonce in other case", "nonce", strings.ToLower(nonce), nil, false},
		{"nonce number", "nonce", 5, nil, false},
		{"nonce missing and none expected", "nonce", nothing, func(e *oidc.Expect) { e.Nonce = "" }, false},
		{"nonce but none expected", "nonce", nonce, func(e *oidc.Expect) { e.Nonce = "" }, false},
		// ID-35: of an earlier login of the same browser
		{"nonce of an earlier login", "nonce", nonce, func(e *oidc.Expect) { e.Nonce = "of-this-login" }, false},

		// ID-34
		{"nonce_supported false", "nonce_supported", false, nil, true},
		{"nonce_supported false, another nonce", "nonce_supported", false, func(e *oidc.Expect) { e.Nonce = "x" }, false},

		// ID-36
		{"at_hash missing", "at_hash", nothing, nil, true},
		{"at_hash wrong", "at_hash", halfHash("EdDSA", "another"), nil, false},
		{"at_hash of another hash", "at_hash", halfHash("RS256", accessToken), nil, false},
		{"at_hash short", "at_hash", halfHash("EdDSA", accessToken)[:10], nil, false},
		{"at_hash padded", "at_hash", halfHash("EdDSA", accessToken) + "=", nil, false},
		{"at_hash empty", "at_hash", "", nil, false},
		{"at_hash number", "at_hash", 5, nil, false},
		{"at_hash null", "at_hash", nil, nil, false},
		{"at_hash without a token", "at_hash", halfHash("EdDSA", ""), func(e *oidc.Expect) { e.AccessToken = "" }, false},
		{"c_hash", "c_hash", halfHash("EdDSA", code), nil, true},
		{"c_hash wrong", "c_hash", halfHash("EdDSA", "another"), nil, false},
		{"c_hash number", "c_hash", 5, nil, false},

		// ID-39
		{"acr", "acr", "gold", acr("silver", "gold"), true},
		{"acr lower", "acr", "bronze", acr("silver", "gold"), false},
		{"acr missing", "acr", nothing, acr("silver"), false},
		{"acr array", "acr", []string{"silver"}, acr("silver"), false},
		{"acr any", "acr", "bronze", nil, true},

		// ID-42: never fetched, for this package does no I/O but for keys.
		{"distributed claims", "_claim_sources", map[string]any{"src1": map[string]any{"endpoint": "http://169.254.169.254/"}}, nil, true},

		{"sid number", "sid", 5, nil, false},
		{"amr string", "amr", "pwd", nil, true},
		{"amr number", "amr", 5, nil, false},
		{"tid of another provider", "tid", 5, nil, true},
	}
	op := newProvider(t, "EdDSA")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := op.expect()
			if test.expect != nil {
				test.expect(e)
			}
			requireVerdict(t, op.sign(t, op.claims().with(test.claim, test.value)), op, e, test.ok)
		})
	}
}

func trust(aud ...string) func(*oidc.Expect) {
	return func(e *oidc.Expect) { e.TrustedAudiences = aud }
}

func acr(values ...string) func(*oidc.Expect) {
	return func(e *oidc.Expect) { e.ACR = values }
}

// ID-26
func TestTenantIssuer(t *testing.T) {
	const tenant = "9188040d-6c67-4c5b-b112-36a304b66dad"
	const template = "https://login.example.com/{tenantid}/v2.0"
	tests := []struct {
		name     string
		iss, tid any
		template bool
		ok       bool
	}{
		{"of the tenant", "https://login.example.com/" + tenant + "/v2.0", tenant, true, true},
		{"of another tenant", "https://login.example.com/other/v2.0", tenant, true, false},
		{"no tid", "https://login.example.com/" + tenant + "/v2.0", nothing, true, false},
		{"tid is a number", "https://login.example.com/5/v2.0", 5, true, false},
		{"tid is empty", "https://login.example.com//v2.0", "", true, false},
		{"tid is a path", "https://login.example.com/a/b/v2.0", "a/b", true, false},
		{"tid is dots", "https://login.example.com/../v2.0", "..", true, false},
		{"tid is long", "https://login.example.com/" + strings.Repeat("a", 65) + "/v2.0", strings.Repeat("a", 65), true, false},
		{"the template itself", template, tenant, true, false},
		{"not a template", "https://login.example.com/" + tenant + "/v2.0", tenant, false, false},
	}
	op := newProvider(t, "EdDSA")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := op.expect()
			e.Issuer, e.TenantIssuer = template, test.template
			requireVerdict(t, op.sign(t, op.claims().with("iss", test.iss).with("tid", test.tid)), op, e, test.ok)
		})
	}
}

// raw is JSON that a claim's value is written as.
type raw string

func (r raw) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// TestTimes runs in a bubble, where time stands still, so that bounds are exact.
func TestTimes(t *testing.T) {
	const s = time.Second
	ago := func(d time.Duration) func(time.Time) any {
		return func(now time.Time) any { return now.Add(-d).Unix() }
	}
	is := func(v any) func(time.Time) any { return func(time.Time) any { return v } }
	skew := func(d time.Duration) func(*oidc.Expect) { return func(e *oidc.Expect) { e.Skew = d } }
	age := func(d time.Duration) func(*oidc.Expect) { return func(e *oidc.Expect) { e.MaxIssuedAge = d } }
	tests := []struct {
		name   string
		claim  string
		value  func(now time.Time) any
		expect func(*oidc.Expect)
		ok     bool
	}{
		// ID-30
		{"exp missing", "exp", is(nothing), nil, false},
		{"exp null", "exp", is(nil), nil, false},
		{"exp now", "exp", ago(0), nil, true},
		{"exp within the tolerance", "exp", ago(59 * s), nil, true},
		{"exp at the tolerance", "exp", ago(60 * s), nil, false},
		{"exp past", "exp", ago(time.Hour), nil, false},
		{"exp zero", "exp", is(0), nil, false},
		{"exp string", "exp", is("4102444800"), nil, false},
		{"exp bool", "exp", is(true), nil, false},
		{"exp negative", "exp", is(-1), nil, false},
		{"exp negative zero", "exp", is(raw("-0")), nil, false},
		{"exp -1e300", "exp", is(raw("-1e300")), nil, false},
		{"exp 1e300", "exp", is(raw("1e300")), nil, true},
		{"exp 1e999", "exp", is(raw("1e999")), nil, true},
		{"exp 1e-999", "exp", is(raw("1e-999")), nil, false},
		{"exp 2^63", "exp", is(raw("9223372036854775808")), nil, true},
		{"exp 2^63-1", "exp", is(raw("9223372036854775807")), nil, true},
		{"exp 2^64+1", "exp", is(raw("18446744073709551617")), nil, true},
		{"exp fraction", "exp", is(raw("4102444800.999")), nil, true},
		{"exp exponent", "exp", is(raw("4.1024448e9")), nil, true},
		{"exp NaN by another name", "exp", is("NaN"), nil, false},
		{"exp, no tolerance", "exp", ago(1 * s), skew(-1), false},
		{"exp, wider tolerance", "exp", ago(299 * s), skew(5 * time.Minute), true},
		{"exp, tolerance is capped", "exp", ago(300 * s), skew(24 * time.Hour), false},

		// ID-31
		{"iat missing", "iat", is(nothing), nil, false},
		{"iat missing, any age", "iat", is(nothing), age(-1), false},
		{"iat string", "iat", is("1"), nil, false},
		{"iat at the tolerance", "iat", ago(-60 * s), nil, true},
		{"iat beyond the tolerance", "iat", ago(-61 * s), nil, false},
		{"iat in an hour", "iat", ago(-time.Hour), nil, false},
		{"iat in ten years", "iat", ago(-87600 * time.Hour), nil, false},
		{"iat 1e300", "iat", is(raw("1e300")), nil, false},
		{"iat a week ago", "iat", ago(168 * time.Hour), nil, false},
		{"iat at the greatest age", "iat", ago(660 * s), nil, true},
		{"iat beyond the greatest age", "iat", ago(661 * s), nil, false},
		{"iat, shorter age", "iat", ago(2*time.Minute + 1*s), age(time.Minute), false},
		{"iat, any age", "iat", ago(168 * time.Hour), age(-1), true},
		{"iat zero", "iat", is(0), nil, false},

		// ID-32
		{"nbf", "nbf", ago(0), nil, true},
		{"nbf at the tolerance", "nbf", ago(-60 * s), nil, true},
		{"nbf beyond the tolerance", "nbf", ago(-61 * s), nil, false},
		{"nbf string", "nbf", is("0"), nil, false},
	}
	op := newProvider(t, "EdDSA")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := op.expect()
				if test.expect != nil {
					test.expect(e)
				}
				raw := op.sign(t, op.claims().with(test.claim, test.value(time.Now())))
				requireVerdict(t, raw, op, e, test.ok)
			})
		})
	}
}

// ID-38
func TestMaxAge(t *testing.T) {
	now := time.Now().Unix()
	tests := []struct {
		name     string
		authTime any
		maxAge   time.Duration // negative: not asked for
		want     error
	}{
		{"just now", now, 0, nil},
		{"recent", now - 300, 5 * time.Minute, nil},
		{"too old", now - 3600, 5 * time.Minute, oidc.ErrReauthenticate},
		{"too old for prompt=login", now - 120, 0, oidc.ErrReauthenticate},
		{"epoch", 0, time.Hour, oidc.ErrReauthenticate},
		{"missing", nothing, time.Hour, oidc.ErrIDToken},
		{"future", now + 3600, time.Hour, oidc.ErrIDToken},
		{"string", "0", time.Hour, oidc.ErrIDToken},
		{"not asked for, missing", nothing, -1, nil},
		{"not asked for, old", now - 3600, -1, nil},
		{"not asked for, string", "0", -1, oidc.ErrIDToken},
	}
	op := newProvider(t, "EdDSA")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := op.expect()
			if test.maxAge >= 0 {
				e.MaxAge = &test.maxAge
			}
			raw := op.sign(t, op.claims().with("auth_time", test.authTime))
			_, err := oidc.VerifyIDToken(t.Context(), raw, op, e)
			if test.want == nil {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, oidc.ErrIDToken)
			require.ErrorIs(t, err, test.want)
			require.Equal(t, test.want == oidc.ErrReauthenticate, errors.Is(err, oidc.ErrReauthenticate))

			// Nobody is sent to sign in again by a token that is not the provider's.
			_, err = oidc.VerifyIDToken(t.Context(), flip(raw, len(raw)-20), op, e)
			require.NotErrorIs(t, err, oidc.ErrReauthenticate)
		})
	}
}

// TestPayload signs payloads that no JSON encoder writes.
func TestPayload(t *testing.T) {
	op := newProvider(t, "EdDSA")
	right := op.claims().json(t)
	and := func(members string) string { return "{" + members + "," + right[1:] }
	tests := []struct {
		name    string
		payload string
		ok      bool
	}{
		{"another claim", and(`"a":1`), true},
		{"space around", " \n" + right + "\t", true},

		// ID-20
		{"null", `null`, false},
		{"array", `[]`, false},
		{"array of claims", `[` + right + `]`, false},
		{"string", `"x"`, false},
		{"number", `1`, false},
		{"two values", right + right, false},
		{"trailing comma", right[:len(right)-1] + ",}", false},
		{"truncated", right[:len(right)-1], false},
		{"comment", "/**/" + right, false},
		{"byte order mark", "\ufeff" + right, false},
		{"nested 10000 deep", and(`"a":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000)), false},
		{"nested 10000 deep, unclosed", and(`"a":` + strings.Repeat("[", 10000)), false},

		// ID-21
		{"sub twice", and(`"sub":"other"`), false},
		{"sub twice, equal", and(`"sub":"` + subject + `"`), false},
		{"sub twice, once escaped", and(`"\u0073ub":"` + subject + `"`), false},
		{"aud twice", and(`"aud":"rp"`), false},
		{"nonce twice", and(`"nonce":"` + nonce + `"`), false},
		{"unknown claim twice", and(`"a":1,"a":1`), false},
		{"twice inside a claim", and(`"a":{"b":1,"b":2}`), false},
		{"sub escaped, once", strings.Replace(right, `"sub"`, `"s\u0075b"`, 1), true},

		// ID-22
		{"SUB", and(`"SUB":"admin"`), false},
		{"Iss", and(`"Iss":"https://evil.example"`), false},
		{"\u017fub", and(`"` + "\u017f" + `ub":"admin"`), false},
		{`\u017fub`, and(`"\u017fub":"admin"`), false},
		{"Email_Verified", and(`"Email_Verified":true`), false},
		{"Nonce", and(`"Nonce":"x"`), false},
		{"name in other case is nobody's", and(`"Name":"x"`), true},
		{"SUB alone", strings.Replace(right, `"sub"`, `"SUB"`, 1), false},

		// ID-24
		{"invalid UTF-8", and("\"a\":\"\xff\""), false},
		{"invalid UTF-8 in sub", strings.Replace(right, subject, "a\xc0\x80b", 1), false},
		{"invalid UTF-8 in a name", and("\"\xff\":1"), false},
		{"lone surrogate", and(`"a":"\ud800"`), false},
		{"lone surrogate in sub", strings.Replace(right, subject, `a\udfffb`, 1), false},
		{"surrogates in the wrong order", and(`"a":"\udc00\ud800"`), false},
		{"a pair", and(`"a":"\ud83d\ude00"`), true},
		{"sub escaped", strings.Replace(right, subject, `\u0032`+subject[1:], 1), true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			requireVerdict(t, op.signAs(t, map[string]any{"kid": "k1"}, test.payload), op, op.expect(), test.ok)
		})
	}
}

func TestRestore(t *testing.T) {
	op := newProvider(t, "EdDSA")
	raw := op.sign(t, op.claims().with("exp", 1).with("iat", 1))
	token, err := oidc.Restore(raw)
	require.NoError(t, err)
	require.Equal(t, subject, token.Subject)
	require.Equal(t, []string{clientID}, token.Audience)
	var c struct {
		Name string `json:"name"`
	}
	require.NoError(t, token.Claims(&c))
	require.Equal(t, "Jane Doe", c.Name)

	for _, raw := range []string{"", "a.b.c", op.signAs(t, nil, "[]"), op.sign(t, op.claims().with("sub", 5))} {
		_, err := oidc.Restore(raw)
		require.ErrorIs(t, err, oidc.ErrIDToken)
	}
}
