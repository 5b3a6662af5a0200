package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/tokenstore"
)

// watchedTokens is a token store that notes each refresh, to show it. All else is
// the memory store's.
type watchedTokens struct {
	tokenstore.Memory

	mu        sync.Mutex
	histories map[tokenstore.Key]history
}

// A history is what happened to one owner's token.
type history struct {
	Count  int       // refreshes since the login
	Recent []refresh // the last few, the newest first
}

// A refresh says when one token took the place of another, and no more of them than
// a fingerprint.
type refresh struct {
	At          time.Time
	Fingerprint string // of the new one
}

const (
	keptRefreshes = 6
	maxHistories  = 1000
)

// UpdateToken notes what Memory takes.
func (w *watchedTokens) UpdateToken(ctx context.Context, key tokenstore.Key, old, token *oauth2.Token) error {
	if err := w.Memory.UpdateToken(ctx, key, old, token); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.histories == nil || len(w.histories) >= maxHistories {
		w.histories = map[tokenstore.Key]history{} // better forgetful than without bound
	}
	h := w.histories[key]
	h.Count++
	h.Recent = slices.Insert(h.Recent, 0, refresh{At: time.Now(), Fingerprint: fingerprint(token)})
	h.Recent = h.Recent[:min(len(h.Recent), keptRefreshes)]
	w.histories[key] = h
	return nil
}

// DeleteToken forgets the history with the token.
func (w *watchedTokens) DeleteToken(ctx context.Context, key tokenstore.Key, old *oauth2.Token) error {
	if err := w.Memory.DeleteToken(ctx, key, old); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.histories, key)
	return nil
}

// of is a copy of an owner's history.
func (w *watchedTokens) of(key tokenstore.Key) history {
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.histories[key]
	h.Recent = slices.Clone(h.Recent)
	return h
}

// fingerprint tells two tokens apart, and says nothing of either.
func fingerprint(token *oauth2.Token) string {
	sum := sha256.Sum256([]byte(token.AccessToken))
	return hex.EncodeToString(sum[:4])
}
