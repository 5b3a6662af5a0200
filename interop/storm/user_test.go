package storm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A user is one browser and what it has seen.
type user struct {
	name   string
	world  *world
	client *http.Client
	counts *counts
}

// requestTimeout is far above what anybody may have to wait.
const requestTimeout = 90 * time.Second

func newUser(t testing.TB, w *world, name string, c *counts) *user {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &user{
		name: name, world: w, counts: c,
		client: &http.Client{Transport: w.fleet, Jar: jar, Timeout: requestTimeout},
	}
}

// login signs in, again if a replica dies over it or an answer is lost.
func (u *user) login(ctx context.Context) error {
	var failed error
	for range 30 {
		if failed = u.tryLogin(ctx); failed == nil {
			u.counts.add(&u.counts.logins)
			return nil
		}
		u.counts.add(&u.counts.failedLogins)
		if !sleep(ctx, 300*time.Millisecond) {
			return ctx.Err()
		}
	}
	return fmt.Errorf("%s cannot sign in: %w", u.name, failed)
}

func (u *user) tryLogin(ctx context.Context) error {
	at := origin + "/auth/login/op?" + url.Values{"login_hint": {u.name}}.Encode()
	resp, err := u.get(ctx, at, "text/html")
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return err
	}
	if string(body) != "welcome" {
		return fmt.Errorf("%s at %s", resp.Status, resp.Request.URL.Path)
	}
	return nil
}

func (u *user) get(ctx context.Context, at, accept string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", accept)
	return u.client.Do(r)
}

// An outcome is what one request came to.
type outcome struct {
	user   string
	by     string // the replica
	at     time.Time
	took   time.Duration
	status int // 0: no answer
	err    error
	answer whoami
}

// whoami is the answer of the replica's page.
type whoami struct{ User, Token, Login string }

// ask opens the page once and counts the outcome.
func (u *user) ask(ctx context.Context) outcome {
	o := outcome{user: u.name, at: time.Now()}
	resp, err := u.get(ctx, origin+"/whoami", "application/json")
	if err == nil {
		o.status, o.by = resp.StatusCode, resp.Header.Get("X-Replica")
		if o.status == http.StatusOK {
			err = json.NewDecoder(io.LimitReader(resp.Body, 4<<10)).Decode(&o.answer)
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
		_ = resp.Body.Close()
	}
	if err != nil {
		o.status, o.err = 0, err
		if failed, ok := errors.AsType[failedAt](err); ok {
			o.by = failed.by
		}
	}
	o.took = time.Since(o.at)
	u.counts.note(u.world.ledger, o)
	return o
}

// burst asks n times at once, within a moment. It reports whether the user is still
// signed in.
func (u *user) burst(ctx context.Context, n int) bool {
	var all sync.WaitGroup
	var mu sync.Mutex
	in := true
	for range n {
		all.Go(func() {
			sleep(ctx, rand.N(500*time.Millisecond))
			if o := u.ask(ctx); o.status == http.StatusUnauthorized {
				mu.Lock()
				defer mu.Unlock()
				in = false
			}
		})
	}
	all.Wait()
	return in
}

// live is what a user does in the storm until over, after a while: sign in, and ask
// n times at once each time that the token is about to expire or has just expired.
// Where the login is lost, there is another. What has begun ends by itself.
func (u *user) live(over context.Context, after time.Duration, n int) error {
	begun := context.WithoutCancel(over)
	for in := false; sleep(over, after); {
		if !in {
			if err := u.login(begun); err != nil {
				return err
			}
		}
		_, issued, expires := u.world.ledger.current(u.name)
		margin := expires.Sub(issued) / 4 // from then on it is refreshed
		due := expires.Add(-margin).Add(rand.N(margin * 3 / 2))
		if !sleep(over, time.Until(due)) {
			break
		}
		in, after = u.burst(begun, n), 0
	}
	return nil
}

// counts is what all users have seen.
type counts struct {
	mu           sync.Mutex
	logins       int
	failedLogins int
	requests     int
	status       map[int]int // 0: no answer, because its replica was killed
	longest      outcome
	lost         map[*family]bool // logins, with a cause at the provider
	anothers     []string         // violations: another user's token,
	causeless    []string         // a login lost without a cause at the provider,
	odd          []string         // anything else that must not be
}

func newCounts() *counts { return &counts{status: map[int]int{}, lost: map[*family]bool{}} }

func (c *counts) add(n *int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n++
}

// note judges one outcome.
func (c *counts) note(l *ledger, o outcome) {
	f, _, _ := l.current(o.user)
	ended := f != nil && l.hasEnded(f)
	killed := o.status == 0 && l.killed(o.by)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	c.status[o.status]++
	if o.status != 0 && o.took > c.longest.took {
		c.longest = o
	}
	story := fmt.Sprintf("%s at %s by replica %s after %v: status %d", o.user, l.clock(o.at), o.by, o.took.Round(time.Millisecond), o.status)
	switch {
	case o.status == http.StatusOK && (o.answer.User != o.user || o.answer.Login != o.user):
		c.anothers = append(c.anothers, fmt.Sprintf("%s: token %s of %s in the login of %s", story, o.answer.Token, o.answer.User, o.answer.Login))
	case o.status == http.StatusUnauthorized && ended:
		c.lost[f] = true
	case o.status == http.StatusUnauthorized:
		c.causeless = append(c.causeless, story+l.history(f))
	case o.status == 0 && !killed:
		c.odd = append(c.odd, fmt.Sprintf("%s: %v", story, o.err))
	case o.status == http.StatusInternalServerError:
		c.odd = append(c.odd, story)
	}
}
