package tokengorm_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
	"gorm.io/gorm"

	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/tokenstore"
	"github.com/seed1a301047/signon/tokenstore/tokengorm"
)

// large returns a token of size bytes in each of its strings, of all kinds of characters.
func large(size int) (*oauth2.Token, tokenstore.Extra) {
	text := func(s string) string { return strings.Repeat(s, size/len(s)) + strings.Repeat("=", size%len(s)) }
	token := &oauth2.Token{
		AccessToken:  text("0123456789abcdef"),
		RefreshToken: text("👩‍💻 é e\u0301 ' \" \\ % _ ? $1 @p \n\t"),
		TokenType:    "Bearer",
	}
	return token, tokenstore.Extra{Version: 7, IDToken: text("ey.J"), Scope: text("items:read ")}
}

func requireWhole(t *testing.T, store *tokengorm.Store, want *oauth2.Token, extra tokenstore.Extra) {
	t.Helper()
	got, err := store.FetchToken(t.Context(), alice)
	require.NoError(t, err)
	require.True(t, tokenstore.Same(want, got), "the strings are whole")
	require.True(t, extra == tokenstore.ExtraOf(got), "the extra is whole")
}

// ST-06: nothing is cut, by a save or by an update.
func TestLargeTokens(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store := newStore(t, db)
		requireLargeTokens(t, store)
	})
}

func requireLargeTokens(t *testing.T, store *tokengorm.Store) {
	t.Helper()
	for _, size := range []int{255, 256, 65_535, 65_536, 200 << 10, 1<<20 - 2} {
		want, extra := large(size)
		require.NoError(t, store.SaveToken(t.Context(), alice, extra.Put(want)))
		requireWhole(t, store, want, extra)
		require.NoError(t, store.SaveToken(t.Context(), alice, token("old")))
		require.NoError(t, store.UpdateToken(t.Context(), alice, token("old"), extra.Put(want)))
		requireWhole(t, store, want, extra)
		require.NoError(t, store.UpdateToken(t.Context(), alice, want, extra.Put(want)), "all of it is compared")
	}
}

// ST-06: a MariaDB that cuts what is too long, with a warning for nobody.
func TestForgivingMariaDB(t *testing.T) {
	for _, option := range []string{"?sql_mode=''", "?sql_mode=''&charset=latin1", "?interpolateParams=true&sql_mode='NO_BACKSLASH_ESCAPES'", "?clientFoundRows=true"} {
		t.Run(option, func(t *testing.T) {
			store := newStore(t, dbtest.OpenDSN(t, dbtest.MariaDB, dbtest.DSN(t, dbtest.MariaDB)+option))
			requireLargeTokens(t, store)
			huge := token("huge")
			huge.AccessToken = strings.Repeat("x", 17<<20)
			require.Error(t, store.SaveToken(t.Context(), alice, huge))
			long := tokenstore.Key{Provider: "example", Owner: strings.Repeat("👩", 63) + "123"} // 255 bytes
			require.NoError(t, store.SaveToken(t.Context(), long, token("old")))
			_, err := store.FetchToken(t.Context(), tokenstore.Key{Provider: "example", Owner: strings.Repeat("👩", 63) + "124"})
			require.ErrorIs(t, err, tokenstore.ErrNotFound)
			require.ErrorIs(t, store.UpdateToken(t.Context(), long, token("other"), token("new")), tokenstore.ErrConflict)
			require.NoError(t, store.LeaseToken(t.Context(), long, token("old"), tokenstore.Lease{Holder: "a", TTL: time.Minute}))
			require.ErrorIs(t, store.LeaseToken(t.Context(), long, token("old"), tokenstore.Lease{Holder: "b", TTL: time.Minute}), tokenstore.ErrLeased)
		})
	}
}

// ST-06: what a database would not give back as it was is refused by all.
func TestRefusedTokens(t *testing.T) {
	store := newStore(t, dbtest.Open(t, dbtest.SQLite))
	require.NoError(t, store.SaveToken(t.Context(), alice, token("old")))
	for name, bad := range map[string]*oauth2.Token{
		"a NUL":        {AccessToken: "access\x00"},
		"no UTF-8":     {AccessToken: "access", RefreshToken: "\xff"},
		"NUL in scope": tokenstore.Extra{Scope: "a\x00b"}.Put(token("new")),
		"too long":     {AccessToken: strings.Repeat("x", 4<<20), RefreshToken: "y"},
		"no ID token":  tokenstore.Extra{IDToken: "\xc3"}.Put(token("new")),
		"no type":      {AccessToken: "access", TokenType: "\xff"},
	} {
		require.Error(t, store.SaveToken(t.Context(), alice, bad), name)
		require.Error(t, store.UpdateToken(t.Context(), alice, token("old"), bad), name)
		requireOld(t, store)
	}
}

// ST-07: two processes save for one user at once. There is one row, and it is whole.
func TestUpsertAtOnce(t *testing.T) {
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres, dbtest.MariaDB} {
		t.Run(kind, func(t *testing.T) {
			dsn := dbtest.DSN(t, kind)
			db := dbtest.OpenDSN(t, kind, dsn)
			stores := []*tokengorm.Store{newStore(t, db), newStore(t, dbtest.OpenDSN(t, kind, dsn))}
			for round := range 10 {
				key := tokenstore.Key{Provider: "example", Owner: fmt.Sprint("user ", round)}
				errs := make(chan error, 16)
				var start sync.WaitGroup
				start.Add(1)
				for i := range cap(errs) {
					go func() {
						start.Wait()
						errs <- stores[i%2].SaveToken(t.Context(), key, token(fmt.Sprint(i)))
					}()
				}
				start.Done()
				for range cap(errs) {
					require.NoError(t, <-errs)
				}
				var rows int64
				require.NoError(t, db.Table("signon_tokens").Where("owner = ?", key.Owner).Count(&rows).Error)
				require.EqualValues(t, 1, rows)
				got, err := stores[0].FetchToken(t.Context(), key)
				require.NoError(t, err)
				require.Equal(t, strings.TrimPrefix(got.AccessToken, "access "), strings.TrimPrefix(got.RefreshToken, "refresh "))
			}
		})
	}
}

// ST-02, RF-16: who has read a row updates it as long as nobody has written it since,
// even if the strings of the token are those that he knows.
func TestVersions(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store, ctx := newStore(t, db), t.Context()
		lease := tokenstore.Lease{Holder: "late", TTL: time.Minute}
		for name, between := range map[string]func() error{
			"a login with an equal token": func() error { return store.SaveToken(ctx, alice, token("old")) },
			"a logout and a login": func() error {
				require.NoError(t, store.DeleteToken(ctx, alice, nil))
				return store.SaveToken(ctx, alice, token("old"))
			},
			"a refresh to an equal token": func() error { return store.UpdateToken(ctx, alice, token("old"), token("old")) },
			"a hand in the database":      func() error { return db.Exec("UPDATE signon_tokens SET version = version - 1").Error },
		} {
			require.NoError(t, store.SaveToken(ctx, alice, token("old")))
			late, err := store.FetchToken(ctx, alice)
			require.NoError(t, err)
			require.NoError(t, between())
			require.ErrorIs(t, store.LeaseToken(ctx, alice, late, lease), tokenstore.ErrConflict, name)
			require.ErrorIs(t, store.UpdateToken(ctx, alice, late, token("new")), tokenstore.ErrConflict, name)
			require.ErrorIs(t, store.DeleteToken(ctx, alice, late), tokenstore.ErrConflict, name)
			requireOld(t, store)
		}
	})
}

// ST-02: a row that was given to another owner or provider is not the old owner's.
func TestMovedRow(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store := newStore(t, db)
		for _, column := range []string{"owner", "provider"} {
			require.NoError(t, store.SaveToken(t.Context(), alice, token("old")))
			read, err := store.FetchToken(t.Context(), alice)
			require.NoError(t, err)
			require.NoError(t, db.Exec("UPDATE signon_tokens SET "+column+" = 'mallory-"+column+"'").Error)
			require.ErrorIs(t, store.UpdateToken(t.Context(), alice, read, token("new")), tokenstore.ErrNotFound)
			require.ErrorIs(t, store.DeleteToken(t.Context(), alice, read), tokenstore.ErrNotFound)
		}
	})
}

// RF-16: another version after each write, but the one that a token brings.
func TestVersionOfEachWrite(t *testing.T) {
	store, ctx := newStore(t, dbtest.Open(t, dbtest.SQLite)), t.Context()
	seen := make(map[int64]bool)
	for range 50 {
		require.NoError(t, store.SaveToken(ctx, alice, token("old")))
		read, err := store.FetchToken(ctx, alice)
		require.NoError(t, err)
		require.NoError(t, store.UpdateToken(ctx, alice, read, read), "its own version, copied along")
		again, err := store.FetchToken(ctx, alice)
		require.NoError(t, err)
		for _, token := range []*oauth2.Token{read, again} {
			version := tokenstore.ExtraOf(token).Version
			require.Positive(t, version)
			require.False(t, seen[version])
			seen[version] = true
		}
		require.ErrorIs(t, store.UpdateToken(ctx, alice, read, token("new")), tokenstore.ErrConflict)
	}
	require.NoError(t, store.SaveToken(ctx, alice, tokenstore.Extra{Version: 42}.Put(token("old"))))
	read, err := store.FetchToken(ctx, alice)
	require.NoError(t, err)
	require.EqualValues(t, 42, tokenstore.ExtraOf(read).Version)
}

// RF-17: of users with equal tokens, whoever is meant is changed, and nobody else.
func TestEqualTokens(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, db *gorm.DB) {
		store, ctx := newStore(t, db), t.Context()
		keys := []tokenstore.Key{alice, {Provider: "example", Owner: "bob"}, {Provider: "other", Owner: "alice"}}
		for _, key := range keys {
			require.NoError(t, store.SaveToken(ctx, key, token("old")))
		}
		require.NoError(t, store.UpdateToken(ctx, keys[1], token("old"), token("new")))
		require.NoError(t, store.LeaseToken(ctx, keys[2], token("old"), tokenstore.Lease{Holder: "other", TTL: time.Minute}))
		requireOld(t, store)
		require.NoError(t, store.DeleteToken(ctx, keys[2], token("old")))
		requireOld(t, store)
		got, err := store.FetchToken(ctx, keys[1])
		require.NoError(t, err)
		require.True(t, tokenstore.Same(token("new"), got))
	})
}
