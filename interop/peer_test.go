package interop_test

import (
	"testing"
	"time"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/interop/op"
	"github.com/seed1a301047/signon/interop/zitadel"
)

const (
	callback  = origin + "/auth/callback/op"
	loggedOut = origin + "/auth/logged-out/op"
)

// A peer is a real provider that knows the application at origin.
type peer struct {
	name    string
	subject string // who signs in
	claim   string // a claim of the userinfo, and
	value   any    // what it says
	start   func(t testing.TB, o options) signon.Provider
}

// options are what a test asks of a peer.
type options struct {
	tokenLife time.Duration // zero: long enough for a test
	public    bool          // a client without a secret
}

// peers are the providers that all common flows are tried on.
var peers = []peer{
	{
		name: "oidc-provider", subject: "alice", claim: "preferred_username", value: "alice",
		start: func(t testing.TB, o options) signon.Provider {
			client := op.Client{
				ID: clientID, Secret: clientSecret, RedirectURIs: []string{callback}, PostLogoutRedirectURIs: []string{loggedOut},
			}
			if o.public {
				client.Secret, client.AuthMethod = "", "none"
			}
			cfg := op.Config{Clients: []op.Client{client}}
			if o.tokenLife > 0 {
				cfg.TTL = map[string]int{"AccessToken": int(o.tokenLife / time.Second)}
			}
			return o.provider(op.Start(t, cfg).Issuer, "openid", "profile", "email")
		},
	},
	{
		name: "zitadel", subject: zitadel.Subject, claim: "preferred_username", value: zitadel.Username,
		start: func(t testing.TB, o options) signon.Provider {
			cfg := zitadel.Config{
				ClientID: clientID, ClientSecret: clientSecret, RedirectURI: callback, PostLogoutRedirectURI: loggedOut,
				TokenLifetime: o.tokenLife,
			}
			if o.public {
				cfg.ClientSecret = ""
			}
			return o.provider(zitadel.Start(t, cfg).Issuer, "openid", "profile", "email", "offline_access")
		},
	},
}

func (o options) provider(issuer string, scopes ...string) signon.Provider {
	p := signon.Provider{Issuer: issuer, ClientID: clientID, ClientSecret: clientSecret, Scopes: scopes}
	if o.public {
		p.ClientSecret = ""
	}
	return p
}

// each runs a test on every peer.
func each(t *testing.T, test func(t *testing.T, p peer)) {
	for _, p := range peers {
		t.Run(p.name, func(t *testing.T) { test(t, p) })
	}
}
