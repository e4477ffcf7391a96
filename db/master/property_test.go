package master_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xencrm/xencrm/internal/customer"
)

// model computes a customer's totals in the simplest way there is: from the whole list of what was
// posted, with none of the store's code.
type model struct {
	exists       bool
	openingSpend decimal.Decimal
	openingLast  *time.Time
	orders       map[string]*modelOrder
}

type modelOrder struct {
	amount decimal.Decimal
	rank   int // 0 pending, 1 completed, 2 cancelled, 3 refunded
	at     time.Time
}

func (m *model) totals() (spend decimal.Decimal, orders int32, last *time.Time) {
	last = m.openingLast
	for _, o := range m.orders {
		if o.rank == 1 {
			spend = spend.Add(o.amount)
			orders++
			if last == nil || o.at.After(*last) {
				last = &o.at
			}
		}
	}
	return spend, orders, last
}

// Random posts of customers and orders, in batches, some delivered again and orders before their
// customers, end in the totals that the model computes.
func TestTotalsEqualTheModel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var run int
	statuses := []customer.OrderStatus{customer.OrderPending, customer.OrderCompleted, customer.OrderCancelled, customer.OrderRefunded}
	rapid.Check(t, func(rt *rapid.T) {
		run++
		models := map[string]*model{}
		for n := range 3 {
			models[fmt.Sprintf("r%dc%d@shop.in", run, n)] = &model{orders: map[string]*modelOrder{}}
		}
		address := rapid.SampledFrom([]string{"c0", "c1", "c2"})
		for step := range rapid.IntRange(1, 12).Draw(rt, "steps") {
			if rapid.Bool().Draw(rt, "customer") {
				to := fmt.Sprintf("r%d%s@shop.in", run, address.Draw(rt, "to"))
				in := customer.Input{Email: to}
				m := models[to]
				m.exists = true
				if rapid.Bool().Draw(rt, "spend") {
					in.TotalSpend = new(decimal.New(rapid.Int64Range(0, 10_000).Draw(rt, "cents"), -2))
				}
				if rapid.Bool().Draw(rt, "last") {
					in.LastOrderAt = new(noon().Add(time.Duration(rapid.IntRange(-50, 50).Draw(rt, "hours")) * time.Hour))
				}
				p := posted(t, fmt.Sprintf("r%d-c%d", run, step), in)
				// Waiting orders are counted before the post: the sum that a posted total is compared with is then
				// that of the model.
				b.customersThenSweep(rt, p)
				counted, _, _ := m.totals()
				if in.TotalSpend != nil {
					m.openingSpend = in.TotalSpend.Sub(counted)
					if b.firstPost(p) {
						// Orders that had waited come on top of what a first post says.
						m.openingSpend = *in.TotalSpend
					}
				}
				if in.LastOrderAt != nil {
					m.openingLast = in.LastOrderAt
				}
				continue
			}
			var batch []customer.PostedOrder
			for n := range rapid.IntRange(1, 5).Draw(rt, "orders") {
				to := fmt.Sprintf("r%d%s@shop.in", run, address.Draw(rt, "to"))
				name := fmt.Sprintf("%s-x%d", to, rapid.IntRange(0, 3).Draw(rt, "name"))
				rank := rapid.IntRange(0, 3).Draw(rt, "status")
				o := models[to].orders[name]
				if o == nil {
					o = &modelOrder{amount: decimal.New(rapid.Int64Range(1, 500).Draw(rt, "cents"), -2), at: noon().Add(time.Duration(n+step) * time.Hour)}
					models[to].orders[name] = o
				}
				o.rank = max(o.rank, rank)
				batch = append(batch, ordered(t, fmt.Sprintf("r%d-o%d-%d", run, step, n), customer.OrderInput{
					CustomerEmail: to, Amount: o.amount, Status: statuses[rank], ExternalID: &name, OrderedAt: &o.at,
				}))
			}
			if rapid.Bool().Draw(rt, "again") {
				batch = append(batch, batch[rand.IntN(len(batch))])
			}
			b.orders(batch...)
			if rapid.Bool().Draw(rt, "redelivered") {
				b.orders(batch...)
			}
			b.sweep(rt)
		}
		for to, m := range models {
			if !m.exists {
				continue
			}
			counted, orders, last := m.totals()
			got := b.read(to)
			require.Equal(rt, m.openingSpend.Add(counted).StringFixed(2), got.Spend.StringFixed(2), to)
			require.Equal(rt, orders, got.Orders, to)
			require.Equal(rt, last == nil, got.Last == nil, to)
			if last != nil {
				require.True(rt, last.Equal(*got.Last), "%s: %v, not %v", to, got.Last, last)
			}
		}
	})
}

func (b *bundle) sweep(rt *rapid.T) {
	_, err := b.store.ApplyWaiting(b.Context(), 100)
	require.NoError(rt, err)
}

func (b *bundle) customersThenSweep(rt *rapid.T, p customer.Posted) {
	b.customers(p)
	b.sweep(rt)
}

// firstPost reports whether p made its customer.
func (b *bundle) firstPost(p customer.Posted) bool {
	return b.count(`SELECT count(*) FROM outbox_events o JOIN customers c ON c.customer_id = o.entity_id
		WHERE c.email = $1 AND o.payload->>'source' = 'customer_consumer'`, p.Input.Email) == 1
}
