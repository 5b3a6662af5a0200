package sessiongorm

import (
	"database/sql"
	"slices"

	"github.com/seed1a301047/signon/internal/gormdb"
	"github.com/seed1a301047/signon/sessionstore"
)

// selectRecords reads what a recordRow takes.
const selectRecords = "SELECT id, provider, owner, issuer, subject, sid, id_token, userinfo, user_agent, created_at, last_seen, expires_at" +
	" FROM signon_logins WHERE "

// newestFirst has the id in it so that equal times come in one order always.
const newestFirst = " ORDER BY created_at DESC, id"

// whereOf is the condition for what by selects, of the columns that are given, and its
// parameters. The narrowest index is the database's to choose.
func whereOf(by sessionstore.Selector) (where string, args gormdb.Args) {
	for _, c := range []struct{ column, value string }{
		{"id", by.ID},
		{"issuer", by.Issuer},
		{"sid", by.SID},
		{"subject", by.Subject},
		{"owner", by.Owner},
		{"provider", by.Provider},
	} {
		if c.value == "" {
			continue
		}
		if where != "" {
			where += " AND "
		}
		where += c.column + " = ?"
		args = append(args, c.value)
	}
	return where, args
}

func join(args ...gormdb.Args) gormdb.Args { return slices.Concat(args...) }

// A recordRow is a record as it is stored: its times are numbers.
type recordRow struct {
	rec                        sessionstore.Record
	created, lastSeen, expires int64
}

// columns are where the columns of selectRecords go.
func (r *recordRow) columns() []any {
	return []any{
		&r.rec.ID, &r.rec.Provider, &r.rec.Owner, &r.rec.Issuer, &r.rec.Subject, &r.rec.SID,
		&r.rec.IDToken, &r.rec.UserInfo, &r.rec.UserAgent,
		&r.created, &r.lastSeen, &r.expires,
	}
}

func (r *recordRow) record() *sessionstore.Record {
	r.rec.CreatedAt, r.rec.LastSeen, r.rec.ExpiresAt = timeOf(r.created), timeOf(r.lastSeen), timeOf(r.expires)
	return &r.rec
}

func scanRecord(rows *sql.Rows) (*sessionstore.Record, error) {
	var row recordRow
	if err := rows.Scan(row.columns()...); err != nil {
		return nil, err
	}
	return row.record(), nil
}
