package master

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/mastersql"
	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/failpoint"
)

// Park keeps a message that can never be processed as it is, with its raw bytes and the reason, for
// an operator to look at and to replay. Parking it again keeps one.
func (s *Store) Park(ctx context.Context, d event.Delivery, reason string) error {
	failpoint.Hit(failpoint.ParkBeforeInsert)
	if err := s.inTx(ctx, func(q *mastersql.Queries) error { return park(ctx, q, d, reason) }); err != nil {
		return err
	}
	return failpoint.Err(failpoint.ParkAfterInsert)
}

func park(ctx context.Context, q *mastersql.Queries, d event.Delivery, reason string) error {
	headers, err := json.Marshal(d.Properties())
	if err != nil {
		return fmt.Errorf("encode headers: %w", err)
	}
	return q.InsertQuarantine(ctx, mastersql.InsertQuarantineParams{
		QuarantineID: d.ParkID(),
		Queue:        d.Queue, MessageID: d.ID, Reason: reason, Body: d.Body, Headers: headers,
	})
}

// CustomerExists reports whether a customer with the (lower-case) address is known.
func (s *Store) CustomerExists(ctx context.Context, email string) (bool, error) {
	found, err := s.q.CustomerExists(ctx, email)
	return found, db.Translate(err)
}

// PurgeInbox forgets up to limit messages received before the given time and gives how many. A copy
// of such a message would count again, so this must be long after the last one can come.
func (s *Store) PurgeInbox(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := s.q.PurgeInbox(ctx, mastersql.PurgeInboxParams{Before: before, N: int32(limit)}) //nolint:gosec // a batch size
	return int(n), db.Translate(err)
}
