package master_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

func TestD40RepostKeepsHistory(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.customers(posted(t, "m1", customer.Input{
		Name: "Asha", Email: email(1), Phone: new("+91 98765"), TotalSpend: new(money("100.10")),
		TotalVisits: new(int32(7)), Status: new(customer.StatusInactive),
	}))
	b.orders(ordered(t, "o1", customer.OrderInput{CustomerEmail: email(1), Amount: money("0.90")}))
	b.customers(posted(t, "m2", customer.Input{Name: "Asha R", Email: email(1)}))
	got := b.read(email(1))
	require.Equal(t, "Asha R", got.Name)
	require.Equal(t, "+91 98765", *got.Phone)
	require.Equal(t, customer.StatusInactive, got.Status)
	require.Equal(t, "101.00", got.Spend.StringFixed(2))
	require.Equal(t, int32(8), got.Visits)
	require.Equal(t, int32(1), got.Orders)
	require.True(t, noon().Equal(*got.Last))
}

func TestPostingATotalSetsIt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.customers(posted(t, "m1", customer.Input{Email: email(1), TotalSpend: new(money("10"))}))
	b.orders(ordered(t, "o1", customer.OrderInput{CustomerEmail: email(1), Amount: money("5")}))
	b.customers(posted(t, "m2", customer.Input{Email: email(1), TotalSpend: new(money("3")), TotalVisits: new(int32(2))}))
	got := b.read(email(1))
	require.Equal(t, "3.00", got.Spend.StringFixed(2))
	require.Equal(t, "-2.00", got.Opening.StringFixed(2))
	b.orders(ordered(t, "o2", customer.OrderInput{CustomerEmail: email(1), Amount: money("1.25")}))
	got = b.read(email(1))
	require.Equal(t, "4.25", got.Spend.StringFixed(2))
	require.Equal(t, int32(3), got.Visits)
}

// Many writers of one customer, in every way at once: the reference read, added and wrote back.
func TestD41NoLostUpdates(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.customers(posted(t, "m0", customer.Input{Email: email(1)}), posted(t, "m0b", customer.Input{Email: email(2)}))
	const writers, each = 8, 25
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				id := fmt.Sprintf("o-%d-%d", w, n)
				posts := []customer.PostedOrder{
					ordered(t, id, customer.OrderInput{CustomerEmail: email(1 + w%2), Amount: money("0.01")}),
					ordered(t, id+"b", customer.OrderInput{CustomerEmail: email(1 + (w+1)%2), Amount: money("0.10")}),
				}
				results, err := b.store.ApplyOrders(t.Context(), posts)
				if err != nil || results[0] != nil || results[1] != nil {
					t.Errorf("apply: %v %v", err, results)
				}
			}
		})
	}
	wg.Wait()
	b.spend(email(1), "11.00")
	b.spend(email(2), "11.00")
	require.Equal(t, int32(writers*each), b.read(email(1)).Orders)
}

func TestConcurrentFirstPostsMakeOneCustomer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			_, err := b.store.ApplyCustomers(t.Context(), []customer.Posted{
				posted(t, fmt.Sprintf("m%d", w), customer.Input{Email: email(w % 3)}),
				posted(t, fmt.Sprintf("n%d", w), customer.Input{Email: email((w + 1) % 3)}),
			})
			if err != nil {
				t.Errorf("apply: %v", err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 3, b.count("SELECT count(*) FROM customers"))
	for n := range 3 {
		b.read(email(n))
	}
}

func TestD42OrderTotalsAndEventAreOneTransaction(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.customers(posted(t, "m1", customer.Input{Email: email(1)}))
	// The outbox refuses the event; nothing of the order may stay.
	_, err := b.pool.Exec(t.Context(), "ALTER TABLE outbox_events ADD CONSTRAINT full_up CHECK (entity_version < 2)")
	require.NoError(t, err)
	_, err = b.store.ApplyOrders(t.Context(), []customer.PostedOrder{
		ordered(t, "o1", customer.OrderInput{CustomerEmail: email(1), Amount: money("5")}),
	})
	require.Error(t, err)
	require.Zero(t, b.count("SELECT count(*) FROM orders"))
	require.Zero(t, b.count("SELECT count(*) FROM inbox WHERE consumer = 'orders'"))
	b.spend(email(1), "0.00")
}

func TestD43RepeatsCountOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.customers(posted(t, "m1", customer.Input{Email: email(1)}))
	byMessage := ordered(t, "o1", customer.OrderInput{CustomerEmail: email(1), Amount: money("5")})
	b.orders(byMessage, byMessage)
	b.orders(byMessage)
	// A client's retry without a key is another message about the same order.
	named := customer.OrderInput{CustomerEmail: email(1), Amount: money("7"), ExternalID: new("shop-1"), Source: "web"}
	b.orders(ordered(t, "o2", named), ordered(t, "o3", named))
	b.orders(ordered(t, "o4", named))
	// The same name elsewhere is another order.
	named.Source = "till"
	b.orders(ordered(t, "o5", named))
	got := b.read(email(1))
	require.Equal(t, "19.00", got.Spend.StringFixed(2))
	require.Equal(t, int32(3), got.Orders)
	require.Equal(t, 3, b.count("SELECT count(*) FROM orders"))
}

func TestD44OnlyCompletedOrdersCount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.customers(posted(t, "m1", customer.Input{Email: email(1)}))
	post := func(id string, s customer.OrderStatus, at time.Time) {
		b.orders(ordered(t, id, customer.OrderInput{
			CustomerEmail: email(1), Amount: money("5"), Status: s, ExternalID: new("x"), OrderedAt: &at,
		}))
	}
	b.orders(ordered(t, "early", customer.OrderInput{CustomerEmail: email(1), Amount: money("1"), OrderedAt: new(noon().Add(-time.Hour))}))
	b.orders(
		ordered(t, "c", customer.OrderInput{CustomerEmail: email(1), Amount: money("5"), Status: customer.OrderCancelled}),
		ordered(t, "r", customer.OrderInput{CustomerEmail: email(1), Amount: money("5"), Status: customer.OrderRefunded}),
		ordered(t, "p", customer.OrderInput{CustomerEmail: email(1), Amount: money("5"), Status: customer.OrderPending}),
	)
	b.spend(email(1), "1.00")
	post("x1", customer.OrderPending, noon())
	b.spend(email(1), "1.00")
	post("x2", customer.OrderCompleted, noon())
	post("x3", customer.OrderCompleted, noon())
	b.spend(email(1), "6.00")
	require.True(t, noon().Equal(*b.read(email(1)).Last))
	post("x4", customer.OrderRefunded, noon())
	post("x5", customer.OrderRefunded, noon())
	post("x6", customer.OrderCompleted, noon()) // late
	got := b.read(email(1))
	require.Equal(t, "1.00", got.Spend.StringFixed(2))
	require.Equal(t, int32(1), got.Orders)
	require.True(t, noon().Add(-time.Hour).Equal(*got.Last), "the refunded order was the last one")
}

func TestConflictsAreRefusedAndOthersStand(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.customers(posted(t, "m1", customer.Input{Email: email(1)}), posted(t, "m2", customer.Input{Email: email(2)}))
	named := func(n int, amount string) customer.OrderInput {
		return customer.OrderInput{CustomerEmail: email(n), Amount: money(amount), ExternalID: new("x")}
	}
	b.orders(ordered(t, "o1", named(1, "5")))
	results, err := b.store.ApplyOrders(t.Context(), []customer.PostedOrder{
		ordered(t, "o2", named(1, "6")),
		ordered(t, "o3", named(2, "5")),
		ordered(t, "o1", named(1, "8")), // the id of o1, another content (faults Q7)
		ordered(t, "o4", customer.OrderInput{CustomerEmail: email(1), Amount: money("1")}),
	})
	require.NoError(t, err)
	require.True(t, errs.Is(results[0], errs.Conflict), "%v", results[0])
	require.True(t, errs.Is(results[1], errs.Conflict), "%v", results[1])
	require.True(t, errs.Is(results[2], errs.Conflict), "%v", results[2])
	require.NoError(t, results[3])
	b.spend(email(1), "6.00")
	b.spend(email(2), "0.00")
	require.Equal(t, 2, b.count("SELECT count(*) FROM inbox WHERE consumer = 'orders'"), "refused messages may come again")
}

func TestTotalsBeyondTheColumnAreRefusedAlone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.customers(posted(t, "m1", customer.Input{Email: email(1), TotalSpend: new(money("9999999999.99"))}))
	results, err := b.store.ApplyOrders(t.Context(), []customer.PostedOrder{
		ordered(t, "o1", customer.OrderInput{CustomerEmail: email(1), Amount: money("0.01")}),
	})
	require.NoError(t, err)
	require.True(t, errs.Is(results[0], errs.Invalid), "%v", results[0])
	require.Zero(t, b.count("SELECT count(*) FROM orders"))
}

func TestD48OrderBeforeItsCustomer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.orders(
		ordered(t, "o1", customer.OrderInput{CustomerEmail: email(1), Amount: money("5"), ExternalID: new("x")}),
		ordered(t, "o2", customer.OrderInput{CustomerEmail: email(1), Amount: money("7"), ExternalID: new("x")}),
		ordered(t, "o3", customer.OrderInput{CustomerEmail: email(2), Amount: money("9")}),
	)
	n, err := b.store.ApplyWaiting(t.Context(), 10)
	require.NoError(t, err)
	require.Zero(t, n)
	b.customers(posted(t, "m1", customer.Input{Email: email(1)}))
	n, err = b.store.ApplyWaiting(t.Context(), 10)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	b.spend(email(1), "5.00")
	require.Equal(t, 1, b.count("SELECT count(*) FROM quarantine WHERE message_id = 'o2' AND body = 'o2'"))
	require.Equal(t, 1, b.count("SELECT count(*) FROM orders_waiting"))
	n, err = b.store.ParkExpired(t.Context(), time.Now().Add(time.Hour), 10)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, 1, b.count("SELECT count(*) FROM quarantine WHERE message_id = 'o3'"))
	require.Zero(t, b.count("SELECT count(*) FROM orders_waiting"))
	// A replay after the customer came counts.
	b.customers(posted(t, "m2", customer.Input{Email: email(2)}))
	b.orders(ordered(t, "o3", customer.OrderInput{CustomerEmail: email(2), Amount: money("9")}))
	b.spend(email(2), "9.00")
}

func TestD49AddressesAreOneCustomerWhateverTheirCase(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.pool.Exec(t.Context(), `INSERT INTO customers (customer_id, name, email, version) VALUES (gen_random_uuid(), 'x', 'A@shop.in', 1)`)
	require.ErrorContains(t, err, "customers_email_check")
}

func TestD50MoneyIsExact(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.customers(posted(t, "m1", customer.Input{Email: email(1)}))
	want := decimal.Zero
	var posts []customer.PostedOrder
	for n := range 300 {
		amount := decimal.New(int64(n*7+1), -2)
		want = want.Add(amount)
		posts = append(posts, ordered(t, fmt.Sprint("o", n), customer.OrderInput{CustomerEmail: email(1), Amount: amount}))
	}
	b.orders(posts...)
	b.spend(email(1), want.StringFixed(2))
}

func TestRepostingADateMovesItBackNoFurtherThanTheLastOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.customers(posted(t, "m1", customer.Input{Email: email(1), LastOrderAt: new(noon().Add(time.Hour))}))
	b.orders(ordered(t, "o1", customer.OrderInput{CustomerEmail: email(1), Amount: money("5")}))
	require.True(t, noon().Add(time.Hour).Equal(*b.read(email(1)).Last))
	b.customers(posted(t, "m2", customer.Input{Email: email(1), LastOrderAt: new(noon().Add(-time.Hour))}))
	require.True(t, noon().Equal(*b.read(email(1)).Last))
}
