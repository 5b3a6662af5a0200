package signon

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/seed1a301047/signon/internal/seal"
)

// The cookie that save writes is the one that net/http would.
func TestTransactionAttributes(t *testing.T) {
	for _, secure := range []bool{true, false} {
		for _, formPost := range []bool{true, false} {
			ts := &transactions{secure: secure}
			name := ts.prefix(formPost) + "x"
			want := ts.cookie(name, "stamp.sealed-_", int(transactionLife/time.Second), formPost).String()
			if got := name + "=stamp.sealed-_" + ts.attributes(formPost); got != want {
				t.Errorf("secure %t, form_post %t: got %q, want %q", secure, formPost, got, want)
			}
		}
	}
}

func BenchmarkOpenTransaction(b *testing.B) {
	ring, err := seal.Random("bench")
	if err != nil {
		b.Fatal(err)
	}
	ts := &transactions{ring: ring, secure: true}
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "https://app.example.com/", nil)
	state := newID()
	t := &transaction{
		nonce: newID(), verifier: newID(), tokenURL: "https://op.example.com/oauth2/token",
		returnTo: "/repos", maxAge: -1, deadline: time.Now().Add(time.Hour).Unix(),
	}
	if err := ts.save(w, r, "op", state, t); err != nil {
		b.Fatal(err)
	}
	r.AddCookie(w.Result().Cookies()[0])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ts.load(r, "op", state, false); err != nil {
			b.Fatal(err)
		}
	}
}
