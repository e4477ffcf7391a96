package master_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/db/dbtest"
	"github.com/xencrm/xencrm/db/master"
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
