package outbound

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Response is an answer that has been read to its end.
type Response struct {
	Status int
	Header http.Header
	Body   []byte // decoded, within the limit
}

// Do sends a request once and reads its answer, decoded, through the limit.
// The client is one that [NewClient] made. Any status but a redirect is an
// answer, for the caller to judge.
//
// A request that has a body is never sent a second time, not even where the
// transport believes that the first was not seen: a code is spent once. The
// price is a rare failure when a kept connection dies at that very moment.
//
// The error wraps one of the kinds of this package, or context.Canceled if it
// was the caller who left.
func Do(ctx context.Context, client *http.Client, req *http.Request, limit int64) (*Response, error) {
	inner := ctx
	if client.Timeout <= 0 {
		var cancel context.CancelFunc
		inner, cancel = context.WithTimeout(ctx, totalTimeout)
		defer cancel()
	}
	req = req.WithContext(inner)
	req.GetBody = nil // what the transport would replay the body with

	res, err := client.Do(req)
	if err != nil {
		return nil, transportFailure(ctx, req, err)
	}
	defer res.Body.Close()

	if res.StatusCode >= 300 && res.StatusCode < 400 {
		return nil, fail(req, ErrRedirect, &StatusError{Status: res.StatusCode})
	}
	body, err := read(res, limit)
	switch {
	case errors.Is(err, ErrTooLarge):
		return nil, fail(req, ErrTooLarge, nil)
	case err != nil:
		return nil, transportFailure(ctx, req, err)
	}
	return &Response{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

// Get is [Do] with a plain GET, whose answer must have status 200: any other
// is a [StatusError].
func Get(ctx context.Context, client *http.Client, url, accept string, limit int64) (*Response, error) {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return nil, errors.New("oidc: GET: the URL is malformed")
	}
	req.Header.Set("Accept", accept)
	res, err := Do(ctx, client, req, limit)
	if err != nil {
		return nil, err
	}
	if res.Status != http.StatusOK {
		return nil, fail(req, NewStatusError(res.Status, res.Header), nil)
	}
	return res, nil
}

// NewStatusError returns the status of an answer, and what its header says
// about when to come again, as an error.
func NewStatusError(status int, h http.Header) *StatusError {
	return &StatusError{Status: status, RetryAfter: retryAfter(h.Get("Retry-After"))}
}

// CheckType returns [ErrContentType] unless the answer's media type is one of
// those given, in lower case.
func (r *Response) CheckType(types ...string) error {
	if slices.Contains(types, MediaType(r.Header)) {
		return nil
	}
	return ErrContentType
}

// MediaType returns the media type of a Content-Type, in lower case and without
// its parameters, or empty where there is none, more than one, or a malformed one.
func MediaType(h http.Header) string {
	values := h["Content-Type"]
	if len(values) != 1 {
		return ""
	}
	media, _, err := mime.ParseMediaType(values[0])
	if err != nil {
		return ""
	}
	return media
}

// read decides by the decoded bytes: neither Content-Length nor a content
// coding tells how much is to come.
func read(res *http.Response, limit int64) ([]byte, error) {
	if res.ContentLength > limit {
		return nil, ErrTooLarge
	}
	// bytes.MinRead to spare, so that the buffer does not grow to see the end.
	buf := bytes.NewBuffer(make([]byte, 0, max(res.ContentLength, 0)+bytes.MinRead))
	if _, err := buf.ReadFrom(io.LimitReader(res.Body, limit+1)); err != nil {
		return nil, err
	}
	if int64(buf.Len()) > limit {
		return nil, ErrTooLarge
	}
	return buf.Bytes(), nil
}

// retryAfter reads both forms of RFC 9110 section 10.2.3, within 0..1 h: it
// comes from the provider and goes to the browser.
func retryAfter(value string) time.Duration {
	const most = time.Hour
	if value == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		return time.Duration(min(seconds, uint64(most/time.Second))) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(time.Until(at), 0), most)
}
