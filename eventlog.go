package signon

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// failureLog writes one record per failure, and, since anybody can make the
// callback fail as often as they like, and any login while a provider is down, at
// most failureBurst a second of the browser's faults and as many of ours; the next
// record says how many were left out.
type failureLog struct {
	*slog.Logger

	mu         sync.Mutex
	second     time.Time
	written    [2]int // of the browser's faults, of ours
	suppressed [2]int
}

const failureBurst = 50

func (l *failureLog) failure(ctx context.Context, f *Failure) {
	class := 0
	if f.Status >= 500 {
		class = 1
	}
	suppressed, ok := l.admit(class)
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

// hear logs what anybody can have said as often as they like, and is no failure: within the
// bounds of the browser's faults.
func (g *Registry) hear(ctx context.Context, level slog.Level, msg string, args ...any) {
	_ = guard("Config.Logger", func() error {
		if !g.log.Enabled(ctx, level) {
			return nil
		}
		suppressed, ok := g.log.admit(0)
		if !ok {
			return nil
		}
		if suppressed > 0 {
			args = append(args, "suppressed", suppressed)
		}
		g.log.Log(ctx, level, msg, args...)
		return nil
	})
}

func (l *failureLog) admit(class int) (suppressed int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.second) >= time.Second {
		l.second, l.written = now, [2]int{}
	}
	if l.written[class] >= failureBurst {
		l.suppressed[class]++
		return 0, false
	}
	l.written[class]++
	suppressed, l.suppressed[class] = l.suppressed[class], 0
	return suppressed, true
}
