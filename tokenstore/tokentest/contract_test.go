package tokentest_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/tokenstore/tokentest"
)

func TestBrokenStoresFail(t *testing.T) {
	for _, tt := range []struct {
		name  string
		store *store
		fails string
	}{
		{"nil for a miss", nilForMiss(), "nothing stored"},
		{"keeps what it was given", noCopyIn(), "copies in"},
		{"changes what it was given", changesArgument(), "copies in"},
		{"hands out its own", noCopyOut(), "copies out"},
		{"drops the refresh token", change(func(t *token) { t.RefreshToken = "" }), "save and fetch"},
		{"drops the type", change(func(t *token) { t.TokenType = "" }), "save and fetch"},
		{"expiry at the hour", change(func(t *token) { t.Expiry = t.Expiry.Truncate(time.Hour) }), "expired and far times"},
		{"32 bits of expiry", change(func(t *token) {
			if !t.Expiry.IsZero() {
				t.Expiry = time.Unix(int64(int32(t.Expiry.Unix())), 0)
			}
		}), "expired and far times"},
		{"nanoseconds of expiry", change(func(t *token) { t.Expiry = time.Unix(0, t.Expiry.UnixNano()) }), "expired and far times"},
		{"zero expiry is now", change(func(t *token) {
			if t.Expiry.IsZero() {
				t.Expiry = time.Now()
			}
		}), "save and fetch"},
		{"200 bytes of a token", change(func(t *token) { t.AccessToken = t.AccessToken[:min(200, len(t.AccessToken))] }), "long tokens"},
		{"forgets expired tokens", forgetsExpired(), "expired and far times"},
		{"drops the scope", change(func(*token) {}), "keeps the scope"},
		{"drops the scope at an update", updatesWithoutScope(), "keeps the scope"},
		{"saves once", savesOnce(), "save replaces"},
		{"merges", merges(), "save replaces"},
		{"stores no token", storesNil(), "no token"},
		{"update without comparing", noCompare(), "update compares"},
		{"update compares the access token", halfCompare(), "update compares"},
		{"update creates", updateCreates(), "update creates nothing"},
		{"update does nothing", noUpdate(), "update"},
		{"miss on delete", missOnDelete(), "delete"},
		{"delete without comparing", noCompareOnDelete(), "delete compares"},
		{"delete does nothing", &store{delete: func(c ctx, k key, _ *token) error { return errors.Join(c.Err(), k.Check()) }}, "delete"},
		{"letter case of the owner", rekey(func(k key) key { k.Owner = strings.ToLower(k.Owner); return k }), "keys apart"},
		{"spaces of the owner", rekey(func(k key) key { k.Owner = strings.TrimSpace(k.Owner); return k }), "keys apart"},
		{"254 bytes of the owner", rekey(func(k key) key { k.Owner = k.Owner[:min(254, len(k.Owner))]; return k }), "keys apart"},
		{"joined by a slash", rekey(func(k key) key { return join(k, k.Provider+"/"+k.Owner) }), "keys apart"},
		{"joined by nothing", rekey(func(k key) key { return join(k, k.Provider+k.Owner) }), "keys apart"},
		{"finds by the token", byToken(), "equal tokens of two owners"},
		{"takes no owner for one", rekey(func(k key) key { return key{Provider: k.Provider + "-", Owner: k.Owner + "-"} }), "incomplete keys"},
		{"misses without an owner", missesIncomplete(), "incomplete keys"},
		{"ignores its context", ignoresContext(), "context done"},
		{"saves before it looks at its context", late(), "context done"},
		{"update in two steps", twoSteps(), "race of updates"},
		{"update brings back", twoSteps(), "race of update and delete"},
		{"delete in two steps", deleteInTwoSteps(), "race of update and compared delete"},
		{"update over a save", twoSteps(), "race of save with update and delete"},
		{"one slot for all", oneSlot(), "race of owners"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				failures := tokentest.Failures(t.Context(), tt.store)
				require.Contains(t, slices.Sorted(maps.Keys(failures)), tt.fails)
			})
		})
	}
}

func TestRightStorePasses(t *testing.T) {
	require.Empty(t, tokentest.Failures(t.Context(), &store{}))
	tokentest.Run(t, func(*testing.T) signon.TokenStore { return &store{} })
}
