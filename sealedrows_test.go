package signon_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/signontest"
	"github.com/seed1a301047/signon/tokenstore"
)

// altered is row with its extras changed.
func altered(row *oauth2.Token, change func(*tokenstore.Extra)) *oauth2.Token {
	extra := tokenstore.ExtraOf(row)
	change(&extra)
	return extra.Put(row)
}

// withIDToken is row with another ID token.
func withIDToken(row *oauth2.Token, idToken string) *oauth2.Token {
	return altered(row, func(e *tokenstore.Extra) { e.IDToken = idToken })
}

// A move is what somebody does who can write to the store: at says where the row goes
// that make makes of alice's, of her former one, and of bob's.
type move struct {
	name string
	at   tokenstore.Key
	make func(alice, former, bob *oauth2.Token) *oauth2.Token
}

// requireMovedAbsent: nothing of what was moved opens, it is logged, and the owner can
// sign in again.
func requireMovedAbsent(t *testing.T, moves ...move) {
	for _, m := range moves {
		t.Run(m.name, func(t *testing.T) {
			store, log := &rowStore{}, &logBuffer{}
			_, v := sealing(t, store, log, keyring(1))
			require.NoError(t, v.SaveToken(t.Context(), alicesKey, grown("alice")))
			former := store.row(t, alicesKey)
			require.NoError(t, v.SaveToken(t.Context(), alicesKey, grown("alice")))
			require.NoError(t, v.SaveToken(t.Context(), bobsKey, grown("bob")))
			store.put(t, m.at, m.make(store.row(t, alicesKey), former, store.row(t, bobsKey)))
			requireAbsent(t, v, log, m.at, movedOrChanged)
		})
	}
}

// ST-01: from one user or provider to another.
func TestMovedRowsDoNotOpen(t *testing.T) {
	elsewhere := tokenstore.Key{Provider: "other", Owner: "alice"}
	joined := tokenstore.Key{Provider: "opal", Owner: "ice"} // the same letters, cut elsewhere
	requireMovedAbsent(t, []move{
		{"to another user", bobsKey, func(alice, _, _ *oauth2.Token) *oauth2.Token { return alice }},
		{"from another user", alicesKey, func(_, _, bob *oauth2.Token) *oauth2.Token { return bob }},
		{"to another provider", elsewhere, func(alice, _, _ *oauth2.Token) *oauth2.Token { return alice }},
		{"to where the letters are the same", joined, func(alice, _, _ *oauth2.Token) *oauth2.Token { return alice }},
		{"another user's access token", alicesKey, func(alice, _, bob *oauth2.Token) *oauth2.Token {
			alice.AccessToken = bob.AccessToken
			return alice
		}},
		{"another user's refresh token", alicesKey, func(alice, _, bob *oauth2.Token) *oauth2.Token {
			alice.RefreshToken = bob.RefreshToken
			return alice
		}},
		{"another user's ID token", alicesKey, func(alice, _, bob *oauth2.Token) *oauth2.Token {
			return withIDToken(alice, tokenstore.ExtraOf(bob).IDToken)
		}},
		{"another user's three, with their version", alicesKey, func(alice, _, bob *oauth2.Token) *oauth2.Token {
			alice.AccessToken, alice.RefreshToken = bob.AccessToken, bob.RefreshToken
			return tokenstore.ExtraOf(bob).Put(alice)
		}},
	}...)
}

// ST-01, ST-03: from one column of a user's row to another, and from a former version.
func TestMovedColumnsDoNotOpen(t *testing.T) {
	requireMovedAbsent(t, []move{
		{"columns: refresh token as access token", alicesKey, func(alice, _, _ *oauth2.Token) *oauth2.Token {
			alice.AccessToken, alice.RefreshToken = alice.RefreshToken, alice.AccessToken
			return alice
		}},
		{"columns: access token twice", alicesKey, func(alice, _, _ *oauth2.Token) *oauth2.Token {
			alice.RefreshToken = alice.AccessToken
			return alice
		}},
		{"columns: refresh token as ID token", alicesKey, func(alice, _, _ *oauth2.Token) *oauth2.Token {
			return withIDToken(alice, alice.RefreshToken)
		}},
		{"columns: ID token as access token", alicesKey, func(alice, _, _ *oauth2.Token) *oauth2.Token {
			alice.AccessToken = tokenstore.ExtraOf(alice).IDToken
			return alice
		}},
		{"version: the former access token", alicesKey, func(alice, former, _ *oauth2.Token) *oauth2.Token {
			alice.AccessToken = former.AccessToken
			return alice
		}},
		{"version: the former refresh token", alicesKey, func(alice, former, _ *oauth2.Token) *oauth2.Token {
			alice.RefreshToken = former.RefreshToken
			return alice
		}},
		{"version: the former ID token", alicesKey, func(alice, former, _ *oauth2.Token) *oauth2.Token {
			return withIDToken(alice, tokenstore.ExtraOf(former).IDToken)
		}},
		{"version: the former tokens under the present version", alicesKey, func(alice, former, _ *oauth2.Token) *oauth2.Token {
			return altered(former, func(e *tokenstore.Extra) { e.Version = tokenstore.ExtraOf(alice).Version })
		}},
	}...)
}

// ST-02: each of the plain columns is edited.
func TestEditedRowsDoNotOpen(t *testing.T) {
	for _, tt := range []struct {
		column string
		edit   func(*oauth2.Token) *oauth2.Token
	}{
		{"expiry, later", func(r *oauth2.Token) *oauth2.Token { r.Expiry = r.Expiry.Add(time.Second); return r }},
		{"expiry, never", func(r *oauth2.Token) *oauth2.Token { r.Expiry = time.Time{}; return r }},
		{"expires_in", func(r *oauth2.Token) *oauth2.Token { r.ExpiresIn++; return r }},
		{"token_type", func(r *oauth2.Token) *oauth2.Token { r.TokenType = "Basic"; return r }},
		{"token_type, empty", func(r *oauth2.Token) *oauth2.Token { r.TokenType = ""; return r }},
		{"scope", func(r *oauth2.Token) *oauth2.Token {
			return altered(r, func(e *tokenstore.Extra) { e.Scope += " admin" })
		}},
		{"scope, empty", func(r *oauth2.Token) *oauth2.Token { return altered(r, func(e *tokenstore.Extra) { e.Scope = "" }) }},
		{"token_type to scope", func(r *oauth2.Token) *oauth2.Token {
			return altered(r, func(e *tokenstore.Extra) { e.Scope, r.TokenType = r.TokenType+e.Scope, "" })
		}},
		{"until, later", func(r *oauth2.Token) *oauth2.Token {
			return altered(r, func(e *tokenstore.Extra) { e.Until = e.Until.Add(time.Second) })
		}},
		{"until, never", func(r *oauth2.Token) *oauth2.Token {
			return altered(r, func(e *tokenstore.Extra) { e.Until = time.Time{} })
		}},
		{"version", func(r *oauth2.Token) *oauth2.Token { return altered(r, func(e *tokenstore.Extra) { e.Version++ }) }},
		{"version, none", func(r *oauth2.Token) *oauth2.Token { return altered(r, func(e *tokenstore.Extra) { e.Version = 0 }) }},
		{"all extras, none", func(r *oauth2.Token) *oauth2.Token { return r.WithExtra(nil) }},
		{"refresh token, none", func(r *oauth2.Token) *oauth2.Token { r.RefreshToken = ""; return r }},
		{"ID token, none", func(r *oauth2.Token) *oauth2.Token { return withIDToken(r, "") }},
		{"access token, one bit", func(r *oauth2.Token) *oauth2.Token {
			b := []byte(r.AccessToken)
			b[len(b)/2] ^= 1
			r.AccessToken = string(b)
			return r
		}},
		{"access token, cut", func(r *oauth2.Token) *oauth2.Token { r.AccessToken = r.AccessToken[:200%len(r.AccessToken)]; return r }},
	} {
		t.Run(tt.column, func(t *testing.T) {
			store, log := &rowStore{}, &logBuffer{}
			_, v := sealing(t, store, log, keyring(1))
			token := grown("alice with an access token that is long enough to be cut somewhere in the middle: " + string(make([]byte, 200)))
			require.NoError(t, v.SaveToken(t.Context(), alicesKey, token))
			store.put(t, alicesKey, tt.edit(store.row(t, alicesKey)))
			requireAbsent(t, v, log, alicesKey, movedOrChanged)
		})
	}
}

// Something that was not there is put beside what was: as good as moved.
func TestAddedColumnsDoNotOpen(t *testing.T) {
	for _, tt := range []struct {
		column string
		add    func(row, bob *oauth2.Token) *oauth2.Token
	}{
		{"refresh token", func(row, bob *oauth2.Token) *oauth2.Token { row.RefreshToken = bob.RefreshToken; return row }},
		{"plain refresh token", func(row, bob *oauth2.Token) *oauth2.Token { row.RefreshToken = "planted"; return row }},
		{"ID token", func(row, bob *oauth2.Token) *oauth2.Token { return withIDToken(row, tokenstore.ExtraOf(bob).IDToken) }},
	} {
		t.Run(tt.column, func(t *testing.T) {
			store, log := &rowStore{}, &logBuffer{}
			_, v := sealing(t, store, log, keyring(1))
			require.NoError(t, v.SaveToken(t.Context(), alicesKey, &oauth2.Token{AccessToken: "access-of-alice"}))
			require.NoError(t, v.SaveToken(t.Context(), bobsKey, grown("bob")))
			store.put(t, alicesKey, tt.add(store.row(t, alicesKey), store.row(t, bobsKey)))
			requireAbsent(t, v, log, alicesKey, movedOrChanged)
		})
	}
}

// A plain row may be planted, or be from before Config.Keys: it is no token.
func TestPlainRowsDoNotOpen(t *testing.T) {
	for name, row := range map[string]*oauth2.Token{
		"whole":         grown("mallory"),
		"short":         {AccessToken: "a"},
		"a JWT":         {AccessToken: "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtYWxsb3J5In0.c2lnbmF0dXJl"},
		"not of ASCII":  {AccessToken: "\x00\xff 👩‍💻 and enough of it to be as long as what is sealed"},
		"other version": {AccessToken: "AkiHBX_IhkusSZcO7lUytowurERndTzP7Qvj8hPSIes6Wmbjit8"},
	} {
		t.Run(name, func(t *testing.T) {
			store, log := &rowStore{}, &logBuffer{}
			_, v := sealing(t, store, log, keyring(1))
			store.put(t, alicesKey, row)
			requireAbsent(t, v, log, alicesKey, neverSealed)
		})
	}
}

// ST-03: parts of an old row in a newer one do not open (TestMovedColumnsDoNotOpen). A whole
// old row, put back by somebody who can write to the store, does, as Config.Keys says: it
// is the same user's, and what it says is what it said. What takes it for the newest
// meets the compare-and-swap of who has that.
func TestRowPutBack(t *testing.T) {
	store := &rowStore{}
	_, v := sealing(t, store, nil, keyring(1))
	require.NoError(t, v.SaveToken(t.Context(), alicesKey, grown("alice")))
	old := store.row(t, alicesKey)
	require.NoError(t, v.UpdateToken(t.Context(), alicesKey, grown("alice"), grown("newer")))
	newer, err := v.FetchToken(t.Context(), alicesKey)
	require.NoError(t, err)
	store.put(t, alicesKey, old)
	requireToken(t, v, alicesKey, grown("alice"))
	require.ErrorIs(t, v.UpdateToken(t.Context(), alicesKey, newer, grown("newest")), tokenstore.ErrConflict)
}

// ST-04: what an old key sealed is read, and written with the new one; a key that is
// removed, or never was here, leaves nothing but a login.
func TestKeysChange(t *testing.T) {
	store, log := &rowStore{}, &logBuffer{}
	process := func(keys ...int) vault {
		_, v := sealing(t, store, log, keyring(keys...))
		return v
	}
	old := process(1)
	require.NoError(t, old.SaveToken(t.Context(), alicesKey, grown("alice")))
	require.NoError(t, old.SaveToken(t.Context(), bobsKey, grown("bob")))

	prepared := process(1, 2) // writes nothing yet that the old processes could not read
	require.NoError(t, prepared.UpdateToken(t.Context(), alicesKey, grown("alice"), grown("alice")))
	requireToken(t, old, alicesKey, grown("alice"))

	both := process(2, 1)
	requireToken(t, both, alicesKey, grown("alice"))
	requireToken(t, both, bobsKey, grown("bob"))
	require.NoError(t, both.UpdateToken(t.Context(), alicesKey, grown("alice"), grown("next")))
	requireToken(t, prepared, alicesKey, grown("next"))

	fresh := process(2)
	requireToken(t, fresh, alicesKey, grown("next"))
	require.NotContains(t, log.String(), "stored token", "until here all is well")
	requireAbsent(t, fresh, log, bobsKey, unknownKey) // its key is removed
	require.Contains(t, log.String(), `"key_id":"`)
	requireAbsent(t, process(1), log, alicesKey, unknownKey) // a key that never was here
}

// ST-04: nobody is answered with a 500 for a key that is gone: the user signs in again,
// and an API says so.
func TestLostKeyMeansSignInAgain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		owned bool
	}{{"the login's token", false}, {"the user's token", true}} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, appOptions{owned: tt.owned})
			require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
			require.Equal(t, http.StatusOK, a.browser.Get(appURL+"/items").Status)
			owner := *a.tokens.owner.Load()
			_, other := sealing(t, unwatched{&a.tokens.Memory}, nil, keyring(9))
			require.NoError(t, other.SaveToken(t.Context(), tokenstore.Key{Provider: "op", Owner: owner}, grown("alice")))

			for range 3 {
				page := a.browser.Get(appURL + "/items")
				require.Equal(t, http.StatusSeeOther, page.Status)
				require.Contains(t, page.Header.Get("Location"), "/auth/login/op")
				_, err := a.client.Token(a.as(owner))
				require.ErrorIs(t, err, signon.ErrNoToken)
				require.NotErrorIs(t, err, signon.ErrUnavailable)
			}
			page, err := a.browser.Open(t.Context(), signontest.Visit{URL: appURL + "/items", From: a.browser.At(appURL + "/who"), Fetch: true})
			require.NoError(t, err)
			require.Equal(t, http.StatusUnauthorized, page.Status)
			require.Contains(t, a.log.String(), unknownKey)
			require.ErrorIs(t, a.client.Revoke(a.as(owner)), signon.ErrNoToken)

			require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
			require.Equal(t, http.StatusOK, a.browser.Get(appURL+"/items").Status, a.log)
			require.NotContains(t, a.log.String(), `"status":5`)
		})
	}
}

// FuzzSealedToken: whatever is in whatever column, it opens to what was sealed there or
// to nothing.
func FuzzSealedToken(f *testing.F) {
	store := &rowStore{}
	_, v := sealing(f, store, nil, keyring(1, 2))
	sealed := map[tokenstore.Key]*oauth2.Token{alicesKey: grown("alice"), bobsKey: grown("bob")}
	rows := map[tokenstore.Key]*oauth2.Token{}
	for key, token := range sealed {
		require.NoError(f, v.SaveToken(f.Context(), key, token))
		rows[key] = store.row(f, key)
	}
	add := func(row *oauth2.Token) {
		e := tokenstore.ExtraOf(row)
		f.Add(row.AccessToken, row.RefreshToken, e.IDToken, row.TokenType, e.Scope, row.Expiry.Unix(), row.ExpiresIn, e.Until.Unix(), e.Version)
	}
	for _, key := range []tokenstore.Key{alicesKey, bobsKey} {
		add(rows[key])
		moved := *rows[key]
		moved.AccessToken, moved.RefreshToken = moved.RefreshToken, moved.AccessToken
		add(&moved)
	}
	f.Add("a", "", "", "", "", int64(0), int64(-1), int64(0), int64(0))
	f.Add("AQ\r\n", "\x00", "ÿ", "Bearer", " ", int64(-62135596800), int64(1), int64(1), int64(1))

	f.Fuzz(func(t *testing.T, access, refresh, idToken, tokenType, scope string, expiry, expiresIn, until, version int64) {
		extra := tokenstore.Extra{Scope: scope, IDToken: idToken, Version: version}
		if until != 0 {
			extra.Until = time.Unix(until, 0)
		}
		row := extra.Put(&oauth2.Token{
			AccessToken: access, RefreshToken: refresh, TokenType: tokenType,
			Expiry: time.Unix(expiry, 0), ExpiresIn: expiresIn,
		})
		for key, want := range sealed {
			own := &rowStore{}
			_, v := sealing(t, own, nil, keyring(1, 2))
			if own.Memory.SaveToken(t.Context(), key, row) != nil {
				continue // no access token
			}
			got, err := v.FetchToken(t.Context(), key)
			_ = v.UpdateToken(t.Context(), key, want, want)
			if err != nil {
				require.ErrorIs(t, err, tokenstore.ErrNotFound)
				continue
			}
			requireEqualTokens(t, want, got)
		}
	})
}
