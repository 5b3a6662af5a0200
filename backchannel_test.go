package signon_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

const backChannelPath = "/auth/backchannel-logout/op"

// post has a replica answer the provider's POST of a logout token.
func (f *fleet) post(replica int, token string) *httptest.ResponseRecorder {
	return f.posted(replica, formOf(backChannelPath, url.Values{"logout_token": {token}}))
}

func (f *fleet) posted(replica int, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	f.replicas[replica].mux.ServeHTTP(w, r)
	return w
}

func formOf(path string, form url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, siteURL+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// sessionOf is the provider's session of a browser's login.
func (f *fleet) sessionOf(b *signontest.Browser) signontest.Session {
	f.t.Helper()
	rec, err := f.replicas[0].logins.Login(f.t.Context(), f.loginOf(b))
	require.NoError(f.t, err)
	require.NotEmpty(f.t, rec.SID)
	return signontest.Session{Subject: rec.Subject, ID: rec.SID}
}

// requireDone: section 2.8.
func requireDone(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.Empty(t, w.Body.String())
	require.Equal(t, []string{"no-store"}, w.Header()["Cache-Control"])
	require.Empty(t, w.Header()["Set-Cookie"])
}

// requireNotDone wants the JSON of section 2.8, with words that are fixed.
func requireNotDone(t *testing.T, w *httptest.ResponseRecorder, status int, code string) {
	t.Helper()
	require.Equal(t, status, w.Code, w.Body)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.Equal(t, []string{"no-store"}, w.Header()["Cache-Control"])
	require.Empty(t, w.Header()["Set-Cookie"])
	var said map[string]string
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &said))
	require.Equal(t, code, said["error"])
	require.Len(t, said["error_id"], 26)
	require.Contains(t, []string{
		"The logout token is not valid.", "The logout could not be completed. Please send it again.",
		"Expected a POST of a form with one logout_token, of 64 KiB at most.",
	}, said["error_description"])
	require.Len(t, said, 3)
}

// LO-20, LO-21, LO-34, LO-39: of a user in three browsers one is ended by sid, and then all
// by sub, on both replicas; whoever else is signed in stays so. The tokens go with the
// logins that own them.
func TestBackChannelLogout(t *testing.T) {
	eachStore(t, fleetOptions{}, func(t *testing.T, f *fleet) {
		var alice []*signontest.Browser
		var ids []string
		for i := range 4 {
			f.at.Store(int32(i % 2))
			alice = append(alice, f.signIn("alice"))
			ids = append(ids, f.loginOf(alice[i]))
		}
		bob := f.signIn("bob")
		said := func() (list []string) {
			for _, b := range append(alice, bob) {
				list = append(list, f.who(b))
			}
			return list
		}
		of := f.sessionOf(alice[1])

		for _, about := range []signontest.Session{
			{Subject: "bob", ID: of.ID}, {Subject: "carol"}, {ID: "sid-of-nobody"}, {ID: strings.ToLower(of.ID)},
		} {
			requireDone(t, f.post(0, f.op.LogoutToken(about)))
		}
		require.Equal(t, []string{"alice", "alice", "alice", "alice", "bob"}, said())
		require.Empty(t, f.endings())

		requireDone(t, f.post(0, f.op.LogoutToken(signontest.Session{ID: of.ID})))
		require.Equal(t, []string{"alice", nobody, "alice", "alice", "bob"}, said())
		require.Equal(t, []ending{{0, ids[1], ids[1], signon.LoggedOutBackChannel}}, f.endings())
		f.requireTokens(false, ids[1])
		f.requireTokens(true, ids[0], ids[2], ids[3])
		requireDone(t, f.post(1, f.op.LogoutToken(of))) // LO-34: another token about it

		requireDone(t, f.post(1, f.op.LogoutToken(f.sessionOf(alice[0])))) // both sub and sid
		require.Equal(t, []string{nobody, nobody, "alice", "alice", "bob"}, said())
		f.endings()

		requireDone(t, f.post(1, f.op.LogoutToken(signontest.Session{Subject: "alice"})))
		require.Equal(t, []string{nobody, nobody, nobody, nobody, "bob"}, said())
		require.ElementsMatch(t, []ending{
			{1, ids[2], ids[2], signon.LoggedOutBackChannel}, {1, ids[3], ids[3], signon.LoggedOutBackChannel},
		}, f.endings())
		f.requireTokens(false, ids...)
		require.NotContains(t, f.log.String(), of.ID)
	})
}

// LO-39: a token of the user's own stays, as without the logout.
func TestBackChannelLogoutKeepsUserTokens(t *testing.T) {
	f := newFleet(t, "memory", fleetOptions{owned: true})
	b := f.signIn("alice")
	requireDone(t, f.post(1, f.op.LogoutToken(f.sessionOf(b))))
	require.Equal(t, nobody, f.who(b))
	f.requireTokens(true, "user-alice")
}

// LO-37: a sid and a sub mean something at their own issuer only.
func TestBackChannelLogoutOfOneIssuer(t *testing.T) {
	eachStore(t, fleetOptions{}, func(t *testing.T, f *fleet) {
		b := f.signIn("alice")
		logins := f.replicas[0].logins
		for _, issuer := range []string{"https://other.example", f.op.Issuer() + "/", strings.ToUpper(f.op.Issuer()), ""} {
			other, err := logins.Login(t.Context(), f.loginOf(b))
			require.NoError(t, err)
			other = other.Clone()
			other.ID, other.Issuer = "login at "+issuer, issuer
			require.NoError(t, logins.CreateLogin(t.Context(), other))
		}
		of := f.sessionOf(b)
		requireDone(t, f.post(0, f.op.LogoutToken(of)))
		requireDone(t, f.post(0, f.op.LogoutToken(signontest.Session{ID: of.ID})))
		requireDone(t, f.post(0, f.op.LogoutToken(signontest.Session{Subject: of.Subject})))
		require.Equal(t, nobody, f.who(b))
		for _, issuer := range []string{"https://other.example", f.op.Issuer() + "/", strings.ToUpper(f.op.Issuer()), ""} {
			_, err := logins.Login(t.Context(), "login at "+issuer)
			require.NoError(t, err)
		}
	})
}

// logoutShapes are what a provider may do wrong, and what it may not.
var logoutShapes = []struct {
	row   string
	fault signontest.Fault
	ok    bool
}{
	{"LO-22", signontest.NoSubjectNorSession, false},
	{"LO-22", signontest.EmptySubject, false},
	{"LO-22", signontest.EmptySession, false},
	{"LO-22", signontest.NumberSession, false},
	{"LO-22", signontest.DuplicateClaim, false},
	{"LO-21", signontest.MissingSubject, true},
	{"LO-23", signontest.NoEvents, false},
	{"LO-23", signontest.NullEvents, false},
	{"LO-23", signontest.StringEvents, false},
	{"LO-23", signontest.ArrayEvents, false},
	{"LO-23", signontest.OtherEvent, false},
	{"LO-23", signontest.MistypedEvent, false},
	{"LO-23", signontest.EventNotObject, false},
	{"LO-23", signontest.NullEvent, false},
	{"LO-23", signontest.MoreEvents, true},
	{"LO-23", signontest.EventWithMembers, true},
	{"LO-24", signontest.LogoutNonce, false},
	{"LO-24", signontest.LogoutNullNonce, false},
	{"LO-25", signontest.AlgNone, false},
	{"LO-25", signontest.AlgHS256, false},
	{"LO-25", signontest.AlgHS256Secret, false},
	{"LO-25", signontest.OtherAlg, false},
	{"LO-25", signontest.BadSignature, false},
	{"LO-25", signontest.ForeignKey, false},
	{"LO-25", signontest.EmbeddedKey, false},
	{"LO-25", signontest.UnknownKid, false},
	{"LO-25", signontest.CritHeader, false},
	{"LO-26", signontest.WrongIssuer, false},
	{"LO-26", signontest.NoIssuer, false},
	{"LO-26", signontest.SlashIssuer, false},
	{"LO-27", signontest.WrongAudience, false},
	{"LO-27", signontest.NoAudience, false},
	{"LO-27", signontest.ExtraAudience, false},
	{"LO-27", signontest.ForeignAZP, false},
	{"LO-28", signontest.NoExpiry, false},
	{"LO-28", signontest.ExpiredIDToken, false},
	{"LO-28", signontest.NoIssuedAt, false},
	{"LO-28", signontest.OldIDToken, false},
	{"LO-28", signontest.FutureIssuedAt, false},
	{"LO-28", signontest.NotYetValid, false},
	{"LO-28", signontest.NoJTI, false},
	{"LO-28", signontest.EmptyJTI, false},
	{"LO-28", signontest.NumberJTI, false},
	{"LO-32", signontest.WrongTyp, false},
	{"LO-32", signontest.IDTokenTyp, false},
	{"LO-32", signontest.JWTTyp, true},
	{"LO-32", signontest.NoTyp, true},
	{"encrypted", signontest.EncryptedIDToken, false},
	{"right", "", true},
}

// LO-22 to LO-28, LO-32: whatever is not a logout token for this client signs nobody out.
func TestBackChannelLogoutShapes(t *testing.T) {
	f := newFleet(t, "memory", fleetOptions{})
	for _, tt := range logoutShapes {
		t.Run(tt.row+" "+string(tt.fault), func(t *testing.T) {
			b := f.signIn("alice")
			if tt.fault != "" {
				f.op.Arm(tt.fault)
			}
			token := f.op.LogoutToken(f.sessionOf(b))
			f.op.Disarm()
			w := f.post(0, token)
			if tt.ok {
				requireDone(t, w)
				require.Equal(t, nobody, f.who(b))
				return
			}
			requireNotDone(t, w, http.StatusBadRequest, "invalid_request")
			require.Equal(t, "alice", f.who(b))
			require.NotContains(t, f.log.String(), token)
		})
	}
}

// LO-31: an ID token that somebody has stolen signs nobody out, nor does one that has been
// dressed up; and a logout token signs nobody in.
func TestStolenIDTokenIsNoLogoutToken(t *testing.T) {
	var login *signon.Login
	f := newFleet(t, "memory", fleetOptions{config: func(_ int, c *signon.Config) { c.OnLogin = keepLogin(&login) }})
	b := f.signIn("alice")
	stolen, err := login.IDToken()
	require.NoError(t, err)
	require.NotEmpty(t, stolen)
	requireNotDone(t, f.post(0, stolen), http.StatusBadRequest, "invalid_request")
	require.Equal(t, "alice", f.who(b))

	about := f.sessionOf(b)
	f.op.IDToken(func(string) string { return f.op.LogoutToken(about) })
	page := f.browser().Get(siteURL + "/auth/login/op").FollowAll(10)
	require.Equal(t, http.StatusBadGateway, page.Status)
}

// LO-32, LO-28: what a provider's settings make of the type and of exp.
func TestBackChannelLogoutSettings(t *testing.T) {
	strict := func(_ int, p *signon.Provider) { p.RequireLogoutType = true }
	endless := func(_ int, p *signon.Provider) { p.InsecureEndlessLogoutToken = true }
	for _, tt := range []struct {
		name     string
		provider func(int, *signon.Provider)
		fault    signontest.Fault
		status   int
	}{
		{"the type required", strict, "", 200},
		{"the type required, JWT", strict, signontest.JWTTyp, 400},
		{"the type required, none", strict, signontest.NoTyp, 400},
		{"without exp", endless, signontest.NoExpiry, 200},
		{"without exp, old", endless, signontest.OldIDToken, 400},
		{"without exp, expired", endless, signontest.ExpiredIDToken, 400},
		{"without exp and iat", endless, signontest.NoIssuedAt, 400},
		{"another audience that is trusted", func(_ int, p *signon.Provider) { p.TrustedAudiences = []string{"other-client"} }, signontest.ExtraAudience, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFleet(t, "memory", fleetOptions{provider: tt.provider})
			b := f.signIn("alice")
			if tt.fault != "" {
				f.op.Arm(tt.fault)
			}
			w := f.post(0, f.op.LogoutToken(f.sessionOf(b)))
			require.Equal(t, tt.status, w.Code, "%s\n%s", w.Body, f.log)
			require.Equal(t, tt.status == http.StatusOK, f.who(b) == nobody)
		})
	}
}

// LO-21: where openid is not asked for nobody is known as the provider knows them, and a
// token that is right in all else does nothing.
func TestBackChannelLogoutWithoutOpenID(t *testing.T) {
	f := newFleet(t, "memory", fleetOptions{provider: func(replica int, p *signon.Provider) {
		if replica == 1 {
			p.Scopes = []string{"profile"}
		}
	}})
	token := f.op.LogoutToken(signontest.Session{Subject: "alice"})
	requireNotDone(t, f.post(1, token), http.StatusBadRequest, "invalid_request")
	requireDone(t, f.post(0, token))
}

// LO-26: a token of one provider is none at another's endpoint; nor is it at one that
// speaks plain OAuth 2.0, where nobody is known as the provider knows them.
func TestBackChannelLogoutAtAnother(t *testing.T) {
	f := newFleet(t, "memory", fleetOptions{})
	other := f.op.SignonProvider("other-client")
	other.ClientID = "other-client"
	for _, p := range []signon.Provider{other, f.op.OAuthProvider("plain")} {
		_, err := f.replicas[0].auth.Register(p)
		require.NoError(t, err)
	}
	b := f.signIn("alice")
	token := f.op.LogoutToken(f.sessionOf(b))
	for _, name := range []string{"other-client", "plain"} {
		w := f.posted(0, formOf("/auth/backchannel-logout/"+name, url.Values{"logout_token": {token}}))
		requireNotDone(t, w, http.StatusBadRequest, "invalid_request")
		require.Equal(t, "alice", f.who(b))
	}
	require.Equal(t, http.StatusNotFound, f.posted(0, formOf("/auth/backchannel-logout/unknown", nil)).Code)
	requireDone(t, f.post(0, token))
}

// LO-20: of many tenants, and encrypted as ID tokens are.
func TestBackChannelLogoutAsIDTokensAre(t *testing.T) {
	const tenant = "9188040d-6c67-4c5b-b112-36a304b66dad"
	encrypted := signontest.Config{IDTokenEncryption: signontest.Encryption{Alg: "ECDH-ES", Enc: "A256GCM"}}
	for _, tt := range []struct {
		name  string
		op    signontest.Config
		wrong signontest.Fault
	}{
		{"encrypted", encrypted, signontest.PlainIDToken},
		{"encrypted and not signed", encrypted, signontest.UnsignedJWE},
		{"encrypted twice", encrypted, signontest.NestedJWE},
		{"of a tenant", signontest.Config{Issuer: "https://op.example/{tenantid}/v2.0", Tenant: tenant}, signontest.WrongIssuer},
		{"ES256", signontest.Config{SigningAlg: "ES256"}, signontest.OtherAlg},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFleet(t, "memory", fleetOptions{op: tt.op})
			b := f.signIn("alice")
			f.op.Arm(tt.wrong)
			requireNotDone(t, f.post(0, f.op.LogoutToken(f.sessionOf(b))), http.StatusBadRequest, "invalid_request")
			require.Equal(t, "alice", f.who(b))
			f.op.Disarm()
			requireDone(t, f.post(1, f.op.LogoutToken(f.sessionOf(b))))
			require.Equal(t, nobody, f.who(b))
		})
	}
}

// LO-33: what is no such request, and what a provider's need not have: cookies, an origin.
func TestBackChannelLogoutRequests(t *testing.T) {
	f := newFleet(t, "memory", fleetOptions{})
	b := f.signIn("alice")
	token := f.op.LogoutToken(f.sessionOf(b))
	form := url.Values{"logout_token": {token}}
	typed := func(contentType, body string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, siteURL+backChannelPath, strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		return r
	}
	for _, tt := range []struct {
		name   string
		r      *http.Request
		status int
	}{
		{"GET", httptest.NewRequest(http.MethodGet, siteURL+backChannelPath+"?"+form.Encode(), nil), 405},
		{"HEAD", httptest.NewRequest(http.MethodHead, siteURL+backChannelPath+"?"+form.Encode(), nil), 405},
		{"PUT", httptest.NewRequest(http.MethodPut, siteURL+backChannelPath, strings.NewReader(form.Encode())), 405},
		{"nothing", typed("application/x-www-form-urlencoded", ""), 400},
		{"an empty token", formOf(backChannelPath, url.Values{"logout_token": {""}}), 400},
		{"another parameter", formOf(backChannelPath, url.Values{"token": {token}}), 400},
		{"twice", formOf(backChannelPath, url.Values{"logout_token": {token, token}}), 400},
		{"in the query", formOf(backChannelPath+"?"+form.Encode(), nil), 400},
		{"in the query too", formOf(backChannelPath+"?"+form.Encode(), form), 400},
		{"JSON", typed("application/json", `{"logout_token":"`+token+`"}`), 400},
		{"a JWT", typed("application/jwt", token), 400},
		{"a form that does not parse", typed("application/x-www-form-urlencoded", "logout_token=%zz"), 400},
		{"64 KiB and more", formOf(backChannelPath, url.Values{"logout_token": {strings.Repeat("A", 64<<10)}}), 413},
		{"1 MB", formOf(backChannelPath, url.Values{"logout_token": {token}, "x": {strings.Repeat("A", 1<<20)}}), 413},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := f.posted(0, tt.r)
			if tt.status == http.StatusMethodNotAllowed {
				require.Equal(t, "POST", w.Header().Get("Allow"))
			}
			requireNotDone(t, w, tt.status, "invalid_request")
			require.Equal(t, "alice", f.who(b))
		})
	}
	bob := f.signIn("bob")
	r := cookies(formOf(backChannelPath, url.Values{"logout_token": {token}, "something": {"else"}}), bob)
	r.Header.Set("Origin", f.op.Issuer())
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Purpose", "prefetch")
	requireDone(t, f.posted(0, r))
	require.Equal(t, nobody, f.who(b))
	require.Equal(t, "bob", f.who(bob))
}

// The method under the handler, for those who answer themselves.
func TestOwnBackChannelHandler(t *testing.T) {
	f := newFleet(t, "memory", fleetOptions{})
	var failed error
	own := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if failed = f.replicas[1].client.BackChannelLogout(w, r); failed != nil {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	b := f.signIn("alice")
	w := httptest.NewRecorder()
	own.ServeHTTP(w, formOf("/own", url.Values{"logout_token": {"garbage"}}))
	require.Equal(t, http.StatusTeapot, w.Code)
	require.ErrorIs(t, failed, signon.ErrRequest)
	w = httptest.NewRecorder()
	own.ServeHTTP(w, formOf("/own", url.Values{"logout_token": {f.op.LogoutToken(f.sessionOf(b))}}))
	require.Equal(t, http.StatusNoContent, w.Code)
	require.Equal(t, []string{"no-store"}, w.Header()["Cache-Control"])
	require.Equal(t, nobody, f.who(b))
}

// LO-20: the whole way, from the provider's own logout on.
func TestProviderLogsOut(t *testing.T) {
	f := newFleet(t, "memory", fleetOptions{op: signontest.Config{BackChannelLogoutURI: siteURL + backChannelPath}})
	f.op.Serve(siteURL, f)
	first, second := f.signIn("alice"), f.signIn("alice")
	require.NoError(t, f.op.Logout(t.Context(), signontest.Session{ID: f.sessionOf(first).ID}))
	require.Equal(t, nobody, f.who(first))
	require.Equal(t, "alice", f.who(second))
	require.NoError(t, f.op.Logout(t.Context(), signontest.Session{Subject: "alice"}))
	require.Equal(t, nobody, f.who(second))
	require.Len(t, f.op.LogoutAnswers(), 2)
}
