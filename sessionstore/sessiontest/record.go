package sessiontest

import (
	"crypto/rand"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/sessionstore"
)

// newRecord returns a record that shares nothing with any other.
func newRecord() *sessionstore.Record {
	now := time.Now().Truncate(time.Millisecond)
	return &sessionstore.Record{
		ID:        "login-" + rand.Text(),
		Provider:  "provider-" + rand.Text(),
		Owner:     "owner-" + rand.Text(),
		Issuer:    "https://issuer.example/" + rand.Text(),
		Subject:   "subject-" + rand.Text(),
		SID:       "sid-" + rand.Text(),
		IDToken:   []byte("\x00\x01\xFF sealed ID token " + rand.Text()),
		UserInfo:  []byte("\xFE\x00 sealed userinfo " + rand.Text()),
		UserAgent: "Mozilla/5.0 (\U0001F98A; ' OR '1'='1) Browser/1.0",
		CreatedAt: now.Add(-time.Minute),
		LastSeen:  now,
		ExpiresAt: now.Add(8 * time.Hour),
	}
}

func requireLogin(t T, store sessionstore.Store, want *sessionstore.Record) {
	t.Helper()
	got, err := store.Login(t.Context(), want.ID)
	require.NoError(t, err, "Login %q", want.ID)
	requireEqual(t, want, got)
}

func requireEqual(t T, want, got *sessionstore.Record) {
	t.Helper()
	require.NotNil(t, got)
	a, b := want.Clone(), got.Clone()
	for _, times := range []struct {
		name string
		a, b *time.Time
	}{
		{"CreatedAt", &a.CreatedAt, &b.CreatedAt},
		{"LastSeen", &a.LastSeen, &b.LastSeen},
		{"ExpiresAt", &a.ExpiresAt, &b.ExpiresAt},
	} {
		require.WithinDuration(t, *times.a, *times.b, time.Millisecond, times.name)
		require.Equal(t, times.a.IsZero(), times.b.IsZero(), times.name)
		*times.a, *times.b = time.Time{}, time.Time{}
	}
	require.Equal(t, string(a.IDToken), string(b.IDToken), "IDToken")
	require.Equal(t, string(a.UserInfo), string(b.UserInfo), "UserInfo")
	a.IDToken, b.IDToken, a.UserInfo, b.UserInfo = nil, nil, nil, nil // nil or empty is one
	require.Equal(t, a, b)
}

// requireEnded fails if rec is to be found in any way.
func requireEnded(t T, store sessionstore.Store, rec *sessionstore.Record) {
	t.Helper()
	_, err := store.Login(t.Context(), rec.ID)
	require.ErrorIs(t, err, sessionstore.ErrNotFound)
	for _, by := range []sessionstore.Selector{
		{ID: rec.ID},
		{Owner: rec.Owner},
		{Issuer: rec.Issuer, Subject: rec.Subject},
		{Issuer: rec.Issuer, SID: rec.SID},
	} {
		requireSelects(t, store, by)
	}
}

// requireSelects fails if by does not select the logins of these ids, in any order.
func requireSelects(t T, store sessionstore.Store, by sessionstore.Selector, ids ...string) {
	t.Helper()
	got, err := store.Logins(t.Context(), by)
	require.NoError(t, err, "Logins by %+v", by)
	require.ElementsMatch(t, ids, idsOf(got), "Logins by %+v", by)
}

func idsOf(recs []*sessionstore.Record) []string {
	ids := make([]string, len(recs))
	for i, rec := range recs {
		ids[i] = rec.ID
	}
	return ids
}
