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
	for _, s := range [...]string{t.nonce, t.verifier, t.tokenURL, t.acr, t.returnTo} {
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
	for _, p := range [...]*string{&t.nonce, &t.verifier, &t.tokenURL, &t.acr, &t.returnTo} {
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

// name is bound to the state by a hash, so that many logins can be in progress and
// each callback finds its own.
func (ts *transactions) name(state string, formPost bool) string {
	var buf [64]byte // a state of ours fits, and then nothing is allocated for it
	sum := sha256.Sum256(append(buf[:0], state...))
	var hash [16]byte
	base64.RawURLEncoding.Encode(hash[:], sum[:12])
	return ts.prefix(formPost) + string(hash[:])
}

// aad binds a sealed transaction to its cookie, its provider and its state: under
// another name, at another provider or with another state it does not open.
func transactionAAD(name, provider, state string) []byte {
	b := make([]byte, 0, len(name)+len(provider)+len(state)+2)
	b = append(append(b, name...), 0)
	b = append(append(b, provider...), 0)
	return append(b, state...)
}

// save sets the transaction's cookie and, where there are too many, deletes the
// oldest.
func (ts *transactions) save(w http.ResponseWriter, r *http.Request, provider, state string, t *transaction) error {
	name := ts.name(state, t.formPost)
	aad := transactionAAD(name, provider, state)
	value := ts.sealValue(t, aad)
	if len(name)+len(value) > maxTransactionCookie && t.returnTo != "" {
		t.returnTo = "" // better home than nowhere
		value = ts.sealValue(t, aad)
	}
	if len(name)+len(value) > 2*maxTransactionCookie {
		return fmt.Errorf("%w: a login cookie of %d bytes; shorten ACRValues or the token endpoint's URL", ErrInternal, len(value))
	}
	if r.Header["Cookie"] != nil {
		ts.evict(w, r, len(name)+len(value))
	}
	http.SetCookie(w, ts.cookie(name, value, int(transactionLife/time.Second), t.formPost))
	return nil
}

// sealValue is "<deadline>.<sealed>": the deadline, in front and unprotected, only
// serves to find the oldest; the one that counts is inside.
func (ts *transactions) sealValue(t *transaction, aad []byte) string {
	var plain [768]byte
	var stamp [16]byte
	return string(strconv.AppendInt(stamp[:0], t.deadline, 36)) + "." + ts.ring.SealString(t.append(plain[:0]), aad)
}

// load opens the transaction of this state, at this provider, in this browser, or
// says ErrState. It does not consume it.
func (ts *transactions) load(r *http.Request, provider, state string, formPost bool) (*transaction, error) {
	name := ts.name(state, formPost)
	found := r.CookiesNamed(name)
	if len(found) != 1 { // two of one name: somebody has tossed one in
		return nil, fmt.Errorf("%w: %d cookies for this state, expected one; the login was started in another browser, is complete, or has expired", ErrState, len(found))
	}
	_, sealed, _ := strings.Cut(found[0].Value, ".")
	plain, err := ts.ring.OpenString(sealed, transactionAAD(name, provider, state))
	if err != nil {
		return nil, fmt.Errorf("%w: the login cookie does not open; it is of another deployment, provider or key", ErrState)
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
func (ts *transactions) remove(w http.ResponseWriter, r *http.Request, state string, formPost bool) {
	if name := ts.name(state, formPost); len(r.CookiesNamed(name)) > 0 {
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

// evict makes room for one more: at most maxTransactions, and a bounded header.
func (ts *transactions) evict(w http.ResponseWriter, r *http.Request, size int) {
	pending := ts.pending(r)
	slices.SortStableFunc(pending, func(a, b pendingLogin) int { return cmp.Compare(b.deadline, a.deadline) })
	kept := 1
	for _, p := range pending {
		kept, size = kept+1, size+p.size
		if kept > maxTransactions || size > maxTransactionBytes {
			ts.drop(w, p.name)
		}
	}
}

type pendingLogin struct {
	name     string
	deadline int64
	size     int
}

// pending lists the browser's logins in progress, unopened. A browser keeps 180
// cookies of a site or so: whoever sends more is none, and gets no more work than
// that.
func (ts *transactions) pending(r *http.Request) []pendingLogin {
	const most = 64
	var list []pendingLogin
	for _, ck := range r.Cookies() {
		if !strings.HasPrefix(ck.Name, ts.prefix(false)) && !strings.HasPrefix(ck.Name, ts.prefix(true)) {
			continue
		}
		stamp, _, _ := strings.Cut(ck.Value, ".")
		deadline, _ := strconv.ParseInt(stamp, 36, 64)
		list = append(list, pendingLogin{name: ck.Name, deadline: deadline, size: len(ck.Name) + len(ck.Value)})
		if len(list) == most {
			break
		}
	}
	return list
}
