package databases_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/signontest"
	"github.com/seed1a301047/signon/tokenstore"
)

// strangers are names that mean something to one database or another.
var strangers = []string{
	"x'; DROP TABLE signon_tokens; --", `x" OR ""="`, "' OR 1=1 -- ", `back\slash\'`, "%", "_", "a?b$1:c@p1", "`tick`", "nul\\0", "alice ", "alice", "ALICE", "älice",
	"👩‍💻", strings.Repeat("s", 255),
}

// subjectOf is a name as OpenID Connect has it: ASCII.
func subjectOf(name string) string {
	if subject := strconv.QuoteToASCII(name); strings.ContainsAny(subject, "\\") && !strings.Contains(name, "\\") {
		return subject
	}
	return name
}

func usersOf(names ...string) (users []signontest.User) {
	for _, name := range names {
		users = append(users, signontest.User{Subject: subjectOf(name)})
	}
	return users
}

// ownedByName is an OnLogin of an application whose user ids are those names.
func ownedByName(c *signon.Config) {
	c.OnLogin = func(_ context.Context, l *signon.Login) (string, error) {
		for _, name := range strangers {
			if subjectOf(name) == l.Subject {
				return name, nil
			}
		}
		return "", errors.New("nobody knows this one")
	}
}

// ST-05, ST-06: a subject, owner or sid is compared byte by byte and is never SQL. Each
// user has a login and a token of his own, and the sid of one ends that one's login.
func TestStrangeNames(t *testing.T) {
	with := setup{op: signontest.Config{Users: usersOf(strangers...)}, config: ownedByName}
	each(t, with, func(t *testing.T, w *world) {
		browsers, owned := map[string]*signontest.Browser{}, map[string]string{}
		for _, name := range strangers {
			w.op.IDTokenClaims(func(m map[string]any) { m["sid"] = "sid " + name })
			browsers[name] = w.browser()
			w.signIn(browsers[name], subjectOf(name))
		}
		require.Equal(t, len(strangers), w.count("signon_tokens"))
		for _, name := range strangers {
			token := w.served(1, name).AccessToken
			require.Empty(t, owned[token], name)
			owned[token] = name
		}
		for i, name := range strangers {
			ended, err := w.replicas[0].logins.EndLogins(t.Context(), sessionstore.Selector{Issuer: w.op.Issuer(), SID: "sid " + name})
			require.NoError(t, err)
			require.Len(t, ended, 1, name)
			require.Equal(t, name, ended[0].Owner)
			require.Equal(t, "See Other", who(browsers[name]))
			require.Equal(t, len(strangers)-1-i, w.count("signon_logins"))
		}
	})
}

// ST-06: long tokens and a sid of 1 kB come back whole; an owner whom no column holds is
// refused, with nothing half-written.
func TestLongValues(t *testing.T) {
	tooLong := strings.Repeat("o", 256)
	with := setup{op: signontest.Config{Users: usersOf("alice", tooLong)}}
	each(t, with, func(t *testing.T, w *world) {
		sid := strings.Repeat("0123456789abcdef", 64)
		w.op.IDTokenClaims(func(m map[string]any) { m["sid"] = sid })
		b := w.expired("alice")
		w.op.IDTokenClaims(nil)
		long := strings.Repeat("0123456789abcdef", 1250)
		w.answerRefresh(long, 3600)
		require.Equal(t, long, w.served(0, "alice").AccessToken)
		require.Equal(t, long, w.served(1, "alice").AccessToken)
		require.Equal(t, long, w.served(1, "alice").RefreshToken)
		w.op.Handle("/token", nil)

		page := w.browser().Get(loginURL(tooLong)).FollowAll(9)
		require.GreaterOrEqual(t, page.Status, 500)
		require.Equal(t, []int{1, 1, 1}, []int{w.count("signon_tokens"), w.count("signon_logins"), w.count("signon_sessions")})
		ended, err := w.replicas[0].logins.EndLogins(t.Context(), sessionstore.Selector{Issuer: w.op.Issuer(), SID: sid})
		require.NoError(t, err)
		require.Len(t, ended, 1)
		require.Equal(t, "See Other", who(b))
	})
}

// ST-07: ten logins of one user at once, at both replicas: one row, with a token of one
// of them.
func TestLoginsOfOneUserAtOnce(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		var all sync.WaitGroup
		browsers, callbacks := make([]*signontest.Browser, 10), make([]string, 10)
		for i := range browsers {
			browsers[i] = w.browser()
			callbacks[i] = w.upToCallback(browsers[i], "alice")
		}
		for i := range browsers {
			all.Go(func() {
				if status := browsers[i].Get(callbacks[i]).Status; status != http.StatusSeeOther {
					t.Errorf("login %d: status %d", i, status)
				}
			})
		}
		all.Wait()
		require.Equal(t, 1, w.count("signon_tokens"))
		require.Equal(t, 10, w.count("signon_logins"))
		require.Equal(t, w.served(0, "alice").AccessToken, w.served(1, "alice").AccessToken)
		require.Equal(t, http.StatusOK, items(browsers[0]))
	})
}

// ST-09: a schema that is not this version's is an error at start, which says what to do.
func TestSchemaDrift(t *testing.T) {
	each(t, setup{replicas: 1}, func(t *testing.T, w *world) {
		r := w.replicas[0]
		require.NoError(t, r.tokens.Check(t.Context()))
		require.NoError(t, r.logins.Check(t.Context()))
		for _, tt := range []struct {
			drift, says, heal string // heal: "" is Migrate
		}{
			{"ALTER TABLE signon_tokens DROP COLUMN lease_until", "lease_until", ""},
			{"ALTER TABLE signon_logins DROP COLUMN user_agent", "user_agent", ""},
			{"ALTER TABLE signon_sessions ADD COLUMN surprise TEXT", "surprise", "ALTER TABLE signon_sessions DROP COLUMN surprise"},
			{"DROP TABLE signon_tokens", "signon_tokens", ""},
			{"DROP TABLE signon_claims", "signon_claims", ""},
		} {
			w.exec(tt.drift)
			check := func() string {
				return fmt.Sprint(r.tokens.Check(t.Context()), r.logins.Check(t.Context()))
			}
			require.Contains(t, check(), tt.says, tt.drift)
			if tt.heal != "" {
				w.exec(tt.heal)
			} else {
				require.NoError(t, r.tokens.Migrate(t.Context()))
				require.NoError(t, r.logins.Migrate(t.Context()))
			}
			require.Equal(t, "<nil> <nil>", check())
		}
		w.signIn(w.browser(), "alice")
	})
}

// ST-11: what never expires, or after 2038, is kept as it is, and DeleteExpired takes
// nothing that is in use.
func TestExpiries(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		b := w.signedIn("alice", 9*365*24*time.Hour)
		require.WithinDuration(t, time.Now().Add(9*365*24*time.Hour), w.served(1, "alice").Expiry, time.Minute)
		future := time.Date(2106, 2, 7, 6, 28, 16, 0, time.FixedZone("", -7*3600)) // past 32 bits, signed or not
		key := tokenstore.Key{Provider: "op", Owner: "future"}
		row := tokenstore.Extra{Until: future}.Put(&oauth2.Token{AccessToken: "a", Expiry: future})
		require.NoError(t, w.replicas[0].tokens.Store.SaveToken(t.Context(), key, row))
		w.op.Arm(signontest.NoExpiresIn)
		w.signIn(w.browser(), "bob")
		require.True(t, w.served(1, "bob").Expiry.IsZero())
		w.sweep()
		kept, err := w.replicas[1].tokens.Store.FetchToken(t.Context(), key)
		require.NoError(t, err)
		require.True(t, future.Equal(kept.Expiry))
		require.True(t, future.Equal(tokenstore.ExtraOf(kept).Until))
		require.Equal(t, "alice", who(b))
		w.served(0, "alice")
		w.served(0, "bob")
		w.requireRefreshed(0)
	})
}

// sweep deletes at both replicas what has expired.
func (w *world) sweep() {
	w.t.Helper()
	for _, r := range w.replicas {
		_, err := r.tokens.DeleteExpired(w.t.Context())
		require.NoError(w.t, err)
		_, err = r.logins.DeleteExpired(w.t.Context())
		require.NoError(w.t, err)
	}
}

// ST-11: the token of a login that is over goes with it, that of one that is not stays.
func TestExpiredLoginsGo(t *testing.T) {
	short := func(c *signon.Config) { c.Lifetime, c.IdleTimeout = 8*time.Second, -1 }
	each(t, setup{byLogin: true, config: short}, func(t *testing.T, w *world) {
		old := w.browser()
		w.signIn(old, "alice")
		time.Sleep(6 * time.Second)
		b := w.browser()
		w.signIn(b, "bob")
		time.Sleep(2100 * time.Millisecond)
		require.Equal(t, "See Other", who(old))
		w.sweep()
		require.Equal(t, http.StatusOK, items(b))
		w.exec("UPDATE signon_logins SET gone_at = gone_at - 61000") // a minute later: clocks may be so far apart
		w.exec("UPDATE signon_tokens SET until = until - 61 WHERE owner = (SELECT owner FROM signon_logins WHERE subject = 'alice')")
		w.sweep()
		require.Equal(t, []int{1, 1}, []int{w.count("signon_tokens"), w.count("signon_logins")})
		require.Equal(t, http.StatusOK, items(b))
	})
}

// ST-12: of 50 who claim a key at once, at two replicas, one gets it.
func TestClaimOnce(t *testing.T) {
	each(t, setup{}, func(t *testing.T, w *world) {
		for round := range 3 {
			took := make(chan error)
			for i := range 50 {
				go func() {
					took <- w.replicas[i%2].logins.Claim(t.Context(), fmt.Sprint("key ", round), time.Now().Add(time.Minute))
				}()
			}
			winners := 0
			for range 50 {
				if err := <-took; err == nil {
					winners++
				} else {
					require.ErrorIs(t, err, sessionstore.ErrClaimed)
				}
			}
			require.Equal(t, 1, winners)
		}
	})
}
