package ingest_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/db/dbtest"
	"github.com/xencrm/xencrm/db/master"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/devstack/devtest"
)

// What is changed through the API arrives in the projection beside what the queues bring, and an
// erasure leaves neither database with anything to read.
func TestChangesAndErasuresReachTheProjection(t *testing.T) {
	t.Parallel()
	p := newPipeline(t, devtest.Vhost(t), dbtest.Master(t), dbtest.Business(t))
	store := master.New(p.master)
	records := customer.NewRecords(store, store)
	const n = 10
	for i := range n {
		p.customer(i)
		p.order(i, "10.10")
	}
	p.settled(n, n, "101.00")
	ids := make([]uuid.UUID, n)
	for i := range n {
		email := fmt.Sprintf("c%d@shop.in", i)
		require.NoError(t, p.master.QueryRow(t.Context(), "SELECT customer_id FROM customers WHERE email = $1", email).Scan(&ids[i]))
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { p.order(i, "0.01") })
		wg.Go(func() {
			_, err := records.Edit(t.Context(), ids[i], customer.Match{Any: true}, []byte(`{"name":"Canary","phone":"+91 55555"}`))
			if err != nil {
				t.Errorf("edit: %v", err)
			}
		})
	}
	wg.Wait()
	p.settled(n, 2*n, "101.10")
	require.Equal(t, n, count(t, p.business, "SELECT count(*) FROM customers_mv WHERE name = 'Canary' AND phone = '+91 55555'"))

	for i := range n {
		wg.Go(func() {
			if _, err := records.Erase(t.Context(), ids[i]); err != nil {
				t.Errorf("erase: %v", err)
			}
		})
	}
	wg.Wait()
	eventually(t, "the erasures have arrived", func() bool {
		return count(t, p.business, "SELECT count(*) FROM erased_addresses") == n
	})
	p.settled(n, 2*n, "101.10")
	for _, pool := range []*pgxpool.Pool{p.master, p.business} {
		for _, table := range tables(t, pool) {
			require.Zero(t, count(t, pool, "SELECT count(*) FROM "+table+` AS x WHERE x::text ~ 'Canary|@shop\.in|55555'`), table)
		}
	}
}

func tables(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	var out []string
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT array_agg(tablename::text) FROM pg_tables WHERE schemaname = 'public'").Scan(&out))
	require.NotEmpty(t, out)
	return out
}
