package sessiontest

import (
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/sessionstore"
)

// checkLongest stores what is as long as may be, and tells apart what differs in its last
// byte only. ST-06
func checkLongest(t T, store sessionstore.Store) {
	recs := make([]*sessionstore.Record, 2)
	ids := [2]string{longest(newRecord().ID, sessionstore.MaxKeySize), longest(newRecord().ID, sessionstore.MaxKeySize)}
	owner := longest(newRecord().Owner, sessionstore.MaxKeySize-1)
	subject := longest(newRecord().Subject, sessionstore.MaxKeySize-1)
	issuer := longest(newRecord().Issuer, sessionstore.MaxNameSize-1)
	sid := longest(newRecord().SID, sessionstore.MaxNameSize-1)
	for i, last := range []string{"a", "A"} {
		rec := newRecord()
		rec.ID, rec.Owner, rec.Subject, rec.Issuer, rec.SID = ids[i], owner+last, subject+last, issuer+last, sid+last
		rec.Provider = longest(rec.Provider, sessionstore.MaxKeySize)
		rec.UserAgent = longest("agent", sessionstore.MaxNameSize)
		require.NoError(t, store.CreateLogin(t.Context(), rec))
		recs[i] = rec
	}
	for _, rec := range recs {
		requireLogin(t, store, rec)
		requireSelects(t, store, sessionstore.Selector{Owner: rec.Owner, Provider: rec.Provider}, rec.ID)
		requireSelects(t, store, sessionstore.Selector{Issuer: rec.Issuer, Subject: rec.Subject}, rec.ID)
		requireSelects(t, store, sessionstore.Selector{Issuer: rec.Issuer, SID: rec.SID}, rec.ID)
		ended, err := store.EndLogins(t.Context(), sessionstore.Selector{
			ID: rec.ID, Provider: rec.Provider, Owner: rec.Owner, Issuer: rec.Issuer, Subject: rec.Subject, SID: rec.SID,
		})
		require.NoError(t, err)
		require.Equal(t, []string{rec.ID}, idsOf(ended))
	}
}

// longest is s and as many foxes, of 4 bytes each, and dots as make n bytes.
func longest(s string, n int) string {
	s += strings.Repeat("\U0001F98A", (n-len(s))/4)
	return s + strings.Repeat(".", n-len(s))
}

// unfit are strings that no store takes, for one that may have most bytes.
func unfit(most int) map[string]string {
	return map[string]string{
		"a NUL":            "with\x00NUL",
		"a NUL at its end": "with NUL\x00",
		"no UTF-8":         "\xffno UTF-8",
		"half a rune":      "\xf0\x9f\xa6",
		"a byte too many":  strings.Repeat("x", most+1),
		"10 kB":            strings.Repeat("x", 10_000),
	}
}

var texts = []struct {
	name string
	most int
	of   func(*sessionstore.Record) *string
	in   func(*sessionstore.Selector) *string
}{
	{"ID", sessionstore.MaxKeySize, func(r *sessionstore.Record) *string { return &r.ID }, func(s *sessionstore.Selector) *string { return &s.ID }},
	{"Provider", sessionstore.MaxKeySize, func(r *sessionstore.Record) *string { return &r.Provider }, func(s *sessionstore.Selector) *string { return &s.Provider }},
	{"Owner", sessionstore.MaxKeySize, func(r *sessionstore.Record) *string { return &r.Owner }, func(s *sessionstore.Selector) *string { return &s.Owner }},
	{"Subject", sessionstore.MaxKeySize, func(r *sessionstore.Record) *string { return &r.Subject }, func(s *sessionstore.Selector) *string { return &s.Subject }},
	{"Issuer", sessionstore.MaxNameSize, func(r *sessionstore.Record) *string { return &r.Issuer }, func(s *sessionstore.Selector) *string { return &s.Issuer }},
	{"SID", sessionstore.MaxNameSize, func(r *sessionstore.Record) *string { return &r.SID }, func(s *sessionstore.Selector) *string { return &s.SID }},
	{"UserAgent", sessionstore.MaxNameSize, func(r *sessionstore.Record) *string { return &r.UserAgent }, nil},
}

// What one database cuts at a NUL and another refuses is refused by all, and leaves
// nothing behind: no other login, and none that is another's.
func checkUnfitRecords(t T, store sessionstore.Store) {
	for _, text := range texts {
		for what, s := range unfit(text.most) {
			rec := newRecord()
			*text.of(rec) = s
			require.Error(t, store.CreateLogin(t.Context(), rec), "%s with %s", text.name, what)
			by := sessionstore.Selector{Owner: rec.Owner}
			if text.name == "Owner" {
				by = sessionstore.Selector{ID: rec.ID}
			}
			requireSelects(t, store, by)
		}
	}
	rec := newRecord()
	rec.UserInfo = make([]byte, sessionstore.MaxSealedSize+1)
	require.Error(t, store.CreateLogin(t.Context(), rec), "a byte too many of UserInfo")
	requireSelects(t, store, sessionstore.Selector{ID: rec.ID})
}

func checkUnfitSelectors(t T, store sessionstore.Store) {
	rec := newRecord()
	require.NoError(t, store.CreateLogin(t.Context(), rec))
	for _, text := range texts {
		if text.in == nil {
			continue
		}
		for what, s := range unfit(text.most) {
			by := sessionstore.Selector{ID: rec.ID, Owner: rec.Owner, Issuer: rec.Issuer}
			*text.in(&by) = s
			_, err := store.Logins(t.Context(), by)
			require.Error(t, err, "Logins by %s with %s", text.name, what)
			_, err = store.EndLogins(t.Context(), by)
			require.Error(t, err, "EndLogins by %s with %s", text.name, what)
		}
	}
	for what, id := range unfit(sessionstore.MaxKeySize) {
		_, err := store.Login(t.Context(), id)
		require.ErrorIs(t, err, sessionstore.ErrNotFound, "an id with %s", what)
		err = store.TouchLogin(t.Context(), id, rec.LastSeen)
		require.ErrorIs(t, err, sessionstore.ErrNotFound, "an id with %s", what)
	}
	requireLogin(t, store, rec)
}

func checkBigBlobs(t T, store sessionstore.Store) {
	rec := newRecord()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	rec.IDToken = []byte(strings.Repeat(string(all), 256)) // 64 KiB
	rec.UserInfo = []byte(strings.Repeat("}"+string(all), 256))
	require.NoError(t, store.CreateLogin(t.Context(), rec))
	requireLogin(t, store, rec)
	ended, err := store.EndLogins(t.Context(), sessionstore.Selector{ID: rec.ID})
	require.NoError(t, err)
	require.Len(t, ended, 1)
	requireEqual(t, rec, ended[0])
}
