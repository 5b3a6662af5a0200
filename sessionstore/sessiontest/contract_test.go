package sessiontest_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/sessionstore/sessiontest"
)

func TestBrokenStoresFail(t *testing.T) {
	for _, tt := range []struct {
		name  string
		store *store
		fails string
	}{
		{"nil for a miss", nilForMiss(), "no such login"},
		{"an error when nothing ends", missOnEnd(), "no such login"},
		{"drops the user agent", change(func(r *record) { r.UserAgent = "" }), "create and read"},
		{"drops the sealed ID token", change(func(r *record) { r.IDToken = nil }), "create and read"},
		{"ID token as text", change(func(r *record) { r.IDToken = []byte(strings.ToValidUTF8(string(r.IDToken), "?")) }), "create and read"},
		{"zero time is 1970", change(func(r *record) {
			if r.LastSeen.IsZero() {
				r.LastSeen = time.Unix(0, 0)
			}
		}), "create and read"},
		{"create replaces", createReplaces(), "create only"},
		{"keeps what it was given", noCopyIn(), "copies in"},
		{"takes a record without an owner", change(func(r *record) { r.Owner += "-" }), "incomplete records"},
		{"touch backward", touchBy(func(_, at time.Time) time.Time { return at }), "touch"},
		{"touch does nothing", touchBy(func(seen, _ time.Time) time.Time { return seen }), "touch"},
		{"touch changes a record in use", touchInPlace(), "records do not change"},
		{"touch makes a login", touchCreates(), "ended stays ended"},
		{"end does nothing", endNothing(), "ended stays ended"},
		{"end returns nothing", endInSilence(), "ended stays ended"},
		{"prolongs what has expired", prolongs(), "expired"},
		{"shows what has expired", showsExpired(), "expired"},
		{"32 bits of expiry", change(func(r *record) {
			if !r.ExpiresAt.IsZero() {
				r.ExpiresAt = time.Unix(int64(int32(r.ExpiresAt.Unix())), 0)
			}
		}), "far times"},
		{"ignores its context", ignoresContext(), "context done"},
		{"claims before it looks at its context", lateClaim(), "context done"},
		{"selects by any", selectBy(byAny), "select"},
		{"ignores the issuer", selectBy(byNoIssuer), "select"},
		{"one slot for a subject", oneSlot(), "all logins of a subject"},
		{"oldest first", reverses(), "newest first"},
		{"ends by provider", selectBy(sessionstore.Selector.Matches), "careless selectors"},
		{"letter case", change(func(r *record) { r.Subject = strings.ToLower(r.Subject) }), "strings apart"},
		{"254 bytes", change(func(r *record) { r.SID = r.SID[:min(254, len(r.SID))] }), "strings apart"},
		{"claims nothing", &store{claim: func(c ctx, key string, until time.Time) error { return c.Err() }}, "claim"},
		{"claims prolonged", claimAt(func(time.Time) time.Time { return time.Now() }), "claim"},
		{"claims by letter case", claimOf(strings.ToLower), "claims apart"},
		{"claims for ever", claimAt(func(time.Time) time.Time { return time.Now().Add(time.Hour) }), "claims pass"},
		{"claim in two steps", claimInTwoSteps(), "race of claims"},
		{"create in two steps", createInTwoSteps(), "race of creates"},
		{"end in two steps", endInTwoSteps(), "race of ends"},
		{"touch in two steps", touchCreates(), "race of touch and end"},
		{"touches lost", touchInTwoSteps(), "race of touches"},
		{"one slot for all users", mixes(), "race of users"},
		{"looks at the expiry once", looksOnce(), "expires"},
		{"seconds", seconds(), "milliseconds"},
		{"one error for every context", oneError(), "deadline passed"},
		{"1023 bytes", change(func(r *record) { r.SID = r.SID[:min(1023, len(r.SID))] }), "longest strings"},
		{"cuts records at a NUL", cutsRecords(), "unfit records"},
		{"cuts selectors at a NUL", cutsSelectors(), "unfit selectors"},
		{"an error for an id with a NUL", refusesIDs(), "unfit selectors"},
		{"65535 bytes", change(func(r *record) { r.IDToken = r.IDToken[:min(65535, len(r.IDToken))] }), "big blobs"},
		{"cuts claims at a NUL", claimOf(untilNUL), "unfit claims"},
		{"cuts claims at 254 bytes", claimOf(func(key string) string { return key[:min(254, len(key))] }), "unfit claims"},
		{"takes a claim anew in two steps", takesAnewInTwoSteps(), "claims free again"},
		{"ends the next login of that id", endsTheNext(), "race of all"},
		{"ends a login and leaves", endsAndLeaves(), "race of cancel and end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				failures := sessiontest.Failures(t.Context(), tt.store)
				require.Contains(t, slices.Sorted(maps.Keys(failures)), tt.fails)
			})
		})
	}
}

func TestRightStorePasses(t *testing.T) {
	require.Empty(t, sessiontest.Failures(t.Context(), &store{}))
	sessiontest.Run(t, func(*testing.T) sessionstore.Store { return &store{} })
}
