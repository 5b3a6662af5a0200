package signon_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/alexedwards/scs/v2"
	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/signontest"
	"github.com/seed1a301047/signon/tokenstore"
)

// unstorable are owners that not every database could keep apart, or at all.
var unstorable = map[string]string{
	"too long": strings.Repeat("o", 256), "a NUL": "user\x00-1", "no UTF-8": "user-\xff",
}

// ST-06: an owner that cannot be stored is the application's fault, found before
// anything is saved, and not an outage of the store.
func TestOwnerThatCannotBeStored(t *testing.T) {
	for name, owner := range unstorable {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, appOptions{config: func(c *signon.Config) {
				c.OnLogin = func(context.Context, *signon.Login) (string, error) { return owner, nil }
			}})
			require.Equal(t, http.StatusInternalServerError, a.signIn().Status)
			require.Zero(t, a.tokens.saves.Load())
			require.Zero(t, a.logins.creates.Load())

			_, err := a.client.Token(a.as(owner))
			require.ErrorIs(t, err, signon.ErrInternal)
			require.NotErrorIs(t, err, signon.ErrUnavailable)

			b := newApp(t, appOptions{config: func(c *signon.Config) {
				c.Owner = func(*http.Request) (string, error) { return owner, nil }
			}})
			require.Equal(t, http.StatusInternalServerError, b.browser.Get(appURL+"/items").Status)
		})
	}
}

// ST-06: a sid is looked up by, at a logout: one that could not be is the provider's
// fault, and nobody is signed in by half. 1 kB is stored whole.
func TestSessionIDOfAnyLength(t *testing.T) {
	for _, tt := range []struct {
		name   string
		sid    string
		status int
	}{
		{"1024 bytes", strings.Repeat("s", 1024), http.StatusOK},
		{"1025 bytes", strings.Repeat("s", 1025), http.StatusBadGateway},
		{"a NUL", "s\x00id", http.StatusBadGateway},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, appOptions{op: signontest.Config{Users: []signontest.User{
				{Subject: "alice", Claims: map[string]any{"sid": tt.sid}},
			}}})
			require.Equal(t, tt.status, a.signIn().Status)
			if tt.status != http.StatusOK {
				require.Zero(t, a.tokens.saves.Load())
				return
			}
			a.atWho(a.auth, func(_ context.Context, l *signon.Login) { require.Equal(t, tt.sid, l.SID) })
		})
	}
}

func TestIssuerTooLong(t *testing.T) {
	a := newApp(t, appOptions{})
	p := a.op.SignonProvider("long")
	p.Issuer = "https://op.example.com/" + strings.Repeat("i", 1024)
	_, err := a.auth.Register(p)
	require.ErrorContains(t, err, "Issuer is 1047 bytes long")
}

// A store that is forgotten sends browsers round in circles as soon as there are two
// processes: New says so, once, and says nothing where all is in one place.
func TestHalfSharedConfig(t *testing.T) {
	keys := [][]byte{[]byte("0123456789abcdef0123456789abcdef")}
	memory := sessionstore.NewManager(nil)
	shared := sessionstore.NewManager(struct{ scs.Store }{})
	for _, tt := range []struct {
		name   string
		config signon.Config
		own    string // what the warning names as kept in this process
	}{
		{"all in memory", signon.Config{}, ""},
		{"all in memory, said so", signon.Config{Sessions: memory, Logins: new(sessionstore.Memory), Tokens: new(tokenstore.Memory)}, ""},
		{"all shared", signon.Config{Sessions: shared, Logins: new(watchedLogins), Tokens: new(watchedTokens)}, ""},
		{"no logins", signon.Config{Sessions: shared, Tokens: new(watchedTokens)}, `["Logins"]`},
		{"no sessions", signon.Config{Logins: new(watchedLogins), Tokens: new(watchedTokens)}, `["Sessions"]`},
		{"sessions in memory", signon.Config{Sessions: memory, Logins: new(watchedLogins), Tokens: new(watchedTokens)}, `["Sessions"]`},
		{"no tokens", signon.Config{Sessions: shared, Logins: new(watchedLogins)}, `["Tokens"]`},
		{"only tokens", signon.Config{Tokens: new(watchedTokens)}, `["Sessions","Logins"]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := &logBuffer{}
			tt.config.BaseURL, tt.config.Keys, tt.config.Logger = appURL, keys, log.logger()
			_, err := signon.New(tt.config)
			require.NoError(t, err)
			if tt.own == "" {
				require.NotContains(t, log.String(), "in_this_process")
				return
			}
			require.Contains(t, log.String(), `"in_this_process":`+tt.own)
		})
	}
}

// ST-04: what a random key has sealed is lost with the process: not in a store that stays.
func TestStoresNeedKeys(t *testing.T) {
	for name, cfg := range map[string]signon.Config{
		"Config.Tokens": {Tokens: new(watchedTokens)},
		"Config.Logins": {Logins: new(watchedLogins)},
	} {
		cfg.BaseURL = appURL
		_, err := signon.New(cfg)
		require.ErrorContains(t, err, "Config.Keys is nil, and "+name)
	}
}
