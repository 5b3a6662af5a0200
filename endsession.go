package signon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed1a301047/signon/logout"
	"github.com/seed1a301047/signon/sessionstore"
)

const (
	// endSessionWait bounds the discovery of an endpoint that a signed-out user waits for.
	endSessionWait = 3 * time.Second
	// maxHint is what common servers take in a form, with room for the rest.
	maxHint = 32 << 10
)

// protocolLogoutParams are what Signon sets itself in a logout request, and what belongs
// in none: neither the configuration nor a form sets them.
var protocolLogoutParams = []string{
	"id_token_hint", "client_id", "post_logout_redirect_uri", "state", "client_secret",
}

// A leaving is a user who is signed out here, on the way to the provider.
type leaving struct {
	client   *Client
	rec      *sessionstore.Record // of the login that has ended
	form     url.Values           // of the application, or nil
	returnTo string               // a path of the application, or ""
}

// leaving finds the login whose provider is to hear of a logout: that of c, or without
// one the current one; nil if none has ended.
func (g *Registry) leaving(c *Client, ended []*sessionstore.Record) *leaving {
	for _, rec := range ended {
		if c == nil {
			current, ok := g.Client(rec.Provider)
			if !ok {
				return nil // it has been removed
			}
			c = current
		}
		if rec.Provider == c.name && c.issued(rec) {
			return &leaving{client: c, rec: rec}
		}
	}
	return nil
}

// issued reports whether a login is of the issuer that its provider's name stands for now.
// What another has issued, which may have had the name before, does not go to this one.
func (c *Client) issued(rec *sessionstore.Record) bool {
	return !c.openID || c.p.issues(rec.Issuer)
}

// goOn sends the browser to the provider, if that can be told of a logout.
func (l *leaving) goOn(w http.ResponseWriter, r *http.Request) bool {
	c := l.client
	var request logout.Request
	err := guard("the transport", func() (err error) {
		request.Endpoint, err = c.endSessionEndpoint(r.Context())
		return err
	})
	if err == nil && request.Endpoint == "" {
		return false
	}
	l.fill(&request)
	var target string
	if err == nil {
		target, err = request.URL()
	}
	asForm := len(target) > logout.MaxURL
	if asForm && c.p.LogoutWithoutForm {
		asForm, request.IDTokenHint = false, "" // it is the one part that grows with the user
		target, err = request.URL()
	}
	if err != nil {
		if r.Context().Err() == nil { // else it is the browser that has gone
			c.registry.warn(r.Context(), "signon: the provider cannot be told of a logout; its user is signed out here only", "provider", c.name, "error", err)
		}
		return false
	}
	c.registry.transactions.saveLogout(w, r, c.name, request.State, l.returnTo)
	c.registry.note(r.Context(), "signon: signed out", "provider", c.name, "sent_to_provider", true)
	if asForm {
		writeLogoutForm(w, request)
		return true
	}
	seeOther(w, target)
	return true
}

// endSessionEndpoint is where the provider's users sign out, or "" where that is nowhere.
func (c *Client) endSessionEndpoint(ctx context.Context) (string, error) {
	switch {
	case c.p.LocalLogout:
		return "", nil
	case c.p.EndSessionURL != "":
		return c.p.EndSessionURL, nil
	}
	ctx, cancel := context.WithTimeout(ctx, endSessionWait)
	defer cancel()
	md, err := c.source.Metadata(ctx)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() != nil {
		err = fmt.Errorf("the metadata of %s, which say where the end_session_endpoint is, did not come within %v; set EndSessionURL, or LocalLogout, to do without: %w", cmp.Or(c.p.MetadataURL, c.p.Issuer), endSessionWait, err)
	}
	if err != nil {
		return "", err
	}
	return md.EndSessionEndpoint, nil
}

// fill says what the request is about, all but where it goes.
func (l *leaving) fill(request *logout.Request) {
	p := &l.client.p
	extra := cloneValues(p.EndSessionParams)
	if extra == nil {
		extra = url.Values{}
	}
	for name, value := range l.client.logoutParams(l.form) {
		extra.Set(name, value)
	}
	request.LogoutHint, request.UILocales = extra.Get("logout_hint"), extra.Get("ui_locales")
	extra.Del("logout_hint")
	extra.Del("ui_locales")
	request.Extra = extra
	request.ClientID, request.PostLogoutRedirectURI, request.State = p.ClientID, p.PostLogoutRedirectURL, newID()
	// A hint that does not open, or is too long, is none: the provider then asks.
	hint, err := l.client.registry.loginOf(l.rec).IDToken()
	if err == nil && len(hint) <= maxHint {
		request.IDTokenHint = hint
	}
}

// logoutParams yields what a form, or a link to the page that asks, may say of a logout.
func (c *Client) logoutParams(form url.Values) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		if c == nil { // of no provider in particular
			return
		}
		for _, name := range c.p.LogoutParams {
			if v := form.Get(name); v != "" && len(v) <= maxLoginParam && !yield(name, v) {
				return
			}
		}
	}
}

// logoutScript posts the form, and is run for its hash. Without it there is the button.
const (
	logoutScript     = "document.forms[0].submit()"
	logoutScriptHash = "sha256-ePniVEkSivX/c7XWBGafqh8tSpiRrKiqYeqbG7N1TOE="
)

// writeLogoutForm has the browser POST a request that is too long for a URL. By whom the
// browser is redirected from there is the provider's affair, and Chromium applies
// form-action to that too: hence not the provider's origin alone.
func writeLogoutForm(w http.ResponseWriter, request logout.Request) {
	action, fields, err := request.Form()
	if err != nil {
		return // URL has been asked before
	}
	var b strings.Builder
	b.WriteString("<h1>You are signed out here</h1>\n<p>Go on to sign out where you signed in, too.</p>\n")
	b.WriteString(`<form method="post" action="` + html.EscapeString(action) + `">` + "\n")
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		for _, value := range fields[name] {
			hidden(&b, name, value)
		}
	}
	b.WriteString("<button>Continue</button>\n</form>\n<script>" + logoutScript + "</script>\n")
	policy := "; script-src '" + logoutScriptHash + "'; form-action 'self' https:"
	if strings.HasPrefix(action, "http:") { // of a loopback host
		policy += " http:"
	}
	writePageAs(w, http.StatusOK, page{title: "Sign out", body: b.String(), policy: policy})
}
