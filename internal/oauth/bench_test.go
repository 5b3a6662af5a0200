package oauth_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/oauth"
)

// typical is a token response of an OpenID Provider, with an ID token of the usual size.
var typical = []byte(`{"access_token":"` + strings.Repeat("aB3-_", 40) + `","token_type":"Bearer","expires_in":3600,` +
	`"refresh_token":"` + strings.Repeat("x9", 40) + `","scope":"openid profile email","id_token":"` +
	strings.Repeat("eyJhbG", 70) + "." + strings.Repeat("eyJpc3", 70) + "." + strings.Repeat("c2lnbm", 57) + `"}`)

func BenchmarkParseToken(b *testing.B) {
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		_, err := oauth.ParseToken(typical, now)
		require.NoError(b, err)
	}
}

// BenchmarkUnmarshal is the yardstick: the same bytes into the same map with the standard
// library, no check made.
func BenchmarkUnmarshal(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var members map[string]any
		require.NoError(b, json.Unmarshal(typical, &members))
	}
}
