package signontest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// logoutTimeout is how long the provider waits for the answer to a logout token.
const logoutTimeout = 10 * time.Second

// A LogoutAnswer is what a client has answered to a logout token.
type LogoutAnswer struct {
	URI, Token string // what was sent where
	Status     int
	Header     http.Header
	Body       string
	Err        error // there was no answer, and the rest is empty
}

// Serve has h answer what the provider sends to an origin, such as "https://app.test", in
// process, where there would be a network: the counterpart of [Browser.Serve].
func (p *Provider) Serve(baseURL string, h http.Handler) {
	u, err := url.Parse(baseURL)
	if err != nil || u.Host == "" {
		panic(fmt.Sprintf("signontest: Serve: %q is not an absolute URL", baseURL))
	}
	p.outbound.serve(origin(u), h)
}

// SetBackChannelLogoutURI replaces Config.BackChannelLogoutURI, for a client whose address
// is known later than the provider's. If it is "", no logout token is sent any more.
func (p *Provider) SetBackChannelLogoutURI(uri string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.backChannelURI = uri
}

// Logout ends sessions at the provider as if an operator did: the one of about.ID, or
// without an ID all of about.Subject. It then tells the client by one logout token, which
// says the same, at its back-channel logout URI, if it has one. An answer other than 200
// or 204 is an error.
func (p *Provider) Logout(ctx context.Context, about Session) error {
	p.mu.Lock()
	for id, s := range p.sessions {
		byID := about.ID != "" && s.sid == about.ID
		if byID || about.ID == "" && s.user.Subject == about.Subject {
			delete(p.sessions, id)
		}
		if byID && about.Subject == "" {
			about.Subject = s.user.Subject
		}
	}
	p.mu.Unlock()
	return p.tell(ctx, about)
}

// SendLogoutToken mints a logout token as [Provider.LogoutToken] does and posts it to a
// URI of a client, registered or not.
func (p *Provider) SendLogoutToken(ctx context.Context, uri string, about Session) LogoutAnswer {
	return p.PostLogoutToken(ctx, uri, p.LogoutToken(about))
}

// PostLogoutToken posts a token of whatever kind as a logout token (OpenID Connect
// Back-Channel Logout section 2.5). It follows no redirect.
func (p *Provider) PostLogoutToken(ctx context.Context, uri, token string) LogoutAnswer {
	a := p.postLogoutToken(ctx, uri, token)
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.logoutAnswers) == keptRequests {
		p.logoutAnswers = slices.Delete(p.logoutAnswers, 0, keptRequests/2)
	}
	p.logoutAnswers = append(p.logoutAnswers, a)
	return a
}

// LogoutAnswers returns what was answered to the logout tokens of this provider, oldest
// first: the last 10 000.
func (p *Provider) LogoutAnswers() []LogoutAnswer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.logoutAnswers)
}

func (p *Provider) postLogoutToken(ctx context.Context, uri, token string) LogoutAnswer {
	a := LogoutAnswer{URI: uri, Token: token}
	ctx, cancel := context.WithTimeout(ctx, logoutTimeout)
	defer cancel()
	body := strings.NewReader(url.Values{"logout_token": {token}}.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, uri, body)
	if err != nil {
		a.Err = fmt.Errorf("signontest: logout token: %w", err)
		return a
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := p.outbound.RoundTrip(req)
	if err != nil {
		a.Err = fmt.Errorf("signontest: logout token to %s: %w", req.URL.Redacted(), err)
		return a
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxForm))
	if err != nil {
		a.Err = fmt.Errorf("signontest: logout token to %s: %w", req.URL.Redacted(), err)
		return a
	}
	a.Status, a.Header, a.Body = res.StatusCode, res.Header, string(text)
	return a
}

// tell sends a logout token to the client, if it wants any.
func (p *Provider) tell(ctx context.Context, about Session) error {
	p.mu.Lock()
	uri := p.backChannelURI
	p.mu.Unlock()
	if uri == "" {
		return nil
	}
	if p.cfg.NoSessionID {
		about.ID = ""
	}
	a := p.SendLogoutToken(ctx, uri, about)
	if a.Err == nil && a.Status != http.StatusOK && a.Status != http.StatusNoContent {
		return fmt.Errorf("signontest: the client answered a logout token with %d: %.200s", a.Status, a.Body)
	}
	return a.Err
}

// tellOf has the client told of sessions that have ended, now or as late as
// Config.BackChannelDelay says.
func (p *Provider) tellOf(ctx context.Context, ended []Session) error {
	if p.cfg.BackChannelDelay <= 0 {
		return p.tellAll(ctx, ended)
	}
	if p.begin() {
		go func() {
			defer p.busy.Done()
			if p.wait(p.stop, p.cfg.BackChannelDelay) {
				_ = p.tellAll(p.stop, ended) // seen in LogoutAnswers
			}
		}()
	}
	return nil
}

func (p *Provider) tellAll(ctx context.Context, ended []Session) error {
	var failed error
	for _, s := range ended {
		failed = errors.Join(failed, p.tell(ctx, s))
	}
	return failed
}

// FrontChannelLogoutURL is what the provider's page has in a frame once a session has
// ended: Config.FrontChannelLogoutURI with iss and sid (OpenID Connect Front-Channel
// Logout section 2), or "" if there is none. With Config.NoSessionID it has neither.
func (p *Provider) FrontChannelLogoutURL(about Session) string {
	u, err := url.Parse(p.cfg.FrontChannelLogoutURI)
	if err != nil || p.cfg.FrontChannelLogoutURI == "" {
		return ""
	}
	if !p.cfg.NoSessionID {
		addQuery(u, url.Values{"iss": {p.tokenIssuer()}, "sid": {about.ID}})
	}
	return u.String()
}

// addQuery keeps what is there.
func addQuery(u *url.URL, more url.Values) {
	q := u.Query()
	maps.Copy(q, more)
	u.RawQuery = q.Encode()
}
