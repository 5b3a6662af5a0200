package providers_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
)

// The application of every row.
const (
	appURL    = "https://app.test"
	appID     = "client-4711"
	appSecret = "a-client-secret-of-thirty-six-bytes-"
	owner     = "user-of-the-application"
)

// A row is one preset, what its provider answers and wants to be asked, and who has then
// signed in. run checks of each, besides the Identity: the scope and the parameters of
// the authorization request, how the client proves itself, the header fields of each
// request, that no URL is fetched that the fixture does not have (UI-10), token type and
// expiry, the refresh, the revocation, and that a login without a subject fails (UI-08).
type row struct {
	name     string          // of the subtest
	fixture  string          // testdata/{fixture}.json; if empty, provider.Name
	provider signon.Provider // from its function; the harness sets ClientID and ClientSecret
	noSecret bool            // leaves ClientSecret empty

	auth      string            // the method at the token endpoint, as signontest.Config.ClientAuth has it
	scope     string            // of the authorization request, to the letter
	granted   string            // the scope of the token; if empty, it is not looked at
	authorize url.Values        // further parameters of the authorization request
	header    map[string]string // fields that each request behind the browser's back must carry

	// inspect sees each request behind the browser's back but those for metadata and
	// keys, with its form or JSON in PostForm, and may change it before it is answered. An
	// error fails the test.
	inspect func(r *http.Request) error

	jsonToken  bool   // the token request is JSON
	formToken  bool   // the token response is form-encoded
	noPKCE     bool   // the token request has no code_verifier, which the provider does not take
	tokenParam string // the query parameter that carries the token of API calls, instead of the header

	want      signon.Identity // without Claims
	tokenType string          // as oauth2.Token has it; if empty, "Bearer"
	expires   time.Duration   // the life of an access token; 0: it does not expire
	refreshes bool            // the token is refreshed when it has expired

	// subject is the path of the member that says who it is: in the ID token of an OpenID
	// Provider, where it is "sub" by default, and else in the answer of UserInfoURL.
	subject []string

	variants []variant
}

// A variant is a change of what the provider answers.
type variant struct {
	name string
	edit func(f *fixture)
	want func(id *signon.Identity) // changes the Identity of the row; if nil, the login must fail
}

// A session is a login that has ended, well or not.
type session struct {
	*network
	client   *signon.Client
	identity *signon.Identity
	failure  error
}

// run signs in at each row's provider, in a bubble of its own.
func run(t *testing.T, rows ...row) {
	t.Helper()
	for _, r := range rows {
		if r.fixture == "" {
			r.fixture = r.provider.Name
		}
		t.Run(r.name, func(t *testing.T) {
			t.Run("signs in", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { r.checkLogin(t) }) })
			for name, edit := range r.withoutSubject() {
				t.Run(name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { r.checkFailure(t, edit, signon.ErrProvider) })
				})
			}
			for _, v := range r.variants {
				t.Run(v.name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { r.checkVariant(t, v) }) })
			}
		})
	}
}

func (r *row) checkLogin(t *testing.T) {
	s := r.signIn(t, loadFixture(t, r.fixture))
	require.NoError(t, s.failure)
	r.checkIdentity(t, s, r.want)
	r.checkAuthorization(t, s)
	r.checkTokens(t, s)
}

func (r *row) checkVariant(t *testing.T, v variant) {
	f := loadFixture(t, r.fixture)
	v.edit(f)
	s := r.signIn(t, f)
	if v.want == nil {
		require.Error(t, s.failure)
		require.Nil(t, s.identity)
		return
	}
	require.NoError(t, s.failure)
	want := r.want
	v.want(&want)
	r.checkIdentity(t, s, want)
}

// checkFailure signs in where the provider's answers must not do, and why is of one kind.
func (r *row) checkFailure(t *testing.T, edit func(*fixture), kind error) {
	t.Helper()
	f := loadFixture(t, r.fixture)
	edit(f)
	s := r.signIn(t, f)
	require.ErrorIs(t, s.failure, kind)
	require.Nil(t, s.identity)
}

// withoutSubject is UI-08: nobody signs in whom the provider does not name.
func (r *row) withoutSubject() map[string]func(*fixture) {
	path := r.subject
	if len(path) == 0 {
		path = []string{"sub"}
		if r.provider.SubjectClaim != "" {
			path = []string{r.provider.SubjectClaim}
		}
	}
	edit := func(value any) func(*fixture) {
		return func(f *fixture) {
			if len(f.Claims) > 0 {
				f.set(value, append([]string{"claims"}, path...)...)
				return
			}
			f.set(value, append([]string{"calls", f.userInfoCall(r.provider.UserInfoURL)}, path...)...)
		}
	}
	return map[string]func(*fixture){
		"no subject": edit(absent), "an empty subject": edit(""), "a null subject": edit(nil),
	}
}

// signIn registers the preset with an application and signs in at it once.
func (r *row) signIn(t *testing.T, f *fixture) *session {
	t.Helper()
	s := &session{network: newNetwork(t, r, f)}
	auth, err := signon.New(signon.Config{
		BaseURL: appURL, Keys: [][]byte{[]byte("0123456789abcdef0123456789abcdef")},
		HTTPClient: &http.Client{Transport: s.network}, Logger: slog.New(slog.DiscardHandler),
		OnLogin: func(_ context.Context, login *signon.Login) (string, error) {
			identity, err := login.Identity()
			s.identity = identity
			return owner, err
		},
		OnError: func(w http.ResponseWriter, _ *http.Request, err error) {
			s.failure = err
			w.WriteHeader(http.StatusBadRequest)
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = auth.Shutdown(ctx)
		synctest.Wait() // what is fetched in the background ends before the bubble does
	})
	p := r.provider
	p.ClientID = appID
	if !r.noSecret {
		p.ClientSecret = appSecret
	}
	s.client, err = auth.Register(p)
	require.NoError(t, err)

	browser := signontest.NewBrowser(t)
	mux := http.NewServeMux()
	mux.Handle("/auth/", auth.Handler())
	mux.HandleFunc("/{$}", func(http.ResponseWriter, *http.Request) {})
	browser.Serve(appURL, mux)
	browser.Serve(f.authorizationEndpoint(), s.network)
	page := browser.Get(appURL + "/auth/login/" + p.Name).FollowAll(9) // there and back
	if s.failure == nil {
		require.Equal(t, appURL+"/", page.URL.String(), "status %d: %s", page.Status, page.Body)
	}
	return s
}

func (r *row) checkIdentity(t *testing.T, s *session, want signon.Identity) {
	t.Helper()
	require.NotNil(t, s.identity)
	got := *s.identity
	var claims map[string]any
	require.NoError(t, json.Unmarshal(got.Claims, &claims), "Claims are a JSON object")
	require.NotEmpty(t, claims)
	got.Claims = nil
	want.Provider = r.provider.Name
	require.Equal(t, fields(want), fields(got))
}

// fields shows what an Identity does not print.
func fields(id signon.Identity) map[string]any {
	return map[string]any{
		"Provider": id.Provider, "Issuer": id.Issuer, "Subject": id.Subject, "Name": id.Name,
		"Email": id.Email, "EmailVerified": id.EmailVerified, "Picture": id.Picture,
	}
}

func (r *row) checkAuthorization(t *testing.T, s *session) {
	t.Helper()
	q := s.authorization
	require.Equal(t, r.scope, q.Get("scope"))
	require.Equal(t, "code", q.Get("response_type"))
	require.Equal(t, appURL+"/auth/callback/"+r.provider.Name, q.Get("redirect_uri"))
	require.Equal(t, "S256", q.Get("code_challenge_method"))
	for name, values := range r.authorize {
		require.Equal(t, values, q[name], name)
	}
}

func (r *row) checkTokens(t *testing.T, s *session) {
	t.Helper()
	ctx := signon.WithOwner(t.Context(), owner)
	token, err := s.client.Token(ctx)
	require.NoError(t, err)
	wantType := r.tokenType
	if wantType == "" {
		wantType = "Bearer"
	}
	require.Equal(t, wantType, token.Type())
	if r.granted != "" {
		require.Equal(t, r.granted, token.Extra("scope"))
	}
	if r.expires == 0 {
		require.True(t, token.Expiry.IsZero(), "got an expiry")
	} else {
		require.WithinDuration(t, time.Now().Add(r.expires), token.Expiry, 2*time.Second)
	}
	if r.refreshes {
		time.Sleep(r.expires + time.Minute)
		again, err := s.client.Token(ctx)
		require.NoError(t, err)
		require.NotEqual(t, token.AccessToken, again.AccessToken)
		require.NotEmpty(t, again.RefreshToken)
	}
	if s.fixture.revocationEndpoint() != "" {
		require.NoError(t, s.client.Revoke(ctx))
		require.NotZero(t, s.revoked)
	}
}
