package business

import (
	"bytes"
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/businesssql"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/internal/failpoint"
)

// InsertCampaign stores a campaign and its empty books in one transaction. A repeat with the same id
// and the same request gives the stored campaign and false; with another request, errs.Conflict.
func (s *Store) InsertCampaign(
	ctx context.Context, c campaign.Campaign, requestHash []byte,
) (campaign.Campaign, bool, error) {
	created := false
	err := s.inTx(ctx, func(_ pgx.Tx, q *businesssql.Queries) error {
		n, err := q.InsertCampaign(ctx, insertParams(c, requestHash))
		if err != nil {
			return err
		}
		created = n == 1
		if created {
			return q.InsertStats(ctx, c.ID)
		}
		have, err := q.GetRequestHash(ctx, c.ID)
		if err != nil {
			return err
		}
		if !bytes.Equal(have, requestHash) {
			return errs.Errorf(errs.Conflict, "this Idempotency-Key was used with another request; use a new key")
		}
		return nil
	})
	if err != nil {
		return campaign.Campaign{}, false, err
	}
	stored, err := s.Campaign(ctx, c.ID)
	return stored, created, err
}

func insertParams(c campaign.Campaign, requestHash []byte) businesssql.InsertCampaignParams {
	return businesssql.InsertCampaignParams{
		CampaignID: c.ID, SegmentID: c.SegmentID, SegmentName: c.SegmentName, Rules: c.Rules, Name: c.Name,
		MessageTemplate: c.MessageTemplate, CampaignType: string(c.Type), Status: string(c.Status),
		TargetAudienceCount: int32(c.TargetCount), FanOut: string(c.FanOut), Rate: c.Rate, //nolint:gosec // count of rows
		MaxAttempts: int16(c.MaxAttempts), SendDeadlineMs: c.SendDeadline.Milliseconds(), //nolint:gosec // validated <= 100
		ReceiptDeadlineMs: c.ReceiptDeadline.Milliseconds(), ScheduledAt: c.ScheduledAt, SendWindow: windowColumn(c.SendWindow),
		WorkflowID: campaign.WorkflowID(c.ID, 0), RequestHash: requestHash, CreatedBy: c.CreatedBy,
	}
}

// Campaign gives one campaign with its books.
func (s *Store) Campaign(ctx context.Context, id uuid.UUID) (campaign.Campaign, error) {
	row, err := s.q.GetCampaign(ctx, id)
	if err != nil {
		return campaign.Campaign{}, db.Translate(err)
	}
	return campaignOf(row.Campaign, row.CampaignStat), nil
}

// Campaigns gives one page, newest first.
func (s *Store) Campaigns(ctx context.Context, p campaign.PageRequest) (campaign.Page[campaign.Campaign], error) {
	total, err := s.q.CountCampaigns(ctx)
	if err != nil {
		return campaign.Page[campaign.Campaign]{}, db.Translate(err)
	}
	items, err := s.list(ctx, p.Limit, p.Offset())
	return campaign.Page[campaign.Campaign]{Items: items, Total: int(total)}, err
}

// AllCampaigns gives the newest campaigns with their books, at most limit.
func (s *Store) AllCampaigns(ctx context.Context, limit int) ([]campaign.Campaign, error) {
	return s.list(ctx, limit, 0)
}

func (s *Store) list(ctx context.Context, limit, offset int) ([]campaign.Campaign, error) {
	rows, err := s.q.ListCampaigns(ctx, businesssql.ListCampaignsParams{
		MaxRows: int32(limit), SkipRows: int32(offset), //nolint:gosec // paging is capped by its callers
	})
	if err != nil {
		return nil, db.Translate(err)
	}
	out := make([]campaign.Campaign, len(rows))
	for i, r := range rows {
		out[i] = campaignOf(r.Campaign, r.CampaignStat)
	}
	return out, nil
}

// ConfirmStart records that the round's workflow is known to have been started. Repeating it, or
// calling it for a round that is over, changes nothing.
func (s *Store) ConfirmStart(ctx context.Context, id uuid.UUID, round int) error {
	return db.Translate(s.q.ConfirmStart(ctx, businesssql.ConfirmStartParams{
		CampaignID: id, Round: int32(round), //nolint:gosec // rounds are counted from 0 by hand
	}))
}

// Unstarted gives campaigns, oldest first, whose start is not confirmed though they changed at least
// age ago: younger ones are being started by the request that made them.
func (s *Store) Unstarted(ctx context.Context, age time.Duration, limit int) ([]campaign.Campaign, error) {
	rows, err := s.q.ListUnstarted(ctx, businesssql.ListUnstartedParams{
		Before: time.Now().Add(-age), MaxRows: int32(limit), //nolint:gosec // limit is a constant of the caller
	})
	if err != nil {
		return nil, db.Translate(err)
	}
	out := make([]campaign.Campaign, len(rows))
	for i, r := range rows {
		out[i] = campaignOf(r.Campaign, r.CampaignStat)
	}
	return out, nil
}

// SetStatus moves an open campaign to status by compare-and-set. A campaign that has ended stays
// ended, and repeating the call changes nothing.
func (s *Store) SetStatus(ctx context.Context, id uuid.UUID, status campaign.Status) error {
	_, err := s.q.SetCampaignStatus(ctx, businesssql.SetCampaignStatusParams{
		CampaignID: id, Status: string(status),
		FromStatuses: []string{string(campaign.Scheduled), string(campaign.Active), string(campaign.Paused)},
	})
	if err != nil {
		return db.Translate(err)
	}
	return failpoint.Err(failpoint.StatusAfterCommit)
}

// SetRate records the campaign's pace in messages per second.
func (s *Store) SetRate(ctx context.Context, id uuid.UUID, perSecond float64) error {
	err := s.q.SetCampaignRate(ctx, businesssql.SetCampaignRateParams{CampaignID: id, Rate: perSecond})
	if err != nil {
		return db.Translate(err)
	}
	return failpoint.Err(failpoint.RateAfterCommit)
}

// RearmFailed starts a new round for the messages that failed with one of the codes: they become
// PENDING with as many attempts again as the campaign allows. Only an ended campaign can be retried;
// when nothing qualifies nothing changes and the count is 0.
func (s *Store) RearmFailed(
	ctx context.Context, id uuid.UUID, retryableCodes []string,
) (campaign.Campaign, int, error) {
	var rearmed int64
	err := s.inTx(ctx, func(_ pgx.Tx, q *businesssql.Queries) error {
		c, err := q.LockCampaign(ctx, id)
		if err != nil {
			return err
		}
		if st := campaign.Status(c.Status); !st.Ended() {
			return errs.Errorf(errs.Conflict, "the campaign is %s; failed messages can be retried when it has ended", st)
		}
		rearmed, err = q.RearmFailed(ctx, businesssql.RearmFailedParams{
			MoreAttempts: int32(c.MaxAttempts), CampaignID: id, Codes: retryableCodes,
		})
		if err != nil || rearmed == 0 {
			return err
		}
		n := int(rearmed)
		if _, err := applyStats(ctx, q, id, campaign.Totals{Pending: n, Failed: -n}); err != nil {
			return err
		}
		_, err = q.NextRound(ctx, businesssql.NextRoundParams{
			CampaignID: id, WorkflowID: campaign.WorkflowID(id, int(c.Round)+1),
		})
		if err != nil {
			return err
		}
		failpoint.Hit(failpoint.RoundBeforeCommit)
		return nil
	})
	if err != nil {
		return campaign.Campaign{}, 0, err
	}
	c, err := s.Campaign(ctx, id)
	return c, int(rearmed), err
}

func campaignOf(r businesssql.Campaign, st businesssql.CampaignStat) campaign.Campaign {
	c := campaign.Campaign{
		ID: r.CampaignID, SegmentID: r.SegmentID, SegmentName: r.SegmentName, Rules: r.Rules, Name: r.Name,
		MessageTemplate: r.MessageTemplate, Type: campaign.Type(r.CampaignType), Status: campaign.Status(r.Status),
		TargetCount: int(r.TargetAudienceCount), FanOut: campaign.FanOut(r.FanOut), Rate: r.Rate,
		MaxAttempts:     int(r.MaxAttempts),
		SendDeadline:    time.Duration(r.SendDeadlineMs) * time.Millisecond,
		ReceiptDeadline: time.Duration(r.ReceiptDeadlineMs) * time.Millisecond,
		ScheduledAt:     r.ScheduledAt, SendWindow: windowOf(r.SendWindow), Round: int(r.Round), WorkflowID: r.WorkflowID,
		Version: int(r.Version), FailureReason: deref(r.FailureReason), CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt,
		UpdatedAt: r.UpdatedAt, StartedAt: r.StartedAt, FinishedAt: r.FinishedAt,
	}
	if r.AudienceResolvedAt != nil {
		c.Stats = &campaign.Stats{Totals: totalsOf(st), DeliveryRate: st.DeliveryRate, LastUpdated: st.LastUpdated}
	}
	return c
}

// Round gives the campaign's current round.
func (s *Store) Round(ctx context.Context, id uuid.UUID) (int, error) {
	n, err := s.q.GetRound(ctx, id)
	return int(n), db.Translate(err)
}
