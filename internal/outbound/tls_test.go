package outbound_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/outbound"
)

// certificate makes a self-signed certificate for a name, and the pool that trusts it.
func certificate(t *testing.T, name string, end time.Time) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: end,
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// DI-17: a certificate is good or there is no answer; a provider's own CA comes
// with a client of its own.
func TestTLS(t *testing.T) {
	tomorrow := time.Now().Add(24 * time.Hour)
	good, trusted := certificate(t, "localhost", tomorrow)
	expired, trustedExpired := certificate(t, "localhost", time.Now().Add(-time.Hour))
	foreign, trustedForeign := certificate(t, "op.example", tomorrow)
	tests := []struct {
		name       string
		cert       tls.Certificate
		roots      *x509.CertPool
		maxVersion uint16
		want       error
	}{
		{"own CA", good, trusted, 0, nil},
		{"own CA, TLS 1.2", good, trusted, tls.VersionTLS12, nil},
		{"expired", expired, trustedExpired, 0, outbound.ErrUnreachable},
		{"wrong name", foreign, trustedForeign, 0, outbound.ErrUnreachable},
		{"self-signed", good, nil, 0, outbound.ErrUnreachable},
		{"TLS 1.1", good, trusted, tls.VersionTLS11, outbound.ErrUnreachable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			op := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			op.Config.ErrorLog = quiet
			op.TLS = &tls.Config{Certificates: []tls.Certificate{tt.cert}, MinVersion: tls.VersionTLS10, MaxVersion: tt.maxVersion}
			op.StartTLS()
			defer op.Close()

			base := &http.Client{} // without a CA of its own, it has the transport of this package
			if tt.roots != nil {
				base.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: tt.roots}}
			}
			client := newClient(t, base, dev)
			_, err := get(t, client, strings.Replace(op.URL, "127.0.0.1", "localhost", 1))
			require.ErrorIs(t, err, tt.want)
		})
	}
}

// DI-17: the transport of this package asks for TLS 1.2 by itself, whatever the
// defaults of the process are.
func TestTransportMinimumVersion(t *testing.T) {
	transport := newClient(t, nil, strict).Transport.(*http.Transport)
	require.GreaterOrEqual(t, transport.TLSClientConfig.MinVersion, uint16(tls.VersionTLS12))
	require.False(t, transport.TLSClientConfig.InsecureSkipVerify)
}

// TE-19: GOAWAY says that a stream was not looked at. The transport believes it
// and would send the request again; a code may have been spent all the same.
func TestGoAwayDoesNotReplay(t *testing.T) {
	cert, roots := certificate(t, "localhost", time.Now().Add(time.Hour))
	var posts atomic.Int32
	op := listen(t, func(_ int, c net.Conn) {
		conn := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2"}})
		goAway(conn, &posts)
	})
	client := newClient(t, &http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots},
	}}, dev)
	_, port, err := net.SplitHostPort(op.Addr().String())
	require.NoError(t, err)
	req, err := http.NewRequest("POST", "https://localhost:"+port+"/", strings.NewReader("code=c0de"))
	require.NoError(t, err)
	_, err = outbound.Do(t.Context(), client, req, limit)
	require.ErrorIs(t, err, outbound.ErrUnreachable)
	require.EqualValues(t, 1, posts.Load())
}

// goAway speaks just enough HTTP/2 (RFC 9113 section 4.1) to count requests and
// to answer each with GOAWAY, last stream 0.
func goAway(conn net.Conn, posts *atomic.Int32) {
	const data, headers, settings, goaway = 0x0, 0x1, 0x4, 0x7
	preface := make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
	if _, err := io.ReadFull(conn, preface); err != nil {
		return
	}
	_, _ = conn.Write([]byte{0, 0, 0, settings, 0, 0, 0, 0, 0})
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		size := int64(binary.BigEndian.Uint32(append([]byte{0}, head[:3]...)))
		if _, err := io.CopyN(io.Discard, conn, size); err != nil {
			return
		}
		if head[3] == headers {
			posts.Add(1)
		}
		if head[3] == data && head[4]&1 == 1 { // END_STREAM: the whole body is here
			_, _ = conn.Write([]byte{0, 0, 8, goaway, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
			return
		}
	}
}
