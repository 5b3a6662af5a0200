package oauth_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/clientauth"
	"github.com/seed1a301047/signon/hooks"
	"github.com/seed1a301047/signon/internal/oauth"
)

// The method of a stage is ClientAuth's unless the stage has one of its own, and there is
// one proof in each request.
func TestMethodOfStage(t *testing.T) {
	var got []string
	p := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		proof := "none"
		switch {
		case r.Header.Get("Authorization") != "" && r.PostForm.Has("client_secret"):
			proof = "two"
		case r.Header.Get("Authorization") != "":
			proof = "basic"
		case r.PostForm.Has("client_secret"):
			proof = "post"
		}
		got = append(got, proof)
		respond(200, "application/json", good)(w, r)
	})
	for _, c := range []struct {
		name                   string
		revocation, introspect clientauth.Method
		want                   []string
	}{
		{"one for all", nil, nil, []string{"basic", "basic", "basic", "basic"}},
		{"another to revoke", clientauth.Post{}, nil, []string{"basic", "basic", "post", "basic"}},
		{"another to introspect", nil, clientauth.None{}, []string{"basic", "basic", "basic", "none"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got = nil
			client := p.client()
			client.RevocationAuth, client.IntrospectionAuth = c.revocation, c.introspect
			for _, stage := range []oauth.Stage{oauth.Token, oauth.Refresh, oauth.Revoke, oauth.Introspect} {
				_, err := client.Post(t.Context(), stage, p.URL, url.Values{})
				require.NoError(t, err)
			}
			require.Equal(t, c.want, got)
		})
	}
}

// CA-02: what does not fit the provider is not sent, in no other way either.
func TestFits(t *testing.T) {
	p := serve(t, respond(200, "application/json", good))
	client := p.client()
	asked := 0
	client.Hooks.TokenRequest = func(context.Context, *hooks.Request) error { asked++; return nil }
	client.Fits = func(_ context.Context, stage oauth.Stage) error {
		if stage == oauth.Token {
			return fmt.Errorf("%w: for this test", oauth.ErrConfig)
		}
		return nil
	}
	_, err := p.exchange(t.Context(), client)
	require.ErrorIs(t, err, oauth.ErrConfig)
	requireClean(t, err)
	require.Zero(t, p.hits.Load())
	require.Zero(t, asked)
	_, err = client.Post(t.Context(), oauth.Refresh, p.URL, url.Values{})
	require.NoError(t, err)
}

// A late signer is one far away that answers when nobody waits any more, and a wild one
// panics.
type (
	late struct{ crypto.Signer }
	wild struct{ crypto.Signer }
)

func (l late) Sign(r io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	time.Sleep(time.Minute)
	return l.Signer.Sign(r, digest, opts)
}

func (wild) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { panic("canary") }

// HK-01, CA-05: a signer that does not come back in time, or panics, sends nothing.
func TestSignerFailsClosed(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	for name, signer := range map[string]crypto.Signer{"late": late{key}, "wild": wild{key}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hits := 0
				client := newClient(&http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
					hits++
					return nil, errors.New("sent")
				})})
				client.Auth = clientauth.PrivateKeyJWT{Keys: []clientauth.Key{{Signer: signer}}}
				start := time.Now()
				_, err := client.Token(t.Context(), oauth.Token, "https://op.example/token", exchangeParams())
				require.ErrorIs(t, err, oauth.ErrHook)
				requireClean(t, err)
				require.Zero(t, hits)
				require.LessOrEqual(t, time.Since(start), oauth.Timeout)
				time.Sleep(time.Minute) // in the bubble, until the late one has ended
			})
		})
	}
}

// inJSON has every request sent as JSON.
func inJSON(_ context.Context, r *hooks.Request) error {
	r.Header.Set("Content-Type", "application/json")
	return nil
}

// A provider that wants JSON gets an object of strings, with the client's proof in it.
func TestJSONRequest(t *testing.T) {
	for _, c := range []struct {
		name   string
		method clientauth.Method
		want   map[string]string
	}{
		{"Post", clientauth.Post{}, map[string]string{"client_id": "client", "client_secret": secret}},
		{"Basic", clientauth.Basic{}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var contentType string
			var got map[string]string
			p := serve(t, func(w http.ResponseWriter, r *http.Request) {
				contentType = r.Header.Get("Content-Type")
				got = nil
				_ = json.NewDecoder(r.Body).Decode(&got)
				respond(200, "application/json", good)(w, r)
			})
			client := p.client()
			client.Auth = c.method
			client.Hooks.TokenRequest = inJSON
			params := exchangeParams()
			params.Set("odd", "\"\\\u2028<é")
			_, err := client.Token(t.Context(), oauth.Token, p.URL, params)
			require.NoError(t, err)
			require.Equal(t, "application/json", contentType)
			want := map[string]string{}
			for name := range params {
				want[name] = params.Get(name)
			}
			for name, value := range c.want {
				want[name] = value
			}
			require.Equal(t, want, got)
		})
	}
}

// CA-01, HK-05: JSON has the limits of a form: one proof, and each parameter once.
func TestJSONRequestRefused(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(url.Values)
	}{
		{"a second proof", func(v url.Values) { v.Set("client_secret", "canary") }},
		{"two values", func(v url.Values) { v["resource"] = []string{"canary", "b"} }},
		{"not UTF-8", func(v url.Values) { v.Set("x", "canary\xff") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := serve(t, respond(200, "application/json", good))
			client := p.client()
			client.Hooks.TokenRequest = inJSON
			params := exchangeParams()
			c.change(params)
			_, err := client.Token(t.Context(), oauth.Token, p.URL, params)
			requireClean(t, err)
			require.Zero(t, p.hits.Load())
		})
	}
}

// TE-14: a secret that is echoed as it stood in the JSON does not show.
func TestJSONRequestEchoed(t *testing.T) {
	p := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		respond(400, "application/json", fmt.Sprintf(`{"error":"invalid_request","error_description":%s}`, quote(string(body))))(w, r)
	})
	client := p.client()
	client.Auth, client.Secret = clientauth.Post{}, `canary"\`
	client.Hooks.TokenRequest = inJSON
	_, err := client.Token(t.Context(), oauth.Token, p.URL, url.Values{"grant_type": {"client_credentials"}})
	requireClean(t, err)
}

// CA-01: the certificate of the connection is a proof, and none is beside it.
func TestOneProofByConnection(t *testing.T) {
	client := newClient(&http.Client{Transport: inProcess(good)})
	client.Auth = clientauth.TLS{}
	_, err := client.Token(t.Context(), oauth.Token, "https://op.example/token", exchangeParams())
	require.NoError(t, err)
	params := exchangeParams()
	params.Set("client_secret", "canary")
	_, err = client.Token(t.Context(), oauth.Token, "https://op.example/token", params)
	requireClean(t, err)
}
