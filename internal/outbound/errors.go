package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The kinds of failure, for [errors.Is].
var (
	// ErrTimeout: no whole answer came in time.
	ErrTimeout = errors.New("no answer in time")
	// ErrUnreachable: the name does not resolve, nobody listens, the certificate
	// is not valid, the connection broke, or the answer is not HTTP.
	ErrUnreachable = errors.New("unreachable")
	// ErrBlocked: the policy refuses the address. It is an ErrUnreachable too.
	ErrBlocked = errors.New("address not allowed")
	// ErrTooLarge: the decoded answer is larger than the limit.
	ErrTooLarge = errors.New("answer too large")
	// ErrRedirect: the answer is a redirect, and none is followed.
	ErrRedirect = errors.New("answer is a redirect, which is never followed")
	// ErrContentType: the answer is of another type than asked for.
	ErrContentType = errors.New("answer of an unexpected content type")
)

// StatusError is an answer whose status is not the expected one.
type StatusError struct {
	Status     int
	RetryAfter time.Duration // what the provider asks for, in 0..1 h; 0 if nothing
}

func (e *StatusError) Error() string {
	if e.RetryAfter > 0 {
		return fmt.Sprintf("answer has status %d, retry after %s", e.Status, e.RetryAfter)
	}
	return fmt.Sprintf("answer has status %d", e.Status)
}

// An AnswerError is about an answer that is not what a ready-made fix is for: the fault
// of the provider, and not of the hook that found it.
type AnswerError struct{ Text string }

func (e *AnswerError) Error() string { return e.Text }

// requestError is a failed request. Its text has no query string, and of its
// causes only those that are worded on our side: what the provider sent stays
// out of it.
type requestError struct {
	method, target string
	kind           error // of the list above, or the caller's own context error
	cause          error // may be nil
}

func (e *requestError) Error() string {
	text := "oidc: " + e.method + " " + e.target + ": " + e.kind.Error()
	if detail := detailOf(e.cause); detail != "" {
		text += ": " + detail
	}
	return text
}

func (e *requestError) Unwrap() []error {
	if e.cause == nil {
		return []error{e.kind}
	}
	return []error{e.kind, e.cause}
}

func fail(req *http.Request, kind, cause error) error {
	return &requestError{method: req.Method, target: redact(req.URL), kind: kind, cause: cause}
}

// transportFailure sorts an error of the transport. ctx is the caller's: its
// cancellation is the caller's own doing and no fault of the provider.
func transportFailure(ctx context.Context, req *http.Request, err error) error {
	for {
		var outer *url.Error // repeats the whole URL in its text
		if !errors.As(err, &outer) {
			break
		}
		err = outer.Err
	}
	var timeout net.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fail(req, context.Canceled, nil)
	case errors.Is(err, ErrBlocked):
		return fail(req, ErrBlocked, err)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return fail(req, ErrTimeout, err)
	default:
		return fail(req, ErrUnreachable, err)
	}
}

// detailOf words a cause where that helps an operator: which address, which
// name, which certificate. Errors of other kinds may quote the provider's
// bytes, such as a malformed header that echoes a code.
func detailOf(err error) string {
	var (
		status  *StatusError
		blocked *blockedError
		dns     *net.DNSError
		cert    *tls.CertificateVerificationError
		host    x509.HostnameError
		op      *net.OpError
	)
	switch {
	case errors.As(err, &status):
		return status.Error()
	case errors.As(err, &blocked):
		return blocked.Error()
	case errors.As(err, &dns):
		return cut(dns.Error())
	case errors.As(err, &cert):
		return cut(cert.Error())
	case errors.As(err, &host):
		return cut(host.Error())
	case errors.As(err, &op):
		return cut(op.Error())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection ended before the answer did"
	}
	return ""
}

func redact(u *url.URL) string {
	plain := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	return cut(plain.String())
}

// cut makes a text fit for a log line: printable and short.
func cut(s string) string {
	const most = 200
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
