package business

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/businesssql"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/failpoint"
)

// cancelPage is how many sequence numbers one cancelling transaction covers: some 50 ms of row
// locks, so that receipts are not held up behind it.
const cancelPage = 5000

// Totals gives a campaign's books.
func (s *Store) Totals(ctx context.Context, id uuid.UUID) (campaign.Totals, error) {
	row, err := s.q.GetStats(ctx, id)
	return totalsOf(row), db.Translate(err)
}

// CancelPending marks every pending message CANCELLED, with the books, page by page. Repeating it
// finds nothing more to mark.
func (s *Store) CancelPending(ctx context.Context, id uuid.UUID) (campaign.Totals, error) {
	last, err := s.q.MaxSeq(ctx, id)
	if err != nil {
		return campaign.Totals{}, db.Translate(err)
	}
	for first := int32(1); first <= last; first += cancelPage {
		err := s.inTx(ctx, func(_ pgx.Tx, q *businesssql.Queries) error {
			n, err := q.CancelPending(ctx, businesssql.CancelPendingParams{
				CampaignID: id, FirstSeq: first, LastSeq: first + cancelPage - 1,
			})
			if err != nil || n == 0 {
				return err
			}
			if _, err := applyStats(ctx, q, id, campaign.Totals{Pending: -int(n), Cancelled: int(n)}); err != nil {
				return err
			}
			failpoint.Hit(failpoint.CancelBeforeCommit)
			return nil
		})
		if err == nil {
			err = failpoint.Err(failpoint.CancelAfterCommit)
		}
		if err != nil {
			return campaign.Totals{}, err
		}
	}
	return s.Totals(ctx, id)
}

// Finalize closes the books with the given status: it counts the ledger in the transaction that
// closes, and refuses (errs.Conflict) when the count and the books differ or anything is pending.
// A campaign that is closed already keeps its status, so a repeat changes nothing.
func (s *Store) Finalize(ctx context.Context, id uuid.UUID, status campaign.Status) (campaign.Totals, error) {
	var books campaign.Totals
	err := s.inTx(ctx, func(tx pgx.Tx, q *businesssql.Queries) error {
		// A million rows are counted in about a second; ten minutes means that something is wrong.
		if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = '10min'"); err != nil {
			return err
		}
		if _, err := q.LockCampaign(ctx, id); err != nil {
			return err
		}
		// Every change of the ledger takes this lock before it commits, so from here to our commit
		// the ledger stands still and the next statement counts exactly what the books say.
		row, err := q.LockStats(ctx, id)
		if err != nil {
			return err
		}
		ledger, err := q.CountLedger(ctx, id)
		if err != nil {
			return err
		}
		books = totalsOf(row)
		if err := campaign.CheckBooks(books, ledgerOf(ledger)); err != nil {
			return err
		}
		failpoint.Hit(failpoint.FinalAfterRead)
		if _, err := q.CloseCampaign(ctx, businesssql.CloseCampaignParams{CampaignID: id, Status: string(status)}); err != nil {
			return err
		}
		failpoint.Hit(failpoint.FinalBeforeCommit)
		return nil
	})
	if err != nil {
		return books, err
	}
	return books, failpoint.Err(failpoint.FinalAfterCommit)
}

// Fail ends a campaign that cannot go on, with the reason for its operator.
func (s *Store) Fail(ctx context.Context, id uuid.UUID, reason string) error {
	_, err := s.q.CloseCampaign(ctx, businesssql.CloseCampaignParams{
		CampaignID: id, Status: string(campaign.Failed), FailureReason: &reason,
	})
	if err != nil {
		return db.Translate(err)
	}
	return failpoint.Err(failpoint.FailAfterCommit)
}

// applyStats adds a difference to the books, inside the transaction of the rows that it counts.
func applyStats(
	ctx context.Context, q *businesssql.Queries, id uuid.UUID, d campaign.Totals,
) (campaign.Totals, error) {
	row, err := q.ApplyStats(ctx, statsParams(id, d))
	if err != nil {
		err = db.Translate(err)
		if errs.Is(err, errs.NotFound) {
			return campaign.Totals{}, errs.Wrap(errs.Internal, err, "campaign without books")
		}
		return campaign.Totals{}, err
	}
	return totalsOf(row), nil
}

//nolint:gosec // every number is a count of rows of one campaign, far below int4
func statsParams(id uuid.UUID, d campaign.Totals) businesssql.ApplyStatsParams {
	return businesssql.ApplyStatsParams{
		CampaignID: id, Messages: int32(d.Audience), Pending: int32(d.Pending), InFlight: int32(d.InFlight),
		Delivered: int32(d.Delivered), Failed: int32(d.Failed), Skipped: int32(d.Skipped),
		Cancelled: int32(d.Cancelled), Sent: int32(d.Sent),
	}
}

func totalsOf(r businesssql.CampaignStat) campaign.Totals {
	return campaign.Totals{
		Audience: int(r.TotalMessages), Pending: int(r.PendingCount), InFlight: int(r.InFlightCount),
		Delivered: int(r.TotalDelivered), Failed: int(r.TotalFailed), Skipped: int(r.SkippedCount),
		Cancelled: int(r.CancelledCount), Sent: int(r.TotalSent), Revision: r.Revision,
	}
}

func ledgerOf(r businesssql.CountLedgerRow) campaign.Totals {
	return campaign.Totals{
		Audience: int(r.Messages), Pending: int(r.Pending), InFlight: int(r.InFlight),
		Delivered: int(r.Delivered), Failed: int(r.Failed), Skipped: int(r.Skipped),
		Cancelled: int(r.Cancelled), Sent: int(r.Sent),
	}
}
