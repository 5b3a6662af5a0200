package signon_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

var (
	rsaOAEP = signontest.Encryption{Alg: "RSA-OAEP-256", Enc: "A256GCM"}
	ecdhES  = signontest.Encryption{Alg: "ECDH-ES+A256KW", Enc: "A256CBC-HS512"}
)

// UI-02: the userinfo works signed, encrypted, and both, by whatever was agreed on.
func TestUserInfoAsAgreed(t *testing.T) {
	for _, tt := range []struct {
		name string
		op   signontest.Config
	}{
		{"signed", signontest.Config{UserInfoSigningAlg: "RS256"}},
		{"signed by another algorithm than the ID token", signontest.Config{UserInfoSigningAlg: "ES384"}},
		{"signed with the secret", signontest.Config{UserInfoSigningAlg: "HS256"}},
		{"signed and encrypted", signontest.Config{UserInfoSigningAlg: "ES256", UserInfoEncryption: ecdhES}},
		{"encrypted", signontest.Config{UserInfoEncryption: rsaOAEP}},
		{"encrypted by another algorithm than the ID token", signontest.Config{UserInfoSigningAlg: "PS256", UserInfoEncryption: rsaOAEP, IDTokenEncryption: ecdhES}},
		{"encrypted by the algorithm of the ID token", signontest.Config{UserInfoSigningAlg: "RS256", UserInfoEncryption: ecdhES, IDTokenEncryption: ecdhES}},
		{"of a tenant", signontest.Config{Issuer: tenantIssuer, UserInfoSigningAlg: "RS256"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var login *signon.Login
			a := newApp(t, appOptions{op: tt.op, provider: func(p *signon.Provider) { p.FetchUserInfo = true },
				config: func(c *signon.Config) { c.OnLogin = keepLogin(&login) }})
			require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
			var info map[string]any
			require.NoError(t, login.UserInfo(&info))
			require.Equal(t, "Alice Adams", info["name"])
			require.Equal(t, "application/jwt", a.op.Requests(signontest.UserInfo)[0].Header.Get("Accept"))

			again, err := a.client.UserInfo(t.Context(), login.Token())
			require.NoError(t, err)
			require.Equal(t, "alice", again.Subject)
		})
	}
}

// UI-02: what is less than was agreed on is refused, and no half session remains.
func TestUserInfoNotAsAgreed(t *testing.T) {
	plain := signontest.Config{}
	signed := signontest.Config{UserInfoSigningAlg: "RS256"}
	encrypted := signontest.Config{UserInfoEncryption: rsaOAEP}
	both := signontest.Config{UserInfoSigningAlg: "ES256", UserInfoEncryption: ecdhES}
	for _, tt := range []struct {
		name   string
		op     signontest.Config
		fault  signontest.Fault
		expect string // in the log
	}{
		{"JSON though signed", signed, signontest.PlainUserInfo, "UserInfoSigningAlg"},
		{"JSON though encrypted", encrypted, signontest.PlainUserInfo, "UserInfoEncryptionAlg"},
		{"JSON though both", both, signontest.PlainUserInfo, "application/jwt"},
		{"JSON as a JWT", signed, signontest.JSONAsJWTUserInfo, ""},
		{"JSON as a JWT though encrypted", encrypted, signontest.JSONAsJWTUserInfo, "not encrypted"},
		{"unsigned", signed, signontest.UnsignedUserInfo, "signed token"},
		{"unsigned inside", both, signontest.UnsignedUserInfo, "signed token"},
		{"none", signed, signontest.AlgNoneUserInfo, ""},
		{"none inside", both, signontest.AlgNoneUserInfo, ""},
		{"a bad signature", signed, signontest.BadSignatureUserInfo, "signature"},
		{"a bad signature inside", both, signontest.BadSignatureUserInfo, "signature"},
		{"another key", signed, signontest.ForeignKeyUserInfo, "signature"},
		{"another iss", signed, signontest.WrongIssuerUserInfo, "iss"},
		{"another iss inside", both, signontest.WrongIssuerUserInfo, "iss"},
		{"another aud", signed, signontest.WrongAudienceUserInfo, "aud"},
		{"another sub", both, signontest.WrongSubjectUserInfo, "sub"},
		{"encrypted though not agreed", signed, signontest.EncryptedUserInfo, "DecryptionKeys"},
		{"encrypted though nothing was agreed", plain, signontest.EncryptedUserInfo, "DecryptionKeys"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, appOptions{op: tt.op, provider: func(p *signon.Provider) { p.FetchUserInfo = true }})
			a.op.Arm(tt.fault)
			page := a.signIn()
			require.Equal(t, http.StatusBadGateway, page.Status, a.log)
			require.Equal(t, 1, a.op.Fired(tt.fault))
			require.Contains(t, a.log.String(), tt.expect)
			a.requireNobody()
			a.requireQuiet(page)

			a.op.Disarm()
			require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
			a.requireSignedIn("alice")
		})
	}
}

// UI-02: the algorithm of the userinfo is pinned as that of the ID token is.
func TestUserInfoByAnotherAlgorithm(t *testing.T) {
	for name, alg := range map[string]string{"the ID token's": "RS256", "the secret's": "HS256"} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, appOptions{op: signontest.Config{UserInfoSigningAlg: alg}, provider: func(p *signon.Provider) {
				p.FetchUserInfo, p.UserInfoSigningAlg = true, "ES256"
			}})
			require.Equal(t, http.StatusBadGateway, a.signIn().Status)
			a.requireNobody()
		})
	}
	// Where nothing was agreed on, it is one that an ID token may have.
	a := newApp(t, appOptions{op: signontest.Config{UserInfoSigningAlg: "HS256"}, provider: func(p *signon.Provider) {
		p.FetchUserInfo, p.UserInfoSigningAlg = true, ""
	}})
	require.Equal(t, http.StatusBadGateway, a.signIn().Status)
	a.requireNobody()
}
