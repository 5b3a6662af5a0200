package benchmarks_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A step does some work once and returns how long that took, without what it had to
// prepare.
type step func() (time.Duration, error)

// A pair is what is measured and what one would write by hand for the same work.
type pair struct {
	name       string
	ours, bare step
}

// timed returns how long work took.
func timed(work func() error) (time.Duration, error) {
	start := time.Now()
	err := work()
	return time.Since(start), err
}

// inTurn runs both in turn, so that both meet the same weather, each as often first as
// second: the second may find warm what the first has read. It reports the median of
// each, and the ratio of the medians.
func (p pair) inTurn(b *testing.B) {
	var ours, bare []time.Duration
	for b.Loop() {
		if len(ours)%2 == 0 {
			ours = append(ours, once(b, p.ours))
			bare = append(bare, once(b, p.bare))
		} else {
			bare = append(bare, once(b, p.bare))
			ours = append(ours, once(b, p.ours))
		}
	}
	a, z := median(ours), median(bare)
	b.ReportMetric(0, "ns/op") // of both, with their preparation
	b.ReportMetric(float64(a), "ns/signon")
	b.ReportMetric(float64(z), "ns/bare")
	b.ReportMetric(float64(a)/float64(z), "ratio")
}

func once(tb testing.TB, do step) time.Duration {
	tb.Helper()
	d, err := do()
	require.NoError(tb, err)
	return d
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
