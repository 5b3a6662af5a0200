package signon_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/tokenstore"
)

// without leaves nothing of a user but who it is, and adds members.
func without(members map[string]any) func(map[string]any) {
	return func(m map[string]any) {
		for _, name := range []string{"name", "preferred_username", "email", "email_verified", "picture"} {
			delete(m, name)
		}
		for name, v := range members {
			m[name] = v
		}
	}
}

type members = map[string]any

// claimed is what two sources say of a user, and what comes of it.
type claimed struct {
	name              string
	idToken, userinfo members
	want              signon.Identity
}

func claimedBySources() []claimed {
	const me = "me@example.com"
	return []claimed{
		{"nothing", nil, nil, signon.Identity{}},
		{"ID token", members{"name": "Ada", "email": me, "email_verified": true, "picture": "https://x.test/p"}, nil,
			signon.Identity{Name: "Ada", Email: me, EmailVerified: true, Picture: "https://x.test/p"}},
		{"userinfo", nil, members{"name": "Ada", "email": me, "email_verified": true, "picture": "https://x.test/p"},
			signon.Identity{Name: "Ada", Email: me, EmailVerified: true, Picture: "https://x.test/p"}},
		{"the ID token wins", members{"name": "Ada", "email": me, "picture": "https://x.test/1"},
			members{"name": "Eve", "email": "eve@example.com", "email_verified": true, "picture": "https://x.test/2"},
			signon.Identity{Name: "Ada", Email: me, Picture: "https://x.test/1"}},
		{"each claim by itself", members{"email": me}, members{"name": "Ada"}, signon.Identity{Name: "Ada", Email: me}},
		{"verified of another source", members{"email_verified": true}, members{"email": me}, signon.Identity{Email: me}},
		{"not verified, says the ID token", members{"email_verified": false}, members{"email": me, "email_verified": true}, signon.Identity{Email: me}},
		{"verified, say both", members{"email_verified": true}, members{"email": me, "email_verified": true}, signon.Identity{Email: me, EmailVerified: true}},
		{"of a bad address in the ID token", members{"email": "me@"}, members{"email": me, "email_verified": true}, signon.Identity{}},
		{"of an empty address in the ID token", members{"email": ""}, members{"email": me, "email_verified": true}, signon.Identity{}},
		{"of no text in the ID token", members{"email": []string{me}}, members{"email": me, "email_verified": true}, signon.Identity{}},
		{"of null in the ID token", members{"email": nil, "email_verified": nil}, members{"email": me, "email_verified": true}, signon.Identity{Email: me, EmailVerified: true}},
		{"verified as text", members{"email": me, "email_verified": "true"}, nil, signon.Identity{Email: me}},
		{"verified as text in the userinfo", nil, members{"email": me, "email_verified": "true"}, signon.Identity{Email: me}},
		{"verified as a number in the userinfo", nil, members{"email": me, "email_verified": 1}, signon.Identity{Email: me}},
		{"verified as a number", members{"email": me, "email_verified": 1}, nil, signon.Identity{Email: me}},
		{"verified without an address", members{"email_verified": true}, nil, signon.Identity{}},
		{"no plain address", members{"email": "Ada <me@example.com>", "email_verified": true}, nil, signon.Identity{}},
		{"two addresses", members{"email": "a@example.com,b@example.com", "email_verified": true}, nil, signon.Identity{}},
		{"an address beyond ASCII", members{"email": "ада@example.com", "email_verified": true}, nil, signon.Identity{}},
		{"a list", members{"email": []string{me}, "email_verified": true}, nil, signon.Identity{}},
		{"given and family name", members{"given_name": "Ada", "family_name": "Lovelace", "preferred_username": "al"}, nil, signon.Identity{Name: "Ada Lovelace"}},
		{"names of both sources", members{"given_name": "Ada"}, members{"family_name": "Lovelace"}, signon.Identity{Name: "Ada Lovelace"}},
		{"a family name", members{"family_name": "Lovelace"}, nil, signon.Identity{Name: "Lovelace"}},
		{"preferred_username", members{"preferred_username": "al", "nickname": "Countess"}, nil, signon.Identity{Name: "al"}},
		{"nickname", members{"nickname": "Countess"}, nil, signon.Identity{Name: "Countess"}},
		{"a name of another type", members{"name": 7, "nickname": "Countess"}, nil, signon.Identity{Name: "Countess"}},
		{"another case", members{"Name": "Eve", "Picture": "https://x.test/p"}, nil, signon.Identity{}}}
}

// UI-04: the standard claims make an identity, of the ID token first. Whether an address
// is verified is said of the one beside it, by the JSON value true alone.
func TestIdentityOfStandardClaims(t *testing.T) {
	for _, tt := range claimedBySources() {
		t.Run(tt.name, func(t *testing.T) {
			var login *signon.Login
			a := newApp(t, appOptions{
				provider: func(p *signon.Provider) { p.FetchUserInfo = true },
				config:   func(c *signon.Config) { c.OnLogin = keepLogin(&login) },
			})
			a.op.IDTokenClaims(without(tt.idToken))
			a.op.UserInfo(without(tt.userinfo))
			require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
			got, err := login.Identity()
			require.NoError(t, err)
			tt.want.Provider, tt.want.Issuer, tt.want.Subject = "op", "https://provider.test", "alice"
			tt.want.Claims = got.Claims
			require.Equal(t, tt.want, *got)
			addr, verified := login.Email()
			require.Equal(t, tt.want.Email, addr)
			require.Equal(t, tt.want.EmailVerified, verified)
			var claims members
			require.NoError(t, json.Unmarshal(got.Claims, &claims))
			require.Equal(t, "https://provider.test", claims["iss"], "of the ID token")
		})
	}
}

// UI-10, UI-11: what can be shown, stored and written to, whoever wrote it.
func TestIdentityIsCleaned(t *testing.T) {
	long := strings.Repeat("ä", 200)
	for _, tt := range []struct {
		name       string
		give, want signon.Identity
	}{
		{"good", signon.Identity{Name: "Ada", Email: "a@example.com", EmailVerified: true, Picture: "https://x.test/p?s=1"},
			signon.Identity{Name: "Ada", Email: "a@example.com", EmailVerified: true, Picture: "https://x.test/p?s=1"}},
		{"markup is kept, for a page to escape", signon.Identity{Name: "<b>Ada</b>"}, signon.Identity{Name: "<b>Ada</b>"}},
		{"control characters", signon.Identity{Name: " A\r\nBcc: x\x00\u2028y\u0085 "}, signon.Identity{Name: "A  Bcc: x  y"}},
		{"turned around", signon.Identity{Name: "Ada\u202egnp\u2066"}, signon.Identity{Name: "Adagnp"}},
		{"joiners stay", signon.Identity{Name: "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"}, signon.Identity{Name: "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"}},
		{"no UTF-8", signon.Identity{Name: "A\xffb"}, signon.Identity{Name: "Ab"}},
		{"long", signon.Identity{Name: long}, signon.Identity{Name: strings.Repeat("ä", 128)}},
		{"long, between", signon.Identity{Name: "a" + long}, signon.Identity{Name: "a" + strings.Repeat("ä", 127)}},
		{"no address", signon.Identity{Email: "a@b@c", EmailVerified: true}, signon.Identity{}},
		{"a line more", signon.Identity{Email: "a@example.com\r\nBcc: b@example.com", EmailVerified: true}, signon.Identity{}},
		{"verified without an address", signon.Identity{EmailVerified: true}, signon.Identity{}},
		{"a long address", signon.Identity{Email: strings.Repeat("a", 250) + "@x.test"}, signon.Identity{}},
		{"javascript", signon.Identity{Picture: "javascript:alert(1)"}, signon.Identity{}},
		{"javascript with a host", signon.Identity{Picture: "javascript://x.test/%0aalert(1)"}, signon.Identity{}},
		{"another scheme", signon.Identity{Picture: "ftp://x.test/p"}, signon.Identity{}},
		{"data", signon.Identity{Picture: "data:text/html,x"}, signon.Identity{}},
		{"relative", signon.Identity{Picture: "/p.png"}, signon.Identity{}},
		{"no host", signon.Identity{Picture: "https:///p.png"}, signon.Identity{}},
		{"with a password", signon.Identity{Picture: "https://u:p@x.test/"}, signon.Identity{}},
		{"a quote", signon.Identity{Picture: "https://x.test/\n"}, signon.Identity{}},
		{"long URL", signon.Identity{Picture: "https://x.test/" + strings.Repeat("p", 2048)}, signon.Identity{}},
		{"internal", signon.Identity{Picture: "http://169.254.169.254/latest"}, signon.Identity{Picture: "http://169.254.169.254/latest"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var login *signon.Login
			a := newApp(t, appOptions{
				provider: func(p *signon.Provider) {
					p.Hooks.Profile = func(_ context.Context, p *hooks.Profile) error {
						p.Name, p.Picture = tt.give.Name, tt.give.Picture
						p.SetEmail(tt.give.Email, tt.give.EmailVerified)
						return nil
					}
				},
				config: func(c *signon.Config) { c.OnLogin = keepLogin(&login) },
			})
			require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
			got, err := login.Identity()
			require.NoError(t, err)
			tt.want.Provider, tt.want.Issuer, tt.want.Subject, tt.want.Claims = got.Provider, got.Issuer, got.Subject, got.Claims
			require.Equal(t, tt.want, *got)
		})
	}
}

// UI-07, UI-09: of an OAuth 2.0 server the identity is the provider and the digits.
func TestIdentityOfPlainOAuth(t *testing.T) {
	var login *signon.Login
	a := newApp(t, appOptions{oauth: true, config: func(c *signon.Config) { c.OnLogin = keepLogin(&login) }})
	a.op.UserInfo(setMember("avatar", 1))
	require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
	for _, l := range []*signon.Login{login, a.fromStore()} {
		got, err := l.Identity()
		require.NoError(t, err)
		require.Equal(t, "op", got.Provider)
		require.Empty(t, got.Issuer)
		require.Equal(t, "9007199254740993", got.Subject)
		require.Equal(t, "Alice Adams", got.Name)
		require.Contains(t, string(got.Claims), `"id":9007199254740993`)
	}
}

// fromStore is the login of the browser, read back.
func (a *app) fromStore() (login *signon.Login) {
	a.t.Helper()
	a.atWho(a.auth, func(_ context.Context, l *signon.Login) { login = l })
	require.NotNil(a.t, login)
	return login
}

// The identity of a login is the same when it is read back, the hook's word included,
// with the very bytes of the userinfo; and it is sealed.
func TestIdentityFromTheStore(t *testing.T) {
	for name, fetch := range map[string]bool{"with userinfo": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, appOptions{provider: func(p *signon.Provider) {
				p.FetchUserInfo = fetch
				p.Hooks.Profile = func(_ context.Context, p *hooks.Profile) error {
					p.Name, p.Picture = "Ada of the hook", "https://x.test/p"
					p.SetEmail("hook@example.com", true)
					return nil
				}
			}})
			require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
			l := a.fromStore()
			got, err := l.Identity()
			require.NoError(t, err)
			want := signon.Identity{
				Provider: "op", Issuer: "https://provider.test", Subject: "alice", Name: "Ada of the hook",
				Email: "hook@example.com", EmailVerified: true, Picture: "https://x.test/p", Claims: got.Claims,
			}
			require.Equal(t, want, *got)
			addr, verified := l.Email()
			require.Equal(t, "hook@example.com", addr)
			require.True(t, verified)
			var info members
			require.Equal(t, fetch, l.UserInfo(&info) == nil)
			list, err := a.logins.Memory.Logins(t.Context(), sessionstore.Selector{Owner: *a.tokens.owner.Load()})
			require.NoError(t, err)
			require.NotContains(t, string(list[0].UserInfo), "hook") // SE-14
		})
	}
}

// ST-04: whoever can write to the store makes no other identity of it, not by another
// login's, not by none.
func TestIdentityOfAChangedRecord(t *testing.T) {
	other := newApp(t, appOptions{})
	require.Equal(t, http.StatusOK, other.signIn().Status, other.log)
	theirs, err := other.logins.Memory.Logins(t.Context(), sessionstore.Selector{Owner: *other.tokens.owner.Load()})
	require.NoError(t, err)
	for name, change := range map[string]func(*sessionstore.Record){
		"another login's": func(r *sessionstore.Record) { r.UserInfo = theirs[0].UserInfo },
		"another column":  func(r *sessionstore.Record) { r.UserInfo = r.IDToken },
		"none":            func(r *sessionstore.Record) { r.UserInfo = nil },
		"a bit":           func(r *sessionstore.Record) { r.UserInfo[len(r.UserInfo)-1] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, appOptions{})
			require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
			list, err := a.logins.Memory.Logins(t.Context(), sessionstore.Selector{Owner: *a.tokens.owner.Load()})
			require.NoError(t, err)
			change(list[0])
			_, err = a.logins.Memory.EndLogins(t.Context(), sessionstore.Selector{ID: list[0].ID})
			require.NoError(t, err)
			require.NoError(t, a.logins.Memory.CreateLogin(t.Context(), list[0]))
			l := a.fromStore()
			_, err = l.Identity()
			require.ErrorIs(t, err, signon.ErrNoLogin)
			var info members
			require.ErrorIs(t, l.UserInfo(&info), signon.ErrNoLogin)
			addr, verified := l.Email()
			require.Empty(t, addr)
			require.False(t, verified)
		})
	}
}

// LG-03: an identity prints nothing of a person.
func TestIdentityDoesNotPrint(t *testing.T) {
	id := signon.Identity{
		Provider: "op", Subject: "canary", Name: "canary", Email: "canary@example.com",
		Picture: "https://canary.test", Claims: json.RawMessage(`{"canary":1}`),
	}
	var out strings.Builder
	for _, v := range []any{id, &id, []signon.Identity{id}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			fmt.Fprintf(&out, verb, v)
		}
		if _, list := v.([]signon.Identity); !list { // slog prints JSON for one, as the application asks for
			slog.New(slog.NewTextHandler(&out, nil)).Info("login", "identity", v)
			slog.New(slog.NewJSONHandler(&out, nil)).Info("login", "identity", v)
		}
	}
	require.NotContains(t, out.String(), "canary")
	require.Contains(t, out.String(), "op")
}

// UI-10: no URL that a provider claims is ever fetched, wherever it ends up.
func TestClaimedURLsAreNotFetched(t *testing.T) {
	s := newSite(t, setup{provider: func(p *signon.Provider) { p.FetchUserInfo = true }})
	defer s.holds() // which looks at every host that was asked
	claim := func(m map[string]any) {
		for _, name := range []string{"picture", "profile", "website", "jku", "x5u"} {
			m[name] = "http://169.254.169.254/" + name
		}
	}
	s.op.IDTokenClaims(claim)
	s.op.UserInfo(claim)
	s.mux.Handle("/picture", s.auth.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		login, _ := signon.LoginFrom(r.Context())
		id, err := login.Identity()
		require.NoError(t, err)
		_, _ = w.Write([]byte(id.Picture))
	})))
	b := s.browser()
	s.signIn(b, "alice")
	require.Equal(t, "http://169.254.169.254/picture", b.Get(siteURL+"/picture").Body)
	for _, host := range s.hosts.list() {
		require.NotContains(t, host, "169.254")
	}
}

// UI-09: the same number at two providers is two users.
func TestSameNumberAtTwoProviders(t *testing.T) {
	var ids []signon.Identity
	a := newApp(t, appOptions{oauth: true, config: func(c *signon.Config) {
		c.OnLogin = func(_ context.Context, l *signon.Login) (string, error) {
			id, err := l.Identity()
			ids = append(ids, *id)
			return id.Provider + ":" + id.Subject, err
		}
	}})
	other := a.op.OAuthProvider("other")
	_, err := a.auth.Register(other)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
	require.Equal(t, http.StatusOK, a.browser.Get(appURL+"/auth/login/other?return_to=/who").FollowAll(9).Status, a.log)
	require.Len(t, ids, 2)
	require.Equal(t, ids[0].Subject, ids[1].Subject)
	require.NotEqual(t, ids[0].Provider, ids[1].Provider)
	for _, name := range []string{"op", "other"} {
		_, err := a.vault.FetchToken(t.Context(), tokenstore.Key{Provider: name, Owner: name + ":9007199254740993"})
		require.NoError(t, err)
	}
}
