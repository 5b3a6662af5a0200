package tokengorm_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed1a301047/signon"
	"github.com/seed1a301047/signon/internal/dbtest"
	"github.com/seed1a301047/signon/tokenstore"
)

type leaserStore interface {
	signon.TokenStore
	tokenstore.Leaser
	tokenstore.Lister
}

// FuzzStore runs what the bytes say on the database and in memory, which must agree:
// on each outcome, and on what is there at the end.
func FuzzStore(f *testing.F) {
	f.Add([]byte("save, lease, update, late update, delete, late lease"))
	random := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		program := make([]byte, 200)
		for i := range program {
			program[i] = byte(random.Uint32())
		}
		f.Add(program)
	}
	store := newStore(f, dbtest.Open(f, dbtest.SQLite))
	runs := 0
	f.Fuzz(func(t *testing.T, program []byte) {
		runs++
		provider := fmt.Sprint("run ", runs)
		database, memory := play(t, store, provider, program), play(t, new(tokenstore.Memory), provider, program)
		require.Equal(t, memory, database)
	})
}

// play runs a program of three bytes a step and returns what came of it.
func play(t *testing.T, store leaserStore, provider string, program []byte) (log []string) {
	ctx := t.Context()
	known := []*oauth2.Token{nil, token("never stored")}
	fresh := func() *oauth2.Token { // no two tokens are equal, as a version would tell them apart
		extra := tokenstore.Extra{Scope: fmt.Sprint("scope ", len(known))}
		known = append(known, extra.Put(token(fmt.Sprint(provider, " ", len(known)))))
		return known[len(known)-1]
	}
	for ; len(program) >= 3; program = program[3:] {
		key := tokenstore.Key{Provider: provider, Owner: string('a' + rune(program[1]%3))}
		old := known[len(known)-1-int(program[2])%min(len(known), 6)]
		lease := tokenstore.Lease{Holder: string('x' + rune(program[2]>>6)%3), TTL: time.Duration(program[2]&1) * time.Hour, Paused: program[2]>>4&3 == 3}
		var err error
		switch program[0] % 6 {
		case 0:
			err = store.SaveToken(ctx, key, fresh())
		case 1:
			err = store.UpdateToken(ctx, key, old, fresh())
		case 2:
			err = store.DeleteToken(ctx, key, old)
		case 3, 4:
			err = store.LeaseToken(ctx, key, old, lease)
		case 5:
			var got *oauth2.Token
			if got, err = store.FetchToken(ctx, key); err == nil {
				known = append(known, got)
			}
			log = append(log, describe(got))
		}
		log = append(log, outcome(err))
	}
	for _, owner := range []string{"a", "b", "c"} {
		got, err := store.FetchToken(ctx, tokenstore.Key{Provider: provider, Owner: owner})
		log = append(log, owner+": "+describe(got)+" "+outcome(err))
	}
	return log
}

func describe(token *oauth2.Token) string {
	if token == nil {
		return "none"
	}
	extra := tokenstore.ExtraOf(token)
	return fmt.Sprint(token.AccessToken, token.RefreshToken, token.TokenType, token.Expiry.Unix(), extra.Scope, extra.IDToken, extra.Until)
}

func outcome(err error) string {
	for _, sentinel := range []error{tokenstore.ErrNotFound, tokenstore.ErrConflict, tokenstore.ErrLeased, tokenstore.ErrPaused} {
		if errors.Is(err, sentinel) {
			return sentinel.Error()
		}
	}
	return fmt.Sprint(err)
}
