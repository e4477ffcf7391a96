package business_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/db/business"
	"github.com/xencrm/xencrm/internal/campaign"
)

// BenchmarkResolveAudience resolves, renders and stores an audience of 100,000.
func BenchmarkResolveAudience(b *testing.B) {
	const n = 100_000
	s := setup(b)
	s.customers(b, n)
	for b.Loop() {
		c := s.campaign(b, everyone)
		start := time.Now()
		got := s.resolve(b, c)
		require.Equal(b, n, got.Sendable)
		b.ReportMetric(n/time.Since(start).Seconds(), "customers/s")
	}
}

// BenchmarkRehearseAudience tries a launch to 100,000 out: rendering everybody, and counting alone.
func BenchmarkRehearseAudience(b *testing.B) {
	const n = 100_000
	s := setup(b)
	s.customers(b, n)
	r := request(b, s.campaign(b, everyone))
	for name, limits := range map[string]campaign.RehearsalLimits{"Rendering": untilDone, "Counting": noRendering} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				got, err := s.store.RehearseAudience(b.Context(), r, limits)
				require.NoError(b, err)
				require.Equal(b, n, got.Audience)
			}
			b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "customers/s")
		})
	}
}

// BenchmarkReceipts applies receipts in batches as the consumer does.
func BenchmarkReceipts(b *testing.B) {
	const n, size = 20_000, 400
	s := setup(b)
	_, ms := s.launched(b, n)
	store := business.New(s.pool)
	next := 0
	for b.Loop() {
		if next+size > n {
			next = 0
		}
		rs := make([]campaign.Receipt, size)
		for i := range rs {
			rs[i] = receiptFor(ms[next+i], true, "")
		}
		next += size
		_, _, err := store.ApplyReceipts(b.Context(), rs)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.N*size)/b.Elapsed().Seconds(), "receipts/s")
}
