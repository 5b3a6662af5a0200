package signon

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// failureLog writes one record per failure, and, since anybody can make the
// callback fail as often as they like, at most burst a second of those that the
// browser's side causes; the next record says how many were left out.
type failureLog struct {
	*slog.Logger

	mu         sync.Mutex
	second     time.Time
	written    int
	suppressed int
}

const failureBurst = 50

func (l *failureLog) failure(ctx context.Context, f *Failure) {
	suppressed, ok := l.admit(f.Status < 500)
	if !ok {
		return
	}
	level := slog.LevelWarn
	if f.Status >= 500 {
		level = slog.LevelError
	}
	attrs := []slog.Attr{
		slog.String("kind", f.Kind), slog.Int("status", f.Status),
		slog.String("error_id", f.ID), slog.String("error", f.Err.Error()),
	}
	if f.Provider != "" {
		attrs = append(attrs, slog.String("provider", f.Provider))
	}
	if suppressed > 0 {
		attrs = append(attrs, slog.Int("suppressed", suppressed))
	}
	l.LogAttrs(ctx, level, "signon: request failed", attrs...)
}

func (l *failureLog) admit(limited bool) (suppressed int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.second) >= time.Second {
		l.second, l.written = now, 0
	}
	if limited && l.written >= failureBurst {
		l.suppressed++
		return 0, false
	}
	l.written++
	suppressed, l.suppressed = l.suppressed, 0
	return suppressed, true
}
