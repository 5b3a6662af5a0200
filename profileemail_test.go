package signon_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
)

// UI-04: the verdict on an address is said of that address. A hook that puts another one
// in its place, and says nothing of whether that is verified, does not hand the verdict on.
func TestProfileHookEmail(t *testing.T) {
	const given, other = "alice@example.com", "victim@corp.example"
	for _, tt := range []struct {
		name     string
		claimed  any // email_verified of the ID token and the userinfo
		hook     func(*hooks.Profile)
		email    string
		verified bool
	}{
		{"left", true, func(*hooks.Profile) {}, given, true},
		{"left, not verified", false, func(*hooks.Profile) {}, given, false},
		{"another address", true, func(p *hooks.Profile) { p.Email = other }, other, false},
		{"another address of an unverified one", false, func(p *hooks.Profile) { p.Email = other }, other, false},
		{"both by the fields, where one was verified", true, func(p *hooks.Profile) { p.Email, p.EmailVerified = other, true }, other, false},
		{"another spelling", true, func(p *hooks.Profile) { p.Email = "Alice@example.com" }, "Alice@example.com", false},
		{"both, where none was verified", false, func(p *hooks.Profile) { p.Email, p.EmailVerified = other, true }, other, true},
		{"both, by SetEmail", true, func(p *hooks.Profile) { p.SetEmail(other, true) }, other, true},
		{"not verified, by SetEmail", true, func(p *hooks.Profile) { p.SetEmail(other, false) }, other, false},
		{"another address after SetEmail", true, func(p *hooks.Profile) { p.SetEmail(given, true); p.Email = other }, other, false},
		{"SetEmail twice", true, func(p *hooks.Profile) { p.SetEmail(other, true); p.SetEmail(other, false) }, other, false},
		{"the verdict alone", false, func(p *hooks.Profile) { p.EmailVerified = true }, given, true},
		{"the verdict taken back", true, func(p *hooks.Profile) { p.EmailVerified = false }, given, false},
		{"no address", true, func(p *hooks.Profile) { p.Email = "" }, "", false},
		{"no good address", true, func(p *hooks.Profile) { p.SetEmail("a@b@c", true) }, "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var login *signon.Login
			a := newApp(t, appOptions{
				provider: func(p *signon.Provider) {
					p.FetchUserInfo = true
					p.Hooks.Profile = func(_ context.Context, p *hooks.Profile) error {
						tt.hook(p)
						return nil
					}
				},
				config: func(c *signon.Config) { c.OnLogin = keepLogin(&login) },
			})
			a.op.IDTokenClaims(setMember("email_verified", tt.claimed))
			a.op.UserInfo(setMember("email_verified", tt.claimed))
			require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
			for _, l := range []*signon.Login{login, a.fromStore()} {
				addr, verified := l.Email()
				require.Equal(t, tt.email, addr)
				require.Equal(t, tt.verified, verified)
			}
		})
	}
}

// What one hook has said of its address is not said of another that the next one puts in
// its place.
func TestProfileHooksJoined(t *testing.T) {
	first := hooks.Hooks{Profile: func(_ context.Context, p *hooks.Profile) error {
		p.Email, p.EmailVerified = "alice@work.example", true
		return nil
	}}
	second := hooks.Hooks{Profile: func(_ context.Context, p *hooks.Profile) error {
		p.Email = "victim@corp.example"
		return nil
	}}
	p := &hooks.Profile{}
	require.NoError(t, hooks.Join(first, second).Profile(t.Context(), p))
	require.Equal(t, "victim@corp.example", p.Email)
	require.False(t, p.EmailVerified)
}
