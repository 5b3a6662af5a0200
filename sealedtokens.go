package signon

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/internal/bounded"
	"github.com/seed1a301047/signon/internal/seal"
	"github.com/seed1a301047/signon/tokenstore"
)

// sealedTokens is a TokenStore over another one, which sees no plain token: not in a
// row, not in an argument, so not in its log either. The access token, the refresh
// token and the ID token are sealed each; all else stays as it is, so that a row can
// be looked at and found, and is bound: a row opens only at its own key, with all of
// its columns, and with the version that its last write gave it. A row that does not
// open is treated as absent and logged. The owner signs in again, which writes over
// it: that fails closed, and no row can bring a 500 for ever.
//
// Whoever can write to the store can delete a row, or put a whole old row back in the
// place of a newer one: nothing in the row itself tells that. The provider does, where
// it rotates refresh tokens.
type sealedTokens struct {
	store TokenStore
	ring  *seal.Ring
	log   *slog.Logger

	alarms *bounded.Map[tokenstore.Key, int64] // of late, by the version of the row
}

// extraSealed is where an opened token carries the row that it was, so that a
// compare-and-swap need not read it again.
const extraSealed = "signon_sealed"

// swapTries is how often a compare-and-swap follows a row that was sealed anew and
// is still the same token.
const swapTries = 3

func (s *sealedTokens) FetchToken(ctx context.Context, key tokenstore.Key) (*oauth2.Token, error) {
	_, token, err := s.fetch(ctx, key)
	return token, err
}

// fetch returns a row and the token that is in it.
func (s *sealedTokens) fetch(ctx context.Context, key tokenstore.Key) (row, token *oauth2.Token, err error) {
	row, err = s.store.FetchToken(ctx, key)
	switch {
	case err != nil:
		return nil, nil, err
	case row == nil || row.AccessToken == "":
		return nil, nil, tokenstore.ErrNotFound
	}
	if token, err = s.open(key, row); err != nil {
		s.alarm(ctx, key, row)
		return nil, nil, err
	}
	return row, token, nil
}

func (s *sealedTokens) SaveToken(ctx context.Context, key tokenstore.Key, token *oauth2.Token) error {
	row, err := s.seal(key, token)
	if err != nil {
		return err
	}
	return s.store.SaveToken(ctx, key, row)
}

func (s *sealedTokens) UpdateToken(ctx context.Context, key tokenstore.Key, old, token *oauth2.Token) error {
	next, err := s.seal(key, token)
	if err != nil {
		return err
	}
	return s.swap(ctx, key, old, func(row *oauth2.Token) error { return s.store.UpdateToken(ctx, key, row, next) })
}

func (s *sealedTokens) DeleteToken(ctx context.Context, key tokenstore.Key, old *oauth2.Token) error {
	return s.swap(ctx, key, old, func(row *oauth2.Token) error { return s.store.DeleteToken(ctx, key, row) })
}

// LeaseToken makes it a [tokenstore.Leaser] if the store is one.
func (s *sealedTokens) LeaseToken(ctx context.Context, key tokenstore.Key, old *oauth2.Token, lease tokenstore.Lease) error {
	if _, err := s.leaser(); err != nil {
		return err // before the row is read
	}
	return s.swap(ctx, key, old, func(row *oauth2.Token) error { return s.leaseRow(ctx, key, row, lease) })
}

// Tokens makes it a [tokenstore.Lister] if the store is one. It leaves out what does
// not open.
func (s *sealedTokens) Tokens(ctx context.Context) iter.Seq2[tokenstore.Entry, error] {
	return func(yield func(tokenstore.Entry, error) bool) {
		for entry, err := range s.rows(ctx) {
			if err != nil {
				yield(tokenstore.Entry{}, err)
				return
			}
			token, err := s.open(entry.Key, entry.Token)
			if err != nil {
				s.alarm(ctx, entry.Key, entry.Token)
				continue
			}
			if !yield(tokenstore.Entry{Key: entry.Key, Token: token}, nil) {
				return
			}
		}
	}
}

// rows walks what is stored, sealed.
func (s *sealedTokens) rows(ctx context.Context) iter.Seq2[tokenstore.Entry, error] {
	if lister, ok := s.store.(tokenstore.Lister); ok {
		return lister.Tokens(ctx)
	}
	return func(yield func(tokenstore.Entry, error) bool) {
		yield(tokenstore.Entry{}, fmt.Errorf("signon: Config.Tokens (%T) cannot be walked; give it the method of tokenstore.Lister: %w", s.store, errors.ErrUnsupported))
	}
}

func (s *sealedTokens) leaser() (tokenstore.Leaser, error) {
	leaser, ok := s.store.(tokenstore.Leaser)
	if !ok {
		return nil, fmt.Errorf("signon: Config.Tokens (%T) has no leases: %w", s.store, errors.ErrUnsupported)
	}
	return leaser, nil
}

// leaseRow is LeaseToken of the store.
func (s *sealedTokens) leaseRow(ctx context.Context, key tokenstore.Key, row *oauth2.Token, lease tokenstore.Lease) error {
	leaser, err := s.leaser()
	if err != nil {
		return err
	}
	return leaser.LeaseToken(ctx, key, row, lease)
}

// swap makes a compare-and-swap of tokens one of rows. Each write seals anew, so a row
// may be another one and the token in it still old: after [Registry.Reseal]. Then the
// swap is tried with the row that is there now. A store that refuses the very row that
// it returns is not asked again.
func (s *sealedTokens) swap(ctx context.Context, key tokenstore.Key, old *oauth2.Token, do func(row *oauth2.Token) error) error {
	if old == nil {
		return do(nil)
	}
	tried := s.carried(key, old)
	if tried != nil {
		if err := do(tried); !errors.Is(err, tokenstore.ErrConflict) {
			return err
		}
	}
	for range swapTries {
		row, stored, err := s.fetch(ctx, key)
		if err != nil {
			return err
		}
		if !tokenstore.Same(stored, old) || tokenstore.Same(row, tried) {
			break
		}
		if err := do(row); !errors.Is(err, tokenstore.ErrConflict) {
			return err
		}
		tried = row
	}
	return tokenstore.ErrConflict
}

// carried is the row that a token came from, if it still is that token: the caller may
// have changed its fields, or mean another key.
func (s *sealedTokens) carried(key tokenstore.Key, token *oauth2.Token) *oauth2.Token {
	row, _ := token.Extra(extraSealed).(*oauth2.Token)
	if row == nil {
		return nil
	}
	if opened, err := s.open(key, row); err != nil || !tokenstore.Same(opened, token) {
		return nil
	}
	return row
}

// seal makes a row of a token, with a new version.
func (s *sealedTokens) seal(key tokenstore.Key, token *oauth2.Token) (*oauth2.Token, error) {
	if token == nil || token.AccessToken == "" {
		return nil, errors.New("signon: the token to store is nil or has no access token")
	}
	row := *token
	row.Expiry = token.Expiry.Truncate(time.Second) // so that no store rounds it
	extra := tokenstore.ExtraOf(token)
	extra.Version = newVersion()
	aad := rowAAD(key, &row, extra)
	for i, text := range [...]*string{&row.AccessToken, &row.RefreshToken, &extra.IDToken} {
		if *text != "" {
			*text = s.ring.SealString([]byte(*text), appendColumn(aad, i))
		}
	}
	return extra.Put(&row), nil
}

// open is the token of a row, or an error that wraps [tokenstore.ErrNotFound].
func (s *sealedTokens) open(key tokenstore.Key, row *oauth2.Token) (*oauth2.Token, error) {
	extra := tokenstore.ExtraOf(row)
	aad := rowAAD(key, row, extra)
	sealed := [...]string{row.AccessToken, row.RefreshToken, extra.IDToken}
	plain := make([]byte, 0, (len(sealed[0])+len(sealed[1])+len(sealed[2]))*3/4)
	var ends [len(sealed)]int
	for i, text := range sealed {
		if text != "" || i == 0 { // of an empty one the others say that it never was there
			var err error
			if plain, err = s.ring.AppendOpenString(plain, text, appendColumn(aad, i)); err != nil {
				return nil, fmt.Errorf("signon: the stored token of provider %q does not open: %w", key.Provider, tokenstore.ErrNotFound)
			}
		}
		ends[i] = len(plain)
	}
	all := string(plain) // the three in one piece
	token := oauth2.Token{
		AccessToken: all[:ends[0]], RefreshToken: all[ends[0]:ends[1]],
		TokenType: row.TokenType, Expiry: row.Expiry, ExpiresIn: row.ExpiresIn,
	}
	return token.WithExtra(openedExtra(row, extra, all[ends[1]:])), nil
}

// openedExtra is what [tokenstore.ExtraOf] reads, and the row. What is plain in the
// row is taken from there, in its box.
func openedExtra(row *oauth2.Token, extra tokenstore.Extra, idToken string) map[string]any {
	m := make(map[string]any, 5)
	m[extraSealed] = row
	for _, part := range [...]struct {
		name  string
		there bool
	}{{"scope", extra.Scope != ""}, {"signon_version", extra.Version != 0}, {"signon_until", !extra.Until.IsZero()}} {
		if part.there {
			m[part.name] = row.Extra(part.name)
		}
	}
	if idToken != "" {
		m["id_token"] = idToken
	}
	return m
}

// rowAAD names what a sealed column belongs to, but for the column itself. Each string
// has its length in front, so that none can be made to look like two.
func rowAAD(key tokenstore.Key, row *oauth2.Token, extra tokenstore.Extra) []byte {
	b := make([]byte, 0, 128+len(key.Provider)+len(key.Owner)+len(row.TokenType)+len(extra.Scope))
	for _, s := range [...]string{"signon_tokens", key.Provider, key.Owner, row.TokenType, extra.Scope} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	var until int64
	if !extra.Until.IsZero() {
		until = extra.Until.Unix()
	}
	for _, n := range [...]int64{extra.Version, row.Expiry.Unix(), row.ExpiresIn, until} {
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	for _, there := range [...]bool{row.RefreshToken != "", extra.IDToken != ""} {
		if there {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	return b
}

func appendColumn(aad []byte, i int) []byte {
	return append(aad, [...]string{"access_token", "refresh_token", "id_token"}[i]...)
}

// newVersion is random, so that a row that was deleted and written again is never
// taken for the one before. 0 is none.
func newVersion() int64 {
	var random [8]byte
	for {
		_, _ = rand.Read(random[:]) // never fails
		if v := int64(binary.BigEndian.Uint64(random[:]) >> 1); v != 0 {
			return v
		}
	}
}

// How many rows that do not open are remembered, and for how long they are not logged
// again: whoever comes by with one does so at each request.
const (
	maxAlarms  = 1000
	alarmPause = time.Minute
)

// alarm says why a row does not open, as far as that can be seen.
func (s *sealedTokens) alarm(ctx context.Context, key tokenstore.Key, row *oauth2.Token) {
	version := tokenstore.ExtraOf(row).Version
	if last, ok := s.alarms.Get(key); ok && last == version {
		return
	}
	s.alarms.Put(key, version, time.Now().Add(alarmPause))
	index, id := s.ring.KeyOf(row.AccessToken)
	attrs := []slog.Attr{slog.String("provider", key.Provider), slog.String("owner", key.Owner)}
	switch {
	case index >= 0:
		s.log.LogAttrs(ctx, slog.LevelError, "signon: a stored token does not open: moved or changed, unless Config.Tokens keeps less of a token than it must (package tokentest checks that); its owner must sign in again", attrs...)
	case id == "":
		s.log.LogAttrs(ctx, slog.LevelError, "signon: a stored token is not sealed: it is from a time before Config.Keys, or planted; its owner must sign in again", attrs...)
	default:
		attrs = append(attrs, slog.String("key_id", id))
		s.log.LogAttrs(ctx, slog.LevelWarn, "signon: a stored token is sealed with a key that is not in Config.Keys; its owner must sign in again", attrs...)
	}
}

// sealTokens puts the seal before Config.Tokens, unless that ends with this process or
// the application does not want it.
func (g *Registry) sealTokens(newRing func(purpose string) (*seal.Ring, error), given bool) error {
	if g.tokensInMemory() || g.cfg.InsecurePlainTokens {
		return nil
	}
	if !given {
		return fmt.Errorf("signon: Config.Keys is nil, and Config.Tokens (%T) may outlive this process, which would leave tokens there that nothing opens; set Config.Keys to 32 random bytes that all replicas share", g.tokens)
	}
	ring, err := newRing("signon tokens at rest")
	if err != nil {
		return fmt.Errorf("signon: Config.Keys: %w", err)
	}
	g.tokens = &sealedTokens{
		store: g.tokens, ring: ring, log: g.cfg.Logger,
		alarms: bounded.New[tokenstore.Key, int64](maxAlarms),
	}
	return nil
}
