package signon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/internal/oauth"
	"github.com/seed1a301047/signon/internal/oidc"
	"github.com/seed1a301047/signon/internal/outbound"
)

// What can go wrong. Each error that Signon returns or hands to Config.OnError
// wraps one of these; the table below [Failure] gives the status of each.
var (
	// ErrRequest: the browser's message is malformed.
	ErrRequest = errors.New("malformed request")
	// ErrState: the callback belongs to no login that this browser started, or to
	// one that has expired or is already complete.
	ErrState = errors.New("no such login in progress")
	// ErrAnswered is no failure: [Client.FinishLogin] has sent the browser on, which
	// comes back with the rest of its cookies. There is nothing more to write.
	ErrAnswered = errors.New("already answered")
	// ErrDenied: the user, the provider or the application said no. OnLogin wraps
	// it to refuse somebody.
	ErrDenied = errors.New("sign-in refused")
	// ErrCrossOrigin: a request that changes who is signed in came from another
	// site.
	ErrCrossOrigin = errors.New("cross-origin request refused")
	// ErrNoLogin: nobody is signed in.
	ErrNoLogin = errors.New("not signed in")
	// ErrNoToken: there is no token, or it has expired for good: the owner must
	// sign in again.
	ErrNoToken = errors.New("no usable token")
	// ErrScope: the token does not have a scope that is needed.
	ErrScope = errors.New("insufficient scope")
	// ErrMethod: the handler does not answer this HTTP method.
	ErrMethod = errors.New("method not allowed")
	// ErrTooLarge: the request is larger than it may be.
	ErrTooLarge = errors.New("request too large")
	// ErrUnknownProvider: no provider of that name is registered.
	ErrUnknownProvider = errors.New("unknown provider")
	// ErrProvider: the provider sent something that is not valid.
	ErrProvider = errors.New("invalid answer from the provider")
	// ErrProviderTimeout: the provider did not answer in time.
	ErrProviderTimeout = errors.New("no answer from the provider")
	// ErrUnavailable: a store is down, or the provider asks to come back later.
	ErrUnavailable = errors.New("temporarily unavailable")
	// ErrAPIURL: a request of [Client.HTTPClient] would leave Provider.APIBaseURL.
	ErrAPIURL = errors.New("URL outside of APIBaseURL")
	// ErrInternal: a function that the application gave has failed, or its
	// configuration does not fit what the provider says of itself.
	ErrInternal = errors.New("internal error")
)

// A ProviderError is an error response of the provider: of the authorization
// endpoint (RFC 6749 section 4.1.2.1) or of the token endpoint (section 5.2; it
// then wraps the *oauth2.RetrieveError).
//
// All strings are the provider's, or whoever's who forged the response: log them
// quoted, show them to nobody.
type ProviderError struct {
	Provider    string // the name of the provider
	Code        string // error: "access_denied", "invalid_grant", ...
	Description string // error_description, at most 256 printable bytes
	Err         error  // what it was read from; nil for an authorization response
}

// Error names the provider and the code.
func (e *ProviderError) Error() string {
	if e.Description == "" {
		return fmt.Sprintf("provider %s answered error %q", e.Provider, e.Code)
	}
	return fmt.Sprintf("provider %s answered error %q (%q)", e.Provider, e.Code, e.Description)
}

// Unwrap gives the *oauth2.RetrieveError of a token endpoint's answer.
func (e *ProviderError) Unwrap() error { return e.Err }

// Is reports which of the sentinels the code amounts to.
func (e *ProviderError) Is(target error) bool { return target == e.sentinel() }

func (e *ProviderError) sentinel() error {
	switch e.Code {
	case "access_denied", "login_required", "consent_required", "interaction_required", "account_selection_required":
		return ErrDenied
	case "invalid_grant":
		return ErrState // of a code: expired, spent, or not this login's; the remedy is to start again
	case "temporarily_unavailable":
		return ErrUnavailable
	}
	return ErrProvider
}

// A Failure is what Config.OnError gets: an error with what may be told of it.
type Failure struct {
	ID         string        // correlates the page with the log record; 26 characters
	Kind       string        // stable and public: "bad_request", "denied", ...
	Status     int           // the HTTP status
	Provider   string        // the name of the provider, "" where none was found
	RetryAfter time.Duration // for 503: when to come back
	StartURL   string        // a path that starts a login again, by GET or POST, with where to return to; or "", as after a logout
	Allow      string        // for 405: the methods that are answered
	Err        error         // what happened: for the log, not for the page
}

// Error is for logs.
func (f *Failure) Error() string { return fmt.Sprintf("%s (%s): %v", f.Kind, f.ID, f.Err) }

// Unwrap returns Err.
func (f *Failure) Unwrap() error { return f.Err }

// failures is the one table from what happened to what is said. The first row
// that matches counts.
var failures = []struct {
	is     error
	kind   string
	status int
}{
	{ErrInternal, "internal", http.StatusInternalServerError},
	{ErrMethod, "method", http.StatusMethodNotAllowed},
	{ErrTooLarge, "too_large", http.StatusRequestEntityTooLarge},
	{ErrUnknownProvider, "not_found", http.StatusNotFound},
	{ErrRequest, "bad_request", http.StatusBadRequest},
	{ErrState, "bad_request", http.StatusBadRequest},
	{ErrCrossOrigin, "denied", http.StatusForbidden},
	{ErrDenied, "denied", http.StatusForbidden},
	{ErrScope, "insufficient_scope", http.StatusForbidden},
	{ErrNoLogin, "unauthenticated", http.StatusUnauthorized},
	{ErrNoToken, "unauthenticated", http.StatusUnauthorized},
	{ErrUnavailable, "unavailable", http.StatusServiceUnavailable},
	{ErrProviderTimeout, "op_timeout", http.StatusGatewayTimeout},
	{ErrProvider, "op_fault", http.StatusBadGateway},
	{ErrAPIURL, "internal", http.StatusInternalServerError},
}

// fail is the one exit of every handler: one log record, then OnError or Error.
func (g *Registry) fail(w http.ResponseWriter, r *http.Request, c *Client, err error) {
	if errors.Is(err, context.Canceled) && r.Context().Err() == nil {
		err = fmt.Errorf("%w: cancelled, though not by the browser: %w", ErrUnavailable, opaque{err})
	}
	f := newFailure(err)
	if c != nil {
		f.Provider = c.name
	}
	if c != nil && !f.ofLogout() {
		f.StartURL = c.loginURL
		if again, ok := errors.AsType[*againError](err); ok && again.returnTo != "" {
			f.StartURL = withQuery(c.loginURL, "return_to="+url.QueryEscape(again.returnTo))
		}
	}
	_ = guard("Config.Logger", func() error {
		g.log.failure(r.Context(), f)
		return nil
	})
	f.setHeader(w.Header())
	g.respond(w, r, f)
}

// respond runs OnError; one that panics must not leave the browser without an
// answer, nor with two.
func (g *Registry) respond(w http.ResponseWriter, r *http.Request, f *Failure) {
	if g.cfg.OnError == nil {
		Error(w, r, f)
		return
	}
	seen := &begunWriter{ResponseWriter: w}
	err := guard("Config.OnError", func() error {
		g.cfg.OnError(seen, r, f)
		return nil
	})
	if err == nil {
		return
	}
	_ = guard("Config.Logger", func() error {
		g.log.ErrorContext(r.Context(), "signon: OnError panicked", "error_id", f.ID, "error", err)
		return nil
	})
	if !seen.begun {
		f.Kind, f.Status = "internal", http.StatusInternalServerError
		Error(w, r, f)
	}
}

// note logs what went well. A logger that panics does not turn it into a failure.
func (g *Registry) note(ctx context.Context, msg string, args ...any) {
	_ = guard("Config.Logger", func() error {
		g.log.InfoContext(ctx, msg, args...)
		return nil
	})
}

// begunWriter knows whether an answer has begun.
type begunWriter struct {
	http.ResponseWriter
	begun bool
}

func (w *begunWriter) WriteHeader(status int) {
	w.begun = true
	w.ResponseWriter.WriteHeader(status)
}

func (w *begunWriter) Write(b []byte) (int, error) {
	w.begun = true
	return w.ResponseWriter.Write(b)
}

// Unwrap is for [http.ResponseController].
func (w *begunWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// againError is an error of a login that knows where its user was going.
type againError struct {
	error
	returnTo string
}

func (e *againError) Unwrap() error { return e.error }

func startAgain(err error, returnTo string) error {
	if err == nil || returnTo == "" {
		return err
	}
	return &againError{err, returnTo}
}

// logoutError is an error of a logout: there is no login to start again, and whoever was
// refused one must not be asked to sign in.
type logoutError struct{ error }

func (e *logoutError) Unwrap() error { return e.error }

func leavingFailed(err error) error {
	if err == nil {
		return nil
	}
	return &logoutError{err}
}

func (f *Failure) ofLogout() bool {
	_, ok := errors.AsType[*logoutError](f.Err)
	return ok
}

// Message is a sentence for the user, in English: by the kind and by where the fault is,
// and nothing of the provider's.
func (f *Failure) Message() string {
	_, reported := errors.AsType[*ProviderError](f.Err)
	if text := logoutExplanations[f.Kind]; text != "" && f.ofLogout() {
		return text
	}
	switch {
	case errors.Is(f.Err, ErrCrossOrigin):
		return "Please confirm that it is you who wants to go on."
	case f.Kind == "op_fault" && reported:
		return "The sign-in service reported an error."
	case f.Kind == "op_fault" && errors.Is(f.Err, outbound.ErrUnreachable):
		return "The sign-in service cannot be reached at the moment."
	}
	if text := explanations[f.Kind]; text != "" {
		return text
	}
	return explanations["internal"]
}

// newFailure classifies an error. What no row of the table knows is our own or the
// application's fault: 500.
func newFailure(err error) *Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	f := &Failure{ID: rand.Text(), Kind: "internal", Status: http.StatusInternalServerError, Err: err}
	if errors.Is(err, context.Canceled) {
		f.Kind, f.Status = "canceled", 499 // the browser has gone; nobody reads this
		return f
	}
	for _, row := range failures {
		if errors.Is(err, row.is) {
			f.Kind, f.Status = row.kind, row.status
			break
		}
	}
	if f.Status == http.StatusServiceUnavailable {
		f.RetryAfter = 5 * time.Second
		if se, ok := errors.AsType[*outbound.StatusError](err); ok && se.RetryAfter > 0 {
			f.RetryAfter = se.RetryAfter
		}
	}
	if me, ok := errors.AsType[*methodError](err); ok {
		f.Allow = me.allow
	}
	return f
}

// methodError is ErrMethod with the methods that would have done.
type methodError struct{ got, allow string }

func (e *methodError) Error() string {
	return fmt.Sprintf("%v: %q, expected %s", ErrMethod, clip(e.got, 16), e.allow)
}
func (e *methodError) Unwrap() error { return ErrMethod }

func checkMethod(r *http.Request, allow ...string) error {
	for _, m := range allow {
		if r.Method == m {
			return nil
		}
	}
	return &methodError{got: r.Method, allow: strings.Join(allow, ", ")}
}

// providerFault gives an error of the leaves its place in the table.
func providerFault(provider string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if errors.Is(err, oauth.ErrHook) || errors.Is(err, oauth.ErrConfig) || errors.Is(err, oauth.ErrRequest) {
		return applicationFault("provider "+provider, err)
	}
	if re, ok := errors.AsType[*oauth2.RetrieveError](err); ok && re.ErrorCode != "" {
		pe := &ProviderError{Provider: provider, Code: clip(re.ErrorCode, 64), Description: clip(re.ErrorDescription, 256), Err: err}
		if se, ok := errors.AsType[*outbound.StatusError](err); ok && retryable(se.Status) {
			return fmt.Errorf("provider %s: %w: %w", provider, ErrUnavailable, pe)
		}
		return pe
	}
	if se, ok := errors.AsType[*outbound.StatusError](err); ok && retryable(se.Status) {
		return fmt.Errorf("provider %s: %w: %w", provider, ErrUnavailable, err)
	}
	switch {
	case errors.Is(err, outbound.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("provider %s: %w: %w", provider, ErrProviderTimeout, err)
	case errors.Is(err, outbound.ErrUnreachable):
		return &unreachable{provider, err}
	case errors.Is(err, oidc.ErrNonce): // what the browser brought is of another login: RFC 9700 section 4.5
		return fmt.Errorf("provider %s: %w: %w", provider, ErrState, err)
	case errors.Is(err, oidc.ErrReauthenticate), errors.Is(err, oidc.ErrTenant):
		return fmt.Errorf("provider %s: %w: %w", provider, ErrDenied, err)
	}
	return fmt.Errorf("provider %s: %w: %w", provider, ErrProvider, err)
}

// unreachable is ErrProvider without its words: nothing has answered that could be invalid.
type unreachable struct {
	provider string
	err      error
}

func (e *unreachable) Error() string   { return fmt.Sprintf("provider %s: %v", e.provider, e.err) }
func (e *unreachable) Unwrap() []error { return []error{ErrProvider, e.err} }

func retryable(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

// storeFault gives an error of a store its place: a store that does not answer is
// never "not found".
func storeFault(what string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("%s: %w: %w", what, ErrUnavailable, err)
}

// clip cuts a string of somebody else's to n bytes and to printable ASCII, for a
// log or an error text.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, s)
}

func retryAfterSeconds(d time.Duration) string {
	return strconv.FormatInt(max(1, int64(d/time.Second)), 10)
}
