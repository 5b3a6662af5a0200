package signontest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

// A relyingParty is a client that takes logout tokens and remembers them.
type relyingParty struct {
	status int

	mu     sync.Mutex
	tokens []string
	forms  []url.Values
}

func (rp *relyingParty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	rp.mu.Lock()
	defer rp.mu.Unlock()
	rp.tokens = append(rp.tokens, r.PostForm.Get("logout_token"))
	rp.forms = append(rp.forms, r.PostForm)
	w.Header().Set("Cache-Control", "no-store")
	if rp.status == http.StatusSeeOther {
		w.Header().Set("Location", "/elsewhere")
	}
	w.WriteHeader(rp.status)
	_, _ = w.Write([]byte("the answer"))
}

// got returns what the tokens said, and forgets them.
func (rp *relyingParty) got(t *testing.T) []signontest.Session {
	t.Helper()
	rp.mu.Lock()
	defer rp.mu.Unlock()
	var all []signontest.Session
	for _, token := range rp.tokens {
		claims := part(t, token, 1)
		sub, _ := claims["sub"].(string)
		sid, _ := claims["sid"].(string)
		all = append(all, signontest.Session{Subject: sub, ID: sid})
	}
	rp.tokens = nil
	return all
}

const backChannel = "https://app.test/backchannel"

func serveParty(p *signontest.Provider) *relyingParty {
	rp := &relyingParty{status: http.StatusOK}
	p.Serve("https://app.test", rp)
	return rp
}

func TestSendLogoutToken(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{})
	rp := serveParty(p)
	a := p.SendLogoutToken(t.Context(), backChannel, aboutAlice)
	require.NoError(t, a.Err)
	require.Equal(t, []any{200, "the answer", "no-store", backChannel}, []any{a.Status, a.Body, a.Header.Get("Cache-Control"), a.URI})
	require.Equal(t, []url.Values{{"logout_token": {a.Token}}}, rp.forms)
	require.Equal(t, []signontest.Session{aboutAlice}, rp.got(t))
	require.Equal(t, []signontest.LogoutAnswer{a}, p.LogoutAnswers())

	rp.status = http.StatusSeeOther
	require.Equal(t, http.StatusSeeOther, p.PostLogoutToken(t.Context(), backChannel, "an ID token").Status)
	require.Equal(t, "an ID token", rp.tokens[0])
	require.Len(t, rp.tokens, 1, "a redirect is not followed")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, p.PostLogoutToken(ctx, backChannel, "x").Err, context.Canceled)
	require.Error(t, p.PostLogoutToken(t.Context(), "://", "x").Err)
	require.Panics(t, func() { p.Serve("app.test", rp) })
}

func TestSendLogoutTokenOverTheNetwork(t *testing.T) {
	rp := &relyingParty{status: http.StatusNoContent}
	server := httptest.NewServer(rp)
	defer server.Close()
	p := signontest.New(t, signontest.Config{BackChannelLogoutURI: server.URL + "/x"})
	require.NoError(t, p.Logout(t.Context(), aboutAlice))
	require.Equal(t, []signontest.Session{aboutAlice}, rp.got(t))
	server.Close()
	require.Error(t, p.Logout(t.Context(), aboutAlice))
}

// signInAs signs a user in at the provider alone and returns the session of the ID token.
func signInAs(t *testing.T, p *signontest.Provider, b *signontest.Browser, user string) signontest.Session {
	t.Helper()
	to := b.Get(authorizeURL(p, url.Values{"login_hint": {user}})).Location()
	_, tokens := post(t, p, signontest.Token, codeForm(mustQuery(t, to).Get("code")))
	claims := part(t, tokens["id_token"], 1)
	sid, _ := claims["sid"].(string)
	return signontest.Session{Subject: claims["sub"].(string), ID: sid}
}

func TestSessionIDs(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{})
	b, other := browse(t, p), browse(t, p)
	first, second := signInAs(t, p, b, "alice"), signInAs(t, p, other, "alice")
	require.NotEmpty(t, first.ID)
	require.NotEqual(t, first, second, "another browser is another session")
	require.Equal(t, first, signInAs(t, p, b, "alice"), "by the session that is there")
	require.Equal(t, []signontest.Session{first, second}, p.Sessions())
	for _, cookie := range b.Cookies(p.Issuer()) {
		require.NotEqual(t, first.ID, cookie)
	}

	// Whoever authenticates once more has the same session; somebody else takes its place.
	b.Get(authorizeURL(p, url.Values{"prompt": {"login"}, "login_hint": {"alice"}}))
	require.Equal(t, []signontest.Session{second, first}, p.Sessions())
	bob := signInAs(t, p, b, "bob")
	require.Equal(t, []signontest.Session{second, bob}, p.Sessions())
	require.NotEqual(t, first.ID, bob.ID)

	_, meta := get(t, p, p.URL(signontest.Metadata), nil)
	require.Equal(t, []any{true, true, true, true}, logoutSupport(meta))
	p = signontest.NewInProcess(signontest.Config{NoSessionID: true})
	require.Empty(t, signInAs(t, p, browse(t, p), "alice").ID)
	_, meta = get(t, p, p.URL(signontest.Metadata), nil)
	require.Equal(t, []any{true, false, true, false}, logoutSupport(meta))
}

func logoutSupport(meta map[string]any) []any {
	return []any{
		meta["backchannel_logout_supported"], meta["backchannel_logout_session_supported"],
		meta["frontchannel_logout_supported"], meta["frontchannel_logout_session_supported"],
	}
}

func TestLogout(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{BackChannelLogoutURI: backChannel})
	rp := serveParty(p)
	one, two, bob := signInAs(t, p, browse(t, p), "alice"), signInAs(t, p, browse(t, p), "alice"), signInAs(t, p, browse(t, p), "bob")

	require.NoError(t, p.Logout(t.Context(), signontest.Session{ID: one.ID}))
	require.Equal(t, []signontest.Session{one}, rp.got(t), "with the subject of the session")
	require.Equal(t, []signontest.Session{two, bob}, p.Sessions())
	require.NoError(t, p.Logout(t.Context(), signontest.Session{Subject: "alice"}))
	require.Equal(t, []signontest.Session{{Subject: "alice"}}, rp.got(t), "one token for all sessions")
	require.Equal(t, []signontest.Session{bob}, p.Sessions())

	rp.status = http.StatusBadRequest
	require.ErrorContains(t, p.Logout(t.Context(), bob), "400: the answer")
	require.Empty(t, p.Sessions(), "signed out at the provider all the same")
	p.SetBackChannelLogoutURI("")
	require.NoError(t, p.Logout(t.Context(), bob))
	require.Equal(t, []signontest.Session{bob}, rp.got(t))

	p = signontest.NewInProcess(signontest.Config{NoSessionID: true})
	rp = serveParty(p)
	p.SetBackChannelLogoutURI(backChannel)
	require.NoError(t, p.Logout(t.Context(), aboutAlice))
	require.Equal(t, []signontest.Session{{Subject: "alice"}}, rp.got(t))
}

// TestBackChannelDelay has the token come before the answer, or as late as is said, and
// not at all once the provider is closed.
func TestBackChannelDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, delay := range []time.Duration{0, time.Minute} {
			p := signontest.NewInProcess(signontest.Config{BackChannelLogoutURI: backChannel, BackChannelDelay: delay})
			rp := serveParty(p)
			b := browse(t, p)
			alice := signInAs(t, p, b, "alice")
			begun := time.Now()
			require.Contains(t, b.Get(p.URL(signontest.EndSession)).Body, "Signed out")
			require.Zero(t, time.Since(begun))
			require.Equal(t, delay > 0, len(rp.got(t)) == 0)
			if delay > 0 {
				time.Sleep(delay)
				synctest.Wait()
				require.Equal(t, []signontest.Session{alice}, rp.got(t))
			}
			signInAs(t, p, b, "alice")
			b.Get(p.URL(signontest.EndSession))
			p.Close()
			require.Equal(t, delay > 0, len(rp.got(t)) == 0)
		}
	})
}
