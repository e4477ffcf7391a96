package main

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// offer makes requests at a fixed rate for a time, however long their answers take. Each is told when it
// was due, which is what its latency counts from: one that the bench itself was late with has waited as
// well.
func offer(ctx context.Context, perSecond int, howLong time.Duration, request func(n int, due time.Time) error) error {
	interval := time.Second / time.Duration(perSecond)
	requests, ctx := errgroup.WithContext(ctx)
	begin := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := range int(howLong / interval) {
		due := begin.Add(time.Duration(n) * interval)
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return requests.Wait()
		case <-timer.C:
		}
		requests.Go(func() error { return request(n, due) })
	}
	return requests.Wait()
}

// latencies are those of requests, in milliseconds.
type latencies struct {
	mu sync.Mutex
	ms []float64
}

func (l *latencies) since(begin time.Time) { l.add(time.Since(begin)) }

func (l *latencies) add(took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ms = append(l.ms, took.Seconds()*1000) //nolint:mnd // milliseconds
}

// figures gives their percentiles under a name.
func (l *latencies) figures(name string) figures {
	return figures{
		name + "_ms_p50": percentile(l.ms, 0.50), name + "_ms_p95": percentile(l.ms, 0.95), name + "_ms_p99": percentile(l.ms, 0.99),
	}
}
