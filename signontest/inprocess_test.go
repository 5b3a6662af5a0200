package signontest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

// inProcess returns a client whose requests to the provider go to h.
func inProcess(h http.HandlerFunc) (c *http.Client, url string) {
	p := signontest.NewInProcess(signontest.Config{})
	p.Handle("/x", h)
	return p.HTTPClient(), p.Issuer() + "/x"
}

func TestInProcessAnswers(t *testing.T) {
	for _, test := range []struct {
		name    string
		method  string
		handler http.HandlerFunc
		status  int
		length  int64
		body    string
		fails   bool
	}{
		{"nothing", "GET", func(http.ResponseWriter, *http.Request) {}, 200, 0, "", false},
		{"short", "GET", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }, 200, 5, "hello", false},
		{"status twice", "GET", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); w.WriteHeader(200) }, 404, 0, "", false},
		{"early hints", "GET", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(103); w.WriteHeader(201) }, 201, 0, "", false},
		{"long", "GET", func(w http.ResponseWriter, _ *http.Request) {
			for range 3 {
				_, _ = io.WriteString(w, strings.Repeat("x", 1000))
			}
		}, 200, -1, strings.Repeat("x", 3000), false},
		{"HEAD", "HEAD", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }, 200, -1, "", false},
		{"no content", "GET", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204); _, _ = io.WriteString(w, "x") }, 204, -1, "", false},
		{"too little", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "hello")
		}, 200, 10, "hello", true},
		{"too much", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			_, err := io.WriteString(w, "hello world")
			if err == http.ErrContentLength {
				_, _ = io.WriteString(w, "error")
			}
		}, 200, 5, "error", false},
		{"cut in the stream", "GET", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "hello")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, 200, -1, "hello", true},
		{"header after the fact", "GET", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(200)
			w.Header().Set("X-Late", "1")
		}, 200, 0, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, u := inProcess(test.handler)
			req, err := http.NewRequestWithContext(t.Context(), test.method, u, nil)
			require.NoError(t, err)
			res, err := c.Do(req)
			require.NoError(t, err)
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			require.Equal(t, test.fails, err != nil)
			require.Equal(t, test.status, res.StatusCode)
			require.Equal(t, test.length, res.ContentLength)
			require.Equal(t, test.body, string(body))
			require.Empty(t, res.Header.Get("X-Late"))
		})
	}
}

func TestInProcessRequest(t *testing.T) {
	c, u := inProcess(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, r.Method, " ", r.RequestURI, " ", r.URL, " ", r.Host, " ", r.TLS != nil, " ", r.ContentLength, " ", string(body))
	})
	res, err := c.Post(u+"?a=b", "text/plain", strings.NewReader("hello"))
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, "POST /x?a=b /x?a=b provider.test true 5 hello", string(body))
}

func TestInProcessPanic(t *testing.T) {
	log.SetOutput(io.Discard)
	defer log.SetOutput(os.Stderr)
	c, u := inProcess(func(http.ResponseWriter, *http.Request) { panic("oops") })
	_, err := c.Get(u)
	require.Error(t, err)
}

func TestInProcessNoSuchHost(t *testing.T) {
	c, _ := inProcess(nil)
	_, err := c.Post("https://nobody.test/", "text/plain", strings.NewReader("x"))
	var dns *net.DNSError
	require.ErrorAs(t, err, &dns)
	require.True(t, dns.IsNotFound)
	res, err := c.Get("https://provider.test:443/jwks")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
}

func TestInProcessLeaving(t *testing.T) {
	for name, leave := range map[string]func(res *http.Response, cancel func()){
		"context": func(_ *http.Response, cancel func()) { cancel() },
		"body":    func(res *http.Response, _ func()) { _ = res.Body.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				left := make(chan struct{})
				c, u := inProcess(func(w http.ResponseWriter, r *http.Request) {
					w.(http.Flusher).Flush()
					<-r.Context().Done()
					close(left)
				})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
				require.NoError(t, err)
				res, err := c.Do(req)
				require.NoError(t, err)
				leave(res, cancel)
				<-left
				_, err = res.Body.Read(make([]byte, 1))
				require.Error(t, err)
				if name == "context" {
					require.ErrorIs(t, err, context.Canceled)
				}
			})
		})
	}
}

func TestInProcessTimeoutBeforeTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, u := inProcess(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
		require.NoError(t, err)
		_, err = c.Do(req)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestInProcessGzip(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = io.WriteString(z, "hello")
	_ = z.Close()
	c, u := inProcess(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("X-Asked", r.Header.Get("Accept-Encoding"))
		_, _ = w.Write(packed.Bytes())
	})
	res, err := c.Get(u)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, "hello", string(body))
	require.Equal(t, "gzip", res.Header.Get("X-Asked"))

	req, err := http.NewRequest(http.MethodGet, u, nil)
	require.NoError(t, err)
	req.Header.Set("Accept-Encoding", "identity")
	res, err = c.Do(req)
	require.NoError(t, err)
	body, err = io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, packed.Bytes(), body, "only who has not asked gets it inflated")

	packed.Reset()
	packed.WriteString("this is not gzip at all")
	res, err = c.Get(u)
	require.NoError(t, err)
	_, err = io.ReadAll(res.Body)
	require.ErrorIs(t, err, gzip.ErrHeader)
	require.NoError(t, res.Body.Close())
}

// closed is a body that tells when it was closed, which RoundTrip must do.
type closed struct {
	io.Reader
	done chan struct{}
}

func (c closed) Close() error {
	close(c.done)
	return nil
}

func TestInProcessClosesTheRequest(t *testing.T) {
	for _, host := range []string{"https://provider.test/x", "https://nobody.test/"} {
		c, _ := inProcess(func(http.ResponseWriter, *http.Request) {})
		body := closed{strings.NewReader("x"), make(chan struct{})}
		req, err := http.NewRequest(http.MethodPost, host, body)
		require.NoError(t, err)
		res, err := c.Transport.RoundTrip(req)
		if err == nil {
			require.NoError(t, res.Body.Close())
		}
		<-body.done
	}
}
