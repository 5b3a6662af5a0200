package discovery

import "time"

const (
	burst  = 3           // fetches that unknown keys may cause at once ...
	refill = time.Minute // ... and then one each
)

// bucket holds what unknown keys may cause. The zero value is full.
type bucket struct {
	spent int
	since time.Time // when the oldest of the spent began to come back
}

func (b *bucket) take(now time.Time) bool {
	if b.spent > 0 {
		back := int(now.Sub(b.since) / refill)
		b.spent = max(b.spent-back, 0)
		b.since = b.since.Add(time.Duration(back) * refill)
	}
	if b.spent == burst {
		return false
	}
	if b.spent == 0 {
		b.since = now
	}
	b.spent++
	return true
}
