package master

import (
	"context"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/db/internal/mastersql"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/failpoint"
)

// ApplyOrders stores the posted orders and counts them, in one transaction with the inbox and outbox
// rows; see ApplyCustomers for the results. An order whose customer is not known is kept in
// orders_waiting, with a result of nil: it cannot be lost there, and ApplyWaiting counts it.
func (s *Store) ApplyOrders(ctx context.Context, posts []customer.PostedOrder) ([]error, error) {
	var results []error
	err := s.inTx(ctx, func(q *mastersql.Queries) error {
		metas := make([]customer.Meta, len(posts))
		for i := range posts {
			metas[i] = posts[i].Meta
		}
		in, err := admit(ctx, q, consumerOrders, metas)
		if err != nil {
			return err
		}
		results = in.results
		waiting, err := applyOrders(ctx, q, posts, in)
		if err != nil {
			return err
		}
		if err := keepWaiting(ctx, q, waiting); err != nil {
			return err
		}
		failpoint.Hit(failpoint.ConsumeAfterEffect)
		return in.retract(ctx, q)
	})
	if err != nil {
		return results, err
	}
	return results, failpoint.Err(failpoint.ConsumeAfterCommit)
}

// applyOrders applies the fresh posts and gives those whose customer is not known.
func applyOrders(ctx context.Context, q *mastersql.Queries, posts []customer.PostedOrder, in *admission) ([]customer.PostedOrder, error) {
	var emails []string
	for i := range posts {
		if in.fresh[i] {
			emails = append(emails, posts[i].Input.CustomerEmail)
		}
	}
	b, err := lockBook(ctx, q, emails)
	if err != nil {
		return nil, err
	}
	// Read after the customers are locked: whoever posts the same order waits for us, or we for him.
	l, err := readLedger(ctx, q, posts)
	if err != nil {
		return nil, err
	}
	var waiting []customer.PostedOrder
	for i := range posts {
		if !in.fresh[i] {
			continue
		}
		e := b.entries[posts[i].Input.CustomerEmail]
		if e == nil {
			waiting = append(waiting, posts[i])
			continue
		}
		if err := l.post(e, posts[i]); err != nil {
			in.refuse(i, err)
		}
	}
	if err := l.write(ctx, q); err != nil {
		return nil, err
	}
	return waiting, b.settle(ctx, q, event.SourceOrderConsumer)
}

// orderName is how a client names its order.
type orderName struct{ source, externalID string }

// orderLedger holds the orders of one transaction.
type orderLedger struct {
	named   map[orderName]*customer.Order
	stored  map[uuid.UUID]customer.OrderStatus // as in the database
	changed map[uuid.UUID]*customer.Order
	added   []*customer.Order
}

func newLedger() *orderLedger {
	return &orderLedger{
		named: map[orderName]*customer.Order{}, stored: map[uuid.UUID]customer.OrderStatus{},
		changed: map[uuid.UUID]*customer.Order{},
	}
}

func readLedger(ctx context.Context, q *mastersql.Queries, posts []customer.PostedOrder) (*orderLedger, error) {
	l := newLedger()
	var arg mastersql.FindOrdersParams
	for i := range posts {
		if id := posts[i].Input.ExternalID; id != nil {
			arg.Sources = append(arg.Sources, posts[i].Input.Source)
			arg.ExternalIds = append(arg.ExternalIds, *id)
		}
	}
	if len(arg.Sources) == 0 {
		return l, nil
	}
	rows, err := q.FindOrders(ctx, arg)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		l.named[orderName{r.Source, *r.ExternalID}] = &customer.Order{
			ID: r.OrderID, CustomerID: r.CustomerID, Amount: r.OrderAmount, Status: customer.OrderStatus(r.OrderStatus),
			ExternalID: r.ExternalID, Source: r.Source, OrderedAt: r.OrderedAt,
		}
		l.stored[r.OrderID] = customer.OrderStatus(r.OrderStatus)
	}
	return l, nil
}

// post applies one post to its customer and to the ledger, or changes nothing and gives the reason.
func (l *orderLedger) post(e *entry, p customer.PostedOrder) error {
	if id := p.Input.ExternalID; id != nil {
		if known := l.named[orderName{p.Input.Source, *id}]; known != nil {
			return l.repost(e, known, p)
		}
	}
	o := p.Order(e.customer.ID)
	if o.Status == customer.OrderCompleted {
		if err := e.customer.Count(o.Amount, o.OrderedAt); err != nil {
			return err
		}
		e.touch("stats_updated", p.Traceparent)
	}
	l.added = append(l.added, o)
	if o.ExternalID != nil {
		l.named[orderName{o.Source, *o.ExternalID}] = o
	}
	return nil
}

func (l *orderLedger) repost(e *entry, known *customer.Order, p customer.PostedOrder) error {
	next := *known
	delta, err := next.Repost(e.customer.ID, p.Input)
	if err != nil {
		return err
	}
	return l.replace(e, known, next, delta, p.Traceparent)
}

// replace puts next in the place of known, and into the totals what that does to them.
func (l *orderLedger) replace(e *entry, known *customer.Order, next customer.Order, delta int, traceparent string) error {
	switch delta {
	case 1:
		if err := e.customer.Count(known.Amount, known.OrderedAt); err != nil {
			return err
		}
	case -1:
		e.customer.Uncount(known.Amount)
	}
	if delta != 0 {
		e.touch("stats_updated", traceparent)
	}
	*known = next
	if _, ok := l.stored[known.ID]; ok {
		l.changed[known.ID] = known
	}
	return nil
}

func (l *orderLedger) write(ctx context.Context, q *mastersql.Queries) error {
	inserts := make([]mastersql.InsertOrderParams, 0, len(l.added))
	for _, o := range l.added {
		inserts = append(inserts, mastersql.InsertOrderParams{
			OrderID: o.ID, CustomerID: o.CustomerID, OrderAmount: o.Amount, OrderStatus: string(o.Status),
			ExternalID: o.ExternalID, Source: o.Source, OrderedAt: o.OrderedAt,
		})
	}
	if err := execBatch(q.InsertOrder(ctx, inserts)); err != nil {
		return err
	}
	var updates []mastersql.UpdateOrderStatusParams
	for id, o := range l.changed {
		if o.Status != l.stored[id] {
			updates = append(updates, mastersql.UpdateOrderStatusParams{OrderID: id, OrderStatus: string(o.Status)})
		}
	}
	return execBatch(q.UpdateOrderStatus(ctx, updates))
}

func keepWaiting(ctx context.Context, q *mastersql.Queries, posts []customer.PostedOrder) error {
	rows := make([]mastersql.InsertWaitingOrderParams, 0, len(posts))
	for i := range posts {
		p := &posts[i]
		o := p.Order(uuid.Nil)
		rows = append(rows, mastersql.InsertWaitingOrderParams{
			MessageID: p.MessageID, Email: p.Input.CustomerEmail, OrderID: o.ID, OrderAmount: o.Amount,
			OrderStatus: string(o.Status), ExternalID: o.ExternalID, Source: o.Source, OrderedAt: o.OrderedAt,
			Traceparent: p.Traceparent, Body: p.Body,
		})
	}
	return execBatch(q.InsertWaitingOrder(ctx, rows))
}
