package tokengorm_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/internal/gormdb"
	"github.com/seed1a301047/signon/tokenstore"
	"github.com/seed1a301047/signon/tokenstore/tokengorm"
)

func TestNewRefuses(t *testing.T) {
	_, err := tokengorm.New(nil)
	require.ErrorContains(t, err, "tokengorm: ")
}

// ST-09: whoever forgot Migrate reads its name.
func TestNotMigrated(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store, err := tokengorm.New(db)
		require.NoError(t, err)
		require.ErrorIs(t, store.Check(t.Context()), gormdb.ErrSchema)
		require.ErrorContains(t, store.Check(t.Context()), "Migrate")
		for name, write := range writes(t.Context(), store) {
			require.ErrorContains(t, write(), "Migrate", name)
			requireNoSentinel(t, write())
		}
		_, err = store.FetchToken(t.Context(), alice)
		require.ErrorContains(t, err, "Migrate")
		_, err = store.DeleteExpired(t.Context())
		require.ErrorContains(t, err, "Migrate")
		for _, err := range store.Tokens(t.Context()) {
			require.ErrorContains(t, err, "Migrate")
		}
	})
}

// ST-09: an older table gets what it lacks, and its rows stay.
func TestMigrateOlder(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store := newStore(t, db)
		require.NoError(t, store.SaveToken(t.Context(), alice, token("old")))
		drop := "DROP INDEX signon_tokens_until"
		if db.Name() == "mysql" {
			drop += " ON signon_tokens"
		}
		require.NoError(t, db.Exec(drop).Error)
		for _, column := range []string{"id_token", "until", "lease_holder", "writes"} {
			require.NoError(t, db.Exec("ALTER TABLE signon_tokens DROP COLUMN "+column).Error)
		}
		older, err := tokengorm.New(db)
		require.NoError(t, err)
		require.ErrorContains(t, older.Check(t.Context()), "column id_token")
		_, err = older.FetchToken(t.Context(), alice)
		require.ErrorContains(t, err, "Migrate")

		require.NoError(t, older.Migrate(t.Context()))
		require.NoError(t, older.Check(t.Context()))
		requireOld(t, older)
		require.NoError(t, older.UpdateToken(t.Context(), alice, token("old"), token("new")))
		indexes, err := db.Migrator().GetIndexes("signon_tokens")
		require.NoError(t, err)
		var names []string
		for _, index := range indexes {
			names = append(names, index.Name())
		}
		require.Contains(t, names, "signon_tokens_until")
	})
}

// ST-06, ST-09: a table that is not ours is refused at start, by Check and by Migrate,
// and is left as it is.
func TestForeignTables(t *testing.T) {
	mysql := func(from, to string) map[string][2]string { return map[string][2]string{"mysql": {from, to}} }
	for _, tt := range []struct {
		name string
		edit map[string][2]string // by GORM's dialect: what of the schema, and what instead
		want string
	}{
		{"short tokens", map[string][2]string{
			"sqlite":   {"access_token TEXT", "access_token VARCHAR(200)"},
			"postgres": {"access_token text", "access_token varchar(200)"},
			"mysql":    {"access_token MEDIUMBLOB NOT NULL DEFAULT ('')", "access_token VARBINARY(200) NOT NULL DEFAULT ''"},
		}, "column access_token"},
		{"letter case of owners", map[string][2]string{
			"sqlite": {"owner TEXT", "owner TEXT COLLATE NOCASE"},
			"mysql":  {"owner VARBINARY(255)", "owner VARCHAR(255) COLLATE utf8mb4_general_ci"},
		}, "column owner"},
		{"letter case of tokens", map[string][2]string{
			"sqlite": {"refresh_token TEXT", "refresh_token TEXT COLLATE \"NOCASE\""},
			"mysql":  {"refresh_token MEDIUMBLOB NOT NULL DEFAULT ('')", "refresh_token MEDIUMTEXT NOT NULL DEFAULT ''"},
		}, "column refresh_token"},
		{"a collation that forgives", map[string][2]string{
			"postgres": {"refresh_token text", "refresh_token text COLLATE forgiving"},
		}, "column refresh_token"},
		{"owners of a language", map[string][2]string{
			"postgres": {`owner text COLLATE "C"`, "owner text"},
		}, "column owner"},
		{"BLOB of 64 KB", mysql("access_token MEDIUMBLOB", "access_token BLOB"), "column access_token"},
		{"32 bits of time", map[string][2]string{
			"postgres": {"expires_at bigint", "expires_at integer"},
			"mysql":    {"expires_at BIGINT", "expires_at INT"},
			"sqlite":   {"expires_at INTEGER", "expires_at DATETIME"},
		}, "column expires_at"},
		{"a NULL", map[string][2]string{
			"sqlite":   {"scope TEXT NOT NULL", "scope TEXT"},
			"postgres": {"scope text NOT NULL", "scope text"},
			"mysql":    {"scope MEDIUMBLOB NOT NULL", "scope MEDIUMBLOB"},
		}, "column scope"},
		{"an unknown column", map[string][2]string{
			"sqlite":   {"  scope", "  tenant TEXT NOT NULL DEFAULT '',\n  scope"},
			"postgres": {"  scope", "  tenant text NOT NULL DEFAULT '',\n  scope"},
			"mysql":    {"  scope", "  tenant VARBINARY(9) NOT NULL DEFAULT '',\n  scope"},
		}, "column tenant"},
		{"one row an owner", map[string][2]string{
			"sqlite":   {"(provider, owner)", "(owner)"},
			"postgres": {"(provider, owner)", "(owner)"},
			"mysql":    {"(provider, owner)", "(owner)"},
		}, "primary key"},
		{"no key", map[string][2]string{
			"sqlite":   {",\n  PRIMARY KEY (provider, owner)", ""},
			"postgres": {",\n  PRIMARY KEY (provider, owner)", ""},
			"mysql":    {",\n  PRIMARY KEY (provider, owner)", ""},
		}, "primary key"},
		{"a key of some bytes", mysql("(provider, owner)", "(provider, owner(8))"), "primary key"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
				edit, ok := tt.edit[db.Name()]
				if !ok { // this database has no such thing
					return
				}
				store, err := tokengorm.New(db)
				require.NoError(t, err)
				if db.Name() == "postgres" {
					require.NoError(t, db.Exec("CREATE COLLATION forgiving (provider = icu, locale = 'und-u-ks-level2', deterministic = false)").Error)
				}
				ours := store.Schema()[0]
				theirs := strings.Replace(ours, edit[0], edit[1], 1)
				require.NotEqual(t, ours, theirs)
				require.NoError(t, db.Exec(theirs).Error)
				for _, check := range []func(context.Context) error{store.Check, store.Migrate, store.Check} {
					err := check(t.Context())
					require.ErrorIs(t, err, gormdb.ErrSchema)
					require.ErrorContains(t, err, "signon_tokens")
					require.ErrorContains(t, err, tt.want)
				}
			})
		})
	}
}

// ST-09: another program's table of that name.
func TestForeignTable(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		require.NoError(t, db.Exec("CREATE TABLE signon_tokens (id INTEGER PRIMARY KEY, body VARCHAR(20))").Error)
		store, err := tokengorm.New(db)
		require.NoError(t, err)
		require.ErrorContains(t, store.Migrate(t.Context()), "column id")
		columns, err := db.Migrator().ColumnTypes("signon_tokens")
		require.NoError(t, err)
		require.Len(t, columns, 2, "nothing is added to it")
	})
}

// Schema is what Migrate does: a table made by it is right.
func TestSchema(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store, err := tokengorm.New(db)
		require.NoError(t, err)
		for _, statement := range store.Schema() {
			require.NoError(t, db.Exec(statement).Error)
		}
		require.NoError(t, store.Check(t.Context()))
		require.NoError(t, store.Migrate(t.Context()))
	})
}

// ST-09: many replicas start at once, on no table and on an older one.
func TestMigrateAtOnce(t *testing.T) {
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			dsn := dbtest.DSN(t, kind)
			for _, before := range []string{"", "ALTER TABLE signon_tokens DROP COLUMN id_token"} {
				if before != "" {
					require.NoError(t, dbtest.OpenDSN(t, kind, dsn).Exec(before).Error)
				}
				errs := make(chan error, 16)
				for range cap(errs) {
					store, err := tokengorm.New(dbtest.OpenDSN(t, kind, dsn))
					require.NoError(t, err)
					go func() { errs <- store.Migrate(t.Context()) }()
				}
				for range cap(errs) {
					require.NoError(t, <-errs)
				}
			}
		})
	}
}

// ST-05: what a caller says is no SQL, and no pattern.
func TestInjection(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store := newStore(t, db)
		require.NoError(t, store.SaveToken(t.Context(), alice, token("old")))
		for _, evil := range []string{
			`' OR '1'='1`, `' OR 1=1 --`, `'; DROP TABLE signon_tokens; --`, `" OR ""="`, `\' OR 1=1 #`, `%`, `_____`,
			`') ON CONFLICT DO NOTHING; --`, `?`, `$1`, `@owner`, "alice\n", `alice' /*`, `{{.}}`, `%s%d`,
		} {
			for _, key := range []tokenstore.Key{{Provider: evil, Owner: "alice"}, {Provider: "example", Owner: evil}, {Provider: evil, Owner: evil}} {
				_, err := store.FetchToken(t.Context(), key)
				require.ErrorIs(t, err, tokenstore.ErrNotFound)
				require.ErrorIs(t, store.UpdateToken(t.Context(), key, token("old"), token("new")), tokenstore.ErrNotFound)
				require.ErrorIs(t, store.DeleteToken(t.Context(), key, token("old")), tokenstore.ErrNotFound)
				require.NoError(t, store.DeleteToken(t.Context(), key, nil))
				require.NoError(t, store.SaveToken(t.Context(), key, token(evil)))
				require.NoError(t, store.LeaseToken(t.Context(), key, token(evil), tokenstore.Lease{Holder: evil, TTL: time.Minute}))
				require.ErrorIs(t, store.LeaseToken(t.Context(), key, token(evil), tokenstore.Lease{Holder: "other", TTL: time.Minute}), tokenstore.ErrLeased)
				require.ErrorIs(t, store.LeaseToken(t.Context(), alice, token(evil), tokenstore.Lease{Holder: evil, TTL: time.Minute}), tokenstore.ErrConflict)
				require.NoError(t, store.DeleteToken(t.Context(), key, token(evil)))
				requireOld(t, store)
			}
		}
	})
}
