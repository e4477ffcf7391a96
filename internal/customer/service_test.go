package customer

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
)

type fakePublisher struct {
	mu   sync.Mutex
	sent []event.Message
	err  error
}

func (p *fakePublisher) Publish(_ context.Context, m event.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.sent = append(p.sent, m)
	}
	return p.err
}

type fakeDirectory func(ctx context.Context, email string) (bool, error)

func (d fakeDirectory) CustomerExists(ctx context.Context, email string) (bool, error) {
	return d(ctx, email)
}

func known(context.Context, string) (bool, error) { return true, nil }

func service(p *fakePublisher, d fakeDirectory) *Service {
	return NewService(p, d, noon, slog.New(slog.DiscardHandler))
}

func TestAcceptedCustomerIsPublishedNormalised(t *testing.T) {
	t.Parallel()
	p := &fakePublisher{}
	got, err := service(p, known).AcceptCustomer(t.Context(), []byte(`{"name":" Asha ","email":"A@x.com","total_spend":1.005}`), "")
	require.NoError(t, err)
	require.Equal(t, AcceptedCustomer{Name: "Asha", Email: "a@x.com"}, got)
	require.Len(t, p.sent, 1)
	require.Equal(t, event.ExchangeIngestion, p.sent[0].Exchange)
	require.Equal(t, event.KeyCustomer, p.sent[0].Key)
	require.JSONEq(t, `{"eventType":"customer_data_received","schema_version":1,"timestamp":"2026-03-01T12:00:00Z",
		"source":"customer_api","data":{"name":"Asha","email":"a@x.com","total_spend":"1.01"}}`, string(p.sent[0].Body))
}

func TestInvalidInputIsNeverPublished(t *testing.T) {
	t.Parallel()
	p := &fakePublisher{err: errors.New("not reached")}
	_, err := service(p, known).AcceptCustomer(t.Context(), nil, "")
	require.True(t, errs.Is(err, errs.Invalid), "D47: no body, no poison: %v", err)
	_, err = service(p, known).AcceptOrder(t.Context(), []byte(`{}`), "")
	require.True(t, errs.Is(err, errs.Invalid), "D51: before the broker is asked: %v", err)
}

func TestIdempotencyKeyNamesTheMessage(t *testing.T) {
	t.Parallel()
	p := &fakePublisher{}
	s := service(p, known)
	body := []byte(`{"customer_email":"a@x.com","order_amount":5}`)
	for _, key := range []string{"k", "k", "other", "", ""} {
		_, err := s.AcceptOrder(t.Context(), body, key)
		require.NoError(t, err)
	}
	_, err := s.AcceptCustomer(t.Context(), []byte(`{"name":"A","email":"a@x.com"}`), "k")
	require.NoError(t, err)
	require.Equal(t, p.sent[0].ID, p.sent[1].ID)
	ids := map[string]bool{}
	for _, m := range p.sent {
		ids[m.ID] = true
	}
	require.Len(t, ids, 5)
}

func TestD48OrderOfACustomerStillInTheQueueIsAccepted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		p := &fakePublisher{}
		s := service(p, func(context.Context, string) (bool, error) { return time.Since(began) > 300*time.Millisecond, nil })
		got, err := s.AcceptOrder(t.Context(), []byte(`{"customer_email":"a@x.com","order_amount":499.90}`), "")
		require.NoError(t, err)
		require.Equal(t, "499.9", got.OrderAmount.String())
		require.Len(t, p.sent, 1)
	})
}

func TestUnknownCustomerIsNotFoundAfterASecond(t *testing.T) {
	t.Parallel()
	for name, look := range map[string]fakeDirectory{
		"AnswersAtOnce": func(context.Context, string) (bool, error) { return false, nil },
		"AnswersOnceThenHangs": func() fakeDirectory {
			var looks int
			return func(ctx context.Context, _ string) (bool, error) {
				if looks++; looks > 1 {
					<-ctx.Done()
					return false, ctx.Err()
				}
				return false, nil
			}
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				p := &fakePublisher{}
				_, err := service(p, look).AcceptOrder(t.Context(), []byte(`{"customer_email":"a@x.com","order_amount":5}`), "")
				require.True(t, errs.Is(err, errs.NotFound), "%v", err)
				require.Equal(t, time.Second, time.Since(began))
				require.Empty(t, p.sent)
			})
		})
	}
}

// Ingestion does not hang on the database (D48): the consumer keeps the order.
func TestOrderIsAcceptedWhenNobodyCanSayWhetherItsCustomerExists(t *testing.T) {
	t.Parallel()
	for name, look := range map[string]fakeDirectory{
		"Away":   func(context.Context, string) (bool, error) { return false, errs.Errorf(errs.Unavailable, "away") },
		"Frozen": func(ctx context.Context, _ string) (bool, error) { <-ctx.Done(); return false, ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := &fakePublisher{}
				_, err := service(p, look).AcceptOrder(t.Context(), []byte(`{"customer_email":"a@x.com","order_amount":5}`), "")
				require.NoError(t, err)
				require.Len(t, p.sent, 1)
			})
		})
	}
}

// The message that a retry publishes differs in its time alone; that must not look like another post.
func TestHashIgnoresWhenItWasPublished(t *testing.T) {
	t.Parallel()
	in, err := ParseOrderInput([]byte(`{"customer_email":"a@x.com","order_amount":"5.00"}`), Strict, noon())
	require.NoError(t, err)
	wire, err := json.Marshal(in.event())
	require.NoError(t, err)
	again, err := ParseOrderInput(wire, Lenient, noon())
	require.NoError(t, err)
	a, err := NewPostedOrder(Meta{At: noon()}, in)
	require.NoError(t, err)
	b, err := NewPostedOrder(Meta{At: noon().Add(time.Hour)}, again)
	require.NoError(t, err)
	require.Equal(t, a.Hash, b.Hash)
}
