package signontest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// serveFaulty answers an endpoint with the faults of the way that are armed at it.
func (p *Provider) serveFaulty(e Endpoint, w http.ResponseWriter, r *http.Request) {
	if !p.anyArmed() { // the usual case, also in benchmarks
		p.serve(e, w, r)
		return
	}
	for _, f := range transportFaults {
		if p.fires(f.At(e)) {
			p.fail(f, e, w, r)
			return
		}
	}
	p.serve(e, w, r)
}

var redirects = map[Fault]int{
	Redirect: http.StatusTemporaryRedirect, RedirectFound: http.StatusFound,
	RedirectSeeOther: http.StatusSeeOther, RedirectPermanent: http.StatusPermanentRedirect,
}

func (p *Provider) fail(f Fault, e Endpoint, w http.ResponseWriter, r *http.Request) {
	switch f {
	case Redirect, RedirectFound, RedirectSeeOther, RedirectPermanent:
		w.Header().Set("Location", p.ElsewhereURL(e))
		w.WriteHeader(redirects[f])
	case Hang:
		p.hang(r.Context())
	case SlowHeaders:
		p.slowHeaders(w, r)
	case SlowBody:
		p.slowBody(w, r)
	case HugeBody:
		writeHuge(w)
	case GzipBomb:
		writeGzipBomb(w)
	case HTMLBody:
		writePage(w, http.StatusOK, "Maintenance", "<p>Please come back later.</p>")
	case EmptyBody:
		writeRaw(w, "")
	case NullBody:
		writeRaw(w, "null")
	case ArrayBody:
		writeRaw(w, `[{"access_token":"abc","token_type":"Bearer"}]`)
	case ServerError:
		http.Error(w, "something is broken", http.StatusInternalServerError)
	case Down:
		http.Error(w, "down for a while", http.StatusServiceUnavailable)
	case TooManyRequests:
		w.Header().Set("Retry-After", "30")
		writeJSON(w, http.StatusTooManyRequests, map[string]any{"error": "slow_down"})
	default:
		rec := httptest.NewRecorder()
		p.serve(e, rec, r)
		p.spoil(f, rec, w, r)
	}
}

// ElsewhereURL is where the redirect faults at an endpoint lead: another host, at
// which this provider answers too. Whoever follows is seen in Requests(Elsewhere).
func (p *Provider) ElsewhereURL(e Endpoint) string {
	return p.other + paths[Elsewhere] + "/" + string(e)
}

// spoil sends what a request that was carried out has brought, or does not.
func (p *Provider) spoil(f Fault, rec *httptest.ResponseRecorder, w http.ResponseWriter, r *http.Request) {
	body, status := rec.Body.Bytes(), rec.Code
	maps.Copy(w.Header(), rec.Header())
	switch f {
	case LostAnswer:
		p.hang(r.Context())
		return
	case ResetConnection:
		reset(w)
	case TruncatedBody:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		_, _ = w.Write(body[:len(body)/2])
		flush(w)
		panic(http.ErrAbortHandler)
	case PlainTextBody:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	case DuplicateMember:
		body = duplicated(body)
	case InvalidUTF8:
		body = append([]byte("{\"invalid\":\"\xff\xfe\","), bytes.TrimPrefix(body, []byte("{"))...)
	case Created:
		status = http.StatusCreated
	}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// duplicated repeats the first member of an object, which JSON orders by name.
func duplicated(body []byte) []byte {
	dec := json.NewDecoder(bytes.NewReader(body))
	_, _ = dec.Token()
	if _, err := dec.Token(); err != nil {
		return body
	}
	var value json.RawMessage
	if err := dec.Decode(&value); err != nil {
		return body
	}
	first := bytes.TrimPrefix(body[:dec.InputOffset()], []byte("{"))
	return append([]byte("{"+string(first)+","), body[1:]...)
}

// hang waits for the client to leave or the provider to close, and then breaks the
// connection, so that nobody takes the end for an empty answer.
func (p *Provider) hang(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-p.stop.Done():
	}
	panic(http.ErrAbortHandler)
}

// slowHeaders takes the connection over, because net/http writes a header at once.
// In process, where there is none, it hangs.
func (p *Provider) slowHeaders(w http.ResponseWriter, r *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		p.hang(r.Context())
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Slow: ")
	for err == nil && p.wait(context.Background(), time.Second) {
		_, err = conn.Write([]byte("z"))
	}
}

func (p *Provider) slowBody(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, err := io.WriteString(w, "{")
	for err == nil {
		flush(w)
		if !p.wait(r.Context(), time.Second) {
			panic(http.ErrAbortHandler)
		}
		_, err = w.Write([]byte(" "))
	}
}

// wait returns false if the client has left or the provider is closed.
func (p *Provider) wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-p.stop.Done():
	}
	return false
}

func writeRaw(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, body)
}

func writeHuge(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	chunk := bytes.Repeat([]byte("x"), 1<<20)
	_, err := io.WriteString(w, `{"padding":"`)
	for i := 0; i < 200 && err == nil; i++ {
		_, err = w.Write(chunk)
	}
	_, _ = io.WriteString(w, `"}`)
}

// bombPart is 64 MiB of spaces, which are white space to JSON, as one gzip member;
// members may follow each other.
var bombPart = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	spaces := bytes.Repeat([]byte(" "), 1<<20)
	for range 64 {
		_, _ = z.Write(spaces)
	}
	_ = z.Close()
	return b.Bytes()
})

func writeGzipBomb(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Encoding", "gzip")
	var err error
	for i := 0; i < 160 && err == nil; i++ {
		_, err = w.Write(bombPart())
	}
}

// reset closes the connection with a TCP reset; in process, it looks like one.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
	panic(http.ErrAbortHandler)
}

// errReset is what a client sees of a reset connection.
var errReset = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}

func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }
