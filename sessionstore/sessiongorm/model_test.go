package sessiongorm_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/sessionstore"
)

// A walk does one thing after another to some store, each time the same, and writes down
// what comes of it.
type walk struct {
	*rand.Rand
	store sessionstore.Store
	now   time.Time
	made  int
}

func (w *walk) pick(of ...string) string { return of[w.IntN(len(of))] }

// record is one of few, so that many have something in common, and none two things.
func (w *walk) record() *sessionstore.Record {
	w.made++
	created := w.now.Add(time.Duration(w.made) * time.Second) // newest first is one order
	expires := w.now.Add(time.Hour)
	if w.IntN(5) == 0 {
		expires = w.now.Add(-time.Hour)
	}
	return &sessionstore.Record{
		ID: w.pick("1", "2", "3", "4", "5", "6", "7", "8"), Provider: w.pick("p", "P"), Owner: w.pick("o", "O", "o "),
		Issuer: w.pick("", "i", "I"), Subject: w.pick("", "s", "S"), SID: w.pick("", "sid", "sid "),
		IDToken: []byte(w.pick("", "\x00", "token")), UserInfo: []byte(w.pick("", "\xff")), UserAgent: w.pick("", "agent"),
		CreatedAt: created, LastSeen: created, ExpiresAt: expires,
	}
}

func (w *walk) selector() sessionstore.Selector {
	rec := w.record()
	for _, p := range []*string{&rec.ID, &rec.Provider, &rec.Owner, &rec.Issuer, &rec.Subject, &rec.SID} {
		if w.IntN(2) == 0 {
			*p = ""
		}
	}
	return sessionstore.Selector{
		ID: rec.ID, Provider: rec.Provider, Owner: rec.Owner, Issuer: rec.Issuer, Subject: rec.Subject, SID: rec.SID,
	}
}

func (w *walk) step(t *testing.T) string {
	ctx := t.Context()
	switch w.IntN(10) {
	case 0, 1, 2:
		rec := w.record()
		return fmt.Sprintf("create %+v: %s", rec, verdict(w.store.CreateLogin(ctx, rec)))
	case 3, 4:
		id := w.pick("1", "2", "3", "4", "9", "", "\x00")
		rec, err := w.store.Login(ctx, id)
		return fmt.Sprintf("login %s: %s %s", id, texts(rec), verdict(err))
	case 5:
		id, at := w.pick("1", "2", "3", "9"), w.now.Add(time.Duration(w.IntN(1000))*time.Second)
		return fmt.Sprintf("touch %s %v: %s", id, at, verdict(w.store.TouchLogin(ctx, id, at)))
	case 6:
		by := w.selector()
		recs, err := w.store.EndLogins(ctx, by)
		return fmt.Sprintf("end %+v: %s %s", by, texts(recs...), verdict(err))
	case 7, 8:
		by := w.selector()
		recs, err := w.store.Logins(ctx, by)
		return fmt.Sprintf("logins %+v: %s %s", by, texts(recs...), verdict(err))
	}
	key, until := w.pick("a", "A", "b", "c", "d", ""), w.now.Add(time.Hour)
	if w.IntN(2) == 0 {
		until = w.now.Add(-time.Hour)
	}
	return fmt.Sprintf("claim %s %v: %s", key, until, verdict(w.store.Claim(ctx, key, until)))
}

func verdict(err error) string {
	for _, known := range []error{sessionstore.ErrNotFound, sessionstore.ErrExists, sessionstore.ErrClaimed} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if err != nil {
		return "error"
	}
	return "ok"
}

func texts(recs ...*sessionstore.Record) string {
	var b strings.Builder
	for _, rec := range recs {
		if rec == nil {
			continue
		}
		fmt.Fprintf(&b, "%q %q %q %q %q %q %q %q %q %d %d %d; ", rec.ID, rec.Provider, rec.Owner, rec.Issuer, rec.Subject, rec.SID,
			rec.IDToken, rec.UserInfo, rec.UserAgent, rec.CreatedAt.UnixMilli(), rec.LastSeen.UnixMilli(), rec.ExpiresAt.UnixMilli())
	}
	return b.String()
}

// Whatever is done, in whatever order, the database is to its callers what the memory is.
func TestSameAsMemory(t *testing.T) {
	db := dbtest.Open(t, dbtest.SQLite)
	store := open(t, db)
	for seed := range uint64(40) {
		exec(t, db, "DELETE FROM signon_logins", "DELETE FROM signon_claims")
		now := time.Now().Truncate(time.Millisecond)
		walks := [2]walk{}
		for i, s := range []sessionstore.Store{store, new(sessionstore.Memory)} {
			walks[i] = walk{Rand: rand.New(rand.NewPCG(seed, 0)), store: s, now: now}
		}
		var history []string
		for range 150 {
			got := walks[0].step(t)
			history = append(history, got)
			require.Equal(t, walks[1].step(t), got, "seed %d, after\n%s", seed, strings.Join(history, "\n"))
			if walks[0].IntN(20) == walks[1].IntN(20) && len(history)%25 == 0 {
				_, err := store.DeleteExpired(t.Context())
				require.NoError(t, err)
			}
		}
	}
}
