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

// LO-04: nor is the address of the provider's page anything but an address there.
func TestLogoutFormEscapesItsAction(t *testing.T) {
	const endSession = `https://provider.test/end_session?a="><script>alert(1)</script>`
	s := newSite(t, setup{inProcess: true, provider: func(p *signon.Provider) {
		p.EndSessionParams = url.Values{"x": {strings.Repeat("x", 2000)}}
	}})
	s.op.Metadata(func(m map[string]any) { m["end_session_endpoint"] = endSession })
	b := s.browser()
	s.signIn(b, "alice")
	page := b.At(siteURL).Post("/auth/logout/op", nil)
	require.Equal(t, http.StatusOK, page.Status)
	require.Equal(t, endSession, page.Forms()[0].Action)
	require.Equal(t, 1, strings.Count(page.Body, "<script"))
}

// LO-05: the name of a provider stands for another issuer after a restart. What the former
// one has issued stays here: neither an ID token nor the browser goes to the new one.
func TestLogoutAfterTheNameChangedItsIssuer(t *testing.T) {
	f := newFleet(t, "memory", fleetOptions{provider: func(replica int, p *signon.Provider) {
		if replica == 1 {
			*p = signon.Provider{
				Name: "op", Issuer: "https://other.example", ClientID: "other", Scopes: []string{"openid"},
				JWKSURL: "https://other.example/keys", EndSessionURL: "https://other.example/end",
			}
			p.Endpoint.AuthURL, p.Endpoint.TokenURL = "https://other.example/auth", "https://other.example/token"
		}
	}})
	for _, path := range []string{"/auth/logout/op", "/auth/logout"} {
		f.at.Store(0)
		b := f.signIn("alice")
		id := f.loginOf(b)
		f.at.Store(1)
		page := b.At(siteURL).Post(path, url.Values{"return_to": {"/me"}})
		require.Equal(t, http.StatusSeeOther, page.Status)
		require.Equal(t, siteURL+"/me", page.Location())
		require.Equal(t, []ending{{1, id, id, signon.LoggedOut}}, f.endings())
	}
	require.Zero(t, f.op.Count(signontest.Revocation))
}
