package mock_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/vendors/httpvendor"
	"github.com/xencrm/xencrm/internal/vendors/mock"
	"github.com/xencrm/xencrm/internal/vendors/vendortest"
)

// BenchmarkSend measures the whole vendor over real HTTP with its client in the same process: new keys,
// 360 in flight (8 lanes of 45), fsynced ledger, receipts posted and confirmed. Client, vendor and
// receiver share the cores, so the vendor alone is faster.
func BenchmarkSend(b *testing.B) {
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // Only the posting is measured.
	}))
	defer receiver.Close()
	c := mock.DefaultConfig()
	c.LedgerPath = filepath.Join(b.TempDir(), "vendor.db")
	c.Latency, c.ReceiptDelay = mock.Range{}, mock.Range{}
	c.Logger = slog.New(slog.DiscardHandler)
	c.ReceiptURL, c.ReceiptSecret = receiver.URL, secret
	s, err := mock.New(c)
	require.NoError(b, err)
	server := httptest.NewServer(s.Handler())
	ctx, cancel := context.WithCancel(b.Context())
	var run sync.WaitGroup
	run.Go(func() { _ = s.Run(ctx) }) // It gives nil.
	client, err := httpvendor.New(httpvendor.Config{BaseURL: server.URL})
	require.NoError(b, err)

	next := make(chan struct{}, 360)
	b.ResetTimer()
	b.ReportAllocs()
	began := time.Now()
	var senders sync.WaitGroup
	for range 360 {
		senders.Go(func() {
			for range next {
				_, _ = client.Send(ctx, vendortest.Request(uuid.NewString())) // A tenth is refused.
			}
		})
	}
	for range b.N {
		next <- struct{}{}
	}
	close(next)
	senders.Wait()
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "sends/s")
	for sum, err := s.Summary(ctx); err == nil && sum.ReceiptsUnconfirmed > 0; sum, err = s.Summary(ctx) {
	}
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "sends+receipts/s")
	b.StopTimer()
	cancel()
	run.Wait()
	client.Close()
	require.NoError(b, s.Close())
	server.Close()
}
