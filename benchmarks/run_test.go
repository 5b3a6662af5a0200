package benchmarks_test

import (
	"testing"

	"github.com/seed1a301047/signon/internal/dbtest"
)

// Whatever is measured works.
func TestBenchmarksRun(t *testing.T) {
	for _, kind := range []string{dbtest.SQLite, dbtest.Postgres} {
		t.Run(kind, func(t *testing.T) {
			for _, p := range fill(t, kind, 1000).pairs(t) {
				run(t, p)
			}
		})
	}
	run(t, requireToken(t))
}

func run(t *testing.T, p pair) {
	t.Helper()
	t.Run(p.name, func(t *testing.T) {
		once(t, p.ours)
		once(t, p.bare)
	})
}
