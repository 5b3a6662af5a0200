package signon_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/signontest"
)

// slowEndings are what may hang when a login has ended.
var slowEndings = []struct {
	name   string
	hangs  func(c *signon.Config)
	status int
}{
	{"OnLogout", func(c *signon.Config) {
		c.OnLogout = func(ctx context.Context, _ *signon.Login, _ signon.LogoutCause) { <-ctx.Done() }
	}, http.StatusOK},
	{"the token store", func(c *signon.Config) { c.Tokens = hangingTokens{c.Tokens} }, http.StatusServiceUnavailable},
}

// LO-20, LO-50: of many logins none is kept alive by what hangs after another's end.
func TestProvidersLogoutIsNotHeldUp(t *testing.T) {
	const many = 40
	for _, tt := range slowEndings {
		for _, handler := range []string{"back channel", "front channel"} {
			t.Run(tt.name+" "+handler, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := newFleet(t, "memory", fleetOptions{config: func(_ int, c *signon.Config) { tt.hangs(c) }})
					about := f.sessionOf(f.signIn("alice"))
					f.cloneLogins(about, many)
					r := formOf(backChannelPath, url.Values{"logout_token": {f.op.LogoutToken(signontest.Session{Subject: "alice"})}})
					if handler == "front channel" {
						r = httptest.NewRequest(http.MethodGet, frameURL(url.Values{"iss": {f.op.Issuer()}, "sid": {about.ID}}), nil)
					}
					done := make(chan int)
					go func() { done <- f.posted(0, r).Code }()
					synctest.Wait()
					list, err := f.replicas[1].logins.Logins(t.Context(), sessionstore.Selector{Issuer: f.op.Issuer(), Subject: "alice"})
					require.NoError(t, err)
					require.Empty(t, list, "before anything that hangs has ended")
					require.Equal(t, tt.status, <-done)
					time.Sleep(10 * time.Minute) // until all of them have hung
				})
			})
		}
	}
}

// cloneLogins makes more logins of a session, each in a browser of its own.
func (f *fleet) cloneLogins(of signontest.Session, n int) {
	f.t.Helper()
	logins := f.replicas[0].logins
	list, err := logins.Logins(f.t.Context(), sessionstore.Selector{Issuer: f.op.Issuer(), SID: of.ID})
	require.NoError(f.t, err)
	for i := range n {
		clone := list[0].Clone()
		clone.ID = fmt.Sprintf("login %d", i)
		clone.Owner = clone.ID
		signon.SealLogin(f.replicas[0].auth, clone)
		require.NoError(f.t, logins.CreateLogin(f.t.Context(), clone))
	}
}

// LO-29: the same token comes again while the first is still at OnLogout, and the user has
// signed in again.
func TestLogoutTokenReplayDuringOnLogout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "memory", fleetOptions{config: func(_ int, c *signon.Config) {
			c.OnLogout = func(context.Context, *signon.Login, signon.LogoutCause) { time.Sleep(3 * time.Second) }
		}})
		b := f.signIn("alice")
		token := f.op.LogoutToken(signontest.Session{Subject: "alice"})
		first := make(chan *httptest.ResponseRecorder)
		go func() { first <- f.post(0, token) }()
		time.Sleep(time.Second)
		f.at.Store(0)
		f.signInWith(b, "alice")
		time.Sleep(time.Second)
		requireDone(t, f.post(1, token))
		requireDone(t, <-first)
		require.Equal(t, "alice", f.who(b))
		f.shutdown()
	})
}

// LO-29, LO-30: a token that comes again after a failure of our own signs out nobody who
// has signed in since, but whoever had by then, give or take a minute between the clocks.
func TestLogoutTokenDoesNotReachLaterLogins(t *testing.T) {
	for _, tt := range []struct {
		after time.Duration
		who   string
	}{{59 * time.Second, nobody}, {62 * time.Second, "alice"}} {
		t.Run(tt.after.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, faults := sabotaged()
				f := newFleet(t, "memory", o)
				b := f.signIn("alice")
				token := f.op.LogoutToken(signontest.Session{Subject: "alice"})
				faults[0].on("logins.Claim", afterCalls(1, errDown))
				requireNotDone(t, f.post(0, token), http.StatusServiceUnavailable, "temporarily_unavailable")
				faults[0].end()
				require.Equal(t, nobody, f.who(b))
				time.Sleep(tt.after)
				f.at.Store(0)
				f.signInWith(b, "alice")
				requireDone(t, f.post(1, token))
				require.Equal(t, tt.who, f.who(b))
				f.shutdown()
			})
		})
	}
}

// LO-29: a token is remembered for longer than any replica takes it, whatever its clock.
func TestLogoutTokenIsRememberedBeyondItsLife(t *testing.T) {
	claims := &claimedUntil{}
	f := newFleet(t, "memory", fleetOptions{config: func(_ int, c *signon.Config) {
		claims.Store = c.Logins
		c.Logins = claims
	}})
	f.signIn("alice")
	began := time.Now()
	requireDone(t, f.post(0, f.op.LogoutToken(signontest.Session{Subject: "alice"})))
	require.WithinDuration(t, began.Add(4*time.Minute), claims.until, 10*time.Second) // two, one of tolerance, and one more
}

// claimedUntil notes the end of the last claim.
type claimedUntil struct {
	sessionstore.Store
	until time.Time
}

func (c *claimedUntil) Claim(ctx context.Context, key string, until time.Time) error {
	c.until = until
	return c.Store.Claim(ctx, key, until)
}

// LO-37, LO-51: another provider that is registered with the same issuer, and keys of its
// own, ends no login but its own; nor does a token of it use up one of the other's.
func TestProvidersOfOneIssuer(t *testing.T) {
	eachStore(t, fleetOptions{}, func(t *testing.T, f *fleet) {
		b := f.signIn("alice")
		of := f.sessionOf(b)
		own, err := f.replicas[0].logins.Login(t.Context(), f.loginOf(b))
		require.NoError(t, err)
		for _, name := range []string{"twin", "third"} { // whose tokens have the same jti
			sign := f.registerTwin(name, f.op.Issuer())
			twins := own.Clone()
			twins.ID, twins.Owner, twins.Provider = "login at "+name, "login at "+name, name
			require.NoError(t, f.replicas[0].logins.CreateLogin(t.Context(), twins))
			w := f.posted(0, formOf("/auth/backchannel-logout/"+name, url.Values{"logout_token": {sign(f.op.Issuer(), "jti")}}))
			requireDone(t, w)
			require.Equal(t, "alice", f.who(b))
			_, err = f.replicas[0].logins.Login(t.Context(), twins.ID)
			require.ErrorIs(t, err, sessionstore.ErrNotFound)
		}
		frame := siteURL + "/auth/frontchannel-logout/twin?" + url.Values{"iss": {f.op.Issuer()}, "sid": {of.ID}}.Encode()
		require.Equal(t, http.StatusOK, f.posted(0, httptest.NewRequest(http.MethodGet, frame, nil)).Code)
		require.Equal(t, "alice", f.who(b))
	})
}

// LO-29: each tenant numbers its tokens by itself: one's jti is not used up by another's.
func TestTenantsLogoutTokensOfOneJTI(t *testing.T) {
	f := newFleet(t, "memory", fleetOptions{op: signontest.Config{Issuer: tenantIssuer, Tenant: tenantA}, provider: func(_ int, p *signon.Provider) {
		p.Tenants, p.AnyTenant = nil, true
	}})
	sign, now := f.registerTwin("twin", tenantIssuer), time.Now()
	for _, tenant := range []string{tenantA, tenantB} {
		rec := &sessionstore.Record{
			ID: tenant, Owner: tenant, Provider: "twin", Issuer: issuerOf(tenant), Subject: "alice",
			CreatedAt: now, LastSeen: now, ExpiresAt: now.Add(time.Hour),
		}
		require.NoError(t, f.replicas[0].logins.CreateLogin(t.Context(), rec))
	}
	for _, tenant := range []string{tenantA, tenantB} {
		requireDone(t, f.posted(0, formOf("/auth/backchannel-logout/twin", url.Values{"logout_token": {sign(issuerOf(tenant), "jti")}})))
		_, err := f.replicas[0].logins.Login(t.Context(), tenant)
		require.ErrorIs(t, err, sessionstore.ErrNotFound)
	}
}

// registerTwin registers a provider with keys of its own, and yields what signs its logout
// tokens about alice.
func (f *fleet) registerTwin(name, issuer string) (sign func(issuer, jti string) string) {
	f.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(f.t, err)
	point, err := key.PublicKey.Bytes()
	require.NoError(f.t, err)
	enc := base64.RawURLEncoding.EncodeToString
	p := signon.Provider{
		Name: name, Issuer: issuer, AnyTenant: issuer == tenantIssuer, ClientID: name, Scopes: []string{"openid"}, SigningAlgs: []string{"ES256"},
		JWKS: fmt.Appendf(nil, `{"keys":[{"kty":"EC","crv":"P-256","kid":"m","alg":"ES256","x":%q,"y":%q}]}`, enc(point[1:33]), enc(point[33:])),
	}
	if p.AnyTenant {
		p.MetadataURL = f.op.SignonProvider(name).MetadataURL
	}
	p.Endpoint.AuthURL, p.Endpoint.TokenURL = "https://twin.example/a", "https://twin.example/t"
	_, err = f.replicas[0].auth.Register(p)
	require.NoError(f.t, err)
	return func(issuer, jti string) string {
		now := time.Now()
		claims, err := json.Marshal(map[string]any{
			"iss": issuer, "aud": name, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "jti": jti, "sub": "alice",
			"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": struct{}{}},
		})
		require.NoError(f.t, err)
		signed := enc([]byte(`{"alg":"ES256","kid":"m","typ":"logout+jwt"}`)) + "." + enc(claims)
		sum := sha256.Sum256([]byte(signed))
		r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
		require.NoError(f.t, err)
		return signed + "." + enc(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
	}
}
