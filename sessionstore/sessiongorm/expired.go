package sessiongorm

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"github.com/seed1a301047/signon/internal/gormdb"
)

const (
	// batch is how many rows DeleteExpired deletes at once: others wait for the locks of
	// so many at most. With more, MariaDB would rather go through a whole small table,
	// and lock it.
	batch = 100
	// tolerance is how far the clocks of replicas may be apart: what has expired by the
	// fastest may still be in use by the slowest. ST-11
	tolerance = time.Minute
)

// DeleteExpired deletes the logins, claims and sessions that expired more than a minute
// ago by this process's clock, and the logins that somebody ended who died before having
// deleted them. It returns how many rows it has deleted, also with an error.
//
// It deletes 100 at a time, each found by an index, and stops when ctx is done. Any
// number of processes may call it at once, while the rows are in use.
func (s *Store) DeleteExpired(ctx context.Context) (int64, error) {
	before := millis(time.Now().Add(-tolerance))
	var deleted int64
	for _, t := range []struct{ table, key, gone string }{
		{"signon_logins", "id", "gone_at"},
		{"signon_claims", "key_hash", "expires_at"},
		{"signon_sessions", "token_hash", "expires_at"},
	} {
		sweep := sweep{
			db:     s.within(),
			find:   "SELECT " + t.key + " FROM " + t.table + " WHERE " + t.gone + " < ? ORDER BY " + t.gone + " LIMIT ?",
			delete: "DELETE FROM " + t.table + " WHERE " + t.key + " IN (?" + strings.Repeat(", ?", batch-1) + ") AND " + t.gone + " < ?",
		}
		n, err := sweep.run(ctx, before)
		deleted += n
		if err != nil {
			return deleted, wrap("delete what has expired", err)
		}
	}
	return deleted, nil
}

// A sweep deletes by the primary key what it has found before: not every database
// deletes a bounded number of rows in one statement. What has been prolonged or taken
// anew meanwhile stays.
type sweep struct {
	db           *gormdb.DB
	find, delete string
}

func (s *sweep) run(ctx context.Context, before int64) (deleted int64, err error) {
	for {
		keys, err := gormdb.Query(ctx, s.db, s.find, gormdb.Args{before, batch}, func(rows *sql.Rows) (key string, err error) {
			return key, rows.Scan(&key)
		})
		if err != nil || len(keys) == 0 {
			return deleted, err
		}
		args := make(gormdb.Args, batch+1)
		for i := range batch { // always as many, so that it is one statement
			args[i] = keys[min(i, len(keys)-1)]
		}
		args[batch] = before
		n, err := s.db.Exec(ctx, s.delete, args...)
		deleted += n
		if err != nil || len(keys) < batch {
			return deleted, err
		}
	}
}
