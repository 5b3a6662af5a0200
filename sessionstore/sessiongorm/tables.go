package sessiongorm

import (
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/seed1a301047/signon/internal/gormdb"
)

// Names of tables and columns are constants; whatever comes from outside is a parameter.
// ST-05

func tables() []gormdb.Table {
	return []gormdb.Table{loginTable(), claimTable(), sessionTable()}
}

// loginTable: readers ignore a row that has an ended_by, for somebody is about to delete
// it. gone_at is when a row may be deleted: when it expires, or soon after it has ended.
func loginTable() gormdb.Table {
	return gormdb.Table{
		Name: "signon_logins",
		Columns: []gormdb.Column{
			{Name: "id", Type: gormdb.Key},
			{Name: "provider", Type: gormdb.Key},
			{Name: "owner", Type: gormdb.Key},
			{Name: "issuer", Type: gormdb.Name},
			{Name: "subject", Type: gormdb.Key},
			{Name: "sid", Type: gormdb.Name},
			{Name: "id_token", Type: gormdb.Bytes},
			{Name: "userinfo", Type: gormdb.Bytes},
			{Name: "user_agent", Type: gormdb.Text},
			{Name: "created_at", Type: gormdb.Int},
			{Name: "last_seen", Type: gormdb.Int},
			{Name: "expires_at", Type: gormdb.Int},
			{Name: "gone_at", Type: gormdb.Int},
			{Name: "ended_by", Type: gormdb.Key},
		},
		Key:     []string{"id"},
		Indexes: [][]string{{"issuer", "sid"}, {"issuer", "subject"}, {"owner"}, {"gone_at"}},
	}
}

// claimTable: claimed_by is another number each time, so that MySQL, which does not count
// a row that it leaves as it was, counts each claim.
func claimTable() gormdb.Table {
	return gormdb.Table{
		Name: "signon_claims",
		Columns: []gormdb.Column{
			{Name: "key_hash", Type: gormdb.Key},
			{Name: "expires_at", Type: gormdb.Int},
			{Name: "claimed_by", Type: gormdb.Int},
		},
		Key:     []string{"key_hash"},
		Indexes: [][]string{{"expires_at"}},
	}
}

func sessionTable() gormdb.Table {
	return gormdb.Table{
		Name: "signon_sessions",
		Columns: []gormdb.Column{
			{Name: "token_hash", Type: gormdb.Key},
			{Name: "data", Type: gormdb.Bytes},
			{Name: "expires_at", Type: gormdb.Int},
		},
		Key:     []string{"token_hash"},
		Indexes: [][]string{{"expires_at"}},
	}
}

// statements are those that differ between databases.
type statements struct{ createLogin, claim, commit string }

func statementsOf(db *gormdb.DB) statements {
	return statements{
		createLogin: db.InsertNew(loginTable()),
		claim:       db.InsertNew(claimTable()),
		commit:      db.Upsert(sessionTable()),
	}
}

// hash is what a session's token or a claim's key is stored as.
func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// latest is the end of the year 9999: later is as good as never, and must not wrap
// around.
const latest = 253402300799999

// millis is how a time is stored. The zero time is one like any other: it comes back.
func millis(t time.Time) int64 {
	switch {
	case t.Year() > 9999:
		return latest
	case t.Year() < 1:
		return time.Time{}.UnixMilli()
	}
	return t.UnixMilli()
}

func timeOf(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

// bytesOf is b, but never nil: no column is NULL.
func bytesOf(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
