package signon_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/tokenstore"
)

// A world is a few replicas over one store and one provider. Each call of a replica to
// either stops, and whoever walks the world decides who goes on, and what becomes of
// the call.
type world struct {
	story    story
	tokens   tokenstore.Memory
	op       rotator
	replicas []*replica

	mu      sync.Mutex
	stopped []*stop
	log     []string
	broken  string
	causes  map[string]bool // the refresh tokens that may be sent twice; any: all of them
	lost    bool            // a pair may be lost for good
	out     int             // the newest login that has signed out
	deleted int             // the generation that it has deleted
	ended   chan struct{}
	open    bool // nothing stops any more
}

// A replica is a process: a registry of its own.
type replica struct {
	*world
	name    string
	auth    *signon.Registry
	client  *signon.Client
	done    bool
	crashed bool
	newest  map[int]int // of each family, the generation that it was answered last
}

// A stop is a call that waits for leave to go on.
type stop struct {
	replica *replica
	what    string
	leave   chan verdict
}

// A verdict is what becomes of a call.
type verdict int

const (
	goesOn verdict = iota
	isLost         // it happens, but the caller is not told
	fails          // it does not happen
)

// What a store does not do, in a story that is to go wrong.
const (
	leases         = "leases"
	leaseCompare   = "comparing before it leases"
	compareAndSwap = "comparing before it updates"
	tombstone      = "refusing to update what was deleted"
)

var errGone = errors.New("the connection was lost")

// stop waits for leave. A call whose time is over meanwhile does not happen.
func (r *replica) stop(ctx context.Context, what string) (verdict, error) {
	s := &stop{r, what, make(chan verdict, 1)}
	r.mu.Lock()
	if r.open && !r.crashed {
		r.mu.Unlock()
		return goesOn, nil
	}
	r.stopped = append(r.stopped, s)
	crashed := r.crashed
	r.mu.Unlock()
	if crashed {
		ctx = context.Background()
	}
	select {
	case v := <-s.leave:
		return v, nil
	case <-ctx.Done():
		r.mu.Lock()
		defer r.mu.Unlock()
		r.stopped = slices.DeleteFunc(r.stopped, func(o *stop) bool { return o == s })
		return fails, ctx.Err()
	case <-r.ended:
		return fails, errGone
	}
}

// do stops, and does what is to be done unless it fails.
func (r *replica) do(ctx context.Context, what string, call func() error) error {
	v, err := r.stop(ctx, what)
	switch {
	case err != nil:
		return err
	case v == fails:
		return errGone
	}
	if err := call(); v == goesOn {
		return err
	}
	return errGone
}

func (r *replica) FetchToken(ctx context.Context, key tokenstore.Key) (token *oauth2.Token, err error) {
	err = r.do(ctx, "FetchToken", func() (err error) { token, err = r.tokens.FetchToken(ctx, key); return err })
	return token, err
}

func (r *replica) UpdateToken(ctx context.Context, key tokenstore.Key, old, token *oauth2.Token) error {
	return r.do(ctx, updates+old.RefreshToken+" -> "+token.RefreshToken, func() error {
		err := r.tokens.UpdateToken(ctx, key, old, token)
		if errors.Is(err, tokenstore.ErrConflict) && r.story.without == compareAndSwap || errors.Is(err, tokenstore.ErrNotFound) && r.story.without == tombstone {
			return r.tokens.SaveToken(ctx, key, token)
		}
		return err
	})
}

func (r *replica) SaveToken(context.Context, tokenstore.Key, *oauth2.Token) error {
	return errors.ErrUnsupported
}

func (r *replica) DeleteToken(ctx context.Context, key tokenstore.Key, old *oauth2.Token) error {
	return r.do(ctx, "DeleteToken", func() error { return r.tokens.DeleteToken(ctx, key, old) })
}

func (r *replica) LeaseToken(ctx context.Context, key tokenstore.Key, old *oauth2.Token, lease tokenstore.Lease) error {
	if r.story.without == leases {
		return errors.ErrUnsupported
	}
	what := "LeaseToken " + old.RefreshToken
	if lease.Paused || lease.TTL == 0 {
		what += " (gives it back)"
	}
	return r.do(ctx, what, func() error {
		err := r.tokens.LeaseToken(ctx, key, old, lease)
		if errors.Is(err, tokenstore.ErrConflict) && r.story.without == leaseCompare {
			return nil
		}
		return err
	})
}

const (
	asksToken = "asks for the token"
	asks      = "asks the provider with "
	updates   = "UpdateToken "

	// anyToken is a cause for all of them.
	anyToken = "any"
)

// excused reports that there is a cause why a token may be sent again; the caller
// holds mu.
func (w *world) excused(t string) bool { return w.causes[t] || w.causes[anyToken] }

// RoundTrip is the provider's token and revocation endpoint.
func (r *replica) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(req.URL.Path, "/revoke") {
		r.revoke(form.Get("token"))
		return answered(req, http.StatusOK, nil, ""), nil
	}
	status, answer := 0, ""
	err = r.do(req.Context(), asks+form.Get("refresh_token"), func() error {
		status, answer = r.present(form.Get("refresh_token"))
		return nil
	})
	if err != nil {
		return nil, err
	}
	if status == http.StatusOK {
		family, generation := r.op.parse(form.Get("refresh_token"))
		r.mu.Lock()
		r.newest[family] = generation + 1
		r.mu.Unlock()
	}
	return answered(req, status, http.Header{"Content-Type": {"application/json"}}, answer), nil
}

// A rotator is a provider that rotates refresh tokens and revokes the family of one
// that comes twice.
type rotator struct {
	current [3]int // of each family, the generation that is good
	revoked [3]bool
	sent    map[string]int
}

func refreshToken(family, generation int) string { return fmt.Sprintf("r%d.%d", family, generation) }

func (o *rotator) parse(t string) (family, generation int) {
	_, _ = fmt.Sscanf(t, "r%d.%d", &family, &generation)
	return family, generation
}

func (r *replica) present(t string) (status int, body string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	family, generation := r.op.parse(t)
	if r.op.sent[t]++; r.op.sent[t] > 1 && !r.excused(t) {
		r.breaks("%s was sent to the provider twice without a cause", t)
	}
	if r.newest[family] > generation {
		r.breaks("%s sent %s, although it had been answered %d.%d", r.name, t, family, r.newest[family])
	}
	if r.op.current[family] != generation && !r.op.revoked[family] {
		if r.op.revoked[family] = true; !r.excused(t) {
			r.breaks("family %d was revoked without a cause", family)
		}
	}
	if r.op.revoked[family] {
		return http.StatusBadRequest, `{"error": "invalid_grant"}`
	}
	r.op.current[family]++
	next := r.op.current[family]
	return http.StatusOK, fmt.Sprintf(`{"access_token": "a%d.%d", "refresh_token": %q, "token_type": "Bearer", "expires_in": %d}`,
		family, next, refreshToken(family, next), int(r.story.life.Seconds()))
}

func (r *replica) revoke(t string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if family, generation := r.op.parse(t); r.op.current[family] == generation {
		r.op.revoked[family] = true
	}
}

// breaks notes the first invariant that does not hold; the caller holds mu.
func (w *world) breaks(format string, args ...any) {
	if w.broken == "" {
		w.broken = fmt.Sprintf(format, args...)
		w.log = append(w.log, "-> "+w.broken)
	}
}

var modelKey = tokenstore.Key{Provider: "op", Owner: "alice"}

// newWorld is a world in which alice has signed in, and her token has grown old.
func newWorld(s story) (*world, error) {
	w := &world{story: s, ended: make(chan struct{}), op: rotator{sent: map[string]int{}}, causes: map[string]bool{}}
	if err := w.save(1, s.left); err != nil {
		return nil, err
	}
	for i := range s.replicas {
		r := &replica{world: w, name: string(rune('A' + i)), newest: map[int]int{}}
		if err := r.start(); err != nil {
			return nil, err
		}
		w.replicas = append(w.replicas, r)
	}
	return w, nil
}

// save is a login.
func (w *world) save(family int, life time.Duration) error {
	w.op.current[family] = 1
	return w.tokens.SaveToken(context.Background(), modelKey, &oauth2.Token{
		AccessToken: fmt.Sprintf("a%d.1", family), RefreshToken: refreshToken(family, 1), Expiry: time.Now().Add(life), ExpiresIn: 3600,
	})
}

func (r *replica) start() (err error) {
	r.auth, err = signon.New(signon.Config{
		BaseURL: appURL, Keys: [][]byte{[]byte("0123456789abcdef0123456789abcdef")},
		Tokens: r, InsecurePlainTokens: true, HTTPClient: &http.Client{Transport: r}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	r.client, err = r.auth.Register(signon.Provider{
		Name: "op", ClientID: "app", SubjectClaim: "id", UserInfoURL: "https://op.test/user", RevocationURL: "https://op.test/revoke",
		Endpoint: oauth2.Endpoint{AuthURL: "https://op.test/authorize", TokenURL: "https://op.test/token"},
	})
	return err
}

// ask asks for the token as often as the story wants, and looks at what comes.
func (r *replica) ask() {
	defer func() {
		r.mu.Lock()
		r.done = true
		r.mu.Unlock()
	}()
	for range r.story.jobs {
		if _, err := r.stop(context.Background(), asksToken); err != nil {
			return
		}
		r.mu.Lock()
		oldest, began := max(r.newestLogin(), r.out+1), time.Now()
		r.mu.Unlock()
		token, err := r.client.Token(signon.WithOwner(context.Background(), modelKey.Owner))
		r.mu.Lock()
		if !r.crashed && !r.open {
			r.judge(token, err, oldest, time.Since(began))
		}
		r.mu.Unlock()
	}
}

func (w *world) newestLogin() int {
	if w.op.current[2] > 0 {
		return 2
	}
	return 1
}

// judge checks what a replica's caller got; it holds mu.
func (r *replica) judge(token *oauth2.Token, err error, oldest int, took time.Duration) {
	if took > r.story.patience {
		r.breaks("%s's caller waited for %v", r.name, took)
	}
	if err != nil {
		r.log = append(r.log, r.name+": its caller gets "+err.Error())
		gone := r.out > 0 || r.op.revoked[1]
		if errors.Is(err, signon.ErrNoToken) && !gone || !errors.Is(err, signon.ErrNoToken) && r.story.mishaps == 0 {
			r.breaks("%s's caller failed without a cause: %v", r.name, err)
		}
		return
	}
	r.log = append(r.log, r.name+": its caller gets "+token.RefreshToken)
	family, generation := r.op.parse(token.RefreshToken)
	switch {
	case family < oldest:
		r.breaks("%s served %s after its end", r.name, token.RefreshToken)
	case r.newest[family] > generation:
		r.breaks("%s served %s, although it had been answered %d.%d", r.name, token.RefreshToken, family, r.newest[family])
	case !time.Now().Before(token.Expiry):
		r.breaks("%s served %s, which has expired", r.name, token.RefreshToken)
	}
}

// finish lets everything go its way, until all that is owed is written, and looks at
// what is left.
func (w *world) finish() {
	w.mu.Lock()
	w.open = true
	for _, s := range w.stopped {
		if !s.replica.crashed {
			s.leave <- goesOn
		}
	}
	w.mu.Unlock()
	for _, r := range w.replicas {
		if !r.crashed {
			w.shutdown(r, time.Minute)
		}
	}
	w.checkEnd()
	close(w.ended)
	for _, r := range w.replicas {
		w.shutdown(r, time.Minute)
	}
	synctest.Wait()
}

func (w *world) shutdown(r *replica, patience time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.auth.Shutdown(ctx); err != nil && !r.crashed {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.breaks("%s does not end: %v", r.name, err)
	}
}

// checkEnd checks what is left in the end.
func (w *world) checkEnd() {
	token, err := w.tokens.FetchToken(context.Background(), modelKey)
	w.mu.Lock()
	defer w.mu.Unlock()
	newest := w.newestLogin()
	if err != nil {
		switch {
		case w.out < newest && !w.op.revoked[newest]:
			w.breaks("the login was lost: %v", err)
		case w.out > 0 && w.out == newest && !w.lost && w.op.current[w.out] > w.deleted && !w.op.revoked[w.out]:
			w.breaks("what came after the logout is not revoked")
		}
		return
	}
	family, generation := w.op.parse(token.RefreshToken)
	switch {
	case family <= w.out:
		w.breaks("%s came back after the logout", token.RefreshToken)
	case family < newest:
		w.breaks("%s overwrote a second login", token.RefreshToken)
	case generation != w.op.current[family] && !w.excused(token.RefreshToken):
		w.breaks("%s is stored, but the provider has gone on to %d.%d", token.RefreshToken, family, w.op.current[family])
	}
}
