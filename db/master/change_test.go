package master_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/cursor"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
)

// records is the service over the store: what the API works on.
func (b *bundle) records() *customer.Records { return customer.NewRecords(b.store, b.store) }

func TestChangeCustomer(t *testing.T) {
	t.Parallel()

	t.Run("StoresTheNextVersionAndTellsOfIt", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(posted(t, "m1", customer.Input{Email: email(1), Phone: new("+91 1234")}))
		id := b.read(email(1)).ID
		got, err := b.records().Edit(t.Context(), id, customer.Match{Versions: []int64{1}}, []byte(`{"name":"Asha Rao","phone":null}`))
		require.NoError(t, err)
		stored := b.read(email(1))
		require.Equal(t, "Asha Rao", stored.Name)
		require.Nil(t, stored.Phone)
		require.Equal(t, "ACTIVE", stored.Status)
		require.EqualValues(t, 2, stored.Version)
		require.EqualValues(t, 2, got.Version)
		require.Equal(t, "Asha Rao", got.Name)
		require.Equal(t, 1, b.count(`SELECT count(*) FROM outbox_events WHERE entity_version = 2 AND published_at IS NULL
			AND payload->'data'->>'name' = 'Asha Rao' AND payload->'data'->>'operation' = 'updated'`))
	})

	t.Run("OfWhatIsSoAlreadyStoresNothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(posted(t, "m1", customer.Input{Email: email(1), Status: new("INACTIVE")}))
		id := b.read(email(1)).ID
		got, err := b.records().Edit(t.Context(), id, customer.Match{Any: true}, []byte(`{"name":" Asha "}`))
		require.NoError(t, err)
		require.EqualValues(t, 1, got.Version)
		_, err = b.records().Deactivate(t.Context(), id)
		require.NoError(t, err)
		require.EqualValues(t, 1, b.read(email(1)).Version)
	})

	t.Run("OfAnUnknownOneIsNotFound", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		_, err := b.records().Deactivate(t.Context(), uuid.New())
		require.True(t, errs.Is(err, errs.NotFound))
		require.ErrorContains(t, err, "Customer not found")
	})

	t.Run("OfTwoWhoReadOneVersionOneSucceeds", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(posted(t, "m1", customer.Input{Email: email(1)}))
		id := b.read(email(1)).ID
		const both = 2
		results := make([]error, both)
		var wg sync.WaitGroup
		for i := range both {
			wg.Go(func() {
				raw := fmt.Appendf(nil, `{"name":"Name %d"}`, i)
				_, results[i] = b.records().Edit(context.WithoutCancel(t.Context()), id, customer.Match{Versions: []int64{1}}, raw)
			})
		}
		wg.Wait()
		winner := 0
		if results[0] != nil {
			winner = 1
		}
		require.NoError(t, results[winner])
		require.ErrorIs(t, results[1-winner], customer.ErrStale)
		stored := b.read(email(1))
		require.Equal(t, fmt.Sprintf("Name %d", winner), stored.Name)
		require.EqualValues(t, 2, stored.Version)
	})

	t.Run("AndTheConsumersNeverLoseEachOther", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(posted(t, "m1", customer.Input{Email: email(1)}))
		id := b.read(email(1)).ID
		const rounds = 20
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range rounds {
				b.orders(ordered(t, fmt.Sprintf("o%d", i), customer.OrderInput{CustomerEmail: email(1), Amount: money("1.05")}))
			}
		})
		edits := 0
		for i := range rounds {
			at, err := b.store.Customer(t.Context(), id)
			require.NoError(t, err)
			raw := fmt.Appendf(nil, `{"name":"Name %d"}`, i)
			_, err = b.records().Edit(t.Context(), id, customer.Match{Versions: []int64{at.Version}}, raw)
			if err == nil {
				edits++
				continue
			}
			require.ErrorIs(t, err, customer.ErrStale)
		}
		wg.Wait()
		stored := b.read(email(1))
		require.Equal(t, "21.00", stored.Spend.StringFixed(2))
		require.EqualValues(t, rounds, stored.Orders)
		require.EqualValues(t, 1+rounds+edits, stored.Version)
	})
}

func TestMoveOrder(t *testing.T) {
	t.Parallel()
	setupOrder := func(t *testing.T) (*bundle, uuid.UUID) {
		t.Helper()
		b := setup(t)
		b.customers(posted(t, "m1", customer.Input{Email: email(1)}))
		b.orders(
			ordered(t, "o1", customer.OrderInput{CustomerEmail: email(1), Amount: money("10.05"), ExternalID: new("x"), OrderedAt: new(noon().AddDate(0, 0, -9))}),
			ordered(t, "o2", customer.OrderInput{CustomerEmail: email(1), Amount: money("99.90"), ExternalID: new("y")}),
		)
		b.spend(email(1), "109.95")
		var id uuid.UUID
		require.NoError(t, b.pool.QueryRow(t.Context(), "SELECT order_id FROM orders WHERE external_id = 'y'").Scan(&id))
		return b, id
	}

	t.Run("O5ARefundSubtractsOnceWhoeverReportsIt", func(t *testing.T) {
		t.Parallel()
		b, id := setupOrder(t)
		const each = 5
		var wg sync.WaitGroup
		for i := range each {
			wg.Go(func() {
				_, err := b.records().MoveOrder(context.WithoutCancel(t.Context()), id, customer.OrderRefunded)
				require.NoError(t, err)
			})
			wg.Go(func() {
				b.orders(ordered(t, fmt.Sprintf("r%d", i), customer.OrderInput{
					CustomerEmail: email(1), Amount: money("99.90"), ExternalID: new("y"), Status: customer.OrderRefunded,
				}))
			})
		}
		wg.Wait()
		stored := b.read(email(1))
		require.Equal(t, "10.05", stored.Spend.StringFixed(2))
		require.EqualValues(t, 1, stored.Orders)
		require.EqualValues(t, 1, stored.Visits)
		require.Equal(t, noon().AddDate(0, 0, -9), stored.Last.UTC())
		require.EqualValues(t, 3, stored.Version, "made, two orders at once, one refund")
	})

	t.Run("CountsWhatIsCompletedLater", func(t *testing.T) {
		t.Parallel()
		b, _ := setupOrder(t)
		p := ordered(t, "o3", customer.OrderInput{CustomerEmail: email(1), Amount: money("5"), Status: customer.OrderPending})
		b.orders(p)
		b.spend(email(1), "109.95")
		got, err := b.records().MoveOrder(t.Context(), p.Order(uuid.Nil).ID, customer.OrderCompleted)
		require.NoError(t, err)
		require.Equal(t, customer.OrderCompleted, got.Status)
		b.spend(email(1), "114.95")
	})

	t.Run("BackIsRefusedAndChangesNothing", func(t *testing.T) {
		t.Parallel()
		b, id := setupOrder(t)
		_, err := b.records().MoveOrder(t.Context(), id, customer.OrderRefunded)
		require.NoError(t, err)
		_, err = b.records().MoveOrder(t.Context(), id, customer.OrderCompleted)
		require.True(t, errs.Is(err, errs.Conflict))
		b.spend(email(1), "10.05")
	})

	t.Run("OfAnUnknownOneIsNotFound", func(t *testing.T) {
		t.Parallel()
		b, _ := setupOrder(t)
		_, err := b.records().MoveOrder(t.Context(), uuid.New(), customer.OrderRefunded)
		require.True(t, errs.Is(err, errs.NotFound))
	})
}

func TestListCustomers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	names := []string{"Zoë", "asha", "Asha", "Ärna", "%", "ASHA RAO", "b"}
	for i, name := range names {
		in := customer.Input{Email: email(i), Name: name}
		if i%2 == 1 {
			in.Status = new("INACTIVE")
		}
		b.customers(posted(t, fmt.Sprintf("m%d", i), in)) // one at a time: ids tell the order
	}
	b.customers(posted(t, "mx", customer.Input{Email: "asha_1@shop.in", Name: "Zed"}))
	// all pages through a list two at a time; meanwhile is called after each page.
	all := func(t *testing.T, f customer.Filter, meanwhile func()) []string {
		t.Helper()
		f.Limit = 2
		var out []string
		for {
			page, err := b.records().List(t.Context(), f)
			require.NoError(t, err)
			for _, c := range page.Items {
				out = append(out, c.Name)
			}
			if page.Next.IsZero() {
				return out
			}
			scope := []string{"customers", string(f.Sort)}
			f.After, err = cursor.Decode(cursor.Encode(page.Next, scope...), scope...)
			require.NoError(t, err)
			meanwhile()
		}
	}
	nothing := func() {}

	require.Equal(t, []string{"Zed", "b", "ASHA RAO", "%", "Ärna", "Asha", "asha", "Zoë"}, all(t, customer.Filter{Sort: customer.SortNewest}, nothing))
	require.Equal(t, []string{"Zoë", "asha", "Asha", "Ärna", "%", "ASHA RAO", "b", "Zed"}, all(t, customer.Filter{Sort: customer.SortOldest}, nothing))
	require.Equal(t, []string{"%", "asha", "Asha", "ASHA RAO", "b", "Zed", "Zoë", "Ärna"}, all(t, customer.Filter{Sort: customer.SortName}, nothing))
	require.Equal(t, []string{"Zed", "Zoë", "asha", "Asha", "Ärna", "%", "ASHA RAO", "b"}, all(t, customer.Filter{Sort: customer.SortEmail}, nothing))
	require.Equal(t, []string{"asha", "Asha", "ASHA RAO", "Zed"}, all(t, customer.Filter{Sort: customer.SortName, Prefix: "aSHa"}, nothing))
	require.Equal(t, []string{"asha", "ASHA RAO"}, all(t, customer.Filter{Sort: customer.SortName, Prefix: "asha", Status: "INACTIVE"}, nothing))
	require.Equal(t, []string{"%"}, all(t, customer.Filter{Sort: customer.SortNewest, Prefix: "%"}, nothing), "a prefix is literal")
	require.Empty(t, all(t, customer.Filter{Sort: customer.SortNewest, Prefix: "ash_"}, nothing))

	// Rows that come and go between two pages neither repeat nor hide the others.
	n := 0
	require.Equal(t, []string{"%", "asha", "Asha", "ASHA RAO", "b", "Zed", "Zoë", "Ärna"},
		all(t, customer.Filter{Sort: customer.SortName}, func() {
			n++
			b.customers(posted(t, fmt.Sprintf("new%d", n), customer.Input{Email: fmt.Sprintf("new%d@shop.in", n), Name: "!" + fmt.Sprint(n)}))
		}))
}

func TestListOrders(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.customers(posted(t, "m1", customer.Input{Email: email(1)}), posted(t, "m2", customer.Input{Email: email(2)}))
	for i := range 5 {
		b.orders(ordered(t, fmt.Sprintf("o%d", i), customer.OrderInput{
			CustomerEmail: email(1 + i%2), Amount: money(fmt.Sprintf("%d", i+1)),
			// Two at the same microsecond: the id tells them apart.
			OrderedAt: new(noon().AddDate(0, 0, i/2)),
		}))
	}
	b.orders(ordered(t, "o9", customer.OrderInput{CustomerEmail: email(1), Amount: money("9"), Status: customer.OrderPending}))
	all := func(f customer.OrderFilter) []string {
		f.Limit = 1
		var out []string
		for {
			page, err := b.records().ListOrders(t.Context(), f)
			require.NoError(t, err)
			for _, o := range page.Items {
				out = append(out, o.Amount.String())
			}
			if page.Next.IsZero() {
				return out
			}
			f.After = page.Next
		}
	}
	require.ElementsMatch(t, []string{"5", "4", "3", "2", "1", "9"}, all(customer.OrderFilter{}))
	require.Equal(t, []string{"5", "3"}, all(customer.OrderFilter{CustomerID: b.read(email(1)).ID, Status: customer.OrderCompleted})[:2])
	require.ElementsMatch(t, []string{"4", "2"}, all(customer.OrderFilter{CustomerID: b.read(email(2)).ID}))
	require.Equal(t, []string{"9"}, all(customer.OrderFilter{Status: customer.OrderPending}))
	_, err := b.store.ListOrders(t.Context(), customer.OrderFilter{Limit: 1, After: cursor.Position{Key: "yesterday"}})
	require.True(t, errs.Is(err, errs.Invalid))

	detail, err := b.records().Get(t.Context(), b.read(email(1)).ID)
	require.NoError(t, err)
	require.Len(t, detail.Orders, 4)
	require.Equal(t, email(1), detail.Email)
}

func TestEraseCustomer(t *testing.T) {
	t.Parallel()

	t.Run("LeavesTheBooksAndNothingPersonal", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(posted(t, "m1", customer.Input{Email: "asha@shop.in", Name: "Asha Rao", Phone: new("+91 98765")}))
		b.orders(ordered(t, "o1", customer.OrderInput{CustomerEmail: "asha@shop.in", Amount: money("10.05")}))
		id := b.read("asha@shop.in").ID
		park := func(body string) {
			require.NoError(t, b.store.Park(t.Context(), event.Delivery{Queue: event.QueueOrders, ID: body, Body: []byte(body)}, "no"))
		}
		park(`{"customer_email":"ASHA@shop.in","order_amount":0}`)
		park(`{"customer_email":"nasha@shop.in"}`)
		park(`{"customer_email":"asha@shop.info"}`)
		got, err := b.records().Erase(t.Context(), id)
		require.NoError(t, err)
		require.True(t, got.Erased())
		require.Equal(t, "INACTIVE", got.Status)
		require.EqualValues(t, 3, got.Version)
		stored := b.read(customer.ErasedEmail(id))
		require.Equal(t, "10.05", stored.Spend.StringFixed(2))
		require.EqualValues(t, 1, stored.Orders)
		require.Zero(t, b.count(`SELECT count(*) FROM outbox_events
			WHERE payload::text ILIKE '%asha%' OR payload::text LIKE '%98765%'`))
		require.Equal(t, 1, b.count(`SELECT count(*) FROM outbox_events WHERE entity_version = 3
			AND decode(payload->'data'->>'erased_address_sha256', 'base64') = sha256('asha@shop.in')
			AND payload->'data'->>'operation' = 'erased'`))
		require.Equal(t, 1, b.count(`SELECT count(*) FROM quarantine WHERE body = '[erased]' AND replayed_at IS NOT NULL`))
		require.Equal(t, 2, b.count(`SELECT count(*) FROM quarantine WHERE body <> '[erased]' AND replayed_at IS NULL`))
	})

	t.Run("TwiceIsOnce", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(posted(t, "m1", customer.Input{Email: email(1)}))
		id := b.read(email(1)).ID
		for range 2 {
			got, err := b.records().Erase(t.Context(), id)
			require.NoError(t, err)
			require.EqualValues(t, 2, got.Version)
		}
		_, err := b.records().Edit(t.Context(), id, customer.Match{Any: true}, []byte(`{"status":"ACTIVE"}`))
		require.True(t, errs.Is(err, errs.Conflict))
		_, err = b.records().Deactivate(t.Context(), id)
		require.NoError(t, err)
	})

	t.Run("WhoComesBackIsAnotherCustomer", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(posted(t, "m1", customer.Input{Email: email(1)}))
		first := b.read(email(1)).ID
		_, err := b.records().Erase(t.Context(), first)
		require.NoError(t, err)
		b.customers(posted(t, "m2", customer.Input{Email: email(1), Name: "Again"}))
		require.NotEqual(t, first, b.read(email(1)).ID)
		require.Equal(t, 2, b.count("SELECT count(*) FROM customers"))
	})

	t.Run("ARefundStillSubtracts", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		b.customers(posted(t, "m1", customer.Input{Email: email(1)}))
		p := ordered(t, "o1", customer.OrderInput{CustomerEmail: email(1), Amount: money("10.05")})
		b.orders(p)
		id := b.read(email(1)).ID
		_, err := b.records().Erase(t.Context(), id)
		require.NoError(t, err)
		_, err = b.records().MoveOrder(t.Context(), p.Order(id).ID, customer.OrderRefunded)
		require.NoError(t, err)
		b.spend(customer.ErasedEmail(id), "0.00")
	})
}
