package providers_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/providers"
)

func newP8(t *testing.T, curve elliptic.Curve) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// appleChecks verifies the client secret as Apple's documentation has it, and puts that of
// the provider behind in its place. No two of them may be alike.
func appleChecks(public *ecdsa.PublicKey) func(r *http.Request) error {
	return func(r *http.Request) error {
		if r.Header.Get("Authorization") != "" || r.PostForm.Get("client_id") != appID {
			return errors.New("the client did not prove itself by client_secret_post")
		}
		if err := checkAppleSecret(r.PostForm.Get("client_secret"), public); err != nil {
			return err
		}
		r.PostForm.Set("client_secret", appSecret)
		return nil
	}
}

func checkAppleSecret(secret string, public *ecdsa.PublicKey) error {
	parts := strings.Split(secret, ".")
	if len(parts) != 3 {
		return errors.New("the client secret is not a signed token")
	}
	decoded := make([][]byte, 3)
	for i, part := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			return err
		}
	}
	var header map[string]string
	var claims struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		IssuedAt int64  `json:"iat"`
		Expiry   int64  `json:"exp"`
	}
	if err := errors.Join(json.Unmarshal(decoded[0], &header), json.Unmarshal(decoded[1], &claims)); err != nil {
		return err
	}
	if header["alg"] != "ES256" || header["kid"] != "ABC123DEFG" {
		return fmt.Errorf("the header is %v", header)
	}
	if claims.Issuer != "DEF123GHIJ" || claims.Subject != appID || claims.Audience != "https://appleid.apple.com" {
		return fmt.Errorf("the claims are %v", claims)
	}
	if now := time.Now().Unix(); claims.IssuedAt != now || claims.Expiry != now+300 {
		return fmt.Errorf("iat is %d and exp %d; now is %d", claims.IssuedAt, claims.Expiry, now)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	half := len(decoded[2]) / 2
	if half != 32 || !ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(decoded[2][:half]), new(big.Int).SetBytes(decoded[2][half:])) {
		return errors.New("the signature is not by the key")
	}
	return nil
}

func appleRow(t *testing.T) row {
	key, p8 := newP8(t, elliptic.P256())
	return row{
		name: "a Services ID", noSecret: true,
		provider: providers.Apple(providers.AppleKey{TeamID: "DEF123GHIJ", ID: "ABC123DEFG", PEM: p8}),
		auth:     "client_secret_post", scope: "openid name email",
		authorize: map[string][]string{"response_mode": {"form_post"}},
		inspect:   appleChecks(&key.PublicKey),
		want: signon.Identity{
			Issuer: "https://appleid.apple.com", Subject: "001999.2c5ea6f6bd3d4a0f9a4b6b6b2b8f0f54.0638",
			Name: "Jane Appleseed", Email: "dpdcnf87nu@privaterelay.appleid.example", EmailVerified: true,
		},
		expires: time.Hour, refreshes: true,
	}
}

func TestApple(t *testing.T) {
	email := func(value any) func(*fixture) {
		return func(f *fixture) { f.set(value, "claims", "email_verified") }
	}
	without := func(id *signon.Identity) { id.EmailVerified = false }
	r := appleRow(t)
	r.variants = []variant{
		{name: "verified by a boolean", edit: email(true), want: func(*signon.Identity) {}},
		{name: "unverified in words", edit: email("false"), want: without},
		{name: "unverified", edit: email(false), want: without},
		{name: "verified in other words", edit: email("TRUE"), want: without},
		{name: "verified by one", edit: email(1), want: without},
		{name: "nothing said of the address", edit: email(absent), want: without},
		{
			name: "a later login",
			edit: func(f *fixture) { f.Answer = nil },
			want: func(id *signon.Identity) { id.Name = "" },
		},
		{
			name: "the browser's word for the address",
			edit: func(f *fixture) { f.set(absent, "claims", "email"); f.set(absent, "claims", "email_verified") },
			want: func(id *signon.Identity) { id.Email, id.EmailVerified = "", false },
		},
		{
			name: "a user that is no JSON",
			edit: func(f *fixture) { f.Answer["user"] = "{" },
			want: func(id *signon.Identity) { id.Name = "" },
		},
	}
	run(t, r)
}

func TestAppleCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := appleRow(t)
		r.fixture = "apple"
		f := loadFixture(t, r.fixture)
		f.Answer = map[string]string{"error": "user_cancelled_authorize"}
		s := r.signIn(t, f)
		var refused *signon.ProviderError
		require.ErrorAs(t, s.failure, &refused)
		require.Equal(t, "access_denied", refused.Code)
	})
}

func TestAppleKeys(t *testing.T) {
	key, p8 := newP8(t, elliptic.P256())
	_, p384 := newP8(t, elliptic.P384())
	const team, id = "DEF123GHIJ", "ABC123DEFG"
	for name, c := range map[string]struct {
		key    providers.AppleKey
		secret signon.Secret
		fits   bool
	}{
		"PEM":                {key: providers.AppleKey{TeamID: team, ID: id, PEM: p8}, fits: true},
		"a signer":           {key: providers.AppleKey{TeamID: team, ID: id, Signer: key}, fits: true},
		"both":               {key: providers.AppleKey{TeamID: team, ID: id, PEM: p8, Signer: key}},
		"neither":            {key: providers.AppleKey{TeamID: team, ID: id}},
		"no team":            {key: providers.AppleKey{ID: id, PEM: p8}},
		"no key ID":          {key: providers.AppleKey{TeamID: team, PEM: p8}},
		"another curve":      {key: providers.AppleKey{TeamID: team, ID: id, PEM: p384}},
		"two keys":           {key: providers.AppleKey{TeamID: team, ID: id, PEM: append(p8[:len(p8):len(p8)], p8...)}},
		"not PEM":            {key: providers.AppleKey{TeamID: team, ID: id, PEM: []byte("secret-of-the-key")}},
		"a secret as well":   {key: providers.AppleKey{TeamID: team, ID: id, PEM: p8}, secret: appSecret},
		"a signer of lies":   {key: providers.AppleKey{TeamID: team, ID: id, Signer: liar{key}}},
		"a signer that ends": {key: providers.AppleKey{TeamID: team, ID: id, Signer: broken{key}}},
	} {
		t.Run(name, func(t *testing.T) {
			p := providers.Apple(c.key)
			p.ClientID, p.ClientSecret = appID, c.secret
			_, err := newRegistry(t).Register(p)
			if c.fits {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			require.NotContains(t, err.Error(), "secret-of-the-key")
			require.NotContains(t, err.Error(), appSecret)
		})
	}
}

// LG-03: neither the key nor what holds it prints.
func TestAppleKeyDoesNotPrint(t *testing.T) {
	key, p8 := newP8(t, elliptic.P256())
	canary := string(p8[40:80])
	for _, k := range []providers.AppleKey{
		{TeamID: "DEF123GHIJ", ID: "ABC123DEFG", PEM: p8}, {TeamID: "DEF123GHIJ", ID: "ABC123DEFG", Signer: key},
	} {
		p := providers.Apple(k)
		var out strings.Builder
		for _, v := range []any{k, &k, []any{k}, p.ClientAuth, []any{p.ClientAuth}} {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
				fmt.Fprintf(&out, verb, v)
			}
			slog.New(slog.NewTextHandler(&out, nil)).Info("key", "key", v)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("key", "key", v)
			b, err := json.Marshal(v)
			require.NoError(t, err)
			out.Write(b)
		}
		require.NotContains(t, out.String(), canary)
		require.NotContains(t, out.String(), fmt.Sprintf("%x", p8[40:60]))
		require.NotContains(t, out.String(), strings.Trim(fmt.Sprint(p8[40:60]), "[]"))
		require.NotContains(t, out.String(), "0x2d, 0x2d") // the bytes of a PEM file's first line, as Go writes them
		//lint:ignore SA1019 what must not show
		require.NotContains(t, out.String(), key.D.String())
		require.NotContains(t, out.String(), "PRIVATE")
		require.Contains(t, out.String(), "DEF123GHIJ")
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			require.Equal(t, "providers.Apple client secret", fmt.Sprintf(verb, p.ClientAuth), verb)
		}
	}
}
