package tokengorm

import (
	"strings"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/internal/gormdb"
	"github.com/seed1a301047/signon/tokenstore"
)

// statements are all there are: what they are about is in their parameters. ST-05
type statements struct {
	fetch, save, update, remove string
	lease, leaseFree            string // between them comes whose
	found                       string
	sameProvider, nextProviders string // of a walk
	expired                     string
}

const (
	tokenColumns = "version, access_token, refresh_token, id_token, token_type, expires_at, expires_in, scope, until"
	byKey        = " WHERE provider = ? AND owner = ?"
	bySame       = byKey + " AND access_token = ? AND refresh_token = ?"
	byVersion    = " AND version = ?"
)

func newStatements(db *gormdb.DB) statements {
	from := " FROM " + table.Name
	sets := strings.ReplaceAll(tokenColumns, ",", " = ?,") + " = ?"
	walk := "SELECT provider, owner, " + tokenColumns + from + " WHERE "
	return statements{
		fetch:         "SELECT " + tokenColumns + from + byKey,
		save:          db.Upsert(table, "created_at"),
		update:        "UPDATE " + table.Name + " SET " + sets + ", lease_holder = '', lease_until = 0, writes = writes + 1, updated_at = ?",
		remove:        "DELETE" + from,
		lease:         "UPDATE " + table.Name + " SET lease_holder = ?, lease_until = " + db.Now() + " + ?, writes = writes + 1",
		leaseFree:     " AND (lease_until <= " + db.Now() + " OR lease_until > " + db.Now() + " + 300000 OR lease_holder = ?)",
		found:         "SELECT version, access_token, refresh_token, lease_holder, lease_until > " + db.Now() + from + byKey,
		sameProvider:  walk + "provider = ? AND owner > ? ORDER BY owner LIMIT ?",
		nextProviders: walk + "provider > ? ORDER BY provider, owner LIMIT ?",
		expired:       db.DeleteSome(table, "until BETWEEN ? AND ?"),
	}
}

// same is the condition that a row is still old, and its parameters.
func same(key tokenstore.Key, old *oauth2.Token) (string, gormdb.Args) {
	args := gormdb.Args{key.Provider, key.Owner, old.AccessToken, old.RefreshToken}
	if version := tokenstore.ExtraOf(old).Version; version != 0 {
		return bySame + byVersion, append(args, version)
	}
	return bySame, args
}
