package signon_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/tokenstore"
	"github.com/seed1a301047/signon/tokenstore/tokentest"
)

// The seal is a TokenStore like any other: the contract holds over a store as before, but
// for the version, which is the seal's.
func TestSealedTokensKeepTheContract(t *testing.T) {
	t.Run("a store each", func(t *testing.T) {
		tokentest.Run(t, func(t *testing.T) signon.TokenStore {
			_, v := sealing(t, unwatched{&tokenstore.Memory{}}, nil, keyring(1))
			return &versioned{vault: v}
		})
	})
	t.Run("one for all, and each a process", func(t *testing.T) {
		var shared tokenstore.Memory
		tokentest.Run(t, func(t *testing.T) signon.TokenStore {
			_, v := sealing(t, unwatched{&shared}, nil, keyring(2, 1))
			return &versioned{vault: v}
		})
	})
	t.Run("a table of one's own", func(t *testing.T) {
		tokentest.Run(t, func(t *testing.T) signon.TokenStore {
			_, v := sealing(t, &tokenTable{}, nil, keyring(1))
			return struct{ signon.TokenStore }{&versioned{vault: v}}
		})
	})
}

// versioned gives back the versions that it was given: those of a vault are its own.
type versioned struct {
	vault
	given sync.Map
}

type givenVersion struct {
	key    tokenstore.Key
	access string
}

func (s *versioned) take(key tokenstore.Key, token *oauth2.Token) {
	if token != nil {
		s.given.Store(givenVersion{key, token.AccessToken}, tokenstore.ExtraOf(token).Version)
	}
}

func (s *versioned) giveBack(key tokenstore.Key, token *oauth2.Token) *oauth2.Token {
	extra := map[string]any{}
	for _, name := range []string{"scope", "id_token", "signon_until", "signon_sealed"} {
		extra[name] = token.Extra(name)
	}
	extra["signon_version"], _ = s.given.Load(givenVersion{key, token.AccessToken})
	return token.WithExtra(extra)
}

func (s *versioned) FetchToken(ctx context.Context, key tokenstore.Key) (*oauth2.Token, error) {
	token, err := s.vault.FetchToken(ctx, key)
	if err != nil {
		return nil, err
	}
	return s.giveBack(key, token), nil
}

func (s *versioned) SaveToken(ctx context.Context, key tokenstore.Key, token *oauth2.Token) error {
	s.take(key, token)
	return s.vault.SaveToken(ctx, key, token)
}

func (s *versioned) UpdateToken(ctx context.Context, key tokenstore.Key, old, token *oauth2.Token) error {
	s.take(key, token)
	return s.vault.UpdateToken(ctx, key, old, token)
}

func (s *versioned) Tokens(ctx context.Context) iter.Seq2[tokenstore.Entry, error] {
	return func(yield func(tokenstore.Entry, error) bool) {
		for entry, err := range s.vault.Tokens(ctx) {
			if err == nil {
				entry.Token = s.giveBack(entry.Key, entry.Token)
			}
			if !yield(entry, err) {
				return
			}
		}
	}
}

func TestSealedTokenKeepsAllOfIt(t *testing.T) {
	store := &rowStore{}
	_, v := sealing(t, store, nil, keyring(1))
	versions := map[int64]bool{}
	requireVersions := func(want int) {
		row := tokenstore.ExtraOf(store.row(t, alicesKey))
		token, err := v.FetchToken(t.Context(), alicesKey)
		require.NoError(t, err)
		require.Equal(t, row.Version, tokenstore.ExtraOf(token).Version)
		versions[row.Version] = true
		require.Len(t, versions, want, "another version at each write")
		require.NotContains(t, versions, int64(0))
	}
	whole := grown("alice")
	bare := &oauth2.Token{AccessToken: "only"}
	require.NoError(t, v.SaveToken(t.Context(), alicesKey, whole))
	requireToken(t, v, alicesKey, whole)
	requireVersions(1)
	require.NoError(t, v.UpdateToken(t.Context(), alicesKey, whole, bare))
	requireToken(t, v, alicesKey, bare)
	requireVersions(2)
	require.NoError(t, v.UpdateToken(t.Context(), alicesKey, bare, whole))
	requireToken(t, v, alicesKey, whole)
	requireVersions(3)
	was, err := v.FetchToken(t.Context(), alicesKey)
	require.NoError(t, err)
	require.NoError(t, v.SaveToken(t.Context(), alicesKey, was)) // with its version
	requireToken(t, v, alicesKey, whole)
	requireVersions(4)

	row := store.row(t, alicesKey)
	require.Equal(t, "Bearer", row.TokenType, "plain is what is no token")
	require.Equal(t, int64(3600), row.ExpiresIn)
	require.True(t, whole.Expiry.Equal(row.Expiry))
	extra := tokenstore.ExtraOf(row)
	require.Equal(t, "openid items", extra.Scope)
	require.Equal(t, time.Unix(2e9, 0).UTC(), extra.Until)

	late := grown("alice")
	late.Expiry = late.Expiry.Add(999 * time.Millisecond)
	require.NoError(t, v.SaveToken(t.Context(), alicesKey, late))
	require.True(t, store.row(t, alicesKey).Expiry.Equal(whole.Expiry), "no store needs to round")
}

// A compare-and-swap is one call of the store where the caller has the token from there,
// and two where it comes from elsewhere.
func TestSealedSwapCalls(t *testing.T) {
	store := &rowStore{}
	_, v := sealing(t, store, nil, keyring(1))
	lease := tokenstore.Lease{Holder: "h", TTL: time.Minute}
	for _, tt := range []struct {
		name, call string
		swap       func(old *oauth2.Token) error
	}{
		{"update", "update", func(old *oauth2.Token) error { return v.UpdateToken(t.Context(), alicesKey, old, grown("next")) }},
		{"delete", "delete", func(old *oauth2.Token) error { return v.DeleteToken(t.Context(), alicesKey, old) }},
		{"lease", "lease", func(old *oauth2.Token) error { return v.LeaseToken(t.Context(), alicesKey, old, lease) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			save := func(token *oauth2.Token) *oauth2.Token {
				require.NoError(t, v.SaveToken(t.Context(), alicesKey, token))
				got, err := v.FetchToken(t.Context(), alicesKey)
				require.NoError(t, err)
				store.took()
				return got
			}
			old := *save(grown("alice"))
			require.NoError(t, tt.swap(&old))
			require.Equal(t, tt.call, store.took(), "of a copy too")

			save(grown("alice"))
			require.NoError(t, tt.swap(grown("alice")))
			require.Equal(t, "fetch "+tt.call, store.took())

			save(grown("alice"))
			require.ErrorIs(t, tt.swap(grown("other")), tokenstore.ErrConflict)
			require.Equal(t, "fetch", store.took())

			changed := save(grown("alice"))
			changed.RefreshToken = "refresh-of-other"
			require.ErrorIs(t, tt.swap(changed), tokenstore.ErrConflict, "what the caller says counts, not what came with it")

			stale := save(grown("alice"))
			save(grown("bob"))
			require.ErrorIs(t, tt.swap(stale), tokenstore.ErrConflict)
			require.Equal(t, tt.call+" fetch", store.took())

			stale = save(grown("alice"))
			save(grown("alice")) // the same token, sealed anew
			require.NoError(t, tt.swap(stale))
			require.Equal(t, tt.call+" fetch "+tt.call, store.took())

			require.NoError(t, v.DeleteToken(t.Context(), alicesKey, nil))
			require.ErrorIs(t, tt.swap(stale), tokenstore.ErrNotFound)
		})
	}
}

// A token of another owner that is of equal strings is not that owner's row (RF-17).
func TestSealedSwapOfAnothersToken(t *testing.T) {
	store := &rowStore{}
	_, v := sealing(t, store, nil, keyring(1))
	require.NoError(t, v.SaveToken(t.Context(), alicesKey, grown("both")))
	require.NoError(t, v.SaveToken(t.Context(), bobsKey, grown("both")))
	bobs, err := v.FetchToken(t.Context(), bobsKey)
	require.NoError(t, err)
	require.NoError(t, v.UpdateToken(t.Context(), alicesKey, bobs, grown("next")))
	requireToken(t, v, alicesKey, grown("next"))
	requireToken(t, v, bobsKey, grown("both"))
}

// A store that says conflict to the row that it returns is asked twice and no more, one
// that is sealed anew again and again four times.
func TestSealedSwapIsBounded(t *testing.T) {
	store := &rowStore{}
	_, v := sealing(t, store, nil, keyring(1))
	require.NoError(t, v.SaveToken(t.Context(), alicesKey, grown("alice")))
	old, err := v.FetchToken(t.Context(), alicesKey)
	require.NoError(t, err)
	store.before.set(func(ctx context.Context) error {
		if called(ctx) == "update" {
			return tokenstore.ErrConflict
		}
		return nil
	})
	store.took()
	require.ErrorIs(t, v.UpdateToken(t.Context(), alicesKey, old, grown("next")), tokenstore.ErrConflict)
	require.Equal(t, "update fetch", store.took())

	behind := &rowStore{}
	_, other := sealing(t, behind, nil, keyring(1))
	store.before.set(func(ctx context.Context) error {
		if called(ctx) != "update" {
			return nil
		}
		require.NoError(t, other.SaveToken(ctx, alicesKey, grown("alice")))
		store.put(t, alicesKey, behind.row(t, alicesKey))
		return tokenstore.ErrConflict
	})
	require.ErrorIs(t, v.UpdateToken(t.Context(), alicesKey, old, grown("next")), tokenstore.ErrConflict)
	require.Equal(t, "update fetch update fetch update fetch update", store.took())
}

func TestSealedTokensPassErrorsOn(t *testing.T) {
	store := &rowStore{}
	_, v := sealing(t, store, nil, keyring(1))
	require.NoError(t, v.SaveToken(t.Context(), alicesKey, grown("alice")))
	old, err := v.FetchToken(t.Context(), alicesKey)
	require.NoError(t, err)
	down := errors.New("disk full")
	store.before.set(func(context.Context) error { return fmt.Errorf("the table: %w", down) })
	_, err = v.FetchToken(t.Context(), alicesKey)
	require.ErrorIs(t, err, down)
	require.NotErrorIs(t, err, tokenstore.ErrNotFound)
	for _, known := range []*oauth2.Token{old, grown("alice")} {
		require.ErrorIs(t, v.UpdateToken(t.Context(), alicesKey, known, grown("next")), down)
		require.ErrorIs(t, v.DeleteToken(t.Context(), alicesKey, known), down)
		require.ErrorIs(t, v.LeaseToken(t.Context(), alicesKey, known, tokenstore.Lease{Holder: "h"}), down)
	}
	require.ErrorIs(t, v.DeleteToken(t.Context(), alicesKey, nil), down)
	require.ErrorIs(t, v.SaveToken(t.Context(), alicesKey, grown("next")), down)

	store.took()
	for _, none := range []*oauth2.Token{nil, {RefreshToken: "refresh-of-nobody"}} {
		require.Error(t, v.SaveToken(t.Context(), alicesKey, none))
		require.Error(t, v.UpdateToken(t.Context(), alicesKey, old, none))
	}
	require.Empty(t, store.took(), "what is no token reaches no store")
}

// A careless store answers with nothing where it has nothing.
func TestSealedTokensOfACarelessStore(t *testing.T) {
	for _, row := range []*oauth2.Token{nil, {}, {RefreshToken: "x"}} {
		_, v := sealing(t, nothing{row}, nil, keyring(1))
		got, err := v.FetchToken(t.Context(), alicesKey)
		require.ErrorIs(t, err, tokenstore.ErrNotFound)
		require.Nil(t, got)
		require.ErrorIs(t, v.UpdateToken(t.Context(), alicesKey, grown("alice"), grown("next")), tokenstore.ErrNotFound)
		require.ErrorIs(t, v.LeaseToken(t.Context(), alicesKey, grown("alice"), tokenstore.Lease{Holder: "h"}), errors.ErrUnsupported)
		for _, err := range v.Tokens(t.Context()) {
			require.ErrorIs(t, err, errors.ErrUnsupported)
		}
	}
}

// ST-14: no plain token is in anything that the store is called with, through a login,
// refreshes, a second login, a walk and a logout.
func TestStoreSeesNoPlainToken(t *testing.T) {
	store := &rowStore{}
	a := newApp(t, appOptions{config: func(c *signon.Config) {
		c.Tokens = store
		c.OnLogin = func(_ context.Context, l *signon.Login) (string, error) { return l.Subject, nil }
	}})
	require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
	v := signon.TokensOf(a.auth).(vault)
	for range 2 {
		old, err := v.FetchToken(t.Context(), alicesKey)
		require.NoError(t, err)
		old.Expiry = time.Now().Add(-time.Second)
		require.NoError(t, v.SaveToken(t.Context(), alicesKey, old)) // with all that came with it
		require.Equal(t, http.StatusOK, a.browser.Get(appURL+"/items").Status, a.log)
	}
	require.Equal(t, 2, a.refreshes())
	require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
	for _, err := range v.Tokens(t.Context()) {
		require.NoError(t, err)
	}
	_, err := a.auth.Reseal(t.Context())
	require.NoError(t, err)
	require.NoError(t, a.client.Revoke(a.as("alice")))
	calls := store.took()
	for _, method := range []string{"fetch", "save", "update", "lease", "delete"} {
		require.Contains(t, calls, method)
	}
	// What the provider counts as a secret, and each token by itself.
	secrets := a.op.Secrets()
	require.Greater(t, len(secrets), 8)
	for _, secret := range secrets {
		require.NotContains(t, store.seen.String(), secret)
	}
	a.requireQuiet()
}

// What is not sealed, and what New refuses.
func TestWhichTokensAreSealed(t *testing.T) {
	base := func(change func(*signon.Config)) signon.Config {
		cfg := signon.Config{BaseURL: appURL, Keys: keyring(1), Logger: slog.New(slog.DiscardHandler)}
		change(&cfg)
		return cfg
	}
	memory, store := &tokenstore.Memory{}, &rowStore{}
	for _, tt := range []struct {
		name  string
		cfg   signon.Config
		plain signon.TokenStore // what the registry uses as it is
	}{
		{"Memory", base(func(c *signon.Config) { c.Tokens = memory }), memory},
		{"Memory without keys", base(func(c *signon.Config) { c.Tokens, c.Keys = memory, nil }), memory},
		{"InsecurePlainTokens", base(func(c *signon.Config) { c.Tokens, c.InsecurePlainTokens = store, true }), store},
		{"InsecurePlainTokens without keys", base(func(c *signon.Config) { c.Tokens, c.Keys, c.InsecurePlainTokens = store, nil, true }), store},
	} {
		t.Run(tt.name, func(t *testing.T) {
			auth, err := signon.New(tt.cfg)
			require.NoError(t, err)
			require.Same(t, tt.plain, signon.TokensOf(auth))
			report, err := auth.Reseal(t.Context())
			require.NoError(t, err)
			require.Zero(t, report)
		})
	}
	t.Run("a store without keys", func(t *testing.T) {
		_, err := signon.New(base(func(c *signon.Config) { c.Tokens, c.Keys = store, nil }))
		require.ErrorContains(t, err, "Config.Keys is nil")
		require.ErrorContains(t, err, "*signon_test.rowStore")
	})
	t.Run("a provider's own", func(t *testing.T) {
		own := &rowStore{}
		a := newApp(t, appOptions{
			provider: func(p *signon.Provider) { p.FetchToken = own },
			config: func(c *signon.Config) {
				c.OnLogin = func(ctx context.Context, l *signon.Login) (string, error) { return l.Subject, nil }
			},
		})
		require.Equal(t, http.StatusOK, a.signIn().Status, a.log)
		token, err := a.client.Token(a.as("alice"))
		require.NoError(t, err)
		require.Equal(t, token.AccessToken, own.row(t, alicesKey).AccessToken)
	})
}

// A sealed fetch is cheap enough to be made at each request.
func TestSealedFetchAllocates(t *testing.T) {
	store := &tokenstore.Memory{}
	_, v := sealing(t, unwatched{store}, nil, keyring(2, 1))
	require.NoError(t, v.SaveToken(t.Context(), alicesKey, grown("alice")))
	ctx := t.Context()
	got := testing.AllocsPerRun(200, func() { _, _ = v.FetchToken(ctx, alicesKey) })
	require.LessOrEqual(t, got, 9.0, "the row, AAD, plain texts and token")
}
