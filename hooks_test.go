package signon_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/signontest"
)

// trace notes which hooks ran.
type trace struct {
	mu    sync.Mutex
	names []string
}

func (tr *trace) note(name string) error {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.names = append(tr.names, name)
	return nil
}

func (tr *trace) take() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	s := strings.Join(tr.names, " ")
	tr.names = nil
	return s
}

// traced are hooks of every stage that call f with the stage's name.
func traced(f func(stage string) error) hooks.Hooks {
	request := func(name string) func(context.Context, *hooks.Request) error {
		return func(context.Context, *hooks.Request) error { return f(name) }
	}
	response := func(name string) func(context.Context, *hooks.Response) error {
		return func(context.Context, *hooks.Response) error { return f(name) }
	}
	return hooks.Hooks{
		Authorize:         func(context.Context, *hooks.Authorize) error { return f("authorize") },
		AuthorizeResponse: func(context.Context, *hooks.AuthorizeResponse) error { return f("callback") },
		Profile:           func(context.Context, *hooks.Profile) error { return f("profile") },
		TokenRequest:      request("token>"), TokenResponse: response("token<"),
		RefreshRequest: request("refresh>"), RefreshResponse: response("refresh<"),
		RevokeRequest: request("revoke>"), RevokeResponse: response("revoke<"),
		IntrospectRequest: request("introspect>"), IntrospectResponse: response("introspect<"),
		UserInfoRequest: func(context.Context, *http.Request) error { return f("userinfo>") }, UserInfoResponse: response("userinfo<"),
		APIRequest:  func(context.Context, *http.Request) error { return f("api>") },
		APIResponse: func(context.Context, *http.Response) error { return f("api<") },
	}
}

func hooked(h hooks.Hooks) func(*signon.Provider) {
	return func(p *signon.Provider) { p.Hooks, p.FetchUserInfo = h, true }
}

// Every hook runs around its request, once, in order; those that are joined, one
// after the other.
func TestHooksRun(t *testing.T) {
	var tr trace
	a := newOwned(t, appOptions{provider: hooked(hooks.Join(traced(tr.note), hooks.Hooks{
		TokenRequest: func(context.Context, *hooks.Request) error { return tr.note("second") },
	}))})
	require.Equal(t, "authorize callback token> second token< userinfo> userinfo< profile", tr.take())
	_, err := a.client.Introspect(t.Context(), a.stored("alice"))
	require.NoError(t, err)
	require.Equal(t, "introspect> introspect<", tr.take())
	a.expire("alice")
	_, err = a.client.HTTPClient(a.as("alice")).Get("items")
	require.NoError(t, err)
	require.Equal(t, "refresh> refresh< api> api<", tr.take())
	require.NoError(t, a.client.Revoke(a.as("alice")))
	require.Equal(t, "revoke> revoke< revoke> revoke<", tr.take())
}

// HK-01: a hook that fails, panics or blocks stops the login, closed, in time, and
// nothing of its error shows.
func TestHookFailsTheLogin(t *testing.T) {
	blocked := make(chan struct{})
	defer close(blocked)
	for name, fail := range map[string]func() error{
		"error": func() error { return errors.New("canary-error") },
		"panic": func() error { panic("canary-panic") },
		"blocks": func() error {
			time.Sleep(time.Minute)
			return nil
		},
	} {
		for _, stage := range []string{"authorize", "callback", "token>", "token<", "userinfo>", "userinfo<", "profile"} {
			t.Run(stage+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a := newApp(t, appOptions{provider: hooked(traced(func(s string) error {
						if s == stage {
							return fail()
						}
						return nil
					}))})
					began := time.Now()
					page := a.signIn()
					require.Equal(t, http.StatusInternalServerError, page.Status, a.log)
					require.LessOrEqual(t, time.Since(began), 11*time.Second)
					require.NotContains(t, page.Body, "canary")
					require.NotContains(t, a.log.String(), "canary-panic")
					require.LessOrEqual(t, a.op.Count(signontest.Token), 1)
					a.requireNobody()
					a.requireQuiet(page)
					time.Sleep(2 * time.Minute) // until those that block are back
				})
			})
		}
	}
}

// HK-01: at a refresh the token is kept; at the API the call fails.
func TestHookFailsRefreshAndAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failing := ""
		a := newOwned(t, appOptions{provider: hooked(traced(func(s string) error {
			if s == failing {
				return errors.New("no")
			}
			return nil
		}))})
		for _, failing = range []string{"api>", "api<", "refresh>"} {
			a.expire("alice")
			_, err := a.client.HTTPClient(a.as("alice")).Get("items")
			require.ErrorIs(t, err, signon.ErrInternal, failing)
			a.stored("alice")
		}
		failing = ""
		time.Sleep(6 * time.Second)
		_, err := a.client.Token(a.as("alice"))
		require.NoError(t, err)
		require.Zero(t, a.op.Stats().RefreshReused)
	})
}

// HK-02, TE-05: a hook makes a token response good before it is checked, and nothing
// that it writes goes unchecked.
func TestHookMendsTheTokenResponse(t *testing.T) {
	a := newApp(t, appOptions{provider: hooked(hooks.DefaultTokenType("Bearer"))})
	a.op.Arm(signontest.NoTokenType)
	require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
	a.requireSignedIn("alice")

	a = newApp(t, appOptions{provider: hooked(hooks.FormTokenResponse())}) // TE-16
	a.op.Arm(signontest.FormToken)
	require.Equal(t, http.StatusOK, a.signIn().Status, a.log)

	for name, body := range map[string]string{
		"an ID token of its own": `{"access_token":"a","token_type":"Bearer","id_token":"eyJhbGciOiJub25lIn0.eyJzdWIiOiJtYWxsb3J5In0."}`,
		"no ID token":            `{"access_token":"a","token_type":"Bearer"}`,
		"no token":               `{}`,
		"an error":               `{"error":"x","access_token":"a","token_type":"Bearer"}`,
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, appOptions{provider: hooked(hooks.Hooks{TokenResponse: func(_ context.Context, r *hooks.Response) error {
				r.Body = []byte(body)
				return nil
			}})})
			require.Equal(t, http.StatusBadGateway, a.signIn().Status)
			a.requireNobody()
		})
	}
}

// HK-05: what protects a login cannot be taken out of it, nor said twice.
func TestHookCannotUnprotect(t *testing.T) {
	for _, name := range []string{"state", "nonce", "code_challenge", "code_challenge_method", "response_type", "redirect_uri"} {
		for what, bend := range map[string]func(a *hooks.Authorize){
			"removed":  func(a *hooks.Authorize) { a.Params.Del(name) },
			"replaced": func(a *hooks.Authorize) { a.Params.Set(name, "x") },
			"twice":    func(a *hooks.Authorize) { a.Params.Add(name, "x") },
		} {
			a := newApp(t, appOptions{provider: hooked(hooks.Hooks{Authorize: func(_ context.Context, h *hooks.Authorize) error {
				bend(h)
				return nil
			}})})
			require.Equal(t, http.StatusInternalServerError, a.signIn().Status, "%s %s", name, what)
			require.Zero(t, a.op.Count(signontest.Authorize))
		}
	}
}

// HK-05: a request says each thing once, to the endpoint's origin.
func TestHookCannotDoubleOrDivert(t *testing.T) {
	for name, bend := range map[string]func(*hooks.Request){
		"a second code":   func(r *hooks.Request) { r.Params.Add("code", "x") },
		"a second secret": func(r *hooks.Request) { r.Params.Set("client_secret", "x") },
		"a second header": func(r *hooks.Request) { r.Header.Add("Accept", "text/html") },
		"another origin":  func(r *hooks.Request) { r.URL = "https://evil.test/token" },
		"a second client": func(r *hooks.Request) {
			r.Header.Set("Authorization", "Basic eDp5")
			r.Params.Set("client_assertion", "x")
		},
		"into the query":   func(r *hooks.Request) { r.URL += "?code=x" },
		"with user and pw": func(r *hooks.Request) { r.URL = "https://u:p@provider.test/token" },
	} {
		a := newApp(t, appOptions{provider: hooked(hooks.Hooks{TokenRequest: func(_ context.Context, r *hooks.Request) error {
			bend(r)
			return nil
		}})})
		require.GreaterOrEqual(t, a.signIn().Status, 500, name)
		require.Zero(t, a.op.Count(signontest.Token), name)
		a.requireNobody()
	}
}

// HK-05, AP-01: a hook does not send the token elsewhere.
func TestHookCannotDivertTheToken(t *testing.T) {
	for name, bend := range map[string]func(*http.Request){
		"another host":   func(r *http.Request) { r.URL.Host = "evil.test" },
		"Host":           func(r *http.Request) { r.Host = "evil.test" },
		"http":           func(r *http.Request) { r.URL.Scheme = "http" },
		"no URL":         func(r *http.Request) { r.URL = nil },
		"another origin": func(r *http.Request) { r.URL.Scheme, r.URL.Host = "https", "api.test" },
	} {
		bent := func(_ context.Context, r *http.Request) error { bend(r); return nil }
		a := newApp(t, appOptions{provider: hooked(hooks.Hooks{UserInfoRequest: bent})})
		require.Equal(t, http.StatusInternalServerError, a.signIn().Status, name)
		a.requireNobody()
	}
	for name, bend := range map[string]func(*http.Request){
		"another host":   func(r *http.Request) { r.URL.Host = "evil.test" },
		"Host":           func(r *http.Request) { r.Host = "evil.test" },
		"http":           func(r *http.Request) { r.URL.Scheme = "http" },
		"no URL":         func(r *http.Request) { r.URL = nil },
		"another path":   func(r *http.Request) { r.URL.Path = "/v2/x" },
		"with user info": func(r *http.Request) { r.URL.User = url.User("u") },
	} {
		b := newAPI(t, apiURL, nil, func(p *signon.Provider) {
			p.Hooks.APIRequest = func(_ context.Context, r *http.Request) error { bend(r); return nil }
		})
		_, err := b.http().Get("items")
		require.ErrorIs(t, err, signon.ErrAPIURL, name)
		require.Empty(t, b.requests(), name)
	}
}

// A hook adds what a provider wants.
func TestHookAdds(t *testing.T) {
	a := newOwned(t, appOptions{provider: hooked(hooks.Hooks{
		Authorize: func(_ context.Context, h *hooks.Authorize) error {
			h.Params.Set("audience", "one")
			return nil
		},
		RefreshRequest: func(_ context.Context, r *hooks.Request) error { r.Params.Set("extra", "1"); return nil },
		APIRequest: func(_ context.Context, r *http.Request) error {
			r.Header.Set("X-Api-Version", "3")
			return nil
		},
		APIResponse: func(_ context.Context, r *http.Response) error {
			_ = r.Body.Close()
			r.Body, r.StatusCode = io.NopCloser(strings.NewReader("mended")), http.StatusAccepted
			return nil
		},
	})})
	require.Equal(t, []string{"one"}, a.op.Requests(signontest.Authorize)[0].URL.Query()["audience"])
	a.expire("alice")
	resp, err := a.client.HTTPClient(a.as("alice")).Get("items")
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, "mended", string(body))
	require.Equal(t, http.StatusAccepted, resp.StatusCode)
	tokens := a.op.Requests(signontest.Token)
	require.Equal(t, "1", tokens[len(tokens)-1].Form.Get("extra"))
	require.Equal(t, "3", a.op.Requests(signontest.API)[0].Header.Get("X-Api-Version"))
}

// HK-03: hooks of one provider do not run for another, joined or not.
func TestHooksAreOfOneProvider(t *testing.T) {
	var tr trace
	a := newApp(t, appOptions{provider: hooked(traced(tr.note))})
	p := a.op.SignonProvider("other")
	p.ClientID = "other" // another client of the same provider
	_, err := a.auth.Register(p)
	require.NoError(t, err)
	a.browser.Get(appURL + "/auth/login/other").FollowAll(5)
	require.Empty(t, tr.take())
}

// HK-04: what a hook keeps is its own. Each hook here spoils what all the ones before
// it were given, and nobody notices.
func TestHooksKeepCopies(t *testing.T) {
	var mu sync.Mutex
	var kept []func()
	spoilAll := func() {
		mu.Lock()
		defer mu.Unlock()
		for _, f := range kept {
			f()
		}
	}
	spoil := func(f func()) error {
		spoilAll()
		mu.Lock()
		defer mu.Unlock()
		kept = append(kept, f)
		return nil
	}
	request := func(_ context.Context, r *hooks.Request) error {
		return spoil(func() { r.Params.Set("scope", "x"); r.Header.Set("Accept", "x"); r.URL = "x" })
	}
	response := func(_ context.Context, r *hooks.Response) error {
		return spoil(func() { r.Header.Set("Content-Type", "x"); clear(r.Body); r.Status = 0 })
	}
	web := func(_ context.Context, r *http.Request) error {
		return spoil(func() { r.Header.Set("Authorization", "x"); r.URL.Host = "evil.test" })
	}
	onLogin := func(_ context.Context, l *signon.Login) (string, error) {
		spoilAll()
		var info map[string]any
		require.NoError(t, l.UserInfo(&info))
		require.Equal(t, "alice", info["sub"])
		id, err := l.Identity()
		require.NoError(t, err)
		require.Equal(t, "Alice Adams", id.Name)
		require.Equal(t, []any{"kept"}, l.Token().Extra("more"))
		clear(id.Claims)
		id, err = l.Identity()
		require.NoError(t, err)
		require.Contains(t, string(id.Claims), "alice")
		return l.Subject, nil
	}
	a := newApp(t, appOptions{config: func(c *signon.Config) { c.OnLogin = onLogin }, provider: hooked(hooks.Hooks{
		Authorize: func(_ context.Context, h *hooks.Authorize) error {
			return spoil(func() { h.Params.Set("state", "x") })
		},
		AuthorizeResponse: func(_ context.Context, h *hooks.AuthorizeResponse) error {
			return spoil(func() { h.Params.Set("code", "x"); h.Params.Set("other", "x") })
		},
		Profile: func(_ context.Context, p *hooks.Profile) error {
			return spoil(func() {
				clear(p.Claims)
				clear(p.UserInfo)
				p.Extra["more"].([]any)[0], p.Name, p.Email = "x", "x", "x"
				p.Answer.Set("other", "x")
			})
		},
		TokenRequest: request, TokenResponse: response, RefreshRequest: request, RefreshResponse: response,
		UserInfoRequest: web, UserInfoResponse: response, APIRequest: web,
		APIResponse: func(_ context.Context, r *http.Response) error {
			return spoil(func() { r.Header.Set("X", "x"); r.StatusCode = 0 })
		},
	})})
	a.op.TokenResponse(setMember("more", []string{"kept"}))
	a.op.AuthorizeResponse(func(v url.Values) { v.Set("other", "kept") })
	require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
	a.requireSignedIn("alice")
	a.expire("alice")
	resp, err := a.client.HTTPClient(a.as("alice")).Get("items")
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), "apple")
	spoilAll()
	require.Len(t, kept, 11)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Empty(t, resp.Header.Get("X"))
}

// HK-06: nobody is signed in before OnLogin is back; one that is slow is waited for,
// one that fails refuses.
func TestOnLoginDecides(t *testing.T) {
	for name, tt := range map[string]struct {
		err    error
		status int
	}{
		"denied":   {signon.ErrDenied, 403},
		"db down":  {signon.ErrUnavailable, 503},
		"other":    {errors.New("no"), 500},
		"no owner": {nil, 500},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, appOptions{config: func(c *signon.Config) {
				c.OnLogin = func(context.Context, *signon.Login) (string, error) { return "", tt.err }
			}})
			require.Equal(t, tt.status, a.signIn().Status)
			a.requireNobody()
		})
	}
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		a := newApp(t, appOptions{config: func(c *signon.Config) {
			c.OnLogin = func(ctx context.Context, l *signon.Login) (string, error) { return l.Subject, g.pass(ctx) }
		}})
		done := make(chan int)
		go func() { done <- a.signIn().Status }()
		<-g.reached
		a.requireNobody()
		close(g.open)
		require.Equal(t, http.StatusOK, <-done)
	})
}
