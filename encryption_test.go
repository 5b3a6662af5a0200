package signon_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/internal/jose"
	"github.com/seed1a301047/signon/signontest"
)

var decryptionRSA = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func decryptionEC(tb testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	tb.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(tb, err)
	return key
}

// ID-40: an encrypted ID token works where it is agreed on. What the application sees of
// it, what the store keeps and what a refresh is compared with is the signed one inside.
func TestEncryptedIDToken(t *testing.T) {
	for i, alg := range []string{"RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW"} {
		enc := []string{"A128GCM", "A192GCM", "A256GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512"}[i]
		t.Run(alg+" "+enc, func(t *testing.T) {
			var login *signon.Login
			a := newOwned(t, appOptions{
				op:     signontest.Config{IDTokenEncryption: signontest.Encryption{Alg: alg, Enc: enc}},
				config: func(c *signon.Config) { c.OnLogin = keepLogin(&login) },
			})
			a.requireSignedIn("alice")
			inner, err := login.IDToken()
			require.NoError(t, err)
			require.Equal(t, 2, strings.Count(inner, "."))
			require.Equal(t, inner, login.Token().Extra("id_token"))
			require.Equal(t, inner, a.stored("alice").Extra("id_token"))

			a.expire("alice")
			token, err := a.client.Token(a.as("alice"))
			require.NoError(t, err)
			refreshed, _ := token.Extra("id_token").(string)
			require.Equal(t, 2, strings.Count(refreshed, "."))
			require.NotEqual(t, inner, refreshed)
			require.NotContains(t, a.log.String(), "does not verify")
			a.requireQuiet()
		})
	}
}

// ID-40, ID-41: whatever was not agreed on is refused, and nobody is signed in. The
// error says what to do, and nothing of what was inside.
func TestEncryptionNotAsAgreed(t *testing.T) {
	agreed := signontest.Config{IDTokenEncryption: signontest.Encryption{Alg: "ECDH-ES", Enc: "A128CBC-HS256"}}
	for _, tt := range []struct {
		name   string
		op     signontest.Config
		fault  signontest.Fault
		expect string // in the log
	}{
		{"encrypted though not agreed", signontest.Config{}, signontest.EncryptedIDToken, "DecryptionKeys"},
		{"plain though agreed", agreed, signontest.PlainIDToken, "not encrypted"},
		{"claims without a signature", agreed, signontest.UnsignedJWE, "signed token"},
		{"encrypted twice", agreed, signontest.NestedJWE, "signed token"},
		{"inside signed by another", agreed, signontest.ForeignKey, "signature"},
		{"inside signed with none", agreed, signontest.AlgNone, ""},
		{"inside of another client", agreed, signontest.WrongAudience, "aud"},
		{"inside expired", agreed, signontest.ExpiredIDToken, "expired"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, appOptions{op: tt.op})
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

// ID-40: headers that nobody may send, and tokens that are not what they say, end to end.
func TestEncryptedIDTokensRefused(t *testing.T) {
	key := decryptionRSA()
	header := func(change map[string]any) func(string) string {
		return func(token string) string {
			all := map[string]any{"alg": "RSA-OAEP", "enc": "A256GCM"}
			for name, value := range change {
				all[name] = value
			}
			data, _ := json.Marshal(all)
			_, rest, _ := strings.Cut(token, ".")
			return base64.RawURLEncoding.EncodeToString(data) + "." + rest
		}
	}
	for name, bend := range map[string]func(string) string{
		"zip":               header(map[string]any{"zip": "DEF"}),
		"PBES2":             header(map[string]any{"alg": "PBES2-HS512+A256KW", "p2c": 1 << 31, "p2s": "AAAA"}),
		"RSA1_5":            header(map[string]any{"alg": "RSA1_5"}),
		"dir":               header(map[string]any{"alg": "dir"}),
		"another algorithm": header(map[string]any{"alg": "RSA-OAEP-256"}),
		"crit":              header(map[string]any{"crit": []string{"zip"}}),
		"empty key": func(token string) string {
			p := strings.Split(token, ".")
			return p[0] + ".." + strings.Join(p[2:], ".")
		},
		"changed": func(token string) string { return token[:len(token)-4] + "AAAA" },
		"too long": func(token string) string {
			return strings.Replace(token, ".", "."+strings.Repeat("A", 1<<20), 1)
		},
		"nested ten times": func(token string) string {
			for range 10 {
				token, _ = jose.Encrypt("RSA-OAEP", "A256GCM", key.Public(), nil, []byte(token))
			}
			return token
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, appOptions{provider: func(p *signon.Provider) {
				p.IDTokenEncryptionAlg, p.DecryptionKeys = "RSA-OAEP", []signon.DecryptionKey{{Key: key}}
			}})
			a.op.IDToken(func(signed string) string {
				token, err := jose.Encrypt("RSA-OAEP", "A256GCM", key.Public(), nil, []byte(signed))
				require.NoError(t, err)
				return bend(token)
			})
			page := a.signIn()
			require.Equal(t, http.StatusBadGateway, page.Status)
			a.requireNobody()
			a.requireQuiet(page)
		})
	}
}

// Keys roll over: the old one still opens what was encrypted to it.
func TestDecryptionKeysRollOver(t *testing.T) {
	older, newer := decryptionEC(t, elliptic.P256()), decryptionEC(t, elliptic.P256())
	a := newApp(t, appOptions{provider: func(p *signon.Provider) {
		p.IDTokenEncryptionAlg = "ECDH-ES+A128KW"
		p.DecryptionKeys = []signon.DecryptionKey{{ID: "2026", Key: newer}, {ID: "2025", Key: older}}
	}})
	for kid, key := range map[string]*ecdsa.PrivateKey{"2026": newer, "2025": older, "": older} {
		a.op.IDToken(func(signed string) string {
			header := map[string]any{"cty": "JWT"}
			if kid != "" {
				header["kid"] = kid
			}
			token, err := jose.Encrypt("ECDH-ES+A128KW", "A128GCM", key.Public(), header, []byte(signed))
			require.NoError(t, err)
			return token
		})
		require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
	}
}

func TestEncryptionRefusedAtRegister(t *testing.T) {
	p224 := decryptionEC(t, elliptic.P224())
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	keys := func(list ...crypto.PrivateKey) []signon.DecryptionKey {
		var out []signon.DecryptionKey
		for i, key := range list {
			out = append(out, signon.DecryptionKey{ID: fmt.Sprint(i), Key: key})
		}
		return out
	}
	ec := decryptionEC(t, elliptic.P521())
	for _, tt := range []struct {
		name   string
		change func(*signon.Provider)
		field  string
	}{
		{"RSA1_5", func(p *signon.Provider) { p.IDTokenEncryptionAlg, p.DecryptionKeys = "RSA1_5", keys(decryptionRSA()) }, "IDTokenEncryptionAlg"},
		{"dir", func(p *signon.Provider) { p.UserInfoEncryptionAlg, p.DecryptionKeys = "dir", keys(decryptionRSA()) }, "UserInfoEncryptionAlg"},
		{"an alg without keys", func(p *signon.Provider) { p.IDTokenEncryptionAlg = "RSA-OAEP" }, "DecryptionKeys"},
		{"keys without an alg", func(p *signon.Provider) { p.DecryptionKeys = keys(decryptionRSA()) }, "IDTokenEncryptionAlg"},
		{"another kind of key", func(p *signon.Provider) { p.IDTokenEncryptionAlg, p.DecryptionKeys = "ECDH-ES", keys(decryptionRSA()) }, "DecryptionKeys"},
		{"a key too many", func(p *signon.Provider) {
			p.IDTokenEncryptionAlg, p.DecryptionKeys = "ECDH-ES", keys(ec, decryptionRSA())
		}, "DecryptionKeys"},
		{"no key for the second alg", func(p *signon.Provider) {
			p.IDTokenEncryptionAlg, p.UserInfoEncryptionAlg, p.DecryptionKeys = "ECDH-ES", "RSA-OAEP", keys(ec)
		}, "DecryptionKeys"},
		{"five keys", func(p *signon.Provider) {
			p.IDTokenEncryptionAlg, p.DecryptionKeys = "ECDH-ES", keys(ec, ec, ec, ec, ec)
		}, "DecryptionKeys"},
		{"an ID twice", func(p *signon.Provider) {
			p.IDTokenEncryptionAlg, p.DecryptionKeys = "ECDH-ES", []signon.DecryptionKey{{ID: "a", Key: ec}, {ID: "a", Key: ec}}
		}, "DecryptionKeys"},
		{"nil", func(p *signon.Provider) { p.IDTokenEncryptionAlg, p.DecryptionKeys = "ECDH-ES", keys(nil) }, "DecryptionKeys"},
		{"P-224", func(p *signon.Provider) { p.IDTokenEncryptionAlg, p.DecryptionKeys = "ECDH-ES", keys(p224) }, "DecryptionKeys"},
		{"Ed25519", func(p *signon.Provider) { p.IDTokenEncryptionAlg, p.DecryptionKeys = "ECDH-ES", keys(ed) }, "DecryptionKeys"},
		{"RSA of 1024 bits", func(p *signon.Provider) { p.IDTokenEncryptionAlg, p.DecryptionKeys = "RSA-OAEP", keys(short) }, "1024"},
		{"without openid", func(p *signon.Provider) {
			p.IDTokenEncryptionAlg, p.DecryptionKeys, p.Scopes = "ECDH-ES", keys(ec), []string{"profile"}
		}, "openid"},
		{"signed userinfo without openid", func(p *signon.Provider) { p.UserInfoSigningAlg, p.Scopes = "RS256", []string{"profile"} }, "openid"},
		{"userinfo by none", func(p *signon.Provider) { p.UserInfoSigningAlg = "none" }, "UserInfoSigningAlg"},
		{"userinfo by a short secret", func(p *signon.Provider) { p.UserInfoSigningAlg, p.ClientSecret = "HS256", "short" }, "UserInfoSigningAlg"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			auth, err := signon.New(signon.Config{BaseURL: appURL})
			require.NoError(t, err)
			p := signon.Provider{
				Name: "op", Issuer: "https://provider.test", ClientID: "app",
				ClientSecret: "secret-of-app-0123456789abcdefgh", Scopes: []string{"openid"},
			}
			tt.change(&p)
			_, err = auth.Register(p)
			require.ErrorContains(t, err, tt.field)
		})
	}
}

// LG-03: a decryption key shows nothing of itself, nor does a provider that has one.
func TestDecryptionKeyDoesNotPrint(t *testing.T) {
	key := decryptionRSA()
	p := signon.Provider{Name: "op", DecryptionKeys: []signon.DecryptionKey{{ID: "2026", Key: key}}}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", p.DecryptionKeys[0], "keys", p.DecryptionKeys)
	plain, err := json.Marshal(p.DecryptionKeys)
	require.NoError(t, err)
	texts := []string{log.String(), string(plain)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		texts = append(texts, fmt.Sprintf(verb, p.DecryptionKeys[0]), fmt.Sprintf(verb, p), fmt.Sprintf(verb, &p))
	}
	for _, text := range texts {
		require.NotContains(t, text, "0xc", "its address")
		for _, secret := range []string{key.D.String(), key.D.Text(16), key.Primes[0].String(), key.N.String()[:40]} {
			require.NotContains(t, text, secret)
		}
	}
	require.Contains(t, texts[0], "2026")
}
