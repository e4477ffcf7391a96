package rabbit

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/devstack/devtest"
)

// BenchmarkPublish measures confirmed publishes from concurrent callers, as HTTP handlers make them.
func BenchmarkPublish(b *testing.B) {
	p, err := NewPublisher(PublisherConfig{URL: devtest.Vhost(b), Name: "bench", Log: quiet()})
	require.NoError(b, err)
	done := make(chan error, 1)
	ctx := b.Context()
	go func() { done <- p.Run(ctx) }()
	require.Eventually(b, func() bool { return p.Ready() == nil }, patience, 1e7)
	var n atomic.Int64
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := p.Publish(ctx, message(int(n.Add(1)))); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}
