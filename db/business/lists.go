package business

import (
	"context"

	"github.com/xencrm/xencrm/db"
	"github.com/xencrm/xencrm/db/internal/businesssql"
	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/cursor"
)

// CampaignsAfter gives up to limit campaigns that follow a position, newest first.
func (s *Store) CampaignsAfter(ctx context.Context, after cursor.Position, limit int) ([]campaign.Campaign, error) {
	at, id, err := campaign.NewestBefore(after)
	if err != nil {
		return nil, err
	}
	rows, err := s.q.ListCampaignsAfter(ctx, businesssql.ListCampaignsAfterParams{
		CreatedAt: at, AfterID: id, N: int32(limit), //nolint:gosec // a page of some hundred at most
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

// SegmentsAfter gives up to limit segments that follow a position, newest first.
func (s *Store) SegmentsAfter(ctx context.Context, after cursor.Position, limit int) ([]campaign.Segment, error) {
	at, id, err := campaign.NewestBefore(after)
	if err != nil {
		return nil, err
	}
	rows, err := s.q.ListSegmentsAfter(ctx, businesssql.ListSegmentsAfterParams{
		CreatedAt: at, AfterID: id, N: int32(limit), //nolint:gosec // a page of some hundred at most
	})
	if err != nil {
		return nil, db.Translate(err)
	}
	out := make([]campaign.Segment, len(rows))
	for i, r := range rows {
		out[i] = segmentOf(r)
	}
	return out, nil
}
