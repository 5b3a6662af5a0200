package main

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/tokenstore"
)

// A watch remembers which tokens this copy has seen with a login, to show when one took
// the place of another, whichever copy refreshed it. It keeps no token. A token is the
// user's, so that signing in elsewhere replaces it too.
type watch struct {
	mu        sync.Mutex
	histories map[tokenstore.Key]history
}

// A history is what happened to the token of one login's user.
type history struct {
	Count  int       // refreshes since it was first seen here
	Recent []refresh // the last few, the newest first

	first string // fingerprint of the first token
}

// A refresh says when a token was first seen, and no more of it than a fingerprint.
type refresh struct {
	At          time.Time
	Fingerprint string
}

const (
	keptRefreshes = 6
	maxHistories  = 1000
)

// see notes a token, and returns a copy of its history.
func (w *watch) see(key tokenstore.Key, token *oauth2.Token) history {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.histories == nil || len(w.histories) >= maxHistories {
		w.histories = map[tokenstore.Key]history{} // better forgetful than without bound
	}
	h, found := w.histories[key]
	switch now := fingerprint(token); {
	case !found:
		h.first = now
	case h.first != now && !slices.ContainsFunc(h.Recent, func(r refresh) bool { return r.Fingerprint == now }):
		h.Count++
		h.Recent = slices.Insert(slices.Clone(h.Recent), 0, refresh{At: time.Now(), Fingerprint: now})
		h.Recent = h.Recent[:min(len(h.Recent), keptRefreshes)]
	}
	w.histories[key] = h
	return h
}

// fingerprint tells two tokens apart, and says nothing of either.
func fingerprint(token *oauth2.Token) string {
	sum := sha256.Sum256([]byte(token.AccessToken))
	return hex.EncodeToString(sum[:4])
}
