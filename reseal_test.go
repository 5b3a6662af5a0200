package signon_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/tokenstore"
)

func owner(i int) tokenstore.Key {
	return tokenstore.Key{Provider: "op", Owner: fmt.Sprint("owner ", i)}
}

// rowsOf is how many rows each key holds, in the report's order.
func rowsOf(report signon.SealReport) []int {
	var rows []int
	for _, use := range report.Keys {
		rows = append(rows, use.Rows)
	}
	return rows
}

// ST-04: the way of a key from its first day to its last.
func TestReseal(t *testing.T) {
	store, log := &rowStore{}, &logBuffer{}
	_, first := sealing(t, store, nil, keyring(1))
	_, foreign := sealing(t, store, nil, keyring(7))
	auth, v := sealing(t, store, log, keyring(2, 1))
	for i := range 100 {
		require.NoError(t, first.SaveToken(t.Context(), owner(i), grown(fmt.Sprint(i))))
	}
	for i := range 10 {
		require.NoError(t, v.SaveToken(t.Context(), owner(100+i), grown(fmt.Sprint(100+i))))
	}
	require.NoError(t, foreign.SaveToken(t.Context(), owner(200), grown("200")))
	require.NoError(t, foreign.SaveToken(t.Context(), owner(201), grown("201")))
	store.put(t, owner(202), grown("plain"))
	store.put(t, owner(203), store.row(t, owner(0)))

	current := store.row(t, owner(100))
	report, err := auth.Reseal(t.Context())
	require.NoError(t, err)
	require.Equal(t, current, store.row(t, owner(100)), "what has the first key is let be")
	require.Equal(t, []int{110, 0, 2}, rowsOf(report))
	require.Equal(t, 100, report.Resealed)
	require.Zero(t, report.Busy)
	require.Equal(t, 2, report.Unopened)
	for i, want := range []int{0, 1, -1} {
		require.Equal(t, want, report.Keys[i].Index)
		require.Regexp(t, "^[0-9a-f]{8}$", report.Keys[i].ID)
	}
	require.Contains(t, log.String(), movedOrChanged)
	require.Contains(t, log.String(), neverSealed)
	_, err = v.FetchToken(t.Context(), owner(200))
	require.ErrorIs(t, err, tokenstore.ErrNotFound)
	require.Contains(t, log.String(), `"key_id":"`+report.Keys[2].ID+`"`, "the report's name for it is the log's")

	again, err := auth.Reseal(t.Context())
	require.NoError(t, err)
	require.Equal(t, []int{110, 0, 2}, rowsOf(again))
	require.Zero(t, again.Resealed)

	_, after := sealing(t, store, nil, keyring(2))
	for i := range 110 {
		requireToken(t, after, owner(i), grown(fmt.Sprint(i)))
	}
	third, _ := sealing(t, store, nil, keyring(3, 2))
	report, err = third.Reseal(t.Context())
	require.NoError(t, err)
	require.Equal(t, again.Keys[0].ID, report.Keys[1].ID, "a key's id is the key's, wherever it stands")
}

// A refresh, a sign-out and a login that began with what was there before a reseal find
// the same token in another row, at whatever point of it they come.
func TestResealDisturbsNobody(t *testing.T) {
	for _, tt := range []struct {
		name string
		act  func(ctx context.Context, v vault, old *oauth2.Token) error
		want *oauth2.Token // what is there then
	}{
		{"update", func(ctx context.Context, v vault, old *oauth2.Token) error {
			return v.UpdateToken(ctx, alicesKey, old, grown("next"))
		}, grown("next")},
		{"delete", func(ctx context.Context, v vault, old *oauth2.Token) error { return v.DeleteToken(ctx, alicesKey, old) }, nil},
		{"delete whatever it is", func(ctx context.Context, v vault, _ *oauth2.Token) error { return v.DeleteToken(ctx, alicesKey, nil) }, nil},
		{"login", func(ctx context.Context, v vault, _ *oauth2.Token) error {
			return v.SaveToken(ctx, alicesKey, grown("login"))
		}, grown("login")},
	} {
		for _, point := range []string{"before", "lease", "update", "after"} {
			t.Run(tt.name+", "+point, func(t *testing.T) {
				store := &rowStore{}
				actDuringReseal(t, store, store, point, tt.act, tt.want)
			})
			if point != "lease" {
				t.Run(tt.name+", without leases, "+point, func(t *testing.T) {
					store := &rowStore{}
					actDuringReseal(t, store, walkable{store, store}, point, tt.act, tt.want)
				})
			}
		}
	}
}

// actDuringReseal acts once at a point of a reseal: before it, before its call of the
// store of that name, or after it.
func actDuringReseal(t *testing.T, store *rowStore, given signon.TokenStore, point string,
	act func(context.Context, vault, *oauth2.Token) error, want *oauth2.Token,
) {
	_, former := sealing(t, given, nil, keyring(1))
	auth, v := sealing(t, given, nil, keyring(2, 1))
	require.NoError(t, former.SaveToken(t.Context(), alicesKey, grown("alice")))
	old, err := v.FetchToken(t.Context(), alicesKey)
	require.NoError(t, err)
	acted := false
	comes := func(now string) {
		if now == point && !acted {
			acted = true
			require.NoError(t, act(t.Context(), v, old))
		}
	}
	comes("before")
	store.before.set(func(ctx context.Context) error {
		comes(called(ctx))
		return nil
	})
	report, err := auth.Reseal(t.Context())
	require.NoError(t, err)
	comes("after")

	require.True(t, acted)
	require.Zero(t, report.Busy)
	require.Zero(t, report.Unopened)
	require.Zero(t, report.Keys[1].Rows)
	if want == nil {
		_, err := v.FetchToken(t.Context(), alicesKey)
		require.ErrorIs(t, err, tokenstore.ErrNotFound)
		return
	}
	require.Equal(t, 1, report.Keys[0].Rows)
	requireToken(t, v, alicesKey, want)
}

// walkable is a store without leases.
type walkable struct {
	signon.TokenStore
	tokenstore.Lister
}

// A refresh that has the lease keeps it, and its token: Reseal leaves the row.
func TestResealLeavesWhatIsRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &rowStore{}
		_, old := sealing(t, store, nil, keyring(1))
		auth, v := sealing(t, store, nil, keyring(2, 1))
		require.NoError(t, old.SaveToken(t.Context(), alicesKey, grown("alice")))
		require.NoError(t, old.SaveToken(t.Context(), bobsKey, grown("bob")))
		token, err := v.FetchToken(t.Context(), alicesKey)
		require.NoError(t, err)
		mine := tokenstore.Lease{Holder: "mine", TTL: 15 * time.Second}
		require.NoError(t, v.LeaseToken(t.Context(), alicesKey, token, mine))

		report, err := auth.Reseal(t.Context())
		require.NoError(t, err)
		require.Equal(t, []int{1, 1}, rowsOf(report))
		require.Equal(t, 1, report.Busy)
		require.Equal(t, 1, report.Resealed)
		require.ErrorIs(t, v.LeaseToken(t.Context(), alicesKey, token, tokenstore.Lease{Holder: "other", TTL: time.Second}), tokenstore.ErrLeased)

		paused := mine
		paused.Paused = true
		require.NoError(t, v.LeaseToken(t.Context(), alicesKey, token, paused))
		report, err = auth.Reseal(t.Context())
		require.NoError(t, err)
		require.Equal(t, 1, report.Busy)
		require.ErrorIs(t, v.LeaseToken(t.Context(), alicesKey, token, mine), tokenstore.ErrPaused)

		time.Sleep(16 * time.Second)
		report, err = auth.Reseal(t.Context())
		require.NoError(t, err)
		require.Equal(t, []int{2, 0}, rowsOf(report))
		require.NoError(t, v.LeaseToken(t.Context(), alicesKey, token, mine), "what was read before is still the token")
		require.NoError(t, v.UpdateToken(t.Context(), alicesKey, token, grown("next")))
	})
}

// While a row is written a refresh does not begin, and begins right after. If whoever
// reseals hangs with the lease, it begins when that has run out.
func TestRefreshWaitsForReseal(t *testing.T) {
	for _, hangs := range []bool{false, true} {
		t.Run(fmt.Sprint("hangs ", hangs), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t, appOptions{owned: true, config: func(c *signon.Config) { c.Keys = keyring(1, 2) }})
				require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
				a.expire("alice")
				old := a.stored("alice")
				store := &rowStore{} // over the same rows
				g := newGate()
				store.before.set(func(ctx context.Context) error {
					if called(ctx) != "update" {
						return nil
					}
					return g.pass(ctx)
				})
				auth, _ := sealing(t, stale{store, &a.tokens.Memory}, nil, keyring(2, 1))
				ended := make(chan error)
				go func() {
					_, err := auth.Reseal(t.Context())
					ended <- err
				}()
				<-g.reached
				began := time.Now()
				got := make(chan error)
				go func() {
					_, err := a.client.Token(a.as("alice"))
					got <- err
				}()
				time.Sleep(time.Second)
				require.Zero(t, a.refreshes(), "it waits")
				if hangs {
					require.NoError(t, <-got)
					require.LessOrEqual(t, time.Since(began), 7*time.Second)
					require.Equal(t, 1, a.refreshes())
					close(g.open)
					require.ErrorIs(t, <-ended, context.DeadlineExceeded)
					require.NotEqual(t, old.AccessToken, a.stored("alice").AccessToken, "what came late changed nothing")
					return
				}
				close(g.open)
				require.NoError(t, <-ended)
				require.NoError(t, <-got)
				require.LessOrEqual(t, time.Since(began), 2*time.Second)
				require.Equal(t, 1, a.refreshes())
				require.Zero(t, a.op.Stats().RefreshReused)
			})
		})
	}
}

// stale is a rowStore over rows that others have too.
type stale struct {
	*rowStore
	rows *tokenstore.Memory
}

func (s stale) UpdateToken(ctx context.Context, key tokenstore.Key, old, token *oauth2.Token) error {
	if err := s.note(ctx, "update"); err != nil {
		return err
	}
	return s.rows.UpdateToken(ctx, key, old, token)
}

func (s stale) LeaseToken(ctx context.Context, key tokenstore.Key, old *oauth2.Token, lease tokenstore.Lease) error {
	return s.rows.LeaseToken(ctx, key, old, lease)
}

func (s stale) Tokens(ctx context.Context) iter.Seq2[tokenstore.Entry, error] {
	return s.rows.Tokens(ctx)
}

// Whatever ends the walk, the report says how far it came, and no lease is left behind.
func TestResealEnds(t *testing.T) {
	down := errors.New("disk full")
	for _, tt := range []struct {
		name  string
		fail  func(leave func()) error
		point string
		want  error
	}{
		{"the store fails at the write", func(func()) error { return down }, "update", down},
		{"the store fails at the lease", func(func()) error { return down }, "lease", down},
		{"the caller leaves at the write", func(leave func()) error { leave(); return nil }, "update", context.Canceled},
		{"the caller leaves at the lease", func(leave func()) error { leave(); return nil }, "lease", context.Canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := &rowStore{}
			_, old := sealing(t, store, nil, keyring(1))
			auth, v := sealing(t, store, nil, keyring(2, 1))
			for i := range 10 {
				require.NoError(t, old.SaveToken(t.Context(), owner(i), grown(fmt.Sprint(i))))
			}
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			n := 0
			store.before.set(func(at context.Context) error {
				if called(at) != tt.point {
					return nil
				}
				if n++; n != 5 {
					return nil
				}
				return tt.fail(leave)
			})
			report, err := auth.Reseal(ctx)
			require.ErrorIs(t, err, tt.want)
			require.Equal(t, 4, report.Resealed)
			require.Equal(t, []int{4, 1}, rowsOf(report))

			store.before.clear()
			for i := range 10 {
				require.NoError(t, v.LeaseToken(t.Context(), owner(i), grown(fmt.Sprint(i)), tokenstore.Lease{Holder: "h", TTL: time.Minute}), "owner %d", i)
				require.NoError(t, v.LeaseToken(t.Context(), owner(i), grown(fmt.Sprint(i)), tokenstore.Lease{Holder: "h"}))
			}
			report, err = auth.Reseal(t.Context())
			require.NoError(t, err)
			require.Equal(t, 6, report.Resealed)
			require.Equal(t, []int{10, 0}, rowsOf(report))
		})
	}
}

func TestResealOfAStoreThatCannotBeWalked(t *testing.T) {
	auth, _ := sealing(t, &tokenTable{}, nil, keyring(2, 1))
	report, err := auth.Reseal(t.Context())
	require.ErrorIs(t, err, errors.ErrUnsupported)
	require.ErrorContains(t, err, "tokenstore.Lister")
	require.Equal(t, []int{0, 0}, rowsOf(report))
}

// A row that is written again and again meanwhile is left as busy, not followed forever.
func TestResealIsBounded(t *testing.T) {
	store := &rowStore{}
	_, old := sealing(t, store, nil, keyring(1))
	_, other := sealing(t, unwatched{&store.Memory}, nil, keyring(1))
	auth, _ := sealing(t, store, nil, keyring(2, 1))
	require.NoError(t, old.SaveToken(t.Context(), alicesKey, grown("alice")))
	store.before.set(func(ctx context.Context) error {
		if called(ctx) == "lease" {
			require.NoError(t, other.SaveToken(ctx, alicesKey, grown("alice")))
		}
		return nil
	})
	report, err := auth.Reseal(t.Context())
	require.NoError(t, err)
	require.Equal(t, []int{0, 1}, rowsOf(report))
	require.Equal(t, 1, report.Busy)
}

// Refreshes, logins and sign-outs of many processes while two of them reseal: no swap is
// lost and none succeeds twice.
func TestResealRace(t *testing.T) {
	for _, hasLeases := range []bool{true, false} {
		t.Run(fmt.Sprint("leases ", hasLeases), func(t *testing.T) {
			var rows tokenstore.Memory
			process := func(keys ...int) (*signon.Registry, vault) {
				var store signon.TokenStore = unwatched{&rows}
				if !hasLeases {
					store = walkable{unwatched{&rows}, &rows}
				}
				return sealing(t, store, nil, keyring(keys...))
			}
			const owners, generations = 8, 20
			_, old := process(1, 2, 3)
			for i := range owners {
				require.NoError(t, old.SaveToken(t.Context(), owner(i), grown("0")))
			}
			stop := make(chan struct{})
			var resealers, refreshers sync.WaitGroup
			for _, keys := range [][]int{{2, 1, 3}, {3, 2, 1}} { // each undoes the other's work
				auth, _ := process(keys...)
				resealers.Go(func() {
					for {
						report, err := auth.Reseal(t.Context())
						if err != nil || report.Unopened != 0 {
							t.Error(report, err)
						}
						select {
						case <-stop:
							return
						default:
						}
					}
				})
			}
			for i := range owners {
				refreshers.Go(func() { refreshAlong(t, owner(i), generations, process) })
			}
			refreshers.Wait()
			close(stop)
			resealers.Wait()
			for i := range owners {
				requireToken(t, old, owner(i), grown(fmt.Sprint(generations)))
			}
		})
	}
}

// refreshAlong refreshes a token by two processes at once, generation for generation.
func refreshAlong(t *testing.T, key tokenstore.Key, generations int, process func(...int) (*signon.Registry, vault)) {
	_, a := process(1, 2, 3)
	_, b := process(2, 3, 1)
	for n := range generations {
		was, next := grown(fmt.Sprint(n)), grown(fmt.Sprint(n+1))
		read, err := a.FetchToken(t.Context(), key)
		if err != nil || !tokenstore.Same(read, was) {
			t.Error("lost: ", err)
			return
		}
		var both sync.WaitGroup
		var errs [2]error
		both.Go(func() { errs[0] = a.UpdateToken(t.Context(), key, read, next) })
		both.Go(func() { errs[1] = b.UpdateToken(t.Context(), key, was, next) })
		both.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, tokenstore.ErrConflict) {
				t.Error(err)
			}
		}
		if won > 1 {
			t.Error("both succeeded")
		}
		// The two that reseal leave each other no peace, so that nobody may have won.
		if won == 0 {
			if err := a.SaveToken(t.Context(), key, next); err != nil {
				t.Error(err)
			}
		}
	}
}
