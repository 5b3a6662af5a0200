package signon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Shutdown waits until no refresh is under way, every refreshed token is stored, and what
// goes on after a logout is done: the revocations of Provider.RevokeOnLogout, and the calls
// of Config.OnLogout, each for its five seconds. A call that takes longer has been given
// up by then and may be cut off.
//
// Call it when the server has stopped, after [net/http.Server.Shutdown]: a refresh does
// not end with the request that began it, and a process that leaves before it is
// written takes the only copy of a rotated refresh token with it.
//
//	err := server.Shutdown(ctx)
//	err = errors.Join(err, auth.Shutdown(ctx))
//
// When ctx is done it gives up: it returns an error that wraps the context's and says
// how much was left, and what the store has not taken is not written any more: calls
// that come after say so too.
func (g *Registry) Shutdown(ctx context.Context) error {
	g.going.hurryOnce.Do(func() { close(g.going.hurry) })
	left, idle := g.going.wait()
	select {
	case <-idle:
		return g.going.lost()
	default:
	}
	select {
	case <-idle:
		return g.going.lost()
	case <-ctx.Done():
		n := left() // before they are told to give up
		g.going.overOnce.Do(func() { close(g.going.over) })
		return fmt.Errorf("signon: Shutdown: %d refreshes or writings of refreshed tokens, revocations or calls of OnLogout were under way, and what they bring may be lost: %w", n, ctx.Err())
	}
}

var errLost = errors.New("signon: Shutdown: it was given up before, and refreshed tokens may be lost")

// going counts what goes on without a request.
type going struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n becomes 0; nil while it is

	hurry, over chan struct{} // closed when the end is near, and when it has come
	hurryOnce   sync.Once
	overOnce    sync.Once
}

func newGoing() *going { return &going{hurry: make(chan struct{}), over: make(chan struct{})} }

func (g *going) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n == 0 {
		g.idle = make(chan struct{})
	}
	g.n++
}

func (g *going) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n--; g.n == 0 {
		close(g.idle)
		g.idle = nil
	}
}

// lost reports that an earlier Shutdown gave something up.
func (g *going) lost() error {
	select {
	case <-g.over:
		return errLost
	default:
		return nil
	}
}

// wait returns how much goes on, at any time, and a channel that is closed when
// nothing does.
func (g *going) wait() (left func() int, idle <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	left = func() int {
		g.mu.Lock()
		defer g.mu.Unlock()
		return g.n
	}
	if g.n > 0 {
		return left, g.idle
	}
	none := make(chan struct{})
	close(none)
	return left, none
}

// sleep pauses between two tries, for a moment only once the end has come, and
// reports whether there is to be another.
func (g *going) sleep(pause, atEnd time.Duration) bool {
	hurry := g.hurry
	select {
	case <-hurry:
		pause, hurry = atEnd, nil
	default:
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-hurry:
	case <-g.over:
		return false
	}
	return true
}
