package master

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/db/internal/mastersql"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/failpoint"
)

// The names under which the inbox knows the two consumers.
const (
	consumerCustomers = "customers"
	consumerOrders    = "orders"
)

// errRaced says that another transaction has made a customer that we were about to make.
var errRaced = errors.New("customer made by someone else")

// maxRaces bounds how often a batch starts again for that: each time the other's customer is there.
const maxRaces = 10

// ApplyCustomers makes or changes the posted customers, in one transaction with the inbox and outbox
// rows. It gives one result a post: nil when its effect is stored, now or by an earlier delivery;
// errs.Conflict when its message id was used for something else. An error as a whole means that
// nothing was changed, or with errs.Unknown that everything may have been; repeating is harmless.
func (s *Store) ApplyCustomers(ctx context.Context, posts []customer.Posted) ([]error, error) {
	var results []error
	err := s.race(ctx, func(q *mastersql.Queries) error {
		metas := make([]customer.Meta, len(posts))
		for i := range posts {
			metas[i] = posts[i].Meta
		}
		in, err := admit(ctx, q, consumerCustomers, metas)
		if err != nil {
			return err
		}
		results = in.results
		if err := applyPosts(ctx, q, posts, in); err != nil {
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

func applyPosts(ctx context.Context, q *mastersql.Queries, posts []customer.Posted, in *admission) error {
	var emails []string
	for i, p := range posts {
		if in.fresh[i] {
			emails = append(emails, p.Input.Email)
		}
	}
	b, err := lockBook(ctx, q, emails)
	if err != nil {
		return err
	}
	for i, p := range posts {
		if !in.fresh[i] {
			continue
		}
		if e := b.entries[p.Input.Email]; e != nil {
			e.customer.Post(p.Input)
			e.touch("updated", p.Traceparent)
			continue
		}
		id, err := uuid.NewV7()
		if err != nil {
			return errs.Wrap(errs.Internal, err, "make customer id")
		}
		b.add(customer.New(id, p.Input), p.Traceparent)
	}
	return b.settle(ctx, q, event.SourceCustomerConsumer)
}

// race runs fn in a transaction, again when it lost a race for a new customer.
func (s *Store) race(ctx context.Context, fn func(q *mastersql.Queries) error) error {
	for range maxRaces {
		err := s.inTx(ctx, fn)
		if !errors.Is(err, errRaced) {
			return err
		}
	}
	return errs.Wrap(errs.Unavailable, errRaced, "the database is busy")
}

// admission says which messages of a batch are new, and what has become of the others.
type admission struct {
	consumer string
	metas    []customer.Meta
	fresh    []bool
	results  []error
}

// admit enters the messages into the inbox. A message that is in it, or twice in the batch, is no
// longer fresh: what it says has had its effect, or will with the other copy.
func admit(ctx context.Context, q *mastersql.Queries, consumer string, metas []customer.Meta) (*admission, error) {
	in := &admission{
		consumer: consumer, metas: metas,
		fresh: make([]bool, len(metas)), results: make([]error, len(metas)),
	}
	first := make(map[string]int, len(metas))
	arg := mastersql.InsertInboxParams{Consumer: consumer}
	for i := range metas {
		m := &metas[i]
		if at, ok := first[m.MessageID]; ok {
			in.repeat(i, metas[at].Hash[:])
			continue
		}
		first[m.MessageID] = i
		arg.MessageIds = append(arg.MessageIds, m.MessageID)
		arg.PayloadHashes = append(arg.PayloadHashes, m.Hash[:])
	}
	inserted, err := q.InsertInbox(ctx, arg)
	if err != nil {
		return nil, err
	}
	failpoint.Hit(failpoint.ConsumeAfterInbox)
	for _, id := range inserted {
		in.fresh[first[id]] = true
		delete(first, id)
	}
	return in, in.repeats(ctx, q, first)
}

// repeats compares what stands in the inbox already with what has come.
func (in *admission) repeats(ctx context.Context, q *mastersql.Queries, known map[string]int) error {
	if len(known) == 0 {
		return nil
	}
	ids := make([]string, 0, len(known))
	for id := range known {
		ids = append(ids, id)
	}
	rows, err := q.InboxHashes(ctx, mastersql.InboxHashesParams{Consumer: in.consumer, MessageIds: ids})
	if err != nil {
		return err
	}
	for _, r := range rows {
		in.repeat(known[r.MessageID], r.PayloadHash)
	}
	return nil
}

// repeat settles a copy: the same content has had its effect; another one under the same id is a
// publisher's mistake, and the first effect stands.
func (in *admission) repeat(i int, hash []byte) {
	if string(hash) != string(in.metas[i].Hash[:]) {
		in.results[i] = errs.Errorf(errs.Conflict, "message id was used before for a message with another content")
	}
}

// refuse settles a fresh message that cannot be applied.
func (in *admission) refuse(i int, err error) { in.results[i] = err }

// retract takes refused messages out of the inbox: they must be able to come again when the reason
// is gone.
func (in *admission) retract(ctx context.Context, q *mastersql.Queries) error {
	var ids []string
	for i, err := range in.results {
		if err != nil && in.fresh[i] {
			ids = append(ids, in.metas[i].MessageID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return q.DeleteInbox(ctx, mastersql.DeleteInboxParams{Consumer: in.consumer, MessageIds: ids})
}
