package master

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/mastersql"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/event"
	"github.com/xencrm/xencrm/internal/failpoint"
)

const (
	// maxRefusals is how often a row is tried that can never be published, before it is parked: the
	// pauses give a deployment that brought the fault an hour to be taken back.
	maxRefusals = 8
	// refusalPause is the pause after the first refusal; it doubles.
	refusalPause = 15 * time.Second
	maxError     = 500 // bytes of a refusal's text that are kept
)

// Relay claims up to limit unpublished events, hands them to publish, and marks those for which it
// gave nil. It gives how many it claimed and how many of those are published.
//
// publish is called inside the transaction, which is the exception to the rule: the row locks are the
// claim, and a relay that dies gives it back at once. It is bounded by the confirm's deadline.
// An event may be published twice, when the commit fails after the confirm; consumers tell by its id.
func (s *Store) Relay(
	ctx context.Context, limit int, publish func(context.Context, []event.Message) []error,
) (claimed, published int, err error) {
	err = s.inTx(ctx, func(q *mastersql.Queries) error {
		claimed, published = 0, 0
		rows, err := q.ClaimOutbox(ctx, int32(limit)) //nolint:gosec // a batch size
		if err != nil || len(rows) == 0 {
			return err
		}
		failpoint.Hit(failpoint.RelayAfterSelect)
		results := publish(ctx, messagesOf(rows))
		failpoint.Hit(failpoint.RelayAfterConfirm)
		var done []int64
		var refused []mastersql.DeferOutboxParams
		for i, r := range rows {
			switch err := results[i]; {
			case err == nil:
				done = append(done, r.ID)
			case !errs.Retryable(err):
				refused = append(refused, deferral(r, err))
			}
		}
		claimed, published = len(rows), len(done)
		if err := execBatch(q.DeferOutbox(ctx, refused)); err != nil {
			return err
		}
		if err := q.MarkPublished(ctx, done); err != nil {
			return err
		}
		failpoint.Hit(failpoint.RelayAfterMark)
		return nil
	})
	if err == nil && claimed > 0 {
		err = failpoint.Err(failpoint.RelayAfterCommit)
	}
	return claimed, published, err
}

func messagesOf(rows []mastersql.ClaimOutboxRow) []event.Message {
	out := make([]event.Message, len(rows))
	for i, r := range rows {
		out[i] = event.Message{
			Exchange: r.Exchange, Key: r.RoutingKey, ID: r.EventID.String(), CorrelationID: r.EntityID.String(),
			Timestamp: r.CreatedAt, Body: r.Payload,
		}
		if r.Traceparent != "" {
			out[i].Headers = map[string]string{"traceparent": r.Traceparent}
		}
	}
	return out
}

func deferral(r mastersql.ClaimOutboxRow, err error) mastersql.DeferOutboxParams {
	text := err.Error()
	if len(text) > maxError {
		text = text[:maxError]
	}
	pause := refusalPause << min(r.Attempts, maxRefusals)
	return mastersql.DeferOutboxParams{
		ID: r.ID, LastError: &text, MaxAttempts: maxRefusals,
		Pause: pgtype.Interval{Microseconds: pause.Microseconds(), Valid: true},
	}
}

// PurgeOutbox deletes up to limit events that were published before the given time and gives how many.
func (s *Store) PurgeOutbox(ctx context.Context, before time.Time, limit int) (int, error) {
	n, err := s.q.PurgeOutbox(ctx, mastersql.PurgeOutboxParams{Before: &before, N: int32(limit)}) //nolint:gosec // a batch size
	return int(n), db.Translate(err)
}

// OutboxBacklog tells how many events wait to be published, since when, and how many are parked.
func (s *Store) OutboxBacklog(ctx context.Context) (waiting, parked int, oldest time.Time, err error) {
	r, err := s.q.OutboxBacklog(ctx)
	return int(r.Waiting), int(r.Parked), r.Oldest, db.Translate(err)
}
