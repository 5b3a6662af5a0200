package signon_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/signontest"
)

// RFC 6749 section 4.4.2: what is asked for, and what comes of it.
func TestClientToken(t *testing.T) {
	a := newApp(t, appOptions{provider: func(p *signon.Provider) {
		p.TokenParams, p.ClientCredentialsParams = url.Values{"resource": {"https://users.example.com"}}, url.Values{"audience": {"https://api.example.com"}}
	}})
	a.op.TokenResponse(func(m map[string]any) { m["refresh_token"], m["id_token"] = "refresh-x", "id-x" })
	token, err := a.client.ClientToken(t.Context(), "items", "admin", "items")
	require.NoError(t, err)
	form := a.op.Requests(signontest.Token)[0].Form
	require.Equal(t, url.Values{"grant_type": {"client_credentials"}, "scope": {"admin items"}, "audience": {"https://api.example.com"}}, form)
	require.Equal(t, "Bearer", token.Type())
	require.WithinDuration(t, time.Now().Add(time.Hour), token.Expiry, 5*time.Second)
	require.Equal(t, []string{"admin", "items"}, a.client.Scopes(token))
	require.Empty(t, token.RefreshToken, "RFC 6749 section 4.4.3")
	require.Nil(t, token.Extra("id_token"), "it is of nobody and not verified")

	token.AccessToken = "changed"
	again, err := a.client.ClientToken(t.Context(), "admin", "items")
	require.NoError(t, err)
	require.NotEqual(t, "changed", again.AccessToken, "each caller has its own")

	_, err = a.client.ClientToken(t.Context())
	require.NoError(t, err)
	require.NotContains(t, a.op.Requests(signontest.Token)[1].Form, "scope", "Provider.Scopes are for users")
	require.Equal(t, 2, a.op.Count(signontest.Token))
	require.Zero(t, a.tokens.fetches.Load()+a.tokens.saves.Load(), "it is in no store")
	a.requireQuiet()
}

// RF-20: what shapes a token tells it apart, also among callers at once.
func TestClientTokenByScopes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		open := make(chan struct{})
		a := newApp(t, appOptions{provider: func(p *signon.Provider) {
			p.Hooks.TokenRequest = func(context.Context, *hooks.Request) error {
				<-open
				return nil
			}
		}})
		type answer struct {
			asked string
			token *oauth2.Token
			err   error
		}
		sets := [][]string{nil, {"a"}, {"b"}, {"a", "b"}, {"b", "a", "b"}, {"ab"}, {"A"}}
		got := make(chan answer)
		for range 5 {
			for _, set := range sets {
				go func() {
					token, err := a.client.ClientToken(t.Context(), set...)
					got <- answer{fmt.Sprint(set), token, err}
				}()
			}
		}
		synctest.Wait() // all wait for what no request has brought yet
		close(open)
		tokens := map[string]map[string]bool{}
		for range 5 * len(sets) {
			g := <-got
			require.NoError(t, g.err)
			if tokens[g.asked] == nil {
				tokens[g.asked] = map[string]bool{}
			}
			tokens[g.asked][g.token.AccessToken+" "+strings.Join(a.client.Scopes(g.token), "+")] = true
		}
		for asked, one := range tokens {
			require.Len(t, one, 1, asked)
		}
		require.Equal(t, tokens["[a b]"], tokens["[b a b]"])
		require.Equal(t, 6, a.op.Count(signontest.Token), "one request for each set")
		for asked, scope := range map[string]string{"[]": "", "[a]": "a", "[b]": "b", "[a b]": "a+b", "[ab]": "ab", "[A]": "A"} {
			for one := range tokens[asked] {
				require.True(t, strings.HasSuffix(one, " "+scope), "%s: %s", asked, one)
			}
		}
	})
}

func TestClientTokenRefused(t *testing.T) {
	a := newApp(t, appOptions{})
	for _, scopes := range [][]string{{""}, {"a b"}, {"a\n"}, {`a"`}, {`\`}, {"é"}, {"ok", ""}, {strings.Repeat("x", 5000)}} {
		_, err := a.client.ClientToken(t.Context(), scopes...)
		require.ErrorIs(t, err, signon.ErrInternal, "%q", scopes)
		_, err = a.client.Token(signon.WithClientToken(t.Context(), scopes...))
		require.ErrorIs(t, err, signon.ErrInternal, "%q", scopes)
	}
	public := newApp(t, appOptions{op: signontest.Config{Public: true}})
	_, err := public.client.ClientToken(t.Context(), "items")
	require.ErrorIs(t, err, signon.ErrInternal)
	require.Zero(t, a.op.Count(signontest.Token)+public.op.Count(signontest.Token))
}

// Every answer that is none: an error of its kind, one request, nothing kept but for a
// moment, nothing of the provider's in a log, and never a reason to sign in.
func TestClientTokenFaults(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault signontest.Fault
		want  error
	}{
		{"TE-01 redirect", signontest.RedirectToken, signon.ErrProvider},
		{"TE-01 302", signontest.RedirectFound, signon.ErrProvider},
		{"TE-02 error with 200", signontest.TokenErrorWith200, signon.ErrProvider},
		{"TE-02 form error with 200", signontest.TokenErrorForm200, signon.ErrProvider},
		{"TE-02 error beside a token", signontest.TokenErrorBoth, signon.ErrProvider},
		{"TE-03 HTML", signontest.HTMLToken, signon.ErrProvider},
		{"TE-03 empty", signontest.EmptyBody, signon.ErrProvider},
		{"TE-03 null", signontest.NullBody, signon.ErrProvider},
		{"TE-03 array", signontest.ArrayBody, signon.ErrProvider},
		{"TE-03 truncated", signontest.TruncatedBody, signon.ErrUnavailable},
		{"TE-03 reset", signontest.ResetConnection, signon.ErrUnavailable},
		{"TE-04 none", signontest.NoAccessToken, signon.ErrProvider},
		{"TE-04 empty", signontest.EmptyAccessToken, signon.ErrProvider},
		{"TE-04 number", signontest.AccessTokenNumber, signon.ErrProvider},
		{"TE-04 a header's end", signontest.AccessTokenNewline, signon.ErrProvider},
		{"TE-05 no type", signontest.NoTokenType, signon.ErrProvider},
		{"TE-05 mac", signontest.MACTokenType, signon.ErrProvider},
		{"TE-06 DPoP", signontest.DPoPTokenType, signon.ErrProvider},
		{"TE-07 zero", signontest.ExpiresInZero, signon.ErrProvider},
		{"TE-07 negative", signontest.ExpiresInNegative, signon.ErrProvider},
		{"TE-07 true", signontest.ExpiresInBool, signon.ErrProvider},
		{"TE-09 twice", signontest.DuplicateMember, signon.ErrProvider},
		{"TE-09 no UTF-8", signontest.InvalidUTF8, signon.ErrProvider},
		{"TE-10 invalid_grant", signontest.InvalidGrant, signon.ErrProvider},
		{"TE-11 invalid_client", signontest.InvalidClient, signon.ErrProvider},
		{"TE-12 429", signontest.TooManyRequests, signon.ErrUnavailable},
		{"TE-12 503", signontest.DownToken, signon.ErrUnavailable},
		{"TE-13 no answer", signontest.HangToken, signon.ErrUnavailable},
		{"TE-13 an answer without end", signontest.SlowBody, signon.ErrUnavailable},
		{"TE-14 echo", signontest.EchoingError, signon.ErrProvider},
		{"TE-14 200 MB", signontest.HugeBody, signon.ErrProvider},
		{"TE-16 plain text", signontest.PlainTextBody, signon.ErrProvider},
		{"TE-16 a form", signontest.FormToken, signon.ErrProvider},
		{"TE-17 created", signontest.Created, signon.ErrProvider},
		{"500", signontest.ServerError, signon.ErrUnavailable},
		{"metadata down", signontest.DownMetadata, signon.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t, appOptions{})
				a.op.Arm(tt.fault)
				start := time.Now()
				for range 3 {
					token, err := a.client.ClientToken(t.Context(), "items")
					require.Nil(t, token)
					requireNoLogin(t, err)
					require.ErrorIs(t, err, tt.want)
				}
				require.Equal(t, 1, a.op.Fired(tt.fault), "asked again at once")
				require.LessOrEqual(t, time.Since(start), 30*time.Second)
				require.Zero(t, a.op.Count(signontest.Elsewhere))
				require.Contains(t, a.log.String(), "no token for the application")
				a.requireQuiet()
				a.op.Disarm()
				time.Sleep(time.Minute)
				_, err := a.client.ClientToken(t.Context(), "items")
				require.NoError(t, err)
			})
		})
	}
}

// requireNoLogin: no failure of the application's token asks a user to sign in, or blames
// the browser.
func requireNoLogin(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	for _, never := range []error{signon.ErrNoLogin, signon.ErrNoToken, signon.ErrDenied, signon.ErrState} {
		require.NotErrorIs(t, err, never)
	}
}

func TestClientTokenSaysWhatTheProviderSaid(t *testing.T) {
	for _, code := range []string{"invalid_scope", "unauthorized_client", "invalid_grant", "access_denied", "login_required"} {
		t.Run(code, func(t *testing.T) {
			a := newApp(t, appOptions{})
			a.op.Handle("/token", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusBadRequest)
				_, _ = fmt.Fprintf(w, `{"error":%q}`, code)
			}))
			_, err := a.client.ClientToken(t.Context(), "items")
			requireNoLogin(t, err)
			var pe *signon.ProviderError
			require.ErrorAs(t, err, &pe)
			require.Equal(t, code, pe.Code)

			w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, appURL+"/x", nil)
			r.Header.Set("Sec-Fetch-Mode", "navigate")
			a.client.Fail(w, r, err)
			require.Equal(t, http.StatusBadGateway, w.Code)
		})
	}
}

// TE-07, RF: how long a token counts, and that it is fetched before it ends.
func TestClientTokenExpiry(t *testing.T) {
	for _, tt := range []struct {
		name          string
		expiresIn     any
		good, renewed time.Duration // it is still the first, and it is the second
	}{
		{"an hour", 3600, 58 * time.Minute, 59*time.Minute + 2*time.Second},
		{"a string", "3600", 58 * time.Minute, 59*time.Minute + 2*time.Second},
		{"a float", 3600.5, 58 * time.Minute, 59*time.Minute + 2*time.Second},
		{"not said", nil, 3*time.Minute + 55*time.Second, 4*time.Minute + time.Second},
		{"empty", "", 3*time.Minute + 55*time.Second, 4*time.Minute + time.Second},
		{"huge", 1e308, 365 * 24 * time.Hour, 3651 * 24 * time.Hour},
		{"a minute", 60, 44 * time.Second, 46 * time.Second},
		{"8 seconds", 8, 5 * time.Second, 7 * time.Second},
		{"2 seconds", 2, time.Second, 2 * time.Second},
		{"half a second", 0.5, 400 * time.Millisecond, 600 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newApp(t, appOptions{})
				a.op.TokenResponse(setMember("expires_in", tt.expiresIn))
				_, err := a.client.Introspect(t.Context(), &oauth2.Token{AccessToken: "x"}) // fetches the metadata
				require.NoError(t, err)
				first, err := a.client.ClientToken(t.Context(), "items")
				require.NoError(t, err)
				require.False(t, first.Expiry.IsZero(), "somebody may keep it for ever")
				time.Sleep(tt.good)
				same, err := a.client.ClientToken(t.Context(), "items")
				require.NoError(t, err)
				require.Equal(t, first.AccessToken, same.AccessToken)
				time.Sleep(tt.renewed - tt.good)
				second, err := a.client.ClientToken(t.Context(), "items")
				require.NoError(t, err)
				require.NotEqual(t, first.AccessToken, second.AccessToken)
				require.True(t, time.Now().Before(second.Expiry))
			})
		})
	}
}

// TE-08: what was granted is the caller's to see, and more than was asked for the log's.
func TestClientTokenScope(t *testing.T) {
	for _, tt := range []struct {
		name   string
		edit   signontest.Edit
		want   []string
		logged bool
	}{
		{"as asked", nil, []string{"a", "b"}, false},
		{"not said", func(m map[string]any) { delete(m, "scope") }, []string{"a", "b"}, false},
		{"narrower", setMember("scope", "a"), []string{"a"}, false},
		{"wider", setMember("scope", "a b more"), []string{"a", "b", "more"}, true},
		{"a list", setMember("scope", []any{"b", "a"}), []string{"b", "a"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, appOptions{})
			a.op.TokenResponse(tt.edit)
			token, err := a.client.ClientToken(t.Context(), "b", "a")
			require.NoError(t, err)
			require.Equal(t, tt.want, a.client.Scopes(token))
			require.Equal(t, tt.logged, strings.Contains(a.log.String(), "more than was asked for"))
		})
	}
}

// A provider that fails costs nobody a token that lives, and is asked once in a while.
func TestClientTokenOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newApp(t, appOptions{})
		first, err := a.client.ClientToken(t.Context(), "items")
		require.NoError(t, err)
		a.op.Arm(signontest.DownToken)
		time.Sleep(59*time.Minute + time.Second)
		for range 10 {
			token, err := a.client.ClientToken(t.Context(), "items")
			require.NoError(t, err)
			require.Equal(t, first.AccessToken, token.AccessToken)
		}
		require.Equal(t, 1, a.op.Fired(signontest.DownToken))
		time.Sleep(5 * time.Second)
		_, err = a.client.ClientToken(t.Context(), "items")
		require.NoError(t, err)
		require.Equal(t, 2, a.op.Fired(signontest.DownToken))
		time.Sleep(time.Minute)
		for range 10 {
			_, err = a.client.ClientToken(t.Context(), "items")
			require.ErrorIs(t, err, signon.ErrUnavailable)
		}
		require.Equal(t, 3, a.op.Fired(signontest.DownToken))
		a.op.Disarm()
		time.Sleep(5 * time.Second)
		token, err := a.client.ClientToken(t.Context(), "items")
		require.NoError(t, err)
		require.NotEqual(t, first.AccessToken, token.AccessToken)
	})
}

// TE-12: a provider that asks to come back later is left alone for as long, whatever the
// scopes, by refreshes too.
func TestClientTokenRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newOwned(t, appOptions{})
		a.expire("alice")
		asked := a.op.Count(signontest.Token)
		a.op.Arm(signontest.TooManyRequests)
		for _, scope := range []string{"a", "b", "a"} {
			_, err := a.client.ClientToken(t.Context(), scope)
			require.ErrorIs(t, err, signon.ErrUnavailable)
		}
		_, err := a.client.Token(a.as("alice"))
		require.ErrorIs(t, err, signon.ErrUnavailable)
		require.Equal(t, asked+1, a.op.Count(signontest.Token))
		a.op.Disarm()
		time.Sleep(29 * time.Second)
		_, err = a.client.ClientToken(t.Context(), "b")
		require.ErrorIs(t, err, signon.ErrUnavailable)
		time.Sleep(2 * time.Second)
		for _, scope := range []string{"a", "b"} {
			_, err := a.client.ClientToken(t.Context(), scope)
			require.NoError(t, err)
		}
	})
}

// A hook or a method of the application's own that fails is its own fault.
func TestClientTokenHooks(t *testing.T) {
	for _, tt := range []struct {
		name string
		hook func(context.Context, *hooks.Request) error
	}{
		{"fails", func(context.Context, *hooks.Request) error { return errors.New("no") }},
		{"panics", func(context.Context, *hooks.Request) error { panic("no") }},
		{"refuses", func(context.Context, *hooks.Request) error { return signon.ErrDenied }},
		{"wants a login", func(context.Context, *hooks.Request) error { return signon.ErrNoLogin }},
		{"hangs", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				defer close(release)
				a := newApp(t, appOptions{provider: func(p *signon.Provider) {
					p.Hooks.TokenRequest = func(ctx context.Context, r *hooks.Request) error {
						if tt.hook == nil {
							<-release
							return nil
						}
						return tt.hook(ctx, r)
					}
				}})
				_, err := a.client.ClientToken(t.Context(), "items")
				require.ErrorIs(t, err, signon.ErrInternal)
				requireNoLogin(t, err)
				require.Zero(t, a.op.Count(signontest.Token))
			})
		})
	}
}
