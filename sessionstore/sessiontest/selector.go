package sessiontest

import (
	"fmt"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/sessionstore"
)

// family is six logins that differ from each other in little.
func family(t T, store sessionstore.Store) map[string]*sessionstore.Record {
	base := newRecord()
	recs := make(map[string]*sessionstore.Record)
	for name, change := range map[string]func(*sessionstore.Record){
		"laptop":          func(*sessionstore.Record) {},
		"phone":           func(r *sessionstore.Record) { r.SID += "-2" },
		"other provider":  func(r *sessionstore.Record) { r.Provider += "-2"; r.Issuer += "/2" }, // of equal sid and sub: LO-37
		"other user":      func(r *sessionstore.Record) { r.Owner += "-2"; r.Subject += "-2"; r.SID += "-3" },
		"plain OAuth":     func(r *sessionstore.Record) { r.Provider += "-3"; r.Issuer, r.SID = "", "" },
		"no sid, no user": func(r *sessionstore.Record) { r.Owner += "-4"; r.Subject, r.SID = "", "" },
	} {
		rec := base.Clone()
		rec.ID = newRecord().ID
		change(rec)
		require.NoError(t, store.CreateLogin(t.Context(), rec))
		recs[name] = rec
	}
	return recs
}

var selections = []struct {
	name string
	by   func(r *sessionstore.Record) sessionstore.Selector // of the laptop's record
	want []string
}{
	{"ID", func(r *sessionstore.Record) sessionstore.Selector {
		return sessionstore.Selector{ID: r.ID}
	}, []string{"laptop"}},
	{"ID of another provider", func(r *sessionstore.Record) sessionstore.Selector {
		return sessionstore.Selector{ID: r.ID, Provider: "another"}
	}, nil},
	{"ID of another owner", func(r *sessionstore.Record) sessionstore.Selector {
		return sessionstore.Selector{ID: r.ID, Owner: "another"}
	}, nil},
	{"Issuer and SID", func(r *sessionstore.Record) sessionstore.Selector { // LO-20
		return sessionstore.Selector{Issuer: r.Issuer, SID: r.SID}
	}, []string{"laptop"}},
	{"Issuer and Subject", func(r *sessionstore.Record) sessionstore.Selector { // LO-21
		return sessionstore.Selector{Issuer: r.Issuer, Subject: r.Subject}
	}, []string{"laptop", "phone"}},
	{"Issuer, Subject and SID", func(r *sessionstore.Record) sessionstore.Selector {
		return sessionstore.Selector{Issuer: r.Issuer, Subject: r.Subject, SID: r.SID}
	}, []string{"laptop"}},
	{"SID of another subject", func(r *sessionstore.Record) sessionstore.Selector {
		return sessionstore.Selector{Issuer: r.Issuer, Subject: r.Subject + "-2", SID: r.SID}
	}, nil},
	{"Owner", func(r *sessionstore.Record) sessionstore.Selector {
		return sessionstore.Selector{Owner: r.Owner}
	}, []string{"laptop", "phone", "other provider", "plain OAuth"}},
	{"Owner and Provider", func(r *sessionstore.Record) sessionstore.Selector {
		return sessionstore.Selector{Owner: r.Owner, Provider: r.Provider}
	}, []string{"laptop", "phone"}},
	{"Owner and Issuer", func(r *sessionstore.Record) sessionstore.Selector {
		return sessionstore.Selector{Owner: r.Owner, Issuer: r.Issuer}
	}, []string{"laptop", "phone"}},
	{"Owner and Subject", func(r *sessionstore.Record) sessionstore.Selector {
		return sessionstore.Selector{Owner: r.Owner, Subject: r.Subject}
	}, []string{"laptop", "phone", "other provider", "plain OAuth"}},
	{"nobody", func(r *sessionstore.Record) sessionstore.Selector {
		return sessionstore.Selector{Owner: r.Owner + "-9"}
	}, nil},
}

func checkSelect(t T, store sessionstore.Store) {
	recs := family(t, store)
	for _, s := range selections {
		var want []string
		for _, name := range s.want {
			want = append(want, recs[name].ID)
		}
		requireSelects(t, store, s.by(recs["laptop"]), want...)
	}
}

func checkEndsNoOther(t T, store sessionstore.Store) {
	for _, s := range selections {
		recs := family(t, store)
		ended, err := store.EndLogins(t.Context(), s.by(recs["laptop"]))
		require.NoError(t, err, s.name)
		var want []string
		for _, name := range s.want {
			rec := recs[name]
			want = append(want, rec.ID)
			_, err := store.Login(t.Context(), rec.ID)
			require.ErrorIs(t, err, sessionstore.ErrNotFound, "by %s: %s", s.name, name)
			delete(recs, name)
		}
		require.ElementsMatch(t, want, idsOf(ended), s.name)
		for _, rec := range recs {
			requireLogin(t, store, rec)
		}
	}
}

// LO-21: not the last login only, and none is forgotten when another has ended.
func checkAllOfSubject(t T, store sessionstore.Store) {
	base := newRecord()
	by := sessionstore.Selector{Issuer: base.Issuer, Subject: base.Subject}
	var ids []string
	for i := range 7 {
		rec := base.Clone()
		rec.ID, rec.SID = newRecord().ID, fmt.Sprint("sid-", i)
		require.NoError(t, store.CreateLogin(t.Context(), rec))
		ids = append(ids, rec.ID)
	}
	for _, i := range []int{0, 5, 2} { // the oldest, the newest, one between
		ended, err := store.EndLogins(t.Context(), sessionstore.Selector{ID: ids[i]})
		require.NoError(t, err)
		require.Equal(t, []string{ids[i]}, idsOf(ended))
		ids = append(ids[:i], ids[i+1:]...)
		requireSelects(t, store, by, ids...)
		require.NoError(t, store.TouchLogin(t.Context(), ids[0], time.Now().Add(time.Minute)))
		requireSelects(t, store, by, ids...)
	}
	ended, err := store.EndLogins(t.Context(), by)
	require.NoError(t, err)
	require.ElementsMatch(t, ids, idsOf(ended))
	requireSelects(t, store, by)
}

func checkNewestFirst(t T, store sessionstore.Store) {
	base := newRecord()
	by := sessionstore.Selector{Owner: base.Owner}
	ids := make([]string, 5)
	for _, age := range []int{3, 0, 4, 1, 2} {
		rec := base.Clone()
		rec.ID = newRecord().ID
		rec.CreatedAt = base.CreatedAt.Add(-time.Duration(age) * time.Minute).In(time.FixedZone("", age*3600))
		require.NoError(t, store.CreateLogin(t.Context(), rec))
		ids[age] = rec.ID
	}
	got, err := store.Logins(t.Context(), by)
	require.NoError(t, err)
	require.Equal(t, ids, idsOf(got), "Logins")
	got, err = store.EndLogins(t.Context(), by)
	require.NoError(t, err)
	require.Equal(t, ids, idsOf(got), "EndLogins")
}

func checkCarelessSelectors(t T, store sessionstore.Store) {
	rec := newRecord()
	require.NoError(t, store.CreateLogin(t.Context(), rec))
	for _, by := range []sessionstore.Selector{
		{},
		{Provider: rec.Provider},
		{Issuer: rec.Issuer},
		{Subject: rec.Subject},
		{SID: rec.SID},
		{Subject: rec.Subject, SID: rec.SID},
		{Provider: rec.Provider, Subject: rec.Subject},
		{Provider: rec.Provider, Issuer: rec.Issuer},
	} {
		_, err := store.Logins(t.Context(), by)
		require.Error(t, err, "Logins by %+v", by)
		_, err = store.EndLogins(t.Context(), by)
		require.Error(t, err, "EndLogins by %+v", by)
	}
	requireLogin(t, store, rec)
}

// checkStringsApart creates logins whose strings a careless store takes for one
// another, and finds each by each of them.
func checkStringsApart(t T, store sessionstore.Store) {
	p := newRecord().ID
	var recs []*sessionstore.Record
	for _, s := range oddStrings(p) {
		rec := newRecord()
		rec.ID, rec.Owner, rec.Issuer, rec.Subject, rec.SID = s, s, s, s, s
		require.NoError(t, store.CreateLogin(t.Context(), rec), "%q", s)
		recs = append(recs, rec)
	}
	for _, rec := range recs {
		requireLogin(t, store, rec)
		requireSelects(t, store, sessionstore.Selector{ID: rec.ID}, rec.ID)
		requireSelects(t, store, sessionstore.Selector{Owner: rec.Owner}, rec.ID)
		requireSelects(t, store, sessionstore.Selector{Issuer: rec.Issuer, Subject: rec.Subject}, rec.ID)
		requireSelects(t, store, sessionstore.Selector{Issuer: rec.Issuer, SID: rec.SID}, rec.ID)
	}
	for _, rec := range recs {
		ended, err := store.EndLogins(t.Context(), sessionstore.Selector{Owner: rec.Owner})
		require.NoError(t, err)
		require.Equal(t, []string{rec.ID}, idsOf(ended))
	}
}

// oddStrings are at most 255 bytes, begin with p and differ from each other.
func oddStrings(p string) []string {
	long := p + strings.Repeat("a", 254-len(p))
	return []string{
		p, strings.ToLower(p), p + " ", p + "x", p + "X",
		p + "é", p + "e\u0301", // the same to the eye
		p + "👩‍💻", p + "👩",
		long + "1", long + "2",
		p + "%", p + "_", p + `\`, p + "'", p + `' OR '1'='1`, p + `"; DROP TABLE logins; --`, // ST-05
		p + "\n", p + "/", p + "|", p + "\t", p + "  ", p + "\u00a0", p + "\x01",
		p + "ß", p + "ss", p + "ẞ", p + "ſ", p + "s", // one letter to some collations
		p + "\U0001F98A", p + "\U0001F98B", // one character to those of three bytes
	}
}
