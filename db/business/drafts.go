package business

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/businesssql"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/customer"
	"github.com/xencrm/xencrm/internal/errs"
)

// LaunchDraft moves a draft on by compare-and-set, so that of many clicks one launches. Version 0 takes
// any.
func (s *Store) LaunchDraft(ctx context.Context, id uuid.UUID, version int) (campaign.Campaign, error) {
	n, err := s.q.LaunchDraft(ctx, businesssql.LaunchDraftParams{
		CampaignID: id, Version: int32(version), //nolint:gosec // counts edits from 1
	})
	return s.afterDraft(ctx, id, "launched", n, err)
}

// UpdateDraft replaces what a client says of a campaign, if it still is a draft of the version that was
// read.
func (s *Store) UpdateDraft(ctx context.Context, c campaign.Campaign) (campaign.Campaign, error) {
	p := insertParams(c, nil)
	n, err := s.q.UpdateDraft(ctx, businesssql.UpdateDraftParams{
		CampaignID: c.ID, Version: int32(c.Version), //nolint:gosec // counts edits from 1
		SegmentID: p.SegmentID, SegmentName: p.SegmentName, Rules: p.Rules, Name: p.Name,
		MessageTemplate: p.MessageTemplate, CampaignType: p.CampaignType,
		TargetAudienceCount: p.TargetAudienceCount, FanOut: p.FanOut, Rate: p.Rate, MaxAttempts: p.MaxAttempts,
		SendDeadlineMs: p.SendDeadlineMs, ReceiptDeadlineMs: p.ReceiptDeadlineMs, ScheduledAt: p.ScheduledAt,
		SendWindow: p.SendWindow,
	})
	return s.afterDraft(ctx, c.ID, "edited", n, err)
}

// DeleteDraft removes a draft and its empty books. A campaign that was launched keeps its books for ever.
func (s *Store) DeleteDraft(ctx context.Context, id uuid.UUID) error {
	return s.inTx(ctx, func(_ pgx.Tx, q *businesssql.Queries) error {
		c, err := q.LockCampaign(ctx, id)
		if err != nil {
			return err
		}
		if st := campaign.Status(c.Status); st != campaign.Draft {
			return noDraft(st, "deleted")
		}
		if err := q.DeleteStats(ctx, id); err != nil {
			return err
		}
		_, err = q.DeleteDraft(ctx, id)
		return err
	})
}

// afterDraft gives the campaign as it is now, or why the compare-and-set changed nothing.
func (s *Store) afterDraft(
	ctx context.Context, id uuid.UUID, verb string, changed int64, err error,
) (campaign.Campaign, error) {
	if err != nil {
		return campaign.Campaign{}, db.Translate(err)
	}
	c, err := s.Campaign(ctx, id)
	switch {
	case err != nil || changed > 0:
		return c, err
	case c.Status != campaign.Draft:
		return c, noDraft(c.Status, verb)
	}
	return c, errs.Errorf(errs.Conflict, "the campaign is at version %d: %w", c.Version, customer.ErrStale)
}

func noDraft(st campaign.Status, verb string) error {
	return errs.Errorf(errs.Conflict, "the campaign is %s; only a DRAFT can be %s", st, verb)
}
