package signon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon/tokenstore"
)

// A SealReport says what [Registry.Reseal] found and did. A row that came or went
// during the walk may be in it or not.
type SealReport struct {
	// Keys says how many rows each key holds now: first those of Config.Keys in their
	// order, also where they hold none, then those that rows name and Config.Keys does
	// not have, in the order of their ids.
	Keys []KeyUse

	// Resealed is how many rows were written again with the first key.
	Resealed int

	// Busy is how many rows were left with an older key because their token was being
	// refreshed, or its refresh had just failed. Call Reseal again a minute later.
	Busy int

	// Unopened is how many rows no key opens: moved, changed, or never sealed. They
	// count for no key, their owners must sign in again, and each has a record in the
	// log.
	Unopened int
}

// A KeyUse says how many stored tokens need a key.
type KeyUse struct {
	Index int    // in Config.Keys; -1: the key is not there, and the rows do not open
	ID    string // what its rows begin with, and the log calls "key_id": it says nothing about the key
	Rows  int
}

const (
	resealTries = 3

	// resealTime bounds the writing of one row, and is shorter than its lease, so that
	// what is written late cannot end the lease of a refresh.
	resealTime  = 4 * time.Second
	resealLease = 6 * time.Second
)

// Reseal walks Config.Tokens and writes each token that is sealed with another key
// than the first of Config.Keys again with the first. Its report says how many tokens
// each key still holds: one that holds none is needed for them no more.
//
// It may run at any time, in any number of processes, and be ended and begun again.
// No sign-out, login or refresh is lost by it: each row is written by
// compare-and-swap, where the store has leases under one, and a row whose lease a
// refresh has is left. It asks no provider.
//
// An error ends the walk, and the report says what was done until then; what was not
// reached is not in it. It wraps [errors.ErrUnsupported] where the store is no
// [tokenstore.Lister]: then a row is sealed with the first key at its next refresh or
// login. Where nothing is sealed, in a [tokenstore.Memory] or with
// InsecurePlainTokens, there is nothing to do and no error.
func (g *Registry) Reseal(ctx context.Context) (SealReport, error) {
	s, ok := g.tokens.(*sealedTokens)
	if !ok {
		return SealReport{}, ctx.Err()
	}
	r := &resealing{sealedTokens: s, held: make([]int, len(s.ring.KeyIDs())), unknown: map[string]int{}}
	for entry, err := range s.rows(ctx) {
		if err == nil && entry.Token != nil {
			err = r.row(ctx, entry.Key, entry.Token)
		}
		if err != nil {
			return r.sum(), fmt.Errorf("signon: Reseal: %w", err)
		}
	}
	return r.sum(), nil
}

// A resealing is one walk.
type resealing struct {
	*sealedTokens
	report  SealReport
	held    []int          // rows of each key of the ring
	unknown map[string]int // and of other keys, by their ids
}

func (r *resealing) sum() SealReport {
	for i, id := range r.ring.KeyIDs() {
		r.report.Keys = append(r.report.Keys, KeyUse{Index: i, ID: id, Rows: r.held[i]})
	}
	for _, id := range slices.Sorted(maps.Keys(r.unknown)) {
		r.report.Keys = append(r.report.Keys, KeyUse{Index: -1, ID: id, Rows: r.unknown[id]})
	}
	return r.report
}

// row deals with one row, and follows it where somebody else writes it meanwhile.
func (r *resealing) row(ctx context.Context, key tokenstore.Key, row *oauth2.Token) error {
	for try := 1; ; try++ {
		token, err := r.open(key, row)
		if err != nil {
			r.countUnopened(ctx, key, row)
			return nil
		}
		index, _ := r.ring.KeyOf(row.AccessToken)
		if index > 0 {
			err = r.rewrite(ctx, key, row, token)
		}
		switch {
		case err == nil:
			r.report.Resealed += min(index, 1)
			r.held[0]++
			return nil
		case errors.Is(err, tokenstore.ErrNotFound):
			return nil // signed out
		case errors.Is(err, tokenstore.ErrConflict) && try < resealTries:
			row, err = r.store.FetchToken(ctx, key)
			switch {
			case errors.Is(err, tokenstore.ErrNotFound), err == nil && row == nil:
				return nil
			case err != nil:
				return err
			}
			continue
		}
		r.held[index]++
		if errors.Is(err, tokenstore.ErrConflict) || errors.Is(err, tokenstore.ErrLeased) || errors.Is(err, tokenstore.ErrPaused) {
			r.report.Busy++
			return nil
		}
		return err
	}
}

func (r *resealing) countUnopened(ctx context.Context, key tokenstore.Key, row *oauth2.Token) {
	if index, id := r.ring.KeyOf(row.AccessToken); index < 0 && id != "" {
		r.unknown[id]++ // the report names the key: a record for each row would say no more
		return
	}
	r.report.Unopened++
	r.alarm(ctx, key, row)
}

// rewrite seals a row's token with the first key. A write ends the lease of whoever
// refreshes the token, and two could then refresh it at once: so it takes the lease
// first, and somebody who refreshes meanwhile waits for these two calls.
func (r *resealing) rewrite(ctx context.Context, key tokenstore.Key, row, token *oauth2.Token) error {
	next, err := r.seal(key, token)
	if err != nil {
		return err
	}
	writing, cancel := context.WithTimeout(ctx, resealTime)
	defer cancel()
	lease := tokenstore.Lease{Holder: newID(), TTL: resealLease}
	err = r.leaseRow(writing, key, row, lease)
	leased := err == nil
	if !leased && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	err = r.store.UpdateToken(writing, key, row, next)
	if err != nil && leased {
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), resealTime)
		defer cancel()
		lease.TTL = 0
		_ = r.leaseRow(back, key, row, lease) // if the store does not hear of it, it runs out
	}
	return err
}
