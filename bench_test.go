package signon_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/internal/jose"
)

// Each benchmark stands beside what it is measured against, in the same run: the
// ratio of the two is what counts.

// discardWriter is a response that costs as little as possible.
type discardWriter struct{ h http.Header }

func (w *discardWriter) Header() http.Header         { return w.h }
func (w *discardWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w *discardWriter) WriteHeader(int)             {}

// benchProvider is a provider given by hand, whose token endpoint answers each code
// with what was prepared for it.
type benchProvider struct {
	key     *rsa.PrivateKey
	server  *httptest.Server
	answers map[string][]byte
}

func newBenchProvider(tb testing.TB) *benchProvider {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(tb, err)
	p := &benchProvider{key: key, answers: map[string][]byte{}}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(p.answers[r.FormValue("code")])
	}))
	tb.Cleanup(p.server.Close)
	return p
}

func (p *benchProvider) config(tb testing.TB) signon.Provider {
	jwk, err := jose.PublicJWK(p.key.Public(), "k1", "RS256")
	require.NoError(tb, err)
	return signon.Provider{
		Name: "op", Issuer: p.server.URL, ClientID: "app", ClientSecret: "secret", Scopes: []string{"openid", "email"},
		Endpoint: oauth2.Endpoint{AuthURL: p.server.URL + "/authorize", TokenURL: p.server.URL + "/token"},
		JWKS:     []byte(`{"keys":[` + string(jwk) + `]}`),
	}
}

// idToken signs what a provider says about a login.
func (p *benchProvider) idToken(tb testing.TB, nonce string) string {
	now := time.Now().Unix()
	claims, err := json.Marshal(map[string]any{
		"iss": p.server.URL, "aud": "app", "sub": "248289761001", "nonce": nonce, "exp": now + 3600, "iat": now,
		"email": "alice@example.com", "email_verified": true, "name": "Alice Example", "sid": "08a5019c-17e1-4977-8f42-65a12843ea02",
	})
	require.NoError(tb, err)
	token, err := jose.Sign("RS256", p.key, map[string]any{"kid": "k1"}, claims)
	require.NoError(tb, err)
	return token
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

var benchKeys = [][]byte{[]byte("0123456789abcdef0123456789ABCDEF")}

func newBenchClient(tb testing.TB, p signon.Provider) (*signon.Registry, *signon.Client) {
	auth, err := signon.New(signon.Config{BaseURL: "https://app.example.com", Keys: benchKeys, Logger: quiet()})
	require.NoError(tb, err)
	client, err := auth.Register(p)
	require.NoError(tb, err)
	return auth, client
}

func BenchmarkLoginRedirect(b *testing.B) {
	p := newBenchProvider(b)
	_, client := newBenchClient(b, p.config(b))
	r := httptest.NewRequest("GET", "https://app.example.com/auth/login/op?return_to=%2Frepos", nil)
	h := client.LoginHandler()
	first := httptest.NewRecorder()
	h.ServeHTTP(first, r)
	target, ck := first.Header().Get("Location"), first.Result().Cookies()[0]

	versus(b, func() { h.ServeHTTP(&discardWriter{h: http.Header{}}, r) }, func() {
		// http.Redirect and one http.SetCookie of the same size
		w := &discardWriter{h: http.Header{}}
		http.SetCookie(w, &http.Cookie{
			Name: ck.Name, Value: ck.Value, Path: "/", MaxAge: 600, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
		http.Redirect(w, r, target, http.StatusSeeOther)
	})
}

// versus measures ours and bare, with their allocations, and then the two in turn, so
// that both meet the same weather: "ratio" is of the medians of that.
func versus(b *testing.B, ours, bare func()) {
	b.Run("signon", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ours()
		}
	})
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			bare()
		}
	})
	b.Run("ratio", func(b *testing.B) {
		const batch = 20
		var a, z []time.Duration
		for b.Loop() {
			start := time.Now()
			for range batch {
				ours()
			}
			middle := time.Now()
			for range batch {
				bare()
			}
			a, z = append(a, middle.Sub(start)), append(z, time.Since(middle))
		}
		b.ReportMetric(float64(median(a))/float64(median(z)), "ratio")
	})
}

// signedInRequest is a request of somebody who has signed in, at app.
func signedInRequest(tb testing.TB, p *benchProvider, client *signon.Client) *http.Request {
	login := httptest.NewRecorder()
	client.LoginHandler().ServeHTTP(login, httptest.NewRequest("GET", "https://app.example.com/auth/login/op", nil))
	back := p.answer(tb, login, "first")
	done := httptest.NewRecorder()
	client.CallbackHandler(nil).ServeHTTP(done, back)
	require.Equal(tb, http.StatusSeeOther, done.Code, done.Body.String())
	r := httptest.NewRequest("GET", "https://app.example.com/repos", nil)
	for _, ck := range done.Result().Cookies() {
		if ck.MaxAge >= 0 {
			r.AddCookie(ck)
		}
	}
	return r
}

// answer makes the callback request that follows a login, and prepares the token
// response for its code.
func (p *benchProvider) answer(tb testing.TB, login *httptest.ResponseRecorder, code string) *http.Request {
	target, err := url.Parse(login.Header().Get("Location"))
	require.NoError(tb, err)
	body, err := json.Marshal(map[string]any{
		"access_token": "at-" + code, "token_type": "Bearer", "expires_in": 3600, "refresh_token": "rt-" + code,
		"scope": "openid email", "id_token": p.idToken(tb, target.Query().Get("nonce")),
	})
	require.NoError(tb, err)
	p.answers[code] = body
	q := url.Values{"code": {code}, "state": {target.Query().Get("state")}, "iss": {p.server.URL}}
	r := httptest.NewRequest("GET", "https://app.example.com/auth/callback/op?"+q.Encode(), nil)
	for _, ck := range login.Result().Cookies() {
		r.AddCookie(ck)
	}
	return r
}

func BenchmarkRequireToken(b *testing.B) {
	done := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	p := newBenchProvider(b)
	_, client := newBenchClient(b, p.config(b))
	signedIn := signedInRequest(b, p, client)
	ours := client.RequireToken(done)
	w := httptest.NewRecorder()
	ours.ServeHTTP(w, signedIn)
	require.Equal(b, http.StatusOK, w.Code)

	// scs as it comes, with four values in the session.
	sm := scs.New()
	put := sm.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		sm.Put(r.Context(), "user_id", 42)
		sm.Put(r.Context(), "name", "Alice Example")
		sm.Put(r.Context(), "theme", "dark")
		sm.Put(r.Context(), "since", time.Now().Unix())
	}))
	w = httptest.NewRecorder()
	put.ServeHTTP(w, httptest.NewRequest("GET", "https://app.example.com/", nil))
	r := httptest.NewRequest("GET", "https://app.example.com/repos", nil)
	r.AddCookie(w.Result().Cookies()[0])
	theirs := sm.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _ = sm.GetInt(r.Context(), "user_id") }))

	versus(b, func() { ours.ServeHTTP(&discardWriter{h: http.Header{}}, signedIn) },
		func() { theirs.ServeHTTP(&discardWriter{h: http.Header{}}, r) })
}

func BenchmarkToken(b *testing.B) {
	p := newBenchProvider(b)
	_, client := newBenchClient(b, p.config(b))
	r := signedInRequest(b, p, client)
	client.RequireToken(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := client.Token(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
}

// BenchmarkCallback measures a whole callback: cookie, claim, exchange over
// loopback, ID token, stores, session; and in turn with it, so that both meet the same
// weather, what it cannot do without: the POST, its JSON, and the signature. It reports
// the median of each and their ratio.
//
// Each login is begun beforehand; a registry sees each state once.
func BenchmarkCallback(b *testing.B) {
	const pool = 1024
	p := newBenchProvider(b)
	config := p.config(b)
	_, client := newBenchClient(b, config)
	var backs []*http.Request
	for i := range pool {
		login := httptest.NewRecorder()
		client.LoginHandler().ServeHTTP(login, httptest.NewRequest("GET", "https://app.example.com/auth/login/op", nil))
		backs = append(backs, p.answer(b, login, fmt.Sprintf("code-%06d", i)))
	}
	var h http.Handler
	var whole, bare []time.Duration
	for i := 0; b.Loop(); i++ {
		if i%pool == 0 {
			_, fresh := newBenchClient(b, config)
			h = fresh.CallbackHandler(nil)
		}
		back, code := backs[i%pool], fmt.Sprintf("code-%06d", i%pool)
		start := time.Now()
		h.ServeHTTP(&discardWriter{h: http.Header{}}, back)
		middle := time.Now()
		p.bareExchange(b, code)
		whole, bare = append(whole, middle.Sub(start)), append(bare, time.Since(middle))
	}
	b.ReportMetric(float64(median(whole)), "ns/callback")
	b.ReportMetric(float64(median(bare)), "ns/bare")
	b.ReportMetric(float64(median(whole))/float64(median(bare)), "ratio")
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func (p *benchProvider) bareExchange(tb testing.TB, code string) {
	req, err := http.NewRequest("POST", p.server.URL+"/token", strings.NewReader(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://app.example.com/auth/callback/op"},
		"code_verifier": {"dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"},
	}.Encode()))
	require.NoError(tb, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("app", "secret")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(tb, err)
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	require.NoError(tb, err)
	var token struct {
		IDToken string `json:"id_token"`
	}
	require.NoError(tb, json.Unmarshal(body, &token))
	dot := strings.LastIndexByte(token.IDToken, '.')
	sig, err := base64.RawURLEncoding.DecodeString(token.IDToken[dot+1:])
	require.NoError(tb, err)
	sum := sha256.Sum256([]byte(token.IDToken[:dot]))
	require.NoError(tb, rsa.VerifyPKCS1v15(&p.key.PublicKey, crypto.SHA256, sum[:], sig))
}
