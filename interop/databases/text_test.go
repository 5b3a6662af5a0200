package databases_test

import (
	"bytes"
	"fmt"
	"sync"
)

// A text keeps what loggers write: those of slog as an io.Writer, those of GORM by
// Printf.
type text struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *text) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *text) Printf(format string, args ...any) { _, _ = fmt.Fprintf(l, format+"\n", args...) }

func (l *text) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
