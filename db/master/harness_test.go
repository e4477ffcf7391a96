package master_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/shopspring/decimal"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/xencrm/xencrm/db/dbtest"
	"github.com/xencrm/xencrm/db/master"
	"github.com/xencrm/xencrm/internal/customer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is the time of all messages of these tests, unless they say otherwise.
func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

type bundle struct {
	*testing.T
	store *master.Store
	pool  *pgxpool.Pool
}

func setup(t *testing.T) *bundle {
	t.Helper()
	pool := dbtest.Master(t)
	return &bundle{T: t, store: master.New(pool), pool: pool}
}

func money(s string) decimal.Decimal { return decimal.RequireFromString(s) }

func posted(t *testing.T, id string, in customer.Input) customer.Posted {
	t.Helper()
	if in.Name == "" {
		in.Name = "Asha"
	}
	p, err := customer.NewPosted(customer.Meta{MessageID: id, At: noon(), Body: []byte(id)}, in)
	require.NoError(t, err)
	return p
}

func ordered(t *testing.T, id string, in customer.OrderInput) customer.PostedOrder {
	t.Helper()
	if in.Status == "" {
		in.Status = customer.OrderCompleted
	}
	p, err := customer.NewPostedOrder(customer.Meta{MessageID: id, At: noon(), Body: []byte(id)}, in)
	require.NoError(t, err)
	return p
}

// customers applies posts that must all succeed.
func (b *bundle) customers(posts ...customer.Posted) {
	b.Helper()
	results, err := b.store.ApplyCustomers(b.Context(), posts)
	require.NoError(b, err)
	for _, r := range results {
		require.NoError(b, r)
	}
}

// orders applies posts that must all succeed.
func (b *bundle) orders(posts ...customer.PostedOrder) {
	b.Helper()
	results, err := b.store.ApplyOrders(b.Context(), posts)
	require.NoError(b, err)
	for _, r := range results {
		require.NoError(b, r)
	}
}

type row struct {
	ID                 uuid.UUID
	Name, Status       string
	Phone              *string
	Spend, Opening     decimal.Decimal
	Visits, Orders     int32
	Last               *time.Time
	Version, OutboxMax int64
	OutboxRows         int64
}

func (b *bundle) read(email string) row {
	b.Helper()
	var r row
	require.NoError(b, b.pool.QueryRow(b.Context(), `
		SELECT customer_id, name, status, phone, total_spend, opening_spend, total_visits, total_orders, last_order_at, version,
		       (SELECT max(entity_version) FROM outbox_events WHERE entity_id = customer_id),
		       (SELECT count(*) FROM outbox_events WHERE entity_id = customer_id)
		FROM customers WHERE email = $1`, email).
		Scan(&r.ID, &r.Name, &r.Status, &r.Phone, &r.Spend, &r.Opening, &r.Visits, &r.Orders, &r.Last, &r.Version, &r.OutboxMax, &r.OutboxRows))
	require.Equal(b, r.Version, r.OutboxMax, "each version is told of")
	require.Equal(b, r.Version, r.OutboxRows, "each version is told of once")
	return r
}

func (b *bundle) count(query string, args ...any) int {
	b.Helper()
	var n int
	require.NoError(b, b.pool.QueryRow(b.Context(), query, args...).Scan(&n))
	return n
}

func (b *bundle) spend(email, want string) {
	b.Helper()
	require.Equal(b, want, b.read(email).Spend.StringFixed(2))
}

func email(n int) string { return fmt.Sprintf("c%d@shop.in", n) }
