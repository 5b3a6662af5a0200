package sessiongorm_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/sessionstore/sessiongorm"
)

// ST-09: an older schema is brought up to date, and what was in it stays.
func TestMigrateOlderSchema(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store, rec := open(t, db), record()
		require.NoError(t, store.CreateLogin(t.Context(), rec))
		exec(t, db, "ALTER TABLE signon_logins DROP COLUMN user_agent")
		require.ErrorContains(t, store.Check(t.Context()), "user_agent")

		require.NoError(t, store.Migrate(t.Context()))
		require.NoError(t, store.Check(t.Context()))
		require.NoError(t, store.Migrate(t.Context()), "twice")
		got, err := store.Login(t.Context(), rec.ID)
		require.NoError(t, err)
		rec.UserAgent = ""
		require.Equal(t, rec, got)
	})
}

func TestForeignSchema(t *testing.T) {
	for _, tt := range []struct {
		name, statement, says string
	}{
		{"a column of somebody's", "ALTER TABLE signon_logins ADD COLUMN tenant int", "tenant"},
		{"a table of somebody's", "CREATE TABLE signon_claims (id varchar(200) PRIMARY KEY)", "signon_claims"},
		{"a column that cuts", "CREATE TABLE signon_sessions (token_hash varchar(40) NOT NULL PRIMARY KEY, data varchar(200) NOT NULL DEFAULT '', expires_at bigint NOT NULL DEFAULT 0)", "signon_sessions"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
				store, err := sessiongorm.New(db)
				require.NoError(t, err)
				if tt.says == "tenant" {
					require.NoError(t, store.Migrate(t.Context()))
				}
				exec(t, db, tt.statement)
				require.ErrorContains(t, store.Migrate(t.Context()), tt.says)
				require.ErrorContains(t, store.Check(t.Context()), "signon_")
			})
		})
	}
}

// Schema is for another tool, and Check is content with what it makes of it.
func TestSchema(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store, err := sessiongorm.New(db)
		require.NoError(t, err)
		require.Error(t, store.Check(t.Context()))
		exec(t, db, store.Schema()...)
		require.NoError(t, store.Check(t.Context()))
		require.NoError(t, store.CreateLogin(t.Context(), record()))
	})
}
