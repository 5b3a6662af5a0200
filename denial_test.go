package signon_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/pkce"
	"github.com/seed1a301047/signon/signontest"
)

// AR-16: a refusal is 403, keeps who is signed in, and offers to start again.
func TestProviderDenies(t *testing.T) {
	for _, mode := range []string{"", "form_post"} {
		t.Run("response_mode="+mode, func(t *testing.T) {
			s := newSite(t, setup{provider: func(p *signon.Provider) { p.ResponseMode = mode }})
			defer s.holds()
			b := s.browser()
			s.signIn(b, "alice")
			s.op.AuthorizeResponse(func(v url.Values) {
				v.Del("code")
				v.Set("error", "access_denied")
			})
			page := s.refused(b, http.StatusForbidden, 0, func() *signontest.Page {
				return b.Get(s.loginURL("bob")).FollowAll(5)
			})
			require.Zero(t, s.pending(b), "the state is consumed")
			s.op.AuthorizeResponse(nil)
			again := page.Submit("", nil).FollowAll(5)
			require.Equal(t, siteURL+"/me", again.URL.String())
			require.Equal(t, "op:bob", s.who(b))
		})
	}
}

// What an error response says is shown to nobody, and in the log it is one line.
func TestErrorResponseText(t *testing.T) {
	long := strings.Repeat("0800-EVIL ", 1200)
	tests := []struct {
		name, code, text, uri string
		status                int
	}{
		// AR-17
		{"script", "<script>alert(1)</script>", "<b>0800-EVIL</b>", "javascript:alert(1)", 502},
		{"escapes, bidi and lines", "access_denied", "\x1b[31m\u202e0800-EVIL\r\nERROR forged", "", 403},
		{"long", "server_error", long, "", 502},
		{"unknown code", "hunter2", "0800-EVIL", "https://evil.example/", 502},
		{"not UTF-8", "access_denied", "\xff0800-EVIL", "", 403},
		{"later", "temporarily_unavailable", "0800-EVIL", "", 503},
		{"login_required", "login_required", "0800-EVIL", "", 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, setup{})
			defer s.holds()
			b := s.browser()
			s.signIn(b, "alice")
			answer := s.answerURL(b, s.loginURL("bob"))
			// AR-19: an error, though there is a code too.
			page := s.opened(b, tt.status, 0, with(answer, url.Values{
				"error": {tt.code}, "error_description": {tt.text}, "error_uri": {tt.uri},
			}))
			for _, said := range []string{"EVIL", "alert", "evil.example", "hunter2"} {
				require.NotContains(t, page.Body, said)
			}
			require.NotContains(t, s.log.String(), "\x1b")
			require.NotContains(t, s.log.String(), `\u001b`)
			require.NotContains(t, s.log.String(), `\u202e`)
			require.NotContains(t, s.log.String(), `\nERROR`)
			for line := range strings.Lines(s.log.String()) {
				require.Less(t, len(line), 1000)
			}
			require.Zero(t, s.pending(b))
		})
	}
}

// AR-23: the attacker has the victim's code, unspent, and an own login in progress.
// The provider sees the wrong verifier; where it does not look, the nonce is wrong.
func TestCodeInjection(t *testing.T) {
	for _, tt := range []struct {
		name   string
		faults []signontest.Fault
		status int
	}{
		{"provider checks PKCE", nil, http.StatusBadRequest},
		{"provider ignores PKCE", []signontest.Fault{signontest.IgnorePKCE}, http.StatusBadRequest}, // AR-24
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, setup{})
			defer s.holds()
			s.op.Arm(tt.faults...)
			victim, attacker := s.browser(), s.browser()
			s.signIn(attacker, "bob")
			stolen := s.answerURL(victim, s.loginURL("alice"))
			own := s.answerURL(attacker, s.loginURL("bob"))
			sessions := s.blobs.all()

			s.opened(attacker, tt.status, 1, with(own, url.Values{"code": {param(stolen, "code")}}))
			require.Equal(t, sessions, s.blobs.all(), "nothing of the answer is used")
			page := attacker.At(siteURL).Fetch(http.MethodGet, "/private")
			require.Contains(t, page.Body, `"owner":"bob"`)

			requests := s.op.Requests(signontest.Token)
			last := requests[len(requests)-1].Form
			require.Len(t, last.Get("code_verifier"), 43)
			require.Equal(t, param(stolen, "code"), last.Get("code"))
		})
	}
}

// AR-24: the verifier is sent whatever the provider says of PKCE. LI-11: and S256 is
// what its challenge is made with.
func TestPKCEIsAlwaysUsed(t *testing.T) {
	for name, methods := range map[string]any{"plain only": []string{"plain"}, "none": []string{}, "absent": nil} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, setup{})
			defer s.holds()
			s.op.Metadata(func(m map[string]any) {
				m["code_challenge_methods_supported"] = methods
				if methods == nil {
					delete(m, "code_challenge_methods_supported")
				}
			})
			s.signIn(s.browser(), "alice")
			asked := s.op.Requests(signontest.Authorize)[0].URL.Query()
			require.Equal(t, []string{"S256"}, asked["code_challenge_method"])
			sent := s.op.Requests(signontest.Token)[0].Form
			verifier, err := pkce.ParseVerifier(sent.Get("code_verifier"))
			require.NoError(t, err)
			require.Equal(t, []string{verifier.Challenge()}, asked["code_challenge"])
		})
	}
}
