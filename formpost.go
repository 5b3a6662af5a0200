package signon

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// With form_post the provider's answer is a POST from another site, with which a
// browser sends no SameSite=Lax cookie: neither the session, whose login must end
// and whose id must be renewed, nor whatever Config.Owner reads, is there to see.
// So the callback keeps the answer in a sealed cookie of its own and sends the
// browser to the same URL by GET, with which those cookies come.

const (
	continuationLife = 2 * time.Minute

	// maxAnswerCookie keeps eight answers and their logins below 16 KB of header:
	// the POST of one does not show the others, so none can make room.
	maxAnswerCookie = 1500
	// maxLinkCookie is what browsers keep of one (4096 bytes), less its attributes:
	// with Config.Owner the login cannot finish without the cookies of the second half.
	maxLinkCookie = 3800
)

// answerParam tells the second half of a callback which answer it is about: tabs
// that come back at once do not take each other's.
const answerParam = "signon_answer"

func (ts *transactions) answerPrefix() string {
	if ts.secure {
		return "__Host-signon-answer-"
	}
	return "signon-answer-"
}

// continueFormPost answers the POST of a form_post login with a redirect to its
// second half. It is false where there is nothing to continue: FinishLogin then
// takes the request as it is. The browser that began the login has been told from any
// other by then, so that nothing is kept for another.
func (c *Client) continueFormPost(w http.ResponseWriter, r *http.Request, cb *callback) bool {
	if !cb.formPost || cb.kept != "" {
		return false
	}
	ts := c.registry.transactions
	hash, stamp := loginHash(c.name, cb.state), newStamp()
	id := string(hash[:])
	name := ts.answerPrefix() + id
	limit := maxAnswerCookie
	if c.registry.cfg.Owner != nil {
		limit = maxLinkCookie
	}
	seal := func() string {
		return stamp + "." + ts.ring.SealString([]byte(cb.encode(time.Now().Add(continuationLife))), c.answerAAD(name, stamp))
	}
	value := seal()
	if len(value) > limit && cb.answer != nil {
		c.registry.log.WarnContext(r.Context(), "signon: the further parameters of a form_post answer do not fit into a cookie, and are not handed to Hooks.Profile", "provider", c.name)
		cb.answer = nil // they matter less than the session's cookies
		value = seal()
	}
	if len(value) > limit {
		return false // a code of a kilobyte: better finish without the session than not at all
	}
	ts.evict(w, r, len(name)+len(value), ts.name(c.name, cb.state, true))
	http.SetCookie(w, ts.cookie(name, value, int(continuationLife/time.Second), false))
	seeOther(w, withQuery(c.p.RedirectURL, answerParam+"="+id))
	return true
}

func (c *Client) answerAAD(name, stamp string) []byte {
	return []byte("answer\x00" + c.name + "\x00" + name + "\x00" + stamp)
}

func (cb *callback) encode(deadline time.Time) string {
	kept := url.Values{
		"state": {cb.state}, "code": {cb.code}, "iss": {cb.iss},
		"error": {cb.err}, "error_description": {clip(cb.description, 256)},
		"deadline": {strconv.FormatInt(deadline.Unix(), 10)},
	}
	for name, values := range cb.answer {
		kept[keptAnswer+name] = values
	}
	return kept.Encode()
}

// keptAnswer stands before the names of what is kept of callback.answer.
const keptAnswer = "answer."

func (ts *transactions) removeAnswer(w http.ResponseWriter, id string) {
	http.SetCookie(w, ts.cookie(ts.answerPrefix()+id, "", -1, false))
}

// continued reads the answer that continueFormPost has kept, where the request is
// that second half: a GET with no answer of its own. The cookie stays until the
// state is claimed, so that a store that was down can be tried again.
func (c *Client) continued(w http.ResponseWriter, r *http.Request, query url.Values) (*callback, error) {
	ts := c.registry.transactions
	id := query.Get(answerParam)
	hasOwn := slices.ContainsFunc(responseParams, query.Has)
	if c.p.ResponseMode != "form_post" || r.Method != http.MethodGet || hasOwn || id == "" {
		return nil, nil
	}
	name := ts.answerPrefix() + id
	found := r.CookiesNamed(name)
	if len(found) != 1 {
		return nil, fmt.Errorf("%w: %d cookies for this answer, expected one; it has been used, or has expired", ErrState, len(found))
	}
	cb, err := c.openAnswer(name, found[0].Value)
	if err != nil {
		ts.removeAnswer(w, id)
		return nil, err
	}
	cb.formPost, cb.kept = true, id
	return cb, nil
}

func (c *Client) openAnswer(name, value string) (*callback, error) {
	stamp, sealed, _ := strings.Cut(value, ".")
	plain, err := c.registry.transactions.ring.OpenString(sealed, c.answerAAD(name, stamp))
	if err != nil {
		return nil, fmt.Errorf("%w: the kept answer does not open", ErrState)
	}
	kept, err := url.ParseQuery(string(plain))
	if err != nil {
		return nil, fmt.Errorf("%w: the kept answer does not parse", ErrState)
	}
	if deadline, err := strconv.ParseInt(kept.Get("deadline"), 10, 64); err != nil || time.Now().Unix() >= deadline {
		return nil, fmt.Errorf("%w: the kept answer has expired", ErrState)
	}
	cb := &callback{
		state: kept.Get("state"), code: kept.Get("code"), iss: kept.Get("iss"),
		err: kept.Get("error"), description: kept.Get("error_description"),
	}
	for name, values := range kept {
		if name, ok := strings.CutPrefix(name, keptAnswer); ok {
			cb.answer = setParam(cb.answer, name, values[0])
		}
	}
	return cb, nil
}
