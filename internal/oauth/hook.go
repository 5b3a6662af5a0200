package oauth

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/seed1a301047/signon/internal/outbound"
)

// ErrHook is wrapped by the error of a hook that failed, panicked or did not return
// in time: the application's fault, not the provider's.
var ErrHook = errors.New("a hook failed")

// Hook runs fn, which may be nil, on v as [Watch] does. Its errors wrap [ErrHook], or
// [ErrResponse] where a ready-made fix says that the answer is not what it is for, and
// name says which hook it is.
func Hook[T any](ctx context.Context, name string, fn func(context.Context, T) error, v T) error {
	if fn == nil {
		return nil
	}
	err := Watch(ctx, fn, v)
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*outbound.AnswerError](err); ok {
		return fmt.Errorf("%w: %s: %w", ErrResponse, name, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrHook, name, err)
}

// Watch runs fn, a function of the application's, on v and fails closed: with the error
// that fn returns, with a panic as an error, and when ctx ends or [Timeout] is over before
// fn is back. In the last case fn still runs, and v is its own from then on: the caller
// hands out a copy and must not touch it again.
func Watch[T any](ctx context.Context, fn func(context.Context, T) error, v T) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	done := make(chan error, 1) // so that a late fn ends, and does not wait for a reader
	go func() {
		err := errors.New("ended its goroutine")
		defer func() {
			if p := recover(); p != nil {
				err = panicError(p)
			}
			done <- err
		}()
		err = fn(ctx, v)
	}()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
	}
	if cause := context.Cause(ctx); err == nil && cause != nil { // a late success is none
		err = fmt.Errorf("did not return in time: %w", cause)
	}
	return err
}

// panicError says that and where a hook panicked. A value other than the runtime's may
// hold a secret, so only its type is named.
func panicError(p any) error {
	text := fmt.Sprintf("a %T", p)
	if e, ok := p.(runtime.Error); ok {
		text = e.Error()
	}
	return fmt.Errorf("panicked at %s: %s", PanicLine(), text)
}

// PanicLine is the file and the line that panicked, for a function that has recovered:
// the first frame above the runtime's own.
func PanicLine() string {
	pc := make([]uintptr, 32)
	frames := runtime.CallersFrames(pc[:runtime.Callers(1, pc)])
	for panicking := false; ; {
		frame, more := frames.Next()
		inRuntime := strings.HasPrefix(frame.Function, "runtime.")
		if panicking && !inRuntime {
			return fmt.Sprintf("%s:%d", filepath.Base(frame.File), frame.Line)
		}
		panicking = panicking || frame.Function == "runtime.gopanic"
		if !more {
			return "an unknown line"
		}
	}
}
