package signon_test

import (
	"context"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
)

// HK-02: a hook may keep the parameters that it was given, and change them when it is back
// and what protects the login has been compared: that changes nothing of what is sent, and
// nothing of what is read.
func TestHookKeepsItsParams(t *testing.T) {
	var kept url.Values
	client := newApp(t, appOptions{provider: func(p *signon.Provider) {
		p.Hooks = hooks.Hooks{
			Authorize:         func(_ context.Context, a *hooks.Authorize) error { kept = a.Params; return nil },
			AuthorizeResponse: func(_ context.Context, a *hooks.AuthorizeResponse) error { kept = a.Params; return nil },
		}
	}}).client
	for name, run := range map[string]func(context.Context, *signon.Client, url.Values) (url.Values, error){
		"request": signon.BentRequest, "response": signon.BentResponse,
	} {
		t.Run(name, func(t *testing.T) {
			given := url.Values{"state": {"s"}, "nonce": {"n"}, "iss": {"i"}}
			got, err := run(t.Context(), client, given)
			require.NoError(t, err)
			kept["state"][0] = "another"
			kept.Set("nonce", "another")
			kept.Set("code", "another")
			kept.Del("iss")
			want := url.Values{"state": {"s"}, "nonce": {"n"}, "iss": {"i"}}
			require.Equal(t, want, got)
			require.Equal(t, want, given)
		})
	}
}
