package master

import (
	"context"
	"time"

	"github.com/xencrm/xencrm/db/internal/mastersql"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/failpoint"
)

// ApplyWaiting counts up to limit waiting orders whose customer has come, and gives how many left the
// waiting room. One that turns out to be refused goes to the quarantine. Several may run at once.
//
// A sweep and not the arrival of the customer does this, because an order and its customer may be
// stored by two transactions that do not see each other.
func (s *Store) ApplyWaiting(ctx context.Context, limit int) (int, error) {
	var ids []string
	err := s.inTx(ctx, func(q *mastersql.Queries) error {
		rows, err := q.ClaimWaitingOrders(ctx, int32(limit)) //nolint:gosec // a batch size
		if err != nil {
			return err
		}
		ids = idsOf(rows)
		return applyWaiting(ctx, q, rows)
	})
	if err == nil && len(ids) > 0 {
		err = failpoint.Err(failpoint.SweepAfterCommit)
	}
	if err == nil || errs.Retryable(err) {
		return len(ids), err
	}
	// One of them cannot be stored at all: each for itself, so that only that one is parked.
	for _, id := range ids {
		if err := s.applyWaitingOne(ctx, id); err != nil {
			return 0, err
		}
	}
	return len(ids), nil
}

func (s *Store) applyWaitingOne(ctx context.Context, id string) error {
	refusal := s.inTx(ctx, func(q *mastersql.Queries) error {
		rows, err := q.ClaimWaitingOrder(ctx, id)
		if err != nil {
			return err
		}
		return applyWaiting(ctx, q, rows)
	})
	if refusal == nil || errs.Retryable(refusal) {
		return refusal
	}
	return s.inTx(ctx, func(q *mastersql.Queries) error {
		rows, err := q.ClaimWaitingOrder(ctx, id)
		if err != nil {
			return err
		}
		return parkWaiting(ctx, q, rows, refusal.Error())
	})
}

func applyWaiting(ctx context.Context, q *mastersql.Queries, rows []mastersql.OrdersWaiting) error {
	if len(rows) == 0 {
		return nil
	}
	posts := make([]customer.PostedOrder, len(rows))
	in := &admission{fresh: make([]bool, len(rows)), results: make([]error, len(rows))}
	for i := range rows {
		posts[i], in.fresh[i] = postOf(&rows[i]), true
	}
	gone, err := applyOrders(ctx, q, posts, in)
	if err != nil {
		return err
	}
	// A customer that was there when the rows were claimed may be gone; its orders wait on.
	stay := map[string]bool{}
	for i := range gone {
		stay[gone[i].MessageID] = true
	}
	var done []mastersql.OrdersWaiting
	for i, refusal := range in.results {
		switch {
		case refusal != nil:
			if err := parkWaiting(ctx, q, rows[i:i+1], refusal.Error()); err != nil {
				return err
			}
		case !stay[rows[i].MessageID]:
			done = append(done, rows[i])
		}
	}
	if err := q.DeleteWaitingOrders(ctx, idsOf(done)); err != nil {
		return err
	}
	failpoint.Hit(failpoint.SweepBeforeCommit)
	return nil
}

// ParkExpired moves up to limit orders that have waited since before the given time to the
// quarantine, and gives how many.
func (s *Store) ParkExpired(ctx context.Context, before time.Time, limit int) (int, error) {
	moved := 0
	err := s.inTx(ctx, func(q *mastersql.Queries) error {
		rows, err := q.ClaimExpiredOrders(ctx, mastersql.ClaimExpiredOrdersParams{Before: before, N: int32(limit)}) //nolint:gosec // a batch size
		if err != nil {
			return err
		}
		moved = len(rows)
		return parkWaiting(ctx, q, rows, "no customer with this e-mail address has come")
	})
	return moved, err
}

// parkWaiting moves waiting orders to the quarantine, and out of the inbox, so that a replay counts.
func parkWaiting(ctx context.Context, q *mastersql.Queries, rows []mastersql.OrdersWaiting, reason string) error {
	for i := range rows {
		r := &rows[i]
		err := park(ctx, q, event.Delivery{Queue: event.QueueOrders, ID: r.MessageID, Body: r.Body}, reason)
		if err != nil {
			return err
		}
	}
	ids := idsOf(rows)
	if err := q.DeleteInbox(ctx, mastersql.DeleteInboxParams{Consumer: consumerOrders, MessageIds: ids}); err != nil {
		return err
	}
	return q.DeleteWaitingOrders(ctx, ids)
}

func idsOf(rows []mastersql.OrdersWaiting) []string {
	ids := make([]string, len(rows))
	for i := range rows {
		ids[i] = rows[i].MessageID
	}
	return ids
}

func postOf(r *mastersql.OrdersWaiting) customer.PostedOrder {
	return customer.PostedOrder{
		Meta: customer.Meta{MessageID: r.MessageID, Traceparent: r.Traceparent, At: r.OrderedAt, Body: r.Body},
		Input: customer.OrderInput{
			CustomerEmail: r.Email, Amount: r.OrderAmount, Status: customer.OrderStatus(r.OrderStatus),
			ExternalID: r.ExternalID, Source: r.Source, OrderedAt: &r.OrderedAt,
		},
	}
}
