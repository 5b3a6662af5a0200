package signontest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strconv"
	"sync"
)

// inProcess hands requests to handlers, by origin, as a connection would: the
// answer streams, leaving early is seen by the handler, and a handler that panics
// cuts the answer short.
type inProcess struct {
	mu       sync.Mutex
	handlers map[string]http.Handler
	next     http.RoundTripper // for other origins; nil: there are none
}

func (t *inProcess) serve(origin string, h http.Handler) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.handlers == nil {
		t.handlers = map[string]http.Handler{}
	}
	t.handlers[origin] = h
}

// CloseIdleConnections closes those of the network, if there is one.
func (t *inProcess) CloseIdleConnections() {
	if n, ok := t.next.(*http.Transport); ok {
		n.CloseIdleConnections()
	}
}

// RoundTrip answers as [http.Transport] does: it inflates gzip that it has asked
// for itself.
func (t *inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	t.mu.Lock()
	h := t.handlers[origin(req.URL)]
	t.mu.Unlock()
	if h == nil {
		if t.next != nil {
			return t.next.RoundTrip(req)
		}
		closeBody(req)
		return nil, &net.DNSError{Err: "no such host", Name: req.URL.Hostname(), IsNotFound: true}
	}
	inflate := req.Header.Get("Accept-Encoding") == "" && req.Method != http.MethodHead
	ctx, cancel := context.WithCancel(context.Background())
	w := &answer{ready: make(chan struct{}), header: http.Header{}, method: req.Method, leave: cancel}
	stop := context.AfterFunc(req.Context(), func() { w.abandon(context.Cause(req.Context())) })
	go func() {
		defer cancel()
		defer stop()
		defer closeBody(req)
		w.run(h, serverRequest(ctx, req, inflate))
	}()
	select {
	case <-req.Context().Done():
		cancel()
		return nil, context.Cause(req.Context())
	case <-w.ready:
	}
	return w.response(req, inflate)
}

// origin is the scheme, host and port of a URL, without a default port.
func origin(u *url.URL) string {
	host := u.Host
	if port := u.Port(); u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		host = host[:len(host)-len(port)-1]
	}
	return u.Scheme + "://" + host
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// serverRequest is what a server makes of what a client sends.
func serverRequest(ctx context.Context, req *http.Request, gzip bool) *http.Request {
	r := req.Clone(ctx)
	r.RequestURI = req.URL.RequestURI()
	r.URL = &url.URL{Path: req.URL.Path, RawPath: req.URL.RawPath, RawQuery: req.URL.RawQuery, ForceQuery: req.URL.ForceQuery}
	r.RemoteAddr = "127.0.0.1:49152"
	r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/1.1", 1, 1
	r.TLS = tlsOf(req.URL)
	if r.Host == "" {
		r.Host = req.URL.Host
	}
	if r.URL.Path == "" {
		r.URL.Path = "/"
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	if r.Header.Get("User-Agent") == "" {
		r.Header.Set("User-Agent", "Go-http-client/1.1")
	}
	if gzip {
		r.Header.Set("Accept-Encoding", "gzip")
	}
	return r
}

// buffered is how much of an answer is kept until its handler returns; an answer
// that fits has a Content-Length.
const buffered = 2048

// An answer is the ResponseWriter of one request in process. Its handler owns the
// fields until ready is closed; after that the client owns them, and the rest goes
// through the pipe.
type answer struct {
	header http.Header
	method string
	leave  context.CancelFunc
	ready  chan struct{}

	status int
	sent   http.Header // as it was at WriteHeader
	buf    bytes.Buffer
	length int64 // declared, or -1
	wrote  int64
	failed error

	mu    sync.Mutex // guards pipe
	pipe  *io.PipeWriter
	body  *io.PipeReader
	gone  error
	begun bool
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status != 0 || status < 200 {
		return
	}
	a.status, a.sent, a.length = status, maps.Clone(a.header), -1
	if n, err := strconv.ParseInt(a.header.Get("Content-Length"), 10, 64); err == nil {
		a.length = n
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.method == http.MethodHead || a.status == http.StatusNoContent || a.status == http.StatusNotModified {
		return len(b), nil
	}
	if a.length >= 0 && a.wrote+int64(len(b)) > a.length {
		return 0, http.ErrContentLength
	}
	a.wrote += int64(len(b))
	if !a.begun && a.buf.Len()+len(b) <= buffered {
		return a.buf.Write(b)
	}
	a.Flush()
	return a.pipe.Write(b)
}

// Flush sends the header and what is buffered, and has the rest stream.
func (a *answer) Flush() {
	if a.begun {
		return
	}
	a.WriteHeader(http.StatusOK)
	a.sniff()
	a.begun = true
	a.mu.Lock()
	a.body, a.pipe = io.Pipe()
	if a.gone != nil {
		_ = a.pipe.CloseWithError(a.gone)
	}
	a.mu.Unlock()
	close(a.ready)
}

func (a *answer) sniff() {
	if a.sent.Get("Content-Type") == "" && a.buf.Len() > 0 {
		a.sent.Set("Content-Type", http.DetectContentType(a.buf.Bytes()))
	}
}

// abandon has both ends see that the client has left: the writer's end is the one
// that tells the reader why.
func (a *answer) abandon(cause error) {
	a.mu.Lock()
	a.gone = cause
	if a.pipe != nil {
		_ = a.pipe.CloseWithError(cause)
	}
	a.mu.Unlock()
	a.leave()
}

func (a *answer) run(h http.Handler, r *http.Request) {
	defer func() {
		v := recover()
		if v != nil && v != http.ErrAbortHandler {
			log.Printf("signontest: panic in a handler: %v\n%s", v, debug.Stack())
		}
		a.finish(v != nil)
	}()
	h.ServeHTTP(a, r)
}

func (a *answer) finish(aborted bool) {
	short := aborted || a.length > a.wrote && a.status != 0 && a.method != http.MethodHead
	if a.begun {
		if short {
			_ = a.pipe.CloseWithError(io.ErrUnexpectedEOF)
			return
		}
		_ = a.pipe.Close()
		return
	}
	if aborted {
		a.failed = errReset
		close(a.ready)
		return
	}
	a.WriteHeader(http.StatusOK)
	a.sniff()
	if a.length < 0 && a.method != http.MethodHead && a.status != http.StatusNoContent && a.status != http.StatusNotModified {
		a.length = int64(a.buf.Len())
		a.sent.Set("Content-Length", strconv.FormatInt(a.length, 10))
	}
	if short {
		a.failed = io.ErrUnexpectedEOF
	}
	close(a.ready)
}

func (a *answer) response(req *http.Request, inflate bool) (*http.Response, error) {
	if a.failed != nil && !a.begun && a.status == 0 {
		return nil, a.failed
	}
	res := &http.Response{
		Status: fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)), StatusCode: a.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.sent, ContentLength: a.length, Request: req, TLS: tlsOf(req.URL),
	}
	head := bytes.NewReader(bytes.Clone(a.buf.Bytes()))
	switch {
	case a.begun:
		res.Body = &streamed{Reader: io.MultiReader(head, a.body), a: a}
	case a.failed != nil:
		res.Body = io.NopCloser(io.MultiReader(head, failing{a.failed}))
	default:
		res.Body = io.NopCloser(head)
	}
	if inflate && res.Header.Get("Content-Encoding") == "gzip" {
		res.Header.Del("Content-Encoding")
		res.Header.Del("Content-Length")
		res.ContentLength, res.Uncompressed = -1, true
		res.Body = &inflated{body: res.Body}
	}
	return res, nil
}

// streamed is a body whose closing tells the handler that nobody reads on.
type streamed struct {
	io.Reader
	a *answer
}

func (s *streamed) Close() error {
	_ = s.a.body.CloseWithError(errors.New("the client has closed the body"))
	s.a.leave()
	return nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// inflated reads the gzip header at the first Read, as http.Transport does.
type inflated struct {
	body io.ReadCloser
	z    *gzip.Reader
}

func (i *inflated) Read(b []byte) (int, error) {
	if i.z == nil {
		z, err := gzip.NewReader(i.body)
		if err != nil {
			return 0, err
		}
		i.z = z
	}
	return i.z.Read(b)
}

func (i *inflated) Close() error { return i.body.Close() }
