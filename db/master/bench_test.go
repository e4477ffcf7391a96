package master_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/db/dbtest"
	"github.com/xencrm/xencrm/db/master"
	"github.com/xencrm/xencrm/internal/bulk"
	"github.com/xencrm/xencrm/internal/customer"
)

const benchBatch = 200

// BenchmarkApplyCustomers measures new customers, in full batches.
func BenchmarkApplyCustomers(b *testing.B) {
	store := master.New(dbtest.Master(b))
	for i := 0; b.Loop(); i++ {
		posts := make([]customer.Posted, benchBatch)
		for n := range posts {
			id := fmt.Sprint("m", i, "-", n)
			p, err := customer.NewPosted(customer.Meta{MessageID: id, At: noon()}, customer.Input{Name: "A", Email: email(i*benchBatch + n)})
			require.NoError(b, err)
			posts[n] = p
		}
		_, err := store.ApplyCustomers(b.Context(), posts)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.N*benchBatch)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkApplyOrders measures orders of many customers, in full batches.
func BenchmarkApplyOrders(b *testing.B) {
	store := master.New(dbtest.Master(b))
	var posts []customer.Posted
	for n := range 1000 {
		p, err := customer.NewPosted(customer.Meta{MessageID: fmt.Sprint("m", n), At: noon()}, customer.Input{Name: "A", Email: email(n)})
		require.NoError(b, err)
		posts = append(posts, p)
	}
	_, err := store.ApplyCustomers(b.Context(), posts)
	require.NoError(b, err)
	for i := 0; b.Loop(); i++ {
		orders := make([]customer.PostedOrder, benchBatch)
		for n := range orders {
			id := fmt.Sprint("o", i, "-", n)
			p, err := customer.NewPostedOrder(customer.Meta{MessageID: id, At: noon()}, customer.OrderInput{
				CustomerEmail: email((i*benchBatch + n*7) % 1000), Amount: money("1.25"), Status: customer.OrderCompleted, ExternalID: &id,
			})
			require.NoError(b, err)
			orders[n] = p
		}
		_, err := store.ApplyOrders(b.Context(), orders)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.N*benchBatch)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkImport measures new customers from the first byte of a file until they and their events are
// stored: reading, checking and staging in one goroutine, applying in another, as in the API.
func BenchmarkImport(b *testing.B) {
	const rows = 200_000
	store := master.New(dbtest.Master(b))
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		var file strings.Builder
		file.WriteString("name,email,phone,total_spend,total_visits,last_order_at\n")
		for n := range rows {
			fmt.Fprintf(&file, "Customer %d,c%d-%d@example.com,'+91 98765 %05d,%d.50,%d,2026-01-02T10:00:00Z\n",
				n, i, n*7919%rows, n%100_000, n, n%50)
		}
		b.StartTimer()
		id := importOnce(b, store, file.String())
		got, err := store.Import(b.Context(), id)
		require.NoError(b, err)
		require.EqualValues(b, rows, got.Created)
	}
	b.ReportMetric(float64(b.N*rows)/b.Elapsed().Seconds(), "rows/s")
}

// importOnce imports a file with an applier beside it.
func importOnce(b *testing.B, store *master.Store, file string) uuid.UUID {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	log := slog.New(slog.DiscardHandler)
	applied := make(chan error, 1)
	go func() { applied <- bulk.NewApplier(store, time.Now, log).Run(ctx) }()
	started, err := bulk.NewService(store, store, log).Import(b.Context(), strings.NewReader(file), nil)
	require.NoError(b, err)
	require.Eventually(b, func() bool {
		got, err := store.Import(b.Context(), started.ID)
		return err == nil && got.State == bulk.Completed
	}, time.Minute, 5*time.Millisecond)
	stop()
	require.NoError(b, <-applied)
	return started.ID
}
