package signontest_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

const bye = "https://app.test/bye"

// endSession opens the end_session endpoint.
func endSession(b *signontest.Browser, p *signontest.Provider, q url.Values) *signontest.Page {
	return b.At("https://app.test/").Click(p.URL(signontest.EndSession) + "?" + q.Encode())
}

func TestEndSession(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{Redirects: []string{callback}})
	b := browse(t, p)
	b.Get(authorizeURL(p, nil))
	require.Len(t, b.Cookies(p.Issuer()), 1)
	back := url.Values{"client_id": {p.ClientID()}, "post_logout_redirect_uri": {bye + "?a=1"}, "state": {"s"}}
	require.Equal(t, bye+"?a=1&state=s", endSession(b, p, back).Location())
	require.Empty(t, b.Cookies(p.Issuer()))
	require.Empty(t, p.Sessions())
	require.Equal(t, "login_required", mustQuery(t, b.Get(authorizeURL(p, url.Values{"prompt": {"none"}})).Location()).Get("error"))

	hint := signIn(t, p, nil)["id_token"].(string)
	to := endSession(b, p, url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {bye}})
	require.Equal(t, bye, to.Location())
	require.Contains(t, endSession(b, p, nil).Body, "Signed out", "there is nowhere to go")
	require.Equal(t, http.StatusMethodNotAllowed, b.At(p.Issuer()).Fetch(http.MethodPut, "/end_session").Status)
}

func TestEndSessionIsStrict(t *testing.T) {
	hintOf := func(p *signontest.Provider) string { return signIn(t, p, nil)["id_token"].(string) }
	p := signontest.NewInProcess(signontest.Config{PostLogoutRedirects: []string{bye}})
	other := signontest.NewInProcess(signontest.Config{})
	id, hint := p.ClientID(), hintOf(p)
	logoutToken := p.LogoutToken(aboutAlice)
	for _, test := range []struct {
		name string
		q    url.Values
		want int
	}{
		{"good", url.Values{"client_id": {id}, "id_token_hint": {hint}, "post_logout_redirect_uri": {bye}}, 303},
		{"by the client alone", url.Values{"client_id": {id}, "post_logout_redirect_uri": {bye}}, 303},
		{"nobody", url.Values{"post_logout_redirect_uri": {bye}}, 400},
		{"another client", url.Values{"client_id": {"other"}}, 400},
		{"another client's hint", url.Values{"client_id": {"other"}, "id_token_hint": {hint}}, 400},
		{"no client", url.Values{"client_id": {""}}, 400},
		{"another provider's hint", url.Values{"id_token_hint": {hintOf(other)}}, 400},
		{"a logout token for a hint", url.Values{"id_token_hint": {logoutToken}}, 400},
		{"not registered", url.Values{"client_id": {id}, "post_logout_redirect_uri": {bye + "/"}}, 400},
		{"no URL", url.Values{"client_id": {id}, "post_logout_redirect_uri": {"javascript:alert(1)"}}, 400},
		{"twice", url.Values{"client_id": {id}, "state": {"1", "2"}}, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := browse(t, p)
			b.Get(authorizeURL(p, nil))
			require.Equal(t, test.want, endSession(b, p, test.q).Status)
			require.Equal(t, test.want == 400, len(b.Cookies(p.Issuer())) == 1, "an error signs nobody out")
		})
	}
}

// TestExpiredHint is legal, OpenID Connect RP-Initiated Logout section 2, and so is an
// encrypted one.
func TestExpiredHint(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{IDTokenLife: 1, IDTokenEncryption: toClient()})
	token := signIn(t, p, nil)["id_token"].(string)
	_, signed := open(t, token)
	for _, hint := range []string{token, signed} {
		q := url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {bye}}
		require.Equal(t, bye, endSession(browse(t, p), p, q).Location())
	}
}

// TestEndSessionByPost comes from another site, without the provider's cookie: the session
// is that of the hint. The endpoint's own query is no obstacle.
func TestEndSessionByPost(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{
		BackChannelLogoutURI: backChannel, Endpoints: map[signontest.Endpoint]string{signontest.EndSession: "/bye?policy=1"},
	})
	rp := serveParty(p)
	b := browse(t, p)
	stays := signInAs(t, p, browse(t, p), "alice")
	to := b.Get(authorizeURL(p, nil)).Location()
	_, tokens := post(t, p, signontest.Token, codeForm(mustQuery(t, to).Get("code")))
	sid := part(t, tokens["id_token"], 1)["sid"].(string)
	form := url.Values{"id_token_hint": {tokens["id_token"].(string)}, "post_logout_redirect_uri": {bye}, "state": {"s"}}
	require.Equal(t, bye+"?state=s", b.At("https://app.test/").Post(p.URL(signontest.EndSession), form).Location())
	require.Equal(t, []signontest.Session{{Subject: "alice", ID: sid}}, rp.got(t))
	require.Equal(t, []signontest.Session{stays}, p.Sessions())
	require.Equal(t, "s", p.Requests(signontest.EndSession)[0].Form.Get("state"))
}

// TestHintOfAnotherSession is of no account where the browser has one of its own.
func TestHintOfAnotherSession(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{})
	b, other := browse(t, p), browse(t, p)
	signInAs(t, p, b, "alice")
	to := other.Get(authorizeURL(p, nil)).Location()
	_, tokens := post(t, p, signontest.Token, codeForm(mustQuery(t, to).Get("code")))
	endSession(b, p, url.Values{"id_token_hint": {tokens["id_token"].(string)}})
	left := p.Sessions()
	require.Len(t, left, 1)
	require.Equal(t, part(t, tokens["id_token"], 1)["sid"], left[0].ID)
}

func TestConfirmLogout(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{ConfirmLogout: true, BackChannelLogoutURI: backChannel})
	rp := serveParty(p)
	b := browse(t, p)
	alice := signInAs(t, p, b, "alice")
	q := url.Values{"client_id": {p.ClientID()}, "post_logout_redirect_uri": {bye}, "state": {`"<s>&`}}
	ask := endSession(b, p, q)
	require.Equal(t, http.StatusOK, ask.Status)
	require.Contains(t, ask.Body, "Do you want to sign out here too?")

	no := ask.Submit("logout", url.Values{"decision": {"no"}})
	require.Contains(t, no.Body, "Still signed in")
	require.Equal(t, []signontest.HTMLForm{{ID: "continue", Method: http.MethodGet, Action: bye, Fields: []signontest.Field{{Name: "state", Value: `"<s>&`}}}}, no.Forms())
	require.Contains(t, ask.Submit("logout", nil).Body, "Still signed in", "without a button")
	action := ask.Forms()[0].Action
	require.Equal(t, http.StatusForbidden, b.At("https://evil.test/").Post(p.Issuer()+action, url.Values{"decision": {"yes"}}).Status)
	require.Equal(t, http.StatusForbidden, ask.Click(action).Status)
	require.Equal(t, http.StatusBadRequest, ask.Submit("logout", url.Values{"request": {"%"}}).Status)
	require.Equal(t, http.StatusBadRequest, ask.Submit("logout", url.Values{"request": {"client_id=other"}}).Status)
	require.Equal(t, []signontest.Session{alice}, p.Sessions())
	require.Empty(t, rp.got(t))

	yes := ask.Submit("logout", url.Values{"decision": {"yes"}})
	require.Equal(t, bye+"?"+url.Values{"state": {`"<s>&`}}.Encode(), yes.Location())
	require.Empty(t, p.Sessions())
	require.Equal(t, []signontest.Session{alice}, rp.got(t))
	require.Equal(t, http.StatusBadRequest, endSession(b, p, url.Values{"client_id": {"other"}}).Status, "it does not ask about nonsense")
}

// TestFrames has the page after a logout show the client's, which gets none of the cookies
// that another site's frame does not get.
func TestFrames(t *testing.T) {
	p := signontest.NewInProcess(signontest.Config{FrontChannelLogoutURI: "https://app.test/front?x=1"})
	b := browse(t, p)
	var seen []*http.Request
	b.Serve("https://app.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r)
		w.Header().Set("Set-Cookie", "framed=1; Secure; SameSite=Lax")
	}))
	b.SetCookie("https://app.test/", "lax=1; Secure; SameSite=Lax")
	b.SetCookie("https://app.test/", "none=1; Secure; SameSite=None")
	alice := signInAs(t, p, b, "alice")
	page := endSession(b, p, url.Values{"client_id": {p.ClientID()}, "post_logout_redirect_uri": {bye + "?a=1"}, "state": {"s"}})
	require.Equal(t, http.StatusOK, page.Status)
	frames := page.Frames()
	require.Len(t, frames, 1)
	require.Equal(t, p.FrontChannelLogoutURL(alice), frames[0].URL.String())
	require.Equal(t, url.Values{"x": {"1"}, "iss": {p.Issuer()}, "sid": {alice.ID}}, frames[0].URL.Query())
	require.Len(t, seen, 1)
	require.Equal(t, "none=1", seen[0].Header.Get("Cookie"))
	require.Equal(t, []string{"cross-site", "navigate", "iframe", ""}, []string{
		seen[0].Header.Get("Sec-Fetch-Site"), seen[0].Header.Get("Sec-Fetch-Mode"),
		seen[0].Header.Get("Sec-Fetch-Dest"), seen[0].Header.Get("Sec-Fetch-User"),
	})
	require.NotContains(t, b.Cookies("https://app.test/"), "framed")
	require.Equal(t, bye+"?a=1&state=s", page.Submit("continue", nil).URL.String())

	require.Contains(t, endSession(b, p, nil).Body, "Signed out")
	require.Empty(t, endSession(b, p, nil).Frames(), "nobody was signed in")
	same := b.At("https://app.test/").Frame("/front")
	require.Contains(t, same.Request.Header.Get("Cookie"), "lax=1; none=1", "a frame of its own site")

	p = signontest.NewInProcess(signontest.Config{FrontChannelLogoutURI: "https://app.test/front", NoSessionID: true})
	require.Equal(t, "https://app.test/front", p.FrontChannelLogoutURL(alice))
	require.Empty(t, signontest.NewInProcess(signontest.Config{}).FrontChannelLogoutURL(alice))
}

func TestUserAgent(t *testing.T) {
	b := signontest.NewBrowser(t)
	b.Serve("https://app.test", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.UserAgent())) }))
	require.Contains(t, b.Get("https://app.test/").Body, "signontest")
	b.UserAgent = "Mozilla/5.0 (another)"
	require.Equal(t, b.UserAgent, b.Get("https://app.test/").Body)
}
