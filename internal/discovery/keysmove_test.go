package discovery_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// DI-18: the keys move elsewhere while they are being fetched.
//
//	0:00  metadata and keys are fetched; keys from /jwks
//	1:00  both are renewed in the background of use: the keys by the old metadata,
//	      which are still served, from /jwks, slowly; the metadata now say /jwks2
//	1:01  the keys of /jwks arrive, after the metadata that no longer name it
//	next  use: those keys are not taken for fresh; /jwks2 is asked
func TestKeysMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProvider(t)
		source := newSource(t, p)
		_, err := source.Keys(t.Context())
		require.NoError(t, err)

		p.set(wellKnown, answer{body: metadata(map[string]any{"jwks_uri": issuer + "/jwks2"})})
		p.set(jwksURL, answer{body: keySet(t, "a"), after: 2 * time.Second})
		p.set(issuer+"/jwks2", answer{body: keySet(t, "b")})
		time.Sleep(time.Hour)
		_, err = source.Keys(t.Context()) // begins both fetches: the keys' asks for the metadata
		require.NoError(t, err)
		time.Sleep(3 * time.Second)
		require.Equal(t, 2, p.count(jwksURL))
		require.Equal(t, 2, p.count(wellKnown))

		set, err := source.Keys(t.Context())
		require.NoError(t, err)
		require.True(t, has(t, set, "b"))
		require.False(t, has(t, set, "a"))
		require.Equal(t, 1, p.count(issuer+"/jwks2"))
	})
}
