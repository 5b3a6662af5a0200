package tokengorm

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/internal/gormdb"
	"github.com/seed1a301047/signon/tokenstore"
)

var table = gormdb.Table{
	Name: "signon_tokens",
	Columns: []gormdb.Column{
		{Name: "provider", Type: gormdb.Key},
		{Name: "owner", Type: gormdb.Key},
		{Name: "version", Type: gormdb.Int},
		{Name: "access_token", Type: gormdb.Text},
		{Name: "refresh_token", Type: gormdb.Text},
		{Name: "id_token", Type: gormdb.Text},
		{Name: "token_type", Type: gormdb.Text},
		{Name: "expires_at", Type: gormdb.Int}, // of the access token; Go's zero time, -62135596800, where it does not expire
		{Name: "expires_in", Type: gormdb.Int},
		{Name: "scope", Type: gormdb.Text},
		{Name: "until", Type: gormdb.Int}, // 0: no end
		// A lease is free when lease_until is past. Before that it is lease_holder's, or a
		// pause where nobody holds it.
		{Name: "lease_holder", Type: gormdb.Key},
		{Name: "lease_until", Type: gormdb.Int}, // milliseconds, by the database's clock
		// Writes is one more after each UPDATE, so that none leaves a row as it was: such
		// a row MySQL does not count as changed, and it would seem that another was first.
		{Name: "writes", Type: gormdb.Int},
		{Name: "created_at", Type: gormdb.Int},
		{Name: "updated_at", Type: gormdb.Int},
	},
	Key:     []string{"provider", "owner"},
	Indexes: [][]string{{"until"}},
}

// maxToken bounds a token's strings together: they are to fit in one packet of MySQL.
const maxToken = 4 << 20

// A row is what is written of a token.
type row struct {
	token *oauth2.Token
	extra tokenstore.Extra
	now   int64
}

// newRow refuses what one of the databases would not give back as it was. A version that
// was used is one that the caller has copied along with what it has read.
func newRow(token *oauth2.Token, used int64) (*row, error) {
	if token == nil || token.AccessToken == "" {
		return nil, errNoToken
	}
	r := &row{token: token, extra: tokenstore.ExtraOf(token), now: time.Now().Unix()}
	size := 0
	for _, s := range []string{token.AccessToken, token.RefreshToken, r.extra.IDToken, token.TokenType, r.extra.Scope} {
		if size += len(s); !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			return nil, errors.New("tokengorm: the token is no UTF-8 or has a NUL")
		}
	}
	if size > maxToken {
		return nil, fmt.Errorf("tokengorm: the token is %d bytes long, want %d at most", size, maxToken)
	}
	if r.extra.Version == 0 || r.extra.Version == used {
		r.extra.Version = 1 + rand.Int64N(math.MaxInt64)
	}
	return r, nil
}

// values are those of the columns that say what the token is.
func (r *row) values() []any {
	return []any{
		r.extra.Version, r.token.AccessToken, r.token.RefreshToken, r.extra.IDToken, r.token.TokenType,
		r.token.Expiry.Unix(), r.token.ExpiresIn, r.extra.Scope, until(r.extra.Until),
	}
}

func until(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// values, read back.
type stored struct {
	token     oauth2.Token
	extra     tokenstore.Extra
	expiresAt int64
	until     int64
}

func (s *stored) fields() []any {
	return []any{
		&s.extra.Version, &s.token.AccessToken, &s.token.RefreshToken, &s.extra.IDToken, &s.token.TokenType,
		&s.expiresAt, &s.token.ExpiresIn, &s.extra.Scope, &s.until,
	}
}

func (s *stored) read() *oauth2.Token {
	s.token.Expiry = time.Unix(s.expiresAt, 0).UTC()
	if s.until != 0 {
		s.extra.Until = time.Unix(s.until, 0).UTC()
	}
	return s.extra.Put(&s.token)
}
