package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

const (
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	safari  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"
)

// startCopies starts a provider that tells the first of two copies of a logout, and two
// copies with one database.
func startCopies(t *testing.T, databaseURL string, cfg signontest.Config) (provider *signontest.Provider, first, second *demo) {
	t.Helper()
	provider = signontest.New(t, cfg)
	o := &op{provider: provider.SignonProvider("demo"), builtIn: true}
	folder := t.TempDir()
	first, second = startCopy(t, databaseURL, folder, o), startCopy(t, databaseURL, folder, o)
	provider.SetBackChannelLogoutURI(first.url + "/auth/backchannel-logout/demo")
	return provider, first, second
}

// signIn signs alice in at a copy, with a browser of a kind.
func signIn(t *testing.T, d *demo, userAgent string) *signontest.Browser {
	t.Helper()
	b := signontest.NewBrowser(t)
	b.UserAgent = userAgent
	require.Contains(t, b.Get(d.url+"/me").FollowAll(9).Body, "Alice Adams")
	return b
}

// A user sees where they are signed in, and ends one login after another, whichever copy
// it was signed in at.
func TestEndLogin(t *testing.T) {
	provider, first, second := startCopies(t, "", signontest.Config{})
	here, phone, other := signIn(t, first, firefox), signIn(t, second, safari), signIn(t, second, firefox)
	me := here.Get(first.url + "/me")
	require.Equal(t, 2, strings.Count(me.Body, "<b>Firefox on Linux</b>"))
	require.Equal(t, 1, strings.Count(me.Body, "<b>Safari on iOS</b>"))
	require.Equal(t, 1, strings.Count(me.Body, "this one"))
	require.Contains(t, me.Body, "last seen just now")

	// The newest is first: the other one, the phone, and this one.
	var ids []string
	for _, f := range me.Forms() {
		if f.Action == "/logins/end" {
			ids = append(ids, f.Fields[0].Value)
		}
	}
	require.Len(t, ids, 3)
	end := func(p *signontest.Page, id string) *signontest.Page {
		return p.Submit("/logins/end", url.Values{"id": {id}}).FollowAll(9)
	}
	require.Equal(t, first.url+"/me", end(me, ids[1]).URL.String())
	require.Equal(t, []bool{true, false, true}, []bool{first.signedIn(here), second.signedIn(phone), second.signedIn(other)})
	require.Equal(t, first.url+"/me", end(me, ids[1]).URL.String(), "it is gone already")
	require.Equal(t, 2, strings.Count(here.Get(second.url+"/me").Body, "since "))
	require.Contains(t, second.log.String()+first.log.String(), `cause=ended browser="Safari on iOS"`)

	evil := here.At("http://evil.test/")
	require.Equal(t, http.StatusForbidden, evil.Post(first.url+"/logins/end-all", nil).Status)
	require.True(t, first.signedIn(here))
	require.Equal(t, first.url+"/", end(me, ids[2]).URL.String(), "this one")
	require.False(t, first.signedIn(here))
	require.True(t, first.signedIn(other))
	require.Zero(t, provider.Stats().Revoked, "the token is in use elsewhere")
	require.NotEqual(t, http.StatusOK, here.At(first.url+"/me").Post("/logins/end-all", nil).Status, "nobody is signed in")
}

// An id from a form is looked for among the user's own.
func TestEndLoginOfSomebodyElse(t *testing.T) {
	_, first, second := startCopies(t, "", signontest.Config{Interaction: signontest.Form})
	signInAs := func(user string) (*signontest.Browser, *signontest.Page) {
		b := signontest.NewBrowser(t)
		return b, b.Get(first.url+"/me").FollowAll(9).Submit("login", url.Values{"username": {user}}).FollowAll(9)
	}
	alice, me := signInAs("alice")
	_, bobs := signInAs("bob")
	require.Equal(t, 1, strings.Count(bobs.Body, "since "), "of nobody else")
	var id string
	for _, f := range me.Forms() {
		if f.Action == "/logins/end" {
			id = f.Fields[0].Value
		}
	}
	require.NotEmpty(t, id)
	require.Equal(t, http.StatusOK, bobs.Post("/logins/end", url.Values{"id": {id}}).FollowAll(9).Status)
	require.True(t, second.signedIn(alice))
}

func TestSignOutEverywhere(t *testing.T) {
	eachDatabase(t, func(t *testing.T, databaseURL string) {
		provider, first, second := startCopies(t, databaseURL, signontest.Config{})
		here, phone := signIn(t, first, firefox), signIn(t, second, safari)
		out := here.Get(first.url+"/me").Submit("/logins/end-all", nil).FollowAll(9)
		require.Equal(t, first.url+"/", out.URL.String())
		for _, b := range []*signontest.Browser{here, phone} {
			require.False(t, first.signedIn(b))
			require.False(t, second.signedIn(b))
		}
		require.Positive(t, provider.Stats().Revoked, "with the last login the token goes")
		requireNoToken(t, first)
	})
}

// requireNoToken looks into the store: nobody has a token any more.
func requireNoToken(t *testing.T, d *demo) {
	t.Helper()
	n := 0
	for _, err := range d.db.tokens.Tokens(t.Context()) {
		require.NoError(t, err)
		n++
	}
	require.Zero(t, n)
}

// Signing out leads to the provider's question, and back whatever the answer.
func TestSignOutAtTheProviderToo(t *testing.T) {
	provider, first, second := startCopies(t, "", signontest.Config{ConfirmLogout: true})
	b := signIn(t, second, firefox)
	ask := b.Get(second.url+"/me").Submit("/auth/logout", nil).FollowAll(9)
	require.True(t, strings.HasPrefix(ask.URL.String(), provider.Issuer()), ask.URL)
	require.Contains(t, ask.Body, "has signed you out")
	require.False(t, first.signedIn(b), "signed out here before it is asked")
	require.Len(t, provider.Sessions(), 1)

	no := ask.Submit("logout", url.Values{"decision": {"no"}})
	require.Contains(t, no.Body, "Still signed in")
	require.Len(t, provider.Sessions(), 1)
	require.Equal(t, second.url+"/", no.Submit("continue", nil).FollowAll(9).URL.String())
	require.False(t, first.signedIn(b))

	b = signIn(t, second, firefox)
	ask = b.Get(second.url+"/me").Submit("/auth/logout", nil).FollowAll(9)
	back := ask.Submit("logout", url.Values{"decision": {"yes"}}).FollowAll(9)
	require.Equal(t, second.url+"/", back.URL.String())
	require.Len(t, provider.Sessions(), 1, "the first browser's")
	require.False(t, second.signedIn(b))
	require.Equal(t, http.StatusOK, provider.LogoutAnswers()[0].Status, "the login had ended already")
	requireNoToken(t, first)
}

// Who signs out at the provider alone is signed out of both copies, by the token that one
// of them gets; another browser of the same user is not.
func TestBackChannelBetweenCopies(t *testing.T) {
	eachDatabase(t, func(t *testing.T, databaseURL string) {
		provider, first, second := startCopies(t, databaseURL, signontest.Config{ConfirmLogout: true})
		here, phone := signIn(t, first, firefox), signIn(t, second, safari)
		ask := phone.Get(provider.URL(signontest.EndSession))
		require.Contains(t, ask.Submit("logout", url.Values{"decision": {"yes"}}).Body, "Signed out")
		answers := provider.LogoutAnswers()
		require.Len(t, answers, 1)
		require.Equal(t, http.StatusOK, answers[0].Status, answers[0].Body)
		for _, d := range []*demo{first, second} {
			require.False(t, d.signedIn(phone))
			require.True(t, d.signedIn(here), "another browser is another session")
		}
		require.Contains(t, first.log.String(), `cause=back_channel browser="Safari on iOS"`)
		require.NotContains(t, second.log.String(), "cause=back_channel")

		require.NoError(t, provider.Logout(t.Context(), signontest.Session{Subject: "alice"}))
		require.False(t, first.signedIn(here), "all of the user's")
		requireNoToken(t, second)
	})
}

// A browser lets the form that signs out go where the policy of its page says.
func TestFormAction(t *testing.T) {
	for want, o := range map[string]*op{
		"http://127.0.0.1:8079": {builtIn: true},
		"https:":                {},
		"http:":                 {shared: true},
	} {
		o.provider.Issuer = map[bool]string{true: "http://127.0.0.1:8079", false: want + "//op.example"}[o.builtIn]
		require.Equal(t, want, o.formAction())
	}
	d := startDemo(t, signontest.Config{}, nil)
	page := signontest.NewBrowser(t).Get(d.url + "/")
	require.Contains(t, page.Header.Get("Content-Security-Policy"), "form-action 'self' "+d.provider.Issuer()+";")
}

func TestBuiltInTellsTheFirstCopy(t *testing.T) {
	first, err := openOP(noEnv, "127.0.0.1:0")
	require.NoError(t, err)
	defer first.close()
	d := startCopy(t, "", t.TempDir(), first)
	first.tellAt(d.url)
	b := signontest.NewBrowser(t)
	require.Contains(t, b.Get(d.url+"/me").FollowAll(9).Submit("login", url.Values{"username": {"bob"}}).FollowAll(9).Body, "Bob Brown")
	require.Contains(t, b.Get(first.provider.Issuer+"/end_session").Submit("logout", url.Values{"decision": {"yes"}}).Body, "Signed out")
	require.False(t, d.signedIn(b))

	resp, err := http.Get(first.provider.Issuer + "/.well-known/openid-configuration")
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	var metadata map[string]any
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&metadata))
	require.Equal(t, true, metadata["backchannel_logout_session_supported"])
}
