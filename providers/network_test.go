package providers_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

// A fixture is what a provider answers, in the shapes of its documentation. In the token
// responses "{access_token}", "{refresh_token}" and "{id_token}" stand for those of the
// login.
type fixture struct {
	// Where the endpoints are. An OpenID Provider has them in its Metadata instead, at
	// MetadataURL or at the well-known URL of its issuer.
	AuthorizationEndpoint string         `json:"authorization_endpoint"`
	TokenEndpoint         string         `json:"token_endpoint"`
	RevocationEndpoint    string         `json:"revocation_endpoint"`
	MetadataURL           string         `json:"metadata_url"`
	Metadata              map[string]any `json:"metadata"`

	Answer  map[string]string `json:"answer"`  // further parameters of the authorization response
	Token   map[string]any    `json:"token"`   // the token response
	Refresh map[string]any    `json:"refresh"` // that of a refresh; if empty, Token
	Claims  map[string]any    `json:"claims"`  // of the ID token, beside the protocol's own
	Calls   map[string]any    `json:"calls"`   // other answers, by method and URL: "GET https://..."

	SigningAlg string `json:"signing_alg"` // signs ID tokens; if empty, RS256
}

// absent is the value of a member that set takes out.
var absent = new(int)

func loadFixture(t *testing.T, name string) *fixture {
	t.Helper()
	file, err := os.Open("testdata/" + name + ".json")
	require.NoError(t, err)
	defer file.Close()
	dec := json.NewDecoder(file)
	dec.UseNumber()
	dec.DisallowUnknownFields()
	f := &fixture{}
	require.NoError(t, dec.Decode(f))
	return f
}

// set changes a member: the first name of the path is "token", "refresh", "claims",
// "metadata" or "calls", and a number is an index.
func (f *fixture) set(value any, path ...string) {
	root := map[string]any{
		"token": f.Token, "refresh": f.Refresh, "claims": f.Claims, "metadata": f.Metadata, "calls": f.Calls,
	}
	var at any = root
	for _, name := range path[:len(path)-1] {
		at = member(at, name)
	}
	last := path[len(path)-1]
	object, ok := at.(map[string]any)
	if !ok {
		panic(fmt.Sprintf("the fixture has no object for %q", path))
	}
	if value == absent {
		delete(object, last)
		return
	}
	object[last] = value
}

func member(v any, name string) any {
	switch v := v.(type) {
	case map[string]any:
		return v[name]
	case []any:
		var i int
		if _, err := fmt.Sscan(name, &i); err == nil && i < len(v) {
			return v[i]
		}
	}
	return nil
}

// userInfoCall is the name of the call of a URL, whatever its method and query.
func (f *fixture) userInfoCall(target string) string {
	for name := range f.Calls {
		_, called, _ := strings.Cut(name, " ")
		if bare(called) == bare(target) {
			return name
		}
	}
	return "GET " + target
}

func bare(target string) string {
	target, _, _ = strings.Cut(target, "?")
	return target
}

func (f *fixture) endpoint(given, name string) string {
	if s, ok := f.Metadata[name].(string); ok {
		return s
	}
	return given
}

func (f *fixture) authorizationEndpoint() string {
	return f.endpoint(f.AuthorizationEndpoint, "authorization_endpoint")
}
func (f *fixture) tokenEndpoint() string { return f.endpoint(f.TokenEndpoint, "token_endpoint") }
func (f *fixture) revocationEndpoint() string {
	return f.endpoint(f.RevocationEndpoint, "revocation_endpoint")
}

func (f *fixture) metadataURL() string {
	if issuer, ok := f.Metadata["issuer"].(string); ok && f.MetadataURL == "" {
		return strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
	}
	return f.MetadataURL
}

// A network is all the servers of one provider: an http.Handler for the browser and an
// http.RoundTripper for the application. Codes, tokens and signatures are those of a
// signontest.Provider behind it; it knows no other URLs than those of the fixture.
type network struct {
	t       *testing.T
	row     *row
	fixture *fixture
	op      *signontest.Provider

	mu            sync.Mutex
	authorization url.Values      // the last authorization request
	issued        map[string]bool // access and refresh tokens
	grant         string          // the grant_type that is being answered
	revoked       int
}

func newNetwork(t *testing.T, r *row, f *fixture) *network {
	n := &network{t: t, row: r, fixture: f, issued: map[string]bool{}}
	refresh := f.Refresh
	if refresh == nil {
		refresh = f.Token
	}
	cfg := signontest.Config{
		ClientID: appID, ClientSecret: appSecret, ClientAuth: r.auth,
		Users:     []signontest.User{{Subject: "somebody"}},
		TokenLife: 1000 * time.Hour, RefreshLife: 100_000 * time.Hour,
		SigningAlg: f.SigningAlg,
		NoRotation: !contains(refresh, "{refresh_token}"),
	}
	if issuer, ok := f.Metadata["issuer"].(string); ok {
		cfg.Issuer = issuer
	}
	n.op = signontest.NewInProcess(cfg)
	n.op.TokenResponse(n.tokenResponse)
	n.op.IDTokenClaims(n.idTokenClaims)
	n.op.AuthorizeResponse(func(v url.Values) {
		if f.Metadata["authorization_response_iss_parameter_supported"] != true {
			v.Del("iss")
		}
		for name, value := range f.Answer {
			v.Set(name, value)
		}
	})
	if r.formToken {
		n.op.Arm(signontest.FormToken)
	}
	if r.noPKCE {
		n.op.Arm(signontest.IgnorePKCE)
	}
	t.Cleanup(n.op.Close)
	return n
}

// tokenResponse gives the answer of the provider behind the shape of the fixture.
func (n *network) tokenResponse(answer map[string]any) {
	shape := n.fixture.Token
	n.mu.Lock()
	if n.grant == "refresh_token" && n.fixture.Refresh != nil {
		shape = n.fixture.Refresh
	}
	live := map[string]any{}
	for _, name := range []string{"access_token", "refresh_token", "id_token"} {
		if token, ok := answer[name].(string); ok {
			live["{"+name+"}"] = token
			n.issued[token] = true
		}
	}
	n.mu.Unlock()
	clear(answer)
	for name, value := range fill(shape, live).(map[string]any) {
		answer[name] = value
	}
}

// fill copies v with the tokens of this login; a member whose token there is none of is
// left out.
func fill(v any, live map[string]any) any {
	switch v := v.(type) {
	case map[string]any:
		filled := map[string]any{}
		for name, value := range v {
			if value = fill(value, live); value != absent {
				filled[name] = value
			}
		}
		return filled
	case string:
		if !strings.HasPrefix(v, "{") {
			return v
		}
		if token, ok := live[v]; ok {
			return token
		}
		return absent
	default:
		return v
	}
}

func contains(v any, token string) bool {
	body, _ := json.Marshal(v)
	return strings.Contains(string(body), token)
}

// idTokenClaims leaves the protocol's own claims as they are unless the fixture has them.
func (n *network) idTokenClaims(claims map[string]any) {
	for name := range claims {
		switch name {
		case "iss", "aud", "exp", "iat", "nonce", "at_hash":
		default:
			delete(claims, name)
		}
	}
	for name, value := range n.fixture.Claims {
		claims[name] = value
	}
}

// RoundTrip takes what the application sends, and answers without a socket.
func (n *network) RoundTrip(req *http.Request) (*http.Response, error) {
	r := req.Clone(req.Context())
	r.RequestURI = req.URL.RequestURI()
	if r.Host == "" {
		r.Host = req.URL.Host
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	n.ServeHTTP(rec, r)
	resp := rec.Result()
	resp.Request = req
	return resp, nil
}

// ServeHTTP routes by host and path. Whatever is not of the fixture fails the test.
func (n *network) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, target := n.fixture, "https://"+r.Host+r.URL.Path
	switch target {
	case bare(f.metadataURL()):
		writeJSON(w, f.Metadata)
		return
	case f.endpoint("", "jwks_uri"):
		n.forward(w, r, signontest.JWKS)
		return
	case bare(f.authorizationEndpoint()):
		n.mu.Lock()
		n.authorization = r.URL.Query()
		n.mu.Unlock()
		n.forward(w, r, signontest.Authorize)
		return
	}
	if err := n.inspect(r); err != nil {
		n.t.Errorf("%s %s: %v", r.Method, target, err)
		http.Error(w, "not as it should be", http.StatusBadRequest)
		return
	}
	switch target {
	case f.tokenEndpoint():
		n.serveToken(w, r)
	case f.revocationEndpoint():
		n.serveRevocation(w, r)
	default:
		n.serveCall(w, r, target)
	}
}

// inspect reads the form, or the JSON, of a request and has the row judge it.
func (n *network) inspect(r *http.Request) error {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		members := map[string]string{}
		if err := json.NewDecoder(r.Body).Decode(&members); err != nil {
			return fmt.Errorf("the body is not a JSON object of strings: %w", err)
		}
		r.PostForm = url.Values{}
		for name, value := range members {
			r.PostForm.Set(name, value)
		}
	} else if err := r.ParseForm(); err != nil {
		return err
	}
	for name, want := range n.row.header {
		if got := r.Header.Get(name); got != want {
			return fmt.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if n.row.inspect != nil {
		return n.row.inspect(r)
	}
	return nil
}

func (n *network) serveToken(w http.ResponseWriter, r *http.Request) {
	isJSON := strings.HasPrefix(r.Header.Get("Content-Type"), "application/json")
	if isJSON != n.row.jsonToken {
		n.t.Errorf("the token request is of type %q", r.Header.Get("Content-Type"))
	}
	n.mu.Lock()
	n.grant = r.PostForm.Get("grant_type")
	n.mu.Unlock()
	r.URL.RawQuery = ""
	n.forward(w, r, signontest.Token)
}

func (n *network) serveRevocation(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.issued[r.PostForm.Get("token")] {
		n.t.Errorf("a token was revoked that was never issued")
	}
	n.revoked++
	w.WriteHeader(http.StatusOK)
}

// serveCall answers with the fixture, whoever holds a token that was issued.
func (n *network) serveCall(w http.ResponseWriter, r *http.Request, target string) {
	call, ok := n.call(r, target)
	if !ok {
		n.t.Errorf("%s %s was asked for, which the fixture does not have", r.Method, r.URL)
		http.NotFound(w, r)
		return
	}
	token := r.URL.Query().Get(n.row.tokenParam)
	if n.row.tokenParam == "" {
		token, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	}
	n.mu.Lock()
	known := n.issued[token]
	n.mu.Unlock()
	if !known {
		n.t.Errorf("%s %s came without the token", r.Method, target)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	writeJSON(w, call)
}

// call finds an answer by method, URL and, where the fixture names some, parameters.
func (n *network) call(r *http.Request, target string) (any, bool) {
	for name, answer := range n.fixture.Calls {
		method, called, _ := strings.Cut(name, " ")
		u, err := url.Parse(called)
		if err != nil || method != r.Method || bare(called) != target {
			continue
		}
		fits := true
		for param, values := range u.Query() {
			fits = fits && r.URL.Query().Get(param) == values[0]
		}
		if fits {
			return answer, true
		}
	}
	return nil, false
}

// forward has the provider behind answer at one of its own endpoints.
func (n *network) forward(w http.ResponseWriter, r *http.Request, e signontest.Endpoint) {
	u, err := url.Parse(n.op.URL(e))
	if err != nil {
		n.t.Error(err)
		return
	}
	r.URL.Path, r.URL.RawPath = u.Path, ""
	n.op.ServeHTTP(w, r)
}

// status stands in the place of an answer for a refusal.
type status int

func writeJSON(w http.ResponseWriter, v any) {
	if refused, ok := v.(status); ok {
		w.WriteHeader(int(refused))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if text, ok := v.(string); ok { // a shape that is no JSON by itself
		_, _ = io.WriteString(w, text)
		return
	}
	_ = json.NewEncoder(w).Encode(v)
}
