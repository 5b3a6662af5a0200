package sessionstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/sessionstore"
)

// What every store refuses; sessiontest asks each for it. The error names the field and not
// what is in it, for it goes to a log.
func TestRecordCheck(t *testing.T) {
	for _, tt := range []struct {
		field string
		spoil func(r *sessionstore.Record)
	}{
		{"ID", func(r *sessionstore.Record) { r.ID = "alice\x00" }},
		{"Provider", func(r *sessionstore.Record) { r.Provider = "alice\xff" }},
		{"Owner", func(r *sessionstore.Record) { r.Owner = strings.Repeat("alice", 52) }},
		{"Subject", func(r *sessionstore.Record) { r.Subject = "\x00alice" }},
		{"Issuer", func(r *sessionstore.Record) { r.Issuer = strings.Repeat("alice", 205) }},
		{"SID", func(r *sessionstore.Record) { r.SID = strings.Repeat("alice", 205) }},
		{"UserAgent", func(r *sessionstore.Record) { r.UserAgent = "alice\xf0\x9f" }},
	} {
		rec := record("id")
		require.NoError(t, rec.Check())
		tt.spoil(rec)
		err := rec.Check()
		require.ErrorContains(t, err, "the "+tt.field+" ")
		require.NotContains(t, err.Error(), "alice", tt.field)
		if tt.field != "UserAgent" {
			by := sessionstore.Selector{ID: rec.ID, Provider: rec.Provider, Owner: rec.Owner, Issuer: rec.Issuer, Subject: rec.Subject, SID: rec.SID}
			require.ErrorContains(t, by.Check(), "the "+tt.field+" ")
		}
	}
}

func TestCheckClaim(t *testing.T) {
	for key, fit := range map[string]bool{
		"state": true, strings.Repeat("x", 255): true, "\U0001F98A": true,
		"": false, "a\x00": false, "\xff": false, strings.Repeat("x", 256): false,
	} {
		require.Equal(t, fit, sessionstore.CheckClaim(key) == nil, "%q", key)
		require.Equal(t, fit, new(sessionstore.Memory).Claim(t.Context(), key, time.Now().Add(time.Hour)) == nil, "%q", key)
	}
}
