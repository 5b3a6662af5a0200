package signon_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

// AR-10: what began at one provider is refused at another's callback, and goes on
// at its own.
func TestStateOfAnotherProvider(t *testing.T) {
	for _, mode := range []string{"", "form_post"} {
		t.Run("response_mode="+mode, func(t *testing.T) {
			s := newSite(t, setup{provider: func(p *signon.Provider) { p.ResponseMode = mode }})
			defer s.holds()
			second := signontest.New(t, signontest.Config{})
			p := second.SignonProvider("second")
			p.ResponseMode = mode
			_, err := s.auth.Register(p)
			require.NoError(t, err)
			b := s.browser()
			s.signIn(b, "alice")
			answer := s.formAnswer(b, mode)
			answer.Set("iss", second.Issuer())
			page := s.refused(b, http.StatusBadRequest, 0, func() *signontest.Page {
				return s.deliver(b, mode, "/auth/callback/second", answer)
			})
			require.Zero(t, second.Count(signontest.Token))
			require.Empty(t, page.Header["Set-Cookie"], "the first provider's login is not touched")

			answer.Set("iss", s.op.Issuer())
			page = s.deliver(b, mode, "/auth/callback/op", answer).FollowAll(3)
			require.Equal(t, http.StatusOK, page.Status)
			require.Equal(t, "op:bob", s.who(b))
		})
	}
}

// deliver brings an answer to a callback as a provider does.
func (s *site) deliver(b *signontest.Browser, mode, path string, answer url.Values) *signontest.Page {
	from := b.At(s.op.Issuer() + "/authorize")
	if mode == "form_post" {
		return from.Post(siteURL+path, answer)
	}
	return from.Click(siteURL + path + "?" + answer.Encode())
}

// AR-11: the user starts at a provider that sends the browser on to an honest one,
// under the application's client id there. The honest one's code must not reach the
// first one's token endpoint.
func TestMixUp(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	honest := signontest.New(t, signontest.Config{})
	_, err := s.auth.Register(honest.SignonProvider("honest"))
	require.NoError(t, err)
	b := s.browser()
	page := b.Get(s.loginURL("alice"))
	asked, err := url.Parse(page.Location())
	require.NoError(t, err)
	forwarded := honest.URL(signontest.Authorize) + "?" + asked.RawQuery
	answer := b.Get(forwarded).Location()
	require.Equal(t, honest.Issuer(), param(answer, "iss"))
	require.True(t, strings.HasPrefix(answer, siteURL+"/auth/callback/op?"))
	s.opened(b, http.StatusBadRequest, 0, answer)
	require.Zero(t, honest.Count(signontest.Token))
}

// AR-13: each provider has a redirect URL of its own, or is not registered.
func TestSharedCallbackRefused(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	for name, redirect := range map[string]string{
		"same":    siteURL + "/auth/callback/op",
		"implied": "",
	} {
		t.Run(name, func(t *testing.T) {
			p := signontest.NewInProcess(signontest.Config{}).SignonProvider("second")
			first := s.auth
			if redirect == "" { // the other way round: the later one's default is taken
				first = s.registry(nil)
				s.register(first, "op", func(p *signon.Provider) { p.RedirectURL = siteURL + "/auth/callback/second" })
			}
			p.RedirectURL = redirect
			_, err := first.Register(p)
			require.ErrorContains(t, err, "RedirectURL")
		})
	}
}

// AR-31: an alias of the host has no cookie, so no login in progress.
func TestCallbackOnAlias(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	b.Serve("https://alias.test", s.app)
	answer := s.answerURL(b, s.loginURL("alice"))
	s.opened(b, http.StatusBadRequest, 0, strings.Replace(answer, siteURL, "https://alias.test", 1))
	require.Equal(t, http.StatusOK, b.Get(answer).FollowAll(3).Status)
}
