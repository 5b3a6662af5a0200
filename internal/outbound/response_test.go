package outbound_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/outbound"
)

func get(t *testing.T, client *http.Client, url string) (*outbound.Response, error) {
	t.Helper()
	return outbound.Get(t.Context(), client, url, jsonType, limit)
}

func TestGet(t *testing.T) {
	op := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "Application/JSON; charset=utf-8")
		fmt.Fprintf(w, `{"accept":%q}`, r.Header.Get("Accept"))
	}))
	defer op.Close()
	res, err := get(t, newClient(t, nil, dev), op.URL)
	require.NoError(t, err)
	require.Equal(t, 200, res.Status)
	require.JSONEq(t, `{"accept":"application/json"}`, string(res.Body))
	require.NoError(t, res.CheckType("application/jwt", "application/json"))
	require.ErrorIs(t, res.CheckType("application/jwt"), outbound.ErrContentType)

	_, err = get(t, newClient(t, nil, dev), "https://op.example/%zz?secret=s3cret")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "s3cret")
}

func TestMediaType(t *testing.T) {
	for _, tt := range []struct {
		name   string
		values []string
		want   string
	}{
		{"plain", []string{"application/json"}, "application/json"},
		{"case and parameters", []string{"Application/JWT; charset=UTF-8"}, "application/jwt"},
		{"none", nil, ""},
		{"two", []string{"application/json", "text/html"}, ""},
		{"malformed", []string{"application/json; ="}, ""},
		{"list", []string{"text/html, application/json"}, ""},
	} {
		if got := outbound.MediaType(http.Header{"Content-Type": tt.values}); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TE-17, the part of the transport: Get takes 200 and nothing else, Do tells.
func TestStatus(t *testing.T) {
	op := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var status int
		fmt.Sscan(r.URL.Query().Get("status"), &status)
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
	}))
	defer op.Close()
	client := newClient(t, nil, dev)
	for _, want := range []int{201, 204, 206, 304, 400, 401, 404, 429, 500, 503} {
		url := fmt.Sprintf("%s?status=%d", op.URL, want)
		_, err := get(t, client, url)
		if want == 304 { // never asked for, so nothing to fall back on
			require.ErrorIs(t, err, outbound.ErrRedirect)
			continue
		}
		var status *outbound.StatusError
		require.ErrorAs(t, err, &status)
		require.Equal(t, outbound.StatusError{Status: want, RetryAfter: 7 * time.Second}, *status)

		req, err := http.NewRequest("POST", url, strings.NewReader("a=b"))
		require.NoError(t, err)
		res, err := outbound.Do(t.Context(), client, req, limit)
		require.NoError(t, err)
		require.Equal(t, want, res.Status)
	}
}

// DI-06: all the ways to be slow end at the deadline, and other providers are
// not held up meanwhile.
func TestSlowLoris(t *testing.T) {
	drip := func(head, drop string) func(int, net.Conn) {
		return func(_ int, c net.Conn) {
			if !readRequest(bufio.NewReader(c)) {
				return
			}
			_, _ = io.WriteString(c, head)
			for {
				if _, err := io.WriteString(c, drop); err != nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
	}
	hold := func(_ int, c net.Conn) { _, _ = io.Copy(io.Discard, c) }
	tests := []struct {
		name, scheme string
		serve        func(int, net.Conn)
	}{
		{"no answer", "http", hold},
		{"a byte at a time", "http", drip("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{", " ")},
		{"headers never end", "http", drip("HTTP/1.1 200 OK\r\n", "A: b\r\n")},
		{"status line never ends", "http", drip("HTTP/1.1 200 ", "O")},
		{"informational answers never end", "http", drip("", "HTTP/1.1 103 Early Hints\r\n\r\n")},
		{"TLS never completes", "https", hold},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			op := listen(t, tt.serve)
			client := newClient(t, &http.Client{Timeout: 200 * time.Millisecond}, dev)
			began := time.Now()
			_, err := get(t, client, tt.scheme+"://"+op.Addr().String())
			require.Error(t, err)
			require.Less(t, time.Since(began), 5*time.Second)
			if tt.name != "informational answers never end" { // which the transport may stop sooner
				require.ErrorIs(t, err, outbound.ErrTimeout)
			}
		})
	}
}

// DI-07: what counts are the decoded bytes.
func TestTooLarge(t *testing.T) {
	endless := func(w io.Writer) {
		zeros := make([]byte, 32<<10)
		for range 320 { // 10 MB, if nobody hangs up
			if _, err := w.Write(zeros); err != nil {
				return
			}
		}
	}
	tests := map[string]http.HandlerFunc{
		"chunked": func(w http.ResponseWriter, _ *http.Request) { endless(w) },
		"declared": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "209715200")
			endless(w)
		},
		"gzip bomb": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			endless(z)
			_ = z.Close()
		},
		"one byte too many": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, limit+1)) },
	}
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			op := httptest.NewServer(handler)
			defer op.Close()
			_, err := get(t, newClient(t, nil, dev), op.URL)
			require.ErrorIs(t, err, outbound.ErrTooLarge)
		})
	}
	t.Run("exactly the limit", func(t *testing.T) {
		op := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, limit)) }))
		defer op.Close()
		res, err := get(t, newClient(t, nil, dev), op.URL)
		require.NoError(t, err)
		require.Len(t, res.Body, limit)
	})
}

// DI-08, TE-03, the part of the transport: half an answer is none.
func TestTruncated(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(bytes.Repeat([]byte("{}"), 100))
	_ = z.Close()
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	tests := map[string]string{
		"short of its length": head + "Content-Length: 100\r\n\r\n{}",
		"chunk cut":           head + "Transfer-Encoding: chunked\r\n\r\n64\r\n{}",
		"no last chunk":       head + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
		"gzip cut": head + "Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n" +
			string(packed.Bytes()[:20]),
		"not gzip":       head + "Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n" + strings.Repeat("{}", 10),
		"headers cut":    head,
		"nothing":        "",
		"not HTTP":       "SSH-2.0-OpenSSH_9.6\r\n",
		"huge header":    head + "A: " + strings.Repeat("a", 1<<20) + "\r\n\r\n{}",
		"two lengths":    head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
		"header garbage": "HTTP/1.1 200 OK\r\n\x00\x01: \r\n\r\n",
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			op := listen(t, func(_ int, c net.Conn) {
				if readRequest(bufio.NewReader(c)) {
					_, _ = io.WriteString(c, answer)
				}
			})
			_, err := get(t, newClient(t, nil, dev), op.url())
			require.ErrorIs(t, err, outbound.ErrUnreachable)
		})
	}
	t.Run("reset", func(t *testing.T) {
		op := listen(t, func(_ int, c net.Conn) {
			readRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, head+"Content-Length: 100\r\n\r\n{}")
			_ = c.(*net.TCPConn).SetLinger(0)
		})
		_, err := get(t, newClient(t, nil, dev), op.url())
		require.ErrorIs(t, err, outbound.ErrUnreachable)
	})
}

// TE-19: a kept connection that dies under a request is where the transport
// would send it again.
//
//	client                      server
//	POST 1        ------------> answers, keeps the connection
//	POST 2        ------------> reads it, or not, and hangs up
//	(POST 2 again must not come, on this connection or another)
func TestPostIsSentOnce(t *testing.T) {
	hangUps := map[string]func(r *bufio.Reader, c net.Conn){
		"after reading":   func(r *bufio.Reader, _ net.Conn) { readRequest(r) },
		"after one byte":  func(r *bufio.Reader, _ net.Conn) { _, _ = r.ReadByte() },
		"with a reset":    func(r *bufio.Reader, c net.Conn) { _, _ = r.ReadByte(); _ = c.(*net.TCPConn).SetLinger(0) },
		"within a status": func(r *bufio.Reader, c net.Conn) { readRequest(r); _, _ = io.WriteString(c, "HTTP/1.1 2") },
		"within a body": func(r *bufio.Reader, c net.Conn) {
			readRequest(r)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
		},
	}
	for name, hangUp := range hangUps {
		t.Run(name, func(t *testing.T) {
			var conns, posts atomic.Int32
			op := listen(t, func(_ int, c net.Conn) {
				conns.Add(1)
				r := bufio.NewReader(c)
				if !readRequest(r) {
					return
				}
				posts.Add(1)
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
				if _, err := r.Peek(1); err != nil {
					return
				}
				posts.Add(1)
				hangUp(r, c)
			})
			client := newClient(t, nil, dev)
			post := func() error {
				req, err := http.NewRequest("POST", op.url(), strings.NewReader("code=c0de"))
				require.NoError(t, err)
				req.Header.Set("Idempotency-Key", "1") // which would let the transport replay
				_, err = outbound.Do(t.Context(), client, req, limit)
				return err
			}
			require.NoError(t, post())
			require.ErrorIs(t, post(), outbound.ErrUnreachable)
			require.EqualValues(t, 1, conns.Load(), "connections")
			require.EqualValues(t, 2, posts.Load(), "requests seen")
		})
	}
}

// AP-11, LG-02: an error shows the host and the path, and nothing that was sent
// in the query, that the provider wrote, or that a transport repeats.
func TestErrorsAreRedacted(t *testing.T) {
	const secret = "s3cret"
	echo := func(answer string) string {
		return listen(t, func(_ int, c net.Conn) {
			readRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, answer)
		}).url()
	}
	synctestClient := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		_, err := (&http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("no luck with %s", r.URL)
		})}).Do(r.Clone(r.Context()))
		return nil, fmt.Errorf("wrapped: %w", err)
	})}
	for name, tt := range map[string]struct {
		client *http.Client
		url    string
	}{
		"transport":        {newClient(t, synctestClient, dev), "https://op.example/"},
		"dial":             {newClient(t, nil, dev), "http://169.254.169.254/"},
		"malformed header": {newClient(t, nil, dev), echo("HTTP/1.1 200 OK\r\n" + secret + "\r\n\r\n")},
		"malformed status": {newClient(t, nil, dev), echo("HTTP/1.1 " + secret + "\r\n\r\n")},
		"redirect":         {newClient(t, nil, dev), echo("HTTP/1.1 302 Found\r\nLocation: /" + secret + "\r\n\r\n")},
		"bad redirect":     {newClient(t, nil, dev), echo("HTTP/1.1 302 Found\r\nLocation: :" + secret + "\r\n\r\n")},
		"status":           {newClient(t, nil, dev), echo("HTTP/1.1 500 " + secret + "\r\n\r\n")},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := get(t, tt.client, tt.url+"?code="+secret)
			require.Error(t, err)
			require.NotContains(t, fmt.Sprintf("%v %+v", err, err), secret)
			require.Contains(t, err.Error(), tt.url)
		})
	}
}

// What an operator needs to mend it, an error does say.
func TestErrorsHelp(t *testing.T) {
	down := listen(t, nil)
	require.NoError(t, down.Close())
	cut := listen(t, func(_ int, c net.Conn) {
		readRequest(bufio.NewReader(c))
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}")
	})
	away := listen(t, func(_ int, c net.Conn) {
		readRequest(bufio.NewReader(c))
		_, _ = io.WriteString(c, "HTTP/1.1 503 \r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n")
	})
	moved := listen(t, func(_ int, c net.Conn) {
		readRequest(bufio.NewReader(c))
		_, _ = io.WriteString(c, "HTTP/1.1 308 \r\nContent-Length: 0\r\n\r\n")
	})
	op := httptest.NewUnstartedServer(http.NotFoundHandler())
	op.Config.ErrorLog = quiet
	op.StartTLS()
	defer op.Close()
	for name, tt := range map[string]struct{ url, want string }{
		"blocked":     {"https://[fe80::1]/", "fe80::1"},
		"nobody":      {down.url(), down.Addr().String()},
		"no name":     {"https://op.invalid/", "op.invalid"},
		"certificate": {op.URL, "certificate"},
		"cut":         {cut.url(), "ended before"},
		"status":      {away.url(), "503, retry after 5s"},
		"moved":       {moved.url(), "308"},
		"long path":   {down.url() + strings.Repeat("p", 500) + "é", "..."},
	} {
		_, err := get(t, newClient(t, nil, dev), tt.url)
		require.Error(t, err, name)
		require.Contains(t, err.Error(), tt.want, name)
		require.Less(t, len(err.Error()), 600, name)
	}
	names := &url.Error{Op: "Get", URL: "https://op.example", Err: x509.HostnameError{Host: "op\x1b[31m.example", Certificate: new(x509.Certificate)}}
	client := newClient(t, &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, names })}, dev)
	_, err := get(t, client, "https://op.example/")
	require.Contains(t, err.Error(), "op?[31m.example")
}

// The transport inside a bubble answers like one outside.
func TestInProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := outbound.NewClient(&http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			time.Sleep(9 * time.Second)
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), ContentLength: -1}, nil
		})}, strict)
		res, err := get(t, client, "https://op.example/")
		require.NoError(t, err)
		require.Equal(t, "{}", string(res.Body))
	})
}
