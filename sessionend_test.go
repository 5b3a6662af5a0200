package signon_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/signontest"
	"github.com/stretchr/testify/require"
)

// SE-08: a token of kilobytes does not travel in a cookie.
func TestHugeTokens(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	s.op.IDTokenClaims(func(m map[string]any) {
		groups := make([]string, 300)
		for i := range groups {
			groups[i] = fmt.Sprintf("a-long-name-of-a-group-%d", i)
		}
		m["groups"] = groups
	})
	b := s.browser()
	s.signIn(b, "alice")
	require.Len(t, sessionID(b), 43)
	require.Equal(t, http.StatusOK, b.Get(siteURL+"/private").Status)
}

// SE-13: a login ends half an hour after its last use, and eight hours after it
// began.
func TestIdleAndLifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, setup{inProcess: true, op: signontest.Config{TokenLife: 24 * time.Hour}})
		defer s.holds()
		b := s.browser()
		s.signIn(b, "alice")
		time.Sleep(29 * time.Minute)
		require.Equal(t, "op:alice", s.who(b))
		time.Sleep(32 * time.Minute)
		require.Equal(t, nobody, s.who(b))
		login, err := s.logins.Logins(t.Context(), sessionstore.Selector{Issuer: s.op.Issuer(), Subject: "alice"})
		require.NoError(t, err)
		require.Empty(t, login, "it has ended in the store")

		s.signIn(b, "alice")
		for range 19 {
			time.Sleep(25 * time.Minute)
			require.Equal(t, "op:alice", s.who(b))
		}
		time.Sleep(6 * time.Minute)
		require.Equal(t, nobody, s.who(b))
	})
}

// SE-14: what the session store holds is of no use to who reads it.
func TestSessionAtRest(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	s.signIn(b, "alice")
	var dump strings.Builder
	for key, blob := range s.blobs.all() {
		fmt.Fprintf(&dump, "%s %s %s\n", key, blob, hex.EncodeToString(blob))
	}
	recs, err := s.logins.Logins(t.Context(), sessionstore.Selector{Issuer: s.op.Issuer(), Subject: "alice"})
	require.NoError(t, err)
	fmt.Fprintf(&dump, "%s %s", recs[0].IDToken, recs[0].UserInfo)
	for _, secret := range append(s.op.Secrets(), sessionID(b)) {
		require.NotContains(t, dump.String(), secret)
	}
}

// LI-14: a login as another user ends the former one, with its tokens, and carries
// nothing of it over.
func TestLoginAsAnother(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	b := s.browser()
	s.signIn(b, "alice")
	b.Get(siteURL + "/cart?put=private")
	former := sessionID(b)
	recs, err := s.logins.Logins(t.Context(), sessionstore.Selector{Issuer: s.op.Issuer(), Subject: "alice"})
	require.NoError(t, err)
	s.signIn(b, "bob")
	require.NotEqual(t, former, sessionID(b))
	require.Empty(t, b.Get(siteURL+"/cart").Body)
	require.Contains(t, b.Get(siteURL+"/private").Body, `"owner":"bob"`)
	_, err = s.logins.Login(t.Context(), recs[0].ID)
	require.ErrorIs(t, err, sessionstore.ErrNotFound)
	_, err = s.tokens.FetchToken(t.Context(), tokenKey("op", recs[0].Owner))
	require.Error(t, err)

	b.Get(siteURL + "/cart?put=bobs")
	s.signIn(b, "bob")
	require.Equal(t, "bobs", b.Get(siteURL+"/cart").Body, "the same user's session goes on")
}

// SE-01, LI-14: where nothing says who signed in, nobody is the same user as before.
func TestLoginWithoutSubjectCarriesNothing(t *testing.T) {
	s := newSite(t, setup{oauth: true, provider: func(p *signon.Provider) { p.UserInfoURL, p.SubjectClaim = "", "" }})
	defer s.holds()
	b := s.browser()
	s.signIn(b, "alice")
	b.Get(siteURL + "/cart?put=private")
	s.signIn(b, "bob")
	require.Empty(t, b.Get(siteURL+"/cart").Body)
}

// secondProvider registers another provider, of its own users.
func (s *site) secondProvider() (op *signontest.Provider, loginURL string) {
	s.t.Helper()
	op = signontest.New(s.t, signontest.Config{})
	p := op.SignonProvider("op2")
	p.LoginParams = []string{"login_hint"}
	_, err := s.auth.Register(p)
	require.NoError(s.t, err)
	return op, siteURL + "/auth/login/op2?return_to=/me&login_hint="
}

// SE-01, LI-14: without OnLogin each login is for itself: another provider's stays,
// but nothing says that it is of the same user.
func TestTwoPeopleAtTwoProviders(t *testing.T) {
	for _, saves := range []bool{false, true} {
		t.Run(fmt.Sprint("LoadAndSave outside: ", saves), func(t *testing.T) {
			s := newSite(t, setup{saves: saves, config: func(c *signon.Config) { c.KeepOnLogin = []string{"cart"} }})
			_, second := s.secondProvider()
			b := s.browser()
			s.signIn(b, "alice")
			b.Get(siteURL + "/cart?put=private")
			require.Equal(t, "op2:bob", b.Get(second+"bob").FollowAll(10).Body)
			require.Empty(t, b.Get(siteURL+"/cart").Body)
			require.Contains(t, b.Get(siteURL+"/private").Body, `"owner":"alice"`)

			// Those who share a session go on doing so.
			b.Get(siteURL + "/cart?put=shared")
			s.signIn(b, "alice")
			require.Equal(t, "shared", b.Get(siteURL+"/cart").Body)
			s.signIn(b, "bob")
			require.Empty(t, b.Get(siteURL+"/cart").Body, "alice has left")
		})
	}
}

// SE-01, LI-14: with OnLogin the two are one user's, if it says so, and the session
// is that user's.
func TestOneUserAtTwoProviders(t *testing.T) {
	s := newSite(t, setup{config: func(c *signon.Config) {
		c.OnLogin = func(_ context.Context, l *signon.Login) (string, error) { return "user-" + l.Subject, nil }
	}})
	_, second := s.secondProvider()
	b := s.browser()
	s.signIn(b, "alice")
	b.Get(siteURL + "/cart?put=pears")
	require.Equal(t, "op2:alice", b.Get(second+"alice").FollowAll(10).Body)
	require.Equal(t, "pears", b.Get(siteURL+"/cart").Body)
	require.Len(t, s.owners(b), 2)
	require.Equal(t, "op2:bob", b.Get(second+"bob").FollowAll(10).Body)
	require.Empty(t, b.Get(siteURL+"/cart").Body)
	require.Len(t, s.owners(b), 1)
}

// LI-14: a person whom OnLogin now calls another user leaves the first one's session,
// with all that stands in it.
func TestSamePersonAsAnotherUser(t *testing.T) {
	user := "user-1"
	s := newSite(t, setup{config: func(c *signon.Config) {
		c.OnLogin = func(context.Context, *signon.Login) (string, error) { return user, nil }
	}})
	_, second := s.secondProvider()
	b := s.browser()
	require.Equal(t, "op2:alice", b.Get(second+"alice").FollowAll(10).Body)
	s.signIn(b, "alice")
	b.Get(siteURL + "/cart?put=private")
	user = "user-2"
	s.signIn(b, "alice")
	require.Empty(t, b.Get(siteURL+"/cart").Body)
	require.Len(t, s.owners(b), 1)
}

// LI-14: KeepOnLogin is for who was nobody: what was one user's is not the next one's.
func TestKeepOnLoginIsNotForAnother(t *testing.T) {
	for _, saves := range []bool{false, true} {
		t.Run(fmt.Sprint("LoadAndSave outside: ", saves), func(t *testing.T) {
			s := newSite(t, setup{saves: saves, config: func(c *signon.Config) { c.KeepOnLogin = []string{"cart"} }})
			defer s.holds()
			b := s.browser()
			b.Get(siteURL + "/cart?put=pears")
			s.signIn(b, "alice")
			require.Equal(t, "pears", b.Get(siteURL+"/cart").Body)
			s.signIn(b, "bob")
			require.Empty(t, b.Get(siteURL+"/cart").Body)
		})
	}
}

// SE-01, SE-05: of two session cookies LoadAndSave takes one. Neither what it holds,
// KeepOnLogin or not, nor whom it names gets into the session of a login.
func TestTwoSessionCookiesCarryNothing(t *testing.T) {
	s := newSite(t, setup{saves: true, config: func(c *signon.Config) { c.KeepOnLogin = []string{"cart"} }})
	_, second := s.secondProvider()
	for _, signedIn := range []bool{false, true} {
		evil, b := s.browser(), s.browser()
		if signedIn {
			require.Equal(t, "op2:bob", evil.Get(second+"bob").FollowAll(10).Body)
		}
		evil.Get(siteURL + "/cart?put=planted")
		b.Get(siteURL + "/cart?put=own")
		r := cookies(httptest.NewRequest("GET", s.answerURL(b, s.loginURL("alice")), nil), b)
		r.Header.Set("Cookie", sessionCookie+"="+sessionID(evil)+"; "+r.Header.Get("Cookie"))
		w := s.serve(r)
		require.Equal(t, http.StatusSeeOther, w.Code)
		fresh := s.browser()
		for _, ck := range w.Result().Cookies() {
			if ck.Name == sessionCookie {
				setSession(fresh, ck.Value)
			}
		}
		require.Equal(t, "op:alice", s.who(fresh))
		require.Empty(t, fresh.Get(siteURL+"/cart").Body)
		require.NotContains(t, s.owners(fresh), "op2")
	}
}

// LO-20, LO-11: where the current login has ended, another that the session names is
// who is signed in; where a store does not answer, nobody is looked for.
func TestAnotherLoginOfTheSession(t *testing.T) {
	s := newSite(t, setup{})
	op2, second := s.secondProvider()
	b := s.browser()
	s.signIn(b, "alice")
	require.Equal(t, "op2:bob", b.Get(second+"bob").FollowAll(10).Body)
	_, err := s.logins.EndLogins(t.Context(), sessionstore.Selector{Issuer: op2.Issuer(), Subject: "bob"})
	require.NoError(t, err)
	require.Equal(t, "op:alice", s.who(b))
	for _, works := range []int{0, 1} { // how many reads before the store is down
		n := 0
		s.faults.on("logins.Login", func() error {
			if n++; n > works {
				return errDown
			}
			return nil
		})
		require.Equal(t, http.StatusServiceUnavailable, b.Get(siteURL+"/me").Status)
		s.faults.end()
	}
	_, err = s.logins.EndLogins(t.Context(), selectSubject(s, "alice"))
	require.NoError(t, err)
	require.Equal(t, nobody, s.who(b))
}
