package databases_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
)

// refreshPoints are where a refresh is held while its owner signs out, and how many
// requests reach the provider then.
var refreshPoints = []struct {
	place    string
	requests int
}{{"FetchToken", 0}, {"LeaseToken", 0}, {"RefreshRequest", 1}, {"RefreshResponse", 1}, {"UpdateToken", 1}}

// hold has the refresh of the next caller held at a place. Of the reads of the store the
// caller's comes first, and then the refresh's own.
func (w *world) hold(place string) *gate {
	g := newGate()
	w.traps.set(place, g.pass)
	if place == "FetchToken" {
		w.traps.set(place, func(context.Context) error { w.traps.set(place, g.pass); return nil })
	}
	return g
}

// RF-16: a logout at each point of a refresh. What that brings is not stored, not served
// and revoked, and the request in flight is not let in.
func TestLogoutRacesRefresh(t *testing.T) {
	t.Parallel()
	for _, at := range refreshPoints {
		t.Run(at.place, func(t *testing.T) {
			each(t, setup{byLogin: true}, func(t *testing.T, w *world) {
				b := w.expired("alice")
				g := w.hold(at.place)
				inFlight := make(chan int)
				go func() { inFlight <- items(b) }()
				g.wait(w)
				require.Equal(t, http.StatusSeeOther, b.At(appURL+"/who").Post("/auth/logout/op", nil).Status)
				close(g.open)
				require.Equal(t, http.StatusSeeOther, <-inFlight)
				require.Zero(t, w.count("signon_tokens"))
				require.Zero(t, w.count("signon_logins"))
				require.Equal(t, "See Other", who(b))
				require.Equal(t, 2*at.requests, w.op.Stats().Revoked, "the pair that came too late")
				w.requireRefreshed(at.requests)
			})
		})
	}
}

// RF-16: so it is where the owner's token is revoked at the other replica.
func TestRevokeRacesRefresh(t *testing.T) {
	t.Parallel()
	for _, at := range refreshPoints {
		t.Run(at.place, func(t *testing.T) {
			each(t, setup{}, func(t *testing.T, w *world) {
				w.expired("alice")
				g := w.hold(at.place)
				inFlight := make(chan error)
				go func() {
					_, err := w.token(0, "alice")
					inFlight <- err
				}()
				g.wait(w)
				require.NoError(t, w.replicas[1].client.Revoke(w.as("alice")))
				close(g.open)
				require.Error(t, <-inFlight)
				require.Zero(t, w.count("signon_tokens"))
				_, err := w.token(0, "alice")
				require.ErrorIs(t, err, signon.ErrNoToken)
			})
		})
	}
}

// RF-16: a new login at each point of a refresh: its token is the one that stays,
// whatever the refresh brings.
func TestLoginRacesRefresh(t *testing.T) {
	t.Parallel()
	for _, at := range refreshPoints {
		t.Run(at.place, func(t *testing.T) {
			each(t, setup{}, func(t *testing.T, w *world) {
				w.expired("alice")
				g := w.hold(at.place)
				inFlight := make(chan string)
				go func() {
					token, err := w.token(0, "alice")
					if err != nil {
						inFlight <- err.Error()
						return
					}
					inFlight <- token.AccessToken
				}()
				g.wait(w)
				w.signedIn("alice", time.Hour)
				row := w.column("alice", "access_token")
				close(g.open)
				require.Equal(t, w.served(1, "alice").AccessToken, <-inFlight)
				require.Equal(t, row, w.column("alice", "access_token"))
				require.Equal(t, at.requests, w.refreshes())
			})
		})
	}
}
