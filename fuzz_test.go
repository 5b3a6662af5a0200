package signon_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

// FuzzReturnTo: whatever a link says, the browser ends up in the application, on
// none of the sign-in's own pages, by a Location without a byte to argue about.
func FuzzReturnTo(f *testing.F) {
	for _, payloads := range redirectFamilies() {
		for _, raw := range payloads {
			if len(raw) < 1000 {
				f.Add(raw)
			}
		}
	}
	f.Add("/me?a=b")
	s := newSite(f, setup{inProcess: true, oauth: true})
	f.Fuzz(func(t *testing.T, raw string) {
		b := signontest.NewBrowser(t)
		b.Serve(siteURL, s.mux)
		b.Serve(s.op.Issuer(), s.op)
		page := b.Get(siteURL + "/auth/login/op?return_to=" + url.QueryEscape(raw))
		require.Equal(t, http.StatusSeeOther, page.Status)
		page = page.Follow().Follow()
		require.Equal(t, http.StatusSeeOther, page.Status)
		location := page.Header.Get("Location")
		to := sameOrigin(t, location)
		require.True(t, strings.HasPrefix(location, siteURL+"/"))
		require.False(t, to.Path == "/auth" || strings.HasPrefix(to.Path, "/auth/"), "%q", location)
		require.False(t, strings.HasPrefix(to.Path, "//") || strings.HasPrefix(to.Path, `/\`), "%q", location)
		if location != siteURL+"/" {
			require.Equal(t, siteURL+strings.TrimPrefix(raw, siteURL), location, "kept, but not to the letter")
		}
	})
}

// FuzzCallbackQuery: no query but the provider's own completes a login, spends its
// code, or gets back anything that it says.
func FuzzCallbackQuery(f *testing.F) {
	for _, query := range []string{
		"", "state=x&code=y", "code=y", "state=STATE", "state=STATE&code=", "state=STATE&code=y&code=z", "state=STATE&state=STATE&code=y",
		"state=STATE&error=access_denied&iss=https://evil.example", "state=STATE&code=y&iss=x", "error=%3Cscript%3E", "state=%zz", "a;b", "&&&", "%00",
		"state=STATE&code=y&response=a.b.c", "state=STATE&code=%FF&iss=", "signon_answer=x", "state=STATE%20&code=CODE&iss=ISS", "state=STATE&code=CODE&iss=ISS",
	} {
		f.Add(query, false)
		f.Add(query, true)
	}
	s := newSite(f, setup{inProcess: true})
	b := signontest.NewBrowser(f)
	b.Serve(siteURL, s.mux)
	b.Serve(s.op.Issuer(), s.op)
	answer := s.answerURL(b, s.loginURL("alice"))
	real := strings.NewReplacer("STATE", param(answer, "state"), "CODE", param(answer, "code"), "ISS", url.QueryEscape(param(answer, "iss")))
	jar := cookies(httptest.NewRequest("GET", answer, nil), b).Header
	h := s.auth.Handler()
	f.Fuzz(func(t *testing.T, query string, withCookie bool) {
		query = real.Replace(query)
		r := httptest.NewRequest(http.MethodGet, siteURL+"/auth/callback/op", nil)
		r.URL.RawQuery = query
		if withCookie {
			r.Header = jar.Clone()
		}
		r.Header.Set("Accept", "text/html")
		values, err := url.ParseQuery(query)
		if withCookie && err == nil && values.Get("state") == param(answer, "state") && values.Get("iss") == param(answer, "iss") {
			return // this one belongs to the login, and would consume it
		}
		had := s.op.Count(signontest.Token)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Contains(t, []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge}, w.Code)
		require.Equal(t, had, s.op.Count(signontest.Token))
		require.Empty(t, w.Header()["Set-Cookie"])
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		for _, values := range values {
			if v := values[0]; len(v) > 30 {
				require.NotContains(t, w.Body.String(), v)
			}
		}
	})
}

// FuzzTransactionCookie: no value of the login's cookie but its own is taken for it.
func FuzzTransactionCookie(f *testing.F) {
	s := newSite(f, setup{inProcess: true})
	b := signontest.NewBrowser(f)
	b.Serve(siteURL, s.mux)
	b.Serve(s.op.Issuer(), s.op)
	answer := s.answerURL(b, s.loginURL("alice"))
	name, value := s.cookieNamed(b, "__Host-signon-login-")
	for _, seed := range []string{value, value[1:], value[:len(value)-1], value + "A", "." + value, value + "; " + name + "=" + value, "", ".", "a.b.c"} {
		f.Add(seed)
	}
	h := s.auth.Handler()
	f.Fuzz(func(t *testing.T, changed string) {
		r := httptest.NewRequest(http.MethodGet, answer, nil)
		r.Header["Cookie"] = []string{name + "=" + changed}
		if found := r.CookiesNamed(name); len(found) == 1 && found[0].Value == value {
			return
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		require.Equal(t, http.StatusBadRequest, w.Code)
		require.Zero(t, s.op.Count(signontest.Token))
		require.NotContains(t, w.Header().Get("Set-Cookie"), "__Host-session")
	})
}
