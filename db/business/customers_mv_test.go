package business_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xencrm/xencrm/db/business"
	"github.com/xencrm/xencrm/db/dbtest"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
)

// version gives the v-th version of a customer; every field tells which it is.
func version(id uuid.UUID, v int64) event.CustomerMV {
	e := event.CustomerMV{
		CustomerID: id, Version: v, Name: fmt.Sprintf("N%d", v), Email: fmt.Sprintf("c%d@shop.in", v), Status: "ACTIVE",
		TotalSpend: decimal.New(v, -2), TotalVisits: int32(v), TotalOrders: int32(v),
	}
	if v%2 == 0 {
		phone, at := fmt.Sprint(v), time.Unix(v, 0).UTC()
		e.Phone, e.LastOrderAt, e.Status = &phone, &at, "INACTIVE"
	}
	return e
}

// Events in any order, in any batches, each as often as it likes, leave the newest version.
func TestD46ProjectionKeepsTheNewestVersion(t *testing.T) {
	t.Parallel()
	pool := dbtest.Business(t)
	store := business.New(pool)
	rapid.Check(t, func(rt *rapid.T) {
		ids := []uuid.UUID{uuid.New(), uuid.New()}
		newest := map[uuid.UUID]int64{}
		var all []event.CustomerMV
		for range rapid.IntRange(1, 20).Draw(rt, "events") {
			id := rapid.SampledFrom(ids).Draw(rt, "customer")
			v := rapid.Int64Range(1, 9).Draw(rt, "version")
			newest[id] = max(newest[id], v)
			all = append(all, version(id, v))
		}
		for len(all) > 0 {
			n := rapid.IntRange(1, len(all)).Draw(rt, "batch")
			require.NoError(rt, store.ApplyCustomerVersions(t.Context(), all[:n]))
			all = all[n:]
		}
		for id, v := range newest {
			want, got := version(id, v), event.CustomerMV{CustomerID: id}
			require.NoError(rt, pool.QueryRow(t.Context(), `SELECT version, name, email, phone, total_spend, total_visits, total_orders, last_order_at, status
				FROM customers_mv WHERE customer_id = $1`, id).Scan(&got.Version, &got.Name, &got.Email, &got.Phone, &got.TotalSpend,
				&got.TotalVisits, &got.TotalOrders, &got.LastOrderAt, &got.Status))
			require.True(rt, want.TotalSpend.Equal(got.TotalSpend))
			got.TotalSpend = want.TotalSpend
			if want.LastOrderAt != nil {
				require.True(rt, want.LastOrderAt.Equal(*got.LastOrderAt))
				got.LastOrderAt = want.LastOrderAt
			}
			require.Equal(rt, want, got)
		}
	})
}

// Two consumers of the queue, which the reference's README told people to start (D37).
func TestD37CompetingConsumersAgree(t *testing.T) {
	t.Parallel()
	pool := dbtest.Business(t)
	store := business.New(pool)
	ids := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				var batch []event.CustomerMV
				for range 5 {
					batch = append(batch, version(ids[rand.IntN(len(ids))], 1+rand.Int64N(50)))
				}
				if err := store.ApplyCustomerVersions(t.Context(), batch); err != nil {
					t.Errorf("apply: %v", err)
				}
			}
			last := []event.CustomerMV{version(ids[0], 51), version(ids[1], 51), version(ids[2], 51)}
			rand.Shuffle(3, func(i, j int) { last[i], last[j] = last[j], last[i] })
			if err := store.ApplyCustomerVersions(t.Context(), last); err != nil {
				t.Errorf("apply: %v", err)
			}
		})
	}
	wg.Wait()
	var n int
	require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM customers_mv WHERE version = 51 AND name = 'N51'").Scan(&n))
	require.Equal(t, 3, n)
}

func TestVersionThatCannotBeStoredIsRefused(t *testing.T) {
	t.Parallel()
	bad := version(uuid.New(), 1)
	bad.TotalSpend = decimal.New(1, 10)
	err := business.New(dbtest.Business(t)).ApplyCustomerVersions(t.Context(), []event.CustomerMV{bad})
	require.True(t, errs.Is(err, errs.Invalid), "%v", err)
}
