package signon_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

const frontChannelURL = siteURL + "/auth/frontchannel-logout/op"

func frameURL(params url.Values) string { return frontChannelURL + "?" + params.Encode() }

// requireFramed is a page that only the provider may frame, and that says nothing.
func requireFramed(t *testing.T, page *signontest.Page, ancestors string) {
	t.Helper()
	require.Equal(t, http.StatusOK, page.Status, page.Body)
	require.Equal(t, "<!doctype html>\n<title>Signed out</title>\n", page.Body) // LO-54
	require.Equal(t, []string{"no-store"}, page.Header["Cache-Control"])
	require.Equal(t, []string{"default-src 'none'; frame-ancestors " + ancestors + "; base-uri 'none'; form-action 'none'"}, page.Header["Content-Security-Policy"])
	require.Empty(t, page.Header["X-Frame-Options"])
	require.Empty(t, page.Header["Set-Cookie"])
}

// LO-50, LO-53: a frame in the provider's page, to which the browser sends no cookie, ends
// the login that it names, on both replicas, and no other. The token goes, and is not
// revoked.
func TestFrontChannelLogout(t *testing.T) {
	revokes := func(_ int, p *signon.Provider) { p.RevokeOnLogout = true }
	eachStore(t, fleetOptions{op: signontest.Config{FrontChannelLogoutURI: frontChannelURL}, provider: revokes}, func(t *testing.T, f *fleet) {
		first, second, bob := f.signIn("alice"), f.signIn("alice"), f.signIn("bob")
		id := f.loginOf(first)
		// In the browser of whoever it is: the cookie does not count.
		page := bob.At(f.op.Issuer()).Frame(f.op.FrontChannelLogoutURL(f.sessionOf(first)))
		requireFramed(t, page, f.op.Issuer())
		require.Equal(t, []string{nobody, "alice", "bob"}, []string{f.who(first), f.who(second), f.who(bob)})
		require.Equal(t, 1, len(f.endings()))
		f.requireTokens(false, id)
		f.requireTokens(true, f.loginOf(second))

		f.at.Store(1)
		url := f.op.FrontChannelLogoutURL(f.sessionOf(second))
		requireFramed(t, second.At(f.op.Issuer()).Frame(url), f.op.Issuer())
		require.Equal(t, signon.LoggedOutFrontChannel, f.endings()[0].cause)
		require.Equal(t, nobody, f.who(second))
		requireFramed(t, second.At(f.op.Issuer()).Frame(url), f.op.Issuer()) // again
		require.Empty(t, f.endings())
		f.shutdown()
		require.Zero(t, f.op.Count(signontest.Revocation))
	})
}

// LO-51, LO-52, LO-54: what is not exactly one iss and one sid of the provider's signs
// nobody out, and nothing of it is on the page.
func TestFrontChannelIgnores(t *testing.T) {
	f := newFleet(t, "memory", fleetOptions{})
	b := f.signIn("alice")
	iss, sid := f.op.Issuer(), f.sessionOf(b).ID
	for name, params := range map[string]url.Values{
		"neither":          {},
		"iss only":         {"iss": {iss}},
		"sid only":         {"sid": {sid}},
		"iss empty":        {"iss": {""}, "sid": {sid}},
		"sid empty":        {"iss": {iss}, "sid": {""}},
		"iss twice":        {"iss": {iss, iss}, "sid": {sid}},
		"sid twice":        {"iss": {iss}, "sid": {sid, sid}},
		"another iss":      {"iss": {"https://other.example"}, "sid": {sid}},
		"a slash":          {"iss": {iss + "/"}, "sid": {sid}},
		"unknown sid":      {"iss": {iss}, "sid": {"unknown"}},
		"sid in lower":     {"iss": {iss}, "sid": {strings.ToLower(sid)}},
		"sid with NUL":     {"iss": {iss}, "sid": {sid + "\x00"}},
		"sid of no UTF-8":  {"iss": {iss}, "sid": {"\xff"}},
		"sid of 2 kB":      {"iss": {iss}, "sid": {strings.Repeat("s", 2000)}},
		"20 kB":            {"iss": {iss}, "sid": {sid}, "x": {strings.Repeat("x", 20_000)}},
		"markup":           {"iss": {iss}, "sid": {`"><script>alert(1)</script>`}},
		"a directive":      {"iss": {iss + "; frame-ancestors *"}, "sid": {sid}},
		"names in capital": {"Iss": {iss}, "SID": {sid}},
		"sub":              {"iss": {iss}, "sub": {"alice"}},
	} {
		t.Run(name, func(t *testing.T) {
			// LO-52: also with the cookie, from another site's link or the user's own hand.
			for _, from := range []string{f.op.Issuer(), "https://evil.example/", siteURL} {
				requireFramed(t, b.At(from).Frame(frameURL(params)), iss)
				requireFramed(t, b.At(from).Click(frameURL(params)), iss)
			}
			require.Equal(t, "alice", f.who(b))
		})
	}
	require.Empty(t, f.endings())
	requireFramed(t, b.Get(frontChannelURL+"?iss=%zz&sid="+sid), iss)
	require.Equal(t, "alice", f.who(b))
	requireFramed(t, b.Get(frameURL(url.Values{"iss": {iss}, "sid": {sid}, "registered": {"1"}})), iss)
	require.Equal(t, nobody, f.who(b))
}

// LO-51, LO-37: a frame of one provider's ends no login of another's, nor of one with the
// same sid.
func TestFrontChannelOfOneIssuer(t *testing.T) {
	eachStore(t, fleetOptions{}, func(t *testing.T, f *fleet) {
		b := f.signIn("alice")
		logins, sid := f.replicas[0].logins, f.sessionOf(b).ID
		other, err := logins.Login(t.Context(), f.loginOf(b))
		require.NoError(t, err)
		other = other.Clone()
		other.ID, other.Issuer = "login elsewhere", "https://other.example"
		require.NoError(t, logins.CreateLogin(t.Context(), other))
		for _, issuer := range []string{other.Issuer, f.op.Issuer()} {
			requireFramed(t, b.Get(frameURL(url.Values{"iss": {issuer}, "sid": {sid}})), f.op.Issuer())
			_, err = logins.Login(t.Context(), other.ID)
			require.NoError(t, err)
		}
		require.Equal(t, nobody, f.who(b))
	})
}

// A frame that is closed at once signs out all the same.
func TestFrontChannelFrameThatIsGone(t *testing.T) {
	eachStore(t, fleetOptions{}, func(t *testing.T, f *fleet) {
		b := f.signIn("alice")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := httptest.NewRequest(http.MethodGet, frameURL(url.Values{"iss": {f.op.Issuer()}, "sid": {f.sessionOf(b).ID}}), nil)
		f.posted(0, r.WithContext(ctx))
		require.Equal(t, nobody, f.who(b))
	})
}

// LO-50: other methods are none, and a prefetch does nothing.
func TestFrontChannelMethods(t *testing.T) {
	f := newFleet(t, "memory", fleetOptions{})
	b := f.signIn("alice")
	query := url.Values{"iss": {f.op.Issuer()}, "sid": {f.sessionOf(b).ID}}
	for _, method := range []string{http.MethodHead, http.MethodPost, http.MethodPut, http.MethodOptions} {
		w := f.posted(0, httptest.NewRequest(method, frameURL(query), nil))
		require.Equal(t, http.StatusMethodNotAllowed, w.Code)
		require.Equal(t, "GET", w.Header().Get("Allow"))
	}
	r := httptest.NewRequest(http.MethodGet, frameURL(query), nil)
	r.Header.Set("Sec-Purpose", "prefetch")
	require.Equal(t, http.StatusNoContent, f.posted(0, r).Code)
	require.Equal(t, "alice", f.who(b))
}

// LO-50: who may frame the page: the provider, where its pages are, and nobody whom an
// address could smuggle in. The application's own headers do not stand in the way.
func TestFrontChannelAncestors(t *testing.T) {
	for _, tt := range []struct{ name, issuer, endSession, want string }{
		{"one host", "https://op.example/tenant", "https://op.example/logout", "https://op.example"},
		{"a port", "https://op.example:8443", "https://op.example:8443/logout", "https://op.example:8443"},
		{"pages elsewhere", "https://op.example", "https://login.op.example/logout?a=b", "https://op.example https://login.op.example"},
		{"a host in capitals", "https://op.example", "https://OP.example/logout", "https://op.example"},
		{"an address of version 6", "https://op.example", "https://[2001:db8::1]/logout", "https://op.example"},
		{"a directive", "https://op.example", "https://op.example;script-src/logout", "https://op.example"},
		{"a wildcard", "https://op.example", "https://*.example/logout", "https://op.example"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			require.Equal(t, tt.want, signon.AncestorsOf(tt.issuer, tt.endSession))
		})
	}
	elsewhere := func(_ int, p *signon.Provider) { p.EndSessionURL = "https://login.op.example/logout" }
	f := newFleet(t, "memory", fleetOptions{provider: elsewhere})
	requireFramed(t, f.browser().Get(frontChannelURL), f.op.Issuer()+" https://login.op.example")

	f = newFleet(t, "memory", fleetOptions{})
	w := httptest.NewRecorder()
	w.Header().Set("X-Frame-Options", "DENY")
	w.Header().Set("Content-Security-Policy", "frame-ancestors 'self'")
	f.replicas[0].mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, frontChannelURL, nil))
	requireFramed(t, &signontest.Page{Status: w.Code, Header: w.Header(), Body: w.Body.String()}, f.op.Issuer())
}

// The store is down: the frame hears so, and may not be framed; and a provider whose
// metadata are not to be had signs out all the same.
func TestFrontChannelDown(t *testing.T) {
	faults := &saboteur{}
	f := newFleet(t, "memory", fleetOptions{config: func(_ int, c *signon.Config) {
		c.Logins = listedLogins{faultyLogins{c.Logins, faults}}
	}})
	b := f.signIn("alice")
	query := url.Values{"iss": {f.op.Issuer()}, "sid": {f.sessionOf(b).ID}}
	for _, method := range []string{"logins.Logins", "logins.EndLogins"} {
		faults.on(method, down)
		page := b.Get(frameURL(query))
		faults.end()
		require.Equal(t, http.StatusServiceUnavailable, page.Status)
		require.Contains(t, page.Header["Content-Security-Policy"], "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
		require.Equal(t, "alice", f.who(b))
	}
	faults.on("logins.Logins", func() error { panic(errors.New("a store that panics")) })
	require.Equal(t, http.StatusInternalServerError, b.Get(frameURL(query)).Status)
	faults.end()
	f.op.Arm(signontest.DownMetadata)
	f.at.Store(1) // which has not read them yet
	requireFramed(t, b.Get(frameURL(query)), f.op.Issuer())
	require.Equal(t, nobody, f.who(b))
}

// LO-50: whoever has no login to end does not have the application ask for the metadata,
// nor wait for them.
func TestFrontChannelAsksForMetadataOfALoginOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "memory", fleetOptions{})
		b := f.signIn("alice")
		query := url.Values{"iss": {f.op.Issuer()}, "sid": {f.sessionOf(b).ID}}
		nobodys := url.Values{"iss": {f.op.Issuer()}, "sid": {"nobody's"}}
		asked := f.op.Count(signontest.Metadata)
		f.at.Store(1) // which has not read them yet
		for _, params := range []url.Values{nil, nobodys} {
			requireFramed(t, b.Get(frameURL(params)), f.op.Issuer())
		}
		require.Equal(t, asked, f.op.Count(signontest.Metadata))
		f.op.Arm(signontest.Hang.At(signontest.Metadata))
		began := time.Now()
		requireFramed(t, b.Get(frameURL(query)), f.op.Issuer())
		require.Equal(t, 3*time.Second, time.Since(began), "the user has signed out by then")
		time.Sleep(time.Minute) // until that request is given up
	})
}

// The method under the handler, which leaves the page to the application.
func TestOwnFrontChannelHandler(t *testing.T) {
	f := newFleet(t, "memory", fleetOptions{})
	b := f.signIn("alice")
	query := url.Values{"iss": {f.op.Issuer()}, "sid": {f.sessionOf(b).ID}}
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, frameURL(query), nil)
	require.NoError(t, f.replicas[1].client.FrontChannelLogout(w, r))
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "frame-ancestors "+f.op.Issuer()+";")
	require.Equal(t, nobody, f.who(b))
	require.ErrorIs(t, f.replicas[1].client.FrontChannelLogout(w, httptest.NewRequest(http.MethodPost, frameURL(query), nil)), signon.ErrMethod)
}
