package activities

import (
	"context"
	"sync/atomic"

	"github.com/xencrm/xencrm/internal/campaign"
)

// ResolveAudience is harmless when repeated: the audience is stored in one transaction, and a second
// execution finds it there. It evaluates the campaign's frozen rules in one snapshot, renders every
// message and stores the ledger and the opening books; it heartbeats the number of rows so far.
func (a *Activities) ResolveAudience(ctx context.Context, in AudienceInput) (AudienceResult, error) {
	c, err := a.audience.Campaign(ctx, in.CampaignID)
	if err != nil {
		return AudienceResult{}, failure(err)
	}
	request, err := c.AudienceRequest(a.links)
	if err != nil {
		return AudienceResult{}, failure(err)
	}
	var rows atomic.Int64
	stop := beat(ctx, rows.Load)
	defer stop()
	request.PagedAbove = a.pagedAbove
	request.OnPage = func(stored int) { rows.Store(int64(stored)) }
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
