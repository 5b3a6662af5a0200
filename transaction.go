package signon

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed1a301047/signon/internal/seal"
)

// A transaction is one login in progress: what was sent to the provider, and what
// its answer will be checked against. It lives in a cookie of its own, sealed, so
// that the application keeps nothing for somebody who never comes back, and any
// replica can finish the login.
type transaction struct {
	nonce       string
	verifier    string
	returnTo    string
	tokenURL    string               // the token endpoint, as it was when the login began
	fingerprint [fingerprintLen]byte // of the client: another one must not finish this login
	owner       [ownerLen]byte       // a hash of Config.Owner's answer; zero without
	acr         string               // space separated; "": unchecked
	scope       string               // what this login asked for, where it is not Provider.Scopes
	maxAge      int64                // seconds; -1: unchecked
	formPost    bool
	deadline    int64 // unix seconds
}

const (
	transactionLife = 10 * time.Minute
	maxTransactions = 8
	// maxTransactionCookie keeps eight of them and a session below the 8 KB of
	// header that common servers accept.
	maxTransactionCookie = 1000
	maxTransactionBytes  = 7000

	fingerprintLen = 16
	ownerLen       = 16
)

// append writes the transaction in a compact form of its own: it is part of every
// login redirect, and has to fit in a cookie.
func (t *transaction) append(b []byte) []byte {
	b = append(b, boolByte(t.formPost))
	b = append(b, t.fingerprint[:]...)
	b = append(b, t.owner[:]...)
	b = binary.AppendVarint(b, t.deadline)
	b = binary.AppendVarint(b, t.maxAge)
	for _, s := range [...]string{t.nonce, t.verifier, t.tokenURL, t.acr, t.scope, t.returnTo} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return b
}

var errTransaction = errors.New("transaction does not decode")

// parseTransaction reads what append wrote. Only sealed bytes get here; a mismatch
// means another version of Signon.
func parseTransaction(b []byte) (*transaction, error) {
	const fixed = 1 + fingerprintLen + ownerLen
	if len(b) < fixed || b[0] > 1 {
		return nil, errTransaction
	}
	t := &transaction{formPost: b[0] == 1}
	copy(t.fingerprint[:], b[1:])
	copy(t.owner[:], b[1+fingerprintLen:])
	b = b[fixed:]
	for _, p := range [...]*int64{&t.deadline, &t.maxAge} {
		v, n := binary.Varint(b)
		if n <= 0 {
			return nil, errTransaction
		}
		*p, b = v, b[n:]
	}
	for _, p := range [...]*string{&t.nonce, &t.verifier, &t.tokenURL, &t.acr, &t.scope, &t.returnTo} {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > uint64(len(b)-n) {
			return nil, errTransaction
		}
		*p, b = string(b[n:n+int(v)]), b[n+int(v):]
	}
	if len(b) != 0 {
		return nil, errTransaction
	}
	return t, nil
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// transactions puts them in cookies and takes them out again.
type transactions struct {
	ring   *seal.Ring
	secure bool // of the application's origin
}

// cookie returns the attributes of a transaction's cookie. With form_post the
// provider's answer is a cross-site POST, with which browsers send SameSite=None
// cookies only, and those only with Secure, in development too.
func (ts *transactions) cookie(name, value string, maxAge int, formPost bool) *http.Cookie {
	ck := &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge,
		Secure: ts.secure || formPost, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if formPost {
		ck.SameSite = http.SameSiteNoneMode
	}
	return ck
}

// prefix tells the two kinds apart by name, so that a cookie is deleted with the
// attributes it was set with.
func (ts *transactions) prefix(formPost bool) string {
	switch {
	case formPost:
		return "__Host-signon-post-"
	case ts.secure:
		return "__Host-signon-login-"
	}
	return "signon-login-"
}

// name is bound to provider and state by a hash, so that many logins can be in
// progress, each callback finds its own, and one that comes to another provider's
// finds, and deletes, nothing.
func (ts *transactions) name(provider, state string, formPost bool) string {
	hash := loginHash(provider, state)
	return ts.prefix(formPost) + string(hash[:])
}

func loginHash(provider, state string) (hash [16]byte) {
	var buf [128]byte // both fit, and then nothing is allocated for them
	sum := sha256.Sum256(append(append(append(buf[:0], provider...), 0), state...))
	base64.RawURLEncoding.Encode(hash[:], sum[:12])
	return hash
}

// transactionAAD binds a sealed transaction to its cookie, its provider, its state
// and the stamp before it: with another of any it does not open.
func transactionAAD(name, provider, state, stamp string) []byte {
	b := make([]byte, 0, len(name)+len(provider)+len(state)+len(stamp)+3)
	b = append(append(b, name...), 0)
	b = append(append(b, provider...), 0)
	b = append(append(b, state...), 0)
	return append(b, stamp...)
}

// attributes are those of ts.cookie in the text that [http.SetCookie] makes of them. A
// login spends a fourth of its time there on cleaning what here is base64url already.
func (ts *transactions) attributes(formPost bool) string {
	const common = "; Path=/; Max-Age=600; HttpOnly"
	switch {
	case formPost:
		return common + "; Secure; SameSite=None"
	case ts.secure:
		return common + "; Secure; SameSite=Lax"
	}
	return common + "; SameSite=Lax"
}

// save sets the transaction's cookie and, where there are too many, deletes the
// oldest.
func (ts *transactions) save(w http.ResponseWriter, r *http.Request, provider, state string, t *transaction) error {
	name := ts.name(provider, state, t.formPost)
	stamp := newStamp()
	aad := transactionAAD(name, provider, state, stamp)
	value := ts.sealValue(t, stamp, aad)
	if len(name)+len(value) > maxTransactionCookie && t.returnTo != "" {
		t.returnTo = "" // better home than nowhere
		value = ts.sealValue(t, stamp, aad)
	}
	if len(name)+len(value) > 2*maxTransactionCookie {
		return fmt.Errorf("%w: a login cookie of %d bytes; shorten ACRValues or the token endpoint's URL", ErrInternal, len(value))
	}
	if r.Header["Cookie"] != nil {
		ts.evict(w, r, len(name)+len(value), "")
	}
	w.Header().Add("Set-Cookie", name+"="+value+ts.attributes(t.formPost))
	return nil
}

// newStamp is what a cookie's value begins with, "<stamp>.<sealed>": it serves to
// find the oldest without opening any; the deadline that counts is inside. Tabs that
// a browser restores begin within a second.
func newStamp() string { return strconv.FormatInt(time.Now().UnixMilli(), 36) }

func (ts *transactions) sealValue(t *transaction, stamp string, aad []byte) string {
	var plain [768]byte
	return stamp + "." + ts.ring.SealString(t.append(plain[:0]), aad)
}

// load opens the transaction of this state, at this provider, in this browser, or
// says ErrState. It does not consume it.
func (ts *transactions) load(r *http.Request, provider, state string, formPost bool) (*transaction, error) {
	name := ts.name(provider, state, formPost)
	found := r.CookiesNamed(name)
	if len(found) != 1 { // two of one name: somebody has tossed one in
		return nil, fmt.Errorf("%w: %d cookies for this state, expected one; the login was started in another browser, is complete, or has expired", ErrState, len(found))
	}
	stamp, sealed, _ := strings.Cut(found[0].Value, ".")
	plain, err := ts.ring.OpenString(sealed, transactionAAD(name, provider, state, stamp))
	if err != nil {
		return nil, fmt.Errorf("%w: the login cookie does not open; it is of another deployment, provider or key: set Config.Keys to the same in all processes", ErrState)
	}
	t, err := parseTransaction(plain)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	if time.Now().Unix() >= t.deadline {
		return nil, fmt.Errorf("%w: the login has expired; it may take %v", ErrState, transactionLife)
	}
	return t, nil
}

// remove deletes the cookie of a state, if the browser has it.
func (ts *transactions) remove(w http.ResponseWriter, r *http.Request, provider, state string, formPost bool) {
	if name := ts.name(provider, state, formPost); len(r.CookiesNamed(name)) > 0 {
		http.SetCookie(w, ts.cookie(name, "", -1, formPost))
	}
}

// removeAll deletes every login in progress, at logout.
func (ts *transactions) removeAll(w http.ResponseWriter, r *http.Request) {
	for _, p := range ts.pending(r) {
		ts.drop(w, p.name)
	}
}

func (ts *transactions) drop(w http.ResponseWriter, name string) {
	http.SetCookie(w, ts.cookie(name, "", -1, strings.HasPrefix(name, ts.prefix(true))))
}

// evict makes room for one more cookie: at most maxTransactions logins, and a
// bounded header. The cookie named except stays: what is added is its answer.
func (ts *transactions) evict(w http.ResponseWriter, r *http.Request, size int, except string) {
	pending := ts.pending(r)
	slices.Reverse(pending) // browsers send the oldest first (RFC 6265 section 5.4)
	slices.SortStableFunc(pending, func(a, b pendingLogin) int { return cmp.Compare(b.stamp, a.stamp) })
	kept := 0
	if except == "" {
		kept = 1
	}
	for _, p := range ts.logouts(r) { // they were there first, and are few
		size += p.size
	}
	for _, p := range pending {
		size += p.size
		if !p.answer {
			kept++
		}
		if p.name != except && (kept > maxTransactions || size > maxTransactionBytes) {
			ts.drop(w, p.name)
		}
	}
}

type pendingLogin struct {
	name   string
	answer bool // kept by continueFormPost
	stamp  int64
	size   int
}

// pending lists the browser's logins in progress, and the answers to them that
// continueFormPost keeps, unopened. A browser keeps 180
// cookies of a site or so: whoever sends more is none, and gets no more work than
// that.
func (ts *transactions) pending(r *http.Request) []pendingLogin {
	return ts.cookiesNamed(r, ts.prefix(false), ts.prefix(true), ts.answerPrefix())
}

func (ts *transactions) cookiesNamed(r *http.Request, prefixes ...string) []pendingLogin {
	const most = 64
	var list []pendingLogin
	for _, ck := range r.Cookies() {
		if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(ck.Name, p) }) {
			continue
		}
		stamp, _, _ := strings.Cut(ck.Value, ".")
		p := pendingLogin{name: ck.Name, size: len(ck.Name) + len(ck.Value), answer: strings.HasPrefix(ck.Name, ts.answerPrefix())}
		p.stamp, _ = strconv.ParseInt(stamp, 36, 64)
		list = append(list, p)
		if len(list) == most {
			break
		}
	}
	return list
}
