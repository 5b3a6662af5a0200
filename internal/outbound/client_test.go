package outbound_test

import (
	"context"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/outbound"
)

const (
	jsonType = "application/json"
	limit    = 64 << 10
)

// roundTrip is a transport inside the process.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func newClient(t *testing.T, base *http.Client, p outbound.Policy) *http.Client {
	t.Helper()
	client := outbound.NewClient(base, p)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func TestNewClientKeepsAndDrops(t *testing.T) {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	base := &http.Client{Transport: http.DefaultTransport, Jar: jar, Timeout: 3 * time.Second}

	client := outbound.NewClient(base, strict)
	require.Same(t, http.DefaultTransport, client.Transport)
	require.Nil(t, client.Jar)
	require.Equal(t, 3*time.Second, client.Timeout)
	require.Nil(t, base.CheckRedirect, "the application's client was changed")
	require.Same(t, jar, base.Jar)

	require.Equal(t, 10*time.Second, outbound.NewClient(nil, strict).Timeout)
	require.Equal(t, 10*time.Second, outbound.NewClient(&http.Client{}, strict).Timeout)
	require.NotNil(t, outbound.NewClient(&http.Client{}, strict).Transport, "a client without transport gets the checked one")
}

// DI-03, TE-01: a redirect is an error, wherever it leads, and the second host
// sees nothing.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var strayed atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { strayed.Add(1) }))
	defer elsewhere.Close()
	var hits atomic.Int32
	op := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		if r.URL.Path != "/token" {
			strayed.Add(1)
		}
		w.Header().Set("Location", r.Header.Get("To"))
		w.WriteHeader(map[string]int{"301": 301, "302": 302, "303": 303, "307": 307, "308": 308}[r.Header.Get("Status")])
	}))
	defer op.Close()
	client := newClient(t, nil, dev)

	targets := map[string]string{
		"same origin": "/other", "other host": elsewhere.URL + "/", "private": "https://10.0.0.1/",
		"metadata service": "http://169.254.169.254/", "none": "", "scheme-relative": "//" + strings.TrimPrefix(elsewhere.URL, "http://"),
	}
	for name, to := range targets {
		for _, status := range []string{"301", "302", "303", "307", "308"} {
			for _, method := range []string{"GET", "POST"} {
				hits.Store(0)
				req, err := http.NewRequest(method, op.URL+"/token", strings.NewReader("code=c0de&client_secret=s3cret"))
				require.NoError(t, err)
				req.Header.Set("To", to)
				req.Header.Set("Status", status)
				_, err = outbound.Do(t.Context(), client, req, limit)
				require.ErrorIs(t, err, outbound.ErrRedirect, "%s %s %s", method, status, name)
				require.EqualValues(t, 1, hits.Load())
			}
		}
	}
	require.Zero(t, strayed.Load(), "requests that followed")
}

// DI-04: the address is checked when it is dialled, after the name was resolved,
// so that it does not matter what the name said before.
func TestDialChecksTheAddress(t *testing.T) {
	var hits atomic.Int32
	op := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		w.Header().Set("Content-Type", jsonType)
	}))
	defer op.Close()
	_, port, err := net.SplitHostPort(op.Listener.Addr().String())
	require.NoError(t, err)

	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]"} {
		_, err := outbound.Get(t.Context(), newClient(t, nil, strict), "http://"+host+":"+port+"/", jsonType, limit)
		require.ErrorIs(t, err, outbound.ErrBlocked, host)
		require.ErrorIs(t, err, outbound.ErrUnreachable, host)
		require.Zero(t, hits.Load(), host)
	}
	for _, policy := range []outbound.Policy{dev, inside} {
		_, err := outbound.Get(t.Context(), newClient(t, nil, policy), "http://localhost:"+port+"/", jsonType, limit)
		require.NoError(t, err)
		_, err = outbound.Get(t.Context(), newClient(t, nil, policy), "http://169.254.169.254/", jsonType, limit)
		require.ErrorIs(t, err, outbound.ErrBlocked)
	}
}

// AP-09: no cookie of one answer travels with another request.
func TestNoCookies(t *testing.T) {
	op := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.Cookies()) > 0 {
			t.Error("a cookie came back")
		}
		http.SetCookie(w, &http.Cookie{Name: "op_session", Value: "alice"})
	}))
	defer op.Close()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client := newClient(t, &http.Client{Jar: jar}, dev)
	for range 2 {
		_, err := outbound.Get(t.Context(), client, op.URL, jsonType, limit)
		require.NoError(t, err)
	}
}

// DI-06, G12: whoever never answers costs ten seconds, or what the application
// asked for, and no more.
func TestTotalTimeout(t *testing.T) {
	never := roundTrip(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	tests := []struct {
		name   string
		client *http.Client
		want   time.Duration
	}{
		{"default", outbound.NewClient(&http.Client{Transport: never}, strict), 10 * time.Second},
		{"asked for", outbound.NewClient(&http.Client{Transport: never, Timeout: 2 * time.Second}, strict), 2 * time.Second},
		{"a client of another make", &http.Client{Transport: never}, 10 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				_, err := outbound.Get(t.Context(), tt.client, "https://op.example/", jsonType, limit)
				require.ErrorIs(t, err, outbound.ErrTimeout)
				require.Equal(t, tt.want, time.Since(began))
			})
		})
	}
}

// RT-03: a caller who leaves is told so; that is no fault of the provider.
func TestCallerLeaves(t *testing.T) {
	client := outbound.NewClient(&http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})}, strict)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := outbound.Get(ctx, client, "https://op.example/", jsonType, limit)
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, outbound.ErrTimeout)

		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = outbound.Get(ctx, client, "https://op.example/", jsonType, limit)
		require.ErrorIs(t, err, outbound.ErrTimeout)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// RT-08: no name, nobody there, IPv6 only.
func TestUnreachable(t *testing.T) {
	client := newClient(t, nil, dev)
	_, err := outbound.Get(t.Context(), client, "https://op.invalid/", jsonType, limit)
	require.True(t, errors.Is(err, outbound.ErrUnreachable) || errors.Is(err, outbound.ErrTimeout), "%v", err)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	_, err = outbound.Get(t.Context(), client, "http://"+l.Addr().String(), jsonType, limit)
	require.ErrorIs(t, err, outbound.ErrUnreachable)
	require.NotErrorIs(t, err, outbound.ErrBlocked)

	l, err = net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6")
	}
	op := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.NotFoundHandler()}}
	op.Start()
	defer op.Close()
	_, err = outbound.Get(t.Context(), client, op.URL, jsonType, limit)
	var status *outbound.StatusError
	require.ErrorAs(t, err, &status)
	require.Equal(t, 404, status.Status)
}

// AP-10, RT-08: the environment's proxy is used though it is in a private
// network, the provider is still judged by its certificate, the proxy never sees
// what is sent, and a proxy that fails is an error like any other.
//
// The environment is read once per process, so the requests are another's.
func TestProxy(t *testing.T) {
	if target := os.Getenv("OUTBOUND_TEST_TARGET"); target != "" {
		client := newClient(t, nil, strict)
		res, err := outbound.Get(t.Context(), client, target+"?secret=s3cret", jsonType, limit)
		if os.Getenv("OUTBOUND_TEST_OK") == "" {
			require.ErrorIs(t, err, outbound.ErrUnreachable)
			return
		}
		require.NoError(t, err)
		require.Equal(t, "{}", string(res.Body))
		_, err = outbound.Get(t.Context(), client, "https://elsewhere.example/", jsonType, limit)
		require.ErrorIs(t, err, outbound.ErrUnreachable, "the certificate is of another name")
		return
	}
	op := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		_, _ = w.Write([]byte("{}"))
	}))
	defer op.Close()
	op.Config.ErrorLog = quiet
	roots := filepath.Join(t.TempDir(), "roots.pem")
	require.NoError(t, os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: op.Certificate().Raw}), 0o600))

	var broken atomic.Bool
	var asked atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Method != http.MethodConnect || strings.Contains(r.RequestURI, "s3cret") {
			t.Errorf("the proxy sees %s %s", r.Method, r.RequestURI)
		}
		if broken.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		tunnel(t, w, op.Listener.Addr().String())
	}))
	defer proxy.Close()

	for _, ok := range []string{"1", ""} {
		broken.Store(ok == "")
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProxy$")
		u, err := url.Parse(proxy.URL)
		require.NoError(t, err)
		cmd.Env = append(os.Environ(), "HTTPS_PROXY=http://"+u.Host, "NO_PROXY=", "SSL_CERT_FILE="+roots,
			"OUTBOUND_TEST_TARGET=https://example.com/", "OUTBOUND_TEST_OK="+ok, "GOCOVERDIR="+t.TempDir())
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	require.EqualValues(t, 3, asked.Load())
}
