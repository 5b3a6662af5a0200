package signontest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/signontest"
)

// FuzzClientAssertion: nothing panics, whatever the key set, and without the client's
// key nobody gets a token.
func FuzzClientAssertion(f *testing.F) {
	_, set := es256(f, "k1")
	p := signontest.NewInProcess(signontest.Config{ClientAuth: "private_key_jwt", ClientKeys: set})
	f.Add([]byte(set), assertion(f, nil, "secret", map[string]any{"alg": "HS256"}, goodClaims(p)))
	foreign, _ := es256(f, "k1")
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQ","e":"AQ"},{"kty":"OKP","crv":"Ed25519","x":""}]}`), assertion(f, foreign, "", map[string]any{"alg": "ES256"}, goodClaims(p)))
	f.Add([]byte(`{"keys":[{"kty":"oct"}]}`), "e30.e30.")
	f.Fuzz(func(t *testing.T, keys []byte, assertion string) {
		_ = signontest.NewInProcess(signontest.Config{}).SetClientKeys(json.RawMessage(keys))
		status, _ := postForm(t, p, url.Values{
			"grant_type": {"client_credentials"}, "client_assertion_type": {assertionType}, "client_assertion": {assertion},
		})
		require.NotEqual(t, http.StatusOK, status)
	})
}
