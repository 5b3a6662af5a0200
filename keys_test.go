package signon_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

// Faults of metadata and key set: no login begins or ends with them, nothing is
// stored, no code is sent in vain, and the next login works once they are over.
func TestDiscoveryFaults(t *testing.T) {
	for _, tt := range []struct {
		row    string
		fault  signontest.Fault
		status int
	}{
		{"DI-01 issuer", signontest.IssuerMismatch, 502},
		{"DI-03 redirect", signontest.RedirectDiscovery, 502},
		{"DI-06 headers", signontest.SlowHeaders.At(signontest.Metadata), 504},
		{"DI-06 body", signontest.SlowBody.At(signontest.Metadata), 504},
		{"DI-06, LI-15 hangs", signontest.Hang.At(signontest.Metadata), 504},
		{"DI-07 200 MB", signontest.HugeBody.At(signontest.Metadata), 502},
		{"DI-07 bomb", signontest.GzipBomb.At(signontest.Metadata), 502},
		{"DI-08 500", signontest.ServerError.At(signontest.Metadata), 502},
		{"DI-08 503, CF-05", signontest.DownMetadata, 503},
		{"DI-08 HTML", signontest.HTMLBody.At(signontest.Metadata), 502},
		{"DI-08 empty", signontest.EmptyBody.At(signontest.Metadata), 502},
		{"DI-08 cut", signontest.TruncatedBody.At(signontest.Metadata), 503},
		{"DI-08 array", signontest.ArrayBody.At(signontest.Metadata), 502},
		{"DI-08 text/plain", signontest.PlainTextBody.At(signontest.Metadata), 502},
		{"DI-08 twice", signontest.DuplicateMember.At(signontest.Metadata), 502},
		{"DI-03 keys redirect", signontest.RedirectJWKS, 502},
		{"DI-06 keys hang", signontest.Hang.At(signontest.JWKS), 504},
		{"DI-07 keys 200 MB", signontest.HugeBody.At(signontest.JWKS), 502},
		{"DI-08 keys 500", signontest.ServerError.At(signontest.JWKS), 502},
		{"DI-08 keys 503", signontest.DownJWKS, 503},
		{"DI-08 keys HTML", signontest.HTMLBody.At(signontest.JWKS), 502},
		{"DI-08 keys null", signontest.NullBody.At(signontest.JWKS), 502},
	} {
		t.Run(tt.row, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t, appOptions{})
				a.op.Arm(tt.fault)
				began := time.Now()
				page := a.signIn()
				require.Equal(t, tt.status, page.Status, a.log)
				require.LessOrEqual(t, time.Since(began), 11*time.Second)
				require.NotZero(t, a.op.Fired(tt.fault))
				ofKeys := strings.HasSuffix(string(tt.fault), "@jwks")
				require.Equal(t, ofKeys, a.op.Count(signontest.Token) == 1, "token requests")
				require.Zero(t, a.op.Count(signontest.Elsewhere))
				a.requireNobody()
				a.requireQuiet(page)

				a.op.Disarm()
				time.Sleep(2 * time.Minute) // beyond the back-off
				require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
				a.requireSignedIn("alice")
			})
		})
	}
}

// DI-02, DI-04, DI-09: metadata that name what they must not, or not what they must.
func TestMetadataRefused(t *testing.T) {
	for _, tt := range []struct {
		row, member string
		value       any
	}{
		{"DI-02 http", "token_endpoint", "http://provider.test/token"},
		{"DI-02 userinfo", "token_endpoint", "https://op@evil.test/token"},
		{"DI-02 file", "jwks_uri", "file:///etc/passwd"},
		{"DI-02 javascript, LI-12", "authorization_endpoint", "javascript:alert(1)"},
		{"DI-04 metadata service", "jwks_uri", "https://169.254.169.254/keys"},
		{"DI-04 private", "userinfo_endpoint", "https://10.0.0.1/userinfo"},
		{"DI-04 decimal", "token_endpoint", "https://2852039166/token"},
		{"DI-04 loopback", "token_endpoint", "https://[::1]/token"},
		{"DI-09 a number", "token_endpoint", 5},
		{"DI-09 missing", "token_endpoint", nil},
		{"DI-09 no keys", "jwks_uri", nil},
		{"DI-09 list as a string", "id_token_signing_alg_values_supported", "RS256"},
	} {
		t.Run(tt.row, func(t *testing.T) {
			a := newApp(t, appOptions{})
			a.op.Metadata(func(m map[string]any) {
				m[tt.member] = tt.value
				if tt.value == nil {
					delete(m, tt.member)
				}
			})
			require.Equal(t, http.StatusBadGateway, a.signIn().Status)
			require.Zero(t, a.op.Count(signontest.Authorize))
			require.Zero(t, a.op.Count(signontest.Token))
			a.requireNobody()
		})
	}
}

// ID-07, DI-14: 100 logins with kids that nobody knows, or with bad signatures, cost
// at most four requests for the key set, and the login after them works.
func TestHostileTokensDoNotFetchKeys(t *testing.T) {
	for _, fault := range []signontest.Fault{signontest.UnknownKid, signontest.BadSignature, signontest.ForeignKey} {
		t.Run(string(fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t, appOptions{op: signontest.Config{SigningAlg: "ES256"}})
				a.op.Arm(fault)
				for range 100 {
					require.Equal(t, http.StatusBadGateway, a.signIn().Status)
				}
				require.Equal(t, 100, a.op.Count(signontest.Token))
				require.LessOrEqual(t, a.op.Count(signontest.JWKS), 4)
				t.Log("key-set requests:", a.op.Count(signontest.JWKS))
				a.requireNobody()
				a.op.Disarm()
				require.Equal(t, http.StatusOK, a.signIn().Status)
			})
		})
	}
}

// DI-10: the provider rotates its key just before it signs, and forgets the old one.
func TestKeyRotationInsideALogin(t *testing.T) {
	a := newApp(t, appOptions{op: signontest.Config{SigningAlg: "ES256"}})
	require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
	for range 3 {
		before := a.op.Count(signontest.JWKS)
		a.op.RotateKeys()
		require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
		require.Equal(t, before+1, a.op.Count(signontest.JWKS))
	}
	a.op.AddKey()
	a.op.Arm(signontest.NoKid)
	require.Equal(t, http.StatusBadGateway, a.signIn().Status, "ID-06: two keys, and no kid")
}

// DI-13: the key-set endpoint is down, the cached keys are good.
func TestKeySetEndpointDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, appOptions{})
		require.Equal(t, http.StatusOK, a.signIn().Status)
		a.op.Arm(signontest.DownJWKS, signontest.DownMetadata)
		for range 10 {
			time.Sleep(2 * time.Hour)
			require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
		}
		time.Sleep(48 * time.Hour)
		require.Equal(t, http.StatusServiceUnavailable, a.signIn().Status)
	})
}

// DI-18: the token endpoint moves. It is picked up when the metadata have had their
// time, and a login in progress keeps the one that it began with.
func TestTokenEndpointMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, appOptions{op: signontest.Config{CodeLife: time.Hour}})
		resp, err := a.op.HTTPClient().Get(a.op.URL(signontest.Metadata))
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		a.op.Handle("/.well-known/openid-configuration", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "max-age=60")
			_, _ = w.Write(body)
		}))
		begun := a.browser.Get(appURL + "/auth/login/op").Follow() // the code is in its Location
		body = bytes.Replace(body, []byte(`"https://provider.test/token"`), []byte(`"https://provider.test/moved"`), 1)
		time.Sleep(5 * time.Minute)
		require.Equal(t, http.StatusBadGateway, a.signIn().Status, "the new endpoint counts")
		require.Zero(t, a.op.Count(signontest.Token))
		require.Equal(t, http.StatusSeeOther, begun.Follow().Status)
		require.Equal(t, 1, a.op.Count(signontest.Token))
		a.requireSignedIn("alice")
	})
}

// DI-15: the first who waits for the metadata leaves; the others are served.
func TestFirstWaiterLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, appOptions{})
		slow := make(chan struct{})
		a.op.Handle("/.well-known/openid-configuration", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-slow
			a.op.Handle("/.well-known/openid-configuration", nil)
			a.op.ServeHTTP(w, r)
		}))
		left := make(chan error)
		ctx, leave := newLeaver(t)
		go func() {
			_, err := a.browser.Open(ctx, signontest.Visit{URL: appURL + "/auth/login/op"})
			left <- err
		}()
		synctest.Wait()
		served := make(chan int)
		for range 20 {
			go func() { served <- a.browser.Get(appURL + "/auth/login/op").Status }()
		}
		synctest.Wait()
		leave()
		require.Error(t, <-left)
		close(slow)
		for range 20 {
			require.Equal(t, http.StatusSeeOther, <-served)
		}
		require.Equal(t, 2, a.op.Count(signontest.Metadata), "one fetch, which the test hands on")
	})
}
