// Package engine starts and steers campaign workflows. Beside worker it is the only holder of a
// Temporal client; it knows the names and inputs of workflows and nothing of their inside.
package engine

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/google/uuid"

	"github.com/xencrm/xencrm/internal/campaign"
	"github.com/xencrm/xencrm/internal/errs"
	"github.com/xencrm/xencrm/workflows"
)

// Engine is safe for concurrent use.
type Engine struct{ client client.Client }

// New makes an engine over the client, which stays the caller's to close.
func New(c client.Client) *Engine { return &Engine{client: c} }

// Ping reports whether Temporal answers.
func (e *Engine) Ping(ctx context.Context) error {
	_, err := e.client.CheckHealth(ctx, &client.CheckHealthRequest{})
	return translate(err)
}

// Start starts the workflow of the campaign's current round. Its id is derived from the campaign, so
// starting it again, also after it has ended, is success and changes nothing.
func (e *Engine) Start(ctx context.Context, c campaign.Campaign) error {
	in := workflows.CampaignInput{
		CampaignID: c.ID, Round: c.Round, Rate: c.Rate, ReceiptDeadline: c.ReceiptDeadline,
		Window: c.SendWindow,
	}
	if c.ScheduledAt != nil {
		in.StartAt = *c.ScheduledAt
	}
	attrs := temporal.NewSearchAttributes(
		temporal.NewSearchAttributeKeyKeyword(workflows.AttrCampaignStatus).ValueSet(string(c.Status)),
		temporal.NewSearchAttributeKeyKeyword(workflows.AttrCampaignName).ValueSet(c.Name),
		temporal.NewSearchAttributeKeyKeyword(workflows.AttrSegmentID).ValueSet(c.SegmentID.String()),
	)
	_, err := e.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                    workflows.CampaignWorkflowID(c.ID, c.Round),
		TaskQueue:             workflows.TaskQueue,
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		// A start that is repeated while the workflow runs gives the running one.
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		TypedSearchAttributes:    attrs,
		StaticSummary:            c.Name,
		Priority:                 priority(c),
	}, workflows.CampaignWorkflowName, in)
	if _, started := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); started {
		return nil
	}
	return translate(err)
}

// priority is what the campaign's lanes and activities inherit. It counts where work queues up, which it does
// under a vendor's rate: a message that somebody waits for goes before those that nobody does, and campaigns
// of one sort take turns.
func priority(c campaign.Campaign) temporal.Priority {
	// Of 1 to 5; the middle is what everything without a priority has.
	const soon, normal = 2, 3
	p := temporal.Priority{PriorityKey: normal, FairnessKey: c.ID.String()}
	if c.Type == campaign.Transactional {
		p.PriorityKey = soon
	}
	return p
}

// Pause stops new sends. Repeating it changes nothing.
func (e *Engine) Pause(ctx context.Context, c campaign.Campaign) (campaign.Progress, error) {
	return e.update(ctx, c, workflows.PauseUpdate)
}

// Resume goes on after a pause. Repeating it changes nothing.
func (e *Engine) Resume(ctx context.Context, c campaign.Campaign) (campaign.Progress, error) {
	return e.update(ctx, c, workflows.ResumeUpdate)
}

// Cancel ends the campaign. A second call finds it ended: errs.Conflict.
func (e *Engine) Cancel(ctx context.Context, c campaign.Campaign) (campaign.Progress, error) {
	return e.update(ctx, c, workflows.CancelUpdate)
}

// SetRate sets the pace in messages per second, 0 for unlimited.
func (e *Engine) SetRate(ctx context.Context, c campaign.Campaign, perSecond float64) (campaign.Progress, error) {
	return e.update(ctx, c, workflows.SetRateUpdate, workflows.SetRateInput{PerSecond: perSecond})
}

// Progress asks the workflow itself.
func (e *Engine) Progress(ctx context.Context, c campaign.Campaign) (campaign.Progress, error) {
	var p campaign.Progress
	value, err := e.client.QueryWorkflow(ctx, workflows.CampaignWorkflowID(c.ID, c.Round), "", workflows.ProgressQuery)
	if err != nil {
		return p, translate(err)
	}
	return p, value.Get(&p)
}

// Notify tells a campaign its books. A campaign whose workflow is over needs no telling.
func (e *Engine) Notify(ctx context.Context, id uuid.UUID, round int, t campaign.Totals) error {
	err := translate(e.client.SignalWorkflow(ctx, workflows.CampaignWorkflowID(id, round), "", workflows.ReceiptsSignal, t))
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

func (e *Engine) update(ctx context.Context, c campaign.Campaign, name string, args ...any) (campaign.Progress, error) {
	var p campaign.Progress
	handle, err := e.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: workflows.CampaignWorkflowID(c.ID, c.Round), UpdateName: name, Args: args,
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return p, updateError(err)
	}
	return p, updateError(handle.Get(ctx, &p))
}

// updateError tells a refusal of the workflow from a fault on the way to it or back, after which it may have
// been done.
func updateError(err error) error {
	if appErr, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		if appErr.Type() == workflows.ErrEnded {
			return errs.Wrap(errs.Conflict, err, "the campaign has ended")
		}
		return errs.Wrap(errs.Invalid, err, appErr.Message())
	}
	if err = translate(err); errs.Is(err, errs.Unavailable) {
		return errs.Wrap(errs.Unknown, err, "Temporal gave no answer")
	}
	return err
}

// translate gives Temporal's errors their codes.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*serviceerror.NotFound](err); ok {
		return errs.Wrap(errs.NotFound, err, "the campaign's workflow is not there")
	}
	if _, ok := errors.AsType[*serviceerror.InvalidArgument](err); ok {
		return errs.Wrap(errs.Internal, err, "Temporal refuses the request")
	}
	return errs.Wrap(errs.Unavailable, fmt.Errorf("temporal: %w", err), "Temporal is away")
}
