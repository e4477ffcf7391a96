package activities

import (
	"context"

	"go.temporal.io/sdk/temporal"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
)

// ReadTotals is harmless when repeated: it reads the books.
func (a *Activities) ReadTotals(ctx context.Context, in CampaignRef) (campaign.Totals, error) {
	t, err := a.books.Totals(ctx, in.CampaignID)
	return t, failure(err)
}

// RecordStatus is harmless when repeated: it sets what is set already, and never opens an ended campaign.
func (a *Activities) RecordStatus(ctx context.Context, in StatusInput) error {
	return failure(a.books.SetStatus(ctx, in.CampaignID, in.Status))
}

// RecordRate is harmless when repeated: it sets what is set already.
func (a *Activities) RecordRate(ctx context.Context, in StatusInput) error {
	return failure(a.books.SetRate(ctx, in.CampaignID, in.Rate))
}

// CancelPending is harmless when repeated: what is cancelled is not pending any more.
func (a *Activities) CancelPending(ctx context.Context, in CampaignRef) (campaign.Totals, error) {
	stop := beat(ctx, noProgress)
	defer stop()
	t, err := a.books.CancelPending(ctx, in.CampaignID)
	return t, failure(err)
}

// FinalizeCampaign is harmless when repeated: closed books stay closed. Books that do not balance are
// refused with ErrUnbalanced, which is not retried: an operator has to look.
func (a *Activities) FinalizeCampaign(ctx context.Context, in FinalizeInput) (campaign.Totals, error) {
	stop := beat(ctx, noProgress)
	defer stop()
	t, err := a.books.Finalize(ctx, in.CampaignID, in.Status)
	if errs.Is(err, errs.Conflict) {
		return t, temporal.NewNonRetryableApplicationError(err.Error(), ErrUnbalanced, nil)
	}
	return t, failure(err)
}

// FailCampaign is harmless when repeated: a campaign that has ended stays as it ended.
func (a *Activities) FailCampaign(ctx context.Context, in FailInput) error {
	return failure(a.books.Fail(ctx, in.CampaignID, in.Reason))
}
