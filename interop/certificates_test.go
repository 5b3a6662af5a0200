package interop_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/interop/op"
)

// An authority issues the certificates of one test.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

func newAuthority(t testing.TB) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.key = newECKey(t)
	template := template("Test authority")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	require.NoError(t, err)
	a.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return a
}

func newECKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func template(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

// issue makes a certificate by the name; the server's is for both names of loopback.
func (a *authority) issue(name string) tls.Certificate {
	template := template(name)
	template.IPAddresses, template.DNSNames = []net.IP{net.IPv4(127, 0, 0, 1)}, []string{"localhost"}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	return certify(a.t, template, a.cert, a.key)
}

// selfSigned makes a certificate that nobody vouches for, and the key set to register it
// by (RFC 8705 section 2.2.2).
func selfSigned(t testing.TB, name string) (tls.Certificate, json.RawMessage) {
	cert := certify(t, template(name), nil, nil)
	public := cert.Leaf.PublicKey.(*ecdsa.PublicKey)
	point, err := public.Bytes()
	require.NoError(t, err)
	encode := base64.RawURLEncoding.EncodeToString
	set, err := json.Marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:]),
		"x5c": []string{base64.StdEncoding.EncodeToString(cert.Certificate[0])},
	}}})
	require.NoError(t, err)
	return cert, set
}

func certify(t testing.TB, template, parent *x509.Certificate, by crypto.Signer) tls.Certificate {
	key := newECKey(t)
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// pool is who vouches for the servers.
func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// server writes what a provider needs to serve https.
func (a *authority) server() *op.TLS {
	cert := a.issue("127.0.0.1")
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(a.t, err)
	return &op.TLS{
		Cert:     a.write("server.pem", "CERTIFICATE", cert.Certificate[0]),
		Key:      a.write("server.key", "PRIVATE KEY", key),
		ClientCA: a.write("ca.pem", "CERTIFICATE", a.cert.Raw),
	}
}

func (a *authority) write(name, kind string, der []byte) string {
	path := filepath.Join(a.dir, name)
	require.NoError(a.t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return path
}
