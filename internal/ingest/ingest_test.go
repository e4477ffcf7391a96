package ingest

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
)

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

type fakeStore struct {
	customers []customer.Posted
	orders    []customer.PostedOrder
	results   []error
	err       error
}

func (s *fakeStore) ApplyCustomers(_ context.Context, posts []customer.Posted) ([]error, error) {
	s.customers = posts
	return s.results, s.err
}

func (s *fakeStore) ApplyOrders(_ context.Context, posts []customer.PostedOrder) ([]error, error) {
	s.orders = posts
	return s.results, s.err
}

func order(timestamp string) event.Delivery {
	return event.Delivery{Body: []byte(`{"eventType":"order_data_received",` + timestamp + `"data":{"customer_email":"a@x.com","order_amount":"5"}}`)}
}

func TestResultsGoToTheirDeliveries(t *testing.T) {
	t.Parallel()
	refused := errs.Errorf(errs.Conflict, "said otherwise")
	s := &fakeStore{results: []error{nil, refused}}
	bad := event.Delivery{Body: []byte(`{"eventType":"order_data_received","data":{"customer_email":"a@b","order_amount":0}}`)}
	results := NewHandler(s, noon).Orders(t.Context(), []event.Delivery{bad, order(""), order("")})
	require.EqualError(t, results[0], `data is not valid: "customer_email" must be a valid email; "order_amount" must be greater than or equal to 0.01`)
	require.NoError(t, results[1])
	require.ErrorIs(t, results[2], refused)
	s.err = errs.Errorf(errs.Unavailable, "away")
	results = NewHandler(s, noon).Orders(t.Context(), []event.Delivery{bad, order("")})
	require.True(t, errs.Is(results[0], errs.Invalid))
	require.True(t, errs.Is(results[1], errs.Unavailable))
}

// last_order_at was the time of processing (D50); it is that of the post, unless that cannot be right.
func TestOrderTakesTheTimeOfItsMessage(t *testing.T) {
	t.Parallel()
	hourAgo := noon().Add(-time.Hour)
	tests := map[string]struct {
		envelope string
		amqp     time.Time
		want     time.Time
	}{
		"Envelope":  {`"timestamp":"2026-03-01T11:00:00Z",`, time.Time{}, hourAgo},
		"Property":  {``, hourAgo, hourAgo},
		"Neither":   {``, time.Time{}, noon()},
		"FarFuture": {`"timestamp":"2099-01-01T00:00:00Z",`, time.Time{}, noon()},
		"Epoch":     {`"timestamp":"1970-01-01T00:00:00Z",`, hourAgo, hourAgo},
	}
	for name, tt := range tests {
		s := &fakeStore{results: make([]error, 1)}
		d := order(tt.envelope)
		d.Timestamp, d.ID = tt.amqp, "m"
		results := NewHandler(s, noon).Orders(t.Context(), []event.Delivery{d})
		require.NoError(t, results[0], name)
		require.True(t, tt.want.Equal(s.orders[0].At), name)
		require.Equal(t, "m", s.orders[0].MessageID)
	}
}

func TestTraceContextIsHandedOn(t *testing.T) {
	t.Parallel()
	for tp, want := range map[string]string{"00-abc-def-01": "00-abc-def-01", strings.Repeat("x", 61): ""} {
		s := &fakeStore{results: make([]error, 1)}
		d := event.Delivery{
			Headers: map[string]string{"traceparent": tp},
			Body:    []byte(`{"eventType":"customer_data_received","data":{"name":"A","email":"a@x.com"}}`),
		}
		require.NoError(t, NewHandler(s, noon).Customers(t.Context(), []event.Delivery{d})[0])
		require.Equal(t, want, s.customers[0].Traceparent)
		require.True(t, strings.HasPrefix(s.customers[0].MessageID, "sha256-"))
	}
}

func FuzzHandler(f *testing.F) {
	f.Add(order(`"timestamp":"2026-03-01T11:00:00Z",`).Body)
	f.Add([]byte(`{"eventType":"customer_data_received","data":{"name":"A","email":"a@x.com"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		h := NewHandler(&fakeStore{results: make([]error, 1)}, noon)
		for _, handle := range []func(context.Context, []event.Delivery) []error{h.Customers, h.Orders} {
			if err := handle(t.Context(), []event.Delivery{{Body: body}})[0]; err != nil {
				require.True(t, errs.Is(err, errs.Invalid), "%v", err)
			}
		}
	})
}

type fakeRoom struct {
	steps []int
	err   error
	at    []time.Time
}

func (r *fakeRoom) ApplyWaiting(context.Context, int) (int, error) {
	r.at = append(r.at, time.Now())
	if r.err != nil {
		return 0, r.err
	}
	if len(r.steps) == 0 {
		return 0, nil
	}
	n := r.steps[0]
	r.steps = r.steps[1:]
	return n, nil
}

func (r *fakeRoom) ParkExpired(_ context.Context, before time.Time, _ int) (int, error) {
	if !before.Equal(noon().Add(-24 * time.Hour)) {
		return 0, errors.New("not a day")
	}
	return 1, nil
}

func TestSweeperGoesOnWhileOrdersMove(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &fakeRoom{steps: []int{sweepBatch, sweepBatch, 3}}
		ctx, cancel := context.WithTimeout(t.Context(), 1200*time.Millisecond)
		defer cancel()
		require.NoError(t, NewSweeper(r, noon, slog.New(slog.DiscardHandler)).Run(ctx))
		require.Len(t, r.at, 4)
	})
}

func TestSweeperWaitsOutAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &fakeRoom{err: errs.Errorf(errs.Unavailable, "away")}
		ctx, cancel := context.WithTimeout(t.Context(), 11*time.Second)
		defer cancel()
		require.NoError(t, NewSweeper(r, noon, slog.New(slog.DiscardHandler)).Run(ctx))
		require.Len(t, r.at, 3)
	})
}
