package signon_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

// Each fault of the ID token, end to end: a provider's fault (502), nobody signed
// in, nothing stored, the code sent once, and the next login works.
func TestIDTokenFaults(t *testing.T) {
	for _, tt := range []struct {
		row    string
		fault  signontest.Fault
		status int // 0: 502
	}{
		{row: "ID-01 none", fault: signontest.AlgNone},
		{row: "ID-02 HS256 with the public key", fault: signontest.AlgHS256},
		{row: "ID-03 HS256 with the secret", fault: signontest.AlgHS256Secret},
		{row: "ID-07 unknown kid", fault: signontest.UnknownKid},
		{row: "ID-12 embedded key", fault: signontest.EmbeddedKey},
		{row: "ID-14 crit", fault: signontest.CritHeader},
		{row: "ID-15 typ", fault: signontest.WrongTyp},
		{row: "ID-21 sub twice", fault: signontest.DuplicateClaim},
		{row: "ID-23 no sub", fault: signontest.MissingSubject},
		{row: "ID-25 iss", fault: signontest.WrongIssuer},
		{row: "ID-27 aud", fault: signontest.WrongAudience},
		{row: "ID-28 a second aud", fault: signontest.ExtraAudience},
		{row: "ID-29 azp", fault: signontest.ForeignAZP},
		{row: "ID-30 exp", fault: signontest.ExpiredIDToken},
		{row: "ID-31 iat ahead", fault: signontest.FutureIssuedAt},
		{row: "ID-31 iat old", fault: signontest.OldIDToken},
		{row: "ID-32 nbf", fault: signontest.NotYetValid},
		{row: "ID-33 nonce, AR-23, TE-18", fault: signontest.WrongNonce, status: 400},
		{row: "ID-33 no nonce", fault: signontest.MissingNonce},
		{row: "ID-36 at_hash", fault: signontest.WrongAtHash},
		{row: "ID-37 none came", fault: signontest.NoIDToken},
		{row: "ID-38 auth_time old", fault: signontest.OldAuthTime, status: 403},
		{row: "ID-38 no auth_time", fault: signontest.NoAuthTime},
		{row: "ID-39 acr", fault: signontest.WrongACR},
		{row: "ID-44 another key", fault: signontest.ForeignKey},
		{row: "bad signature", fault: signontest.BadSignature},
	} {
		t.Run(tt.row, func(t *testing.T) {
			a := newApp(t, appOptions{provider: func(p *signon.Provider) {
				p.MaxAge, p.ACRValues = time.Hour, []string{"urn:example:silver"}
			}})
			a.op.Arm(tt.fault)
			page := a.signIn()
			if tt.status == 0 {
				tt.status = http.StatusBadGateway
			}
			require.Equal(t, tt.status, page.Status, a.log)
			require.Equal(t, 1, a.op.Fired(tt.fault))
			require.Equal(t, 1, a.op.Count(signontest.Token))
			require.LessOrEqual(t, a.op.Count(signontest.JWKS), 2)
			require.Zero(t, a.op.Count(signontest.UserInfo))
			a.requireNobody()
			a.requireQuiet(page)

			a.op.Disarm()
			require.Equal(t, http.StatusOK, a.signIn().Status)
			a.requireSignedIn("alice")
		})
	}
}

// What no fault has a name for.
func TestIDTokensRefused(t *testing.T) {
	header := func(name string, v any) func(*signontest.Provider) {
		return func(p *signontest.Provider) { p.IDTokenHeader(setMember(name, v)) }
	}
	claim := func(name string, v any) func(*signontest.Provider) {
		return func(p *signontest.Provider) { p.IDTokenClaims(setMember(name, v)) }
	}
	compact := func(f func(string) string) func(*signontest.Provider) {
		return func(p *signontest.Provider) { p.IDToken(f) }
	}
	for _, tt := range []struct {
		row string
		do  func(*signontest.Provider)
	}{
		{"ID-01 None", header("alg", "None")},
		{"ID-01 no alg", header("alg", nil)},
		{"ID-01 no signature", compact(func(s string) string { return s[:strings.LastIndexByte(s, '.')+1] })},
		{"ID-05 RS384", header("alg", "RS384")},
		{"ID-09 kid a path", header("kid", "../../etc/passwd")},
		{"ID-09 kid SQL", header("kid", "' OR 1=1--")},
		{"ID-09 kid a number", header("kid", 7)},
		{"ID-14 crit empty", header("crit", []string{})},
		{"ID-14 b64", header("b64", false)},
		{"ID-15 logout+jwt", header("typ", "logout+jwt")},
		{"ID-16 events", claim("events", map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}})},
		{"ID-17 JSON serialisation", compact(func(s string) string {
			part := strings.Split(s, ".")
			return fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, part[0], part[1], part[2])
		})},
		{"ID-18 two segments", compact(func(s string) string { return s[:strings.LastIndexByte(s, '.')] })},
		{"ID-18 many segments", compact(func(s string) string { return s + strings.Repeat(".", 10_000) })},
		{"ID-18 100 kB", claim("x", strings.Repeat("x", 100_000))},
		{"ID-19 padding", compact(func(s string) string { return s + "=" })},
		{"ID-19 white space", compact(func(s string) string { return s + "\n" })},
		{"ID-20 nesting", claim("x", json.RawMessage(strings.Repeat("[", 10_001)+strings.Repeat("]", 10_001)))},
		{"ID-22 SUB", claim("SUB", "mallory")},
		{"ID-22 long s", claim("\u017fub", "mallory")},
		{"ID-23 a number", claim("sub", 5)},
		{"ID-23 empty", claim("sub", "")},
		{"ID-23 long", claim("sub", strings.Repeat("a", 256))},
		{"ID-23 not ASCII", claim("sub", "alïce")},
		{"ID-24 lone surrogate", claim("name", json.RawMessage(`"\ud800"`))},
		{"ID-25 a slash", claim("iss", "https://provider.test/")},
		{"ID-27 no aud", claim("aud", []string{})},
		{"ID-30 exp a string", claim("exp", "9999999999")},
		{"ID-30 no exp", claim("exp", nil)},
		{"ID-31 no iat", claim("iat", nil)},
		{"ID-33 a number", claim("nonce", 5)},
		{"ID-34 nonce_supported", func(p *signontest.Provider) {
			p.IDTokenClaims(func(c map[string]any) { c["nonce_supported"] = false; delete(c, "nonce") })
		}},
		{"ID-36 at_hash a number", claim("at_hash", 5)},
		{"ID-40 five segments", compact(func(s string) string { return s + ".a.b" })},
		{"DI-11 no keys", func(p *signontest.Provider) { p.KeySet(setMember("keys", []any{})) }},
		{"DI-12 a symmetric key", func(p *signontest.Provider) {
			p.KeySet(setMember("keys", []any{map[string]any{"kty": "oct", "k": base64.RawURLEncoding.EncodeToString([]byte(p.ClientSecret()))}}))
			p.Arm(signontest.AlgHS256Secret)
		}},
	} {
		t.Run(tt.row, func(t *testing.T) {
			a := newApp(t, appOptions{})
			tt.do(a.op)
			page := a.signIn()
			require.Equal(t, http.StatusBadGateway, page.Status)
			require.Equal(t, "op_fault", a.lastFailure().Kind)
			require.Equal(t, 1, a.op.Count(signontest.Token))
			a.requireNobody()
			a.requireQuiet(page)
		})
	}
}

// What an ID token may be.
func TestIDTokensAccepted(t *testing.T) {
	for _, tt := range []struct {
		row string
		do  func(*signontest.Provider)
	}{
		{"ID-06 no kid, one key", func(p *signontest.Provider) { p.Arm(signontest.NoKid) }},
		{"ID-15 no typ", func(p *signontest.Provider) { p.IDTokenHeader(func(h map[string]any) { delete(h, "typ") }) }},
		{"ID-15 application/jwt", func(p *signontest.Provider) { p.IDTokenHeader(setMember("typ", "application/jwt")) }},
		{"ID-13 jku, x5u", func(p *signontest.Provider) {
			p.IDTokenHeader(func(h map[string]any) { h["jku"], h["x5u"] = "http://169.254.169.254/", "http://169.254.169.254/" })
		}},
		{"ID-27 one aud in a list", func(p *signontest.Provider) { p.IDTokenClaims(setMember("aud", []string{"app"})) }},
		{"ID-42 distributed claims", func(p *signontest.Provider) {
			p.IDTokenClaims(setMember("_claim_sources", map[string]any{"src": map[string]any{"endpoint": "http://169.254.169.254/"}}))
		}},
	} {
		t.Run(tt.row, func(t *testing.T) {
			a := newApp(t, appOptions{})
			tt.do(a.op)
			page := a.signIn()
			if tt.row[:5] == "ID-13" && page.Status == http.StatusBadGateway {
				a.requireNobody() // refused is as good as ignored
				return
			}
			require.Equal(t, http.StatusOK, page.Status, a.log)
			a.requireSignedIn("alice")
		})
	}
}

// Every algorithm signs somebody in, if the metadata or the configuration names it.
func TestSigningAlgorithms(t *testing.T) {
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256"} {
		t.Run(alg, func(t *testing.T) {
			a := newApp(t, appOptions{op: signontest.Config{SigningAlg: alg}, provider: func(p *signon.Provider) { p.SigningAlgs = []string{alg} }})
			require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
			a.requireSignedIn("alice")
		})
	}
}

// ID-03, DI-19: what the metadata offer does not bring HS256 or none in.
func TestMetadataDoNotWeakenAlgorithms(t *testing.T) {
	a := newApp(t, appOptions{op: signontest.Config{SigningAlg: "HS256"}})
	a.op.Metadata(setMember("id_token_signing_alg_values_supported", []string{"none", "HS256"}))
	require.GreaterOrEqual(t, a.signIn().Status, 500)
	a.requireNobody()
}

// ID-43: an address counts as verified by the JSON value true only.
func TestVerifiedEmail(t *testing.T) {
	for _, tt := range []struct {
		name, email string
		verified    any
		want        bool
	}{
		{"true", "a@corp.com", true, true},
		{"missing", "a@corp.com", nil, false},
		{"string", "a@corp.com", "true", false},
		{"1", "a@corp.com", 1, false},
		{"two at", "a@evil@corp.com", true, false},
		{"full width", "a＠corp.com", true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var verified bool
			a := newApp(t, appOptions{config: func(c *signon.Config) { c.OnLogin = nil }})
			a.op.IDTokenClaims(func(c map[string]any) {
				c["email"], c["email_verified"] = tt.email, tt.verified
				if tt.verified == nil {
					delete(c, "email_verified")
				}
			})
			mux := http.NewServeMux()
			mux.Handle("/auth/login/op", a.client.LoginHandler())
			mux.Handle("/auth/callback/op", a.client.CallbackHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				login, _ := signon.LoginFrom(r.Context())
				_, verified = login.Email()
			})))
			a.browser.Serve(appURL, mux)
			require.Equal(t, http.StatusOK, a.browser.Get(appURL+"/auth/login/op").FollowAll(5).Status)
			require.Equal(t, tt.want, verified)
		})
	}
}

// ID-35: an ID token of an earlier login does not pass in a later one.
func TestReplayedIDToken(t *testing.T) {
	a := newApp(t, appOptions{})
	var first string
	a.op.IDToken(func(s string) string {
		if first == "" {
			first = s
		}
		return first
	})
	require.Equal(t, http.StatusOK, a.signIn().Status)
	require.Equal(t, http.StatusBadRequest, a.signIn().Status)
	require.EqualValues(t, 1, a.logins.creates.Load())
}

// ID-44: a key of one provider signs for no other, even under the same kid.
func TestKeysAreOfOneIssuer(t *testing.T) {
	a := newApp(t, appOptions{})
	other := signontest.NewInProcess(signontest.Config{Issuer: "https://other.test"})
	other.RotateKeys()
	a.op.IDToken(func(s string) string {
		payload, err := base64.RawURLEncoding.DecodeString(strings.Split(s, ".")[1])
		require.NoError(t, err)
		var claims map[string]any
		require.NoError(t, json.Unmarshal(payload, &claims))
		signed, err := other.Sign(nil, claims)
		require.NoError(t, err)
		return signed
	})
	require.Equal(t, http.StatusBadGateway, a.signIn().Status)
	a.requireNobody()
}
