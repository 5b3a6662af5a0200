package signon_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/signontest"
)

// inProfile signs in with a Profile hook and returns its application and what the browser
// got.
func inProfile(t *testing.T, o appOptions, hook func(context.Context, *hooks.Profile) error) (*app, *signontest.Page) {
	t.Helper()
	change := o.provider
	o.provider = func(p *signon.Provider) {
		if change != nil {
			change(p)
		}
		p.Hooks.Profile = hook
	}
	a := newApp(t, o)
	a.op.TokenResponse(func(m map[string]any) {
		m["team"] = map[string]any{"id": json.RawMessage("9007199254740993")}
	})
	return a, a.signIn()
}

// The hook sees what has been verified, and of the token response what no standard names.
func TestProfileHookSees(t *testing.T) {
	for name, oauth := range map[string]bool{"OpenID": false, "OAuth": true} {
		t.Run(name, func(t *testing.T) {
			var seen *hooks.Profile
			a, page := inProfile(t, appOptions{oauth: oauth, provider: func(p *signon.Provider) { p.FetchUserInfo = !oauth }}, func(_ context.Context, p *hooks.Profile) error {
				seen = p
				return nil
			})
			require.Equal(t, http.StatusOK, page.Status, a.log)
			require.Equal(t, "op", seen.Provider)
			require.Equal(t, map[string]any{"team": map[string]any{"id": json.Number("9007199254740993")}}, seen.Extra)
			require.Equal(t, "Alice Adams", seen.Name)
			require.NotNil(t, seen.UserInfo)
			require.Equal(t, oauth, seen.Claims == nil)
			if !oauth {
				require.Contains(t, string(seen.Claims), "nonce")
				require.Equal(t, "alice", seen.Subject)
				require.Equal(t, "alice@example.com", seen.Email)
				require.True(t, seen.EmailVerified)
			}
		})
	}
}

// A second call says more, with the new token, as GitHub's verified e-mail needs it.
func TestProfileHookCallsTheAPI(t *testing.T) {
	var api http.Header
	a, page := inProfile(t, appOptions{oauth: true, provider: func(p *signon.Provider) {
		p.Hooks.APIRequest = func(_ context.Context, r *http.Request) error {
			r.Header.Set("X-Api-Version", "3")
			api = r.Header.Clone()
			return nil
		}
	}}, func(ctx context.Context, p *hooks.Profile) error {
		var said struct {
			Owner string `json:"owner"`
		}
		if err := p.Get(ctx, "items", &said); err != nil {
			return err
		}
		p.Email, p.EmailVerified = said.Owner+"@example.com", true
		return nil
	})
	require.Equal(t, http.StatusOK, page.Status, a.log)
	id, err := a.fromStore().Identity()
	require.NoError(t, err)
	require.Equal(t, "alice@example.com", id.Email)
	require.True(t, id.EmailVerified)
	require.Equal(t, "3", api.Get("X-Api-Version"), "the API hooks run")
	a.requireQuiet(page)
}

// HK-05, AP-01: the hook's client takes the token to the API and nowhere else, and does
// not refresh.
func TestProfileClientStaysBelowTheAPI(t *testing.T) {
	a, page := inProfile(t, appOptions{}, func(ctx context.Context, p *hooks.Profile) error {
		for _, ref := range []string{"https://evil.test/", "http://provider.test/api/x", "../token", "/userinfo", "//evil.test/api/"} {
			_, err := p.Client.Get(ref)
			require.ErrorIs(t, err, signon.ErrAPIURL, ref)
			require.ErrorIs(t, p.Get(ctx, ref, new(any)), signon.ErrAPIURL, ref)
		}
		resp, err := p.Client.Get("items")
		require.NoError(t, err)
		require.Empty(t, resp.Request.Header.Get("Authorization"))
		require.NoError(t, resp.Body.Close())
		return nil
	})
	require.Equal(t, http.StatusOK, page.Status, a.log)

	for name, fault := range map[string]signontest.Fault{"401": signontest.API401Always, "redirect": signontest.APIRedirect, "500": signontest.ServerError.At(signontest.API)} {
		t.Run(name, func(t *testing.T) {
			armed := newApp(t, appOptions{provider: func(p *signon.Provider) {
				p.Hooks.Profile = func(ctx context.Context, p *hooks.Profile) error { return p.Get(ctx, "items", new(any)) }
			}})
			armed.op.Arm(fault)
			page := armed.signIn()
			require.Equal(t, http.StatusBadGateway, page.Status)
			require.Equal(t, 1, armed.op.Count(signontest.Token))
			require.Zero(t, armed.op.Count(signontest.Elsewhere))
			armed.requireNobody()
			armed.requireQuiet(page)
		})
	}

	// Without an API there is nowhere to go.
	a, page = inProfile(t, appOptions{provider: func(p *signon.Provider) { p.APIBaseURL = "" }}, func(ctx context.Context, p *hooks.Profile) error {
		require.ErrorIs(t, p.Get(ctx, "items", new(any)), signon.ErrAPIURL)
		return nil
	})
	require.Equal(t, http.StatusOK, page.Status, a.log)
}

// The hook's client has a limit and a deadline of its own, and the fault is the API's.
func TestProfileClientIsBounded(t *testing.T) {
	for _, tt := range []struct {
		name   string
		fault  signontest.Fault
		status int
	}{
		{"huge", signontest.HugeBody, 502}, {"bomb", signontest.GzipBomb, 502}, {"reset", signontest.ResetConnection, 502},
		{"hangs", signontest.Hang, 504}, {"slow", signontest.SlowBody, 504}, {"slow headers", signontest.SlowHeaders, 504},
		{"busy", signontest.TooManyRequests, 503}, {"down", signontest.Down, 503},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t, appOptions{provider: func(p *signon.Provider) {
					p.Hooks.Profile = func(ctx context.Context, p *hooks.Profile) error { return p.Get(ctx, "items", new(any)) }
				}})
				a.op.Arm(tt.fault.At(signontest.API))
				began := time.Now()
				require.Equal(t, tt.status, a.signIn().Status, a.log)
				require.LessOrEqual(t, time.Since(began), 9*time.Second)
				a.requireNobody()
				a.op.Disarm()
			})
		})
	}
}

// Nothing is sent by it when the hook is over.
func TestProfileClientAfterTheHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var client *http.Client
		var body io.ReadCloser
		var late error
		o := appOptions{config: func(c *signon.Config) {
			c.OnLogin = func(_ context.Context, l *signon.Login) (string, error) { // still in the same request
				_, late = client.Get("items")
				return l.Subject, nil
			}
		}}
		a, page := inProfile(t, o, func(_ context.Context, p *hooks.Profile) error {
			client = p.Client
			resp, err := client.Get("items")
			if err == nil {
				body = resp.Body
			}
			return err
		})
		require.Equal(t, http.StatusOK, page.Status, a.log)
		require.NoError(t, body.Close())
		require.Error(t, late)
		count := a.op.Count(signontest.API)
		require.Equal(t, 1, count)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "items", strings.NewReader("x"))
		require.NoError(t, err)
		_, err = client.Do(req)
		require.Error(t, err)
		_, err = client.Get("items")
		require.Error(t, err)
		require.Equal(t, count, a.op.Count(signontest.API))
	})
}

// A call that is under way when the hook is over ends, whatever its own context says.
func TestProfileClientEndsWithTheHook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		a := newApp(t, appOptions{provider: func(p *signon.Provider) {
			p.Hooks.Profile = func(_ context.Context, p *hooks.Profile) error {
				go func() {
					req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "items", nil)
					if err == nil {
						_, err = p.Client.Do(req)
					}
					ended <- err
				}()
				time.Sleep(time.Second)
				return nil
			}
		}})
		a.op.Arm(signontest.Hang.At(signontest.API))
		began := time.Now()
		require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
		require.Error(t, <-ended)
		require.Equal(t, time.Second, time.Since(began))
		a.op.Disarm()
	})
}

// HK-06: the application is asked when the identity is settled, and nobody is signed in
// before the hook is back.
func TestProfileBeforeOnLogin(t *testing.T) {
	var order []string
	a := newApp(t, appOptions{
		provider: func(p *signon.Provider) {
			p.Hooks.Profile = func(_ context.Context, p *hooks.Profile) error {
				order, p.Name = append(order, "profile"), "Ada"
				return nil
			}
		},
		config: func(c *signon.Config) {
			c.OnLogin = func(_ context.Context, l *signon.Login) (string, error) {
				id, err := l.Identity()
				order = append(order, "OnLogin "+id.Name)
				return l.Subject, err
			}
		},
	})
	require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
	require.Equal(t, []string{"profile", "OnLogin Ada"}, order)
}

// The name in Apple's first form_post reaches the identity.
func TestFirstFormPostUserEndToEnd(t *testing.T) {
	var login *signon.Login
	a := newApp(t, appOptions{
		provider: func(p *signon.Provider) { p.ResponseMode, p.Hooks = "form_post", hooks.FirstFormPostUser() },
		config:   func(c *signon.Config) { c.OnLogin = keepLogin(&login) },
	})
	a.op.IDTokenClaims(without(map[string]any{"email": "me@example.com", "email_verified": true}))
	a.op.AuthorizeResponse(func(v url.Values) {
		v.Set("user", `{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"evil@example.com"}`)
	})
	require.Equal(t, http.StatusOK, a.browser.Get(appURL+"/auth/login/op?return_to=/who").Follow().Submit("", nil).FollowAll(5).Status, a.log)
	id, err := login.Identity()
	require.NoError(t, err)
	require.Equal(t, "Ada Lovelace", id.Name)
	require.Equal(t, "me@example.com", id.Email)
}
