package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

// runLanes sends the state's ranges and returns when every lane has ended. When this run's history
// is full the lanes drain, their rests become the ranges, and the campaign continues as new.
func (c *campaignRun) runLanes(ctx workflow.Context) error {
	ranges := c.state.Ranges
	c.tell(ctx)
	if len(ranges) == 0 {
		return nil
	}
	if len(ranges) == 1 && !c.state.Sparse {
		return c.runInline(ctx, ranges[0])
	}
	rests, err := c.runChildren(ctx, ranges)
	if err != nil {
		return err
	}
	c.state.Ranges = rests
	if len(rests) > 0 && !c.state.Cancelled {
		return c.continueAsNew(ctx)
	}
	return nil
}

// runInline runs the only lane of a small campaign inside this workflow.
func (c *campaignRun) runInline(ctx workflow.Context, r Range) error {
	in := LaneInput{CampaignID: c.in.CampaignID, Range: r, PageSize: c.state.PageSize, Control: c.control}
	res, err := newLane(ctx, in, c.inline).run(ctx)
	if err != nil {
		return err
	}
	c.state.Ranges = nil
	if res.Rest.empty() || c.state.Cancelled {
		return nil
	}
	c.state.Ranges = []Range{res.Rest}
	return c.continueAsNew(ctx)
}

// runChildren starts a child per range and waits for all, giving the rests of those that drained.
func (c *campaignRun) runChildren(ctx workflow.Context, ranges []Range) ([]Range, error) {
	rests := make([]Range, len(ranges))
	c.lanes = make([]workflow.ChildWorkflowFuture, len(ranges))
	c.live = len(ranges)
	c.tell(ctx)
	begin := workflow.Now(ctx).Add(laneStart)
	for i, r := range ranges {
		childCtx := workflow.WithChildOptions(ctx, laneOptions(c.in, i, r))
		in := LaneInput{CampaignID: c.in.CampaignID, Range: r, Sparse: c.state.Sparse, Control: c.forLane(i, begin)}
		if !in.Sparse {
			in.PageSize = c.state.PageSize
		}
		c.lanes[i] = workflow.ExecuteChildWorkflow(childCtx, LaneWorkflow, in)
		workflow.Go(ctx, func(ctx workflow.Context) {
			rests[i] = c.awaitLane(ctx, c.lanes[i])
			c.live--
			c.lanes[i] = nil
			c.tell(ctx) // the pace of the others rises by the share of this one
		})
	}
	if err := workflow.Await(ctx, func() bool { return c.live == 0 || isFull(ctx) }); err != nil {
		return nil, err
	}
	if c.live > 0 {
		c.control.Drain = true
		c.tell(ctx)
		if err := workflow.Await(ctx, func() bool { return c.live == 0 }); err != nil {
			return nil, err
		}
	}
	c.lanes, c.control.Drain = nil, false
	return compact(rests), nil
}

// awaitLane gives the rest of a lane's range. A lane that failed or was terminated leaves its
// messages pending in the ledger, where the next pass finds them.
func (c *campaignRun) awaitLane(ctx workflow.Context, lane workflow.ChildWorkflowFuture) Range {
	var res LaneResult
	if err := lane.Get(ctx, &res); err != nil {
		workflow.GetLogger(ctx).Warn("lane ended early", "campaign_id", c.in.CampaignID, "error", err)
		return Range{First: 1, Last: 0}
	}
	return res.Rest
}

// tell gives every live lane the present control, with its share of the rate.
func (c *campaignRun) tell(ctx workflow.Context) {
	next := Control{
		Revision: c.control.Revision + 1, Paused: c.state.Paused || c.state.Closed, Cancelled: c.state.Cancelled,
		Drain: c.control.Drain, Rate: c.state.Rate / float64(max(c.live, 1)),
	}
	same := next
	same.Revision = c.control.Revision
	if same == c.control && c.control.Revision > 0 && !next.Drain {
		return
	}
	c.control = next
	if !c.inline.SendAsync(next) {
		workflow.GetLogger(ctx).Error("control channel is full", "campaign_id", c.in.CampaignID)
	}
	for i, lane := range c.lanes {
		if lane == nil {
			continue
		}
		own := c.forLane(i, workflow.Now(ctx))
		workflow.Go(ctx, func(ctx workflow.Context) { c.signalLane(ctx, lane, own) })
	}
}

// forLane is the present control for one lane of a campaign that starts or goes on at a moment: each begins its
// sends one place later than the one before it.
func (c *campaignRun) forLane(i int, begin time.Time) Control {
	own := c.control
	if own.Rate > 0 {
		own.From = begin.Add(spread(i, c.state.Rate))
	}
	return own
}

// signalLane tells one lane. A lane that has just ended cannot be told, and need not be.
func (c *campaignRun) signalLane(ctx workflow.Context, lane workflow.ChildWorkflowFuture, control Control) {
	if err := lane.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		return // it never started; awaitLane reports that
	}
	if err := lane.SignalChildWorkflow(ctx, controlSignal, control).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Debug("lane not told", "campaign_id", c.in.CampaignID, "error", err)
	}
}

func compact(ranges []Range) []Range {
	out := ranges[:0]
	for _, r := range ranges {
		if !r.empty() {
			out = append(out, r)
		}
	}
	return out
}
