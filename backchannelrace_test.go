package signon_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/signontest"
)

// LO-38, RF-16: the provider's logout comes to another replica, at each point of a refresh.
// The token that the refresh brings is not stored and not served, and the request that
// waits for it is not let in.
func TestBackChannelLogoutRacesRefresh(t *testing.T) {
	for _, at := range refreshPoints {
		t.Run(at.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRefreshRace(t, at, nil)
				other := r.replica(r.tokens)
				inFlight := make(chan *signontest.Page)
				go func() { inFlight <- r.browser.Get(appURL + "/items") }()
				<-r.gate.reached
				w := httptest.NewRecorder()
				token := r.op.LogoutToken(signontest.Session{Subject: "alice"})
				other.BackChannelLogoutHandler().ServeHTTP(w, formOf("", url.Values{"logout_token": {token}}))
				requireDone(t, w)
				close(r.gate.open)
				page := <-inFlight
				require.Equal(t, http.StatusSeeOther, page.Status)
				require.Contains(t, page.Location(), "/auth/login/op")
				require.Equal(t, http.StatusSeeOther, r.browser.Get(appURL+"/who").Status)
				_, err := r.vault.FetchToken(t.Context(), tokenKey("op", r.owner))
				require.Error(t, err)
				require.Zero(t, r.op.Count(signontest.API))
			})
		})
	}
}

// LO-53, RF-16: so it is with a frame, which revokes nothing that anybody has. What a
// refresh brings afterwards nobody has, and that is revoked, RevokeOnLogout or not.
func TestFrontChannelLogoutRacesRefresh(t *testing.T) {
	for _, at := range refreshPoints {
		t.Run(at.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRefreshRace(t, at, nil)
				rec, err := r.logins.Login(t.Context(), r.owner)
				require.NoError(t, err)
				inFlight := make(chan *signontest.Page)
				go func() { inFlight <- r.browser.Get(appURL + "/items") }()
				<-r.gate.reached
				w := httptest.NewRecorder()
				frame := appURL + "/auth/frontchannel-logout/op?" + url.Values{"iss": {rec.Issuer}, "sid": {rec.SID}}.Encode()
				r.client.FrontChannelLogoutHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, frame, nil))
				require.Equal(t, http.StatusOK, w.Code)
				require.Zero(t, r.op.Count(signontest.Revocation))
				close(r.gate.open)
				require.Equal(t, http.StatusSeeOther, (<-inFlight).Status)
				r.requireNoToken(at.requests)
				require.Equal(t, at.requests > 0, r.op.Count(signontest.Revocation) > 0)
			})
		})
	}
}

// LO-38, SE-03, RF-16: so it is over each store: a request in flight that writes its
// session back brings nobody back, and a refresh no token.
func TestBackChannelLogoutWithRequestsInFlight(t *testing.T) {
	refreshing := newGate()
	held := func(replica int, p *signon.Provider) {
		p.Hooks.RefreshResponse = func(ctx context.Context, _ *hooks.Response) error { return refreshing.pass(ctx) }
	}
	eachStore(t, fleetOptions{provider: held}, func(t *testing.T, f *fleet) {
		refreshing.held.Store(false)
		refreshing.reached, refreshing.open = make(chan struct{}), make(chan struct{})
		inside, leave := make(chan struct{}), make(chan struct{})
		first := f.replicas[0]
		first.mux.Handle("/slow", first.sessions.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			first.sessions.Put(r.Context(), "slow", "value")
			close(inside)
			<-leave
		})))
		b := f.signIn("alice")
		id, about := f.loginOf(b), f.sessionOf(b)
		f.expire(id)
		request := func(path string) <-chan int {
			r := cookies(httptest.NewRequest(http.MethodGet, siteURL+path, nil), b)
			status := make(chan int, 1)
			go func() { status <- f.posted(0, r).Code }()
			return status
		}
		slow, waiting := request("/slow"), request("/token")
		<-inside
		<-refreshing.reached
		requireDone(t, f.post(1, f.op.LogoutToken(about)))
		close(leave)
		close(refreshing.open)
		require.Equal(t, http.StatusOK, <-slow)
		require.Equal(t, http.StatusUnauthorized, <-waiting)
		require.Equal(t, nobody, f.who(b))
		f.requireTokens(false, id)
		require.Len(t, f.endings(), 1)
	})
}

// LO-36: a flood of garbage costs no flood of requests for keys, few log records, and
// signs nobody out.
func TestFloodOfLogoutTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "memory", fleetOptions{})
		defer f.shutdown()
		b := f.signIn("alice")
		requireDone(t, f.post(0, f.op.LogoutToken(signontest.Session{Subject: "carol"}))) // knows the keys
		keys, records := f.op.Count(signontest.JWKS), strings.Count(f.log.String(), "\n")
		right := f.op.LogoutToken(f.sessionOf(b))
		f.op.Arm(signontest.UnknownKid)
		unknown := f.op.LogoutToken(f.sessionOf(b))
		f.op.Disarm()
		payload := right[strings.IndexByte(right, '.'):]
		for i := range 1000 {
			token := unknown
			switch i % 4 {
			case 1:
				token = right[:len(right)-2] + "AA"
			case 2:
				token = base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":"RS256","kid":"k%d"}`, i)) + payload
			case 3:
				token = strings.Repeat("A", 60<<10)
			}
			requireNotDone(t, f.post(0, token), http.StatusBadRequest, "invalid_request")
		}
		require.LessOrEqual(t, f.op.Count(signontest.JWKS)-keys, 3)
		require.LessOrEqual(t, strings.Count(f.log.String(), "\n")-records, 60)
		require.Equal(t, "alice", f.who(b))
		time.Sleep(time.Second)
		requireDone(t, f.post(0, right))
		require.Equal(t, nobody, f.who(b))
	})
}
