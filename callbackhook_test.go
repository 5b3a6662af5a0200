package signon_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/signontest"
)

// onResponse are hooks that bend the authorization response.
func onResponse(bend func(url.Values)) hooks.Hooks {
	return hooks.Hooks{AuthorizeResponse: func(_ context.Context, a *hooks.AuthorizeResponse) error {
		bend(a.Params)
		return nil
	}}
}

// HK-02: a hook mends an answer before it is read, and what it makes of it is checked.
func TestResponseHookMends(t *testing.T) {
	rename := func(from, to string) func(url.Values) {
		return func(v url.Values) {
			if v.Has(from) {
				v.Set(to, v.Get(from))
				v.Del(from)
			}
		}
	}
	a := newApp(t, appOptions{provider: hooked(onResponse(rename("auth_code", "code")))})
	a.op.AuthorizeResponse(rename("code", "auth_code"))
	require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
	a.requireSignedIn("alice")

	a = newApp(t, appOptions{op: signontest.Config{Interaction: signontest.Deny}, provider: hooked(onResponse(rename("errcode", "error")))})
	a.op.AuthorizeResponse(rename("error", "errcode"))
	require.Equal(t, http.StatusForbidden, a.signIn().Status)
	a.requireNobody()
}

// HK-02, HK-05: no hook gets around the checks of an answer: of its state, its iss, its
// code, its form.
func TestResponseHookCannotUnprotect(t *testing.T) {
	for name, tt := range map[string]struct {
		bend   func(url.Values)
		status int
	}{
		"state replaced": {func(v url.Values) { v.Set("state", strings.Repeat("x", 43)) }, 500},
		"state removed":  {func(v url.Values) { v.Del("state") }, 500},
		"state twice":    {func(v url.Values) { v.Add("state", v.Get("state")) }, 500},
		"iss removed":    {func(v url.Values) { v.Del("iss") }, 500},
		"iss replaced":   {func(v url.Values) { v.Set("iss", "https://evil.test") }, 500},
		"code twice":     {func(v url.Values) { v.Add("code", "x") }, 400},
		"code removed":   {func(v url.Values) { v.Del("code") }, 400},
		"code invisible": {func(v url.Values) { v.Set("code", "a\nb") }, 400},
		"another code":   {func(v url.Values) { v.Set("code", "x") }, 400}, // the provider's invalid_grant
		"empty error":    {func(v url.Values) { v.Set("error", "") }, 400},
		"a token":        {func(v url.Values) { v.Set("access_token", "x") }, 400},
		"an ID token":    {func(v url.Values) { v.Set("id_token", "x") }, 400},
		"nothing left":   {func(v url.Values) { clear(v) }, 500},
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, appOptions{provider: hooked(onResponse(tt.bend))})
			require.Equal(t, tt.status, a.signIn().Status, a.log)
			require.Equal(t, name == "another code", a.op.Count(signontest.Token) > 0)
			a.requireNobody()
		})
	}
}

// HK-02: a hook does not hide what came: a mix-up, an answer to another login, what was
// not asked for.
func TestResponseHookCannotHide(t *testing.T) {
	for name, tt := range map[string]struct {
		came   func(url.Values)
		mend   func(v url.Values, issuer string)
		status int
	}{
		"another issuer": {func(v url.Values) { v.Set("iss", "https://evil.test") }, func(v url.Values, issuer string) { v.Set("iss", issuer) }, 500},
		"no issuer":      {func(v url.Values) { v.Del("iss") }, func(v url.Values, issuer string) { v.Set("iss", issuer) }, 500},
		"another state":  {func(v url.Values) { v.Set("state", strings.Repeat("x", 43)) }, nil, 400},
		"a token":        {func(v url.Values) { v.Set("access_token", "x") }, func(v url.Values, _ string) { v.Del("access_token") }, 400},
		"two codes":      {func(v url.Values) { v.Add("code", "x") }, func(v url.Values, _ string) { v.Set("code", v.Get("code")) }, 400},
	} {
		t.Run(name, func(t *testing.T) {
			issuer := ""
			a := newApp(t, appOptions{provider: hooked(onResponse(func(v url.Values) {
				if tt.mend != nil {
					tt.mend(v, issuer)
				}
			}))})
			issuer = a.op.Issuer()
			a.op.AuthorizeResponse(tt.came)
			require.Equal(t, tt.status, a.signIn().Status, a.log)
			require.Zero(t, a.op.Count(signontest.Token))
			a.requireNobody()
		})
	}
}

// With form_post the hook sees what was posted, once, also where the code is too long
// for a second half.
func TestResponseHookOfFormPost(t *testing.T) {
	for name, long := range map[string]string{"two halves": "", "one half": strings.Repeat("c", 2000)} {
		t.Run(name, func(t *testing.T) {
			ran := 0
			a := newApp(t, appOptions{provider: func(p *signon.Provider) {
				p.ResponseMode = "form_post"
				p.Hooks = onResponse(func(v url.Values) {
					ran++
					v.Set("code", strings.TrimSuffix(v.Get("auth_code"), "!"))
					v.Del("auth_code")
				})
			}})
			a.op.AuthorizeResponse(func(v url.Values) {
				v.Set("auth_code", v.Get("code")+long+"!")
				v.Del("code")
			})
			page := a.browser.Get(appURL+"/auth/login/op?return_to=/who").Follow().Submit("", nil).FollowAll(5)
			require.Equal(t, 1, ran)
			require.Equal(t, 1, a.op.Count(signontest.Token))
			require.Equal(t, long == "", page.Status == http.StatusOK, "the provider does not know the long code")
		})
	}
}

// answers are hooks that keep what the Profile stage gets of the authorization response.
func answers(kept *url.Values) hooks.Hooks {
	return hooks.Hooks{Profile: func(_ context.Context, p *hooks.Profile) error {
		*kept = p.Answer
		return nil
	}}
}

// The parameters beside the protocol's own reach the Profile hook, by both ways, within
// a bound, and do not stop a login.
func TestAnswerReachesTheProfile(t *testing.T) {
	user := `{"name":{"firstName":"Élodie","lastName":"O'Brien"},"email":"a@b.c"}`
	for name, tt := range map[string]struct {
		came   url.Values
		want   url.Values
		logged bool
	}{
		"none":           {nil, nil, false},
		"some":           {url.Values{"user": {user}, "session_state": {"s"}, "error_uri": {"u"}}, url.Values{"user": {user}, "session_state": {"s"}}, false},
		"empty":          {url.Values{"user": {""}}, url.Values{"user": {""}}, false},
		"twice":          {url.Values{"user": {user, "x"}, "other": {"y"}}, url.Values{"other": {"y"}}, true},
		"our own":        {url.Values{"signon_answer": {"x"}, "answer.user": {"y"}}, url.Values{"answer.user": {"y"}}, false},
		"too long":       {url.Values{"user": {strings.Repeat("u", 1100)}, "other": {"y"}}, nil, true},
		"many":           {manyParams(600), nil, true},
		"deadline again": {url.Values{"deadline": {"0"}, "kept": {"x"}}, url.Values{"deadline": {"0"}, "kept": {"x"}}, false},
	} {
		for _, mode := range []string{"", "form_post"} {
			t.Run(name+" "+mode, func(t *testing.T) {
				var got url.Values
				a := newApp(t, appOptions{provider: func(p *signon.Provider) { p.ResponseMode, p.Hooks = mode, answers(&got) }})
				a.op.AuthorizeResponse(func(v url.Values) {
					for name, values := range tt.came {
						v[name] = values
					}
				})
				page := a.browser.Get(appURL + "/auth/login/op?return_to=/who").Follow()
				if mode != "" {
					page = page.Submit("", nil)
				}
				require.Equal(t, http.StatusOK, page.FollowAll(5).Status, a.log)
				require.Equal(t, tt.want, got)
				require.Equal(t, tt.logged, strings.Contains(a.log.String(), "Hooks.Profile"), a.log)
				require.NotContains(t, a.log.String(), "Brien")
			})
		}
	}
}

func manyParams(n int) url.Values {
	v := url.Values{}
	for i := range n {
		v.Set("p"+strings.Repeat("x", i%7)+string(rune('a'+i%26))+strings.Repeat("y", i/26), "")
	}
	return v
}

// What is left of the cookie for the further parameters may be too little: they go, and
// the login finishes with its session all the same.
func TestAnswerThatDoesNotFitIntoTheCookie(t *testing.T) {
	got := url.Values{"unset": nil}
	a := newApp(t, appOptions{provider: func(p *signon.Provider) { p.ResponseMode, p.Hooks = "form_post", answers(&got) }})
	a.op.AuthorizeResponse(func(v url.Values) { v.Set("user", strings.Repeat("ü", 500)) })
	page := a.browser.Get(appURL+"/auth/login/op?return_to=/who").Follow().Submit("", nil)
	require.Contains(t, page.Location(), "signon_answer=")
	require.Equal(t, http.StatusOK, page.FollowAll(5).Status, a.log)
	require.Nil(t, got)
	require.Contains(t, a.log.String(), "do not fit into a cookie")
}

// Without a Profile hook nothing of them is kept.
func TestAnswerWithoutAHook(t *testing.T) {
	for _, h := range []hooks.Hooks{{}, onResponse(func(url.Values) {})} {
		sizes := map[string]int{}
		for _, more := range []string{"", strings.Repeat("u", 5000)} {
			a := newApp(t, appOptions{provider: func(p *signon.Provider) { p.ResponseMode, p.Hooks = "form_post", h }})
			a.op.AuthorizeResponse(func(v url.Values) { v.Set("user", more) })
			a.browser.Get(appURL+"/auth/login/op").Follow().Submit("", nil)
			for name, value := range a.browser.Cookies(appURL) {
				if strings.Contains(name, "signon-answer") {
					sizes[more] = len(value)
				}
			}
			require.NotContains(t, a.log.String(), "Hooks.Profile")
		}
		require.Len(t, sizes, 2)
		require.Equal(t, sizes[""], sizes[strings.Repeat("u", 5000)])
	}
}
