package signon_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/signontest"
)

const sessionCookie = "__Host-session"

func sessionID(b *signontest.Browser) string { return b.Cookies(siteURL)[sessionCookie] }

func setSession(b *signontest.Browser, id string) {
	b.SetCookie(siteURL, sessionCookie+"="+id+"; Path=/; Secure; HttpOnly; SameSite=Lax")
}

// SE-01: a planted session does not become the victim's, nor does what is in it.
func TestSessionFixation(t *testing.T) {
	for _, saves := range []bool{false, true} {
		t.Run(fmt.Sprint("LoadAndSave outside: ", saves), func(t *testing.T) {
			s := newSite(t, setup{saves: saves})
			defer s.holds()
			attacker, victim := s.browser(), s.browser()
			attacker.Get(siteURL + "/cart?put=planted")
			planted := sessionID(attacker)
			setSession(victim, planted)
			require.Equal(t, "planted", victim.Get(siteURL+"/cart").Body)
			s.signIn(victim, "alice")
			require.NotEqual(t, planted, sessionID(victim))
			require.Empty(t, victim.Get(siteURL+"/cart").Body)
			require.Equal(t, nobody, s.who(attacker))
			require.Empty(t, attacker.Get(siteURL+"/cart").Body, "the old id is dead")
			require.Len(t, s.blobs.all(), 1)
		})
	}
}

// SE-01: what KeepOnLogin names is carried over, and nothing else.
func TestKeepOnLogin(t *testing.T) {
	s := newSite(t, setup{config: func(c *signon.Config) { c.KeepOnLogin = []string{"cart"} }})
	defer s.holds()
	b := s.browser()
	s.mux.Handle("/other", s.sessions.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "" {
			s.sessions.Put(r.Context(), "role", r.URL.RawQuery)
		}
		fmt.Fprint(w, s.sessions.GetString(r.Context(), "role"))
	})))
	b.Get(siteURL + "/cart?put=pears")
	b.Get(siteURL + "/other?admin")
	s.signIn(b, "alice")
	require.Equal(t, "pears", b.Get(siteURL+"/cart").Body)
	require.Empty(t, b.Get(siteURL+"/other").Body)
}

// SE-02, SE-04: a former id, and one that nobody gave out, is nobody's session, and
// no login adopts it.
func TestDeadSessionIDs(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b, old := s.browser(), s.browser()
	var former []string
	for range 2 {
		s.signIn(b, "alice")
		former = append(former, sessionID(b))
	}
	require.Equal(t, http.StatusSeeOther, b.At(siteURL).Post("/auth/logout", nil).Status)
	for _, id := range append(former, strings.Repeat("A", 43), "", "x", strings.Repeat("A", 3000), "' OR 1=1--") {
		old.ClearCookies()
		setSession(old, id)
		require.Equal(t, nobody, s.who(old))
		require.Equal(t, http.StatusUnauthorized, old.At(siteURL).Fetch("GET", "/private").Status)
		s.signIn(old, "alice")
		require.NotEqual(t, id, sessionID(old))
		require.Equal(t, http.StatusSeeOther, old.At(siteURL).Post("/auth/logout", nil).Status)
	}
}

// SE-03: a request that is under way during a logout writes its session back, and
// nobody is signed in by it. SE-09: during a login it does not undo that.
func TestRequestInFlight(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	inside, done := make(chan bool), make(chan bool)
	s.mux.Handle("/slow", s.sessions.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.sessions.Put(r.Context(), "slow", "value")
		inside <- true
		<-done
	})))
	slow := func(b *signontest.Browser) (finish func()) {
		r := cookies(httptest.NewRequest("GET", siteURL+"/slow", nil), b)
		over := make(chan bool)
		go func() { s.app.ServeHTTP(httptest.NewRecorder(), r); close(over) }()
		<-inside
		return func() { done <- true; <-over }
	}
	b := s.browser()
	s.signIn(b, "alice")
	id := sessionID(b)
	finish := slow(b)
	require.Equal(t, http.StatusSeeOther, b.At(siteURL).Post("/auth/logout", nil).Status)
	require.Empty(t, s.blobs.all())
	finish()
	require.Len(t, s.blobs.all(), 1, "the session is back")
	setSession(b, id)
	require.Equal(t, nobody, s.who(b))
	require.Equal(t, http.StatusUnauthorized, b.At(siteURL).Fetch("GET", "/private").Status)

	answer := s.answerURL(b, s.loginURL("bob"))
	finish = slow(b)
	page := b.Get(answer)
	finish()
	require.Equal(t, http.StatusOK, page.FollowAll(3).Status)
	require.Equal(t, "op:bob", s.who(b))
}

// SE-05: two session cookies are none, and both go, wherever the second came from.
func TestTwoSessionCookies(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	attacker, victim := s.browser(), s.browser()
	s.signIn(attacker, "bob")
	s.signIn(victim, "alice")
	for _, pair := range [][2]string{{sessionID(victim), sessionID(attacker)}, {sessionID(attacker), sessionID(victim)}} {
		request := func(path, mode string) *http.Request {
			r := httptest.NewRequest("GET", siteURL+path, nil)
			r.Header.Set("Cookie", fmt.Sprintf("%s=%s; %s=%s", sessionCookie, pair[0], sessionCookie, pair[1]))
			r.Header.Set("Sec-Fetch-Mode", mode)
			return r
		}
		for _, path := range []string{"/me", "/private"} {
			for mode, status := range map[string]int{"cors": http.StatusUnauthorized, "navigate": http.StatusSeeOther} {
				w := s.serve(request(path, mode))
				require.Equal(t, status, w.Code)
				require.Contains(t, w.Header().Get("Set-Cookie"), sessionCookie+"=;")
			}
		}
		// A login gets a session of its own.
		other := s.browser()
		answer := s.answerURL(other, s.loginURL("alice"))
		r := cookies(httptest.NewRequest("GET", answer, nil), other)
		r.Header.Set("Cookie", r.Header.Get("Cookie")+"; "+request("/", "").Header.Get("Cookie"))
		w := s.serve(r)
		require.Equal(t, http.StatusSeeOther, w.Code)
		for _, ck := range w.Result().Cookies() {
			if ck.Name == sessionCookie {
				require.NotContains(t, pair, ck.Value)
				setSession(other, ck.Value)
			}
		}
		require.Equal(t, "op:alice", s.who(other))
	}
	require.Equal(t, "op:bob", s.who(attacker))
	require.Equal(t, "op:alice", s.who(victim))

	// A logout ends the user's session, whichever of the two that is.
	r := httptest.NewRequest("POST", siteURL+"/auth/logout", nil)
	r.Header.Set("Cookie", fmt.Sprintf("%[1]s=%[2]s; %[1]s=%[3]s", sessionCookie, sessionID(attacker), sessionID(victim)))
	require.Equal(t, http.StatusSeeOther, s.serve(r).Code)
	require.Equal(t, nobody, s.who(victim))
}

// SE-05: a cookie of another name may have been set for a whole domain.
func TestTossedCookieIsCleared(t *testing.T) {
	sessions := sessionstore.NewManager(nil)
	sessions.Cookie.Name = "session"
	auth, err := signon.New(signon.Config{BaseURL: "https://www.app.example.com:8443", Keys: siteKeys, Sessions: sessions, Logger: quiet()})
	require.NoError(t, err)
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "https://www.app.example.com:8443/", nil)
	r.Header.Set("Cookie", "session=a; session=b")
	auth.RequireLogin(http.NotFoundHandler()).ServeHTTP(w, r)
	var domains []string
	for _, ck := range w.Result().Cookies() {
		require.Equal(t, "session", ck.Name)
		require.Negative(t, ck.MaxAge)
		domains = append(domains, ck.Domain)
	}
	require.Equal(t, []string{"", "www.app.example.com", "app.example.com", "example.com"}, domains)
}

// SE-06: ten thousand cookies are no session and no login, and no work to speak of.
func TestManyCookies(t *testing.T) {
	s := newSite(t, setup{})
	b := s.browser()
	s.signIn(b, "alice")
	for name, cookie := range map[string]string{
		"tiny": "a=b; ", "session": sessionCookie + "=x; ", "chunked": sessionCookie + "-99999999=x; ",
		"pending": "__Host-signon-login-AAAAAAAAAAAAAAAA=zzzzzzz.A; ", "answers": "__Host-signon-answer-AAAAAAAAAAAAAAAA=zzzzzzz.A; ",
	} {
		for _, n := range []int{60, 10_000} {
			t.Run(fmt.Sprint(n, " ", name), func(t *testing.T) {
				r := httptest.NewRequest("GET", siteURL+"/auth/callback/op?state=x&code=y", nil)
				r.Header.Set("Cookie", strings.Repeat(cookie, n))
				begun := time.Now()
				require.Equal(t, http.StatusBadRequest, s.serve(r).Code)
				r.URL.Path = "/me"
				require.Equal(t, http.StatusUnauthorized, s.serve(r).Code)
				r.URL.Path = "/auth/login/op"
				w := s.serve(r)
				require.Equal(t, http.StatusSeeOther, w.Code)
				require.LessOrEqual(t, len(w.Header()["Set-Cookie"]), 66)
				require.Less(t, time.Since(begun), time.Second)
			})
		}
	}
	require.Equal(t, "op:alice", s.who(b))
}

// SE-07: a session that cannot be read is none; the user signs in again.
func TestUnreadableSession(t *testing.T) {
	for name, spoil := range map[string]func([]byte) []byte{
		"garbage":       func([]byte) []byte { return []byte("\x99garbage") },
		"empty":         func([]byte) []byte { return nil },
		"truncated":     func(b []byte) []byte { return b[:len(b)/2] },
		"newer version": func(b []byte) []byte { return append([]byte{b[0] + 1}, b[1:]...) },
		"gob": func([]byte) []byte {
			b, err := scs.GobCodec{}.Encode(time.Now().Add(time.Hour), map[string]any{"a": "b"})
			require.NoError(t, err)
			return b
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, setup{})
			defer s.holds()
			b := s.browser()
			s.signIn(b, "alice")
			s.blobs.rewrite(spoil)
			require.Equal(t, nobody, s.who(b))
			page := b.Get(siteURL + "/private").FollowAll(6)
			require.Equal(t, http.StatusOK, page.Status)
			require.Equal(t, "op:alice", s.who(b))
		})
	}
}

// SE-07, ST-04, at rest: a login that was sealed with a key that is gone is none, and
// nobody gets a 500 for it.
func TestUnreadableIDToken(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	s.signIn(b, "alice")
	later := s.registry(func(c *signon.Config) { c.Keys = [][]byte{sum("new")} })
	w := httptest.NewRecorder()
	later.RequireLogin(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("somebody was let in")
	})).ServeHTTP(w, cookies(httptest.NewRequest("GET", siteURL+"/", nil), b))
	require.Equal(t, http.StatusUnauthorized, w.Code)
}
