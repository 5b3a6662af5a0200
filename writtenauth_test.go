package signon_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/signontest"
)

func opByAuth(method, secret string) signontest.Config {
	return signontest.Config{ClientAuth: method, ClientSecret: secret}
}

func freshKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func keysPEM(t testing.TB, keys ...crypto.Signer) string {
	t.Helper()
	var text strings.Builder
	for _, key := range keys {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(t, err)
		require.NoError(t, pem.Encode(&text, &pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	return text.String()
}

func keyPEM(t testing.TB) string { return keysPEM(t, freshKey(t)) }

func certificateOf(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "app"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	require.NoError(t, err)
	return der
}

func certificateText(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func certificatePEM(t testing.TB) string { return certificateText(certificateOf(t, freshKey(t))) }

// Keys, their IDs and their algorithms belong together by their order, and may come from
// different places.
func TestClientKeysFromOutside(t *testing.T) {
	ec := freshKey(t)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	p := signon.Provider{Name: "corp", ClientAuth: clientauth.PrivateKeyJWT{Audience: "https://op.test/t"}}
	_, err = signon.LoadJSON([]byte(`{"name":"corp","client_id":"app","client_auth":"private_key_jwt","client_key_id":["new","old"],"client_key_alg":["ES256","EdDSA"],"client_assertion_typ":"JWT"}`), &p)
	require.NoError(t, err)
	require.NoError(t, signon.LoadEnviron([]string{"CORP_CLIENT_KEY=" + keysPEM(t, ec, ed)}, "", &p))
	want := []clientauth.Key{{ID: "new", Alg: "ES256", Signer: ec}, {ID: "old", Alg: "EdDSA", Signer: ed}}
	require.Equal(t, clientauth.PrivateKeyJWT{Keys: want, Audience: "https://op.test/t", Type: "JWT"}, p.ClientAuth)

	before := p.ClientAuth
	next := freshKey(t)
	require.NoError(t, signon.LoadEnviron([]string{"CORP_CLIENT_KEY=" + keysPEM(t, next), "CORP_CLIENT_KEY_ID=next", "CORP_CLIENT_KEY_ALG=ES256", "CORP_REVOCATION_AUTH=private_key_jwt"}, "", &p))
	require.Equal(t, []clientauth.Key{{ID: "next", Alg: "ES256", Signer: next}}, p.ClientAuth.(clientauth.PrivateKeyJWT).Keys)
	require.Equal(t, p.ClientAuth, p.RevocationAuth)
	require.Equal(t, want, before.(clientauth.PrivateKeyJWT).Keys, "the old value is not written into")

	kept := p.ClientAuth
	require.NoError(t, signon.LoadEnviron([]string{"CORP_CLIENT_AUTH=private_key_jwt"}, "", &p))
	require.Equal(t, kept, p.ClientAuth, "the method that it has already")
}

func TestCertificateFromOutside(t *testing.T) {
	key := freshKey(t)
	leaf, above := certificateOf(t, key), certificateOf(t, freshKey(t))
	for method, selfSigned := range map[string]bool{"tls_client_auth": false, "self_signed_tls_client_auth": true} {
		p := signon.Provider{Name: "corp"}
		_, err := signon.LoadJSON([]byte(`{"name":"corp","client_id":"app","issuer":"https://op.test","client_auth":"`+method+`","client_certificate":`+jsonText(t, "Bag Attributes\n"+certificateText(leaf)+certificateText(above))+`}`), &p)
		require.NoError(t, err)
		require.NoError(t, signon.LoadEnviron([]string{"CORP_CLIENT_KEY=" + keysPEM(t, key)}, "", &p))
		want := tls.Certificate{Certificate: [][]byte{leaf, above}, PrivateKey: key}
		require.Equal(t, clientauth.TLS{Certificate: want, SelfSigned: selfSigned}, p.ClientAuth)
		auth, err := signon.New(signon.Config{BaseURL: siteURL, Keys: siteKeys, Logger: quiet()})
		require.NoError(t, err)
		_, err = auth.Register(p)
		require.NoError(t, err)
	}
}

// What Go alone can say of a method stays where nothing outside is about it.
func TestMethodFromOutsideStays(t *testing.T) {
	get := func(context.Context) (*tls.Certificate, error) { return nil, nil }
	p := signon.Provider{Name: "corp", ClientAuth: clientauth.TLS{GetCertificate: get}}
	require.NoError(t, signon.LoadEnviron([]string{"CORP_CLIENT_ID=app", "CORP_CLIENT_AUTH=tls_client_auth"}, "", &p))
	require.NotNil(t, p.ClientAuth.(clientauth.TLS).GetCertificate)
}

// A certificate from outside takes the place of the one that Go would have asked for, which
// would win over it.
func TestCertificateFromOutsideWins(t *testing.T) {
	key := freshKey(t)
	leaf := certificateOf(t, key)
	get := func(context.Context) (*tls.Certificate, error) { return nil, nil }
	p := signon.Provider{Name: "corp", ClientAuth: clientauth.TLS{GetCertificate: get}}
	require.NoError(t, signon.LoadEnviron([]string{"CORP_CLIENT_ID=app", "CORP_CLIENT_CERTIFICATE=" + certificateText(leaf), "CORP_CLIENT_KEY=" + keysPEM(t, key)}, "", &p))
	require.Equal(t, clientauth.TLS{Certificate: tls.Certificate{Certificate: [][]byte{leaf}, PrivateKey: key}}, p.ClientAuth)
}

// An ID whose key has not come yet is no mistake before the provider is registered, as each
// may be from another place; then it is one, and its error says what to set.
func TestKeyThatNeverCame(t *testing.T) {
	for field, auth := range map[string]string{"ClientAuth": "CORP_CLIENT_AUTH", "RevocationAuth": "CORP_REVOCATION_AUTH", "IntrospectionAuth": "CORP_INTROSPECTION_AUTH"} {
		p := signon.Provider{Name: "corp", Issuer: "https://op.test", ClientSecret: "s3cret"}
		require.NoError(t, signon.LoadEnviron([]string{"CORP_CLIENT_ID=app", auth + "=private_key_jwt", "CORP_CLIENT_KEY_ID=k1"}, "", &p))
		r, err := signon.New(signon.Config{BaseURL: siteURL, Keys: siteKeys, Logger: quiet()})
		require.NoError(t, err)
		_, err = r.Register(p)
		require.ErrorContains(t, err, field+" is private_key_jwt, whose key 1 of 1, with the ID \"k1\", has no Signer; in JSON set client_key")
	}
}

// A nil pointer in an interface is no method: it is written as none, replaced by one from
// outside, and refused by Register as ever.
func TestNilMethods(t *testing.T) {
	for _, nothing := range []clientauth.Method{
		(*clientauth.Basic)(nil), (*clientauth.BasicRaw)(nil), (*clientauth.Post)(nil), (*clientauth.PrivateKeyJWT)(nil), (*clientauth.TLS)(nil),
	} {
		p := signon.Provider{Name: "corp", ClientID: "app", Issuer: "https://op.test", ClientSecret: "s3cret", ClientAuth: nothing, RevocationAuth: nothing}
		text, err := json.Marshal(p)
		require.NoError(t, err)
		require.NotContains(t, string(text), "_auth")
		_, err = signon.LoadJSON([]byte(`{"name":"corp","revocation_auth":"client_secret_post"}`), &p)
		require.NoError(t, err)
		require.Equal(t, clientauth.Post{}, p.RevocationAuth)
		r, err := signon.New(signon.Config{BaseURL: siteURL, Keys: siteKeys, Logger: quiet()})
		require.NoError(t, err)
		_, err = r.Register(p)
		require.Error(t, err)
	}
}

func TestDecryptionKeysFromOutside(t *testing.T) {
	one, two := freshKey(t), freshKey(t)
	p := signon.Provider{Name: "corp", ClientID: "app"}
	require.NoError(t, signon.LoadEnviron([]string{"CORP_DECRYPTION_KEY=" + keysPEM(t, one, two), "CORP_DECRYPTION_KEY_ID=a b"}, "", &p))
	require.Equal(t, []signon.DecryptionKey{{ID: "a", Key: one}, {ID: "b", Key: two}}, p.DecryptionKeys)
	require.NoError(t, signon.LoadEnviron([]string{"CORP_DECRYPTION_KEY_ID=c d"}, "", &p))
	require.Equal(t, []signon.DecryptionKey{{ID: "c", Key: one}, {ID: "d", Key: two}}, p.DecryptionKeys)
}

// What does not belong together is an error that says so, and shows no key.
func TestCredentialsRefused(t *testing.T) {
	key, cert := keyPEM(t), certificatePEM(t)
	for _, tt := range []struct {
		name string
		env  []string
		want string
	}{
		{"no method", []string{"CLIENT_KEY=" + key}, "CORP_CLIENT_KEY is set, but no method uses it; set CORP_CLIENT_AUTH"},
		{"another method", []string{"CLIENT_AUTH=client_secret_post", "CLIENT_CERTIFICATE=" + cert}, "such as tls_client_auth"},
		{"an alg for TLS", []string{"CLIENT_AUTH=tls_client_auth", "CLIENT_KEY_ALG=ES256"}, "CORP_CLIENT_KEY_ALG is set, but no method uses it"},
		{"a key for a secret", []string{"CLIENT_AUTH=client_secret_jwt", "CLIENT_KEY=" + key}, "CORP_CLIENT_KEY is set, but no method uses it"},
		{"two algs for a secret", []string{"CLIENT_AUTH=client_secret_jwt", "CLIENT_KEY_ALG=HS256 HS512"}, "CORP_CLIENT_KEY_ALG has several algorithms"},
		{"two keys for TLS", []string{"CLIENT_AUTH=tls_client_auth", "CLIENT_KEY=" + key + keyPEM(t)}, "CORP_CLIENT_KEY has several keys"},
		{"more IDs than keys", []string{"CLIENT_AUTH=private_key_jwt", "CLIENT_KEY=" + key, "CLIENT_KEY_ID=a b"}, "1 keys, CORP_CLIENT_KEY_ID 2 IDs"},
		{"fewer IDs than keys", []string{"CLIENT_AUTH=private_key_jwt", "CLIENT_KEY=" + key + keyPEM(t), "CLIENT_KEY_ID=a"}, "2 keys, CORP_CLIENT_KEY_ID 1 IDs"},
		{"fewer algs than keys", []string{"CLIENT_AUTH=private_key_jwt", "CLIENT_KEY=" + key + keyPEM(t) + keyPEM(t), "CLIENT_KEY_ALG=ES256 ES256"}, "3 keys, CORP_CLIENT_KEY_ID 0 IDs, CORP_CLIENT_KEY_ALG 2 algorithms"},
		{"more algs than keys", []string{"CLIENT_AUTH=private_key_jwt", "CLIENT_KEY=" + key, "CLIENT_KEY_ALG=ES256 ES256"}, "1 keys, CORP_CLIENT_KEY_ID 0 IDs, CORP_CLIENT_KEY_ALG 2 algorithms"},
		{"IDs of no decryption key", []string{"DECRYPTION_KEY=" + key, "DECRYPTION_KEY_ID=a b"}, "CORP_DECRYPTION_KEY has 1 keys, CORP_DECRYPTION_KEY_ID 2 IDs; give"},
		{"a certificate as key", []string{"CLIENT_AUTH=private_key_jwt", "CLIENT_KEY=" + cert}, "CORP_CLIENT_KEY: "},
		{"a key as certificate", []string{"CLIENT_AUTH=tls_client_auth", "CLIENT_CERTIFICATE=" + key}, "belongs into client_key"},
		{"a key behind the certificate", []string{"CLIENT_AUTH=tls_client_auth", "CLIENT_CERTIFICATE=" + cert + key}, "belongs into client_key"},
		{"a certificate cut off", []string{"CLIENT_AUTH=tls_client_auth", "CLIENT_CERTIFICATE=" + cert[:90]}, "cut off"},
		{"a certificate of nothing", []string{"CLIENT_AUTH=tls_client_auth", "CLIENT_CERTIFICATE=" + certificateText([]byte("x"))}, "certificate 1"},
		{"words alone", []string{"CLIENT_AUTH=tls_client_auth", "CLIENT_CERTIFICATE=Bag Attributes"}, "expected certificates in PEM"},
		{"a redacted key", []string{"CLIENT_AUTH=private_key_jwt", "CLIENT_KEY=[redacted]"}, "never shows it"},
		{"a key by half", []string{"CLIENT_ID_=", "CLIENT_AUTH=private_key_jwt", "CLIENT_KEY=" + key}, "CORP_CLIENT_ID"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			environ := []string{"CORP_CLIENT_ID=app"}
			for _, entry := range tt.env {
				if entry == "CLIENT_ID_=" {
					environ = nil
					continue
				}
				environ = append(environ, "CORP_"+entry)
			}
			p := signon.Provider{Name: "corp"}
			err := signon.LoadEnviron(environ, "", &p)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), strings.Split(key, "\n")[1][:20])
			require.Equal(t, signon.Provider{Name: "corp"}, p)
		})
	}
}

// LG-03: what was loaded does not print its secrets and keys, and is written without them.
func TestLoadedSecretsDoNotPrint(t *testing.T) {
	key := freshKey(t)
	p := signon.Provider{Name: "corp"}
	require.NoError(t, signon.LoadEnviron([]string{
		"CORP_CLIENT_ID=app", "CORP_CLIENT_SECRET=canary-secret", "CORP_CLIENT_AUTH=private_key_jwt", "CORP_REVOCATION_AUTH=tls_client_auth",
		"CORP_CLIENT_CERTIFICATE=" + certificateText(certificateOf(t, key)), "CORP_CLIENT_KEY=" + keysPEM(t, key), "CORP_DECRYPTION_KEY=" + keysPEM(t, key),
	}, "", &p))
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&out, verb, p)
		fmt.Fprintf(&out, verb, &p)
	}
	written, err := json.Marshal(p)
	require.NoError(t, err)
	out.Write(written)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("loaded", "provider", p)
	slog.New(slog.NewTextHandler(&out, nil)).Info("loaded", "provider", p)
	d, err := key.Bytes()
	require.NoError(t, err)
	for _, canary := range []string{"canary-secret", strings.Split(keysPEM(t, key), "\n")[1][8:], new(big.Int).SetBytes(d).String(), fmt.Sprintf("%x", d)} {
		require.NotContains(t, out.String(), canary)
	}
}

// A user signs in with a key that a file holds.
func TestSignInWithKeyFromFile(t *testing.T) {
	key := freshKey(t)
	file := filepath.Join(t.TempDir(), "key.pem")
	require.NoError(t, os.WriteFile(file, []byte(keysPEM(t, key)), 0o600))
	t.Setenv("MYAPP_OP_CLIENT_ID", "app")
	t.Setenv("MYAPP_OP_CLIENT_AUTH", "private_key_jwt")
	t.Setenv("MYAPP_OP_CLIENT_KEY_FILE", file)
	t.Setenv("MYAPP_OP_CLIENT_KEY_ID", "k1")
	cfg := opByAuth("private_key_jwt", "")
	cfg.ClientKeys = keySetOf(t, &key.PublicKey, "k1")
	a := newApp(t, appOptions{op: cfg, provider: func(p *signon.Provider) {
		p.ClientID, p.ClientSecret, p.ClientAuth = "", "", nil
		require.NoError(t, signon.LoadEnv("MYAPP_", p))
	}})
	require.Equal(t, http.StatusOK, a.signIn().Status)
	a.requireSignedIn("alice")
}

// keySetOf is a P-256 key as a key set.
func keySetOf(t testing.TB, key *ecdsa.PublicKey, kid string) json.RawMessage {
	t.Helper()
	point, err := key.Bytes()
	require.NoError(t, err)
	text, err := json.Marshal(map[string]any{"keys": []map[string]any{{
		"kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256", "use": "sig", "x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:]),
	}}})
	require.NoError(t, err)
	return text
}
