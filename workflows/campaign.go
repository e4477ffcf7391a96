package workflows

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/xencrm/xencrm/activities"
	"github.com/xencrm/xencrm/internal/campaign"
)

// CampaignWorkflow runs one round of a campaign from its schedule to its closed books. Every
// recipient ends in exactly one of the books' counts; a campaign that cannot go on ends FAILED with a
// reason, and never with messages forgotten.
func CampaignWorkflow(ctx workflow.Context, in CampaignInput) (CampaignResult, error) {
	c := newRun(ctx, in)
	if err := c.register(ctx); err != nil {
		return CampaignResult{}, err
	}
	workflow.Go(ctx, c.receive)
	return c.run(ctx)
}

// campaignRun is one run of the chain. What has to survive continue-as-new stands in state.
type campaignRun struct {
	in    CampaignInput
	state CampaignState
	// control is what the lanes were told last.
	control Control
	lanes   []workflow.ChildWorkflowFuture
	live    int
	inline  workflow.Channel
	mutex   workflow.Mutex
	// watching says that this run looks at its send window.
	watching bool
}

func newRun(ctx workflow.Context, in CampaignInput) *campaignRun {
	c := &campaignRun{in: in, mutex: workflow.NewMutex(ctx)}
	// Room for every control that can be sent before the inline lane looks; SendAsync never blocks.
	const controls = 1000
	c.inline = workflow.NewNamedBufferedChannel(ctx, controlSignal, controls)
	if in.Carried != nil {
		c.state = *in.Carried
	} else {
		c.state = CampaignState{Phase: PhaseScheduled, Rate: in.Rate, StartedAt: workflow.Now(ctx)}
	}
	c.state.Runs++
	return c
}

func (c *campaignRun) run(ctx workflow.Context) (CampaignResult, error) {
	steps := []struct {
		phase Phase
		do    func(workflow.Context) error
		next  Phase
	}{
		{PhaseScheduled, c.waitForStart, PhaseAudience},
		{PhaseAudience, c.resolve, PhaseSending},
		{PhaseSending, c.send, PhaseReceipts},
		{PhaseReceipts, c.awaitReceipts, PhaseClosing},
	}
	for _, step := range steps {
		if c.state.Phase != step.phase {
			continue
		}
		c.show(ctx)
		if err := step.do(ctx); err != nil {
			return c.failed(ctx, err)
		}
		c.state.Phase = step.next
		if c.state.Cancelled {
			c.state.Phase = PhaseClosing
		}
	}
	return c.close(ctx)
}

// waitForStart sleeps until the scheduled time, and while the campaign is paused. It is a timer in
// the workflow rather than a start delay of the server, so that updates are answered meanwhile.
func (c *campaignRun) waitForStart(ctx workflow.Context) error {
	for !c.state.Cancelled {
		wait := c.in.StartAt.Sub(workflow.Now(ctx))
		if wait <= 0 {
			break
		}
		_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
			Timeout: wait, TimerOptions: workflow.TimerOptions{Summary: "scheduled start"},
		}, func() bool { return c.state.Cancelled })
		if err != nil {
			return err
		}
	}
	if err := c.watchWindow(ctx); err != nil {
		return err
	}
	return workflow.Await(ctx, func() bool { return !c.state.Paused && !c.state.Closed || c.state.Cancelled })
}

// resolve stores the audience. A retry round has one already and asks which messages are pending.
func (c *campaignRun) resolve(ctx workflow.Context) error {
	if c.in.Round > 0 {
		if err := c.reread(ctx); err != nil {
			return err
		}
		c.state.Ranges, c.state.Sparse = []Range{{First: 1, Last: c.state.Totals.Audience}}, true
		return nil
	}
	var res activities.AudienceResult
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, audienceOptions()), act.ResolveAudience,
		activities.AudienceInput{CampaignID: c.in.CampaignID}).Get(ctx, &res)
	if err != nil {
		return err
	}
	c.state.Totals, c.state.PageSize = c.state.Totals.Newer(res.Totals), res.PageSize
	switch {
	case res.Sendable == 0:
	case res.Sendable <= inlineLimit:
		c.state.Ranges = []Range{{First: 1, Last: res.Sendable}}
	default:
		c.state.Ranges = split(res.Sendable, res.PageSize)
	}
	return c.label(ctx, campaign.Active)
}

// send runs lanes until nothing is pending. A second pass is needed only when a lane was terminated
// from outside; it asks the ledger what is left.
func (c *campaignRun) send(ctx workflow.Context) error {
	if err := c.watchWindow(ctx); err != nil {
		return err
	}
	for pass := 1; ; pass++ {
		if err := c.runLanes(ctx); err != nil {
			return err
		}
		if err := c.reread(ctx); err != nil {
			return err
		}
		if c.state.Cancelled || c.state.Totals.Pending == 0 || pass == sendPasses {
			return nil
		}
		c.state.Ranges, c.state.Sparse = []Range{{First: 1, Last: c.state.Totals.Audience}}, true
	}
}

// awaitReceipts waits for the signals that settle the books. Signals are hints: a timer reads the
// totals again, so a lost one delays the end by half a minute at most at first.
func (c *campaignRun) awaitReceipts(ctx workflow.Context) error {
	if c.state.ReceiptsUntil.IsZero() {
		c.state.ReceiptsUntil = workflow.Now(ctx).Add(c.in.ReceiptDeadline)
	}
	for wait := firstReread; !c.receiptsDone(ctx); {
		before := c.state.Totals
		remaining := c.state.ReceiptsUntil.Sub(workflow.Now(ctx))
		_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
			Timeout: min(wait, remaining), TimerOptions: workflow.TimerOptions{Summary: "read the totals again"},
		}, func() bool { return c.receiptsDone(ctx) || isFull(ctx) })
		if err != nil {
			return err
		}
		if isFull(ctx) {
			return c.continueAsNew(ctx)
		}
		if c.receiptsDone(ctx) {
			break
		}
		if err := c.reread(ctx); err != nil {
			return err
		}
		wait = min(2*wait, lastReread)
		if c.state.Totals != before {
			wait = firstReread
		}
	}
	return nil
}

func (c *campaignRun) receiptsDone(ctx workflow.Context) bool {
	return c.state.Cancelled || c.state.Totals.Settled() || !workflow.Now(ctx).Before(c.state.ReceiptsUntil)
}

// close closes the books, as COMPLETED or CANCELLED.
func (c *campaignRun) close(ctx workflow.Context) (CampaignResult, error) {
	status := campaign.Completed
	if c.state.Cancelled {
		status = campaign.Cancelled
		opts := ledgerOptions("mark what was not sent as cancelled")
		err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), act.CancelPending,
			activities.CampaignRef{CampaignID: c.in.CampaignID}).Get(ctx, &c.state.Totals)
		if err != nil {
			return c.failed(ctx, err)
		}
	}
	c.show(ctx)
	var totals campaign.Totals
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, ledgerOptions("close the books")),
		act.FinalizeCampaign, activities.FinalizeInput{CampaignID: c.in.CampaignID, Status: status}).Get(ctx, &totals)
	if err != nil {
		return c.failed(ctx, err)
	}
	c.state.Totals, c.state.Phase = totals, PhaseClosed
	c.show(ctx)
	if err := c.label(ctx, status); err != nil {
		return CampaignResult{}, err
	}
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return CampaignResult{}, err
	}
	return CampaignResult{Status: status, Totals: totals}, nil
}

// failed records why the campaign cannot go on. Continue-as-new and termination pass through.
func (c *campaignRun) failed(ctx workflow.Context, cause error) (CampaignResult, error) {
	if workflow.IsContinueAsNewError(cause) {
		return CampaignResult{}, cause
	}
	// Also when the workflow itself was cancelled from outside: the campaign must not look alive.
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	opts := bookOptions("record why the campaign failed")
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, opts), act.FailCampaign,
		activities.FailInput{CampaignID: c.in.CampaignID, Reason: cause.Error()}).Get(ctx, nil)
	if err != nil {
		workflow.GetLogger(ctx).Error("failure not recorded", "campaign_id", c.in.CampaignID, "error", err)
	}
	if err := c.label(ctx, campaign.Failed); err != nil {
		workflow.GetLogger(ctx).Error("failure not labelled", "campaign_id", c.in.CampaignID, "error", err)
	}
	return CampaignResult{Status: campaign.Failed, Totals: c.state.Totals}, cause
}

// reread takes the totals from the database.
func (c *campaignRun) reread(ctx workflow.Context) error {
	var t campaign.Totals
	err := workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, bookOptions("read the totals")), act.ReadTotals,
		activities.CampaignRef{CampaignID: c.in.CampaignID}).Get(ctx, &t)
	if err != nil {
		return err
	}
	c.state.Totals = c.state.Totals.Newer(t)
	c.show(ctx)
	return nil
}

// continueAsNew ends the run and carries the state over, after the handlers have finished and the
// signals that arrived meanwhile were taken.
func (c *campaignRun) continueAsNew(ctx workflow.Context) error {
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	c.drainReceipts(ctx)
	in := c.in
	in.Carried = &c.state
	return workflow.NewContinueAsNewError(ctx, CampaignWorkflow, in)
}

// label sets the search attribute by which an operator filters campaigns. The status changes a few
// times in a campaign's life, so this costs next to no history.
func (c *campaignRun) label(ctx workflow.Context, status campaign.Status) error {
	key := temporal.NewSearchAttributeKeyKeyword(AttrCampaignStatus)
	return workflow.UpsertTypedSearchAttributes(ctx, key.ValueSet(string(status)))
}
