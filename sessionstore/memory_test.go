package sessionstore_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed1a301047/signon/sessionstore"
	"github.com/seed1a301047/signon/sessionstore/sessiontest"
)

// ST-11, ST-12, SE-03, LO-21 and LO-37 in sessiontest.
func TestMemory(t *testing.T) {
	sessiontest.Run(t, func(t *testing.T) sessionstore.Store { return new(sessionstore.Memory) })
}

// One store for all checks, as a database would be.
func TestMemoryShared(t *testing.T) {
	var store sessionstore.Memory
	sessiontest.Run(t, func(t *testing.T) sessionstore.Store { return &store })
}

func record(id string) *sessionstore.Record {
	return &sessionstore.Record{
		ID: id, Provider: "github", Owner: "alice", Issuer: "https://op.example", Subject: "248289761001",
		CreatedAt: time.Now(), LastSeen: time.Now(), ExpiresAt: time.Now().Add(8 * time.Hour),
	}
}

func TestMemoryExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // and no goroutine is left: ST-10
		var store sessionstore.Memory
		alice := sessionstore.Selector{Owner: "alice"}
		require.NoError(t, store.CreateLogin(t.Context(), record("first")))
		time.Sleep(time.Hour)
		require.NoError(t, store.CreateLogin(t.Context(), record("second")))

		time.Sleep(7*time.Hour - 1)
		recs, err := store.Logins(t.Context(), alice)
		require.NoError(t, err)
		require.Len(t, recs, 2)
		require.NoError(t, store.TouchLogin(t.Context(), "first", time.Now()))

		time.Sleep(time.Nanosecond) // a touch does not move ExpiresAt
		recs, err = store.Logins(t.Context(), alice)
		require.NoError(t, err)
		require.Len(t, recs, 1)
		recs, err = store.EndLogins(t.Context(), alice)
		require.NoError(t, err)
		require.Len(t, recs, 1)
		_, err = store.Login(t.Context(), "first")
		require.ErrorIs(t, err, sessionstore.ErrNotFound)

		require.NoError(t, store.CreateLogin(t.Context(), record("first")), "an id whose login has expired is free")
		recs, err = store.Logins(t.Context(), alice)
		require.NoError(t, err)
		require.Len(t, recs, 1)
	})
}

func TestMemoryClaimPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var store sessionstore.Memory
		until := time.Now().Add(10 * time.Minute)
		require.NoError(t, store.Claim(t.Context(), "state", until))
		time.Sleep(10*time.Minute - 1)
		require.ErrorIs(t, store.Claim(t.Context(), "state", until), sessionstore.ErrClaimed)
		time.Sleep(time.Nanosecond)
		require.NoError(t, store.Claim(t.Context(), "state", until.Add(time.Minute)))
	})
}

// ST-10: many users, and one user many times.
func TestMemoryMaxLogins(t *testing.T) {
	for _, tt := range []struct {
		name   string
		max    int
		want   int
		logins int
	}{
		{"default", 0, 100_000, 150_000},
		{"three", 3, 3, 1000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := sessionstore.Memory{MaxLogins: tt.max}
			for i := range tt.logins {
				require.NoError(t, store.CreateLogin(t.Context(), record(strconv.Itoa(i))))
			}
			recs, err := store.Logins(t.Context(), sessionstore.Selector{Owner: "alice"})
			require.NoError(t, err)
			require.Len(t, recs, tt.want, "what has gone has gone from the index too")
			recs, err = store.EndLogins(t.Context(), sessionstore.Selector{Issuer: "https://op.example", Subject: "248289761001"})
			require.NoError(t, err)
			require.Len(t, recs, tt.want)
			_, err = store.Login(t.Context(), strconv.Itoa(tt.logins-1))
			require.ErrorIs(t, err, sessionstore.ErrNotFound)
		})
	}
}

// A login that is used outlives those that are not.
func TestMemoryKeepsTheUsed(t *testing.T) {
	store := sessionstore.Memory{MaxLogins: 10}
	require.NoError(t, store.CreateLogin(t.Context(), record("used")))
	for i := range 100 {
		require.NoError(t, store.CreateLogin(t.Context(), record(strconv.Itoa(i))))
		_, err := store.Login(t.Context(), "used")
		require.NoError(t, err)
	}
}

func TestMemoryAllocates(t *testing.T) {
	var store sessionstore.Memory
	require.NoError(t, store.CreateLogin(t.Context(), record("id")))
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = store.Login(ctx, "id") }))
}

func BenchmarkMemoryLogin(b *testing.B) {
	var store sessionstore.Memory
	ctx := b.Context()
	for i := range 10_000 {
		_ = store.CreateLogin(ctx, record(strconv.Itoa(i)))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := store.Login(ctx, "5000"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMemoryClaim(b *testing.B) {
	var store sessionstore.Memory
	ctx, until, n := b.Context(), time.Now().Add(time.Hour), 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		_ = store.Claim(ctx, strconv.Itoa(n), until)
	}
}

func ExampleMemory() {
	var logins sessionstore.Memory // the zero value is ready
	ctx := context.Background()
	until := time.Now().Add(8 * time.Hour)
	for _, device := range []string{"laptop", "phone"} {
		err := logins.CreateLogin(ctx, &sessionstore.Record{
			ID: "login-" + device, Provider: "github", Owner: "user-42", UserAgent: device, ExpiresAt: until,
		})
		fmt.Println(err)
	}

	// Sign the user out everywhere.
	ended, err := logins.EndLogins(ctx, sessionstore.Selector{Owner: "user-42"})
	fmt.Println(len(ended), err)
	_, err = logins.Login(ctx, "login-phone")
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
	// 2 <nil>
	// sessionstore: no such login
}

func ExampleMemory_Claim() {
	var logins sessionstore.Memory
	ctx := context.Background()
	until := time.Now().Add(10 * time.Minute)
	fmt.Println(logins.Claim(ctx, "state af0ifjsldkj", until))
	fmt.Println(logins.Claim(ctx, "state af0ifjsldkj", until))
	// Output:
	// <nil>
	// sessionstore: already claimed
}
