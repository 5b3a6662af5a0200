package outbound_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/outbound"
)

// HK-05: what net/http would refuse on the way is refused before, and is not shown.
func TestCheckFields(t *testing.T) {
	for name, bad := range map[string]http.Header{
		"no name": {"": {"canary"}}, "a space": {"X Key": {"canary"}}, "a colon": {"X:": {"canary"}},
		"a line feed": {"X": {"canary\n"}}, "a return": {"X": {"canary\rX: y"}}, "a NUL": {"X": {"canary\x00"}},
		"the second value": {"X": {"good", "canary\n"}},
	} {
		err := outbound.CheckFields(bad)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "canary")
	}
	require.NoError(t, outbound.CheckFields(http.Header{"X-Key": {"a b\tc", "é", ""}}))
	require.NoError(t, outbound.CheckFields(nil))
}
