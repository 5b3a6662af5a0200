package signon_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/signontest"
)

// clientCertificate is a self-signed one.
func clientCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "app"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// An mtlsProvider is at two origins: the ordinary one, where no certificate is asked for,
// and that of the aliases, which asks for the client's.
type mtlsProvider struct {
	op             *signontest.Provider
	plain, aliased *httptest.Server
	trust          *http.Transport // what reaches both

	mu        sync.Mutex
	presented map[string][][]byte // by path at the aliased origin: the certificate, or nil
	reached   map[string]int      // by path at the ordinary one
}

func newMTLSProvider(t *testing.T, http2 bool) *mtlsProvider {
	t.Helper()
	p := &mtlsProvider{presented: map[string][][]byte{}, reached: map[string]int{}}
	p.plain = p.serve(t, http2, tls.NoClientCert, func(r *http.Request) { p.reached[r.URL.Path]++ })
	p.aliased = p.serve(t, http2, tls.RequestClientCert, func(r *http.Request) {
		var raw []byte
		if len(r.TLS.PeerCertificates) > 0 {
			raw = r.TLS.PeerCertificates[0].Raw
		}
		p.presented[r.URL.Path] = append(p.presented[r.URL.Path], raw)
	})
	p.op = signontest.NewInProcess(signontest.Config{Issuer: p.plain.URL, Public: true})
	t.Cleanup(p.op.Close)
	p.op.Metadata(func(m map[string]any) {
		aliases := map[string]any{}
		for name, path := range map[string]string{"token": "/token", "userinfo": "/userinfo", "revocation": "/revoke", "introspection": "/introspect"} {
			aliases[name+"_endpoint"] = p.aliased.URL + path
		}
		m["mtls_endpoint_aliases"] = aliases
		for _, endpoint := range []string{"token", "revocation", "introspection"} {
			m[endpoint+"_endpoint_auth_methods_supported"] = []string{"tls_client_auth"}
		}
	})
	p.trust = p.plain.Client().Transport.(*http.Transport) // both servers have one certificate
	return p
}

func (p *mtlsProvider) serve(t *testing.T, http2 bool, ask tls.ClientAuthType, note func(*http.Request)) *httptest.Server {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		note(r)
		p.mu.Unlock()
		p.op.ServeHTTP(w, r)
	}))
	s.EnableHTTP2 = http2
	s.TLS = &tls.Config{ClientAuth: ask, SessionTicketsDisabled: ask == tls.NoClientCert} // both have one name in a cache of sessions
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// certificates are those that came with the requests to a path at the aliased origin.
func (p *mtlsProvider) certificates(path string) [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.presented[path]
}

// An mtlsApp is an application that proves itself by a certificate.
type mtlsApp struct {
	client  *signon.Client
	browser *signontest.Browser
	log     *logBuffer
}

func (p *mtlsProvider) app(t *testing.T, m clientauth.Method) *mtlsApp {
	t.Helper()
	a := &mtlsApp{log: &logBuffer{}, browser: signontest.NewBrowser(t)}
	auth, err := signon.New(signon.Config{
		BaseURL: appURL, HTTPClient: &http.Client{Transport: p.trust}, Logger: a.log.logger(),
		OnLogin: func(_ context.Context, l *signon.Login) (string, error) { return l.Subject, nil },
	})
	require.NoError(t, err)
	provider := p.op.SignonProvider("op")
	provider.ClientAuth, provider.FetchUserInfo, provider.APIBaseURL = m, true, p.aliased.URL+"/api/"
	a.client, err = auth.Register(provider)
	require.NoError(t, err)
	a.browser.Serve(appURL, auth.Handler())
	a.browser.Serve(p.plain.URL, p.op)
	return a
}

// signIn comes back with the status of the callback.
func (a *mtlsApp) signIn() int {
	return a.browser.Get(appURL + "/auth/login/op").Follow().Follow().Status
}

// CA-10: the certificate is presented at the aliases, at the userinfo endpoint and at the API;
// nothing that needs it goes to the ordinary endpoints.
func TestMutualTLS(t *testing.T) {
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			p, cert := newMTLSProvider(t, http2), clientCertificate(t)
			a := p.app(t, clientauth.TLS{Certificate: cert})
			require.Equal(t, http.StatusSeeOther, a.signIn(), a.log)
			ctx := signon.WithOwner(t.Context(), "alice")
			resp, err := a.client.HTTPClient(ctx).Get("items")
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusOK, resp.StatusCode)
			token, err := a.client.Token(ctx)
			require.NoError(t, err)
			_, err = a.client.Introspect(ctx, token)
			require.NoError(t, err)
			require.NoError(t, a.client.Revoke(ctx))

			for _, path := range []string{"/token", "/userinfo", "/api/items", "/introspect", "/revoke"} {
				require.NotEmpty(t, p.certificates(path), path)
				for _, got := range p.certificates(path) {
					require.True(t, bytes.Equal(cert.Certificate[0], got), "%s without our certificate", path)
				}
				require.Zero(t, p.reached[path], "%s at the ordinary origin", path)
			}
			for _, r := range p.op.Requests(signontest.Token) {
				require.Equal(t, []string{p.op.ClientID()}, r.Form["client_id"])
				require.False(t, r.Form.Has("client_secret") || r.Form.Has("client_assertion") || r.Header.Get("Authorization") != "")
			}
		})
	}
}

// CA-10: an alias that is not valid ends the login before it begins, rather than get a token
// that is bound to nothing.
func TestInvalidAlias(t *testing.T) {
	p := newMTLSProvider(t, false)
	a := p.app(t, clientauth.TLS{Certificate: clientCertificate(t)})
	p.op.Metadata(func(m map[string]any) {
		m["mtls_endpoint_aliases"] = map[string]any{"token_endpoint": "http://op.example/token"}
	})
	require.Equal(t, http.StatusBadGateway, a.browser.Get(appURL+"/auth/login/op").Status)
	require.Contains(t, a.log.String(), "mtls_endpoint_aliases")
	require.Zero(t, p.op.Count(signontest.Token))
}

// The aliases are for clients with a certificate: another one does not go there.
func TestAliasesAreForCertificates(t *testing.T) {
	p := newMTLSProvider(t, false)
	p.op.Metadata(func(m map[string]any) {
		m["mtls_endpoint_aliases"] = map[string]any{"token_endpoint": p.aliased.URL + "/token"}
	})
	a := p.app(t, clientauth.None{})
	require.Equal(t, http.StatusSeeOther, a.signIn(), a.log)
	require.Empty(t, p.certificates("/token"))
}

// A TLS session of another client's, without a certificate, is not resumed for one that has
// to present it: nobody would ask for it there.
func TestMutualTLSResumesNothing(t *testing.T) {
	p, cert := newMTLSProvider(t, false), clientCertificate(t)
	p.trust.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	for range 2 {
		resp, err := (&http.Client{Transport: p.trust}).Get(p.aliased.URL + "/")
		require.NoError(t, err)
		_, _ = io.Copy(io.Discard, resp.Body)
		require.NoError(t, resp.Body.Close())
		p.trust.CloseIdleConnections()
	}
	a := p.app(t, clientauth.TLS{Certificate: cert})
	require.Equal(t, http.StatusSeeOther, a.signIn(), a.log)
	for _, got := range p.certificates("/token") {
		require.True(t, bytes.Equal(cert.Certificate[0], got))
	}
}

// CA-10: connections of HTTP/2 that the given transport has already are made without the
// certificate. They are behind its TLSNextProto, which a clone takes over where somebody has
// set it, as http2.ConfigureTransport of golang.org/x/net does.
func TestMutualTLSOverTheGivenConnections(t *testing.T) {
	p, cert := newMTLSProvider(t, true), clientCertificate(t)
	resp, err := (&http.Client{Transport: p.trust}).Get(p.aliased.URL + "/.well-known/openid-configuration")
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, resp.Body)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 2, resp.ProtoMajor)
	configured := p.trust.Clone()
	configured.TLSNextProto = maps.Clone(p.trust.TLSNextProto)
	require.Contains(t, configured.TLSNextProto, "h2")
	p.trust = configured

	a := p.app(t, clientauth.TLS{Certificate: cert})
	require.Equal(t, http.StatusSeeOther, a.signIn(), a.log)
	require.NotEmpty(t, p.certificates("/token"))
	for _, got := range p.certificates("/token") {
		require.True(t, bytes.Equal(cert.Certificate[0], got), "/token without our certificate")
	}
}

// CA-02: what was registered is a copy: the bytes of a certificate that change afterwards,
// and those of its leaf, do not change what is presented and published.
func TestMutualTLSCopiesTheCertificate(t *testing.T) {
	for name, method := range map[string]func(tls.Certificate) clientauth.Method{
		"a value":   func(c tls.Certificate) clientauth.Method { return clientauth.TLS{Certificate: c, SelfSigned: true} },
		"a pointer": func(c tls.Certificate) clientauth.Method { return &clientauth.TLS{Certificate: c, SelfSigned: true} },
	} {
		t.Run(name, func(t *testing.T) {
			cert := clientCertificate(t)
			leaf, err := x509.ParseCertificate(cert.Certificate[0])
			require.NoError(t, err)
			cert.Leaf = leaf
			want := bytes.Clone(cert.Certificate[0])
			p := newMTLSProvider(t, false)
			p.op.Metadata(func(m map[string]any) {
				delete(m, "token_endpoint_auth_methods_supported")
				m["mtls_endpoint_aliases"] = map[string]any{"token_endpoint": p.aliased.URL + "/token"}
			})
			a := p.app(t, method(cert))
			clear(cert.Certificate[0])
			cert.Certificate[0] = nil
			leaf.PublicKey, leaf.Raw = nil, nil
			require.Equal(t, http.StatusSeeOther, a.signIn(), a.log)
			require.Equal(t, [][]byte{want}, p.certificates("/token"))
			keys := ask(t, a.client.JWKSHandler(), http.MethodGet, "/")
			require.Equal(t, http.StatusOK, keys.Code)
			require.Contains(t, keys.Body.String(), base64.StdEncoding.EncodeToString(want))
		})
	}
}

// A renewed certificate is presented by the next connection.
func TestMutualTLSRenewal(t *testing.T) {
	p, old, renewed := newMTLSProvider(t, false), clientCertificate(t), clientCertificate(t)
	var current atomic.Pointer[tls.Certificate]
	current.Store(&old)
	p.trust.DisableKeepAlives = true
	a := p.app(t, clientauth.TLS{GetCertificate: func(context.Context) (*tls.Certificate, error) { return current.Load(), nil }})
	require.Equal(t, http.StatusSeeOther, a.signIn(), a.log)
	current.Store(&renewed)
	require.Equal(t, http.StatusSeeOther, a.signIn(), a.log)
	got := p.certificates("/token")
	require.Len(t, got, 2)
	require.True(t, bytes.Equal(old.Certificate[0], got[0]))
	require.True(t, bytes.Equal(renewed.Certificate[0], got[1]))
}

type panickingKey struct{ crypto.Signer }

func (panickingKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { panic("canary") }

// HK-01: a certificate that does not come, or cannot sign, fails the login closed, and a panic
// in net/http's goroutine does not end the program.
func TestMutualTLSFailsClosed(t *testing.T) {
	good := clientCertificate(t)
	wild := good
	wild.PrivateKey = panickingKey{good.PrivateKey.(crypto.Signer)}
	for _, c := range []struct {
		name string
		get  func() (*tls.Certificate, error)
	}{
		{"an error", func() (*tls.Certificate, error) { return nil, errors.New("down") }},
		{"a panic", func() (*tls.Certificate, error) { panic("canary") }},
		{"nil", func() (*tls.Certificate, error) { return nil, nil }},
		{"no certificate", func() (*tls.Certificate, error) { return &tls.Certificate{}, nil }},
		{"no key", func() (*tls.Certificate, error) { return &tls.Certificate{Certificate: good.Certificate}, nil }},
		{"a key that panics", func() (*tls.Certificate, error) { return &wild, nil }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newMTLSProvider(t, false)
			registered := false
			a := p.app(t, clientauth.TLS{GetCertificate: func(context.Context) (*tls.Certificate, error) {
				if !registered {
					registered = true
					return &good, nil
				}
				return c.get()
			}})
			require.GreaterOrEqual(t, a.signIn(), 500)
			require.Empty(t, p.certificates("/token"), "nothing was sent")
			require.NotContains(t, a.log.String(), "canary")
		})
	}
}

// A certificate that could not be presented refuses the registration.
func TestMutualTLSRefused(t *testing.T) {
	cert := clientCertificate(t)
	dials := &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("x") }}
	for _, c := range []struct {
		name   string
		via    http.RoundTripper
		change func(*signon.Provider)
		says   string // "": it is fine
	}{
		{"our own transport", nil, nil, ""},
		{"net/http's", http.DefaultTransport, nil, ""},
		{"another", signontest.NewInProcess(signontest.Config{}).HTTPClient().Transport, nil, "Config.HTTPClient"},
		{"another one's handshake", dials, nil, "DialTLSContext"},
		{"to revoke alone", nil, func(p *signon.Provider) {
			p.ClientAuth, p.RevocationAuth = clientauth.None{}, clientauth.TLS{Certificate: cert}
		}, "RevocationAuth"},
		{"no certificate", nil, func(p *signon.Provider) { p.ClientAuth = clientauth.TLS{} }, "ClientAuth"},
	} {
		t.Run(c.name, func(t *testing.T) {
			auth, err := signon.New(signon.Config{BaseURL: appURL, HTTPClient: &http.Client{Transport: c.via}, Logger: quiet()})
			require.NoError(t, err)
			p := signontest.NewInProcess(signontest.Config{Public: true}).SignonProvider("op")
			p.ClientAuth = clientauth.TLS{Certificate: cert}
			if c.change != nil {
				c.change(&p)
			}
			_, err = auth.Register(p)
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.says)
		})
	}
}

// Over http there is nobody to present a certificate to: nothing is sent.
func TestMutualTLSNeedsHTTPS(t *testing.T) {
	op := signontest.New(t, signontest.Config{Public: true})
	op.Metadata(func(m map[string]any) { delete(m, "token_endpoint_auth_methods_supported") })
	auth, err := signon.New(signon.Config{BaseURL: appURL, Logger: quiet()})
	require.NoError(t, err)
	provider := op.SignonProvider("op")
	provider.ClientAuth = clientauth.TLS{Certificate: clientCertificate(t)}
	_, err = auth.Register(provider)
	require.NoError(t, err)
	browser := signontest.NewBrowser(t)
	browser.Serve(appURL, auth.Handler())
	browser.Serve(op.Issuer(), op)
	require.Equal(t, http.StatusInternalServerError, browser.Get(appURL+"/auth/login/op").Follow().Follow().Status)
	require.Zero(t, op.Count(signontest.Token))
}
