package signontest_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

// The vectors of RFC 3394 sections 4.1 and 4.6 and of RFC 7518 appendices B.1 and C.
func TestEncryptionVectors(t *testing.T) {
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
		require.NoError(t, err)
		return b
	}
	for kek, want := range map[string]string{
		"000102030405060708090A0B0C0D0E0F 00112233445566778899AABBCCDDEEFF": "1FA68B0A8112B447 AEF34BD8FB5A7B82 9D3E862371D2CFE5",
		"000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F " +
			"00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F": "28C9F404C4B810F4 CBCCB35CFB87F826 3F5786E2D80ED326 CBC7F0E71A99F43B FB988B9B7A02DD21",
	} {
		kek, key, _ := strings.Cut(kek, " ")
		got, err := signontest.WrapKey(unhex(kek), unhex(key))
		require.NoError(t, err)
		require.Equal(t, unhex(want), got)
	}

	z := []byte{
		158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156,
		251, 49, 110, 163, 218, 128, 106, 72, 246, 218, 167, 121, 140, 254, 144, 196,
	}
	derived := signontest.ConcatKDF(z, "A128GCM", []byte("Alice"), []byte("Bob"), 16)
	require.Equal(t, "VqqN6vgjbSBcIijNcacQGg", base64.RawURLEncoding.EncodeToString(derived))

	_, tag, err := signontest.Encryption{Enc: "A128CBC-HS256"}.Seal(
		unhex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
		unhex("1af38c2dc2b96ffdd86694092341bc04"),
		[]byte("The second principle of Auguste Kerckhoffs"),
		[]byte("A cipher system must not be required to be secret, and it must be able to fall into the hands of the enemy without inconvenience"))
	require.NoError(t, err)
	require.Equal(t, unhex("652c3fa36b0a7c5b3219fab3a30bc1c4"), tag)
}

var clientRSA = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func toClient() signontest.Encryption {
	return signontest.Encryption{Alg: "RSA-OAEP-256", Enc: "A256GCM", Key: clientRSA().Public(), KeyID: "mine"}
}

// open decrypts a JWE of toClient.
func open(t testing.TB, token any) (header map[string]any, payload string) {
	t.Helper()
	parts := strings.Split(token.(string), ".")
	require.Len(t, parts, 5)
	raw := make([][]byte, 5)
	for i, s := range parts {
		var err error
		raw[i], err = base64.RawURLEncoding.DecodeString(s)
		require.NoError(t, err)
	}
	require.NoError(t, json.Unmarshal(raw[0], &header))
	cek, err := rsa.DecryptOAEP(sha256.New(), nil, clientRSA(), raw[1], nil)
	require.NoError(t, err)
	block, err := aes.NewCipher(cek)
	require.NoError(t, err)
	gcm, err := cipher.NewGCM(block)
	require.NoError(t, err)
	plain, err := gcm.Open(nil, raw[2], append(raw[3], raw[4]...), []byte(parts[0]))
	require.NoError(t, err)
	return header, string(plain)
}

func TestIDTokenEncryption(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault signontest.Fault
		check func(t *testing.T, token any)
	}{
		{"good", "", func(t *testing.T, token any) {
			header, signed := open(t, token)
			require.Equal(t, map[string]any{"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "mine", "cty": "JWT"}, header)
			require.Equal(t, "alice", part(t, signed, 1)["sub"])
		}},
		{"plain", signontest.PlainIDToken, func(t *testing.T, token any) {
			require.Equal(t, "alice", part(t, token, 1)["sub"])
		}},
		{"unsigned", signontest.UnsignedJWE, func(t *testing.T, token any) {
			_, claims := open(t, token)
			require.Contains(t, claims, `"sub":"alice"`)
		}},
		{"nested", signontest.NestedJWE, func(t *testing.T, token any) {
			_, inner := open(t, token)
			_, signed := open(t, inner)
			require.Equal(t, "alice", part(t, signed, 1)["sub"])
		}},
	} {
		tested[test.fault] = true
		t.Run(test.name, func(t *testing.T) {
			p := signontest.NewInProcess(signontest.Config{IDTokenEncryption: toClient()})
			if test.fault != "" {
				p.Arm(test.fault)
			}
			token := signIn(t, p, nil)["id_token"]
			test.check(t, token)
			require.Contains(t, p.Secrets(), token)
		})
	}

	tested[signontest.EncryptedIDToken] = true
	p := signontest.NewInProcess(signontest.Config{})
	p.Arm(signontest.EncryptedIDToken)
	require.Equal(t, 4, strings.Count(signIn(t, p, nil)["id_token"].(string), "."))
}

func TestEncryptHostileHeader(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{IDTokenEncryption: toClient()})
	token, err := p.Encrypt(map[string]any{"zip": "DEF", "kid": nil, "alg": "RSA1_5"}, []byte("payload"))
	require.NoError(t, err)
	header, payload := open(t, token)
	require.Equal(t, map[string]any{"alg": "RSA1_5", "enc": "A256GCM", "zip": "DEF"}, header)
	require.Equal(t, "payload", payload)
	_, err = p.Encrypt(map[string]any{"x": func() {}}, nil)
	require.Error(t, err)
}

func TestEncryptionMakesSense(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	for _, e := range []signontest.Encryption{
		{Alg: "dir"}, {Alg: "RSA-OAEP", Enc: "A1"}, {Alg: "RSA-OAEP", Key: ec.Public()}, {Alg: "ECDH-ES", Key: clientRSA().Public()}, {Alg: "RSA-OAEP", Key: "no key"},
	} {
		require.Panics(t, func() { signontest.NewInProcess(signontest.Config{IDTokenEncryption: e}) }, "%v", e)
	}
	for _, alg := range []string{"ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW"} {
		p := signontest.NewInProcess(signontest.Config{IDTokenEncryption: signontest.Encryption{Alg: alg, Key: ec.Public()}})
		require.Equal(t, 4, strings.Count(signIn(t, p, nil)["id_token"].(string), "."))
	}
}

func TestUserInfoAsJWT(t *testing.T) {
	for _, test := range []struct {
		name        string
		fault       signontest.Fault
		contentType string
		check       func(t *testing.T, p *signontest.Provider, header, claims map[string]any)
	}{
		{"good", "", "application/jwt", func(t *testing.T, p *signontest.Provider, h, c map[string]any) {
			require.Equal(t, "ES256", h["alg"])
			require.Equal(t, []any{p.Issuer(), p.ClientID()}, []any{c["iss"], c["aud"]})
		}},
		{"wrong issuer", signontest.WrongIssuerUserInfo, "application/jwt", func(t *testing.T, p *signontest.Provider, _, c map[string]any) {
			require.NotEqual(t, p.Issuer(), c["iss"])
		}},
		{"wrong audience", signontest.WrongAudienceUserInfo, "application/jwt", func(t *testing.T, _ *signontest.Provider, _, c map[string]any) {
			require.Equal(t, "other-client", c["aud"])
		}},
		{"alg none", signontest.AlgNoneUserInfo, "application/jwt", func(t *testing.T, _ *signontest.Provider, h, _ map[string]any) {
			require.Equal(t, "none", h["alg"])
		}},
		{"bad signature", signontest.BadSignatureUserInfo, "application/jwt", func(*testing.T, *signontest.Provider, map[string]any, map[string]any) {}},
		{"foreign key", signontest.ForeignKeyUserInfo, "application/jwt", func(*testing.T, *signontest.Provider, map[string]any, map[string]any) {}},
		{"plain", signontest.PlainUserInfo, "application/json", nil},
		{"JSON as JWT", signontest.JSONAsJWTUserInfo, "application/jwt", nil},
		{"unsigned", signontest.UnsignedUserInfo, "application/jwt", nil},
	} {
		tested[test.fault] = true
		t.Run(test.name, func(t *testing.T) {
			p := signontest.NewInProcess(signontest.Config{UserInfoSigningAlg: "ES256"})
			access := signIn(t, p, nil)["access_token"]
			if test.fault != "" {
				p.Arm(test.fault)
			}
			contentType, body := userInfo(t, p, access)
			require.Equal(t, test.contentType, contentType)
			if test.check == nil {
				require.True(t, json.Valid([]byte(body)), body)
				return
			}
			test.check(t, p, part(t, body, 0), part(t, body, 1))
			_, keys := get(t, p, p.URL(signontest.JWKS), nil)
			require.Len(t, keys["keys"], 2)
			kid := keys["keys"].([]any)[1].(map[string]any)["kid"]
			require.Equal(t, kid, part(t, body, 0)["kid"])
		})
	}
}

func TestUserInfoEncryption(t *testing.T) {
	tested[signontest.EncryptedUserInfo] = true
	for _, test := range []struct {
		name, alg string
	}{{"signed inside", "RS256"}, {"JSON inside", ""}} {
		t.Run(test.name, func(t *testing.T) {
			p := signontest.NewInProcess(signontest.Config{UserInfoSigningAlg: test.alg, UserInfoEncryption: toClient()})
			_, body := userInfo(t, p, signIn(t, p, nil)["access_token"])
			header, inner := open(t, body)
			if test.alg == "" {
				require.NotContains(t, header, "cty")
				require.Contains(t, inner, `"sub":"alice"`)
				return
			}
			require.Equal(t, "JWT", header["cty"])
			require.Equal(t, "alice", part(t, inner, 1)["sub"])
		})
	}
	p := signontest.NewInProcess(signontest.Config{})
	access := signIn(t, p, nil)["access_token"]
	p.Arm(signontest.EncryptedUserInfo)
	_, body := userInfo(t, p, access)
	require.Equal(t, 4, strings.Count(body, "."))
}

func userInfo(t testing.TB, p *signontest.Provider, access any) (contentType, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL(signontest.UserInfo), nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+access.(string))
	return send(t, p, req)
}

func TestTenant(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{Tenant: "11111111-2222-3333-4444-555555555555"})
	require.Equal(t, "https://provider.test/{tenantid}/v2.0", p.Issuer())
	require.Equal(t, "https://provider.test/common/v2.0/.well-known/openid-configuration", p.URL(signontest.Metadata))
	_, metadata := get(t, p, p.URL(signontest.Metadata), nil)
	require.Equal(t, p.Issuer(), metadata["issuer"])
	require.Equal(t, p.URL(signontest.Token), metadata["token_endpoint"])
	_, keys := get(t, p, p.URL(signontest.JWKS), nil)
	require.Equal(t, p.Issuer(), keys["keys"].([]any)[0].(map[string]any)["issuer"])

	real := "https://provider.test/11111111-2222-3333-4444-555555555555/v2.0"
	require.Equal(t, real, authorize(t, p, nil).Get("iss"))
	claims := part(t, signIn(t, p, url.Values{"login_hint": {"bob"}})["id_token"], 1)
	require.Equal(t, real, claims["iss"])
	require.Equal(t, "11111111-2222-3333-4444-555555555555", claims["tid"])
	require.Equal(t, []string{"11111111-2222-3333-4444-555555555555"}, p.SignonProvider("op").Tenants)
	require.Equal(t, p.URL(signontest.Metadata), p.SignonProvider("op").MetadataURL)

	onSocket := signontest.New(t, signontest.Config{Tenant: "t"})
	require.Contains(t, onSocket.Issuer(), "/{tenantid}/v2.0")
	status, _ := get(t, onSocket, onSocket.URL(signontest.Metadata), nil)
	require.Equal(t, http.StatusOK, status)

	given := signontest.NewInProcess(signontest.Config{Issuer: "https://login.test/{tenantid}/v2.0"})
	require.NotEmpty(t, part(t, signIn(t, given, nil)["id_token"], 1)["tid"])
}

func TestSignonProviderFollowsTheConfig(t *testing.T) {
	for _, auth := range []string{"client_secret_post", "client_secret_jwt", "private_key_jwt"} {
		p := signontest.NewInProcess(signontest.Config{ClientAuth: auth})
		require.Equal(t, auth, p.SignonProvider("op").ClientAuth.Name())
	}
	require.Nil(t, signontest.NewInProcess(signontest.Config{}).SignonProvider("op").ClientAuth)
	p := signontest.NewInProcess(signontest.Config{
		IDTokenEncryption: signontest.Encryption{Alg: "ECDH-ES"}, UserInfoSigningAlg: "PS256", UserInfoEncryption: signontest.Encryption{Alg: "RSA-OAEP"},
	}).SignonProvider("op")
	require.Equal(t, []string{"ECDH-ES", "PS256", "RSA-OAEP"}, []string{p.IDTokenEncryptionAlg, p.UserInfoSigningAlg, p.UserInfoEncryptionAlg})
	require.Len(t, p.DecryptionKeys, 2)
}
