package signon_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/signontest"
)

// listedLogins has a saboteur before and after a list of logins, and after a claim too.
type listedLogins struct{ faultyLogins }

func (l listedLogins) Logins(ctx context.Context, by sessionstore.Selector) ([]*sessionstore.Record, error) {
	if err := l.faults.at("logins.Logins"); err != nil {
		return nil, err
	}
	list, err := l.faultyLogins.Logins(ctx, by)
	return list, errors.Join(err, l.faults.at("logins.Logins, done"))
}

func (l listedLogins) Claim(ctx context.Context, key string, until time.Time) error {
	err := l.faultyLogins.Claim(ctx, key, until)
	return errors.Join(err, l.faults.at("logins.Claim, done"))
}

// sabotaged are the options of a fleet with a saboteur of the logins in each replica.
func sabotaged() (fleetOptions, *[2]saboteur) {
	faults := new([2]saboteur)
	return fleetOptions{config: func(replica int, c *signon.Config) {
		c.Logins = listedLogins{faultyLogins{c.Logins, &faults[replica]}}
	}}, faults
}

// afterCalls fails each call of a method after the first n.
func afterCalls(n int32, err error) func() error {
	var calls atomic.Int32
	return func() error {
		if calls.Add(1) > n {
			return err
		}
		return nil
	}
}

// LO-29: a token does its work once. When it comes again, at either replica, whoever has
// signed in again stays so; and the provider hears that all is well, for so it is.
func TestLogoutTokenReplay(t *testing.T) {
	eachStore(t, fleetOptions{}, func(t *testing.T, f *fleet) {
		b := f.signIn("alice")
		bySub, both := f.op.LogoutToken(signontest.Session{Subject: "alice"}), f.op.LogoutToken(f.sessionOf(b))
		requireDone(t, f.post(0, both))
		requireDone(t, f.post(0, bySub))
		require.Equal(t, nobody, f.who(b))
		f.signInWith(b, "alice") // in the same session of the provider's
		f.endings()
		for i := range 4 {
			requireDone(t, f.post(i%2, both))
			requireDone(t, f.post(i%2, bySub))
		}
		require.Equal(t, "alice", f.who(b))
		require.Empty(t, f.endings())
		require.Contains(t, f.log.String(), "came again")

		f.op.Arm(signontest.SameJTI)
		requireDone(t, f.post(1, f.op.LogoutToken(signontest.Session{Subject: "alice"})))
		f.op.Disarm()
		require.Equal(t, "alice", f.who(b), "another token of the same jti")
		requireDone(t, f.post(1, f.op.LogoutToken(signontest.Session{Subject: "alice"})))
		require.Equal(t, nobody, f.who(b))
	})
}

// LO-29: it is remembered for as long as it would be taken.
func TestLogoutTokenIsRememberedLongEnough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "memory", fleetOptions{})
		defer f.shutdown()
		b := f.signIn("alice")
		token := f.op.LogoutToken(signontest.Session{Subject: "alice"}) // for two minutes, and one of tolerance
		requireDone(t, f.post(0, token))
		f.signInWith(b, "alice")
		for range 17 {
			time.Sleep(10 * time.Second)
			requireDone(t, f.post(1, token))
		}
		time.Sleep(10*time.Second - time.Nanosecond)
		requireDone(t, f.post(1, token))
		time.Sleep(time.Nanosecond)
		requireNotDone(t, f.post(1, token), http.StatusBadRequest, "invalid_request")
		require.Equal(t, "alice", f.who(b))
	})
}

// LO-29: the same token at both replicas at once, of which one is held at each of its
// steps while the other does the work, and the user signs in again:
//
//	replica 1   lists, asks whether it is used ..................... ends what it listed
//	replica 0                                   lists, asks, ends, remembers
//	the user                                                                signs in again
//
// Held before it lists, or before it asks, replica 1 finds the token used. Held after it
// has asked, as here, it ends what it has listed, which is the login that has ended
// already. Were it to ask first and to list then, it would end the new one.
func TestLogoutTokenTwiceAtOnce(t *testing.T) {
	steps := []string{"logins.Logins", "logins.Logins, done", "logins.Claim", "logins.Claim, done", "logins.EndLogins"}
	o, faults := sabotaged()
	eachStore(t, o, func(t *testing.T, f *fleet) {
		for _, step := range steps {
			t.Run(step, func(t *testing.T) {
				f.t = t
				b := f.signIn("alice")
				token := f.op.LogoutToken(signontest.Session{Subject: "alice"})
				g := newGate()
				faults[1].on(step, func() error { return g.pass(t.Context()) })
				defer faults[1].end()
				late := make(chan *httptest.ResponseRecorder)
				go func() { late <- f.post(1, token) }()
				<-g.reached
				requireDone(t, f.post(0, token))
				f.at.Store(0)
				f.signInWith(b, "alice")
				close(g.open)
				requireDone(t, <-late)
				require.Equal(t, "alice", f.who(b))
				require.Len(t, f.endings(), 1)
				requireDone(t, f.post(0, f.op.LogoutToken(signontest.Session{Subject: "alice"})))
				f.endings()
			})
		}
	})
}

// LO-29: a crowd of them ends each login once, and no later one.
func TestLogoutTokenManyAtOnce(t *testing.T) {
	eachStore(t, fleetOptions{}, func(t *testing.T, f *fleet) {
		for range 3 {
			browsers := []*signontest.Browser{f.signIn("alice"), f.signIn("alice"), f.signIn("alice")}
			token := f.op.LogoutToken(signontest.Session{Subject: "alice"})
			var all sync.WaitGroup
			start := make(chan struct{})
			answers := make([]*httptest.ResponseRecorder, 12)
			for i := range answers {
				all.Go(func() {
					<-start
					answers[i] = f.post(i%2, token)
				})
			}
			close(start)
			all.Wait()
			for _, w := range answers {
				requireDone(t, w)
			}
			for _, b := range browsers {
				require.Equal(t, nobody, f.who(b))
			}
			require.Len(t, f.endings(), 3)
		}
	})
}

// LO-35, LO-30: a store that is down at any step is never 200, nor is it the token's
// fault: the provider may send it again, to whichever replica, and then it does its work,
// once.
func TestLogoutTokenAfterOwnFailure(t *testing.T) {
	steps := []struct {
		name, method string
		fault        func() error
		status       int
		ended        bool
	}{
		{"before the list", "logins.Logins", down, 503, false},
		{"before the question", "logins.Claim", down, 503, false},
		{"at the ending", "logins.EndLogins", down, 503, false},
		{"cancelled at the list", "logins.Logins", func() error { return context.Canceled }, 503, false},
		{"before it is remembered", "logins.Claim", nil, 503, true},
		{"a panic at the list", "logins.Logins", func() error { panic("list") }, 500, false},
		{"a panic at the ending", "logins.EndLogins", func() error { panic("end") }, 500, false},
		{"an abort at the ending", "logins.EndLogins", func() error { panic(http.ErrAbortHandler) }, 500, false},
	}
	o, faults := sabotaged()
	eachStore(t, o, func(t *testing.T, f *fleet) {
		for _, tt := range steps {
			t.Run(tt.name, func(t *testing.T) {
				f.t = t
				b := f.signIn("alice")
				token := f.op.LogoutToken(signontest.Session{Subject: "alice"})
				fault := tt.fault
				if fault == nil {
					fault = afterCalls(1, errDown)
				}
				faults[0].on(tt.method, fault)
				w := f.post(0, token)
				faults[0].end()
				code := "temporarily_unavailable"
				if tt.status == http.StatusInternalServerError {
					code = "server_error"
				} else {
					require.NotEmpty(t, w.Header().Get("Retry-After"))
				}
				requireNotDone(t, w, tt.status, code)
				require.Equal(t, tt.ended, f.who(b) == nobody)

				requireDone(t, f.post(1, token))
				require.Equal(t, nobody, f.who(b))
				require.Len(t, f.endings(), 1)
				f.signInWith(b, "alice")
				requireDone(t, f.post(0, token))
				require.Equal(t, "alice", f.who(b), "it has done its work, and does it no more")
				requireDone(t, f.post(0, f.op.LogoutToken(signontest.Session{Subject: "alice"})))
				f.endings()
			})
		}
	})
}

// LO-35: of a user's logins one cannot be ended. The others are, and the provider hears
// that it is not done; the next time it is.
func TestLogoutTokenEndsWhatItCan(t *testing.T) {
	o, faults := sabotaged()
	eachStore(t, o, func(t *testing.T, f *fleet) {
		browsers := []*signontest.Browser{f.signIn("alice"), f.signIn("alice"), f.signIn("alice")}
		token := f.op.LogoutToken(signontest.Session{Subject: "alice"})
		faults[0].on("logins.EndLogins", afterCalls(2, errDown))
		requireNotDone(t, f.post(0, token), http.StatusServiceUnavailable, "temporarily_unavailable")
		faults[0].end()
		require.Len(t, f.endings(), 2)
		requireDone(t, f.post(1, token))
		require.Len(t, f.endings(), 1)
		for _, b := range browsers {
			require.Equal(t, nobody, f.who(b))
		}
	})
}

// A provider that hangs up has signed its user out all the same.
func TestLogoutTokenOfAProviderThatHangsUp(t *testing.T) {
	eachStore(t, fleetOptions{}, func(t *testing.T, f *fleet) {
		b := f.signIn("alice")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := formOf(backChannelPath, url.Values{"logout_token": {f.op.LogoutToken(f.sessionOf(b))}})
		f.posted(0, r.WithContext(ctx))
		require.Equal(t, nobody, f.who(b))
	})
}

// LO-35: without the provider's keys or metadata nobody can tell, which is not the
// token's fault either.
func TestLogoutTokenWithoutKeys(t *testing.T) {
	for _, fault := range []signontest.Fault{signontest.DownMetadata, signontest.DownJWKS, signontest.HTMLBody.At(signontest.JWKS)} {
		t.Run(string(fault), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFleet(t, "memory", fleetOptions{})
				defer f.shutdown()
				token := f.op.LogoutToken(signontest.Session{Subject: "alice"})
				f.op.Arm(fault)
				w := f.post(0, token)
				require.GreaterOrEqual(t, w.Code, 500)
				require.Contains(t, w.Body.String(), "send it again")
				f.op.Disarm()
				time.Sleep(30 * time.Second)
				requireDone(t, f.post(0, token))
			})
		})
	}
}
