package business

import (
	"context"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/db/internal/businesssql"
	"github.com/xencrm/xencrm/internal/event"
)

// erasures are the customers that a batch of events says are erased.
type erasures struct {
	customers []uuid.UUID
	addresses [][]byte
}

func erasuresOf(versions []event.CustomerMV) erasures {
	var out erasures
	for i := range versions {
		if hash := versions[i].ErasedAddress; len(hash) > 0 {
			out.customers = append(out.customers, versions[i].CustomerID)
			out.addresses = append(out.addresses, hash)
		}
	}
	return out
}

// apply takes everything personal out of the ledger, the suppressions and the quarantine, and keeps the
// hashes of the addresses. The projection itself is overwritten by the event's version, or has a newer
// one, which names nobody either.
func (e erasures) apply(ctx context.Context, q *businesssql.Queries) error {
	if len(e.customers) == 0 {
		return nil
	}
	if err := q.LockErasures(ctx); err != nil {
		return err
	}
	if err := q.InsertErasedAddresses(ctx, e.addresses); err != nil {
		return err
	}
	if err := q.EraseSuppressions(ctx, e.addresses); err != nil {
		return err
	}
	if err := q.EraseMessages(ctx, e.customers); err != nil {
		return err
	}
	return q.EraseQuarantinedEvents(ctx, businesssql.EraseQuarantinedEventsParams{
		CustomerIds: e.customers, Queue: event.QueueCustomersMV,
	})
}
