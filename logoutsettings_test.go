package signon_test

import (
	"maps"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
)

// What Register refuses of a logout's settings.
func TestLogoutSettings(t *testing.T) {
	for name, change := range map[string]func(*signon.Provider){
		"another origin":             func(p *signon.Provider) { p.PostLogoutRedirectURL = "https://evil.example/out" },
		"a path":                     func(p *signon.Provider) { p.PostLogoutRedirectURL = "/out" },
		"an origin that is longer":   func(p *signon.Provider) { p.PostLogoutRedirectURL = siteURL + ".evil.example/out" },
		"a fragment":                 func(p *signon.Provider) { p.PostLogoutRedirectURL = siteURL + "/out#x" },
		"http":                       func(p *signon.Provider) { p.EndSessionURL = "http://op.example/out" },
		"a parameter of ours":        func(p *signon.Provider) { p.EndSessionURL = "https://op.example/out?state=1" },
		"state":                      func(p *signon.Provider) { p.EndSessionParams = url.Values{"state": {"1"}} },
		"the secret":                 func(p *signon.Provider) { p.EndSessionParams = url.Values{"client_secret": {"1"}} },
		"two values":                 func(p *signon.Provider) { p.EndSessionParams = url.Values{"x": {"1", "2"}} },
		"LO-08":                      func(p *signon.Provider) { p.LogoutParams = []string{"post_logout_redirect_uri"} },
		"a hint":                     func(p *signon.Provider) { p.LogoutParams = []string{"id_token_hint"} },
		"submit in EndSessionParams": func(p *signon.Provider) { p.EndSessionParams = url.Values{"submit": {"1"}} },
		"submit in LogoutParams":     func(p *signon.Provider) { p.LogoutParams = []string{"submit"} },
		"return_to":                  func(p *signon.Provider) { p.LogoutParams = []string{"return_to"} },
		"nothing":                    func(p *signon.Provider) { p.LogoutParams = []string{""} },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, setup{})
			p := s.op.OAuthProvider("other")
			change(&p)
			_, err := s.auth.Register(p)
			require.Error(t, err)
			require.NotContains(t, err.Error(), string(p.ClientSecret))
		})
	}
}

// What the configuration holds is not what a caller still has in hand.
func TestLogoutSettingsAreCopied(t *testing.T) {
	params, names := url.Values{"x": {"1"}}, []string{"ui_locales"}
	s := newSite(t, setup{provider: func(p *signon.Provider) { p.EndSessionParams, p.LogoutParams = params, names }})
	params["x"][0], names[0] = "2", "state"
	was := maps.Clone(params)
	b := s.browser()
	s.signIn(b, "alice")
	sent := query(t, b.At(siteURL).Post("/auth/logout", url.Values{"ui_locales": {"de"}, "state": {"planted"}}).Location())
	require.Equal(t, "1", sent.Get("x"))
	require.Equal(t, "de", sent.Get("ui_locales"))
	require.NotEqual(t, "planted", sent.Get("state"))
	require.Equal(t, was, params)
}
