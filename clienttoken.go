package signon

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/sync/singleflight"

	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/internal/bounded"
	"github.com/seed1a301047/signon/internal/oauth"
	"github.com/seed1a301047/signon/internal/outbound"
)

const (
	// clientTokenLife is for how long a token counts whose life the provider does not
	// tell.
	clientTokenLife = 5 * time.Minute

	// maxClientTokens is how many sets of scopes are remembered; the one that was not
	// used for longest goes.
	maxClientTokens = 1_000

	// clientTokenTries is how often a caller follows tokens that are over, or refused, as
	// they come.
	clientTokenTries = 4

	// maxScopes bounds a set of scopes, in bytes.
	maxScopes = 4 << 10
)

// ClientToken returns a token for the application itself and no user, by the client
// credentials grant (RFC 6749 section 4.4), with the given scopes; with none, it is the
// provider that chooses. Provider.Scopes are for users, and do not count here.
// Provider.ClientCredentialsParams are sent, and the hooks of the token endpoint run. The token is
// the caller's own.
//
// Each set of scopes has a token of its own, whatever their order. It is kept in this
// process's memory and fetched again a minute before it expires, once however many ask;
// the request is not tied to a caller's context, and no hook sees that: what is in a
// context cannot shape a token that others get too. Where the provider does not say how
// long it lives, it counts for five minutes. A refresh token that comes with it is not
// kept (section 4.4.3). After a failure nobody asks again for five seconds, or for as long
// as the provider wants up to a minute; meanwhile the old token is served while it lives.
//
// What was granted is the token's extra "scope", which [Client.Scopes] reads: the provider
// may have granted less.
//
// Errors wrap [ErrUnavailable] where it may work later, and else [ErrProvider], with the
// [*ProviderError] if the provider said no; [ErrInternal] where the client is public,
// which the grant is not for, or a scope is none. None of them means that a user should
// sign in.
func (c *Client) ClientToken(ctx context.Context, scopes ...string) (*oauth2.Token, error) {
	if _, public := c.p.ClientAuth.(clientauth.None); public {
		return nil, fmt.Errorf("signon: %s: the application cannot have a token of its own: ClientAuth is none, and a public client proves nothing; register a confidential one (RFC 6749 section 4.4): %w", c.name, ErrInternal)
	}
	return c.renewClientToken(ctx, scopes, nil)
}

// WithClientToken returns a context in which [Client.Token] and all that uses it, such as
// [Client.HTTPClient], work for the application itself, by [Client.ClientToken] with these
// scopes, whoever is signed in. A middleware or a [WithOwner] further in names another.
//
// An API that refuses the token with 401 leads to one that is fetched anew, and one retry.
// [Client.Revoke] ends the token of these scopes; its error wraps [ErrNoToken] where none is
// held, which is so after a revocation that failed, too.
func WithClientToken(ctx context.Context, scopes ...string) context.Context {
	return withActor(ctx, actor{application: true, scopes: slices.Clone(scopes)})
}

// application is for which scopes this client works for the application itself in a
// context, if it does.
func (c *Client) application(ctx context.Context) (scopes []string, ok bool) {
	if a := c.actor(ctx); a != nil && a.application {
		return a.scopes, true
	}
	return nil, false
}

// scopeSet is the value of the parameter for a set of scopes, the same for the same set.
func scopeSet(scopes []string) (string, error) {
	for _, scope := range scopes {
		if scope == "" || strings.ContainsFunc(scope, notInScope) {
			return "", fmt.Errorf("%q is no scope: one is of visible ASCII characters without a space, \" and \\; "+
				"each scope is an argument of its own (RFC 6749 section 3.3): %w", clip(scope, 100), ErrInternal)
		}
	}
	set := strings.Join(slices.Compact(slices.Sorted(slices.Values(scopes))), " ")
	if len(set) > maxScopes {
		return "", fmt.Errorf("scopes of %d bytes, more than %d: %w", len(set), maxScopes, ErrInternal)
	}
	return set, nil
}

func notInScope(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }

// clientTokens are the application's own tokens, by their scopes: nothing else shapes
// them that is not the client's own, which does not change.
type clientTokens struct {
	flights singleflight.Group
	held    *bounded.Map[string, clientToken]
}

func newClientTokens() *clientTokens {
	return &clientTokens{held: bounded.New[string, clientToken](maxClientTokens)}
}

// A clientToken is what is known of one set of scopes. It does not change.
type clientToken struct {
	token *oauth2.Token // nil: there is none
	extra map[string]any
	came  time.Time

	err   error // how the last try failed, if it did
	until time.Time
}

// usable reports a token that lives and, unless it has just come, is not the one that an
// API has refused: one that is refused as it comes would be fetched for ever.
func (t clientToken) usable(now time.Time, refused *oauth2.Token) bool {
	if t.token == nil || !now.Before(t.token.Expiry) {
		return false
	}
	return refused == nil || refused.AccessToken != t.token.AccessToken || t.justCame(now)
}

func (t clientToken) justCame(now time.Time) bool { return now.Sub(t.came) < refreshPause }

// settled reports that the provider is not to be asked: the token will do for a while,
// or a moment ago there was none to be had.
func (t clientToken) settled(now time.Time, refused *oauth2.Token) bool {
	if t.err != nil && now.Before(t.until) {
		return true
	}
	return t.usable(now, refused) && (fresh(t.token) || t.justCame(now))
}

// give is the caller's own token, its extras too, or why there is none.
func (t clientToken) give(now time.Time, refused *oauth2.Token) (*oauth2.Token, error) {
	if t.usable(now, refused) {
		return t.token.WithExtra(copyJSON(t.extra)), nil
	}
	return nil, t.err
}

// renewClientToken is ClientToken after an API has refused a token.
func (c *Client) renewClientToken(ctx context.Context, scopes []string, refused *oauth2.Token) (*oauth2.Token, error) {
	scope, err := scopeSet(scopes)
	if err != nil {
		return nil, fmt.Errorf("signon: %s: %w", c.name, err)
	}
	return c.clientToken(ctx, scope, refused)
}

// clientToken gives the token of a set of scopes; another one than refused, if that can
// be had.
func (c *Client) clientToken(ctx context.Context, scope string, refused *oauth2.Token) (*oauth2.Token, error) {
	known, _ := c.clientTokens.held.Get(scope)
	for range clientTokenTries {
		if now := time.Now(); known.settled(now, refused) {
			return known.give(now, refused)
		}
		if ctx.Err() != nil {
			return nil, callerLeft(ctx)
		}
		// A flight may be somebody's whom the token that was refused to us still pleases,
		// and what it brings may be over before it is handed on: then ours is yet to come.
		flight := c.clientTokens.flights.DoChan(scope, func() (any, error) {
			return c.fetchClientToken(scope, refused), nil
		})
		select {
		case result := <-flight:
			known, _ = result.Val.(clientToken)
		case <-ctx.Done():
			return nil, callerLeft(ctx)
		}
	}
	if now := time.Now(); known.settled(now, refused) {
		return known.give(now, refused)
	}
	return nil, fmt.Errorf("signon: %s: the application's tokens are over before they can be used: %w", c.name, ErrUnavailable)
}

// fetchClientToken is one flight. It looks again first: whoever arrives late finds the
// work done. It has no caller's context, whose values could shape what others get.
func (c *Client) fetchClientToken(scope string, refused *oauth2.Token) clientToken {
	if known, _ := c.clientTokens.held.Get(scope); known.settled(time.Now(), refused) {
		return known
	}
	if p := c.outcomes.paused.Load(); p != nil && time.Now().Before(p.until) {
		return c.clientTokens.failed(scope, p.err, p.until)
	}
	ctx, cancel := context.WithTimeout(context.Background(), flightTimeout)
	defer cancel()
	var got clientToken
	err := contain("a token for the application", func() (err error) {
		got, err = c.askForClientToken(ctx, scope)
		return err
	})
	if err != nil {
		err = c.noClientToken(err)
		c.outcomes.pause(c.name, err)
		_ = guard("Config.Logger", func() error {
			c.registry.log.ErrorContext(ctx, "signon: no token for the application", "provider", c.name, "scope", scope, "error", err)
			return nil
		})
		return c.clientTokens.failed(scope, err, time.Now().Add(pauseAfter(err)))
	}
	c.clientTokens.held.Put(scope, got, got.token.Expiry)
	return got
}

// failed keeps the token that is there, for as long as it lives, beside the failure.
func (t *clientTokens) failed(scope string, err error, until time.Time) (now clientToken) {
	t.held.Update(scope, func(known clientToken, _ bool) (clientToken, time.Time, bool) {
		known.err, known.until = err, until
		now = known
		expiry := until
		if known.token != nil && known.token.Expiry.After(until) {
			expiry = known.token.Expiry
		}
		return known, expiry, true
	})
	return now
}

func (c *Client) askForClientToken(ctx context.Context, scope string) (got clientToken, err error) {
	md, err := c.source.Metadata(ctx)
	if err != nil {
		return got, providerFault(c.name, err)
	}
	params := cloneValues(c.p.ClientCredentialsParams)
	if params == nil {
		params = url.Values{}
	}
	params.Set("grant_type", "client_credentials")
	if scope != "" {
		params.Set("scope", scope)
	}
	asked := time.Now()
	token, extra, err := c.oauth.Exchange(ctx, oauth.Token, md.TokenEndpoint, params)
	if err != nil {
		return got, providerFault(c.name, err)
	}
	token.RefreshToken = ""   // RFC 6749 section 4.4.3: there should be none
	delete(extra, "id_token") // it would be of nobody, and is not verified
	if token.Expiry.IsZero() {
		token.Expiry = asked.Add(clientTokenLife).Round(0)
	}
	if !alive(token) {
		return got, fmt.Errorf("provider %s: %w: the token had expired when it came", c.name, ErrProvider)
	}
	keepScope(extra, scope) // section 5.1: unchanged if it is not said
	c.noteWider(ctx, token, scope)
	return clientToken{token: token, extra: extra, came: time.Now()}, nil
}

// noteWider logs what nobody has asked for.
func (c *Client) noteWider(ctx context.Context, token *oauth2.Token, asked string) {
	if asked == "" {
		return
	}
	list := strings.Fields(asked)
	wider := slices.DeleteFunc(c.Scopes(token), func(scope string) bool { return slices.Contains(list, scope) })
	if len(wider) > 0 {
		c.registry.note(ctx, "signon: the provider granted the application more than was asked for", "provider", c.name, "more", clip(strings.Join(wider, " "), 400))
	}
}

// A refusedClient is a [ProviderError] that says nothing of a user: its code, such as
// invalid_grant, would mean to start a login again.
type refusedClient struct{ pe *ProviderError }

func (e *refusedClient) Error() string        { return e.pe.Error() }
func (e *refusedClient) Is(target error) bool { return target == ErrProvider }

// As gives the ProviderError.
func (e *refusedClient) As(target any) bool {
	pe, ok := target.(**ProviderError)
	if ok {
		*pe = e.pe
	}
	return ok
}

// noClientToken says of a failure what helps: to come back later, or to look at how the
// application is registered. It never is that a user should sign in.
func (c *Client) noClientToken(err error) error {
	status, answered := errors.AsType[*outbound.StatusError](err)
	pe, refused := errors.AsType[*ProviderError](err)
	out := errors.Is(err, outbound.ErrTimeout) || errors.Is(err, outbound.ErrUnreachable) || errors.Is(err, context.DeadlineExceeded)
	switch {
	case answered && (status.Status >= 500 || retryable(status.Status)):
		err = fmt.Errorf("%w: %w", ErrUnavailable, outage{opaque{err}, status})
	case out && !answered:
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	case refused:
		err = &refusedClient{pe}
	case errors.Is(err, ErrDenied), errors.Is(err, ErrNoLogin):
		err = fmt.Errorf("%w: %w", ErrInternal, opaque{err})
	}
	return fmt.Errorf("signon: %s: no token for the application: %w", c.name, err)
}

// revokeClientToken ends the application's own token for these scopes: here in any case,
// so that after a failure at the provider there is none any more to try it with again.
func (c *Client) revokeClientToken(ctx context.Context, scopes []string) error {
	scope, err := scopeSet(scopes)
	if err != nil {
		return fmt.Errorf("signon: %s: %w", c.name, err)
	}
	known, _ := c.clientTokens.held.Delete(scope)
	if known.token == nil {
		return fmt.Errorf("signon: %s: no token for the application with these scopes is held; there is nothing to revoke: %w", c.name, ErrNoToken)
	}
	return c.revoke(ctx, known.token)
}
