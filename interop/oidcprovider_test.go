package interop_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/interop/op"
)

// startOP starts an oidc-provider that approves every login of one client, whose
// registration edit may change.
func startOP(t testing.TB, edit func(*op.Client)) signon.Provider {
	t.Helper()
	client := op.Client{ID: clientID, Secret: clientSecret, RedirectURIs: []string{callback}}
	if edit != nil {
		edit(&client)
	}
	issuer := op.Start(t, op.Config{Clients: []op.Client{client}}).Issuer
	return options{}.provider(issuer, "openid", "profile", "email")
}

func TestSigningAlgorithms(t *testing.T) {
	for _, c := range []struct {
		name   string
		signed string   // what the provider signs with
		accept []string // what the application accepts
		status int
	}{
		{"RS256 by default", "RS256", nil, http.StatusOK},
		{"PS256", "PS256", []string{"PS256"}, http.StatusOK},
		{"ES256", "ES256", []string{"ES256"}, http.StatusOK},
		{"EdDSA", "EdDSA", []string{"EdDSA"}, http.StatusOK},
		{"one of several", "ES256", []string{"RS256", "ES256"}, http.StatusOK},
		{"HS256 by choice", "HS256", []string{"HS256"}, http.StatusOK},
		{"HS256 unasked", "HS256", nil, http.StatusBadGateway},                             // ID-05
		{"ES256 where RS256 is pinned", "ES256", nil, http.StatusBadGateway},               // ID-05
		{"RS256 where PS256 is pinned", "RS256", []string{"PS256"}, http.StatusBadGateway}, // ID-05
	} {
		t.Run(c.name, func(t *testing.T) {
			provider := startOP(t, func(cl *op.Client) { cl.IDTokenSignedResponse = c.signed })
			provider.SigningAlgs = c.accept
			a := newApp(t, origin, provider)
			require.Equal(t, c.status, newUser(t, a).get("/me").Status)
			require.Equal(t, c.status == http.StatusOK, a.seen() != nil)
		})
	}
}

func TestDenied(t *testing.T) {
	for _, mode := range []string{"", "form_post"} {
		t.Run("response_mode="+mode, func(t *testing.T) {
			provider := startOP(t, nil)
			provider.ResponseMode = mode
			provider.LoginParams = []string{"login_hint"}
			a := newApp(t, origin, provider)
			u := newUser(t, a)
			answer := u.get("/auth/login/op?login_hint=deny")
			require.Equal(t, http.StatusForbidden, answer.Status) // AR-16
			require.NotContains(t, answer.Body, "aborted", "the provider's words are not ours to show")
			require.Zero(t, a.exchanges.Load())
			require.Equal(t, http.StatusOK, u.get("/me").Status, "starting again works")
		})
	}
}

// A refusal does not end the login that there is.
func TestDeniedWhileSignedIn(t *testing.T) {
	provider := startOP(t, nil)
	provider.LoginParams = []string{"login_hint", "prompt"}
	u := newUser(t, newApp(t, origin, provider))
	require.Equal(t, http.StatusOK, u.get("/me").Status)
	require.Equal(t, http.StatusForbidden, u.get("/auth/login/op?login_hint=deny&prompt=login").Status)
	require.Contains(t, u.get("/me").Body, "Signed in as alice") // AR-16
}

func TestLoginHintChoosesTheAccount(t *testing.T) {
	provider := startOP(t, nil)
	provider.LoginParams = []string{"login_hint"}
	u := newUser(t, newApp(t, origin, provider))
	require.Contains(t, u.get("/auth/login/op?login_hint=bob&return_to=/me").Body, "Signed in as bob")
}

// Nobody is signed in at the provider, so with prompt=none it has to refuse.
func TestPromptNone(t *testing.T) {
	provider := startOP(t, nil)
	provider.LoginParams = []string{"prompt"}
	a := newApp(t, origin, provider)
	u := newUser(t, a)
	require.Equal(t, http.StatusForbidden, u.get("/auth/login/op?prompt=none").Status)
	require.Equal(t, http.StatusOK, u.get("/me").Status)
	require.Equal(t, http.StatusOK, u.get("/auth/login/op?prompt=none&return_to=/me").Status)
	require.EqualValues(t, 2, a.exchanges.Load())
}

func TestMaxAgeAndACR(t *testing.T) {
	provider := startOP(t, nil)
	provider.MaxAge = time.Hour
	provider.ACRValues = []string{"urn:example:silver", "urn:example:bronze"}
	a := newApp(t, origin, provider)
	require.Equal(t, http.StatusOK, newUser(t, a).get("/me").Status)
	var claims struct {
		AuthTime int64  `json:"auth_time"`
		ACR      string `json:"acr"`
	}
	require.NoError(t, a.seen().Claims(&claims))
	require.InDelta(t, time.Now().Unix(), claims.AuthTime, 60)
	require.Equal(t, "urn:example:silver", claims.ACR)
}

// Only with backchannel_logout_session_required does this provider send a sid.
func TestSID(t *testing.T) {
	provider := startOP(t, func(c *op.Client) {
		c.BackChannelLogoutURI, c.BackChannelLogoutWithID = origin+"/auth/backchannel-logout/op", true
	})
	a := newApp(t, origin, provider)
	require.Equal(t, http.StatusOK, newUser(t, a).get("/me").Status)
	require.NotEmpty(t, a.seen().SID)
}

// Userinfo as a signed JWT.
func TestSignedUserInfo(t *testing.T) {
	provider := startOP(t, func(c *op.Client) { c.UserinfoSignedResponse = "RS256" })
	u := newUser(t, newApp(t, origin, provider))
	require.Equal(t, http.StatusOK, u.get("/me").Status)
	answer := u.get("/userinfo")
	require.Equal(t, http.StatusOK, answer.Status, answer.Body) // UI-02
	require.Contains(t, answer.Body, `"preferred_username":"alice"`)
}

func TestClientSecretPost(t *testing.T) {
	provider := startOP(t, func(c *op.Client) { c.AuthMethod = "client_secret_post" })
	provider.ClientAuth = clientauth.Post{}
	u := newUser(t, newApp(t, origin, provider))
	require.Equal(t, http.StatusOK, u.get("/me").Status)
}

// A redirect_uri that the provider does not know: it shows a page of its own, and
// nothing comes back.
func TestUnregisteredRedirect(t *testing.T) {
	provider := startOP(t, func(c *op.Client) { c.RedirectURIs = []string{origin + "/elsewhere"} })
	u := newUser(t, newApp(t, origin, provider))
	answer := u.get("/me")
	require.Equal(t, http.StatusBadRequest, answer.Status)
	require.Equal(t, "127.0.0.1", answer.URL.Hostname())
}
