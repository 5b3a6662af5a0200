package oauth

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"
)

// maxLifetime bounds expires_in: beyond it the addition could wrap, and no token lives
// that long.
const maxLifetime = 10 * 365 * 24 * time.Hour

// expiry is the time at which a token with the given expires_in ends, RFC 6749 section
// 5.1, in whole or broken seconds, as a number or, against the RFC and common, as a
// string. Absent, null and "" are unknown: the zero time. Zero and less is now, which is
// not the zero time that oauth2 takes for "never".
func expiry(v any, now time.Time) (time.Time, error) {
	var text string
	switch v := v.(type) {
	case nil:
	case string:
		text = v
	case json.Number:
		text = v.String()
	default:
		return time.Time{}, invalid("its expires_in is not a number")
	}
	if text == "" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) || strings.Trim(text, "0123456789+-.eE") != "" {
		return time.Time{}, invalid("its expires_in is not a number") // also not NaN, Inf or hexadecimal
	}
	now = now.Round(0) // the wall clock: it will be stored
	switch {
	case seconds <= 0:
		return now, nil
	case seconds >= maxLifetime.Seconds():
		return now.Add(maxLifetime), nil
	}
	return now.Add(time.Duration(seconds * float64(time.Second))), nil
}
