package signon

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/alexedwards/scs/v2"

	"github.com/seed1a301047/signon/internal/seal"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/tokenstore"
)

// A Registry holds an application's providers and what they share. All its methods
// may be called at once from many goroutines, [Registry.Register] and
// [Registry.Remove] too, while requests are served.
type Registry struct {
	cfg      Config
	origin   origin
	sessions *scs.SessionManager
	logins   sessionstore.Store
	tokens   TokenStore
	log      *failureLog
	going    *going
	telling  chan struct{} // one for each call of Config.OnLogout that has not returned
	holder   string        // of leases: this process

	transactions *transactions
	atRest       *seal.Ring
	crossOrigin  *http.CrossOriginProtection

	keySums [][sha256.Size]byte // of Config.Keys, to refuse one that is a client's secret too

	mu      sync.RWMutex
	clients map[string]*Client
	issuers map[string]string    // of each name that was ever registered, for good
	debts   map[string]*outcomes // of each name, which may be registered again
	paths   map[string]int       // at which sign-ins answer, and for how many providers
}

// Format writes what it is and nothing of what it holds, whatever the verb.
func (g *Registry) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "signon.Registry(%s)", g.origin.url)
}

// New checks a configuration and makes a registry without providers. It does
// nothing on the network. An error names the field and the remedy.
func New(cfg Config) (*Registry, error) {
	o, err := parseOrigin(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	g := &Registry{
		cfg: cfg, origin: o,
		clients: map[string]*Client{}, issuers: map[string]string{}, debts: map[string]*outcomes{}, paths: map[string]int{servedPath(cfg.LoginURL): 1},
		sessions: cfg.Sessions, logins: cfg.Logins, tokens: cfg.Tokens,
		log:         &failureLog{Logger: cfg.Logger},
		going:       newGoing(),
		telling:     make(chan struct{}, maxTelling),
		holder:      newID(),
		crossOrigin: http.NewCrossOriginProtection(),
	}
	if err := g.crossOrigin.AddTrustedOrigin(o.url); err != nil {
		return nil, fmt.Errorf("signon: Config.BaseURL: %w", err)
	}
	if err := g.setStores(); err != nil {
		return nil, err
	}
	g.warnOfHalf()
	return g, g.setKeys()
}

func (g *Registry) setStores() error {
	if g.logins == nil {
		g.logins = &sessionstore.Memory{}
	}
	if g.tokens == nil {
		g.tokens = &tokenstore.Memory{}
	}
	if g.sessions != nil {
		if !g.sessions.HashTokenInStore {
			g.log.Warn("signon: Config.Sessions stores session tokens as they are; set HashTokenInStore, or whoever reads the store can use them")
		}
		return checkSessions(g.sessions, g.origin)
	}
	g.sessions = sessionstore.NewManager(nil)
	g.sessions.Lifetime = g.cfg.Lifetime
	if !g.origin.secure {
		g.sessions.Cookie.Name, g.sessions.Cookie.Secure = "session", false
	}
	return nil
}

// warnOfHalf tells whoever has forgotten one of the stores that many processes share:
// a browser would be sent to the login again by each process that did not see it.
func (g *Registry) warnOfHalf() {
	var shared, own []string
	for _, store := range []struct {
		field  string
		memory bool
	}{
		{"Sessions", g.cfg.Sessions == nil || sessionstore.InMemory(g.cfg.Sessions.Store)},
		{"Logins", g.loginsInMemory()},
		{"Tokens", g.tokensInMemory()},
	} {
		if store.memory {
			own = append(own, store.field)
		} else {
			shared = append(shared, store.field)
		}
	}
	if len(shared) > 0 && len(own) > 0 {
		g.log.Warn("signon: a part of Config is kept in this process only; that is right for one process, and where there are more, each sends the others' users to the login again: set all of Sessions, Logins and Tokens then",
			"in_this_process", own, "elsewhere", shared)
	}
}

func (g *Registry) loginsInMemory() bool {
	_, memory := g.logins.(*sessionstore.Memory)
	return memory
}

func (g *Registry) tokensInMemory() bool {
	_, memory := g.tokens.(*tokenstore.Memory)
	return memory
}

// setKeys derives the rings: what seals a cookie opens nothing at rest, and what seals
// a login's record no token.
func (g *Registry) setKeys() (err error) {
	newRing := seal.Random
	given := g.cfg.Keys != nil
	if given {
		keys := slices.Clone(g.cfg.Keys)
		for _, key := range keys {
			g.keySums = append(g.keySums, sha256.Sum256(key))
		}
		newRing = func(purpose string) (*seal.Ring, error) { return seal.New(keys, purpose) }
	} else {
		if !g.loginsInMemory() {
			return fmt.Errorf("signon: Config.Keys is nil, and Config.Logins (%T) may outlive this process, which would leave ID tokens there that nothing opens, and be shared with others, which cannot finish each other's logins; set Config.Keys to 32 random bytes that all replicas share", g.logins)
		}
		level := slog.LevelWarn
		if !g.origin.secure {
			level = slog.LevelDebug // in development that is as it should be
		}
		g.log.Log(context.Background(), level, "signon: Config.Keys is nil, so a random key is used; logins in progress end with this process. Set it to 32 random bytes that all replicas share")
	}
	g.cfg.Keys = nil // nobody needs them from here on
	ring, err := newRing("signon login cookie")
	if err != nil {
		return fmt.Errorf("signon: Config.Keys: %w", err)
	}
	g.transactions = &transactions{ring: ring, secure: g.origin.secure}
	if g.atRest, err = newRing("signon at rest"); err != nil {
		return fmt.Errorf("signon: Config.Keys: %w", err)
	}
	return g.sealTokens(newRing, given)
}

// Register adds a provider. It copies and checks p, does nothing on the network,
// and returns a client that never changes. An error names the field and the remedy;
// a name that is taken is one, as is a second provider with the same issuer and
// client id.
func (g *Registry) Register(p Provider) (*Client, error) {
	c, err := newClient(g, p)
	if err != nil {
		return nil, fmt.Errorf("signon: provider %q: %w", clip(p.Name, 64), err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, taken := g.clients[c.name]; taken {
		return nil, fmt.Errorf("signon: provider %q: Name is already registered; Remove it first, or choose another", c.name)
	}
	for _, other := range g.clients {
		if c.p.Issuer != "" && other.p.Issuer == c.p.Issuer && other.p.ClientID == c.p.ClientID {
			return nil, fmt.Errorf("signon: provider %q: Issuer and ClientID are those of provider %q; one of them is a mistake", c.name, other.name)
		}
		if other.p.RedirectURL == c.p.RedirectURL { // RFC 9700 section 4.4.2: a path of its own for each
			return nil, fmt.Errorf("signon: provider %q: RedirectURL is that of provider %q; each needs its own, or answers could be mixed up", c.name, other.name)
		}
	}
	if before, used := g.issuers[c.name]; used && before != c.p.identity() {
		return nil, fmt.Errorf("signon: provider %q: Name was that of %s before, whose tokens are stored under it; choose another name for %s", c.name, before, c.p.identity())
	}
	g.issuers[c.name] = c.p.identity()
	if before := g.debts[c.name]; before != nil {
		c.outcomes = before // what a client of this name owes the store is not forgotten with it
	}
	g.debts[c.name] = c.outcomes
	g.clients[c.name] = c
	for _, p := range c.ownPaths() {
		g.paths[p]++
	}
	g.warnOf(c, p)
	return c, nil
}

// warnOf tells once of what is possible, and more often forgotten than meant. given is the
// provider as it was given: c has the defaults in it.
func (g *Registry) warnOf(c *Client, given Provider) {
	if given.ClientAuth == nil && given.ClientSecret == "" {
		g.log.Warn("signon: a provider has neither ClientSecret nor ClientAuth, so the client is public and proves nothing; set one of them, or ClientAuth: clientauth.None{} to say that it is meant",
			"provider", c.name)
	}
	if !c.openID && c.p.discovers() {
		g.log.Warn("signon: a provider has an Issuer, and Scopes without openid, so no ID token will be verified; who signed in is what the userinfo says; add openid",
			"provider", c.name)
	}
}

// Remove takes a provider out: its URLs answer 404, and logins in progress at it
// fail. Who is signed in stays so, and a Client that somebody holds still works.
//
// The name belongs to its issuer for good, since tokens are stored under it: Register
// refuses it for another. With stores that outlive the process the same holds between
// its runs, and is the application's to keep.
func (g *Registry) Remove(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c, ok := g.clients[name]
	if !ok {
		return
	}
	delete(g.clients, name)
	for _, p := range c.ownPaths() {
		g.paths[p]--
	}
}

// LoginURL is the path that leads to a login: Config.LoginURL or its default.
func (g *Registry) LoginURL() string { return g.cfg.LoginURL }

// LogoutURL is the path that a logout form posts to, whatever the provider.
func (g *Registry) LogoutURL() string { return g.cfg.Mount + "/logout" }

// Client returns the provider of a name.
func (g *Registry) Client(name string) (*Client, bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	c, ok := g.clients[name]
	return c, ok
}

// All yields the providers in the order of their names, as they are when it is
// called.
func (g *Registry) All() iter.Seq2[string, *Client] {
	g.mu.RLock()
	clients := slices.SortedFunc(maps.Values(g.clients), func(a, b *Client) int { return cmp.Compare(a.name, b.name) })
	g.mu.RUnlock()
	return func(yield func(string, *Client) bool) {
		for _, c := range clients {
			if !yield(c.name, c) {
				return
			}
		}
	}
}
