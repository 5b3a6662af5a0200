package signon_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

// Each fault of the token endpoint: nobody is signed in, nothing is stored, the code
// was sent once (G2), no secret shows (G3), the answer comes within the budget
// (G12), and the next login works (G10).
func TestTokenEndpointFaults(t *testing.T) {
	for _, tt := range []struct {
		row    string
		fault  signontest.Fault
		status int
		kind   string
	}{
		{"TE-01 307", signontest.RedirectToken, 502, "op_fault"},
		{"TE-01 302", signontest.RedirectFound, 502, "op_fault"},
		{"TE-01 303", signontest.RedirectSeeOther, 502, "op_fault"},
		{"TE-01 308", signontest.RedirectPermanent, 502, "op_fault"},
		{"TE-02 error with 200", signontest.TokenErrorWith200, 400, "bad_request"},
		{"TE-02 form error with 200", signontest.TokenErrorForm200, 502, "op_fault"},
		{"TE-02 error and token", signontest.TokenErrorBoth, 400, "bad_request"},
		{"TE-03 HTML", signontest.HTMLToken, 502, "op_fault"},
		{"TE-03 empty", signontest.EmptyBody, 502, "op_fault"},
		{"TE-03 null", signontest.NullBody, 502, "op_fault"},
		{"TE-03 array", signontest.ArrayBody, 502, "op_fault"},
		{"TE-03 truncated", signontest.TruncatedBody, 502, "op_fault"},
		{"TE-03 reset", signontest.ResetConnection, 502, "op_fault"},
		{"TE-04 missing", signontest.NoAccessToken, 502, "op_fault"},
		{"TE-04 empty", signontest.EmptyAccessToken, 502, "op_fault"},
		{"TE-04 newline", signontest.AccessTokenNewline, 502, "op_fault"},
		{"TE-04 number", signontest.AccessTokenNumber, 502, "op_fault"},
		{"TE-05 missing", signontest.NoTokenType, 502, "op_fault"},
		{"TE-05 mac", signontest.MACTokenType, 502, "op_fault"},
		{"TE-06 DPoP", signontest.DPoPTokenType, 502, "op_fault"},
		{"TE-07 bool", signontest.ExpiresInBool, 502, "op_fault"},
		{"TE-09 duplicate", signontest.DuplicateMember, 502, "op_fault"},
		{"TE-09 UTF-8", signontest.InvalidUTF8, 502, "op_fault"},
		{"TE-10 invalid_grant", signontest.InvalidGrant, 400, "bad_request"},
		{"TE-11 invalid_client", signontest.InvalidClient, 502, "op_fault"},
		{"TE-12 429", signontest.TooManyRequests, 503, "unavailable"},
		{"TE-12 503", signontest.DownToken, 503, "unavailable"},
		{"TE-12 500", signontest.ServerError, 502, "op_fault"},
		{"TE-13 no answer", signontest.HangToken, 504, "op_timeout"},
		{"TE-13 after budget", signontest.LostAnswer, 504, "op_timeout"},
		{"TE-13 slow header", signontest.SlowHeaders, 504, "op_timeout"},
		{"TE-13 slow body", signontest.SlowBody, 504, "op_timeout"},
		{"TE-14 echo", signontest.EchoingError, 400, "bad_request"},
		{"TE-14 200 MB", signontest.HugeBody, 502, "op_fault"},
		{"TE-14 bomb", signontest.GzipBomb, 502, "op_fault"},
		{"TE-16 text/plain", signontest.PlainTextBody, 502, "op_fault"},
		{"TE-16 form", signontest.FormToken, 502, "op_fault"},
		{"TE-17 201", signontest.Created, 502, "op_fault"},
	} {
		t.Run(tt.row, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t, appOptions{})
				a.op.Arm(tt.fault)
				began := time.Now()
				page := a.signIn()
				require.Equal(t, tt.status, page.Status, a.log)
				require.LessOrEqual(t, time.Since(began), 11*time.Second)
				require.Equal(t, 1, a.op.Fired(tt.fault))
				require.Equal(t, tt.kind, a.lastFailure().Kind)
				require.Equal(t, 1, a.op.Count(signontest.Token), "token requests")
				require.Zero(t, a.op.Count(signontest.Elsewhere))
				a.requireNobody()
				a.requireQuiet(page)

				a.op.Disarm()
				require.Equal(t, http.StatusOK, a.signIn().Status)
				a.requireSignedIn("alice")
				require.LessOrEqual(t, a.op.Stats().MaxPerCode, 1)
			})
		})
	}
}

// TE-12: how long to wait comes from the provider, within bounds.
func TestRetryAfterReachesTheBrowser(t *testing.T) {
	for _, tt := range []struct{ name, sent, want string }{
		{"seconds", "30", "30"},
		{"huge", "99999999999999999999", "3600"},
		{"negative", "-5", "5"},
		{"date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat), "5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, appOptions{})
			a.op.Handle("/token", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", tt.sent)
				w.WriteHeader(http.StatusServiceUnavailable)
			}))
			page := a.signIn()
			require.Equal(t, http.StatusServiceUnavailable, page.Status)
			require.Equal(t, tt.want, page.Header.Get("Retry-After"))
			require.Equal(t, 1, a.op.Count(signontest.Token))
			a.requireNobody()
		})
	}
}

// What else a token response may not be.
func TestTokenResponsesRefused(t *testing.T) {
	for _, tt := range []struct {
		row  string
		edit signontest.Edit
	}{
		{"TE-04 object", setMember("access_token", map[string]any{"a": 1})},
		{"TE-04 1 MB", setMember("access_token", strings.Repeat("a", 200_000))},
		{"TE-04 space", setMember("access_token", "a b")},
		{"TE-04 non-ASCII", setMember("access_token", "tökén")},
		{"TE-04 NUL", setMember("access_token", "a\x00b")},
		{"TE-05 N_A", setMember("token_type", "N_A")},
		{"TE-05 number", setMember("token_type", 1)},
		{"TE-07 object", setMember("expires_in", map[string]any{})},
		{"TE-08 scope a number", setMember("scope", 7)},
		{"TE-09 another case", func(m map[string]any) { m["Access_Token"] = m["access_token"]; delete(m, "access_token") }},
		{"TE-15 refresh_token number", setMember("refresh_token", 5)},
		{"ID-37 id_token number", setMember("id_token", 5)},
	} {
		t.Run(tt.row, func(t *testing.T) {
			a := newApp(t, appOptions{})
			a.op.TokenResponse(tt.edit)
			page := a.signIn()
			require.Equal(t, http.StatusBadGateway, page.Status)
			require.Equal(t, 1, a.op.Count(signontest.Token))
			a.requireNobody()
			a.requireQuiet(page)
		})
	}
}

func setMember(name string, v any) signontest.Edit { return func(m map[string]any) { m[name] = v } }

// What a token response may be, and what becomes of it.
func TestTokenResponsesAccepted(t *testing.T) {
	hour := func(t *testing.T, token *oauth2.Token) {
		require.WithinDuration(t, time.Now().Add(time.Hour), token.Expiry, 2*time.Second)
	}
	unknown := func(t *testing.T, token *oauth2.Token) { require.Zero(t, token.Expiry) }
	noRefresh := func(t *testing.T, token *oauth2.Token) { require.Empty(t, token.RefreshToken) }
	for _, tt := range []struct {
		row   string
		fault signontest.Fault
		check func(*testing.T, *oauth2.Token)
	}{
		{"TE-05 BEARER", signontest.UpperTokenType, func(t *testing.T, token *oauth2.Token) { require.Equal(t, "Bearer", token.Type()) }},
		{"TE-07 absent", signontest.NoExpiresIn, unknown},
		{"TE-07 null", signontest.ExpiresInNull, unknown},
		{"TE-07 empty", signontest.ExpiresInEmpty, unknown},
		{"TE-07 string", signontest.ExpiresInString, hour},
		{"TE-07 float", signontest.ExpiresInFloat, hour},
		{"TE-07 huge", signontest.ExpiresInHuge, func(t *testing.T, token *oauth2.Token) {
			require.True(t, token.Expiry.After(time.Now().AddDate(1, 0, 0)) && token.Expiry.Before(time.Now().AddDate(20, 0, 0)))
		}},
		{"TE-15 empty", signontest.EmptyRefreshToken, noRefresh},
		{"TE-15 absent", signontest.NoRefreshToken, noRefresh},
	} {
		t.Run(tt.row, func(t *testing.T) {
			a := newApp(t, appOptions{owned: true})
			a.op.Arm(tt.fault)
			require.Equal(t, http.StatusOK, a.signIn().Status)
			a.requireSignedIn("alice")
			tt.check(t, a.stored("alice"))
			token, err := a.client.Token(a.as("alice"))
			require.NoError(t, err)
			require.Equal(t, a.stored("alice").AccessToken, token.AccessToken)
			require.Zero(t, a.refreshes())
			a.requireQuiet()
		})
	}
}

// TE-08: what was granted is on record, and RequireScopes goes by it.
func TestGrantedScope(t *testing.T) {
	for _, tt := range []struct {
		name   string
		edit   signontest.Edit
		status int
	}{
		{"as asked", nil, http.StatusOK},
		{"absent", func(m map[string]any) { delete(m, "scope") }, http.StatusOK},
		{"narrower", setMember("scope", "openid profile"), http.StatusForbidden},
		{"wider", setMember("scope", "openid profile email admin"), http.StatusOK},
		{"a list", setMember("scope", []any{"openid", "email"}), http.StatusOK},
		{"empty", setMember("scope", ""), http.StatusForbidden},
		{"another case", setMember("scope", "openid EMAIL"), http.StatusForbidden},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, appOptions{})
			a.op.TokenResponse(tt.edit)
			require.Equal(t, http.StatusOK, a.signIn().Status)
			passed := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
			mux := http.NewServeMux()
			mux.Handle("/mail", a.client.RequireScopes(passed, "openid", "email"))
			a.browser.Serve(appURL, mux)
			page := a.browser.Get(appURL + "/mail")
			require.Equal(t, tt.status, page.Status, a.log)
			if tt.status == http.StatusForbidden {
				require.Equal(t, "insufficient_scope", a.lastFailure().Kind)
				require.Contains(t, page.Header.Get("WWW-Authenticate"), "insufficient_scope")
			}
		})
	}
}

// G9: a login that fails leaves the one there is.
func TestFailedLoginKeepsTheOldOne(t *testing.T) {
	for _, fault := range []signontest.Fault{
		signontest.InvalidGrant, signontest.WrongNonce, signontest.ServerError, signontest.NoIDToken, signontest.BadSignature,
	} {
		t.Run(string(fault), func(t *testing.T) {
			a := newApp(t, appOptions{})
			require.Equal(t, http.StatusOK, a.signIn().Status)
			a.op.Arm(fault)
			require.GreaterOrEqual(t, a.signIn().Status, 400)
			a.requireSignedIn("alice")
			require.EqualValues(t, 1, a.tokens.saves.Load())
			require.EqualValues(t, 1, a.logins.creates.Load())
		})
	}
}

// TE-19, TE-03: over real connections, kept alive from the login before, a token
// request whose connection breaks is not sent again by anybody.
func TestTokenRequestIsNotReplayed(t *testing.T) {
	for _, fault := range []signontest.Fault{signontest.ResetConnection, signontest.TruncatedBody} {
		t.Run(string(fault), func(t *testing.T) {
			op := signontest.New(t, signontest.Config{})
			buf := &logBuffer{}
			auth, err := signon.New(signon.Config{BaseURL: appURL, Logger: buf.logger()})
			require.NoError(t, err)
			_, err = auth.Register(op.SignonProvider("op"))
			require.NoError(t, err)
			b := signontest.NewBrowser(t)
			b.Serve(appURL, auth.Handler())
			login := func() *signontest.Page { return b.Get(appURL + "/auth/login/op").Follow().Follow() }
			require.Equal(t, http.StatusSeeOther, login().Status)
			op.Arm(fault)
			require.Equal(t, http.StatusBadGateway, login().Status)
			require.Equal(t, 2, op.Count(signontest.Token))
			require.Equal(t, 1, op.Stats().MaxPerCode)
		})
	}
}

// RT-03, G2: a browser that leaves during the exchange spends the code once, and is
// signed in or not, never by half.
func TestBrowserLeavesDuringTheExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, appOptions{})
		a.op.Arm(signontest.HangToken)
		callback := a.browser.Get(appURL + "/auth/login/op").Follow()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := a.browser.Open(ctx, signontest.Visit{URL: callback.Location()})
		require.Error(t, err)
		synctest.Wait()
		require.Equal(t, 1, a.op.Count(signontest.Token))
		a.requireNobody()
	})
}
