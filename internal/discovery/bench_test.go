package discovery_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The way that every login takes: no lock, no allocation.
func TestFastPathDoesNotAllocate(t *testing.T) {
	source := newSource(t, newProvider(t))
	ctx := t.Context()
	_, err := source.Keys(ctx)
	require.NoError(t, err)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = source.Metadata(ctx) }))
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = source.Keys(ctx) }))
}

func BenchmarkMetadata(b *testing.B) {
	source := newSource(b, newProvider(b))
	ctx := b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := source.Metadata(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkKeys(b *testing.B) {
	source := newSource(b, newProvider(b))
	ctx := b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := source.Keys(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
}
