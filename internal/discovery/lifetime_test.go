package discovery_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/seed1a301047/signon/internal/discovery"
)

// DI-16: whatever the provider says, between a minute and a day.
func TestLifetime(t *testing.T) {
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name  string
		cache []string
		age   string
		want  time.Duration
	}{
		{"silent", nil, "", time.Hour},
		{"no lifetime", []string{"public, must-revalidate"}, "", time.Hour},
		{"max-age", []string{"public, max-age=7200"}, "", 2 * time.Hour},
		{"case and quotes", []string{`Max-Age="7200"`}, "", 2 * time.Hour},
		{"zero", []string{"max-age=0"}, "", time.Minute},
		{"ten years", []string{"max-age=315360000"}, "", day},
		{"beyond 64 bits", []string{"max-age=99999999999999999999"}, "", day},
		{"negative", []string{"max-age=-1"}, "", time.Minute},
		{"garbage", []string{"max-age=soon"}, "", time.Minute},
		{"no value", []string{"max-age"}, "", time.Minute},
		{"no-store", []string{"no-store"}, "", time.Minute},
		{"no-cache wins", []string{"max-age=7200, no-cache"}, "", time.Minute},
		{"shortest of two", []string{"max-age=7200", "max-age=3600"}, "", time.Hour},
		{"for shared caches only", []string{"s-maxage=60"}, "", time.Hour},
		{"age", []string{"max-age=7200"}, "3600", time.Hour},
		{"older than fresh", []string{"max-age=7200"}, "9000", time.Minute},
		{"age garbage", []string{"max-age=7200"}, "-5", 2 * time.Hour},
	} {
		h := http.Header{"Cache-Control": tt.cache}
		h.Set("Age", tt.age)
		if got := discovery.Lifetime(h); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func FuzzLifetime(f *testing.F) {
	f.Add("max-age=0", "")
	f.Add("public,max-age=99999999999999999999, no-cache", "18446744073709551616")
	f.Add(`max-age="1",=,,`, "-1")
	f.Fuzz(func(t *testing.T, cache, age string) {
		h := http.Header{"Cache-Control": {cache}, "Age": {age}}
		if got := discovery.Lifetime(h); got < time.Minute || got > 24*time.Hour {
			t.Fatalf("%q, %q: %v is not within [1 min, 24 h]", cache, age, got)
		}
	})
}
