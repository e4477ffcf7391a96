package activities

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/message"
	"github.com/xencrm/xencrm/internal/segment"
)

// ResolveAudience is harmless when repeated: the audience is stored in one transaction, and a second
// execution finds it there. It evaluates the campaign's frozen rules in one snapshot, renders every
// message and stores the ledger and the opening books; it heartbeats the number of rows so far.
func (a *Activities) ResolveAudience(ctx context.Context, in AudienceInput) (AudienceResult, error) {
	c, err := a.audience.Campaign(ctx, in.CampaignID)
	if err != nil {
		return AudienceResult{}, failure(err)
	}
	tmpl, err := message.Parse(c.MessageTemplate)
	if err != nil {
		return AudienceResult{}, failure(fmt.Errorf("stored template: %w", err))
	}
	rules, err := segment.Parse(c.Rules)
	if err != nil {
		return AudienceResult{}, failure(fmt.Errorf("stored rules: %w", err))
	}
	var rows atomic.Int64
	stop := beat(ctx, rows.Load)
	defer stop()
	request := campaign.AudienceRequest{
		CampaignID: c.ID, Rules: rules, Render: tmpl.Render, PagedAbove: a.pagedAbove,
		OnPage: func(stored int) { rows.Store(int64(stored)) },
	}
	if a.links != nil {
		request.UnsubscribeURL = func(customerID uuid.UUID) string { return a.links(c.ID, customerID) }
	}
	got, err := a.audience.ResolveAudience(ctx, request)
	if err != nil {
		return AudienceResult{}, failure(err)
	}
	res := AudienceResult{Sendable: got.Sendable, Totals: got.Totals, Name: c.Name, SegmentID: c.SegmentID}
	if got.FanOut == campaign.Paged {
		res.PageSize = a.pageSize
	}
	return res, nil
}
