package sessiongorm

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/seed1a301047/signon/sessionstore"
)

// Claim takes key until then; see [sessionstore.Store]. The database decides, by one
// statement: to insert a row that is not there, or to change one that has expired, which
// is then no longer so for whoever waits behind. AR-06, ST-12
func (s *Store) Claim(ctx context.Context, key string, until time.Time) error {
	if err := sessionstore.CheckClaim(key); err != nil {
		return err
	}
	db, hashed, expires, by := s.within(), hash(key), millis(until), rand.Int64()
	took, err := db.Exec(ctx, s.sql.claim, hashed, expires, by)
	if err != nil || took == 1 {
		return wrap("claim", err)
	}
	took, err = db.Exec(ctx, "UPDATE signon_claims SET expires_at = ?, claimed_by = ? WHERE key_hash = ? AND expires_at <= ?",
		expires, by, hashed, millis(time.Now()))
	if err != nil || took == 1 {
		return wrap("claim", err)
	}
	// Again, for DeleteExpired may have come between.
	took, err = db.Exec(ctx, s.sql.claim, hashed, expires, by)
	if err != nil || took == 1 {
		return wrap("claim", err)
	}
	return sessionstore.ErrClaimed
}
