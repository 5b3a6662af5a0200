package clientauth_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/clientauth"
)

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func pkcs8(t testing.TB, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return der
}

func TestParseKeys(t *testing.T) {
	r, ec, ed := rsaKey(t, 2048), ecKey(t, elliptic.P384()), edKey(t)
	sec1, err := x509.MarshalECPrivateKey(ec)
	require.NoError(t, err)
	parameters := block("EC PARAMETERS", []byte{6, 5, 0x2b, 0x81, 4, 0, 0x22})
	for _, c := range []struct {
		name string
		pem  []byte
		want []crypto.Signer
	}{
		{"PKCS #8, RSA", block("PRIVATE KEY", pkcs8(t, r)), []crypto.Signer{r}},
		{"PKCS #8, EC", block("PRIVATE KEY", pkcs8(t, ec)), []crypto.Signer{ec}},
		{"PKCS #8, Ed25519", block("PRIVATE KEY", pkcs8(t, ed)), []crypto.Signer{ed}},
		{"PKCS #1", block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r)), []crypto.Signer{r}},
		{"SEC 1", block("EC PRIVATE KEY", sec1), []crypto.Signer{ec}},
		{"SEC 1 as openssl writes it", append(parameters, block("EC PRIVATE KEY", sec1)...), []crypto.Signer{ec}},
		{"several, in their order", bytes.Join([][]byte{block("PRIVATE KEY", pkcs8(t, ed)), block("EC PRIVATE KEY", sec1)}, nil), []crypto.Signer{ed, ec}},
		{"text around", bytes.Join([][]byte{[]byte("Bag Attributes\n"), block("PRIVATE KEY", pkcs8(t, ed)), []byte("\n\n")}, nil), []crypto.Signer{ed}},
		{"CRLF", bytes.ReplaceAll(block("PRIVATE KEY", pkcs8(t, ed)), []byte("\n"), []byte("\r\n")), []crypto.Signer{ed}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := clientauth.ParseKeys(c.pem)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

// LG-03: what is no key is an error, and the error shows nothing of it.
func TestParseKeysRefuses(t *testing.T) {
	r, ed := rsaKey(t, 2048), edKey(t)
	good := block("PRIVATE KEY", pkcs8(t, ed))
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(ed.Public())
	require.NoError(t, err)
	legacy := pem.EncodeToMemory(&pem.Block{
		Type: "RSA PRIVATE KEY", Bytes: bytes.Repeat([]byte{1}, 64),
		Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"},
	})
	for _, c := range []struct {
		name string
		pem  []byte
		says string
	}{
		{"nothing", nil, "BEGIN PRIVATE KEY"},
		{"text", []byte("canary"), "BEGIN PRIVATE KEY"},
		{"DER", pkcs8(t, ed), "BEGIN PRIVATE KEY"},
		{"parameters alone", block("EC PARAMETERS", []byte{5, 0}), "BEGIN PRIVATE KEY"},
		{"certificate", block("CERTIFICATE", []byte("canary")), "CERTIFICATE"},
		{"public key", block("PUBLIC KEY", public), "PUBLIC KEY"},
		{"public key behind", append(bytes.Clone(good), block("PUBLIC KEY", public)...), "block 2"},
		{"encrypted", block("ENCRYPTED PRIVATE KEY", []byte("canary")), "encrypted"},
		{"encrypted as of old", legacy, "encrypted"},
		{"not a key", block("PRIVATE KEY", []byte("canary")), "block 1"},
		{"PKCS #1 as PKCS #8", block("PRIVATE KEY", x509.MarshalPKCS1PrivateKey(r)), "block 1"},
		{"cannot sign", block("PRIVATE KEY", pkcs8(t, x25519)), "cannot sign"},
		{"cut", good[:len(good)-10], "cut"},
		{"cut behind a good one", append(bytes.Clone(good), good[:40]...), "cut"},
		{"line breaks lost", bytes.ReplaceAll(good, []byte("\n"), nil), "line breaks"},
		{"line breaks escaped", bytes.ReplaceAll(good, []byte("\n"), []byte(`\n`)), "line breaks"},
		{"too large", bytes.Repeat(good, 1000), "bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := clientauth.ParseKeys(c.pem)
			require.Nil(t, got)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "canary")
			require.Less(t, len(err.Error()), 300)
			for _, line := range strings.Split(string(c.pem), "\n") {
				if len(line) == 64 {
					require.NotContains(t, err.Error(), line[:16])
				}
			}
		})
	}
}

// A well-formed key on a curve that is not supported is told by the curve, and by nothing
// else of it.
func TestParseKeysOfAnotherCurve(t *testing.T) {
	secp256k1 := asn1.ObjectIdentifier{1, 3, 132, 0, 10}
	sec1, err := asn1.Marshal(struct {
		Version int
		Private []byte
		Curve   asn1.ObjectIdentifier `asn1:"explicit,tag:0"`
	}{1, bytes.Repeat([]byte{7}, 32), secp256k1})
	require.NoError(t, err)
	wrapped, err := asn1.Marshal(struct {
		Version int
		Algo    struct{ Algorithm, Curve asn1.ObjectIdentifier }
		Private []byte
	}{0, struct{ Algorithm, Curve asn1.ObjectIdentifier }{asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}, secp256k1}, sec1})
	require.NoError(t, err)
	for _, pem := range [][]byte{block("EC PRIVATE KEY", sec1), block("PRIVATE KEY", wrapped)} {
		_, err := clientauth.ParseKeys(pem)
		require.ErrorContains(t, err, "on the curve secp256k1")
		require.Less(t, len(err.Error()), 300)
	}
	_, err = clientauth.ParseKeys(block("EC PRIVATE KEY", sec1[:len(sec1)-1]))
	require.NotContains(t, err.Error(), "curve", "what is cut is not well-formed")
}

// FuzzParseKeys: what is accepted is at least one key that a method may ask for its public
// half, and an error has no line of the file in it.
func FuzzParseKeys(f *testing.F) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	require.NoError(f, err)
	f.Add(block("PRIVATE KEY", pkcs8(f, key)))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte("-----BEGIN EC PARAMETERS-----\nBgUrgQQAIg==\n-----END EC PARAMETERS-----\n"))
	f.Add([]byte("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x\n\nAAAA\n-----END RSA PRIVATE KEY-----"))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := clientauth.ParseKeys(data)
		if err != nil {
			require.Nil(t, keys)
			require.Less(t, len(err.Error()), 400)
			return
		}
		require.NotEmpty(t, keys)
		for _, key := range keys {
			require.NotNil(t, key.Public())
		}
	})
}
