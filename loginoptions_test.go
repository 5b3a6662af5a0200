package signon_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/signontest"
)

// LI-05: an option adds to a login, and does not change what protects it.
func TestStartLoginOptions(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		err         error
	}{
		{"prompt", "consent", nil}, {"max_age", "60", nil}, {"acr_values", "a b", nil}, {"claims", `{"id_token":{}}`, nil},
		{"max_age", "soon", signon.ErrInternal}, {"max_age", "-1", signon.ErrInternal}, {"acr_values", strings.Repeat("a", 3000), signon.ErrInternal},
		{"state", "x", signon.ErrInternal}, {"nonce", "x", signon.ErrInternal}, {"redirect_uri", "https://evil.example", signon.ErrInternal}, {"response_type", "token", signon.ErrInternal},
		{"code_challenge", "x", signon.ErrInternal}, {"client_id", "x", signon.ErrInternal}, {"scope", "admin", signon.ErrInternal}, {"response_mode", "fragment", signon.ErrInternal},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, setup{})
			w := httptest.NewRecorder()
			r := httptest.NewRequest("GET", siteURL+"/anywhere?return_to=/me&login_hint=bob", nil)
			err := s.client.StartLogin(w, r, oauth2.SetAuthURLParam(tt.name, tt.value))
			require.ErrorIs(t, err, tt.err)
			if tt.err != nil {
				require.Empty(t, w.Header(), "nothing is written")
				require.Equal(t, http.StatusOK, w.Code)
				return
			}
			to := w.Header().Get("Location")
			require.Equal(t, tt.value, param(to, tt.name))
			require.Equal(t, "bob", param(to, "login_hint"))
			require.Len(t, param(to, "state"), 43)
			require.Len(t, param(to, "nonce"), 43)
			require.Equal(t, siteURL+"/auth/callback/op", param(to, "redirect_uri"))
		})
	}
}

// ID-38, ID-39: what an option asks for is checked in the answer; an authentication
// that is too old is the user's to repeat, once, and no loop.
func TestOptionsAreChecked(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		fault       signontest.Fault
		status      int
	}{
		{"max_age", "60", "", http.StatusSeeOther}, {"max_age", "60", signontest.OldAuthTime, http.StatusForbidden}, {"max_age", "60", signontest.NoAuthTime, http.StatusBadGateway},
		{"acr_values", "gold silver", "", http.StatusSeeOther}, {"acr_values", "gold", signontest.WrongACR, 0},
	} {
		t.Run(tt.name+" "+string(tt.fault), func(t *testing.T) {
			s := newSite(t, setup{})
			defer s.holds()
			if tt.fault != "" {
				s.op.Arm(tt.fault)
			}
			s.mux.Handle("/auth/step-up", s.client.LoginHandler(oauth2.SetAuthURLParam(tt.name, tt.value)))
			b := s.browser()
			page := b.Get(siteURL + "/auth/step-up").Follow().Follow()
			if tt.status == 0 {
				require.GreaterOrEqual(t, page.Status, 400)
			} else {
				require.Equal(t, tt.status, page.Status, page.Body)
			}
			if tt.fault != "" {
				require.Equal(t, nobody, s.who(b))
			}
		})
	}
}

// HK-05: a hook bends the request, and not what protects it.
func TestAuthorizeHook(t *testing.T) {
	for name, tt := range map[string]struct {
		hook   func(*hooks.Authorize) error
		status int
	}{
		"adds a parameter":    {func(a *hooks.Authorize) error { a.Params.Set("tenant", "1"); return nil }, 303},
		"adds a resource":     {func(a *hooks.Authorize) error { a.Params["resource"] = []string{"a", "b"}; return nil }, 303},
		"changes the state":   {func(a *hooks.Authorize) error { a.Params.Set("state", "x"); return nil }, 500},
		"drops the nonce":     {func(a *hooks.Authorize) error { a.Params.Del("nonce"); return nil }, 500},
		"drops PKCE":          {func(a *hooks.Authorize) error { a.Params.Del("code_challenge"); return nil }, 500},
		"downgrades PKCE":     {func(a *hooks.Authorize) error { a.Params.Set("code_challenge_method", "plain"); return nil }, 500},
		"redirects elsewhere": {func(a *hooks.Authorize) error { a.Params.Set("redirect_uri", "https://evil.example"); return nil }, 500},
		"says a thing twice":  {func(a *hooks.Authorize) error { a.Params.Add("scope", "admin"); return nil }, 500},
		"fails":               {func(*hooks.Authorize) error { return errors.New("hunter2") }, 500},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, setup{provider: func(p *signon.Provider) {
				p.Hooks.Authorize = func(_ context.Context, a *hooks.Authorize) error { return tt.hook(a) }
			}})
			page := s.browser().Get(s.loginURL("alice"))
			require.Equal(t, tt.status, page.Status)
			require.Equal(t, tt.status == 303, page.Header.Get("Set-Cookie") != "")
			require.NotContains(t, page.Body, "hunter2")
		})
	}
}

// SE-11: a store that cannot record a use lets the request through, for it has just
// read the login; one in which the login has ended meanwhile does not.
func TestTouch(t *testing.T) {
	for name, tt := range map[string]struct {
		fault func(s *site) func() error
		who   string
	}{
		"cannot write": {func(*site) func() error { return down }, "op:alice"},
		"ended meanwhile": {func(s *site) func() error {
			return func() error {
				_, err := s.logins.EndLogins(context.Background(), selectSubject(s, "alice"))
				return err
			}
		}, nobody},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, setup{inProcess: true})
				defer s.holds()
				b := s.browser()
				s.signIn(b, "alice")
				time.Sleep(2 * time.Minute)
				s.faults.on("logins.TouchLogin", tt.fault(s))
				require.Equal(t, tt.who, s.who(b))
			})
		})
	}
}
