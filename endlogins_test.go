package signon_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/signontest"
)

const (
	firefoxOnLinux = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	safariOnIOS    = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
)

// SE-02, LO-10: who is signed in where, one of them ended, and then everywhere: at once
// on both replicas, and nobody else's. The user's token stays.
func TestWhoIsSignedInWhere(t *testing.T) {
	eachStore(t, fleetOptions{owned: true}, func(t *testing.T, f *fleet) {
		var alice []*signontest.Browser
		var ids []string
		for i, agent := range []string{firefoxOnLinux, "curl/8.0", safariOnIOS} {
			f.at.Store(int32(i % 2))
			b := f.browser()
			b.UserAgent = agent
			f.signInWith(b, "alice")
			alice, ids = append(alice, b), append(ids, f.loginOf(b))
			time.Sleep(2 * time.Millisecond) // a store keeps milliseconds
		}
		bob := f.signIn("bob")
		for i := range f.replicas {
			f.at.Store(int32(i))
			page := alice[0].Get(siteURL + "/logins")
			require.Equal(t, "op \"Safari on iOS\" false\nop \"\" false\nop \"Firefox on Linux\" true\n", page.Body)
		}
		list, err := f.replicas[1].auth.Logins(t.Context(), "user-alice")
		require.NoError(t, err)
		require.Len(t, list, 3)
		for i, l := range list {
			require.Equal(t, ids[2-i], l.ID)
			require.Equal(t, []any{"user-alice", f.op.Issuer(), "alice", false}, []any{l.Owner, l.Issuer, l.Subject, l.Current})
			require.WithinDuration(t, time.Now(), l.CreatedAt, time.Minute)
			require.WithinDuration(t, time.Now(), l.LastSeen, time.Minute)
		}
		none, err := f.replicas[0].auth.Logins(t.Context(), "user-carol")
		require.NoError(t, err)
		require.Empty(t, none)

		require.NoError(t, f.replicas[1].auth.EndLogin(t.Context(), ids[1]))
		require.Equal(t, []string{"alice", nobody, "alice", "bob"}, []string{f.who(alice[0]), f.who(alice[1]), f.who(alice[2]), f.who(bob)})
		require.ErrorIs(t, f.replicas[0].auth.EndLogin(t.Context(), ids[1]), signon.ErrNoLogin)
		require.Equal(t, []ending{{1, ids[1], "user-alice", signon.LoginEnded}}, f.endings())

		n, err := f.replicas[0].auth.EndLogins(t.Context(), "user-alice")
		require.NoError(t, err)
		require.Equal(t, 2, n)
		require.Equal(t, []string{nobody, nobody, nobody, "bob"}, []string{f.who(alice[0]), f.who(alice[1]), f.who(alice[2]), f.who(bob)})
		require.Equal(t, []ending{{0, ids[2], "user-alice", signon.LoginEnded}, {0, ids[0], "user-alice", signon.LoginEnded}}, f.endings())
		f.requireTokens(true, "user-alice", "user-bob")

		n, err = f.replicas[1].auth.EndLoginsOf(t.Context(), f.op.Issuer(), "bob")
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, nobody, f.who(bob))
		n, err = f.replicas[1].auth.EndLoginsOf(t.Context(), f.op.Issuer(), "bob")
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

// What selects no login, or could select a stranger's, ends none.
func TestEndNobody(t *testing.T) {
	f := newFleet(t, "memory", fleetOptions{})
	auth := f.replicas[0].auth
	b := f.signIn("alice")
	for _, id := range []string{"", "x", strings.Repeat("x", 300), "a\x00b", "\xff"} {
		require.ErrorIs(t, auth.EndLogin(t.Context(), id), signon.ErrNoLogin)
	}
	for _, owner := range []string{"", strings.Repeat("x", 300), "a\x00b", "\xff"} {
		n, err := auth.EndLogins(t.Context(), owner)
		require.Zero(t, n)
		require.ErrorIs(t, err, signon.ErrInternal)
		_, err = auth.Logins(t.Context(), owner)
		require.ErrorIs(t, err, signon.ErrInternal)
	}
	for _, user := range [][2]string{{"", ""}, {"", "alice"}, {f.op.Issuer(), ""}, {f.op.Issuer(), "\xff"}} {
		n, err := auth.EndLoginsOf(t.Context(), user[0], user[1])
		require.Zero(t, n)
		require.ErrorIs(t, err, signon.ErrInternal)
	}
	require.Equal(t, "alice", f.who(b))
	require.Empty(t, f.endings())
}

// LO-10, LO-39: a login that owns its token takes it along, whatever ends it, and each
// ending has its cause. What OnLogout sees is over: no record, no token.
func TestEveryEndingHasItsCause(t *testing.T) {
	for _, tt := range []struct {
		cause signon.LogoutCause
		end   func(f *fleet, b *signontest.Browser)
	}{
		{signon.LoggedOut, func(f *fleet, b *signontest.Browser) { b.At(siteURL).Post("/auth/logout", nil) }},
		{signon.LoginEnded, func(f *fleet, b *signontest.Browser) {
			require.NoError(f.t, f.replicas[0].auth.EndLogin(f.t.Context(), f.loginOf(b)))
		}},
		{signon.LoginReplaced, func(f *fleet, b *signontest.Browser) { f.signInWith(b, "bob") }},
		{signon.LoginIdle, func(f *fleet, b *signontest.Browser) {
			time.Sleep(31 * time.Minute)
			b.Get(siteURL + "/me")
		}},
		{signon.RefreshRefused, func(f *fleet, b *signontest.Browser) {
			f.expire(f.loginOf(b))
			f.op.Arm(signontest.InvalidGrant)
			b.Get(siteURL + "/token")
		}},
		{signon.RefreshRefused, func(f *fleet, b *signontest.Browser) {
			f.expire(f.loginOf(b))
			f.op.Arm(signontest.RefreshOtherSubject)
			b.Get(siteURL + "/token")
		}},
	} {
		t.Run(string(tt.cause), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var f *fleet
				var seen []*signon.Login
				f = newFleet(t, "memory", fleetOptions{op: signontest.Config{TokenLife: 24 * time.Hour}, config: func(i int, c *signon.Config) {
					tell := c.OnLogout
					c.OnLogout = func(ctx context.Context, l *signon.Login, cause signon.LogoutCause) {
						require.NoError(t, ctx.Err())
						_, err := f.replicas[i].logins.Login(ctx, l.ID)
						require.ErrorIs(t, err, sessionstore.ErrNotFound)
						_, err = f.replicas[i].client.Token(ctx)
						require.ErrorIs(t, err, signon.ErrNoToken)
						seen = append(seen, l)
						tell(ctx, l, cause)
					}
				}})
				b := f.signIn("alice")
				id := f.loginOf(b)
				f.requireTokens(true, id)
				tt.end(f, b)
				require.Equal(t, []ending{{0, id, id, tt.cause}}, f.endings())
				f.requireTokens(false, id)
				var claims struct {
					Subject string `json:"sub"`
				}
				require.NoError(t, seen[0].Claims(&claims))
				require.Equal(t, []string{"alice", "alice"}, []string{seen[0].Subject, claims.Subject})
			})
		})
	}
}

// expire makes the stored token of an owner one that has just expired.
func (f *fleet) expire(owner string) {
	f.t.Helper()
	tokens := signon.TokensOf(f.replicas[0].auth)
	token, err := tokens.FetchToken(f.t.Context(), tokenKey("op", owner))
	require.NoError(f.t, err)
	token.Expiry = time.Now().Add(-time.Second)
	require.NoError(f.t, tokens.SaveToken(f.t.Context(), tokenKey("op", owner), token))
}

// SE-02: a login that many end at once, in every way and on both replicas, has ended
// once: one is told, with one cause.
func TestAnEndingIsToldOnce(t *testing.T) {
	eachStore(t, fleetOptions{}, func(t *testing.T, f *fleet) {
		for range 5 {
			b := f.signIn("alice")
			id := f.loginOf(b)
			var all sync.WaitGroup
			start := make(chan struct{})
			for i := range 12 {
				all.Go(func() {
					<-start
					auth := f.replicas[i%2].auth
					switch i % 3 {
					case 0:
						err := auth.EndLogin(t.Context(), id)
						require.True(t, err == nil || errors.Is(err, signon.ErrNoLogin), err)
					case 1:
						_, err := auth.EndLogins(t.Context(), id)
						require.NoError(t, err)
					case 2:
						_, err := auth.EndLoginsOf(t.Context(), f.op.Issuer(), "alice")
						require.NoError(t, err)
					}
				})
			}
			close(start)
			all.Wait()
			told := f.endings()
			require.Len(t, told, 1)
			require.Equal(t, id, told[0].id)
			require.Equal(t, nobody, f.who(b))
			f.requireTokens(false, id)
		}
	})
}

// An OnLogout that panics or hangs holds nobody up for longer than five seconds, and the
// next login's is called all the same. Shutdown waits for the rest.
func TestOnLogoutFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []string
		f := newFleet(t, "memory", fleetOptions{owned: true, config: func(_ int, c *signon.Config) {
			c.OnLogout = func(ctx context.Context, l *signon.Login, _ signon.LogoutCause) {
				mu.Lock()
				told = append(told, l.ID)
				n := len(told)
				mu.Unlock()
				switch n {
				case 1:
					panic(http.ErrAbortHandler)
				case 2:
					time.Sleep(time.Hour) // whatever its context says
				case 3:
					<-ctx.Done()
				}
			}
		}})
		ids := []string{}
		for range 4 {
			ids = append(ids, f.loginOf(f.signIn("alice")))
			time.Sleep(time.Millisecond)
		}
		slices.Reverse(ids)
		began := time.Now()
		n, err := f.replicas[0].auth.EndLogins(t.Context(), "user-alice")
		require.NoError(t, err)
		require.Equal(t, 4, n)
		require.Equal(t, 5*time.Second, time.Since(began))
		f.shutdown()
		require.Equal(t, 10*time.Second, time.Since(began))
		require.Equal(t, ids, told)
		require.Equal(t, 3, strings.Count(f.log.String(), "OnLogout failed"))
		time.Sleep(2 * time.Hour)
	})
}

// Whoever asks for an ending and leaves has it all the same, to its end.
func TestEndingOutlivesItsCaller(t *testing.T) {
	ctx, leave := newLeaver(t)
	f := newFleet(t, "memory", fleetOptions{config: func(_ int, c *signon.Config) {
		c.Logins = leavingLogins{c.Logins, leave}
	}})
	b := f.signIn("alice")
	id := f.loginOf(b)
	require.NoError(t, f.replicas[0].auth.EndLogin(ctx, id))
	require.Error(t, ctx.Err())
	f.requireTokens(false, id)
	require.Len(t, f.endings(), 1)
}

// leavingLogins is a store during whose work the caller leaves.
type leavingLogins struct {
	sessionstore.Store
	leave context.CancelFunc
}

func (s leavingLogins) EndLogins(ctx context.Context, by sessionstore.Selector) ([]*sessionstore.Record, error) {
	defer s.leave()
	return s.Store.EndLogins(ctx, by)
}

// A store that fails on the way: what has ended has ended and is told, and the error says
// what is left. Where the records cannot be ended, nobody is.
func TestEndingWithStoreDown(t *testing.T) {
	for _, tt := range []struct {
		name   string
		breaks func(f *brokenStores)
		ended  int
	}{
		{"logins", func(f *brokenStores) { f.logins = errDown }, 0},
		{"logins, which panics", func(f *brokenStores) { f.loginsPanic = true }, 0},
		{"logins, when they have ended", func(f *brokenStores) { f.loginsAfter = errDown }, 1},
		{"tokens", func(f *brokenStores) { f.tokens = errDown }, 1},
		{"tokens, which panics", func(f *brokenStores) { f.tokensPanic = true }, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			broken := &brokenStores{}
			f := newFleet(t, "memory", fleetOptions{config: func(_ int, c *signon.Config) {
				c.Logins, c.Tokens = brokenLogins{c.Logins, broken}, brokenTokens{c.Tokens, broken}
			}})
			b := f.signIn("alice")
			id := f.loginOf(b)
			tt.breaks(broken)
			n, err := f.replicas[0].auth.EndLoginsOf(t.Context(), f.op.Issuer(), "alice")
			require.Error(t, err)
			if !broken.loginsPanic && !broken.tokensPanic {
				require.ErrorIs(t, err, signon.ErrUnavailable)
			}
			require.Equal(t, tt.ended, n)
			require.Len(t, f.endings(), tt.ended)
			*broken = brokenStores{}
			_, err = f.replicas[1].logins.Login(t.Context(), id)
			require.Equal(t, tt.ended == 1, errors.Is(err, sessionstore.ErrNotFound))
			if tt.ended == 0 {
				require.Equal(t, "alice", f.who(b), "nothing of it has ended")
			}
		})
	}
}

// A token store that hangs holds an ending up once, not once for each login: they have
// ended, all are told, and the error says what is left.
func TestEndingWithATokenStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, "memory", fleetOptions{config: func(_ int, c *signon.Config) { c.Tokens = hangingTokens{c.Tokens} }})
		var browsers []*signontest.Browser
		for range 3 {
			browsers = append(browsers, f.signIn("alice"))
		}
		began := time.Now()
		n, err := f.replicas[0].auth.EndLoginsOf(t.Context(), f.op.Issuer(), "alice")
		require.ErrorIs(t, err, signon.ErrUnavailable)
		require.ErrorContains(t, err, "3 were not deleted")
		require.Equal(t, 3, n)
		require.Equal(t, 10*time.Second, time.Since(began))
		require.Len(t, f.endings(), 3)
		for _, b := range browsers {
			require.Equal(t, nobody, f.who(b))
		}
	})
}

type hangingTokens struct{ signon.TokenStore }

func (hangingTokens) DeleteToken(ctx context.Context, _ signonKey, _ *oauth2.Token) error {
	<-ctx.Done()
	return ctx.Err()
}

type brokenStores struct {
	logins, loginsAfter, tokens error
	loginsPanic, tokensPanic    bool
}

type brokenLogins struct {
	sessionstore.Store
	broken *brokenStores
}

func (s brokenLogins) EndLogins(ctx context.Context, by sessionstore.Selector) ([]*sessionstore.Record, error) {
	if s.broken.loginsPanic {
		panic("a store")
	}
	if s.broken.logins != nil {
		return nil, s.broken.logins
	}
	ended, err := s.Store.EndLogins(ctx, by)
	return ended, errors.Join(err, s.broken.loginsAfter)
}

type brokenTokens struct {
	signon.TokenStore
	broken *brokenStores
}

func (s brokenTokens) DeleteToken(ctx context.Context, key signonKey, old *oauth2.Token) error {
	if s.broken.tokensPanic {
		panic("a store")
	}
	if s.broken.tokens != nil {
		return s.broken.tokens
	}
	return s.TokenStore.DeleteToken(ctx, key, old)
}
