package interop_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/interop/op"
)

// decryptionKey makes a key for an algorithm.
func decryptionKey(t testing.TB, alg string) signon.DecryptionKey {
	if strings.HasPrefix(alg, "RSA") {
		return signon.DecryptionKey{ID: "enc", Key: newRSAKey(t)}
	}
	curves := []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}
	key, err := ecdsa.GenerateKey(curves[len(alg)%3], rand.Reader)
	require.NoError(t, err)
	return signon.DecryptionKey{ID: "enc", Key: crypto.PrivateKey(key)}
}

// ID-40: an encrypted ID token works where it is configured, by each algorithm that both
// sides know; the login's ID token is the signed one inside. The userinfo is encrypted
// too, and signed.
func TestEncryptedIDToken(t *testing.T) {
	var clients []op.Client
	registered := map[string]signon.Provider{}
	for _, c := range []struct{ alg, enc string }{
		{"RSA-OAEP", "A128CBC-HS256"},
		{"RSA-OAEP", "A256GCM"},
		{"RSA-OAEP-256", "A192GCM"},
		{"ECDH-ES", "A128GCM"},
		{"ECDH-ES+A128KW", "A256CBC-HS512"},
		{"ECDH-ES+A192KW", "A192CBC-HS384"},
		{"ECDH-ES+A256KW", "A256GCM"},
	} {
		p := encrypted(t, c.alg+" "+c.enc, c.alg)
		registered[p.ClientID] = p
		clients = append(clients, op.Client{
			ID: p.ClientID, Secret: clientSecret, JWKS: publicKeys(t, p), IDTokenEncryptionAlg: c.alg, IDTokenEncryptionEnc: c.enc,
			UserinfoSignedResponse: "ES256", UserinfoEncryption: c.alg,
		})
	}
	issuer := startClients(t, clients...)
	for name, provider := range registered {
		t.Run(name, func(t *testing.T) {
			provider.Issuer = issuer
			a := newApp(t, origin, provider)
			u := newUser(t, a)
			require.Equal(t, http.StatusOK, u.get("/me").Status)
			raw, err := a.seen().IDToken()
			require.NoError(t, err)
			require.Equal(t, 2, strings.Count(raw, "."))
			var info map[string]any
			require.NoError(t, a.seen().UserInfo(&info))
			require.Equal(t, "alice", info["preferred_username"])

			a.expire(t)
			require.Equal(t, http.StatusOK, u.get("/userinfo").Status)
			require.EqualValues(t, 1, a.refreshes.Load())
		})
	}
}

// encrypted is a provider that encrypts to the client what it says.
func encrypted(t testing.TB, client, alg string) signon.Provider {
	return signon.Provider{
		ClientID: client, ClientSecret: clientSecret, Scopes: []string{"openid", "profile"},
		IDTokenEncryptionAlg: alg, UserInfoSigningAlg: "ES256", UserInfoEncryptionAlg: alg,
		DecryptionKeys: []signon.DecryptionKey{decryptionKey(t, alg)}, FetchUserInfo: true,
	}
}

// ID-40: encrypted though nobody asked for it, and not encrypted though somebody did.
func TestEncryptionNotAsAgreed(t *testing.T) {
	p := encrypted(t, "", "RSA-OAEP")
	p.UserInfoSigningAlg, p.UserInfoEncryptionAlg, p.FetchUserInfo = "", "", false
	p.ClientID = "any"
	keys := publicKeys(t, p)
	issuer := startClients(t,
		op.Client{ID: "unasked", Secret: clientSecret, JWKS: keys, IDTokenEncryptionAlg: "RSA-OAEP"},
		op.Client{ID: "plain", Secret: clientSecret},
		op.Client{ID: "another algorithm", Secret: clientSecret, JWKS: rsaOAEP256(t, keys), IDTokenEncryptionAlg: "RSA-OAEP-256"},
		op.Client{ID: "as agreed", Secret: clientSecret, JWKS: keys, IDTokenEncryptionAlg: "RSA-OAEP"},
	)
	for name, status := range map[string]int{
		"unasked": http.StatusBadGateway, "plain": http.StatusBadGateway,
		"another algorithm": http.StatusBadGateway, "as agreed": http.StatusOK,
	} {
		t.Run(name, func(t *testing.T) {
			p := p
			p.ClientID, p.Issuer = name, issuer
			if name == "unasked" {
				p.IDTokenEncryptionAlg, p.DecryptionKeys = "", nil
			}
			require.Equal(t, status, newUser(t, newApp(t, origin, p)).get("/me").Status)
		})
	}
}

// rsaOAEP256 has the same key published for another algorithm.
func rsaOAEP256(t testing.TB, set json.RawMessage) json.RawMessage {
	changed := strings.ReplaceAll(string(set), `"RSA-OAEP"`, `"RSA-OAEP-256"`)
	require.NotEqual(t, string(set), changed)
	return json.RawMessage(changed)
}
