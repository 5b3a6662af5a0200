package clientauth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/clientauth"
)

// sent is what an assertion says, read by nothing of ours.
type sent struct {
	header, claims map[string]any
	input          []byte // what is signed
	signature      []byte
}

// assertion authenticates one request and takes it apart.
func assertion(t *testing.T, m clientauth.Method, r *clientauth.Request) sent {
	t.Helper()
	require.NoError(t, m.Authenticate(t.Context(), r))
	require.Equal(t, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", r.Params.Get("client_assertion_type"))
	require.Equal(t, r.ClientID, r.Params.Get("client_id"), "sent beside")
	require.Len(t, r.Params, 4, "and nothing else")
	require.Empty(t, r.Header, "one proof")
	parts := strings.Split(r.Params.Get("client_assertion"), ".")
	require.Len(t, parts, 3)
	var s sent
	for i, into := range []any{&s.header, &s.claims} {
		data, err := base64.RawURLEncoding.DecodeString(parts[i])
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, into))
	}
	var err error
	s.signature, err = base64.RawURLEncoding.DecodeString(parts[2])
	require.NoError(t, err)
	s.input = []byte(parts[0] + "." + parts[1])
	return s
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	return key
}

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return key
}

func edKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return key
}

// A service is a signer somewhere else: no type of the standard library's.
type service struct {
	crypto.Signer
	sign func(digest []byte, opts crypto.SignerOpts) ([]byte, error)
}

func (s service) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if s.sign != nil {
		return s.sign(digest, opts)
	}
	return s.Signer.Sign(rand.Reader, digest, opts)
}

func oneKey(k clientauth.Key) clientauth.PrivateKeyJWT {
	return clientauth.PrivateKeyJWT{Keys: []clientauth.Key{k}}
}

// CA-03, CA-05: what an assertion says: whose it is, for whom, for how long, by which key.
func TestAssertionClaims(t *testing.T) {
	ec := ecKey(t, elliptic.P256())
	for _, c := range []struct {
		name     string
		method   clientauth.Method
		kid, alg any
	}{
		{"private key", oneKey(clientauth.Key{ID: "k1", Signer: ec}), "k1", "ES256"},
		{"private key without an ID", oneKey(clientauth.Key{Signer: ec}), nil, "ES256"},
		{"secret", clientauth.SecretJWT{}, nil, "HS256"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := float64(time.Now().Unix())
				seen := map[any]bool{}
				for _, endpoint := range []string{"https://op.example/token", "https://op.example/revoke", "https://evil.example/token"} {
					r := request("client", long)
					r.Endpoint = endpoint
					got := assertion(t, c.method, r)
					want := map[string]any{"typ": "client-authentication+jwt", "alg": c.alg}
					if c.kid != nil {
						want["kid"] = c.kid
					}
					require.Equal(t, want, got.header)
					jti, _ := got.claims["jti"].(string)
					require.GreaterOrEqual(t, len(jti), 26, "128 bits in base32")
					require.False(t, seen[jti], "a jti of its own each time")
					seen[jti] = true
					delete(got.claims, "jti")
					require.Equal(t, map[string]any{
						"iss": "client", "sub": "client", "aud": "https://op.example", "iat": now, "exp": now + 60,
					}, got.claims, "the audience is the issuer, as one string, at every endpoint")
				}
			})
		})
	}
}

// CA-03: another audience and another type, only where the application says so.
func TestAssertionChoices(t *testing.T) {
	for _, m := range []clientauth.Method{
		clientauth.PrivateKeyJWT{Keys: []clientauth.Key{{Signer: edKey(t)}}, Audience: "https://op.example/oauth/token", Type: "JWT"},
		clientauth.SecretJWT{Audience: "https://op.example/oauth/token", Type: "JWT"},
	} {
		t.Run(m.Name(), func(t *testing.T) {
			got := assertion(t, m, request("client", long))
			require.Equal(t, "https://op.example/oauth/token", got.claims["aud"])
			require.Equal(t, "JWT", got.header["typ"])
		})
	}
}

// An assertion for nobody, or for every tenant, is none.
func TestAssertionWithoutAudience(t *testing.T) {
	for _, m := range []clientauth.Method{oneKey(clientauth.Key{Signer: edKey(t)}), clientauth.SecretJWT{}} {
		for _, issuer := range []string{"", "https://op.example/{tenantid}/v2.0"} {
			r := request("client", long)
			r.Issuer = issuer
			require.Error(t, m.(clientauth.Checker).Check(t.Context(), r))
			require.Error(t, m.Authenticate(t.Context(), r))
			require.Len(t, r.Params, 1, "nothing is added")
		}
	}
}

// Every algorithm, with a key of the standard library and with one that is somewhere else,
// as a verifier of the standard library sees it.
func TestPrivateKeyJWTAlgorithms(t *testing.T) {
	r, p256, p384, p521, ed := rsaKey(t, 2048), ecKey(t, elliptic.P256()), ecKey(t, elliptic.P384()), ecKey(t, elliptic.P521()), edKey(t)
	for _, c := range []struct {
		alg      string
		byItself bool // the key alone says it
		key      crypto.Signer
	}{
		{"RS256", true, r}, {"RS384", false, r}, {"RS512", false, r},
		{"PS256", false, r}, {"PS384", false, r}, {"PS512", false, r},
		{"ES256", true, p256}, {"ES384", true, p384}, {"ES512", true, p521}, {"EdDSA", true, ed},
	} {
		for where, signer := range map[string]crypto.Signer{"own": c.key, "elsewhere": service{Signer: c.key}} {
			t.Run(c.alg+" "+where, func(t *testing.T) {
				key := clientauth.Key{ID: "k", Alg: c.alg, Signer: signer}
				if c.byItself {
					key.Alg = ""
				}
				m := oneKey(key)
				require.Equal(t, c.alg, m.AssertionAlg())
				require.NoError(t, m.Check(t.Context(), request("client", "")))
				got := assertion(t, m, request("client", ""))
				require.Equal(t, c.alg, got.header["alg"])
				require.True(t, verifies(c.alg, c.key.Public(), got))

				public, err := m.PublicKeys(t.Context())
				require.NoError(t, err)
				require.Len(t, public, 1)
				var jwk map[string]any
				require.NoError(t, json.Unmarshal(public[0], &jwk))
				require.Equal(t, []any{"sig", "k", c.alg}, []any{jwk["use"], jwk["kid"], jwk["alg"]})
				for _, private := range []string{"d", "p", "q", "k"} {
					require.NotContains(t, jwk, private)
				}
			})
		}
	}
}

// verifies is the standard library's view of a signature.
func verifies(alg string, public crypto.PublicKey, s sent) bool {
	hashes := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}
	h := hashes[alg[2:]]
	if key, ok := public.(ed25519.PublicKey); ok {
		return ed25519.Verify(key, s.input, s.signature)
	}
	digest := h.New()
	digest.Write(s.input)
	sum := digest.Sum(nil)
	switch key := public.(type) {
	case *rsa.PublicKey:
		if alg[0] == 'P' {
			return rsa.VerifyPSS(key, h, sum, s.signature, &rsa.PSSOptions{SaltLength: h.Size()}) == nil
		}
		return rsa.VerifyPKCS1v15(key, h, sum, s.signature) == nil
	case *ecdsa.PublicKey:
		size := (key.Curve.Params().BitSize + 7) / 8
		if len(s.signature) != 2*size {
			return false
		}
		return ecdsa.Verify(key, sum, new(big.Int).SetBytes(s.signature[:size]), new(big.Int).SetBytes(s.signature[size:]))
	}
	return false
}

func TestSecretJWTAlgorithms(t *testing.T) {
	for _, c := range []struct {
		alg  string
		hash func() hash.Hash
	}{
		{"HS256", sha256.New}, {"HS384", sha512.New384}, {"HS512", sha512.New},
	} {
		t.Run(c.alg, func(t *testing.T) {
			size := c.hash().Size()
			m := clientauth.SecretJWT{Alg: c.alg}
			secret := long[:size]
			require.NoError(t, m.Check(t.Context(), request("client", secret)))
			r := request("client", secret)
			got := assertion(t, m, r)
			require.Equal(t, c.alg, got.header["alg"])
			mac := hmac.New(c.hash, []byte(secret))
			mac.Write(got.input)
			require.Equal(t, mac.Sum(nil), got.signature)
			require.NotContains(t, r.Params.Encode(), secret[:5], "the secret is not sent")

			// CA-05: RFC 7518 section 3.2.
			short := request("client", long[:size-1])
			require.Error(t, m.Check(t.Context(), short))
			require.Error(t, m.Authenticate(t.Context(), short))
		})
	}
	for _, alg := range []string{"none", "RS256", "hs256", "HS1"} {
		require.Error(t, clientauth.SecretJWT{Alg: alg}.Check(t.Context(), request("client", long)), alg)
		require.Error(t, clientauth.SecretJWT{Alg: alg}.Authenticate(t.Context(), request("client", long)), alg)
	}
}

// CA-05: a key that cannot sign what is said of it refuses the registration, and the error
// names it.
func TestPrivateKeyJWTCheck(t *testing.T) {
	r, p256, ed := rsaKey(t, 2048), ecKey(t, elliptic.P256()), edKey(t)
	garbage := func(b []byte) crypto.Signer {
		return service{p256, func([]byte, crypto.SignerOpts) ([]byte, error) { return b, nil }}
	}
	other := ecKey(t, elliptic.P256())
	for _, c := range []struct {
		name string
		keys []clientauth.Key
		says []string
	}{
		{"no key", nil, nil},
		{"nil signer", []clientauth.Key{{ID: "the-key"}}, []string{"the-key"}},
		{"nil signer behind", []clientauth.Key{{ID: "a", Signer: p256}, {ID: "the-key"}}, []string{"the-key"}},
		{"wrong curve", []clientauth.Key{{ID: "the-key", Alg: "ES384", Signer: p256}}, []string{"the-key", "ES384"}},
		{"wrong type", []clientauth.Key{{ID: "the-key", Alg: "RS256", Signer: p256}}, []string{"the-key", "RS256"}},
		{"wrong type, RSA", []clientauth.Key{{ID: "the-key", Alg: "ES256", Signer: r}}, []string{"the-key", "ES256"}},
		{"wrong type, Ed25519", []clientauth.Key{{ID: "the-key", Alg: "PS256", Signer: ed}}, []string{"the-key", "PS256"}},
		{"HMAC by a key", []clientauth.Key{{ID: "the-key", Alg: "HS256", Signer: r}}, []string{"the-key", "HS256"}},
		{"none", []clientauth.Key{{ID: "the-key", Alg: "none", Signer: r}}, []string{"the-key", "none"}},
		{"unknown curve", []clientauth.Key{{ID: "the-key", Signer: ecKey(t, elliptic.P224())}}, []string{"the-key", "P-224"}},
		{"short RSA", []clientauth.Key{{ID: "the-key", Signer: rsaKey(t, 1024)}}, []string{"the-key", "1024", "2048"}},
		{"short RSA behind", []clientauth.Key{{ID: "a", Signer: p256}, {ID: "the-key", Signer: rsaKey(t, 1024)}}, []string{"the-key"}},
		{"the same ID", []clientauth.Key{{ID: "the-key", Signer: p256}, {ID: "the-key", Signer: r}}, []string{"the-key"}},
		{"no ID among several", []clientauth.Key{{ID: "a", Signer: p256}, {Signer: r}}, []string{"key 2"}},
		{"another key's signature", []clientauth.Key{{ID: "the-key", Signer: service{p256, func(d []byte, o crypto.SignerOpts) ([]byte, error) { return other.Sign(rand.Reader, d, o) }}}}, []string{"the-key"}},
		{"no ASN.1", []clientauth.Key{{ID: "the-key", Signer: garbage(make([]byte, 64))}}, []string{"the-key"}},
		{"nothing", []clientauth.Key{{ID: "the-key", Signer: garbage(nil)}}, []string{"the-key"}},
		{"trailing bytes", []clientauth.Key{{ID: "the-key", Signer: service{p256, func(d []byte, o crypto.SignerOpts) ([]byte, error) {
			der, err := p256.Sign(rand.Reader, d, o)
			return append(der, 0), err
		}}}}, []string{"the-key"}},
		{"numbers beyond the curve", []clientauth.Key{{ID: "the-key", Signer: garbage(append([]byte{0x30, 0x26, 2, 1, 1, 2, 33}, append([]byte{1}, make([]byte, 32)...)...))}}, []string{"the-key"}},
		{"negative", []clientauth.Key{{ID: "the-key", Signer: garbage([]byte{0x30, 6, 2, 1, 0xff, 2, 1, 0xff})}}, []string{"the-key"}},
		{"an error", []clientauth.Key{{ID: "the-key", Signer: service{p256, func([]byte, crypto.SignerOpts) ([]byte, error) { return nil, io.ErrClosedPipe }}}}, []string{"the-key"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := clientauth.PrivateKeyJWT{Keys: c.keys}.Check(t.Context(), request("client", ""))
			require.Error(t, err)
			for _, word := range c.says {
				require.ErrorContains(t, err, word)
			}
		})
	}
}

// CA-05: the first key signs, and all of them are published.
func TestRollOver(t *testing.T) {
	old, next := clientauth.Key{ID: "old", Signer: ecKey(t, elliptic.P256())}, clientauth.Key{ID: "new", Signer: edKey(t)}
	for _, c := range []struct {
		name string
		keys []clientauth.Key
		by   string
		all  []string
	}{
		{"before", []clientauth.Key{old}, "old", []string{"old"}},
		{"the new one is published", []clientauth.Key{old, next}, "old", []string{"old", "new"}},
		{"it signs", []clientauth.Key{next, old}, "new", []string{"new", "old"}},
		{"after", []clientauth.Key{next}, "new", []string{"new"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := clientauth.PrivateKeyJWT{Keys: c.keys}
			require.NoError(t, m.Check(t.Context(), request("client", "")))
			require.Equal(t, c.by, assertion(t, m, request("client", "")).header["kid"])
			public, err := m.PublicKeys(t.Context())
			require.NoError(t, err)
			var all []string
			for _, raw := range public {
				var jwk struct{ Kid string }
				require.NoError(t, json.Unmarshal(raw, &jwk))
				all = append(all, jwk.Kid)
			}
			require.Equal(t, c.all, all)
		})
	}
}

// LG-03: no key prints, nor what holds one.
func TestKeysDoNotPrint(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	//lint:ignore SA1019 what must not show
	secret := key.D.String()
	k := clientauth.Key{ID: "shown", Signer: key}
	for _, v := range []any{k, &k, oneKey(k), &clientauth.PrivateKeyJWT{Keys: []clientauth.Key{k}}, struct{ M clientauth.Method }{oneKey(k)}} {
		var out strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
			fmt.Fprintf(&out, verb, v)
		}
		b, err := json.Marshal(v)
		require.NoError(t, err)
		out.Write(b)
		slog.New(slog.NewJSONHandler(&out, nil)).InfoContext(context.Background(), "x", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).InfoContext(context.Background(), "x", "v", v)
		require.NotContains(t, out.String(), secret)
		//lint:ignore SA1019 what must not show
		require.NotContains(t, out.String(), fmt.Sprintf("%x", key.D))
		require.NotContains(t, out.String(), secret[:20])
		require.Contains(t, out.String(), "shown")
	}
	bare := edKey(t) // a slice, of which fmt writes every byte
	for _, verb := range []string{"%v", "%+v", "%#v", "%d", "%x"} {
		text := fmt.Sprintf(verb, oneKey(clientauth.Key{ID: "shown", Signer: bare}))
		require.Contains(t, text, "shown")
		require.Less(t, len(text), 200, "%s", verb)
	}
}
