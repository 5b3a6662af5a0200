package signon

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/seed1a301047/signon/sessionstore"
)

// Config is what all providers of an application share. Only BaseURL is required;
// an application of more than one process sets Keys, Sessions, Logins and Tokens
// too, and calls [Registry.Shutdown] when it ends.
type Config struct {
	// BaseURL is the application's origin as browsers see it, such as
	// "https://app.example.com". Redirect URLs are built from it, never from a
	// request, and return_to stays within it. http is for a loopback host, in
	// development: cookies then go without Secure and the __Host- prefix, which
	// Safari refuses there. Required.
	BaseURL string

	// Mount is the path under which [Registry.Handler] is mounted. If empty,
	// "/auth".
	Mount string

	// Home is the path that a login, or a logout, leads to that has no return_to.
	// If empty, "/".
	Home string

	// LoginURL is where [Registry.RequireLogin] sends a browser. If empty, Mount +
	// "/login", which goes to the only provider, or lets the user choose.
	LoginURL string

	// Keys seal what Signon gives away: the login cookies, the ID tokens of logins,
	// and the tokens in Config.Tokens: 32 random bytes or more each, the same in all
	// processes. The first seals, all open. Required where Logins or Tokens are kept
	// elsewhere than in this process. If nil, a random key, with one warning in the log
	// unless BaseURL is on loopback: a restart, or a second process, then ends the
	// logins that are in progress.
	//
	// To change a key, put the new one behind the old one and restart all processes;
	// put it in front and restart them again; call [Registry.Reseal] until no token
	// needs the old one, and remove it when Lifetime has passed too. A token whose key
	// is not here is one that is not there: its owner signs in again.
	//
	// Whoever can write to the store but has no key cannot read a token, change one or
	// what is stored beside it, or give one to another user. They can delete it, or put
	// a whole earlier row of the same user back, which nothing in the row can tell from
	// the newest.
	Keys [][]byte

	// Sessions keeps the browser's session. If nil, [sessionstore.NewManager] over
	// memory. One of your own must have a Secure and HttpOnly cookie with
	// SameSite=Lax. Your handlers may use LoadAndSave or not.
	Sessions *scs.SessionManager

	// Logins says who is signed in, where. If nil, a [sessionstore.Memory].
	Logins sessionstore.Store

	// Tokens keeps users' tokens, sealed with Keys: access, refresh and ID token are
	// sealed texts there, a third and 44 characters longer than the plain ones,
	// and all else is plain. A [tokenstore.Memory], which ends with the process, keeps
	// them as they are. If nil, a [tokenstore.Memory].
	//
	// A store that has plain tokens from before is not read: their owners sign in
	// again. What a [Provider]'s own FetchToken and UpdateToken keep is never sealed.
	Tokens TokenStore

	// InsecurePlainTokens gives the tokens to Tokens as they are: for a store that
	// seals them itself, or tests that look into it. Switched on or off over a store
	// that has tokens, it wants that emptied: what is sealed would be taken for a token.
	InsecurePlainTokens bool

	// OnLogin is told of each verified login before anything is saved, and says who
	// owns its token: usually the application's user id, looked up or created by
	// login.Provider (or Issuer) and login.Subject. With its ctx, [Client.HTTPClient]
	// and [Client.Token] use the new token, which is in no store yet. An error refuses the login: one
	// that wraps [ErrDenied] as the user's refusal (403), [ErrUnavailable] as a
	// fault that will pass (503), any other as a fault (500). With Owner it only says yes,
	// by login.Owner, or no. If nil, the login owns
	// its own token, which ends with it, and a browser may be signed in at several
	// providers at once, each login for itself, since nothing says that they are of
	// one user: set OnLogin to have one user.
	OnLogin func(ctx context.Context, login *Login) (owner string, err error)

	// OnLogout is told of each login that has ended, by whatever cause, once: on the
	// replica that ended it, after its record is gone and the token that it owned, unless
	// the token store failed. The login is as [Registry.Logins] has it, with its claims, and
	// in ctx [Client.Token] works for its owner; ctx does not end with the request, but
	// after five seconds.
	//
	// Whoever signs out waits for it, and so does the provider for the answer to its logout
	// token, up to five seconds: hand on what is slow, to a queue or a goroutine of your
	// own. Of several logins that end together they run one after the other, and after five
	// seconds without the caller. It must stand being called from many goroutines at
	// once, and cannot undo a logout. A call that panics, or takes longer than five
	// seconds, is logged; what one does after these is neither waited for, by
	// [Registry.Shutdown] either, nor logged. While 1,000 calls have not returned there are
	// no more, nor after a Shutdown that was given up; the log says of whom nobody was told.
	//
	// Nobody is told of a login whose Lifetime is over, which just is no more; of one that
	// was changed in its store, which let nobody in; nor by a process that ends in between.
	// If nil, nobody is.
	OnLogout func(ctx context.Context, login *Login, cause LogoutCause)

	// LogoutByGET has the logout URLs answer GET with a page that asks, so that a plain link
	// will do; its button then signs out, and return_to and Provider.LogoutParams may stand
	// in the link. If false, GET is 405, and only POST from the application's own pages
	// signs out, as it does in either case.
	LogoutByGET bool

	// Owner is for an application with a sign-in of its own, to which providers are
	// connected: it returns the id of the user who makes the request, "" where there
	// is none. Tokens are then saved for, and read by, this owner; a login can be
	// started and finished only by the same owner, and only from the application's
	// own pages. If nil, the login decides.
	Owner func(r *http.Request) (owner string, err error)

	// OnError answers a failed request. err is a [*Failure], which wraps one of the
	// sentinels and, where there is one, a [*ProviderError]. The headers that belong
	// to its status are set; OnError writes the status and the page. If nil, [Error].
	OnError func(w http.ResponseWriter, r *http.Request, err error)

	// IdleTimeout ends a login that has not been used for so long. It is measured
	// to the minute. If zero, 30 minutes; if negative, never.
	IdleTimeout time.Duration

	// Lifetime ends a login so long after it began. If zero, 8 hours.
	Lifetime time.Duration

	// KeepOnLogin names values of the session that survive a login by somebody who
	// was not signed in, such as a shopping cart. If nil, none: whoever could plant
	// the session could plant them.
	KeepOnLogin []string

	// HTTPClient is how providers are reached: its Transport is used, its cookie
	// jar and its redirect policy are not. If nil, a transport that connects within
	// 3 seconds, refuses TLS below 1.2, follows HTTPS_PROXY, and does not connect
	// to private addresses that the configuration does not name.
	HTTPClient *http.Client

	// Logger gets one record per outcome, never a token, a code or a secret. If
	// nil, [slog.Default].
	Logger *slog.Logger
}

// Format writes no key, whatever the verb.
func (c Config) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "signon.Config{BaseURL: %q, Mount: %q, Keys: %d}", c.BaseURL, c.Mount, len(c.Keys))
}

// LogValue shows no key.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(slog.String("base_url", c.BaseURL), slog.String("mount", c.Mount), slog.Int("keys", len(c.Keys)))
}

// MarshalJSON says where the application is and no more: the rest is keys and
// functions.
func (c Config) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `{"BaseURL":%q,"Mount":%q}`, c.BaseURL, c.Mount), nil
}

// origin is a checked Config.BaseURL.
type origin struct {
	url    string // "https://app.example.com", no slash at the end
	secure bool   // cookies are Secure and __Host-
}

func parseOrigin(raw string) (origin, error) {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return origin{}, fmt.Errorf("signon: Config.BaseURL is empty; set the application's origin, such as https://app.example.com")
	case err != nil || u.Host == "" || u.User != nil || u.Opaque != "":
		return origin{}, fmt.Errorf("signon: Config.BaseURL %q is no origin; expected scheme://host[:port]", raw)
	case strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return origin{}, fmt.Errorf("signon: Config.BaseURL %q has more than an origin; put a path into Config.Mount", raw)
	case u.Scheme == "https":
		return origin{url: "https://" + u.Host, secure: true}, nil
	case u.Scheme == "http" && loopback(u.Hostname()):
		return origin{url: "http://" + u.Host}, nil
	}
	return origin{}, fmt.Errorf("signon: Config.BaseURL %q is not https; http is only for a loopback host such as localhost, in development", raw)
}

// loopback judges the parsed host, so "127.0.0.1.evil.example" is not one.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// localPath checks a configured path of the application.
func localPath(field, p string) error {
	if !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") || strings.ContainsAny(p, "\\\r\n\t ") {
		return fmt.Errorf("signon: %s %q is no path of the application; expected one that begins with a single slash", field, p)
	}
	return nil
}

func (c *Config) setDefaults() error {
	if c.Mount == "" {
		c.Mount = "/auth"
	}
	if c.Home == "" {
		c.Home = "/"
	}
	if c.LoginURL == "" {
		c.LoginURL = c.Mount + "/login"
	}
	if c.IdleTimeout == 0 {
		c.IdleTimeout = 30 * time.Minute
	}
	if c.Lifetime == 0 {
		c.Lifetime = 8 * time.Hour
	}
	if c.Lifetime < 0 {
		return fmt.Errorf("signon: Config.Lifetime %v is negative; a login must end some time", c.Lifetime)
	}
	if c.IdleTimeout > 0 && c.IdleTimeout < 2*touchEvery {
		return fmt.Errorf("signon: Config.IdleTimeout %v is below %v; the last use of a login is recorded once a minute", c.IdleTimeout, 2*touchEvery)
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.KeepOnLogin = slices.Clone(c.KeepOnLogin)
	if c.Mount == "/" || path.Clean(c.Mount) != c.Mount || strings.ContainsAny(c.Mount, "{}?#%") {
		return fmt.Errorf("signon: Config.Mount %q; expected a clean path such as /auth, without a slash at the end", c.Mount)
	}
	for _, f := range [...]struct{ name, path string }{{"Config.Mount", c.Mount}, {"Config.Home", c.Home}, {"Config.LoginURL", c.LoginURL}} {
		if err := localPath(f.name, f.path); err != nil {
			return err
		}
	}
	return nil
}

// checkSessions refuses a session cookie that would not protect a login.
func checkSessions(sm *scs.SessionManager, o origin) error {
	ck := sm.Cookie
	host := strings.HasPrefix(strings.ToLower(ck.Name), "__host-")
	switch {
	case host && (ck.Path != "/" || ck.Domain != ""):
		return fmt.Errorf("signon: Config.Sessions.Cookie.Name %q wants Path \"/\" and no Domain, or browsers refuse the cookie; it has Path %q and Domain %q", ck.Name, ck.Path, ck.Domain)
	case host && !ck.Secure:
		return fmt.Errorf("signon: Config.Sessions.Cookie.Name %q wants Secure, or browsers refuse the cookie; set it, or in development choose another name", ck.Name)
	case o.secure && !ck.Secure:
		return fmt.Errorf("signon: Config.Sessions.Cookie.Secure is false (the default of scs); set it, or use sessionstore.NewManager")
	case !ck.HttpOnly:
		return fmt.Errorf("signon: Config.Sessions.Cookie.HttpOnly is false; set it: no script needs the session")
	case ck.SameSite != http.SameSiteLaxMode:
		return fmt.Errorf("signon: Config.Sessions.Cookie.SameSite must be Lax: None lets other sites use the session, Strict hides it on the way back from the provider")
	}
	return nil
}
