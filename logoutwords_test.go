package signon_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

func usersWith(claim, value string) signontest.Config {
	return signontest.Config{Users: []signontest.User{{Subject: "alice", Claims: map[string]any{claim: value}}}}
}

// The log does not say that somebody was signed out where nobody was signed in.
func TestLogoutOfNobodyIsLoggedAsThat(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	for _, path := range []string{"/auth/logout", "/auth/logout/op"} {
		b.At(siteURL).Post(path, nil)
	}
	require.Equal(t, 2, strings.Count(s.log.String(), "signon: a logout; nobody was signed in"))
	require.NotContains(t, s.log.String(), "signed out")
	s.signIn(b, "alice")
	b.At(siteURL).Post("/auth/logout/op", nil)
	require.Contains(t, s.log.String(), `"msg":"signon: signed out","provider":"op","sent_to_provider":true`)
}

// The log says of a logout token by what it found the logins, and when it found none.
func TestBackChannelLogoutIsLogged(t *testing.T) {
	f := newFleet(t, "memory", fleetOptions{})
	first := f.sessionOf(f.signIn("alice"))
	f.signIn("alice")
	for _, tt := range []struct {
		about signontest.Session
		want  string
	}{
		{first, `"msg":"signon: the provider signed a user out","provider":"op","by":"sid","logins":1}`},
		{first, `"msg":"signon: a logout token; no login was left","provider":"op","by":"sid"}`},
		{signontest.Session{Subject: "alice"}, `"msg":"signon: the provider signed a user out","provider":"op","by":"sub","logins":1}`},
		{signontest.Session{Subject: "alice"}, `"msg":"signon: a logout token; no login was left","provider":"op","by":"sub"}`},
	} {
		before := len(f.log.String())
		requireDone(t, f.post(0, f.op.LogoutToken(tt.about)))
		require.Contains(t, f.log.String()[before:], tt.want)
	}
}

// A frame that names no session is no failure: it has a record of its own, at Info, and
// not more of them than there are of failures. One of a session that is over is at Debug.
func TestFrontChannelLogoutIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, setup{inProcess: true})
		b := s.browser()
		get := func(params url.Values) string {
			before := len(s.log.String())
			requireFramed(t, b.Get(frameURL(params)), s.op.Issuer())
			return s.log.String()[before:]
		}
		said := get(nil)
		require.Contains(t, said, `"level":"INFO","msg":"signon: a front-channel logout names no session of the provider; nobody was signed out","provider":"op"`)
		require.Contains(t, said, "0 times iss and 0 times sid")
		require.NotContains(t, said, "request failed")
		said = get(url.Values{"iss": {s.op.Issuer()}, "sid": {"of-nobody"}})
		require.Contains(t, said, `"level":"DEBUG","msg":"signon: a front-channel logout of a session that no login is of, or no more; nobody was signed out","provider":"op"`)
		require.NotContains(t, said, "of-nobody")

		time.Sleep(time.Second)
		for range 200 {
			get(nil)
		}
		require.Equal(t, 51, strings.Count(s.log.String(), "names no session"))
		time.Sleep(time.Second)
		require.Contains(t, get(nil), `"suppressed":150`)
	})
}

// Where the metadata hang, the log says whose, for how long, and what to set.
func TestLogoutWithMetadataThatHangIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, setup{inProcess: true})
		b := s.browser()
		s.signIn(b, "alice")
		s.op.Arm("Hang@metadata")
		fresh := s.registry(nil)
		s.register(fresh, "op", nil)
		b.Serve(siteURL, fresh.Handler())
		require.Equal(t, http.StatusSeeOther, b.At(siteURL).Post("/auth/logout/op", nil).Status)
		require.Contains(t, s.log.String(), "the metadata of "+s.op.Issuer()+", which say where the end_session_endpoint is, did not come within 3s; set EndSessionURL")
		time.Sleep(time.Minute) // the fetch that nobody waits for ends
	})
}

// What Register says of a way back that leads nowhere.
func TestPostLogoutRedirectURL(t *testing.T) {
	const back = siteURL + "/auth/logged-out/other"
	for _, tt := range []struct{ given, want string }{
		{siteURL + "/auth/bye", back}, {siteURL + "/auth/callback/other", back}, {siteURL + "/auth/logged-out/op", back},
		{siteURL + "/auth", back}, {siteURL + "/auth/", back}, {back + "/", back}, {siteURL + "/x/../auth/bye", back}, {siteURL + "/%61uth/bye", back},
		{siteURL + "/bye#x", "has a fragment"}, {back + "#x", "has a fragment"},
		{"https://evil.example/bye", "is not on the origin of Config.BaseURL"},
		{siteURL + "/bye", ""}, {siteURL + "/authors", ""}, {back, ""}, {back + "?x=1", ""}, {"", ""},
	} {
		t.Run(tt.given, func(t *testing.T) {
			s := newSite(t, setup{})
			p := s.op.OAuthProvider("other")
			p.PostLogoutRedirectURL = tt.given
			_, err := s.auth.Register(p)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "PostLogoutRedirectURL")
			require.ErrorContains(t, err, tt.want)
			if strings.Contains(tt.want, "fragment") {
				require.NotContains(t, err.Error(), "origin")
			}
		})
	}
}

// CF-07: the one setting that is not called as its field says what it is called.
func TestPostLogoutURLIsToldByItsName(t *testing.T) {
	for _, name := range []string{"post_logout_redirect_url", "post_logout_redirect_uri"} {
		_, err := signon.LoadJSON([]byte(`{"name":"corp","` + name + `":"https://app.test/bye"}`))
		require.ErrorContains(t, err, `unknown member "`+name+`"; it is "post_logout_url"`)
		variable := "MYAPP_CORP_" + strings.ToUpper(name)
		corp := signon.Provider{Name: "corp"}
		err = signon.LoadEnviron([]string{variable + "=https://app.test/bye"}, "MYAPP_", &corp)
		require.ErrorContains(t, err, variable+` is no setting of provider "corp"; it is MYAPP_CORP_POST_LOGOUT_URL`)
	}
}

// The causes are stored and counted by applications: their values are for good.
func TestLogoutCauses(t *testing.T) {
	require.Equal(t, []signon.LogoutCause{"logged_out", "back_channel", "front_channel", "ended", "replaced", "idle", "refresh_refused"}, []signon.LogoutCause{
		signon.LoggedOut, signon.LoggedOutBackChannel, signon.LoggedOutFrontChannel, signon.LoginEnded, signon.LoginReplaced, signon.LoginIdle, signon.RefreshRefused,
	})
}

// A form's value wins over the configured one; one that is too long is dropped, and of two
// the second.
func TestLogoutParamsOfTheForm(t *testing.T) {
	s := newSite(t, setup{provider: func(p *signon.Provider) {
		p.LogoutParams = []string{"ui_locales", "realm", "note"}
		p.EndSessionParams = url.Values{"ui_locales": {"en"}, "realm": {"corp"}}
	}})
	b := s.browser()
	s.signIn(b, "alice")
	sent := query(t, b.At(siteURL).Post("/auth/logout/op", url.Values{
		"ui_locales": {"de"}, "realm": {strings.Repeat("x", 513)}, "note": {"first", "second"},
	}).Location())
	require.Equal(t, []string{"de"}, sent["ui_locales"])
	require.Equal(t, []string{"corp"}, sent["realm"])
	require.Equal(t, []string{"first"}, sent["note"])
}

// A login that is over by its Lifetime leads to nobody: it has ended before the click.
func TestLogoutAfterLifetimeIsLocal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, setup{inProcess: true, config: func(c *signon.Config) { c.IdleTimeout = -1 }})
		b := s.browser()
		s.signIn(b, "alice")
		time.Sleep(9 * time.Hour)
		require.Equal(t, siteURL+"/", b.At(siteURL).Post("/auth/logout/op", nil).Location())
	})
}
