package master

import (
	"context"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/db/internal/mastersql"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/event"
)

// ChangeCustomer locks the customer and stores what change makes of it under the next version, with
// the outbox row that tells of it. A change that reports false stores nothing. change may be called
// several times and must have no effect of its own.
func (s *Store) ChangeCustomer(
	ctx context.Context, id uuid.UUID, change func(*customer.Customer) (bool, error),
) (customer.Record, error) {
	var out customer.Record
	err := s.inTx(ctx, func(q *mastersql.Queries) error {
		b, e, err := lockOne(ctx, q, id)
		if err != nil {
			return err
		}
		changed, err := change(e.customer)
		if err != nil {
			return err
		}
		if changed {
			e.touch("updated", "")
		}
		out, err = settled(ctx, q, b, id, event.SourceCustomerAPI)
		return err
	})
	return out, err
}

// MoveOrder gives the order a status that is not behind the one it has, and its customer the totals
// that follow. It goes the way of a posted order, under the same locks, so that the two do not count
// one refund twice.
func (s *Store) MoveOrder(ctx context.Context, id uuid.UUID, to customer.OrderStatus) (customer.OrderRecord, error) {
	var out customer.OrderRecord
	err := s.inTx(ctx, func(q *mastersql.Queries) error {
		row, err := q.GetOrder(ctx, id)
		if err != nil {
			return err
		}
		b, e, err := lockOne(ctx, q, row.CustomerID)
		if err != nil {
			return err
		}
		if row, err = q.GetOrder(ctx, id); err != nil { // it may have changed before its customer was locked
			return err
		}
		known := orderRecordOf(&row).Order
		l := newLedger()
		l.stored[id] = known.Status
		next := known
		delta, err := next.Move(to)
		if err != nil {
			return err
		}
		if err := l.replace(e, &known, next, delta, ""); err != nil {
			return err
		}
		if err := l.write(ctx, q); err != nil {
			return err
		}
		if err := b.settle(ctx, q, event.SourceOrderAPI); err != nil {
			return err
		}
		row, err = q.GetOrder(ctx, id)
		out = orderRecordOf(&row)
		return err
	})
	return out, err
}

// lockOne locks one customer. It may be mixed with lockBook: whoever holds one lock waits for no other.
func lockOne(ctx context.Context, q *mastersql.Queries, id uuid.UUID) (*book, *entry, error) {
	row, err := q.LockCustomer(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	e := &entry{customer: &customer.Customer{}}
	*e.customer = recordOf(&row).Customer
	return &book{entries: map[string]*entry{row.Email: e}}, e, nil
}

// settled settles the book and gives the customer as it is then stored.
func settled(ctx context.Context, q *mastersql.Queries, b *book, id uuid.UUID, source string) (customer.Record, error) {
	if err := b.settle(ctx, q, source); err != nil {
		return customer.Record{}, err
	}
	row, err := q.GetCustomer(ctx, id)
	return recordOf(&row), err
}
