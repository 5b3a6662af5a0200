package signontest

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// maxForm bounds what is read of a request's form.
const maxForm = 1 << 20

// Edit changes a JSON object before it is sent.
type Edit func(object map[string]any)

// edits are what the hooks have set; each may be nil.
type edits struct {
	metadata, keySet, token, header, claims, userInfo, logoutHeader, logoutClaims Edit

	idToken   func(string) string
	authorize func(url.Values)
}

// Metadata has f change the metadata before it is sent. If f is nil, nothing does.
func (p *Provider) Metadata(f Edit) { p.edit(func(e *edits) { e.metadata = f }) }

// KeySet has f change the key set before it is sent; its "keys" are a []any of
// map[string]any. If f is nil, nothing does.
func (p *Provider) KeySet(f Edit) { p.edit(func(e *edits) { e.keySet = f }) }

// TokenResponse has f change each successful token response before it is sent. If
// f is nil, nothing does.
func (p *Provider) TokenResponse(f Edit) { p.edit(func(e *edits) { e.token = f }) }

// IDTokenHeader has f change the header of each ID token before it is signed. If f
// is nil, nothing does. The algorithm that signs stays the provider's.
func (p *Provider) IDTokenHeader(f Edit) { p.edit(func(e *edits) { e.header = f }) }

// IDTokenClaims has f change the claims of each ID token before it is signed. A
// [json.RawMessage] is written as it is. If f is nil, nothing does.
func (p *Provider) IDTokenClaims(f Edit) { p.edit(func(e *edits) { e.claims = f }) }

// IDToken has f replace each ID token after it is signed, and before it is encrypted
// where that is configured. If f is nil, nothing does.
func (p *Provider) IDToken(f func(signed string) string) { p.edit(func(e *edits) { e.idToken = f }) }

// UserInfo has f change the answer of the userinfo endpoint and of the API's /user
// before it is sent. If f is nil, nothing does.
func (p *Provider) UserInfo(f Edit) { p.edit(func(e *edits) { e.userInfo = f }) }

// AuthorizeResponse has f change the parameters of each authorization response,
// good or bad, before it is sent. If f is nil, nothing does.
func (p *Provider) AuthorizeResponse(f func(url.Values)) { p.edit(func(e *edits) { e.authorize = f }) }

// Handle has h answer the requests for a path below the issuer, such as "/token", or
// for an absolute URL without its query, instead of the provider; they are still
// recorded. If h is nil, the provider answers again.
func (p *Provider) Handle(path string, h http.Handler) {
	if u, err := url.Parse(path); err == nil && u.Host != "" {
		path = strings.ToLower(u.Host) + u.Path
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if h == nil {
		delete(p.handlers, path)
		return
	}
	p.handlers[path] = h
}

func (p *Provider) edit(f func(*edits)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(&p.edits)
}

func (p *Provider) edited() edits {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.edits
}

func (f Edit) apply(object map[string]any) {
	if f != nil {
		f(object)
	}
}

// ServeHTTP answers every endpoint, and after Close none.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !p.begin() {
		panic(http.ErrAbortHandler)
	}
	defer p.busy.Done()
	e, ok := p.endpointOf(r)
	if err := p.readForm(e, w, r); err != nil {
		http.Error(w, "bad form", http.StatusBadRequest)
		return
	}
	h := p.handlerOf(r)
	if ok || h != nil {
		p.record(e, r)
	}
	switch {
	case h != nil:
		h.ServeHTTP(w, r)
	case !ok:
		http.NotFound(w, r)
	case e == Elsewhere:
		p.serve(Endpoint(strings.TrimPrefix(r.URL.Path, paths[Elsewhere]+"/")), w, r)
	default:
		p.serveFaulty(e, w, r)
	}
}

func (p *Provider) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.busy.Add(1)
	}
	return !p.closed
}

// readForm leaves the body alone unless it is a form, which a handler of the
// test's own may want to read itself as something else.
func (p *Provider) readForm(e Endpoint, w http.ResponseWriter, r *http.Request) error {
	if e == Token && p.cfg.JSONTokenRequest {
		return readJSONForm(w, r)
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return nil
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	return r.ParseForm()
}

// readJSONForm reads an object of strings as the form that it stands for. Anything else
// leaves no form, which the endpoint then says.
func readJSONForm(w http.ResponseWriter, r *http.Request) error {
	if mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mediaType != "application/json" {
		return nil
	}
	var members map[string]string
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxForm)).Decode(&members); err != nil {
		return err
	}
	r.PostForm = url.Values{}
	for name, v := range members {
		r.PostForm.Set(name, v)
	}
	return nil
}

// serve answers an endpoint without transport faults.
func (p *Provider) serve(e Endpoint, w http.ResponseWriter, r *http.Request) {
	switch e {
	case Metadata:
		p.serveMetadata(w, r)
	case Authorize:
		p.serveAuthorize(w, r)
	case Token:
		p.serveToken(w, r)
	case UserInfo:
		p.serveUserInfo(w, r)
	case JWKS:
		p.serveJWKS(w, r)
	case Revocation:
		p.serveRevocation(w, r)
	case Introspection:
		p.serveIntrospection(w, r)
	case EndSession:
		p.serveEndSession(w, r)
	case API:
		p.serveAPI(w, r)
	default:
		http.NotFound(w, r)
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, fmt.Sprintf("signontest: a hook made what JSON cannot hold: %v", err), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
