package signon_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
)

// AP-08: an API's answer is the caller's to bound. Nothing reads ahead of the caller,
// so one that stops reading an endless answer ends it.
func TestAPIAnswerIsTheCallersToBound(t *testing.T) {
	s := newSite(t, setup{})
	ended := make(chan struct{})
	s.op.Handle("/api/items", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		chunk := bytes.Repeat([]byte("x"), 64<<10)
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	b := s.browser()
	s.signIn(b, "alice")
	var got []byte
	s.mux.Handle("/head", s.client.RequireToken(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, err := s.client.HTTPClient(r.Context()).Get("items")
		if err != nil {
			signon.Error(w, r, err)
			return
		}
		got, _ = io.ReadAll(io.LimitReader(resp.Body, 1024))
		_ = resp.Body.Close()
	})))
	require.Equal(t, http.StatusOK, b.Get(siteURL+"/head").Status)
	require.Len(t, got, 1024)
	<-ended
}
