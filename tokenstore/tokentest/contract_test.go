package tokentest_test

import (
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/tokenstore"
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
		{"drops the ID token", extras(func(e *tokenstore.Extra) { e.IDToken = "" }), "keeps the extra"},
		{"drops the version", extras(func(e *tokenstore.Extra) { e.Version = 0 }), "keeps the extra"},
		{"version by way of a float", extras(func(e *tokenstore.Extra) { e.Version = int64(float64(e.Version)) }), "keeps the extra"},
		{"drops the end", extras(func(e *tokenstore.Extra) { e.Until = time.Time{} }), "keeps the extra"},
		{"extras of a save alone", updatesWithoutScope(), "keeps the extra"},
		{"drops expires_in", change(func(t *token) { t.ExpiresIn = 0 }), "keeps expires_in"},
		{"NUL ends the owner", rekey(func(k key) key { k.Owner, _, _ = strings.Cut(k.Owner, "\x00"); return k }), "refused keys"},
		{"NUL ends the provider", rekey(func(k key) key { k.Provider, _, _ = strings.Cut(k.Provider, "\x00"); return k }), "refused keys"},
		{"255 bytes of the owner", rekey(func(k key) key { k.Owner = k.Owner[:min(255, len(k.Owner))]; return k }), "refused keys"},
		{"255 bytes of the provider", rekey(func(k key) key { k.Provider = k.Provider[:min(255, len(k.Provider))]; return k }), "refused keys"},
		{"cleans the owner", rekey(func(k key) key { k.Owner = strings.ToValidUTF8(k.Owner, ""); return k }), "refused keys"},
		{"cleans the provider", rekey(func(k key) key { k.Provider = strings.ToValidUTF8(k.Provider, ""); return k }), "refused keys"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				failures := tokentest.Failures(t.Context(), tt.store)
				require.Contains(t, slices.Sorted(maps.Keys(failures)), tt.fails)
			})
		})
	}
}

func TestBrokenLeasesFail(t *testing.T) {
	for _, tt := range []struct {
		name  string
		store *store
		fails string
	}{
		{"everybody gets it", leaseError(func(error) error { return nil }), "lease"},
		{"one holder for all", changeLease(func(l *lease) { l.Holder = "all" }), "lease"},
		{"letter case of the holder", changeLease(func(l *lease) { l.Holder = strings.ToLower(l.Holder) }), "lease"},
		{"spaces of the holder", changeLease(func(l *lease) { l.Holder = strings.TrimSpace(l.Holder) }), "lease"},
		{"is not given back", changeLease(func(l *lease) { l.TTL = max(l.TTL, time.Hour) }), "lease"},
		{"is not prolonged", prolongsNever(), "lease"},
		{"does not pause", changeLease(func(l *lease) { l.Paused = false }), "lease pause"},
		{"a pause is a lease", leaseError(func(err error) error {
			if errors.Is(err, tokenstore.ErrPaused) {
				return tokenstore.ErrLeased
			}
			return err
		}), "lease pause"},
		{"does not run out", changeLease(func(l *lease) { l.TTL *= 1000 }), "lease runs out"},
		{"runs out early", changeLease(func(l *lease) { l.TTL /= 100 }), "lease runs out"},
		{"of any token", leasesAnyToken(), "lease compares"},
		{"a miss is a conflict", leaseError(func(err error) error {
			if errors.Is(err, tokenstore.ErrNotFound) {
				return tokenstore.ErrConflict
			}
			return err
		}), "lease compares"},
		{"stays", leasesApart(), "lease ends"},
		{"writes the token", leaseWrites(), "lease keeps the token"},
		{"ignores its context", leaseIgnoresContext(), "lease refuses"},
		{"without a holder", leaseWithoutHolder(), "lease refuses"},
		{"cuts its key", rekey(func(k key) key { k.Owner, _, _ = strings.Cut(k.Owner, "\x00"); return k }), "lease refuses"},
		{"in two steps", leaseInTwoSteps(), "race of leases"},
		{"walks a hundred", walks(func(all []tokenstore.Entry) []tokenstore.Entry { return all[:min(100, len(all))] }), "walk"},
		{"walks twice", walks(func(all []tokenstore.Entry) []tokenstore.Entry { return append(all, all...) }), "walk"},
		{"walks without extras", walks(func(all []tokenstore.Entry) []tokenstore.Entry {
			for i := range all {
				all[i].Token = all[i].Token.WithExtra(nil)
			}
			return all
		}), "walk"},
		{"walks by number", walksByNumber(), "walk and change"},
		{"walks on", walkIgnoresContext(), "walk with a context"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				failures := tokentest.Failures(t.Context(), tt.store)
				require.Contains(t, slices.Sorted(maps.Keys(failures)), tt.fails)
			})
		})
	}
}

// A store without the optional interfaces, or one that wraps such a store, is whole.
func TestOptional(t *testing.T) {
	bare := struct{ signon.TokenStore }{new(tokenstore.Memory)}
	wrapped := &store{lease: func(ctx, key, *token, lease) error { return errors.ErrUnsupported }}
	wrapped.walk = func(ctx) iter.Seq2[tokenstore.Entry, error] {
		return func(yield func(tokenstore.Entry, error) bool) { yield(tokenstore.Entry{}, errors.ErrUnsupported) }
	}
	for _, store := range []signon.TokenStore{bare, wrapped} {
		require.Empty(t, tokentest.Failures(t.Context(), store))
	}
}

func TestRightStorePasses(t *testing.T) {
	require.Empty(t, tokentest.Failures(t.Context(), &store{}))
	tokentest.Run(t, func(*testing.T) signon.TokenStore { return &store{} })
}
