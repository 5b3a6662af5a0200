package providers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
)

// misuse is the ClientAuth of a preset whose argument cannot be right: it refuses the
// registration, and says why.
type misuse struct{ why error }

func (misuse) Name() string { return "none" }

func (m misuse) Check(context.Context, *clientauth.Request) error { return m.why }

func (m misuse) Authenticate(context.Context, *clientauth.Request) error { return m.why }

// refuse returns the misuse of one argument of a preset.
func refuse(preset, argument, given, want string) clientauth.Method {
	return misuse{argumentError{fmt.Errorf("providers: %s: the %s is %.100q; expected %s", preset, argument, given, want)}}
}

// An argumentError is what is wrong with an argument of a preset. By PresetArgument
// [signon.Registry.Register] knows that it is not the ClientAuth that is to be mended.
type argumentError struct{ why error }

func (e argumentError) Error() string { return e.why.Error() }

func (e argumentError) Unwrap() error { return e.why }

func (argumentError) PresetArgument() {}

// refused is p with nothing in it that could be used in spite of the argument, were the
// ClientAuth replaced.
func refused(p signon.Provider, why clientauth.Method) signon.Provider {
	p.Issuer, p.MetadataURL, p.Endpoint, p.ClientAuth = "", "", oauth2.Endpoint{}, why
	return p
}

// hostOf takes the host out of what was given as one: people paste the whole address.
func hostOf(given string) (host string, ok bool) {
	host = strings.TrimSuffix(strings.TrimPrefix(given, "https://"), "/")
	u, err := url.Parse("https://" + host)
	if err != nil || u.Host != host || !strings.Contains(host, ".") {
		return host, false
	}
	return host, !slices.Contains(strings.Split(u.Hostname(), "."), "")
}

// baseOf cleans the address of an installation of one's own.
func baseOf(given string) (base string, ok bool) {
	base = strings.TrimRight(given, "/")
	u, err := url.Parse(base)
	return base, err == nil && u.Host != "" && u.RawQuery == "" && u.Fragment == "" && u.User == nil
}

// isWord reports whether s has letters, digits and the given other characters only, at
// least one.
func isWord(s, others string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"+others) == ""
}

// isGUID reports whether s is 8-4-4-4-12 hexadecimal digits.
func isGUID(s string) bool {
	parts := strings.Split(s, "-")
	if len(parts) != 5 {
		return false
	}
	for i, length := range []int{8, 4, 4, 4, 12} {
		if len(parts[i]) != length || strings.Trim(parts[i], "0123456789abcdefABCDEF") != "" {
			return false
		}
	}
	return true
}

// ask is Profile.Get for what the user, or the application's scopes, may withhold: granted
// is false where the API refuses it with 403 or 404. Without it the user still is who he
// is, so the login goes on; where the API is down, it can be tried again.
func ask(ctx context.Context, p *hooks.Profile, ref string, v any) (granted bool, err error) {
	if p.Client == nil {
		return false, errors.New("providers: the Profile has no Client; Signon sets it at a login")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, ref, nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := p.Client.Do(req)
	if err != nil {
		return false, fmt.Errorf("providers: %w: %w", signon.ErrUnavailable, err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusForbidden, http.StatusNotFound:
		return false, nil
	default:
		return false, fmt.Errorf("providers: %w: the API answered %q with status %d, expected 200", signon.ErrUnavailable, req.URL.Path, resp.StatusCode)
	}
	if json.UnmarshalRead(resp.Body, v) != nil { // not shown: it may quote what it read
		return false, fmt.Errorf("providers: the API's answer to %q is not the JSON that its documentation has", req.URL.Path)
	}
	return true, nil
}
