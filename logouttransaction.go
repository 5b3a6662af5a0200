package signon

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A logout that the provider is being told of is kept as a login is: in a sealed cookie
// of its own, for nobody has to come back from it. It has little to say: which state was
// sent stands in its name and its seal, and what is inside is where to go in the end.

const (
	logoutLife = transactionLife

	// maxLogouts are in progress in one browser, for tabs that sign out and in again: the
	// oldest goes, which costs its tab the way back to where it was, and no more.
	maxLogouts = 4
)

// logoutPrefix tells the cookies of logouts from those of logins.
func (ts *transactions) logoutPrefix() string {
	if ts.secure {
		return "__Host-signon-logout-"
	}
	return "signon-logout-"
}

func (ts *transactions) logoutName(provider, state string) string {
	hash := loginHash(provider, state)
	return ts.logoutPrefix() + string(hash[:])
}

// logoutAAD binds a sealed logout as transactionAAD does a login, and begins as that
// never can: neither opens as the other.
func logoutAAD(name, provider, state, stamp string) []byte {
	return append([]byte("logout\x00"), transactionAAD(name, provider, state, stamp)...)
}

// saveLogout adds the cookie of a logout in progress. returnTo is a path of the
// application, or "".
func (ts *transactions) saveLogout(w http.ResponseWriter, r *http.Request, provider, state, returnTo string) {
	ts.evictLogouts(w, r)
	name, stamp := ts.logoutName(provider, state), newStamp()
	plain := strconv.FormatInt(time.Now().Add(logoutLife).Unix(), 10) + " " + returnTo
	sealed := ts.ring.SealString([]byte(plain), logoutAAD(name, provider, state, stamp))
	http.SetCookie(w, ts.cookie(name, stamp+"."+sealed, int(logoutLife/time.Second), false))
}

// takeLogout finds the logout of this state, at this provider, in this browser, deletes
// its cookie and says where it leads; or it says ErrState.
func (ts *transactions) takeLogout(w http.ResponseWriter, r *http.Request, provider, state string) (returnTo string, err error) {
	name := ts.logoutName(provider, state)
	found := r.CookiesNamed(name)
	if len(found) > 0 {
		http.SetCookie(w, ts.cookie(name, "", -1, false))
	}
	if len(found) != 1 { // two of one name: somebody has tossed one in
		return "", fmt.Errorf("%w: %d cookies for the state of this logout, expected one; it was started in another browser, is complete, or has expired", ErrState, len(found))
	}
	stamp, sealed, _ := strings.Cut(found[0].Value, ".")
	plain, err := ts.ring.OpenString(sealed, logoutAAD(name, provider, state, stamp))
	if err != nil {
		return "", fmt.Errorf("%w: the logout cookie does not open; it is of another deployment, provider or key: set Config.Keys to the same in all processes", ErrState)
	}
	until, returnTo, ok := strings.Cut(string(plain), " ")
	deadline, err := strconv.ParseInt(until, 10, 64)
	if !ok || err != nil || time.Now().Unix() >= deadline {
		return "", fmt.Errorf("%w: the logout has expired; it may take %v", ErrState, logoutLife)
	}
	return returnTo, nil
}

// evictLogouts makes room for one more.
func (ts *transactions) evictLogouts(w http.ResponseWriter, r *http.Request) {
	pending := ts.logouts(r)
	if len(pending) < maxLogouts {
		return
	}
	slices.Reverse(pending) // browsers send the oldest first (RFC 6265 section 5.4)
	slices.SortStableFunc(pending, func(a, b pendingLogin) int { return cmp.Compare(b.stamp, a.stamp) })
	for _, p := range pending[maxLogouts-1:] {
		ts.drop(w, p.name)
	}
}

// logouts lists the browser's logouts in progress, as pending does its logins, which
// leave them room in the header.
func (ts *transactions) logouts(r *http.Request) []pendingLogin {
	return ts.cookiesNamed(r, ts.logoutPrefix())
}
