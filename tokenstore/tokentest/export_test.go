package tokentest

import (
	"context"
	"fmt"
	"runtime"

	"github.com/seed1a301047/signon"
)

// Failures runs the contract and returns what failed, by the name of the check.
func Failures(ctx context.Context, store signon.TokenStore) map[string]string {
	failures := make(map[string]string)
	for _, c := range contract {
		r := &recorder{ctx: ctx}
		if c.asks != nil && !c.asks(r, store) {
			continue
		}
		done := make(chan struct{})
		go func() { // FailNow ends the goroutine
			defer close(done)
			c.check(r, store)
		}()
		<-done
		if r.failure != "" {
			failures[c.name] = r.failure
		}
	}
	return failures
}

// A recorder is a T that fails without failing the test that runs.
type recorder struct {
	ctx     context.Context
	failure string
}

func (r *recorder) Errorf(format string, args ...any) { r.failure += fmt.Sprintf(format, args...) }
func (r *recorder) FailNow()                          { runtime.Goexit() }
func (r *recorder) Helper()                           {}
func (r *recorder) Context() context.Context          { return r.ctx }
