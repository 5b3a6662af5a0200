package signontest_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

// tested is every fault that a test here looks at; TestMain compares.
var tested = map[signontest.Fault]bool{}

func TestTokenFaults(t *testing.T) {
	absent := "absent"
	for _, test := range []struct {
		fault  signontest.Fault
		status int
		member string
		want   any
	}{
		{signontest.InvalidClient, 401, "error", "invalid_client"},
		{signontest.InvalidGrant, 400, "error", "invalid_grant"},
		{signontest.TokenErrorWith200, 200, "error", "invalid_grant"},
		{signontest.TokenErrorBoth, 200, "error", "invalid_grant"},
		{signontest.NoAccessToken, 200, "access_token", absent},
		{signontest.EmptyAccessToken, 200, "access_token", ""},
		{signontest.AccessTokenNewline, 200, "access_token", "abc\r\nX-Injected: 1"},
		{signontest.AccessTokenNumber, 200, "access_token", 12345.0},
		{signontest.NoTokenType, 200, "token_type", absent},
		{signontest.UpperTokenType, 200, "token_type", "BEARER"},
		{signontest.MACTokenType, 200, "token_type", "mac"},
		{signontest.DPoPTokenType, 200, "token_type", "DPoP"},
		{signontest.NoExpiresIn, 200, "expires_in", absent},
		{signontest.ExpiresInString, 200, "expires_in", "3600"},
		{signontest.ExpiresInFloat, 200, "expires_in", 3600.5},
		{signontest.ExpiresInEmpty, 200, "expires_in", ""},
		{signontest.ExpiresInZero, 200, "expires_in", 0.0},
		{signontest.ExpiresInNegative, 200, "expires_in", -99999999999.0},
		{signontest.ExpiresInHuge, 200, "expires_in", 1e308},
		{signontest.ExpiresInBool, 200, "expires_in", true},
		{signontest.ExpiresInNull, 200, "expires_in", nil},
		{signontest.NoRefreshToken, 200, "refresh_token", absent},
		{signontest.EmptyRefreshToken, 200, "refresh_token", ""},
		{signontest.Created, 201, "token_type", "Bearer"},
		{signontest.TooManyRequests, 429, "error", "slow_down"},
	} {
		tested[test.fault] = true
		t.Run(string(test.fault), func(t *testing.T) {
			p := signontest.NewInProcess(signontest.Config{})
			form := codeForm(authorize(t, p, nil).Get("code"))
			p.Arm(test.fault)
			status, m := post(t, p, signontest.Token, form)
			require.Equal(t, test.status, status)
			got, there := m[test.member]
			if test.want == absent {
				require.False(t, there)
				return
			}
			require.True(t, there)
			require.Equal(t, test.want, got)
			require.Equal(t, test.fault == signontest.TokenErrorBoth, m["error"] != nil && m["access_token"] != nil)
		})
	}
}

// TestBodyFaults are those whose body is not a JSON object.
func TestBodyFaults(t *testing.T) {
	for _, test := range []struct {
		fault             signontest.Fault
		status            int
		contentType, body string
	}{
		{signontest.FormToken, 200, "application/x-www-form-urlencoded", "access_token="},
		{signontest.TokenErrorForm200, 200, "application/x-www-form-urlencoded", "error=bad_verification_code"},
		{signontest.EchoingError, 400, "application/json", verifier},
		{signontest.HTMLToken, 200, "text/html", "<h1>"},
		{signontest.EmptyBody, 200, "application/json", ""},
		{signontest.NullBody, 200, "application/json", "null"},
		{signontest.ArrayBody, 200, "application/json", "["},
		{signontest.PlainTextBody, 200, "text/plain", `{"access_token"`},
		{signontest.DuplicateMember, 200, "application/json", `{"access_token":`},
		{signontest.InvalidUTF8, 200, "application/json", "\xff"},
		{signontest.ServerError, 500, "text/plain", "broken"},
		{signontest.DownToken, 503, "text/plain", "down"},
	} {
		name, _, _ := strings.Cut(string(test.fault), "@")
		tested[signontest.Fault(name)] = true
		t.Run(string(test.fault), func(t *testing.T) {
			p := signontest.NewInProcess(signontest.Config{})
			form := codeForm(authorize(t, p, nil).Get("code"))
			p.Arm(test.fault)
			res, body := postRaw(t, p, signontest.Token, form)
			require.Equal(t, test.status, res.StatusCode)
			require.Contains(t, res.Header.Get("Content-Type"), test.contentType)
			require.Contains(t, body, test.body)
			require.Equal(t, 1, p.Fired(test.fault))
			switch test.fault {
			case signontest.DuplicateMember:
				require.Equal(t, 2, strings.Count(body, `"access_token":`))
				require.True(t, json.Valid([]byte(body)))
			case signontest.EchoingError:
				require.Contains(t, body, p.ClientSecret())
				require.Contains(t, body, form.Get("code"))
			}
		})
	}
}

func TestAuthorizeFaults(t *testing.T) {
	for _, test := range []struct {
		fault       signontest.Fault
		name, value string // value "": absent
	}{
		{signontest.WrongIss, "iss", "https://provider.test/other"},
		{signontest.NoIss, "iss", ""},
		{signontest.NoState, "state", ""},
		{signontest.ErrorResponse, "error", "server_error"},
	} {
		tested[test.fault] = true
		p := signontest.NewInProcess(signontest.Config{})
		p.Arm(test.fault)
		v := authorize(t, p, nil)
		require.Equal(t, test.value, v.Get(test.name), test.fault)
		require.Equal(t, test.value != "", v.Has(test.name), test.fault)
	}
	tested[signontest.WrongState] = true
	p := signontest.NewInProcess(signontest.Config{})
	p.Arm(signontest.WrongState)
	require.NotContains(t, []string{"", "the-state"}, authorize(t, p, nil).Get("state"))
}

func TestOtherFaults(t *testing.T) {
	for _, f := range []signontest.Fault{
		signontest.IssuerMismatch, signontest.WrongSubjectUserInfo, signontest.API401Once, signontest.API401Always,
		signontest.RefreshNoRefreshToken, signontest.IgnorePKCE,
	} {
		tested[f] = true
	}
	p := signontest.NewInProcess(signontest.Config{})
	p.Arm(signontest.IssuerMismatch, signontest.WrongSubjectUserInfo, signontest.API401Once, signontest.RefreshNoRefreshToken)
	_, meta := get(t, p, p.URL(signontest.Metadata), nil)
	require.Equal(t, p.Issuer()+"/", meta["issuer"])
	tokens := signIn(t, p, nil)
	_, info := get(t, p, p.URL(signontest.UserInfo), tokens["access_token"])
	require.Equal(t, "mallory", info["sub"])
	items := func() int {
		status, _ := get(t, p, p.URL(signontest.API)+"items", tokens["access_token"])
		return status
	}
	require.Equal(t, 401, items())
	require.Equal(t, 200, items())
	p.ArmN(signontest.API401Always, 2)
	require.Equal(t, []int{401, 401, 200}, []int{items(), items(), items()})
	p.Arm(signontest.API401Always)
	require.Equal(t, []int{401, 401, 401}, []int{items(), items(), items()})
	p.ArmN(signontest.API401Always, 0)
	require.Equal(t, 200, items())

	for range 2 {
		status, m := post(t, p, signontest.Token, refreshForm(tokens["refresh_token"]))
		require.Equal(t, 200, status)
		require.NotContains(t, m, "refresh_token")
	}

	p.Arm(signontest.IgnorePKCE)
	form := codeForm(authorize(t, p, nil).Get("code"))
	form.Set("code_verifier", "short")
	status, _ := post(t, p, signontest.Token, form)
	require.Equal(t, 200, status)
}

func TestRedirectFaults(t *testing.T) {
	kinds(t, func(t *testing.T, start func(signontest.Config) *signontest.Provider) {
		for f, status := range map[signontest.Fault]int{
			signontest.Redirect: 307, signontest.RedirectFound: 302, signontest.RedirectSeeOther: 303, signontest.RedirectPermanent: 308,
		} {
			tested[f] = true
			p := start(signontest.Config{})
			form := codeForm(authorize(t, p, nil).Get("code"))
			p.Arm(f)
			res, _ := postRaw(t, p, signontest.Token, form)
			require.Equal(t, status, res.StatusCode)
			require.Equal(t, p.ElsewhereURL(signontest.Token), res.Header.Get("Location"))
			require.Zero(t, p.Stats().CodesSpent)
			require.Zero(t, p.Count(signontest.Elsewhere))
		}
		// Whoever follows gives the secret away and gets tokens for it.
		p := start(signontest.Config{ClientAuth: "client_secret_post"})
		p.Arm(signontest.RedirectToken)
		form := codeForm(authorize(t, p, nil).Get("code"))
		form.Set("client_id", p.ClientID())
		form.Set("client_secret", p.ClientSecret())
		res, err := p.HTTPClient().PostForm(p.URL(signontest.Token), form)
		require.NoError(t, err)
		defer res.Body.Close()
		require.Equal(t, 200, res.StatusCode)
		got := p.Requests(signontest.Elsewhere)
		require.Len(t, got, 1)
		require.Equal(t, p.ClientSecret(), got[0].Form.Get("client_secret"))
		require.NotContains(t, p.Issuer(), got[0].Host)
	})
}

func TestCutFaults(t *testing.T) {
	kinds(t, func(t *testing.T, start func(signontest.Config) *signontest.Provider) {
		for f, want := range map[signontest.Fault]error{
			signontest.ResetConnection: syscall.ECONNRESET, signontest.TruncatedBody: io.ErrUnexpectedEOF,
		} {
			tested[f] = true
			p := start(signontest.Config{})
			tokens := signIn(t, p, nil)
			p.ArmN(f, 1)
			require.ErrorIs(t, try(t, p, refreshForm(tokens["refresh_token"])), want, f)
			require.Equal(t, 1, p.Stats().Refreshes, "the request was carried out")
			_, m := post(t, p, signontest.Token, refreshForm(tokens["refresh_token"]))
			require.Equal(t, "invalid_grant", m["error"], "the new token is lost")
		}
	})
}

// try posts to the token endpoint and returns what failed, header or body.
func try(t *testing.T, p *signontest.Provider, form url.Values) error {
	t.Helper()
	form.Set("client_id", p.ClientID())
	form.Set("client_secret", p.ClientSecret())
	c := p.HTTPClient()
	c.Timeout = 10 * time.Second
	res, err := c.PostForm(p.URL(signontest.Token), form)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	t.Logf("%d bytes", n)
	return err
}

func TestSlowFaults(t *testing.T) {
	for f, done := range map[signontest.Fault]int{
		signontest.Hang: 0, signontest.LostAnswer: 1, signontest.SlowHeaders: 0, signontest.SlowBody: 0,
	} {
		tested[f] = true
		t.Run(string(f), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := signontest.NewInProcess(signontest.Config{})
				tokens := signIn(t, p, nil)
				p.ArmN(f, 1)
				start := time.Now()
				err := try(t, p, refreshForm(tokens["refresh_token"]))
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, 10*time.Second, time.Since(start))
				require.Equal(t, done, p.Stats().Refreshes)
			})
		})
	}
}

// TestSlowFaultsEndWithTheProvider has nobody but Close end the answer, over a
// socket.
func TestSlowFaultsEndWithTheProvider(t *testing.T) {
	for _, f := range []signontest.Fault{signontest.Hang, signontest.LostAnswer, signontest.SlowHeaders, signontest.SlowBody} {
		p, err := signontest.Start(signontest.Config{})
		require.NoError(t, err)
		tokens := signIn(t, p, nil)
		p.Arm(f)
		ended := make(chan error)
		go func() { ended <- try(t, p, refreshForm(tokens["refresh_token"])) }()
		for p.Fired(f) == 0 {
			runtime.Gosched()
		}
		p.Close()
		require.Error(t, <-ended, f)
	}
}

func TestLargeFaults(t *testing.T) {
	tested[signontest.HugeBody], tested[signontest.GzipBomb] = true, true
	kinds(t, func(t *testing.T, start func(signontest.Config) *signontest.Provider) {
		for _, f := range []signontest.Fault{signontest.HugeBody, signontest.GzipBomb} {
			p := start(signontest.Config{})
			p.Arm(f.At(signontest.Metadata))
			res, err := p.HTTPClient().Get(p.URL(signontest.Metadata))
			require.NoError(t, err)
			require.Equal(t, f == signontest.GzipBomb, res.Uncompressed)
			_, err = io.CopyN(io.Discard, res.Body, 20<<20)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
		}
	})
}

func TestFaultAtAnyEndpoint(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{})
	p.Arm(signontest.DownMetadata, signontest.DownJWKS, signontest.DownUserInfo, signontest.APIRedirect,
		signontest.Down.At(signontest.Revocation), signontest.RedirectDiscovery, signontest.RedirectJWKS, signontest.RedirectUserInfo)
	p.Disarm(signontest.RedirectDiscovery, signontest.RedirectJWKS, signontest.RedirectUserInfo)
	for e, want := range map[signontest.Endpoint]int{
		signontest.Metadata: 503, signontest.JWKS: 503, signontest.UserInfo: 503, signontest.API: 307, signontest.Revocation: 503,
		signontest.EndSession: 200,
	} {
		res, err := noRedirects(p).Get(p.URL(e))
		require.NoError(t, err)
		_ = res.Body.Close()
		require.Equal(t, want, res.StatusCode, e)
	}
	p.Disarm()
	_, meta := get(t, p, p.URL(signontest.Metadata), nil)
	require.Equal(t, p.Issuer(), meta["issuer"])
}

func TestUnknownFault(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{})
	for _, f := range []signontest.Fault{"", "Nonsense", "Hang@nowhere", "Hang@elsewhere", "WrongNonce@token"} {
		require.Panics(t, func() { p.Arm(f) }, f)
	}
}

func TestHooks(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{})
	p.Metadata(func(m map[string]any) { m["scopes_supported"] = 5 })
	p.KeySet(func(m map[string]any) { m["keys"] = append(m["keys"].([]any), map[string]any{"kty": "odd"}) })
	p.TokenResponse(func(m map[string]any) { m["extra"] = json.RawMessage("1e3") })
	p.IDTokenHeader(func(m map[string]any) { m["jku"] = "https://evil.test" })
	p.IDTokenClaims(func(m map[string]any) { m["sub"] = 7 })
	p.IDToken(func(s string) string { return s + "." })
	p.UserInfo(func(m map[string]any) { delete(m, "sub") })
	p.AuthorizeResponse(func(v url.Values) { v.Set("session_state", "x") })
	p.Handle("/api/items", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"mine":1}`) }))

	_, m := get(t, p, p.URL(signontest.Metadata), nil)
	require.Equal(t, json.Number("5"), m["scopes_supported"])
	_, m = get(t, p, p.URL(signontest.JWKS), nil)
	require.Len(t, m["keys"], 2)
	require.Equal(t, "x", authorize(t, p, nil).Get("session_state"))
	tokens := signIn(t, p, nil)
	require.Equal(t, 1000.0, tokens["extra"])
	id, ok := strings.CutSuffix(tokens["id_token"].(string), ".")
	require.True(t, ok)
	require.Equal(t, "https://evil.test", part(t, id, 0)["jku"])
	require.Equal(t, 7.0, part(t, id, 1)["sub"])
	_, m = get(t, p, p.URL(signontest.UserInfo), tokens["access_token"])
	require.NotContains(t, m, "sub")
	_, m = get(t, p, p.URL(signontest.API)+"items", nil)
	require.Contains(t, m, "mine")
	require.Equal(t, 1, p.Count(signontest.API))

	p.Handle("/api/items", nil)
	p.IDToken(nil)
	status, _ := get(t, p, p.URL(signontest.API)+"items", nil)
	require.Equal(t, 401, status)
	require.Len(t, strings.Split(signIn(t, p, nil)["id_token"].(string), "."), 3)
}

// TestMain finds the faults without a test, unless only some tests have run.
func TestMain(m *testing.M) {
	code := m.Run()
	some := flag.Lookup("test.run").Value.String() + flag.Lookup("test.skip").Value.String()
	for _, f := range signontest.Faults() {
		if code == 0 && some == "" && !tested[f] {
			fmt.Println("no test for the fault", f)
			code = 1
		}
	}
	os.Exit(code)
}
