package signon

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// With form_post the provider's answer is a POST from another site, with which a
// browser sends no SameSite=Lax cookie: neither the session, whose login must end
// and whose id must be renewed, nor whatever Config.Owner reads, is there to see.
// So the callback keeps the answer in a sealed cookie of its own and sends the
// browser to the same URL by GET, with which those cookies come.

const (
	continuationLife      = 2 * time.Minute
	maxContinuationCookie = 3800 // browsers keep 4096 bytes of one
)

func (ts *transactions) continuationName() string {
	if ts.secure {
		return "__Host-signon-answer"
	}
	return "signon-answer"
}

// continueFormPost answers the POST of a form_post login with a redirect to its
// second half. more is false where there is nothing to continue: FinishLogin then
// takes the request as it is.
func (c *Client) continueFormPost(w http.ResponseWriter, r *http.Request) (more bool, err error) {
	if r.Method != http.MethodPost || c.p.ResponseMode != "form_post" {
		return false, nil
	}
	cb, err := c.parseCallback(w, r)
	if err != nil {
		return false, err
	}
	// The browser that began the login is told from any other here, before
	// anything of the answer is kept for it.
	if _, err := c.openTransaction(w, r, cb); err != nil {
		return false, err
	}
	ts := c.registry.transactions
	sealed := ts.ring.SealString([]byte(cb.encode(time.Now().Add(continuationLife))), c.continuationAAD())
	if len(sealed) > maxContinuationCookie {
		return false, nil // a code of kilobytes: better finish without the session than not at all
	}
	http.SetCookie(w, ts.cookie(ts.continuationName(), sealed, int(continuationLife/time.Second), false))
	seeOther(w, c.p.RedirectURL)
	return true, nil
}

func (c *Client) continuationAAD() []byte { return []byte("answer\x00" + c.name) }

func (cb *callback) encode(deadline time.Time) string {
	return url.Values{
		"state": {cb.state}, "code": {cb.code}, "iss": {cb.iss},
		"error": {cb.err}, "error_description": {clip(cb.description, 256)},
		"deadline": {fmt.Sprint(deadline.Unix())},
	}.Encode()
}

func (ts *transactions) removeAnswer(w http.ResponseWriter) {
	http.SetCookie(w, ts.cookie(ts.continuationName(), "", -1, false))
}

// continued reads the answer that continueFormPost has kept, where the request is
// that second half: a GET with no answer of its own. The cookie stays until the
// state is claimed, so that a store that was down can be tried again.
func (c *Client) continued(r *http.Request, query url.Values) (*callback, error) {
	ts := c.registry.transactions
	found := r.CookiesNamed(ts.continuationName())
	hasOwn := slices.ContainsFunc(responseParams, query.Has)
	if c.p.ResponseMode != "form_post" || r.Method != http.MethodGet || hasOwn || len(found) != 1 {
		return nil, nil
	}
	plain, err := ts.ring.OpenString(found[0].Value, c.continuationAAD())
	if err != nil {
		return nil, fmt.Errorf("%w: the kept answer does not open", ErrState)
	}
	kept, err := url.ParseQuery(string(plain))
	if err != nil {
		return nil, fmt.Errorf("%w: the kept answer does not parse", ErrState)
	}
	if kept.Get("deadline") < fmt.Sprint(time.Now().Unix()) { // both have ten digits until 2286
		return nil, fmt.Errorf("%w: the kept answer has expired", ErrState)
	}
	return &callback{
		state: kept.Get("state"), code: kept.Get("code"), iss: kept.Get("iss"),
		err: kept.Get("error"), description: kept.Get("error_description"),
		formPost: true, kept: true,
	}, nil
}
