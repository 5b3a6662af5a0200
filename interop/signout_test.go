package interop_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/interop/op"
)

// RP-initiated logout at each provider: out here, out there, and back.
func TestSignOut(t *testing.T) {
	each(t, func(t *testing.T, p peer) {
		a := newApp(t, origin, p.start(t, options{}))
		u := newUser(t, a)
		require.Equal(t, http.StatusOK, u.get("/me").Status)
		cookies, held := u.cookies(), a.stored(t)
		require.Equal(t, http.StatusOK, a.serve(http.MethodGet, "/me", cookies).Code)
		require.Equal(t, origin+"/", u.post("/auth/logout/op").URL.String())
		require.Equal(t, http.StatusUnauthorized, a.serve(http.MethodGet, "/me", cookies).Code) // SE-02
		require.Empty(t, u.cookies())                                                           // SE-17, LO-10
		_, err := a.store.FetchToken(t.Context(), a.key())
		require.Error(t, err, "the token dies with its login")

		require.NotEmpty(t, u.back, "the provider knows the application, and sends the browser back")
		status, code := a.tokenEndpoint(t, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {held.RefreshToken}})
		require.Equal(t, http.StatusBadRequest, status, "the provider has ended its session too")
		require.Equal(t, "invalid_grant", code)

		// LO-05: the way back a second time, and by somebody who was never there.
		for _, who := range []*user{u, newUser(t, a)} {
			again := who.b.Get(u.back)
			require.Equal(t, http.StatusOK, again.Status)
			require.Empty(t, again.Location())
		}
	})
}

// startSignOut starts an oidc-provider that asks before it signs out, and whose ID
// tokens expire at once.
func startSignOut(t *testing.T, clients ...op.Client) (issuer string) {
	t.Helper()
	for i := range clients {
		c := &clients[i]
		c.Secret, c.RedirectURIs, c.PostLogoutRedirectURIs = clientSecret, []string{callback}, []string{loggedOut}
	}
	return op.Start(t, op.Config{Clients: clients, TTL: map[string]int{"IdToken": 1}}).Issuer
}

// What a user may do at the provider's page.
func TestSignOutConfirmation(t *testing.T) {
	provider := options{}.provider(startSignOut(t, op.Client{ID: clientID}), "openid")
	for _, c := range []struct {
		name   string
		answer func(u *user)
		there  bool // the provider still knows the user
	}{
		{"yes", func(u *user) { u.post("/auth/logout/op") }, false},
		{"no", func(u *user) { // LO-06
			u.stay = true
			u.post("/auth/logout/op")
		}, true},
		{"goes away", func(u *user) { // LO-06
			u.b.Get(origin+"/").Post("/auth/logout/op", nil).Follow()
		}, true},
		{"yes, with an ID token that has expired", func(u *user) { // LO-04
			time.Sleep(1100 * time.Millisecond)
			u.post("/auth/logout/op")
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newApp(t, origin, provider)
			u := newUser(t, a)
			require.Equal(t, http.StatusOK, u.get("/me").Status)
			cookies := u.cookies()
			c.answer(u)
			if c.name != "goes away" {
				require.Equal(t, 1, u.asked)
				require.NotEmpty(t, u.hint)
				require.NotEmpty(t, u.back)
				require.Empty(t, u.cookies())
			}
			require.Equal(t, http.StatusUnauthorized, a.serve(http.MethodGet, "/me", cookies).Code)
			require.Equal(t, c.there, strings.Contains(u.b.Get(endSession(provider.Issuer)).Body, logoutForm))
			require.Equal(t, http.StatusOK, u.get("/me").Status, "signing in again works")
		})
	}
}

// LO-05, LO-07: the provider's page is answered when its user has signed in again in
// another tab: the way back leads home, and that login lives.
func TestSignOutOvertaken(t *testing.T) {
	provider := options{}.provider(startSignOut(t, op.Client{ID: clientID}), "openid")
	a := newApp(t, origin, provider)
	u := newUser(t, a)
	require.Equal(t, http.StatusOK, u.get("/me").Status)
	asking := u.b.Get(origin+"/").Post("/auth/logout/op", nil).Follow()
	require.Contains(t, asking.Body, logoutForm)
	require.Contains(t, u.get("/me").Body, "Signed in as alice")
	require.Equal(t, origin+"/", u.resume(asking).URL.String())
	require.Equal(t, http.StatusOK, a.serve(http.MethodGet, "/me", u.cookies()).Code)
}

// Logout tokens as each kind of client gets them: one of two logins of the same user
// ends by its sid, when the provider says so. It is also what the ID token looks like
// that goes to the provider as a hint.
func TestLogoutTokenKinds(t *testing.T) {
	var current atomic.Pointer[app] // of the row that runs
	backChannel := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { current.Load().ServeHTTP(w, r) }))
	t.Cleanup(backChannel.Close)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	encrypted := signon.Provider{ClientID: "encrypted", Scopes: []string{"openid"}, IDTokenEncryptionAlg: "ECDH-ES", DecryptionKeys: []signon.DecryptionKey{{ID: "enc", Key: key}}}

	rows := []struct {
		client   op.Client
		provider signon.Provider
	}{
		{op.Client{ID: "RS256"}, signon.Provider{}},
		{op.Client{ID: "EdDSA", IDTokenSignedResponse: "EdDSA"}, signon.Provider{SigningAlgs: []string{"EdDSA"}}},
		{op.Client{ID: "HS256", IDTokenSignedResponse: "HS256"}, signon.Provider{SigningAlgs: []string{"HS256"}}}, // LO-25: by choice
		{op.Client{ID: "encrypted", JWKS: publicKeys(t, encrypted), IDTokenEncryptionAlg: "ECDH-ES", IDTokenEncryptionEnc: "A256GCM"}, encrypted},
	}
	var clients []op.Client
	for _, row := range rows {
		row.client.BackChannelLogoutURI, row.client.BackChannelLogoutWithID = backChannel.URL+"/auth/backchannel-logout/op", true
		clients = append(clients, row.client)
	}
	issuer := startSignOut(t, clients...)
	for _, row := range rows {
		t.Run(row.client.ID, func(t *testing.T) {
			p := row.provider
			p.Issuer, p.ClientID, p.ClientSecret, p.Scopes = issuer, row.client.ID, clientSecret, []string{"openid"}
			a := newApp(t, origin, p)
			current.Store(a)
			one, other := newUser(t, a), newUser(t, a)
			require.Equal(t, http.StatusOK, one.get("/me").Status)
			require.Equal(t, http.StatusOK, other.get("/me").Status)

			one.signOutThere(issuer)
			require.Equal(t, http.StatusUnauthorized, a.serve(http.MethodGet, "/me", one.cookies()).Code) // LO-20
			require.Equal(t, http.StatusOK, a.serve(http.MethodGet, "/me", other.cookies()).Code)

			require.Equal(t, origin+"/", other.post("/auth/logout/op").URL.String())
			require.Equal(t, 1, other.asked)
			hint, err := a.seen().IDToken()
			require.NoError(t, err)
			require.Equal(t, hint, other.hint)
			require.NotEmpty(t, other.back, "the hint is one that the provider takes") // LO-04
		})
	}
}

// endSession is where oidc-provider signs out, or asks whoever is signed in there.
func endSession(issuer string) string { return issuer + "/session/end" }

// signOutThere signs out at the provider, past the application.
func (u *user) signOutThere(issuer string) {
	u.t.Helper()
	page := u.resume(u.b.Get(endSession(issuer)))
	if page.Status != http.StatusOK || !strings.HasSuffix(page.URL.Path, "/session/end/success") {
		u.t.Fatalf("signing out at the provider led to %s with %d", page.URL.Redacted(), page.Status)
	}
}
