package oauth_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/internal/oauth"
	"github.com/seed1a301047/signon/internal/outbound"
)

func TestToken(t *testing.T) {
	var got *http.Request
	p := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		got = r
		respond(200, "application/json;charset=UTF-8", `{"access_token":"at","token_type":"bearer","expires_in":3600,"refresh_token":"rt","scope":"a b","id_token":"x.y.z","n":9007199254740993}`)(w, r)
	})
	before := time.Now()
	token, err := p.exchange(t.Context(), p.client())
	require.NoError(t, err)
	require.Equal(t, "at", token.AccessToken)
	require.Equal(t, "rt", token.RefreshToken)
	require.Equal(t, "Bearer", token.TokenType)
	require.WithinRange(t, token.Expiry, before.Add(time.Hour).Add(-time.Second), time.Now().Add(time.Hour))
	require.Equal(t, "x.y.z", token.Extra("id_token"))
	require.Equal(t, "9007199254740993", fmt.Sprint(token.Extra("n")))
	require.Nil(t, token.Extra("access_token"), "a token is in one place only")

	require.Equal(t, http.MethodPost, got.Method)
	require.Equal(t, "application/x-www-form-urlencoded", got.Header.Get("Content-Type"))
	require.Equal(t, "application/json", got.Header.Get("Accept"))
	require.Equal(t, exchangeParams(), got.PostForm, "the form as it was given, and nothing of the client's")
	require.Equal(t, "Basic "+base64.StdEncoding.EncodeToString([]byte("client:canary+secret%2B%25")), got.Header.Get("Authorization"))
}

func TestPostLeavesParamsAlone(t *testing.T) {
	p := serve(t, respond(200, "application/json", good))
	c := p.client()
	c.Auth = clientauth.Post{}
	params := exchangeParams()
	_, err := c.Token(t.Context(), oauth.Token, p.URL, params)
	require.NoError(t, err)
	require.Equal(t, exchangeParams(), params)
}

// TE-01: no redirect is followed: neither the secret nor the code reaches another host, and
// its answer is no answer.
func TestRedirect(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			evil := serve(t, respond(200, "application/json", good))
			p := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", evil.URL+"?canary")
				respond(status, "application/json", good)(w, r)
			})
			token, err := p.exchange(t.Context(), p.client())
			require.ErrorIs(t, err, outbound.ErrRedirect)
			requireClean(t, err)
			require.Nil(t, token)
			require.EqualValues(t, 1, p.hits.Load())
			require.Zero(t, evil.hits.Load())
		})
	}
}

// TE-02, TE-10, TE-11: an OAuth error is one, whatever the status and the encoding, and the
// code was sent once.
func TestOAuthError(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct {
		name        string
		status      int
		contentType string
		body        string
		want        string
	}{
		{"200 and error", 200, "application/json", `{"error":"invalid_code"}`, "invalid_code"},
		{"200 and Slack's", 200, "application/json; charset=utf-8", `{"ok":false,"error":"invalid_code"}`, "invalid_code"},
		{"200 and GitHub's form", 200, form, "error=bad_verification_code&error_description=The+code+is+incorrect", "bad_verification_code"},
		{"200 and error and token", 200, "application/json", `{"access_token":"at","token_type":"Bearer","error":"invalid_grant"}`, "invalid_grant"},
		{"200, form, error and token", 200, form, "access_token=at&token_type=bearer&error=invalid_grant", "invalid_grant"},
		{"200 and error object", 200, "application/json", `{"error":{"message":"x"},"access_token":"at","token_type":"Bearer"}`, "unreadable_error"},
		{"200 and error number", 200, "application/json", `{"error":1,"access_token":"at","token_type":"Bearer"}`, "unreadable_error"},
		{"200 and error false", 200, "application/json", `{"error":false,"access_token":"at","token_type":"Bearer"}`, "unreadable_error"},
		{"invalid_grant", 400, "application/json", `{"error":"invalid_grant","error_description":"expired"}`, "invalid_grant"},
		{"invalid_client", 401, "application/json", `{"error":"invalid_client"}`, "invalid_client"},
		{"invalid_client, form", 401, form, `error=invalid_client`, "invalid_client"},
		{"not a code", 400, "application/json", `{"error":"<script>alert(1)</script>"}`, "unreadable_error"},
		{"a long code", 400, "application/json", `{"error":"` + strings.Repeat("a", 65) + `"}`, "unreadable_error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := serve(t, respond(c.status, c.contentType, c.body))
			token, err := p.exchange(t.Context(), p.client())
			require.Nil(t, token)
			requireClean(t, err)
			var refused *oauth2.RetrieveError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, c.want, refused.ErrorCode)
			require.Equal(t, c.status, refused.Response.StatusCode)
			require.Empty(t, refused.Body)
			require.EqualValues(t, 1, p.hits.Load())
		})
	}
}

// TE-03: what is not a token response is none, and the code was sent once.
func TestNoTokenResponse(t *testing.T) {
	for _, c := range []struct{ name, body string }{
		{"HTML", "<html>canary</html>"}, {"empty", ""}, {"null", "null"}, {"array", "[]"}, {"string", `"canary"`},
		{"cut", `{"access_token":"canary","token_type":"Bea`}, {"trailing", good + "{}"}, {"two", good + good},
		{"byte order mark", "\ufeff" + good}, {"deep", strings.Repeat("[", 20_000)}, {"deep object", strings.Repeat(`{"a":`, 20_000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := serve(t, respond(200, "application/json", c.body))
			token, err := p.exchange(t.Context(), p.client())
			require.Nil(t, token)
			require.ErrorIs(t, err, oauth.ErrResponse)
			requireClean(t, err)
			require.EqualValues(t, 1, p.hits.Load())
		})
	}
}

// TE-12: a provider that is busy says for how long; nothing is sent again.
func TestRetryAfter(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		after  string
		body   string
		code   string
	}{
		{"429", 429, "30", "", ""},
		{"503", 503, "30", "<html>canary</html>", ""},
		{"429 and OAuth error", 429, "30", `{"error":"slow_down"}`, "slow_down"},
		{"503 and OAuth error", 503, "30", `{"error":"temporarily_unavailable"}`, "temporarily_unavailable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := serve(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", c.after)
				respond(c.status, "application/json", c.body)(w, r)
			})
			_, err := p.exchange(t.Context(), p.client())
			requireClean(t, err)
			var status *outbound.StatusError
			require.ErrorAs(t, err, &status)
			require.Equal(t, c.status, status.Status)
			require.Equal(t, 30*time.Second, status.RetryAfter)
			var refused *oauth2.RetrieveError
			require.Equal(t, c.code != "", errors.As(err, &refused))
			if refused != nil {
				require.Equal(t, c.code, refused.ErrorCode)
			}
			require.EqualValues(t, 1, p.hits.Load())
		})
	}
}

// TE-13: no answer is an error within the budget, and the code is spent.
func TestNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hits := 0
		client := newClient(&http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			hits++
			<-r.Context().Done()
			return nil, r.Context().Err()
		})})
		start := time.Now()
		_, err := client.Token(t.Context(), oauth.Token, "https://op.example/token", exchangeParams())
		require.ErrorIs(t, err, outbound.ErrTimeout)
		requireClean(t, err)
		require.LessOrEqual(t, time.Since(start), oauth.Timeout)
		require.Equal(t, 1, hits)

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = client.Token(ctx, oauth.Token, "https://op.example/token", exchangeParams())
		require.ErrorIs(t, err, context.Canceled, "the caller left: that is no timeout")
		require.NotErrorIs(t, err, outbound.ErrTimeout)
	})
}

// TE-14, LG-02, AP-11: what a provider echoes or forges does not reach a log.
func TestErrorText(t *testing.T) {
	for _, c := range []struct{ name, code, description string }{
		{"echo", "invalid_client", "unknown secret " + secret},
		{"echo in the code", code, ""},
		{"echo of the form", "invalid_request", "code=" + code + "&client_secret=" + url.QueryEscape(secret)},
		{"echo of the header", "invalid_client", "Basic " + base64.StdEncoding.EncodeToString([]byte("client:canary+secret%2B%25"))},
		{"echo at the cut", "invalid_request", strings.Repeat("x", 190) + secret},
		{"forged line", "invalid_request", "x\r\n[ERROR] forged"},
		{"terminal", "invalid_request", "\x1b[2J\x1b]0;x\x07"},
		{"right to left", "invalid_request", "x\u202egnp.exe"},
		{"long", "invalid_request", strings.Repeat("é", 50_000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := serve(t, func(w http.ResponseWriter, r *http.Request) {
				respond(400, "application/json", fmt.Sprintf(`{"error":%s,"error_description":%s,"error_uri":"javascript:canary"}`, quote(c.code), quote(c.description)))(w, r)
			})
			_, err := p.exchange(t.Context(), p.client())
			requireClean(t, err)
			var refused *oauth2.RetrieveError
			require.ErrorAs(t, err, &refused)
			require.LessOrEqual(t, len(refused.ErrorDescription), 200)
			require.NotContains(t, refused.ErrorDescription, "canary")
			require.False(t, strings.ContainsFunc(refused.ErrorDescription, func(r rune) bool { return !unicode.IsPrint(r) }))
			require.Empty(t, refused.ErrorURI)
			require.Empty(t, refused.Body)
		})
	}
}

// TE-14: an error of 10 MB is not read.
func TestHugeAnswer(t *testing.T) {
	for _, status := range []int{200, 400} {
		p := serve(t, respond(status, "application/json", `{"error":"`+strings.Repeat("canary", 2_000_000)+`"}`))
		_, err := p.exchange(t.Context(), p.client())
		require.ErrorIs(t, err, outbound.ErrTooLarge)
		requireClean(t, err)
	}
}

// TE-16: JSON only, as JSON only.
func TestContentType(t *testing.T) {
	for _, c := range []struct {
		contentType string
		body        string
		ok          bool
	}{
		{"application/json", good, true},
		{"APPLICATION/JSON; charset=utf-8", good, true},
		{"application/json; charset", good, false},
		{"text/plain", good, false},
		{"text/html; charset=utf-8", good, false},
		{"text/json", good, false},
		{"application/jsonp", good, false},
		{"application/json, text/html", good, false},
		{"canary\t/", good, false},
		{"", good, false},
		{"application/x-www-form-urlencoded", "access_token=at&token_type=bearer", false},
		{"application/x-www-form-urlencoded", "access_token=at;%zz", false},
	} {
		t.Run(c.contentType, func(t *testing.T) {
			p := serve(t, respond(200, c.contentType, c.body))
			token, err := p.exchange(t.Context(), p.client())
			require.EqualValues(t, 1, p.hits.Load())
			if c.ok {
				require.NoError(t, err)
				return
			}
			require.Nil(t, token)
			require.ErrorIs(t, err, oauth.ErrResponse)
			requireClean(t, err)
		})
	}
}

// TE-17: 200, and no other success.
func TestStatus(t *testing.T) {
	for _, status := range []int{201, 202, 203, 204, 206, 226, 299, 300, 304, 404, 500} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			p := serve(t, respond(status, "application/json", good))
			token, err := p.exchange(t.Context(), p.client())
			require.Nil(t, token)
			requireClean(t, err)
			require.EqualValues(t, 1, p.hits.Load())
		})
	}
}

// An answer may come after a 103 or a 100, and counts then.
func TestEarlyHints(t *testing.T) {
	p := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		respond(200, "application/json", good)(w, r)
	})
	_, err := p.exchange(t.Context(), p.client())
	require.NoError(t, err)
}

// RFC 7009 section 2.2: a revocation is answered with 200, and the body does not matter.
func TestRevoke(t *testing.T) {
	for _, c := range []struct {
		stage  oauth.Stage
		status int
		ok     bool
	}{
		{oauth.Revoke, 200, true}, {oauth.Revoke, 204, true}, {oauth.Revoke, 202, false}, {oauth.Revoke, 503, false},
		{oauth.Introspect, 200, true}, {oauth.Introspect, 204, false},
	} {
		t.Run(fmt.Sprint(c.stage, c.status), func(t *testing.T) {
			p := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(c.status) })
			resp, err := p.client().Post(t.Context(), c.stage, p.URL, url.Values{"token": {"canary"}})
			require.Equal(t, c.ok, err == nil, "%v", err)
			require.Equal(t, c.ok, resp != nil)
		})
	}
	p := serve(t, respond(400, "application/json", `{"error":"unsupported_token_type","error_description":"canary"}`))
	_, err := p.client().Post(t.Context(), oauth.Revoke, p.URL, url.Values{"token": {"canary"}})
	requireClean(t, err)
	var refused *oauth2.RetrieveError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "unsupported_token_type", refused.ErrorCode)
}

// CA-01: a request carries one proof of the client, whoever adds it.
func TestOneProof(t *testing.T) {
	for _, c := range []struct {
		name  string
		auth  clientauth.Method
		name2 string
		ok    bool
	}{
		{"Basic and a secret in the form", clientauth.Basic{}, "client_secret", false},
		{"Basic and an assertion", clientauth.Basic{}, "client_assertion", false},
		{"Post and an assertion", clientauth.Post{}, "client_assertion", false},
		{"None and an assertion", clientauth.None{}, "client_assertion", true},
		{"Basic and the client id", clientauth.Basic{}, "client_id", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := serve(t, respond(200, "application/json", good))
			client := p.client()
			client.Auth = c.auth
			params := exchangeParams()
			params.Set(c.name2, "canary")
			_, err := client.Token(t.Context(), oauth.Token, p.URL, params)
			require.Equal(t, c.ok, err == nil, "%v", err)
			require.Equal(t, c.ok, p.hits.Load() == 1)
		})
	}
	t.Run("Post and a header of a hook", func(t *testing.T) {
		p := serve(t, respond(200, "application/json", good))
		client := p.client()
		client.Auth = clientauth.Post{}
		client.Hooks.TokenRequest = setHeader("Authorization", "Bearer canary")
		_, err := p.exchange(t.Context(), client)
		requireClean(t, err)
		require.Zero(t, p.hits.Load())
	})
}

func TestBadEndpoint(t *testing.T) {
	p := serve(t, respond(200, "application/json", good))
	for _, endpoint := range []string{"https://%zz/canary", p.URL + "?code=canary", "https://op.example:canary/"} {
		_, err := p.client().Token(t.Context(), oauth.Token, endpoint, exchangeParams())
		requireClean(t, err)
	}
	require.Zero(t, p.hits.Load())
}

// LG-03: a client does not print its secret.
func TestClientDoesNotPrint(t *testing.T) {
	c := newClient(http.DefaultClient)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		require.NotContains(t, fmt.Sprintf(verb, c)+fmt.Sprintf(verb, *c)+fmt.Sprintf(verb, []any{c}), "canary")
	}
}
