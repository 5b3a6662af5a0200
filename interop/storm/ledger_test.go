package storm_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// A ledger knows what happened at the provider's token endpoint: every request, every
// refresh token that came of one, and whose each access token is.
type ledger struct {
	began time.Time

	mu        sync.Mutex
	exchanges []*exchange
	families  []*family
	byRefresh map[string]*generation
	byAccess  map[string]*generation
	newest    map[string]*family // by user: of the last code whose answer arrived
	kills     map[string]time.Time
}

// A family is all that came of one login: the provider ends it as a whole when a
// refresh token comes twice.
type family struct {
	user        string
	number      int
	generations []*generation
	ended       *exchange // the request that ended it, nil while it lives
}

// A generation is one refresh token and the access token that came with it.
type generation struct {
	family   *family
	number   int // 1 is of the login
	issued   time.Time
	expires  time.Time // the access token
	requests []*exchange
}

// An exchange is one request to the token endpoint.
type exchange struct {
	by      string      // the replica, and which of its lives: "2.3"
	spent   *generation // nil: a code
	brought *generation // nil: nothing

	arrived, answered, ended time.Time // answered: by the provider
	status                   int
	said                     string // the provider's error
	fate                     fate
}

// user is whose refresh it is, or empty for a code.
func (x *exchange) user() string {
	if x.spent == nil {
		return ""
	}
	return x.spent.family.user
}

// fate is what became of an exchange.
type fate string

const (
	pending   fate = "pending"
	delivered fate = "delivered"
	dropped   fate = "answer dropped"
	cutBefore fate = "cut before the provider had it"
	cutAfter  fate = "cut before the answer arrived"
	broken    fate = "the provider did not answer"
)

func newLedger() *ledger {
	return &ledger{
		began: time.Now(), byRefresh: map[string]*generation{}, byAccess: map[string]*generation{},
		newest: map[string]*family{}, kills: map[string]time.Time{},
	}
}

// arrive notes a request. refreshToken is empty for a code.
func (l *ledger) arrive(by, refreshToken string) *exchange {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := &exchange{by: by, arrived: time.Now(), fate: pending, spent: l.byRefresh[refreshToken]}
	l.exchanges = append(l.exchanges, x)
	if x.spent != nil {
		x.spent.requests = append(x.spent.requests, x)
	}
	return x
}

// answer notes what the provider says, before anybody else can know it.
func (l *ledger) answer(x *exchange, status int, body []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	x.answered, x.status = time.Now(), status
	var a tokenAnswer
	if err := json.Unmarshal(body, &a); err != nil {
		return fmt.Errorf("the token endpoint answers %d with no JSON: %w", status, err)
	}
	if status != http.StatusOK {
		x.said = a.Error + ": " + a.Description
		if x.spent != nil && a.Error == "invalid_grant" && x.spent.family.ended == nil {
			x.spent.family.ended = x
		}
		return nil
	}
	user, err := a.subject()
	if err != nil || a.Refresh == "" {
		return fmt.Errorf("the token endpoint answers without a refresh token or a subject: %w", err)
	}
	f := l.familyOf(x, user)
	g := &generation{
		family: f, number: len(f.generations) + 1, issued: x.answered,
		expires: x.answered.Add(time.Duration(a.ExpiresIn) * time.Second),
	}
	f.generations = append(f.generations, g)
	x.brought, l.byRefresh[a.Refresh], l.byAccess[a.Access] = g, g, g
	if f.user != user {
		return fmt.Errorf("the provider refreshes the token of %s for %s", user, f.user)
	}
	return nil
}

func (l *ledger) familyOf(x *exchange, user string) *family {
	if x.spent != nil {
		return x.spent.family
	}
	f := &family{user: user, number: len(l.families) + 1}
	l.families = append(l.families, f)
	return f
}

// end notes what became of an exchange.
func (l *ledger) end(x *exchange, what fate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x.ended, x.fate = time.Now(), what
	if what == delivered && x.spent == nil && x.brought != nil {
		l.newest[x.brought.family.user] = x.brought.family
	}
}

// kill notes that a replica gets a SIGKILL now.
func (l *ledger) kill(by string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kills[by] = time.Now()
}

func (l *ledger) killed(by string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, dead := l.kills[by]
	return dead
}

// whose says whose access token this is, if it lives.
func (l *ledger) whose(accessToken string) (user string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.byAccess[accessToken]
	if g == nil || g.family.ended != nil || time.Now().After(g.expires) {
		return "", false
	}
	return g.family.user, true
}

// current is the family of a user's last login, and when its newest access token
// was issued and expires.
func (l *ledger) current(user string) (f *family, issued, expires time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if f = l.newest[user]; f != nil {
		g := f.generations[len(f.generations)-1]
		issued, expires = g.issued, g.expires
	}
	return f, issued, expires
}

// requests counts the requests so far: of codes and of refresh tokens.
func (l *ledger) requests() (codes, refreshes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.exchanges {
		if x.spent == nil {
			codes++
		} else {
			refreshes++
		}
	}
	return codes, refreshes
}

// tokenAnswer is an answer of the token endpoint, RFC 6749 sections 5.1 and 5.2.
type tokenAnswer struct {
	Access      string `json:"access_token"`
	Refresh     string `json:"refresh_token"`
	IDToken     string `json:"id_token"`
	ExpiresIn   int    `json:"expires_in"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// subject reads the ID token, which comes from the provider itself.
func (a tokenAnswer) subject() (string, error) {
	parts := strings.Split(a.IDToken, ".")
	if len(parts) != 3 {
		return "", errors.New("no ID token")
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", err
	}
	var claims struct {
		Subject string `json:"sub"`
	}
	err = json.Unmarshal(payload, &claims)
	return claims.Subject, err
}
