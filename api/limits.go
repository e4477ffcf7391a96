package api

import (
	"sync"

	"golang.org/x/time/rate"
)

// maxLimited bounds the memory: more callers than this are never busy at once. When it is full all
// start with a full bucket again.
const maxLimited = 10_000

// limits holds each caller to a rate, with a second's worth in reserve for a page that asks ten things at once.
type limits struct {
	perSecond float64

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

func newLimits(perSecond float64) *limits {
	return &limits{perSecond: perSecond, buckets: map[string]*rate.Limiter{}}
}

func (l *limits) take(caller string) bool {
	if l.perSecond <= 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[caller]
	if b == nil {
		if len(l.buckets) >= maxLimited {
			clear(l.buckets)
		}
		b = rate.NewLimiter(rate.Limit(l.perSecond), max(1, int(l.perSecond)))
		l.buckets[caller] = b
	}
	return b.Allow()
}
