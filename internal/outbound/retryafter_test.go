package outbound_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed1a301047/signon/internal/outbound"
)

// TE-12, the part of the transport: Retry-After in all its shapes, clamped.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
		for _, tt := range []struct {
			name, value string
			want        time.Duration
		}{
			{"absent", "", 0},
			{"seconds", "30", 30 * time.Second},
			{"zero", "0", 0},
			{"an hour", "3600", time.Hour},
			{"huge", "86400", time.Hour},
			{"beyond 64 bits", "99999999999999999999999", time.Hour},
			{"beyond a duration", "9223372036854775807", time.Hour},
			{"negative", "-5", 0},
			{"fraction", "1.5", 0},
			{"garbage", "soon", 0},
			{"date", in(2 * time.Minute), 2 * time.Minute},
			{"past date", in(-time.Minute), 0},
			{"far date", in(48 * time.Hour), time.Hour},
		} {
			err := outbound.NewStatusError(503, http.Header{"Retry-After": {tt.value}})
			if err.RetryAfter != tt.want || err.Status != 503 {
				t.Errorf("%s: got %v, want %v", tt.name, err.RetryAfter, tt.want)
			}
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "30", "-1", "1e9", "Fri, 31 Dec 1999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "18446744073709551616"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got := outbound.NewStatusError(429, http.Header{"Retry-After": {value}}).RetryAfter
		if got < 0 || got > time.Hour {
			t.Fatalf("%q: %v is not within 0..1 h", value, got)
		}
	})
}
