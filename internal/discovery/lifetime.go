package discovery

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	defaultTTL = time.Hour
	minTTL     = time.Minute
	maxTTL     = 24 * time.Hour
)

// lifetime is how long an answer is fresh by its Cache-Control (RFC 9111
// section 4.2), within bounds that no provider can leave: else it could have us
// fetch at every login, or keep a withdrawn key for years.
func lifetime(h http.Header) time.Duration {
	ttl, ok := maxAge(strings.Join(h.Values("Cache-Control"), ","))
	if !ok {
		return defaultTTL
	}
	if age, ok := seconds(h.Get("Age")); ok {
		ttl -= age
	}
	return min(max(ttl, minTTL), maxTTL)
}

// maxAge returns the shortest lifetime that the directives ask for. What is
// malformed counts as none: RFC 9111 has caches take it for stale.
func maxAge(directives string) (ttl time.Duration, ok bool) {
	for directive := range strings.SplitSeq(directives, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		var this time.Duration
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
		case "max-age":
			this, _ = seconds(strings.Trim(value, `"`))
		default:
			continue
		}
		if !ok || this < ttl {
			ttl, ok = this, true
		}
	}
	return ttl, ok
}

// seconds reads delta-seconds (RFC 9111 section 1.2.2). What is too large
// becomes a day, which is all that matters here.
func seconds(s string) (time.Duration, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > int64(maxTTL/time.Second) {
		return maxTTL, true
	}
	return time.Duration(n) * time.Second, true
}
