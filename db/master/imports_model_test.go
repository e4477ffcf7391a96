package master_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/event"
)

// The statements over whole batches do what a post of each row does: one customer lives through
// imports, its twin through posts, both through the same orders.
func TestImportsEqualPosts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		imported, postedTo := fmt.Sprintf("i%d@shop.in", run), fmt.Sprintf("p%d@shop.in", run)
		for step := range rapid.IntRange(1, 6).Draw(rt, "steps") {
			if step > 0 && rapid.Bool().Draw(rt, "order") {
				order := customer.OrderInput{
					Amount: money("2.50"), ExternalID: new(fmt.Sprint(rapid.IntRange(1, 3).Draw(rt, "external"))),
					Status:    rapid.SampledFrom([]customer.OrderStatus{customer.OrderCompleted, customer.OrderRefunded}).Draw(rt, "status"),
					OrderedAt: new(noon().AddDate(0, 0, rapid.IntRange(-9, 9).Draw(rt, "day"))),
				}
				for _, to := range []string{imported, postedTo} {
					order.CustomerEmail, order.Source = to, to
					b.orders(ordered(t, fmt.Sprint(to, step), order))
				}
				continue
			}
			in := drawInput(rt)
			in.Email = imported
			b.imported(importHeader + fileRow(in))
			in.Email = postedTo
			b.customers(posted(t, fmt.Sprint(postedTo, step), in))
		}
		require.Equal(t, b.everything(postedTo), b.everything(imported))
		b.read(imported) // each version is told of
		require.Equal(t, b.lastEvent(postedTo), b.lastEvent(imported))
	})
}

func drawInput(rt *rapid.T) customer.Input {
	in := customer.Input{Name: rapid.SampledFrom([]string{"Asha", "Rao"}).Draw(rt, "name")}
	if rapid.Bool().Draw(rt, "phone") {
		in.Phone = new(rapid.SampledFrom([]string{"+91 98", "0800"}).Draw(rt, "number"))
	}
	if rapid.Bool().Draw(rt, "spend") {
		in.TotalSpend = new(decimal.New(rapid.Int64Range(0, 500).Draw(rt, "cents"), -2))
	}
	if rapid.Bool().Draw(rt, "visits") {
		in.TotalVisits = new(rapid.Int32Range(0, 5).Draw(rt, "count"))
	}
	if rapid.Bool().Draw(rt, "last") {
		in.LastOrderAt = new(noon().AddDate(0, 0, rapid.IntRange(-9, 9).Draw(rt, "day")))
	}
	if rapid.Bool().Draw(rt, "status") {
		in.Status = new(rapid.SampledFrom([]string{customer.StatusActive, customer.StatusInactive}).Draw(rt, "is"))
	}
	return in
}

// fileRow writes what an input names, and no more.
func fileRow(in customer.Input) string {
	cells := []string{in.Email, in.Name, "", "", "", "", ""}
	if in.Phone != nil {
		cells[2] = *in.Phone
	}
	if in.TotalSpend != nil {
		cells[3] = in.TotalSpend.String()
	}
	if in.TotalVisits != nil {
		cells[4] = fmt.Sprint(*in.TotalVisits)
	}
	if in.LastOrderAt != nil {
		cells[5] = in.LastOrderAt.Format(time.RFC3339Nano)
	}
	if in.Status != nil {
		cells[6] = *in.Status
	}
	return strings.Join(cells, ",") + "\n"
}

// everything gives a customer's columns but those that tell it from its twin, and its version, which a
// post raises also when it says nothing new.
func (b *bundle) everything(of string) string {
	b.Helper()
	var out string
	require.NoError(b, b.pool.QueryRow(b.Context(), `
		SELECT (to_jsonb(c) - '{customer_id,email,version,created_at,updated_at}'::text[])::text
		FROM customers c WHERE email = $1`, of).Scan(&out))
	return out
}

// lastEvent gives what the last event says of a customer, as the projection reads it; it must be what
// the customer says of itself.
func (b *bundle) lastEvent(of string) event.CustomerMV {
	b.Helper()
	var raw json.RawMessage
	require.NoError(b, b.pool.QueryRow(b.Context(), `
		SELECT payload FROM outbox_events JOIN customers ON customer_id = entity_id AND version = entity_version WHERE email = $1`,
		of).Scan(&raw))
	e, err := event.ReadEnvelope(raw, event.TypeCustomerMVUpsert)
	require.NoError(b, err)
	require.WithinDuration(b, time.Now(), e.Timestamp, time.Hour)
	var got event.CustomerMV
	require.NoError(b, json.Unmarshal(e.Data, &got))
	record, err := b.store.Customer(b.Context(), got.CustomerID)
	require.NoError(b, err)
	got = normal(got)
	require.Equal(b, normal(record.Event(got.Operation)), got)
	got.CustomerID, got.Email, got.Version, got.Operation = uuid.Nil, "", 0, ""
	return got
}

// normal writes what is equal alike.
func normal(v event.CustomerMV) event.CustomerMV {
	v.TotalSpend = money(v.TotalSpend.StringFixed(2))
	if v.LastOrderAt != nil {
		v.LastOrderAt = new(v.LastOrderAt.UTC())
	}
	return v
}
