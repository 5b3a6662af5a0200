package oauth_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/oauth"
)

// TE-03, TE-19: a connection that breaks, at whatever point, breaks the exchange: nothing
// is sent again, not even on a connection that was used before, and not with a header that
// makes net/http think it may.
func TestBrokenConnection(t *testing.T) {
	for _, c := range []struct{ name, reply string }{
		{"closed before an answer", ""},
		{"closed in the header", "HTTP/1.1 200 OK\r\nContent-Ty"},
		{"closed in the body", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n" + good},
		{"closed in a chunk", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + good},
	} {
		t.Run(c.name, func(t *testing.T) {
			endpoint, hits := breaking(t, c.reply)
			hc := &http.Client{Transport: new(http.Transport)}
			client := newClient(hc)
			client.Hooks.TokenRequest = setHeader("Idempotency-Key", "k")
			_, err := client.Token(t.Context(), oauth.Token, endpoint, exchangeParams())
			require.NoError(t, err, "the first request warms the connection")
			_, err = client.Token(t.Context(), oauth.Token, endpoint, exchangeParams())
			requireClean(t, err)
			require.EqualValues(t, 2, hits.Load())
		})
	}
}

// breaking serves one good answer on a connection, and on every later request writes reply
// and resets the connection. It counts the requests that it saw.
func breaking(t *testing.T, reply string) (endpoint string, hits *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	hits = new(atomic.Int64)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go breakConn(conn, reply, hits)
		}
	}()
	return "http://" + l.Addr().String() + "/token", hits
}

func breakConn(conn net.Conn, reply string, hits *atomic.Int64) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		if hits.Add(1) > 1 {
			_, _ = io.WriteString(conn, reply)
			return
		}
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(good), good)
	}
}

// TE-19: over HTTP/2 as well.
func TestBrokenStream(t *testing.T) {
	p := new(provider)
	p.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		p.hits.Add(1)
		panic(http.ErrAbortHandler)
	}))
	p.EnableHTTP2 = true
	p.StartTLS()
	t.Cleanup(p.Close)
	client := p.client()
	client.Hooks.TokenRequest = setHeader("X-Idempotency-Key", "k")
	_, err := p.exchange(t.Context(), client)
	requireClean(t, err)
	require.EqualValues(t, 1, p.hits.Load())
}
