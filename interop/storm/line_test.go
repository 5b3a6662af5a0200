package storm_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A line is what lies between the replicas and the provider's token endpoint, and
// the provider's API beside it.
//
//	POST /token/{by}    the token endpoint, as the replica "by" reaches it
//	GET  /api/whoami    whose access token is this?
type line struct {
	*httptest.Server
	ledger   *ledger
	upstream string
	client   *http.Client
	faults   atomic.Pointer[faults]
	trouble  func(format string, args ...any) // reports what must not happen
}

// faults are what the line does to requests for tokens. The zero value does nothing.
type faults struct {
	latency func(user string) held // user is empty for a code
	drop    func() bool            // whether the answer is thrown away
}

// held is how long a request is kept before the provider has it, and its answer.
type held struct{ before, after time.Duration }

// rough is the line of the storm: up to 3 seconds in all, and 5 % of answers lost.
func rough() *faults {
	return &faults{
		latency: func(string) held {
			all := rand.N(3 * time.Second)
			before := time.Duration(rand.Float64() * float64(all))
			return held{before, all - before}
		},
		drop: func() bool { return rand.IntN(20) == 0 },
	}
}

func newLine(t testing.TB, issuer string, l *ledger) *line {
	t.Helper()
	n := &line{
		ledger:   l,
		upstream: discover(t, issuer),
		// A connection of its own for each request: one that the provider closes at the
		// same moment would be a fault that nobody asked for.
		client:  &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second},
		trouble: t.Errorf,
	}
	n.faults.Store(&faults{})
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token/{by}", n.token)
	mux.HandleFunc("GET /api/whoami", n.whoAmI)
	n.Server = httptest.NewServer(mux)
	t.Cleanup(n.Close)
	return n
}

// discover reads where the provider's token endpoint is.
func discover(t testing.TB, issuer string) string {
	t.Helper()
	resp, err := http.Get(issuer + "/.well-known/openid-configuration")
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	var metadata struct {
		TokenEndpoint string `json:"token_endpoint"`
	}
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&metadata))
	return metadata.TokenEndpoint
}

// token passes a request on. The caller may leave at any point, because it was
// killed; the provider finishes what it has begun, as it would.
func (n *line) token(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	form, parseErr := url.ParseQuery(string(body))
	if err != nil || parseErr != nil {
		panic(http.ErrAbortHandler) // half a request of somebody who died
	}
	x := n.ledger.arrive(r.PathValue("by"), form.Get("refresh_token"))
	f := n.faults.Load()
	var h held
	if f.latency != nil {
		h = f.latency(x.user())
	}
	if !sleep(r.Context(), h.before) {
		n.ledger.end(x, cutBefore)
		return
	}
	status, header, answer, err := n.forward(r, body)
	if err == nil {
		err = n.ledger.answer(x, status, answer)
	}
	if err != nil {
		n.trouble("token endpoint: %v", err)
		n.ledger.end(x, broken)
		panic(http.ErrAbortHandler)
	}
	if !sleep(r.Context(), h.after) {
		n.ledger.end(x, cutAfter)
		return
	}
	if f.drop != nil && f.drop() {
		n.ledger.end(x, dropped)
		panic(http.ErrAbortHandler) // closes the connection
	}
	n.ledger.end(x, delivered) // first: whoever reads the answer may act on it at once
	w.Header().Set("Content-Type", header.Get("Content-Type"))
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}

func (n *line) forward(r *http.Request, body []byte) (status int, header http.Header, answer []byte, err error) {
	req, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), http.MethodPost, n.upstream, bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	for _, name := range []string{"Authorization", "Content-Type", "Accept"} {
		req.Header.Set(name, r.Header.Get(name))
	}
	resp, err := n.client.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode, resp.Header, answer, err
}

// whoAmI is the API.
func (n *line) whoAmI(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	user, ok := n.ledger.whose(token)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"user": user, "token": fingerprint(token)})
}

func fingerprint(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:8])
}

// sleep reports whether d has passed before ctx was done.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
