package tokengorm

import (
	"context"
	"database/sql"
	"iter"
	"math"
	"time"

	"github.com/seed1a301047/signon/internal/gormdb"
	"github.com/seed1a301047/signon/tokenstore"
)

const (
	walkBatch   = 100
	deleteBatch = 500
)

// Tokens yields all tokens, as [tokenstore.Lister] says, in the order of their keys. It
// reads a hundred at a time.
func (s *Store) Tokens(ctx context.Context) iter.Seq2[tokenstore.Entry, error] {
	return func(yield func(tokenstore.Entry, error) bool) {
		var last tokenstore.Key // before all keys, as no part of one is empty
		for {
			entries, err := s.after(ctx, last)
			if err != nil {
				yield(tokenstore.Entry{}, wrap("walk", err))
				return
			}
			if len(entries) == 0 {
				return
			}
			for _, e := range entries {
				if err := ctx.Err(); err != nil {
					yield(tokenstore.Entry{}, err)
					return
				}
				if !yield(e, nil) {
					return
				}
			}
			last = entries[len(entries)-1].Key
		}
	}
}

// after returns the first entries behind a key: of its provider, or else of the next
// ones. Two queries, as not every database finds (provider, owner) > (?, ?) by the
// index.
func (s *Store) after(ctx context.Context, key tokenstore.Key) ([]tokenstore.Entry, error) {
	entries, err := gormdb.Query(ctx, s.on(), s.sql.sameProvider, gormdb.Args{key.Provider, key.Owner, walkBatch}, scanEntry)
	if err != nil || len(entries) > 0 {
		return entries, err
	}
	return gormdb.Query(ctx, s.on(), s.sql.nextProviders, gormdb.Args{key.Provider, walkBatch}, scanEntry)
}

func scanEntry(rows *sql.Rows) (e tokenstore.Entry, err error) {
	var found stored
	if err := rows.Scan(append([]any{&e.Key.Provider, &e.Key.Owner}, found.fields()...)...); err != nil {
		return e, err
	}
	e.Token = found.read()
	return e, nil
}

// tolerance is by how much the clocks of processes may differ.
const tolerance = time.Minute

// DeleteExpired deletes the tokens of logins that are over, by the Until of their
// [tokenstore.Extra] and this process's clock, less a minute for the others' clocks, and
// returns how many: call it now and then, in one process or in all. It deletes 500 in one statement, so that nobody waits
// long, until there is none left.
func (s *Store) DeleteExpired(ctx context.Context) (int64, error) {
	var deleted int64
	for _, past := range [][2]int64{{math.MinInt64, -1}, {1, time.Now().Add(-tolerance).Unix()}} { // 0 is no end
		for {
			n, err := s.on().Exec(ctx, s.sql.expired, past[0], past[1], deleteBatch)
			if err != nil {
				return deleted, wrap("delete expired", err)
			}
			if deleted += n; n == 0 {
				break
			}
		}
	}
	return deleted, nil
}
