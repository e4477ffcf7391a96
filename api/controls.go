package api

import (
	"context"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/campaign"
)

// books are the totals of a campaign: every recipient is in exactly one count from pending to
// cancelled.
type books struct {
	Audience  int `json:"audience" doc:"All recipients." example:"42"`
	Pending   int `json:"pending" doc:"Not accepted by the vendor yet." example:"1"`
	InFlight  int `json:"in_flight" doc:"Accepted by the vendor, awaiting the receipt." example:"1"`
	Delivered int `json:"delivered" doc:"Delivered." example:"36"`
	Failed    int `json:"failed" doc:"Failed for good." example:"2"`
	Skipped   int `json:"skipped" doc:"Never to be sent: no address, or suppressed." example:"2"`
	Cancelled int `json:"cancelled" doc:"Not sent because the campaign was cancelled." example:"0"`
	Sent      int `json:"sent" doc:"Handed to the vendor at least once; counted across the others." example:"39"`
}

// progressView is how far a campaign is.
type progressView struct {
	CampaignID   string   `json:"campaign_id" format:"uuid" doc:"The campaign's id." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	Phase        string   `json:"phase" doc:"What the workflow is doing, or the status of an ended campaign." example:"sending"`
	Paused       bool     `json:"paused" doc:"Whether new sends are stopped." example:"false"`
	Rate         float64  `json:"rate" doc:"Messages per second, 0 for no limit." example:"50"`
	WaitsUntil   *instant `json:"waits_until" nullable:"true" doc:"When the send window opens; null while it is open, and without one." example:"2025-09-15T03:30:00.000Z"`
	Totals       books    `json:"totals" doc:"Every recipient, accounted for."`
	DeliveryRate string   `json:"delivery_rate" doc:"Delivered of sent in percent, an exact decimal." example:"92.31"`
}

type progressReply = reply[answer[progressView]]

// steer makes the handler of a call that takes an id and gives the new progress.
func (c campaigns) steer(
	call func(context.Context, uuid.UUID) (campaign.Progress, error),
) func(context.Context, *campaignID) (*progressReply, error) {
	return func(ctx context.Context, in *campaignID) (*progressReply, error) {
		id, err := idOf(in.ID, "Campaign")
		if err != nil {
			return nil, err
		}
		p, err := call(ctx, id)
		if err != nil {
			return nil, err
		}
		return ok(viewProgress(id, p)), nil
	}
}

type rateBody struct {
	Rate *float64 `json:"rate" nullable:"false" minimum:"0" doc:"Messages per second; 0 for no limit." example:"50"`
}

type rateInput struct {
	ID   string `path:"id" format:"uuid" doc:"The campaign's id." example:"0197e5b5-2a90-7a64-8a3c-3a5ef2c43a11"`
	Body jsonBody[rateBody]
}

func (c campaigns) setRate(ctx context.Context, in *rateInput) (*progressReply, error) {
	said, err := in.Body.decode()
	if err != nil {
		return nil, err
	}
	if said.Rate == nil {
		return nil, refused("/rate", "rate is required")
	}
	return c.steer(func(ctx context.Context, id uuid.UUID) (campaign.Progress, error) {
		return c.service.SetRate(ctx, id, *said.Rate)
	})(ctx, &campaignID{ID: in.ID})
}

// retriedView is a campaign that sends its failed messages again.
type retriedView struct {
	Retried  int          `json:"retried" doc:"Messages that will be sent again; 0 changes nothing." example:"2"`
	Campaign campaignView `json:"campaign" doc:"The campaign as it is now."`
}

func (c campaigns) retryFailed(ctx context.Context, in *campaignID) (*reply[answer[retriedView]], error) {
	id, err := idOf(in.ID, "Campaign")
	if err != nil {
		return nil, err
	}
	again, n, err := c.service.RetryFailed(ctx, id)
	if err != nil {
		return nil, err
	}
	return ok(retriedView{Retried: n, Campaign: viewCampaign(again)}), nil
}

func viewProgress(id uuid.UUID, p campaign.Progress) progressView {
	return progressView{
		CampaignID: id.String(), Phase: p.Phase, Paused: p.Paused, Rate: p.Rate,
		WaitsUntil: instantOf(p.WaitsUntil), Totals: viewBooks(p.Totals), DeliveryRate: p.Totals.DeliveryRate().String(),
	}
}

func viewBooks(t campaign.Totals) books {
	return books{
		Audience: t.Audience, Pending: t.Pending, InFlight: t.InFlight, Delivered: t.Delivered,
		Failed: t.Failed, Skipped: t.Skipped, Cancelled: t.Cancelled, Sent: t.Sent,
	}
}
