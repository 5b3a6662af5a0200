package oidc_test

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/jose"
)

// signRaw signs any header and payload with an Ed25519 key.
func (p *provider) signRaw(t *testing.T, header, payload string) string {
	t.Helper()
	signed := b64([]byte(header)) + "." + b64([]byte(payload))
	signature, err := p.signer.Sign(rand.Reader, []byte(signed), crypto.Hash(0))
	require.NoError(t, err)
	return signed + "." + b64(signature)
}

// TestHeader signs a right payload under hostile headers, rightly.
func TestHeader(t *testing.T) {
	tests := []struct {
		name   string
		header string
		ok     bool
	}{
		{"right", `{"alg":"EdDSA","kid":"k1"}`, true},

		// ID-01
		{"none", `{"alg":"none"}`, false},
		{"None", `{"alg":"None","kid":"k1"}`, false},
		{"nOnE", `{"alg":"nOnE","kid":"k1"}`, false},
		{"alg missing", `{"kid":"k1"}`, false},
		{"alg empty", `{"alg":"","kid":"k1"}`, false},
		{"alg null", `{"alg":null,"kid":"k1"}`, false},
		{"alg in other case", `{"alg":"EDDSA","kid":"k1"}`, false},
		{"alg array", `{"alg":["EdDSA"],"kid":"k1"}`, false},

		// ID-09
		{"kid is a path", `{"alg":"EdDSA","kid":"../../x"}`, false},
		{"kid is SQL", `{"alg":"EdDSA","kid":"k1' OR 1=1--"}`, false},
		{"kid is large", `{"alg":"EdDSA","kid":"` + strings.Repeat("k", 40<<10) + `"}`, false},
		{"kid number", `{"alg":"EdDSA","kid":1}`, false},
		{"kid null", `{"alg":"EdDSA","kid":null}`, false},

		// ID-14
		{"crit", `{"alg":"EdDSA","kid":"k1","crit":["bork"],"bork":1}`, false},
		{"crit empty", `{"alg":"EdDSA","kid":"k1","crit":[]}`, false},
		{"crit string", `{"alg":"EdDSA","kid":"k1","crit":"bork"}`, false},
		{"crit null", `{"alg":"EdDSA","kid":"k1","crit":null}`, false},
		{"b64 false", `{"alg":"EdDSA","kid":"k1","b64":false}`, false},
		{"b64 false and critical", `{"alg":"EdDSA","kid":"k1","b64":false,"crit":["b64"]}`, false},

		// ID-15
		{"typ JWT", `{"alg":"EdDSA","kid":"k1","typ":"JWT"}`, true},
		{"typ jwt", `{"alg":"EdDSA","kid":"k1","typ":"jwt"}`, true},
		{"typ application/jwt", `{"alg":"EdDSA","kid":"k1","typ":"application/JWT"}`, true},
		{"typ logout+jwt", `{"alg":"EdDSA","kid":"k1","typ":"logout+jwt"}`, false},
		{"typ at+jwt", `{"alg":"EdDSA","kid":"k1","typ":"at+jwt"}`, false},
		{"typ application/at+jwt", `{"alg":"EdDSA","kid":"k1","typ":"application/at+jwt"}`, false},
		{"typ dpop+jwt", `{"alg":"EdDSA","kid":"k1","typ":"dpop+jwt"}`, false},
		{"typ secevent+jwt", `{"alg":"EdDSA","kid":"k1","typ":"secevent+jwt"}`, false},
		{"typ number", `{"alg":"EdDSA","kid":"k1","typ":1}`, false},

		// ID-21
		{"alg twice", `{"alg":"EdDSA","alg":"EdDSA","kid":"k1"}`, false},
		{"alg twice, once escaped", `{"alg":"EdDSA","\u0061lg":"none","kid":"k1"}`, false},
		{"kid twice", `{"alg":"EdDSA","kid":"k1","kid":"k2"}`, false},
		{"ALG too", `{"alg":"EdDSA","ALG":"none","kid":"k1"}`, false},
		{"Crit", `{"alg":"EdDSA","kid":"k1","Crit":["bork"]}`, false},

		{"not an object", `["EdDSA"]`, false},
		{"invalid UTF-8", "{\"alg\":\"EdDSA\",\"kid\":\"k1\",\"a\":\"\xff\"}", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			op := newProvider(t, "EdDSA")
			requireVerdict(t, op.signRaw(t, test.header, op.claims().json(t)), op, op.expect(), test.ok)
		})
	}
}

// ID-12, ID-13: keys that a token brings are neither used nor fetched, and do
// no harm to a token that is right.
func TestHeaderKeys(t *testing.T) {
	op, attacker := newProvider(t, "EdDSA"), newProvider(t, "EdDSA")
	evil := publicJWK(t, attacker.signer, "k1", "EdDSA")
	for name, member := range map[string]string{
		"jwk":      `"jwk":` + evil,
		"jku":      `"jku":"http://169.254.169.254/jwks"`,
		"x5u":      `"x5u":"https://evil.example/cert"`,
		"x5c":      `"x5c":["AAAA"]`,
		"x5t#S256": `"x5t#S256":"AAAA"`,
	} {
		t.Run(name, func(t *testing.T) {
			header := `{"alg":"EdDSA","kid":"k1",` + member + `}`
			payload := op.claims().json(t)
			requireVerdict(t, attacker.signRaw(t, header, payload), op, op.expect(), false)
			requireVerdict(t, op.signRaw(t, header, payload), op, op.expect(), true)
		})
	}
}

// ID-02, ID-03, ID-04, ID-05
func TestAlgorithms(t *testing.T) {
	op := newProvider(t, "RS256")
	secret := []byte("a client secret of 32 bytes, yes")
	payload := []byte(op.claims().json(t))
	hs256 := func(key []byte) string {
		raw, err := jose.Sign("HS256", key, map[string]any{"kid": "k1"}, payload)
		require.NoError(t, err)
		return raw
	}
	byKey := func(alg string) string {
		raw, err := jose.Sign(alg, op.signer, map[string]any{"kid": "k1"}, payload)
		require.NoError(t, err)
		return raw
	}
	der, err := x509.MarshalPKIXPublicKey(op.signer.Public())
	require.NoError(t, err)
	inPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	inJWK := []byte(publicJWK(t, op.signer, "k1", "RS256"))

	tests := []struct {
		name   string
		raw    string
		algs   []string
		secret []byte
		ok     bool
	}{
		// ID-02
		{"HS256 by PEM", hs256(inPEM), []string{"RS256"}, secret, false},
		{"HS256 by DER", hs256(der), []string{"RS256"}, secret, false},
		{"HS256 by JWK", hs256(inJWK), []string{"RS256"}, secret, false},
		{"HS256 by PEM, HS256 chosen too", hs256(inPEM), []string{"RS256", "HS256"}, secret, false},
		{"HS256 by DER, HS256 chosen too", hs256(der), []string{"RS256", "HS256"}, secret, false},
		{"HS256 by JWK, HS256 chosen too", hs256(inJWK), []string{"RS256", "HS256"}, secret, false},
		// ID-03
		{"HS256 by the secret", hs256(secret), []string{"RS256"}, secret, false},
		{"HS256 by the secret, chosen", hs256(secret), []string{"HS256"}, secret, true},
		// ID-04
		{"HS256 without a secret", hs256(secret), []string{"HS256"}, nil, false},
		{"HS256 by a short secret", hs256(secret), []string{"HS256"}, secret[:31], false},
		// ID-05
		{"RS256", byKey("RS256"), []string{"RS256"}, nil, true},
		{"RS384", byKey("RS384"), []string{"RS256"}, nil, false},
		{"PS256", byKey("PS256"), []string{"RS256"}, nil, false},
		{"no algorithms", byKey("RS256"), nil, nil, false},
		// ID-10: the key itself is for RS256.
		{"PS256, chosen", byKey("PS256"), []string{"PS256"}, nil, false},
		{"none, chosen", b64([]byte(`{"alg":"none"}`)) + "." + b64(payload) + ".AA", []string{"none"}, nil, false},
		{"unknown, chosen", b64([]byte(`{"alg":"XS256"}`)) + "." + b64(payload) + ".AA", []string{"XS256"}, nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := op.expect()
			e.Algs, e.Secret = test.algs, test.secret
			requireVerdict(t, test.raw, op, e, test.ok)
		})
	}
	t.Run("ES256", func(t *testing.T) { // ID-05
		ec := newProvider(t, "ES256")
		ec.set = keySet(t, publicJWK(t, ec.signer, "k1", ""), publicJWK(t, op.signer, "k1", ""))
		e := op.expect()
		requireVerdict(t, ec.sign(t, ec.claims()), ec, e, false)
	})
}

// TestForms takes a right token and writes it down in another way.
func TestForms(t *testing.T) {
	op := newProvider(t, "EdDSA")
	right := op.sign(t, op.claims())
	parts := strings.Split(right, ".")
	header, payload, signature := parts[0], parts[1], parts[2]
	// A signature of 64 bytes leaves four bits of its last character unused.
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := len(right) - 1
	stray := right[:last] + alphabet[strings.IndexByte(alphabet, right[last])+1:][:1]
	tests := []struct {
		name string
		raw  string
	}{
		// ID-37
		{"empty", ""},
		// ID-17
		{"flattened JSON", `{"protected":"` + header + `","payload":"` + payload + `","signature":"` + signature + `"}`},
		{"general JSON", `{"payload":"` + payload + `","signatures":[{"protected":"` + header + `","signature":"` + signature + `"}]}`},
		// ID-18
		{"one segment", header},
		{"two segments", header + "." + payload},
		{"four segments", right + "." + signature},
		{"1000000 segments", strings.Repeat(".", 1_000_000)},
		{"dots", strings.Repeat(".", 1000)},
		{"10 MB", right + strings.Repeat("A", 10<<20)},
		{"64 KiB and more", right + strings.Repeat("A", 64<<10)},
		{"header of 1 MB", strings.Repeat("A", 1<<20) + "." + payload + "." + signature},
		{"empty header", "." + payload + "." + signature},
		{"empty payload", header + ".." + signature}, // also a detached one
		// ID-19
		{"padded", right + "=="},
		{"padded header", header + "=." + payload + "." + signature},
		{"space before", " " + right},
		{"line break after", right + "\n"},
		{"line break inside", right[:20] + "\r\n" + right[20:]},
		{"line break in the signature", right[:len(right)-5] + "\n" + right[len(right)-5:]},
		{"standard alphabet", header + "." + payload + "." + strings.NewReplacer("-", "+", "_", "/").Replace(signature) + "+/"},
		{"stray bits", stray},
		{"not ASCII", header + "." + payload + ".é" + signature},
		{"Bearer", "Bearer " + right},
		// ID-40, ID-41: encryption is not negotiated, whatever its tricks.
		{"encrypted", b64([]byte(`{"alg":"RSA-OAEP","enc":"A256GCM"}`)) + ".AA.AA.AA.AA"},
		{"encrypted, RSA1_5", b64([]byte(`{"alg":"RSA1_5","enc":"A128CBC-HS256"}`)) + ".AA.AA.AA.AA"},
		{"encrypted, dir", b64([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + "..AA.AA.AA"},
		{"encrypted, PBES2", b64([]byte(`{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","p2c":2147483648}`)) + ".AA.AA.AA.AA"},
		{"encrypted, zip", b64([]byte(`{"alg":"dir","enc":"A256GCM","zip":"DEF"}`)) + ".AA.AA.AA.AA"},
		{"encrypted in three segments", b64([]byte(`{"alg":"dir","enc":"A256GCM"}`)) + "." + payload + "." + signature},
	}
	requireVerdict(t, right, op, op.expect(), true)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			requireVerdict(t, test.raw, op, op.expect(), false)
		})
	}
	t.Run("nested", func(t *testing.T) { // ID-40: a signed token in a signed token
		requireVerdict(t, op.signRaw(t, `{"alg":"EdDSA","kid":"k1","cty":"JWT"}`, right), op, op.expect(), false)
	})
}
