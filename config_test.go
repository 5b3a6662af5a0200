package signon_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/sessionstore"
)

// An error of the configuration names the field.
func TestConfigRefused(t *testing.T) {
	sessions := func(change func(*scs.SessionManager)) func(*signon.Config) {
		return func(c *signon.Config) {
			c.Sessions = sessionstore.NewManager(nil)
			change(c.Sessions)
		}
	}
	for _, tt := range []struct {
		name   string
		change func(*signon.Config)
		field  string
	}{
		{"no BaseURL", func(c *signon.Config) { c.BaseURL = "" }, "BaseURL"},
		{"BaseURL with a path", func(c *signon.Config) { c.BaseURL = "https://app.test/x" }, "BaseURL"},
		{"BaseURL with a query", func(c *signon.Config) { c.BaseURL = "https://app.test/?x" }, "BaseURL"},
		{"BaseURL with userinfo", func(c *signon.Config) { c.BaseURL = "https://a@app.test" }, "BaseURL"},
		{"BaseURL without a host", func(c *signon.Config) { c.BaseURL = "https:///x" }, "BaseURL"},
		{"BaseURL opaque", func(c *signon.Config) { c.BaseURL = "https:app.test" }, "BaseURL"},
		// CF-03, CF-04, SE-15: http is for a loopback host, judged on the parsed one.
		{"http", func(c *signon.Config) { c.BaseURL = "http://app.test" }, "BaseURL"},
		{"http on a private address", func(c *signon.Config) { c.BaseURL = "http://192.168.1.1" }, "BaseURL"},
		{"http on what looks like loopback", func(c *signon.Config) { c.BaseURL = "http://localhost.evil.example" }, "BaseURL"},
		{"http on what begins like loopback", func(c *signon.Config) { c.BaseURL = "http://127.0.0.1.evil.example" }, "BaseURL"},
		{"another scheme", func(c *signon.Config) { c.BaseURL = "ftp://app.test" }, "BaseURL"},
		// CF-02
		{"no key", func(c *signon.Config) { c.Keys = [][]byte{} }, "Keys"},
		{"empty key", func(c *signon.Config) { c.Keys = [][]byte{{}} }, "Keys"},
		{"short key", func(c *signon.Config) { c.Keys = [][]byte{make([]byte, 31)} }, "Keys"},
		{"zero key", func(c *signon.Config) { c.Keys = [][]byte{make([]byte, 32)} }, "Keys"},
		{"key of one letter", func(c *signon.Config) { c.Keys = [][]byte{bytes.Repeat([]byte("a"), 32)} }, "Keys"},
		{"a key twice", func(c *signon.Config) { c.Keys = [][]byte{sum("a"), sum("a")} }, "Keys"},
		{"second key short", func(c *signon.Config) { c.Keys = [][]byte{sum("a"), []byte("short")} }, "Keys"},
		// SE-15: what scs has by default does not do.
		{"cookie without Secure", sessions(func(s *scs.SessionManager) { s.Cookie.Secure = false }), "Secure"},
		{"cookie without HttpOnly", sessions(func(s *scs.SessionManager) { s.Cookie.HttpOnly = false }), "HttpOnly"},
		{"cookie SameSite=None", sessions(func(s *scs.SessionManager) { s.Cookie.SameSite = http.SameSiteNoneMode }), "SameSite"},
		{"cookie SameSite=Strict", sessions(func(s *scs.SessionManager) { s.Cookie.SameSite = http.SameSiteStrictMode }), "SameSite"},
		// SE-17: browsers refuse such a cookie, so nobody could sign in.
		{"__Host- for a path", sessions(func(s *scs.SessionManager) { s.Cookie.Path = "/app" }), "Path"},
		{"__Host- without a path", sessions(func(s *scs.SessionManager) { s.Cookie.Path = "" }), "Path"},
		{"__Host- for a domain", sessions(func(s *scs.SessionManager) { s.Cookie.Domain = "app.test" }), "Domain"},
		{"__host- for a domain", sessions(func(s *scs.SessionManager) { s.Cookie.Name, s.Cookie.Domain = "__host-sid", "app.test" }), "Domain"},
		{"__Host- without Secure, in development", func(c *signon.Config) {
			sessions(func(s *scs.SessionManager) { s.Cookie.Secure = false })(c)
			c.BaseURL = "http://localhost"
		}, "Secure"},
		{"scs's own defaults", func(c *signon.Config) { c.Sessions = scs.New() }, "Secure"},
		{"Mount is the root", func(c *signon.Config) { c.Mount = "/" }, "Mount"},
		{"Mount with a slash at its end", func(c *signon.Config) { c.Mount = "/auth/" }, "Mount"},
		{"Mount with dots", func(c *signon.Config) { c.Mount = "/a/../b" }, "Mount"},
		{"Mount with a wildcard", func(c *signon.Config) { c.Mount = "/{x}" }, "Mount"},
		{"Mount elsewhere", func(c *signon.Config) { c.Mount = "//evil.example" }, "Mount"},
		{"Home elsewhere", func(c *signon.Config) { c.Home = "https://evil.example" }, "Home"},
		{"Home elsewhere, briefly", func(c *signon.Config) { c.Home = `/\evil.example` }, "Home"},
		{"LoginURL elsewhere", func(c *signon.Config) { c.LoginURL = "//evil.example" }, "LoginURL"},
		{"Lifetime negative", func(c *signon.Config) { c.Lifetime = -1 }, "Lifetime"},
		{"IdleTimeout of seconds", func(c *signon.Config) { c.IdleTimeout = time.Second }, "IdleTimeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := signon.Config{BaseURL: siteURL, Keys: siteKeys, Logger: slog.New(slog.DiscardHandler)}
			tt.change(&cfg)
			_, err := signon.New(cfg)
			require.ErrorContains(t, err, tt.field)
			for _, key := range cfg.Keys {
				if len(key) > 4 {
					require.NotContains(t, err.Error(), string(key))
				}
			}
		})
	}
}

func TestConfigAccepted(t *testing.T) {
	for _, base := range []string{"http://localhost:8080", "http://127.0.0.1", "http://[::1]:80", "http://LOCALHOST", "https://app.test/", "https://app.test:8443"} {
		_, err := signon.New(signon.Config{BaseURL: base, Keys: siteKeys, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err, base)
	}
}

// CF-02: a random key and readable session ids are told of, once.
func TestConfigWarns(t *testing.T) {
	log := &logText{}
	sessions := sessionstore.NewManager(nil)
	sessions.HashTokenInStore = false // SE-14
	_, err := signon.New(signon.Config{BaseURL: siteURL, Sessions: sessions, Logger: slog.New(slog.NewTextHandler(log, nil))})
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(log.String(), "Config.Keys"))
	require.Equal(t, 1, strings.Count(log.String(), "HashTokenInStore"))
	require.Equal(t, 2, strings.Count(log.String(), "level=WARN"))
}

// What is possible, and more often forgotten than meant, is told once for each provider.
func TestRegisterWarns(t *testing.T) {
	const public, noIDToken = "the client is public", "no ID token will be verified"
	byHand := oauth2.Endpoint{AuthURL: "https://op.test/a", TokenURL: "https://op.test/t"}
	for _, tt := range []struct {
		name     string
		provider signon.Provider
		want     []string
	}{
		{"all there", signon.Provider{Issuer: "https://op.test", ClientSecret: "s3cret", Scopes: []string{"openid"}}, nil},
		{"neither secret nor method", signon.Provider{Issuer: "https://op.test", Scopes: []string{"openid"}}, []string{public}},
		{"public on purpose", signon.Provider{Issuer: "https://op.test", Scopes: []string{"openid"}, ClientAuth: clientauth.None{}}, nil},
		{"no openid", signon.Provider{Issuer: "https://op.test", ClientSecret: "s3cret", Scopes: []string{"email"}}, []string{noIDToken}},
		{"no openid, and nothing is discovered", signon.Provider{Issuer: "https://op.test", ClientSecret: "s3cret", Endpoint: byHand}, nil},
		{"no openid, and no issuer", signon.Provider{ClientSecret: "s3cret", Endpoint: byHand}, nil},
		{"both", signon.Provider{Issuer: "https://op.test"}, []string{public, noIDToken}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := &logText{}
			auth, err := signon.New(signon.Config{BaseURL: siteURL, Keys: siteKeys, Logger: slog.New(slog.NewTextHandler(log, nil))})
			require.NoError(t, err)
			tt.provider.Name, tt.provider.ClientID = "op", "app"
			_, err = auth.Register(tt.provider)
			require.NoError(t, err)
			require.Equal(t, len(tt.want), strings.Count(log.String(), "level=WARN"), log.String())
			for _, text := range tt.want {
				require.Contains(t, log.String(), text)
			}
		})
	}
}

// An error of a provider names the field.
func TestProviderRefused(t *testing.T) {
	type change = func(*signon.Provider)
	for _, tt := range []struct {
		name   string
		change change
		field  string
	}{
		// CF-01
		{"no name", func(p *signon.Provider) { p.Name = "" }, "Name"},
		{"name with a slash", func(p *signon.Provider) { p.Name = "a/b" }, "Name"},
		{"name in capitals", func(p *signon.Provider) { p.Name = "OP" }, "Name"},
		{"name of kilobytes", func(p *signon.Provider) { p.Name = strings.Repeat("a", 65) }, "Name"},
		{"name taken", func(p *signon.Provider) { p.Name, p.ClientID = "first", "other" }, "Name"},
		{"neither issuer nor endpoints", func(p *signon.Provider) { p.Issuer, p.Scopes = "", nil }, "Issuer"},
		{"a name alone", func(p *signon.Provider) { p.Issuer, p.Scopes = "", nil }, "package providers"},
		{"half of the endpoints", func(p *signon.Provider) {
			p.Issuer, p.Scopes, p.Endpoint.AuthURL = "", nil, "https://op.test/a"
		}, "Endpoint"},
		{"no client id", func(p *signon.Provider) { p.ClientID = "" }, "ClientID"},
		{"client id with a space", func(p *signon.Provider) { p.ClientID = "app\n" }, "ClientID"},
		{"issuer and client id of another", func(p *signon.Provider) { p.ClientID = "first" }, "Issuer and ClientID"},
		{"secret with a line feed", func(p *signon.Provider) { p.ClientSecret += "\n" }, "ClientSecret"},
		{"secret of two lines", func(p *signon.Provider) { p.ClientSecret += "\nsecond" }, "ClientSecret has a control character"},
		{"secret with a NUL", func(p *signon.Provider) { p.ClientSecret += "\x00" }, "ClientSecret has a control character"},
		{"secret of UTF-16", func(p *signon.Provider) { p.ClientSecret = "h\x00u\x00n\x00t" }, "ClientSecret has a control character"},
		{"no secret for Basic", func(p *signon.Provider) { p.ClientSecret, p.ClientAuth = "", clientauth.Basic{} }, "ClientSecret"},
		{"a secret for None", func(p *signon.Provider) { p.ClientAuth = clientauth.None{} }, "ClientSecret"},
		{"secret is the sealing key", func(p *signon.Provider) { p.ClientSecret = signon.Secret(siteKeys[1]) }, "Config.Keys"}, // CF-02
		// CF-03
		{"callback by http", func(p *signon.Provider) { p.RedirectURL = "http://app.test/auth/callback/op" }, "RedirectURL"},
		{"callback elsewhere", func(p *signon.Provider) { p.RedirectURL = "https://evil.example/x" }, "RedirectURL"},
		{"callback on a longer host", func(p *signon.Provider) { p.RedirectURL = siteURL + ".evil.example/x" }, "RedirectURL"},
		{"callback with a fragment", func(p *signon.Provider) { p.RedirectURL = siteURL + "/x#y" }, "RedirectURL"},
		{"login elsewhere", func(p *signon.Provider) { p.LoginURL = "//evil.example" }, "LoginURL"},
		// CF-04
		{"issuer by http", func(p *signon.Provider) { p.Issuer = "http://op.test" }, "Issuer"},
		{"endpoint by http", func(p *signon.Provider) { p.Endpoint.TokenURL = "http://op.test/token" }, "TokenURL"},
		// LI-12
		{"authorization endpoint with a fragment", func(p *signon.Provider) { p.Endpoint.AuthURL = "https://op.test/a#b" }, "AuthURL"},
		{"authorization endpoint of script", func(p *signon.Provider) { p.Endpoint.AuthURL = "javascript:alert(1)" }, "AuthURL"},
		{"authorization endpoint by http", func(p *signon.Provider) { p.Endpoint.AuthURL = "http://op.test/a" }, "AuthURL"},
		{"authorization endpoint with userinfo", func(p *signon.Provider) { p.Endpoint.AuthURL = "https://op.test@evil.example/a" }, "AuthURL"},
		{"authorization endpoint with a state", func(p *signon.Provider) { p.Endpoint.AuthURL = "https://op.test/a?state=x" }, "AuthURL"},
		{"AuthStyle", func(p *signon.Provider) { p.Endpoint.AuthStyle = oauth2.AuthStyleInParams }, "AuthStyle"},
		{"MetadataURL alone", func(p *signon.Provider) {
			p.Issuer, p.Scopes, p.MetadataURL = "", nil, "https://op.test/m"
			p.Endpoint = oauth2.Endpoint{AuthURL: "https://op.test/a", TokenURL: "https://op.test/t"}
		}, "MetadataURL"},
		{"keys twice", func(p *signon.Provider) { p.JWKSURL, p.JWKS = "https://op.test/k", []byte(`{"keys":[]}`) }, "JWKS"},
		{"openid without an issuer", func(p *signon.Provider) {
			p.Issuer, p.Endpoint = "", oauth2.Endpoint{AuthURL: "https://op.test/a", TokenURL: "https://op.test/t"}
		}, "Issuer"},
		{"two scopes in one", func(p *signon.Provider) { p.Scopes = append(p.Scopes, "a b") }, "Scopes"},
		{"empty scope", func(p *signon.Provider) { p.Scopes = append(p.Scopes, "") }, "Scopes"},
		{"state by hand", func(p *signon.Provider) { p.AuthorizeParams = url.Values{"state": {"x"}} }, "AuthorizeParams"},
		{"max_age by hand", func(p *signon.Provider) { p.AuthorizeParams = url.Values{"max_age": {"1"}} }, "MaxAge"},
		{"a parameter twice", func(p *signon.Provider) { p.TokenParams = url.Values{"a": {"b", "c"}} }, "TokenParams"},
		{"verifier by hand", func(p *signon.Provider) { p.TokenParams = url.Values{"code_verifier": {"x"}} }, "TokenParams"},
		{"links that set nonce", func(p *signon.Provider) { p.LoginParams = []string{"nonce"} }, "LoginParams"},
		{"links that set max_age", func(p *signon.Provider) { p.LoginParams = []string{"max_age"} }, "LoginParams"},
		{"alg none", func(p *signon.Provider) { p.SigningAlgs = []string{"none"} }, "SigningAlgs"},
		{"no alg", func(p *signon.Provider) { p.SigningAlgs = []string{} }, "SigningAlgs"},
		{"HS256 with a short secret", func(p *signon.Provider) { p.SigningAlgs, p.ClientSecret = []string{"HS256"}, "short" }, "HS256"},
		{"fragment", func(p *signon.Provider) { p.ResponseMode = "fragment" }, "ResponseMode"},
		{"MaxAge of milliseconds", func(p *signon.Provider) { p.MaxAge = time.Millisecond }, "MaxAge"},
		{"MaxAge negative", func(p *signon.Provider) { p.MaxAge = -time.Second }, "MaxAge"},
		{"MaxAge without openid", func(p *signon.Provider) { p.MaxAge, p.Scopes = time.Minute, nil }, "MaxAge"},
		{"ACRValues without openid", func(p *signon.Provider) { p.ACRValues, p.Scopes = []string{"a"}, nil }, "ACRValues"},
		{"token in the query", func(p *signon.Provider) { p.TokenPlacement = signon.TokenInQuery }, "InsecureTokenInQuery"},
		{"token in a cookie", func(p *signon.Provider) { p.TokenPlacement = "cookie" }, "TokenPlacement"},
		{"UpdateToken alone", func(p *signon.Provider) { p.UpdateToken = signon.UpdateTokenFunc(nil) }, "FetchToken"},
		{"API by http", func(p *signon.Provider) { p.APIBaseURL = "http://op.test/api/" }, "APIBaseURL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			auth, err := signon.New(signon.Config{BaseURL: siteURL, Keys: siteKeys, Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			good := signon.Provider{Issuer: "https://op.test", ClientSecret: "hunter2-hunter2", Scopes: []string{"openid"}}
			first := good
			first.Name, first.ClientID = "first", "first"
			_, err = auth.Register(first)
			require.NoError(t, err)
			second := good
			second.Name, second.ClientID = "second", "second"
			tt.change(&second)
			_, err = auth.Register(second)
			require.ErrorContains(t, err, tt.field)
			require.NotContains(t, err.Error(), "hunter2")
			_, ok := auth.Client("second")
			require.False(t, ok)
			n := 0
			for range auth.All() {
				n++
			}
			require.Equal(t, 1, n)
		})
	}
}

// CF-07: a misspelt member is an error, not a setting that is silently off.
func TestProviderJSON(t *testing.T) {
	for _, text := range []string{
		`{"name":"op","issuser":"https://op.test"}`, `{"name":"op","Issuer":"https://op.test"}`, `{"name":"op","name":"op2"}`,
		`{"name":"op"} {"name":"op2"}`, `[]`, `{"name":5}`, `{"name":"op","client_auth":"magic"}`, `{"name":"op","hooks":{}}`, `{"name":"op","fetch_token":{}}`, `{"name":"a\ud800"}`,
	} {
		var p signon.Provider
		require.Error(t, json.Unmarshal([]byte(text), &p), text)
		require.Empty(t, p.Name)
	}
	var p signon.Provider
	require.NoError(t, json.Unmarshal([]byte(`{"name":"op","issuer":"https://op.test","client_id":"a","max_age":60,"client_auth":"none"}`), &p))
	require.Equal(t, time.Minute, p.MaxAge)
}

// What is registered does not change with what the caller still holds.
func TestRegisterCopies(t *testing.T) {
	s := newSite(t, setup{})
	defer s.holds()
	s.auth.Remove("op")
	p := s.op.SignonProvider("op")
	p.LoginParams, p.AuthorizeParams = []string{"login_hint"}, url.Values{"ui_locales": {"en"}}
	_, err := s.auth.Register(p)
	require.NoError(t, err)
	p.Scopes[0], p.LoginParams[0] = "admin", "state"
	p.AuthorizeParams.Set("ui_locales", "xx")
	p.AuthorizeParams.Set("state", "x")
	p.Hooks = hooks.Hooks{}
	b := s.browser()
	to := b.Get(s.loginURL("bob")).Location()
	require.Equal(t, "openid profile email", param(to, "scope"))
	require.Equal(t, "en", param(to, "ui_locales"))
	require.Equal(t, "bob", param(to, "login_hint"))
	require.Len(t, param(to, "state"), 43)
}

// CF-04: on loopback, cookies go without Secure and the prefix, for Safari too.
func TestDevelopment(t *testing.T) {
	for _, secureOnly := range []bool{false, true} {
		s := newSite(t, setup{config: func(c *signon.Config) { c.BaseURL, c.Sessions = "http://localhost:8080", nil }})
		b := s.browser()
		b.SecureOnlyHTTPS = secureOnly
		b.Serve("http://localhost:8080", s.auth.Handler())
		page := b.Get("http://localhost:8080/auth/login/op?return_to=/x").Follow().Follow()
		require.Equal(t, http.StatusSeeOther, page.Status, page.Body)
		require.Equal(t, "http://localhost:8080/x", page.Location())
		require.NotEmpty(t, b.Cookies("http://localhost:8080")["session"])
		require.Empty(t, b.RejectedCookies())
	}
}

// CF-06: what the caller does with its slice afterwards changes nothing.
func TestConfigCopiesKeepOnLogin(t *testing.T) {
	keep := []string{"cart"}
	s := newSite(t, setup{config: func(c *signon.Config) { c.KeepOnLogin = keep }})
	defer s.holds()
	keep[0] = "role"
	b := s.browser()
	b.Get(siteURL + "/cart?put=pears")
	s.signIn(b, "alice")
	require.Equal(t, "pears", b.Get(siteURL+"/cart").Body)
}
