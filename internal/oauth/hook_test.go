package oauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/internal/oauth"
	"github.com/seed1a301047/signon/internal/outbound"
)

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

func setHeader(name, value string) func(context.Context, *hooks.Request) error {
	return func(_ context.Context, r *hooks.Request) error {
		r.Header.Set(name, value)
		return nil
	}
}

// Each stage has its own hooks, and what they make is what counts.
func TestStages(t *testing.T) {
	for _, stage := range []oauth.Stage{oauth.Token, oauth.Refresh, oauth.Revoke, oauth.Introspect} {
		t.Run(string(stage), func(t *testing.T) {
			p := serve(t, func(w http.ResponseWriter, r *http.Request) {
				respond(200, "application/json", quote(r.FormValue("added")+r.URL.Query().Get("q")))(w, r)
			})
			var ran []string
			before := func(name oauth.Stage) func(context.Context, *hooks.Request) error {
				return func(_ context.Context, r *hooks.Request) error {
					ran = append(ran, "before "+string(name))
					require.Equal(t, "p", r.Provider)
					require.False(t, r.Params.Has("client_secret"), "a hook does not see the client's secret")
					r.Params.Set("added", "by "+string(name))
					r.URL += "?q=1"
					return nil
				}
			}
			after := func(name oauth.Stage) func(context.Context, *hooks.Response) error {
				return func(_ context.Context, r *hooks.Response) error {
					ran = append(ran, "after "+string(name))
					r.Body = append(r.Body, '!')
					return nil
				}
			}
			c := p.client()
			c.Auth = clientauth.Post{}
			c.Hooks = hooks.Hooks{
				TokenRequest: before(oauth.Token), RefreshRequest: before(oauth.Refresh),
				RevokeRequest: before(oauth.Revoke), IntrospectRequest: before(oauth.Introspect),
				TokenResponse: after(oauth.Token), RefreshResponse: after(oauth.Refresh),
				RevokeResponse: after(oauth.Revoke), IntrospectResponse: after(oauth.Introspect),
			}
			resp, err := c.Post(t.Context(), stage, p.URL, url.Values{"token": {"x"}})
			require.NoError(t, err)
			require.Equal(t, []string{"before " + string(stage), "after " + string(stage)}, ran)
			require.Equal(t, `"by `+string(stage)+`1"!`, string(resp.Body))
		})
	}
}

// HK-01: a hook that returns an error, panics, or ends its goroutine stops the exchange;
// before it, nothing was sent.
func TestHookFails(t *testing.T) {
	own := errors.New("own error")
	for _, c := range []struct {
		name  string
		fail  func() error
		check func(t *testing.T, err error)
	}{
		{"error", func() error { return own }, func(t *testing.T, err error) { require.ErrorIs(t, err, own) }},
		{"panic", func() error { panic("canary") }, func(t *testing.T, err error) { require.Contains(t, err.Error(), "a string") }},
		{"nil map", func() error { nilMap()["a"] = 1; return nil }, func(t *testing.T, err error) {
			require.Contains(t, err.Error(), "hook_test.go:", "where it was")
		}},
		{"nil pointer", func() error { var r *hooks.Request; r.URL = "x"; return nil }, func(t *testing.T, err error) {
			require.Contains(t, err.Error(), "hook_test.go:")
		}},
		{"goexit", func() error { runtime.Goexit(); return nil }, func(*testing.T, error) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := serve(t, respond(200, "application/json", good))
			before, auth, after := p.client(), p.client(), p.client()
			before.Hooks.TokenRequest = func(context.Context, *hooks.Request) error { return c.fail() }
			auth.Auth = methodFunc(func(*clientauth.Request) error { return c.fail() })
			after.Hooks.TokenResponse = func(context.Context, *hooks.Response) error { return c.fail() }
			for i, client := range []*oauth.Client{before, auth, after} {
				token, err := p.exchange(t.Context(), client)
				require.Nil(t, token)
				require.ErrorIs(t, err, oauth.ErrHook)
				requireClean(t, err)
				c.check(t, err)
				require.EqualValues(t, i/2, p.hits.Load())
			}
		})
	}
}

func nilMap() map[string]int { return nil }

type methodFunc func(r *clientauth.Request) error

func (methodFunc) Name() string { return "func" }

func (f methodFunc) Authenticate(_ context.Context, r *clientauth.Request) error { return f(r) }

// HK-01: a hook that blocks is cut at the deadline; one that respects its context leaves
// no goroutine behind: synctest would report it.
func TestHookBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(&http.Client{Transport: inProcess(good)})
		c.Hooks.TokenResponse = func(ctx context.Context, _ *hooks.Response) error {
			<-ctx.Done()
			return nil // too late to succeed
		}
		start := time.Now()
		token, err := c.Token(t.Context(), oauth.Token, "https://op.example/token", exchangeParams())
		require.Nil(t, token)
		require.ErrorIs(t, err, oauth.ErrHook)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, oauth.Timeout, time.Since(start))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second) // the caller's own deadline is nearer
		defer cancel()
		start = time.Now()
		_, err = c.Token(ctx, oauth.Token, "https://op.example/token", exchangeParams())
		require.ErrorIs(t, err, oauth.ErrHook)
		require.Equal(t, time.Second, time.Since(start))
	})
}

// HK-01: one that ignores its context does not hold the login either, and what it does
// afterwards changes nothing.
func TestHookIgnoresItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := oauth.Hook(ctx, "test", func(context.Context, *int) error { <-release; return nil }, new(int))
		require.ErrorIs(t, err, oauth.ErrHook)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestHookOfAnEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the caller left"))
	for range 100 { // not by the luck of a select
		err := oauth.Hook(ctx, "test", func(context.Context, *int) error { return nil }, new(int))
		require.ErrorIs(t, err, oauth.ErrHook)
	}
	require.NoError(t, oauth.Hook[*int](ctx, "test", nil, nil), "no hook, no failure")
}

// HK-02, TE-05: a hook adds what the provider leaves out, and what it writes is checked as
// if the provider had sent it.
func TestHookRewritesResponse(t *testing.T) {
	p := serve(t, respond(200, "application/json", `{"ok":true,"access_token":"xoxp-1"}`))
	c := p.client()
	_, err := p.exchange(t.Context(), c)
	require.ErrorIs(t, err, oauth.ErrResponse)

	c.Hooks = hooks.DefaultTokenType("Bearer")
	token, err := p.exchange(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, "xoxp-1", token.AccessToken)

	for _, body := range []string{`{"access_token":"a b","token_type":"Bearer"}`, `{"error":"x"}`, ``} {
		c.Hooks = hooks.Hooks{TokenResponse: func(_ context.Context, r *hooks.Response) error {
			r.Body = []byte(body)
			return nil
		}}
		_, err = p.exchange(t.Context(), c)
		require.Error(t, err, body)
	}
}

// TE-16: a form-encoded success by the fix, whose error is still an error.
func TestFormTokenResponse(t *testing.T) {
	body := "access_token=gho_1&token_type=bearer&scope=repo&expires_in=28800"
	p := serve(t, func(w http.ResponseWriter, r *http.Request) {
		respond(200, "application/x-www-form-urlencoded; charset=utf-8", body)(w, r)
	})
	c := p.client()
	c.Hooks = hooks.FormTokenResponse()
	token, err := p.exchange(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, "gho_1", token.AccessToken)
	require.WithinDuration(t, time.Now().Add(8*time.Hour), token.Expiry, time.Minute)

	body += "&error=bad_verification_code"
	_, err = p.exchange(t.Context(), c)
	requireClean(t, err)
}

// TE-01: no hook makes an answer of a redirect.
func TestHookCannotUseRedirect(t *testing.T) {
	p := serve(t, respond(302, "application/json", good))
	c := p.client()
	c.Hooks.TokenResponse = func(_ context.Context, r *hooks.Response) error {
		r.Status = 200
		return nil
	}
	_, err := p.exchange(t.Context(), c)
	require.ErrorIs(t, err, outbound.ErrRedirect)
}

// TE-17: a provider that answers 201 is mended by a hook that says so.
func TestHookSetsStatus(t *testing.T) {
	p := serve(t, respond(201, "application/json", good))
	c := p.client()
	c.Hooks.TokenResponse = func(_ context.Context, r *hooks.Response) error {
		r.Status = 200
		return nil
	}
	_, err := p.exchange(t.Context(), c)
	require.NoError(t, err)
}

// HK-03: a hook of one provider's client does not run for another's.
func TestHookOfAnotherProvider(t *testing.T) {
	p := serve(t, respond(200, "application/json", good))
	a, b := p.client(), p.client()
	a.Hooks.TokenRequest = func(context.Context, *hooks.Request) error { return errors.New("of a") }
	_, err := p.exchange(t.Context(), b)
	require.NoError(t, err)
	_, err = p.exchange(t.Context(), a)
	require.Error(t, err)
}

// HK-04: what a hook keeps is its own: writing to it later changes nothing.
func TestHookKeepsReference(t *testing.T) {
	var request *hooks.Request
	var response *hooks.Response
	p := serve(t, func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, code, r.PostFormValue("code"))
		respond(200, "application/json", `{"active":true}`)(w, r)
	})
	c := p.client()
	c.Hooks.IntrospectRequest = func(_ context.Context, r *hooks.Request) error { request = r; return nil }
	c.Hooks.IntrospectResponse = func(_ context.Context, r *hooks.Response) error { response = r; return nil }
	c.Auth = methodFunc(func(*clientauth.Request) error { // runs after the hook
		request.Params["code"][0] = "changed"
		request.Header.Set("X-Late", "changed")
		return nil
	})
	params := exchangeParams()
	got, err := c.Post(t.Context(), oauth.Introspect, p.URL, params)
	require.NoError(t, err)
	require.Equal(t, exchangeParams(), params)

	copy(response.Body, "changed changed")
	response.Header.Set("Content-Type", "changed")
	require.JSONEq(t, `{"active":true}`, string(got.Body))
	require.Equal(t, "application/json", got.Header.Get("Content-Type"))
}

// HK-05: a hook replaces, or the request is refused unsent: nothing is there twice.
func TestHookDuplicates(t *testing.T) {
	for _, c := range []struct {
		name string
		hook func(r *hooks.Request)
		ok   bool
	}{
		{"replaces a parameter", func(r *hooks.Request) { r.Params.Set("code", "other") }, true},
		{"adds a new one", func(r *hooks.Request) { r.Params.Add("custom", "1") }, true},
		{"adds a second code", func(r *hooks.Request) { r.Params.Add("code", "canary") }, false},
		{"adds a second client id", func(r *hooks.Request) { r.Params["client_id"] = []string{"a", "b"} }, false},
		{"repeats resource", func(r *hooks.Request) { r.Params["resource"] = []string{"https://a", "https://b"} }, true},
		{"repeats audience", func(r *hooks.Request) { r.Params["audience"] = []string{"a", "b"} }, true},
		{"puts it into the query too", func(r *hooks.Request) { r.URL += "?code=canary" }, false},
		{"puts something else there", func(r *hooks.Request) { r.URL += "?tenant=1" }, true},
		{"a secret there", func(r *hooks.Request) { r.URL += "?client_secret=canary" }, false},
		{"replaces a header", func(r *hooks.Request) { r.Header.Set("Accept", "application/vnd.example+json") }, true},
		{"adds a second header", func(r *hooks.Request) { r.Header.Add("Accept", "text/html") }, false},
		{"under another spelling", func(r *hooks.Request) { r.Header["accept"] = []string{"text/html"} }, false},
		{"the content type", func(r *hooks.Request) { r.Header.Set("Content-Type", "text/plain") }, true},
		{"the content type spelt otherwise", func(r *hooks.Request) { r.Header["content-type"] = []string{"application/json"} }, false},
		{"the authorization spelt otherwise", func(r *hooks.Request) { r.Header["authorization"] = []string{"Bearer canary"} }, false},
		{"a new one spelt otherwise", func(r *hooks.Request) { r.Header["x-tenant"] = []string{"1"} }, false},
		{"no maps", func(r *hooks.Request) { r.Header, r.Params = nil, nil }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := serve(t, func(w http.ResponseWriter, r *http.Request) {
				require.Equal(t, []string{"application/x-www-form-urlencoded"}, r.Header.Values("Content-Type"))
				require.Len(t, r.Header.Values("Authorization"), 1)
				require.LessOrEqual(t, len(r.Header.Values("Accept")), 1)
				respond(200, "application/json", good)(w, r)
			})
			client := p.client()
			client.Hooks.TokenRequest = func(_ context.Context, r *hooks.Request) error { c.hook(r); return nil }
			_, err := p.exchange(t.Context(), client)
			require.Equal(t, c.ok, err == nil, "%v", err)
			require.Equal(t, c.ok, p.hits.Load() == 1)
			if !c.ok {
				requireClean(t, err)
			}
		})
	}
}

// A hook does not send the client's secret elsewhere.
func TestHookCannotLeaveTheOrigin(t *testing.T) {
	evil := serve(t, respond(200, "application/json", good))
	p := serve(t, respond(200, "application/json", good))
	for _, to := range []string{
		evil.URL, strings.Replace(p.URL, "http:", "https:", 1), strings.Replace(p.URL, "//", "//user:canary@", 1),
		"https://op.example/", "//x", "", "https://%zz",
	} {
		c := p.client()
		c.Hooks.TokenRequest = func(_ context.Context, r *hooks.Request) error { r.URL = to; return nil }
		_, err := p.exchange(t.Context(), c)
		require.ErrorIs(t, err, oauth.ErrHook, to)
		requireClean(t, err)
	}
	require.Zero(t, p.hits.Load()+evil.hits.Load())
}
